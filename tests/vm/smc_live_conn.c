// SPDX-License-Identifier: MIT
/*
 * smc_live: the connection itself: how it comes, what it is called, who may
 * have it, what is refused, how it ends.
 */
#include <linux/bpf.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/sockios.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "smc_live.h"

static char buf[65536];

/*
 * How it comes
 */
static void test_status(struct pair *p)
{
	struct smc_status status = {.mode = 99};
	socklen_t len = sizeof(status);

	is(res(smc_mode(p->peer)), res(live_mode), "the peer's mode");
	is(res(getsockopt(p->me, SOL_SMC, SMC_STATUS, &status, &len)), "0",
	   "SMC_STATUS");
	is(res(status.mode), res(live_mode), "mode");
	is(res(status.use), res(SMC_USE_UNSET), "use");
	is(res(status.reason), "0", "reason");
	is(res(status.peer_reason), "0", "peer_reason");
	is(res(len), res(sizeof(status)), "length");
	is(res(set_int(p->me, SOL_SMC, SMC_USE, SMC_USE_TCP)), "EINVAL",
	   "SMC_USE 2");
	chat(p->me, p->peer);
}

static void test_listener_status(struct pair *p)
{
	int lsk = listen_at(socket_of(true, 0), &p->listener);

	is(res(smc_mode(lsk)), res(SMC_MODE_LISTEN), "mode");
	pair_connect(p, lsk, socket_of(true, 0));
	is(res(smc_mode(lsk)), res(SMC_MODE_LISTEN), "mode afterwards");
	chat(p->me, p->peer);
}

/* Writable means decided, and that data can be sent. */
static void test_connect_nonblock(struct pair *p)
{
	int lsk = listen_at(socket_of(with_smc, 0), &p->listener), rc, events;

	for (int i = 0; i < 20; i++) {
		p->me = socket_of(with_smc, SOCK_NONBLOCK);
		is(res(connect(p->me, &p->listener.sa, p->listener.len)),
		   "EINPROGRESS", "connect");
		events = wait_for(p->me, POLLIN | POLLOUT, 0);
		if (!events) {
			is(so_error(p->me), "0", "SO_ERROR meanwhile");
			events = wait_for(p->me, POLLIN | POLLOUT, WAIT_MS);
		}
		be_smc(p->me);
		is(res(events), res(POLLOUT), "poll");
		is(so_error(p->me), "0", "SO_ERROR");
		is(res(send(p->me, "x", 1, 0)), "1", "send");
		rc = connect(p->me, &p->listener.sa, p->listener.len);
		if (rc)
			is(err_name(errno), "EISCONN", "connect again");
		is(res(connect(p->me, &p->listener.sa, p->listener.len)),
		   "EISCONN", "connect once more");
		p->peer = accept(lsk, NULL, NULL);
		be_smc(p->peer);
		is(get(p->peer, 9, 0), "x", "what was sent");
		chat(p->me, p->peer);
		close(p->me);
		close(p->peer);
	}
}

static void test_connect_epoll(struct pair *p)
{
	int lsk = listen_at(socket_of(with_smc, 0), &p->listener);
	struct epoll_event ev = {.events = EPOLLIN | EPOLLOUT | EPOLLET};
	int ep = epoll_create1(EPOLL_CLOEXEC);

	p->me = socket_of(with_smc, SOCK_NONBLOCK);
	is(res(connect(p->me, &p->listener.sa, p->listener.len)), "EINPROGRESS",
	   "connect");
	is(res(epoll_ctl(ep, EPOLL_CTL_ADD, p->me, &ev)), "0", "epoll_ctl");
	is(res(epoll_wait(ep, &ev, 1, WAIT_MS)), "1", "epoll_wait");
	is(res(ev.events), res(EPOLLOUT), "the edge");
	be_smc(p->me);
	p->peer = accept(lsk, NULL, NULL);
	chat(p->me, p->peer);
}

static void test_connect_again(struct pair *p)
{
	is(res(connect(p->me, &p->listener.sa, p->listener.len)), "EISCONN",
	   "connect");
	chat(p->me, p->peer);
}

/* A value that is not the default, and is the same for both. */
static const struct option_value {
	const char *name;
	int level, option, value;
} inherited[] = {
	{"SO_KEEPALIVE", SOL_SOCKET, SO_KEEPALIVE, 1},
	{"SO_OOBINLINE", SOL_SOCKET, SO_OOBINLINE, 1},
	{"SO_DONTROUTE", SOL_SOCKET, SO_DONTROUTE, 1},
	{"SO_PRIORITY", SOL_SOCKET, SO_PRIORITY, 3},
	{"SO_MARK", SOL_SOCKET, SO_MARK, 77},
	{"SO_SNDBUF", SOL_SOCKET, SO_SNDBUF, 100000},
	{"SO_RCVBUF", SOL_SOCKET, SO_RCVBUF, 90000},
	{"SO_REUSEADDR", SOL_SOCKET, SO_REUSEADDR, 1},
	{"SO_RCVLOWAT", SOL_SOCKET, SO_RCVLOWAT, 2},
	{"SO_ZEROCOPY", SOL_SOCKET, SO_ZEROCOPY, 1},
	{"TCP_NODELAY", IPPROTO_TCP, TCP_NODELAY, 1},
	{"TCP_MAXSEG", IPPROTO_TCP, TCP_MAXSEG, 1000},
	{"TCP_KEEPIDLE", IPPROTO_TCP, TCP_KEEPIDLE, 100},
	{"TCP_KEEPINTVL", IPPROTO_TCP, TCP_KEEPINTVL, 10},
	{"TCP_KEEPCNT", IPPROTO_TCP, TCP_KEEPCNT, 4},
	{"TCP_USER_TIMEOUT", IPPROTO_TCP, TCP_USER_TIMEOUT, 50000},
	{"TCP_LINGER2", IPPROTO_TCP, TCP_LINGER2, 20},
	{"TCP_NOTSENT_LOWAT", IPPROTO_TCP, TCP_NOTSENT_LOWAT, 30000},
	{"IP_TOS", IPPROTO_IP, IP_TOS, 8},
	{"IP_TTL", IPPROTO_IP, IP_TTL, 33},
};

static void options_of(bool smc, struct pair *p, int values[])
{
	int lsk = socket_of(smc, 0), i;

	for (i = 0; i < (int)COUNT(inherited); i++) {
		const struct option_value *o = &inherited[i];

		if (set_int(lsk, o->level, o->option, o->value))
			failed("%s: %s", o->name, err_name(errno));
	}
	set_linger(lsk, 1, 3);
	set_time(lsk, SO_RCVTIMEO, 300);
	set_time(lsk, SO_SNDTIMEO, 400);
	pair_connect(p, listen_at(lsk, &p->listener), socket_of(smc, 0));
	for (i = 0; i < (int)COUNT(inherited); i++)
		values[i] =
			get_int(p->me, inherited[i].level, inherited[i].option);
}

/* The same that TCP's accepted sockets have, and it has effect. */
static void test_inherit(struct pair *p)
{
	int tcp[COUNT(inherited)], smc[COUNT(inherited)];
	struct linger linger = {0};
	struct timeval tv = {0};
	socklen_t len;
	long then;

	p->me_accepted = true;
	if (with_smc) {
		with_smc = false;
		options_of(false, p, tcp);
		with_smc = true;
	}
	options_of(with_smc, p, smc);
	for (size_t i = 0; i < COUNT(inherited) && with_smc; i++)
		is(res(smc[i]), res(tcp[i]), inherited[i].name);
	is(res(smc[0]), "1", "SO_KEEPALIVE");
	len = sizeof(linger);
	is(res(getsockopt(p->me, SOL_SOCKET, SO_LINGER, &linger, &len)), "0",
	   "SO_LINGER");
	is(res(linger.l_onoff * 10 + linger.l_linger), "13", "its value");
	len = sizeof(tv);
	is(res(getsockopt(p->me, SOL_SOCKET, SO_SNDTIMEO, &tv, &len)), "0",
	   "SO_SNDTIMEO");
	is(res(tv.tv_usec), "400000", "its value");
	is(res(fcntl(p->me, F_GETFL) & O_NONBLOCK), "0", "O_NONBLOCK");
	then = now_ms();
	is(res(recv(p->me, buf, 1, 0)), "EAGAIN", "recv with SO_RCVTIMEO");
	between(now_ms() - then, 200, WAIT_MS, "ms of recv");
	put(p->peer, "a", 0);
	put(p->peer, "!", MSG_OOB);
	want(wait_for(p->me, POLLPRI, WAIT_MS), "POLLPRI");
	is(res(recv(p->me, buf, 9, 0)), "1", "SO_OOBINLINE: up to the mark");
	is(res(recv(p->me, buf, 9, 0)), "1", "SO_OOBINLINE: behind it");
	is(res(buf[0]), res('!'), "SO_OOBINLINE: what is there");
}

/*
 * What it is called
 */
static void same_addr(const struct addr *a, const struct addr *b,
		      const char *what)
{
	want(a->len == any_addr(0).len && a->len == b->len &&
		     !memcmp(&a->ss, &b->ss, a->len),
	     what);
}

static void same_names(struct pair *p, const char *what)
{
	struct addr me = name_of(p->me, false), peer = name_of(p->me, true);
	struct addr his = name_of(p->peer, true), own = name_of(p->peer, false);
	struct addr *server = p->me_accepted ? &me : &peer;

	same_addr(&me, &his, what);
	same_addr(&peer, &own, what);
	same_addr(server, &p->listener, what);
}

static void test_names(struct pair *p)
{
	same_names(p, "at first");
	put(p->me, "x", 0);
	shutdown(p->me, SHUT_WR);
	same_names(p, "after a shutdown");
	is(get(p->peer, 9, 0), "x", "data");
	is(get(p->peer, 9, 0), "eof", "end");
	same_names(p, "after the end");
}

static void addr_text(const struct addr *addr, char *text)
{
	char host[INET6_ADDRSTRLEN];

	if (addr->sa.sa_family == AF_INET)
		sprintf(text, " %s:%u ",
			inet_ntop(AF_INET, &addr->in.sin_addr, host,
				  sizeof(host)),
			port_of(addr));
	else
		sprintf(text, " [%s]:%u ",
			inet_ntop(AF_INET6, &addr->in6.sin6_addr, host,
				  sizeof(host)),
			port_of(addr));
}

static void test_smc_diag(struct pair *p)
{
	struct addr me = name_of(p->me, false), peer = name_of(p->me, true);
	char inode[32], local[64], remote[64], command[256];
	const char *words[] = {
		inode, mode_name(), local, remote, " 0x00000000 0x00000000",
		NULL};
	struct stat st;

	want(!fstat(p->me, &st), "fstat");
	sprintf(inode, "%lu ACTIVE ", (unsigned long)st.st_ino);
	addr_text(&me, local);
	addr_text(&peer, remote);
	snprintf(command, sizeof(command), "%s conns",
		 getenv("LAB_SMCCTL") ?: "smcctl");
	if (!output_has(command, words)) {
		printf("# want: %s%s%s%s%s\n", inode, words[1], local, remote,
		       words[4]);
		fflush(stdout);
		snprintf(command, sizeof(command), "%s conns | sed 's/^/# /'",
			 getenv("LAB_SMCCTL") ?: "smcctl");
		if (system(command))
			failed("smcctl");
		failed("no such line");
	}
}

static void test_ss(struct pair *p)
{
	struct addr me = name_of(p->me, false), peer = name_of(p->me, true);
	char command[128], ours[64];
	const char *words[] = {"ESTAB", ours, NULL};

	snprintf(ours, sizeof(ours), "((\"smc_live\",pid=%d,fd=%d)", getpid(),
		 p->me);
	snprintf(command, sizeof(command),
		 "ss -tnpH 'sport = :%u and dport = :%u'", port_of(&me),
		 port_of(&peer));
	want(output_has(command, words), "ss names the process");
}

/*
 * Who may have it
 */
static void test_dup(struct pair *p)
{
	int other = dup(p->me);

	chat(other, p->peer);
	close(p->me);
	chat(other, p->peer);
	is(res(wait_for(p->peer, POLLIN, QUIET_MS)), "0", "still open");
	p->me = dup2(other, p->me);
	close(other);
	chat(p->me, p->peer);
	close(p->me);
	is(get(p->peer, 9, 0), "eof", "the last one closed");
}

static int status_of(pid_t pid)
{
	int status = -1;

	waitpid(pid, &status, 0);
	return status;
}

static void test_fork(struct pair *p)
{
	pid_t pid = fork();

	if (!pid) {
		close(p->peer);
		is(get(p->me, 99, 0), "to child", "child: recv");
		put(p->me, "from child", 0);
		_exit(0);
	}
	put(p->peer, "to child", 0);
	is(get(p->peer, 99, 0), "from child", "recv");
	is(res(status_of(pid)), "0", "the child's status");
	chat(p->me, p->peer);
	/* The child has it alone. */
	pid = fork();
	if (!pid) {
		close(p->peer);
		is(get(p->me, 99, 0), "alone", "child: recv");
		put(p->me, "alone, too", 0);
		_exit(0);
	}
	close(p->me);
	put(p->peer, "alone", 0);
	is(get(p->peer, 99, 0), "alone, too", "recv");
	is(get(p->peer, 99, 0), "eof", "end with the child");
	is(res(status_of(pid)), "0", "the child's status");
}

static void test_rights(struct pair *p)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = {0};
	char byte = 'f';
	struct iovec iov = {&byte, 1};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = control.bytes,
			     .msg_controllen = sizeof(control)};
	int ends[2];
	pid_t pid;

	want(!socketpair(AF_UNIX, SOCK_STREAM, 0, ends), "socketpair");
	pid = fork();
	if (!pid) {
		int fd;

		close(p->me);
		close(p->peer);
		close(ends[0]);
		is(res(recvmsg(ends[1], &msg, 0)), "1", "child: recvmsg");
		memcpy(&fd, CMSG_DATA(&control.align), sizeof(fd));
		is(get(fd, 99, 0), "over there", "child: recv");
		be_smc(fd);
		put(fd, "from there", 0);
		_exit(0);
	}
	control.align.cmsg_level = SOL_SOCKET;
	control.align.cmsg_type = SCM_RIGHTS;
	control.align.cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(&control.align), &p->me, sizeof(int));
	is(res(sendmsg(ends[0], &msg, 0)), "1", "sendmsg");
	close(p->me);
	put(p->peer, "over there", 0);
	is(get(p->peer, 99, 0), "from there", "recv");
	is(get(p->peer, 99, 0), "eof", "end with the other process");
	is(res(status_of(pid)), "0", "its status");
}

/*
 * What is refused.  The connection goes on.
 */
static void test_ulp(struct pair *p)
{
	is(res(setsockopt(p->me, IPPROTO_TCP, TCP_ULP, "tls", 3)), "EOPNOTSUPP",
	   "TCP_ULP tls");
	chat(p->me, p->peer);
}

static void test_repair(struct pair *p)
{
	is(res(set_int(p->me, IPPROTO_TCP, TCP_REPAIR, 1)), "EOPNOTSUPP",
	   "TCP_REPAIR");
	chat(p->me, p->peer);
}

static void test_zerocopy_receive(struct pair *p)
{
	char value[64] = "";
	socklen_t len = 40; /* of the first form */

	is(res(getsockopt(p->me, IPPROTO_TCP, TCP_ZEROCOPY_RECEIVE, value,
			  &len)),
	   "EOPNOTSUPP", "TCP_ZEROCOPY_RECEIVE");
	chat(p->me, p->peer);
}

static void test_unspec(struct pair *p)
{
	struct sockaddr sa = {.sa_family = AF_UNSPEC};

	is(res(connect(p->me, &sa, sizeof(sa))), "EOPNOTSUPP",
	   "connect(AF_UNSPEC)");
	chat(p->me, p->peer);
	same_names(p, "afterwards");
}

static void test_addrform(struct pair *p)
{
	is(res(set_int(p->me, IPPROTO_IPV6, IPV6_ADDRFORM, AF_INET)), "EBUSY",
	   "IPV6_ADDRFORM");
	is(res(get_int(p->me, SOL_SOCKET, SO_DOMAIN)), res(AF_INET6), "domain");
	chat(p->me, p->peer);
}

static void update_map(struct pair *p, int type)
{
	uint32_t key = 0;
	uint64_t value = p->me;
	union bpf_attr attr = {.map_type = type,
			       .key_size = sizeof(key),
			       .value_size = sizeof(value),
			       .max_entries = 1};
	int map = syscall(__NR_bpf, BPF_MAP_CREATE, &attr, sizeof(attr));

	if (map < 0)
		failed("map: %s", err_name(errno));
	memset(&attr, 0, sizeof(attr));
	attr.map_fd = map;
	attr.key = (uintptr_t)&key;
	attr.value = (uintptr_t)&value;
	is(res(syscall(__NR_bpf, BPF_MAP_UPDATE_ELEM, &attr, sizeof(attr))),
	   "EBUSY", "update");
	chat(p->me, p->peer);
}

static void test_sockmap(struct pair *p)
{
	update_map(p, BPF_MAP_TYPE_SOCKMAP);
}

static void test_sockhash(struct pair *p)
{
	update_map(p, BPF_MAP_TYPE_SOCKHASH);
}

/*
 * How it ends
 */
static void be_error(const char *got, const char *err, const char *what)
{
	/* The peer's SMC may be faster than what became of our TCP. */
	if (with_smc && !strcmp(err, "ECONNABORTED") &&
	    !strcmp(got, "ECONNRESET"))
		return;
	is(got, err, what);
}

static void be_reset(int fd, const char *err)
{
	int events;

	want(wait_for(fd, POLLIN, WAIT_MS), "an event");
	events = wait_for(fd, POLLIN | POLLRDHUP, 0);
	if ((events & (POLLERR | POLLHUP)) != (POLLERR | POLLHUP))
		failed("poll: revents 0x%x, want POLLERR and POLLHUP", events);
	be_error(res(recv(fd, buf, 9, MSG_DONTWAIT)), err, "recv");
	is(res(recv(fd, buf, 9, MSG_DONTWAIT)), "0", "recv again");
	is(so_error(fd), "0", "SO_ERROR afterwards");
	is(res(send(fd, "x", 1, MSG_DONTWAIT)), "EPIPE", "send");
	want(wait_for(fd, POLLIN, 0) & POLLHUP, "POLLHUP afterwards");
}

static long count_to_end(int fd)
{
	return drain(fd, -1);
}

/* More than the buffers hold, and then the end. */
static long send_and_shut(int fd)
{
	static unsigned char piece[10000];
	long sent = 0;
	ssize_t n;

	for (int i = 0; i < 100; i++) {
		for (size_t done = 0; done < sizeof(piece); done += n) {
			for (size_t j = done; j < sizeof(piece); j++)
				piece[j] = (sent + j - done) * 7 +
					   (sent + j - done) / 251;
			n = send(fd, piece + done, sizeof(piece) - done, 0);
			if (n <= 0)
				failed("send: %s", res(n));
			sent += n;
		}
	}
	shutdown(fd, SHUT_WR);
	return sent;
}

static void test_shut_wr(struct pair *p)
{
	struct job job;
	long got;

	start(&job, send_and_shut, p->me);
	got = drain(p->peer, -1);
	is(res(got), join(&job), "received");
	is(get(p->peer, 9, 0), "eof", "recv once more");
	is(res(wait_for(p->peer, POLLIN | POLLOUT | POLLRDHUP, 0)),
	   res(POLLIN | POLLOUT | POLLRDHUP), "the peer's poll");
	is(res(send(p->me, "x", 1, 0)), "EPIPE", "send after it");
	put(p->peer, "still", 0);
	is(get(p->me, 9, 0), "still", "the other direction");
	close(p->peer);
	is(get(p->me, 9, 0), "eof", "end of the other direction");
	want(wait_for(p->me, POLLIN, WAIT_MS) & POLLHUP, "POLLHUP");
}

static void test_shut_rd(struct pair *p)
{
	is(res(shutdown(p->me, SHUT_RD)), "0", "shutdown");
	is(res(recv(p->me, buf, 9, 0)), "0", "recv does not wait");
	is(res(wait_for(p->me, POLLIN | POLLOUT | POLLRDHUP, 0)),
	   res(POLLIN | POLLOUT | POLLRDHUP), "poll");
	is(res(wait_for(p->peer, POLLIN | POLLRDHUP, QUIET_MS)), "0",
	   "the peer notices nothing");
	put(p->peer, "late", 0);
	nap(QUIET_MS);
	is(res(recv(p->me, buf, 9, 0)), "4", "what comes nevertheless");
	is(res(recv(p->me, buf, 9, 0)), "0", "and nothing more");
	put(p->me, "x", 0);
	is(get(p->peer, 9, 0), "x", "the other direction");
}

static void test_shut_rdwr(struct pair *p)
{
	put(p->me, "last", 0);
	is(res(shutdown(p->me, SHUT_RDWR)), "0", "shutdown");
	is(get(p->peer, 9, 0), "last", "data before it");
	is(get(p->peer, 9, 0), "eof", "end");
	is(res(recv(p->me, buf, 9, 0)), "0", "recv");
	is(res(send(p->me, "x", 1, 0)), "EPIPE", "send");
	is(res(shutdown(p->peer, SHUT_WR)), "0", "the peer's shutdown");
	want(wait_for(p->me, POLLIN, WAIT_MS) & POLLHUP, "POLLHUP");
	want(wait_for(p->peer, POLLIN, WAIT_MS), "the peer's poll");
}

static void test_shut_wakes(struct pair *p)
{
	struct job job;

	start(&job, recv_byte, p->me);
	nap(QUIET_MS);
	shutdown(p->me, SHUT_RD);
	is(join(&job), "0", "recv");
}

static void test_close(struct pair *p)
{
	put(p->me, "last", 0);
	close(p->me);
	is(get(p->peer, 9, 0), "last", "data before it");
	is(get(p->peer, 9, 0), "eof", "end");
	is(get(p->peer, 9, 0), "eof", "end again");
	is(so_error(p->peer), "0", "SO_ERROR");
}

static volatile sig_atomic_t sigpipes;

static void run_on(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	want(!sched_setaffinity(0, sizeof(set), &set), "sched_setaffinity");
}

/* How long a race is tried, at most: the checking kernel is slow. */
#define RACE_MS 10000

static atomic_int both;

/* Each counts itself off @missing, and goes on when nobody is. */
static void meet(atomic_int *missing)
{
	for (--*missing; *missing;)
		;
}

static long send_and_close(int fd)
{
	run_on(1);
	meet(&both);
	put(fd, "last", 0);
	close(fd);
	return 0;
}

/* One message may bring both the last data and the end. */
static void test_end_with_data(struct pair *p)
{
	long end = now_ms() + RACE_MS;
	int lsk = listen_at(socket_of(with_smc, 0), &p->listener);

	run_on(0);
	for (int i = 0; i < 500 && now_ms() < end; i++) {
		struct job job;
		ssize_t n;

		p->me_accepted = i % 2;
		pair_connect(p, lsk, socket_of(with_smc, 0));
		is(res(shutdown(p->me, SHUT_WR)), "0", "shutdown");
		both = 2;
		start(&job, send_and_close, p->peer);
		meet(&both);
		do {
			n = recv(p->me, buf, 9, MSG_DONTWAIT);
		} while (n < 0 && errno == EAGAIN);
		is(res(n), "4", "recv");
		join(&job);
		is(get(p->me, 9, 0), "eof", "end");
		close(p->me);
	}
	close(lsk);
}

/* Data for one that is gone comes back as a reset. */
static void test_send_to_closed(struct pair *p)
{
	close(p->me);
	is(get(p->peer, 9, 0), "eof", "end");
	for (int i = 0; i < WAIT_MS / 10 && send(p->peer, "x", 1, 0) == 1; i++)
		nap(10);
	want(errno == EPIPE, "send fails");
	is(res(send(p->peer, "x", 1, 0)), "EPIPE", "send again");
}

/* Its answer comes after the first, and what it sent before is still there. */
static void test_send_to_closed_data(struct pair *p)
{
	put(p->me, "last", 0);
	close(p->me);
	want(wait_for(p->peer, POLLRDHUP, WAIT_MS), "POLLRDHUP");
	is(res(send(p->peer, "x", 1, 0)), "1", "send");
	want(wait_for(p->peer, POLLHUP, WAIT_MS) & POLLERR, "POLLERR");
	want(wait_for(p->peer, POLLHUP, 0) & POLLHUP, "POLLHUP");
	is(get(p->peer, 9, 0), "last", "recv");
	is(get(p->peer, 9, 0), "eof", "end");
	is(so_error(p->peer), "EPIPE", "SO_ERROR");
	is(so_error(p->peer), "0", "SO_ERROR again");
	is(res(send(p->peer, "x", 1, 0)), "EPIPE", "send again");
}

static void on_sigpipe(int sig)
{
	sigpipes += sig == SIGPIPE;
}

static void test_send_to_closed_signal(struct pair *p)
{
	signal(SIGPIPE, on_sigpipe);
	close(p->me);
	want(wait_for(p->peer, POLLRDHUP, WAIT_MS), "POLLRDHUP");
	is(res(send(p->peer, "x", 1, 0)), "1", "send");
	want(wait_for(p->peer, POLLHUP, WAIT_MS) & POLLHUP, "POLLHUP");
	is(res(send(p->peer, "x", 1, MSG_NOSIGNAL)), "EPIPE", "MSG_NOSIGNAL");
	is(res(sigpipes), "0", "SIGPIPE");
	is(res(send(p->peer, "x", 1, 0)), "EPIPE", "send");
	is(res(sigpipes), "1", "SIGPIPE");
	signal(SIGPIPE, SIG_IGN);
}

/* A wrong call does not take the error away. */
static void test_reset_wrong_call(struct pair *p)
{
	set_linger(p->me, 1, 0);
	close(p->me);
	want(wait_for(p->peer, POLLHUP, WAIT_MS), "POLLHUP");
	is(res(recv(p->peer, buf, 1, MSG_OOB)), "EINVAL", "MSG_OOB");
	is(res(shutdown(p->peer, SHUT_RDWR)), "ENOTCONN", "shutdown");
	is(so_error(p->peer), "ECONNRESET", "SO_ERROR");
}

static void test_close_unread(struct pair *p)
{
	put(p->peer, "unread", 0);
	want(wait_for(p->me, POLLIN, WAIT_MS), "POLLIN");
	close(p->me);
	be_reset(p->peer, "ECONNRESET");
}

/* What was sent before the reset is delivered before it. */
static void test_close_unread_data(struct pair *p)
{
	put(p->peer, "unread", 0);
	want(wait_for(p->me, POLLIN, WAIT_MS), "POLLIN");
	put(p->me, "last", 0);
	want(wait_for(p->peer, POLLIN, WAIT_MS), "POLLIN of the peer");
	close(p->me);
	want(wait_for(p->peer, 0, WAIT_MS) & POLLHUP, "POLLHUP");
	is(get(p->peer, 9, 0), "last", "data");
	be_reset(p->peer, "ECONNRESET");
}

static void test_linger_0(struct pair *p)
{
	is(res(set_linger(p->me, 1, 0)), "0", "SO_LINGER");
	close(p->me);
	be_reset(p->peer, "ECONNRESET");
}

static void test_linger_0_waiting(struct pair *p)
{
	struct job job;

	set_linger(p->me, 1, 0);
	start(&job, recv_byte, p->peer);
	nap(QUIET_MS);
	close(p->me);
	is(join(&job), "ECONNRESET", "recv is woken");
	is(res(recv(p->peer, buf, 9, 0)), "0", "recv again");
}

static void test_linger_0_error(struct pair *p)
{
	set_linger(p->me, 1, 0);
	close(p->me);
	want(wait_for(p->peer, 0, WAIT_MS) & POLLHUP, "POLLHUP");
	is(so_error(p->peer), "ECONNRESET", "SO_ERROR");
	is(so_error(p->peer), "0", "SO_ERROR again");
	is(res(recv(p->peer, buf, 9, MSG_DONTWAIT)), "0", "recv");
	is(res(send(p->peer, "x", 1, 0)), "EPIPE", "send");
}

static void test_linger_0_send(struct pair *p)
{
	set_linger(p->me, 1, 0);
	close(p->me);
	want(wait_for(p->peer, 0, WAIT_MS) & POLLHUP, "POLLHUP");
	is(res(send(p->peer, "x", 1, 0)), "ECONNRESET", "send");
	is(res(send(p->peer, "x", 1, 0)), "EPIPE", "send again");
	is(res(recv(p->peer, buf, 9, MSG_DONTWAIT)), "0", "recv");
}

static long drain_late(int fd)
{
	nap(800);
	return drain(fd, -1);
}

/* There may be nothing to wait for: all is in the peer's buffer. */
static void test_linger_5(struct pair *p)
{
	struct job job;
	long sent, then;
	int not_sent;

	is(res(set_linger(p->me, 1, 5)), "0", "SO_LINGER");
	sent = fill(p->me);
	not_sent = ioctl_int(p->me, SIOCOUTQNSD);
	start(&job, drain_late, p->peer);
	then = now_ms();
	close(p->me);
	between(now_ms() - then, not_sent > 0 ? 500 : 0, WAIT_MS,
		"ms of close");
	is(join(&job), res(sent), "received");
}

static void test_linger_1(struct pair *p)
{
	long then;

	is(res(set_linger(p->me, 1, 1)), "0", "SO_LINGER");
	fill(p->me);
	then = now_ms();
	close(p->me);
	between(now_ms() - then, 0, WAIT_MS, "ms of close");
}

/* Without SO_LINGER close() does not wait, and nothing is lost. */
static void test_close_full(struct pair *p)
{
	long sent = fill(p->me), then = now_ms();
	struct job job;

	close(p->me);
	between(now_ms() - then, 0, WAIT_MS, "ms of close");
	start(&job, count_to_end, p->peer);
	is(join(&job), res(sent), "received");
}

/* The other direction goes on after all has come, and the end. */
static void test_shut_full(struct pair *p)
{
	long sent = fill(p->me), then = now_ms();
	struct job job;

	shutdown(p->me, SHUT_WR);
	between(now_ms() - then, 0, WAIT_MS, "ms of shutdown");
	start(&job, count_to_end, p->peer);
	is(join(&job), res(sent), "received");
	put(p->peer, "reply", 0);
	close(p->peer);
	is(get(p->me, 9, 0), "reply", "the other direction");
	is(get(p->me, 9, 0), "eof", "its end");
}

/* Runs @fn(fd) in a process that alone has @p->me; it says when it began. */
static pid_t give_to_child(struct pair *p, long (*fn)(int fd))
{
	int ends[2];
	pid_t pid;
	char byte;

	want(!pipe(ends), "pipe");
	pid = fork();
	if (!pid) {
		close(p->peer);
		close(ends[0]);
		if (write(ends[1], "x", 1) != 1)
			_exit(1);
		close(ends[1]);
		fn(p->me);
		_exit(0);
	}
	close(p->me);
	close(ends[1]);
	want(read(ends[0], &byte, 1) == 1, "the child began");
	close(ends[0]);
	nap(QUIET_MS);
	return pid;
}

static void kill_child(pid_t pid)
{
	kill(pid, SIGKILL);
	is(res(status_of(pid)), res(SIGKILL), "the child's status");
}

static long do_nothing(int fd)
{
	(void)fd;
	return 0;
}

static void test_exit_full(struct pair *p)
{
	long sent = fill(p->me);
	struct job job;

	is(res(status_of(give_to_child(p, do_nothing))), "0",
	   "the child's status");
	start(&job, count_to_end, p->peer);
	is(join(&job), res(sent), "received");
}

static long pause_only(int fd)
{
	(void)fd;
	return pause();
}

static void test_kill_full(struct pair *p)
{
	long sent = fill(p->me);
	struct job job;

	kill_child(give_to_child(p, pause_only));
	start(&job, count_to_end, p->peer);
	is(join(&job), res(sent), "received");
}

static long only_wait(int fd)
{
	put(fd, "hello", 0);
	pause();
	return 0;
}

static void test_kill(struct pair *p)
{
	kill_child(give_to_child(p, only_wait));
	is(get(p->peer, 9, 0), "hello", "what it sent");
	is(get(p->peer, 9, 0), "eof", "end");
	is(so_error(p->peer), "0", "SO_ERROR");
}

static void test_kill_unread(struct pair *p)
{
	pid_t pid = give_to_child(p, only_wait);

	is(get(p->peer, 9, 0), "hello", "what it sent");
	put(p->peer, "unread", 0);
	nap(QUIET_MS);
	kill_child(pid);
	be_reset(p->peer, "ECONNRESET");
}

static void test_kill_receiving(struct pair *p)
{
	kill_child(give_to_child(p, recv_byte));
	is(get(p->peer, 9, 0), "eof", "end");
}

static long send_for_ever(int fd)
{
	fill(fd);
	return send(fd, buf, sizeof(buf), 0);
}

static void test_kill_sending(struct pair *p)
{
	pid_t pid = give_to_child(p, send_for_ever);

	nap(5 * QUIET_MS);
	kill_child(pid);
	while (recv(p->peer, buf, sizeof(buf), 0) > 0)
		;
	is(get(p->peer, 9, 0), "eof", "end, after all that was sent");
}

/* What "ss -K" knows of a TCP socket. */
struct tcp_id {
	struct addr own, other;
	uint64_t cookie; /* else it may be the listener */
};

static struct tcp_id id_of(int fd)
{
	struct tcp_id id = {.own = name_of(fd, false),
			    .other = name_of(fd, true)};
	socklen_t len = sizeof(id.cookie);

	is(res(getsockopt(fd, SOL_SOCKET, SO_COOKIE, &id.cookie, &len)), "0",
	   "SO_COOKIE");
	return id;
}

/* SOCK_DESTROY, when @go, if there is one, is 0: each says that it is ready. */
static int destroy_id(const struct tcp_id *id, atomic_int *go)
{
	struct {
		struct nlmsghdr hdr;
		struct inet_diag_req_v2 req;
	} msg = {
		.hdr = {.nlmsg_len = sizeof(msg),
			.nlmsg_type = SOCK_DESTROY,
			.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK},
		.req = {.sdiag_family = id->own.sa.sa_family,
			.sdiag_protocol = IPPROTO_TCP,
			.idiag_states = -1U,
			.id = {.idiag_sport = id->own.in.sin_port,
			       .idiag_dport = id->other.in.sin_port,
			       .idiag_cookie = {(uint32_t)id->cookie,
						(uint32_t)(id->cookie >> 32)}}},
	};
	struct {
		struct nlmsghdr hdr;
		struct nlmsgerr err;
		char more[256];
	} answer;
	int nl = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC,
			NETLINK_SOCK_DIAG);

	if (id->own.sa.sa_family == AF_INET) {
		memcpy(msg.req.id.idiag_src, &id->own.in.sin_addr, 4);
		memcpy(msg.req.id.idiag_dst, &id->other.in.sin_addr, 4);
	} else {
		memcpy(msg.req.id.idiag_src, &id->own.in6.sin6_addr, 16);
		memcpy(msg.req.id.idiag_dst, &id->other.in6.sin6_addr, 16);
	}
	if (go)
		meet(go);
	want(nl >= 0 && send(nl, &msg, sizeof(msg), 0) == sizeof(msg) &&
		     recv(nl, &answer, sizeof(answer), 0) > 0 &&
		     answer.hdr.nlmsg_type == NLMSG_ERROR,
	     "netlink");
	close(nl);
	return -answer.err.error;
}

static void destroy(int fd)
{
	struct tcp_id id = id_of(fd);
	int err = destroy_id(&id, NULL);

	is(err ? err_name(err) : "0", "0", "SOCK_DESTROY");
}

/* What was spliced belongs to the pipe. */
static void test_spliced(struct pair *p)
{
	int fds[2];

	want(!pipe(fds), "pipe");
	put(p->peer, "in a pipe", 0);
	is(res(splice(p->me, NULL, fds[1], NULL, 9, 0)), "9", "splice");
	close(p->peer);
	close(p->me);
	nap(QUIET_MS);
	want(read(fds[0], buf, sizeof(buf)) == 9 &&
		     !memcmp(buf, "in a pipe", 9),
	     "the data in the pipe");
}

static void test_destroy(struct pair *p)
{
	destroy(p->me);
	be_reset(p->me, "ECONNABORTED");
	be_reset(p->peer, "ECONNRESET");
}

static void test_destroy_waiting(struct pair *p)
{
	struct job mine, his;

	start(&mine, recv_byte, p->me);
	start(&his, recv_byte, p->peer);
	nap(QUIET_MS);
	destroy(p->me);
	be_error(join(&mine), "ECONNABORTED", "recv is woken");
	is(join(&his), "ECONNRESET", "the peer's recv is woken");
	is(res(recv(p->me, buf, 9, 0)), "0", "recv");
	is(res(recv(p->peer, buf, 9, 0)), "0", "the peer's recv");
}

static atomic_bool spinning, receiving;

static long recv_byte_there(int fd)
{
	run_on(1);
	receiving = true;
	return recv_byte(fd);
}

/* Nothing else runs on a processor, until told, or for half a second. */
static long spin_there(int fd)
{
	const struct sched_param param = {.sched_priority = 1};
	long end = now_ms() + 5 * QUIET_MS;

	(void)fd;
	run_on(1);
	want(!sched_setscheduler(0, SCHED_FIFO, &param), "SCHED_FIFO");
	spinning = true;
	while (spinning && now_ms() < end)
		;
	return 0;
}

/*
 * recv() is woken for data, and comes to run when the connection is no more:
 * the data is still there.
 */
static void test_destroy_late(struct pair *p)
{
	/* There may be others of this program, but one that spins. */
	int lock = open("/run/smc_live.lock", O_CREAT | O_RDONLY | O_CLOEXEC,
			0600);
	struct job late, spinner;

	want(!flock(lock, LOCK_EX), "flock");
	run_on(0);
	want(!shutdown(p->me, SHUT_WR), "shutdown");
	is(get(p->peer, 9, 0), "eof", "the peer's end");
	start(&late, recv_byte_there, p->me);
	while (!receiving)
		nap(1);
	nap(QUIET_MS);
	start(&spinner, spin_there, -1);
	while (!spinning)
		nap(1);
	put(p->peer, "x", 0);
	/* A busy machine leaves the packet to ksoftirqd. */
	for (long end = now_ms() + QUIET_MS;
	     ioctl_int(p->me, SIOCINQ) < 1 && now_ms() < end;)
		nap(1);
	destroy(p->me);
	nap(QUIET_MS);
	spinning = false;
	join(&spinner);
	close(lock);
	is(join(&late), "1", "recv");
}

static void test_destroy_sending(struct pair *p)
{
	struct job job;
	const char *sent;

	fill(p->me);
	start(&job, send_block, p->me);
	nap(QUIET_MS);
	destroy(p->me);
	/* If it had sent a part, the error is left to the next call. */
	sent = join(&job);
	if (atol(sent) > 0)
		be_error(so_error(p->me), "ECONNABORTED", "SO_ERROR");
	else
		be_error(sent, "ECONNABORTED", "send is woken");
	is(res(recv(p->me, buf, 9, MSG_DONTWAIT)), "0", "recv");
}

static struct tcp_id there;

static long destroy_there(int fd)
{
	(void)fd;
	run_on(1);
	return destroy_id(&there, &both);
}

/*
 * Each end tells the other while it is told.  What is lost then shows when the
 * module is to go.
 */
static void test_destroy_both(struct pair *p)
{
	long end = now_ms() + RACE_MS;
	int lsk = listen_at(socket_of(with_smc, 0), &p->listener);

	run_on(0);
	for (int i = 0; i < 300 && now_ms() < end; i++) {
		struct tcp_id here;
		struct job job;

		pair_connect(p, lsk, socket_of(with_smc, 0));
		here = id_of(p->me);
		there = id_of(p->peer);
		both = 2;
		start(&job, destroy_there, -1);
		destroy_id(&here, &both);
		join(&job);
		close(p->me);
		close(p->peer);
	}
	close(lsk);
}

static void test_destroy_epoll(struct pair *p)
{
	struct epoll_event ev = {.events = EPOLLIN | EPOLLRDHUP | EPOLLET};
	int ep = epoll_create1(EPOLL_CLOEXEC);

	is(res(epoll_ctl(ep, EPOLL_CTL_ADD, p->me, &ev)), "0", "epoll_ctl");
	is(res(epoll_wait(ep, &ev, 1, 0)), "0", "no event before");
	destroy(p->me);
	do {
		is(res(epoll_wait(ep, &ev, 1, WAIT_MS)), "1", "an event");
	} while (!(ev.events & EPOLLHUP && ev.events & EPOLLERR));
	be_error(so_error(p->me), "ECONNABORTED", "SO_ERROR");
}

/*
 * Nothing is left
 */
static void pairs_closed(const struct addr *listener)
{
	char command[256], port[32];
	const char *words[] = {port, NULL};

	snprintf(command, sizeof(command), "%s conns",
		 getenv("LAB_SMCCTL") ?: "smcctl");
	sprintf(port, ":%u ", port_of(listener));
	for (long end = now_ms() + 30000; output_has(command, words);) {
		if (now_ms() > end)
			failed("a connection is left");
		nap(QUIET_MS);
	}
}

/* Two connections, closed in each of the 24 orders. */
static void test_close_orders(struct pair *p)
{
	int lsk = listen_at(socket_of(with_smc, 0), &p->listener);

	for (int i = 0; i < 4 * 3 * 2 * 3; i++) {
		int fds[4], order = i / 3, last;

		for (int j = 0; j < 2; j++) {
			pair_connect(p, lsk, socket_of(with_smc, 0));
			fds[2 * j] = p->me;
			fds[2 * j + 1] = p->peer;
			/* Nothing, unread data at one end, or at both. */
			if (i % 3 > 0)
				put(p->me, "unread", 0);
			if (i % 3 > 1)
				put(p->peer, "unread", 0);
		}
		for (int left = 4; left; left--) {
			last = order % left;
			order /= left;
			close(fds[last]);
			fds[last] = fds[left - 1];
		}
	}
	close(lsk);
	if (with_smc)
		pairs_closed(&p->listener);
}

/* One connection: shut down, or not, at either end, with unread data or not. */
static void test_shut_orders(struct pair *p)
{
	int lsk = listen_at(socket_of(with_smc, 0), &p->listener);

	for (int i = 0; i < 2 * 2 * 4 * 3 * 3; i++) {
		int first = i % 2, unread = i / 4 % 4;
		int mine = i / 16 % 3, peers = i / 48;

		p->me_accepted = i / 2 % 2;
		pair_connect(p, lsk, socket_of(with_smc, 0));
		if (unread & 1)
			put(p->me, "unread", 0);
		if (unread & 2)
			put(p->peer, "unread", 0);
		is(res(shutdown(p->me, mine)), "0", "shutdown");
		/* That it was may be known to the peer, or not yet. */
		if (mine > SHUT_RD && peers > SHUT_RD)
			want(wait_for(p->peer, POLLRDHUP, WAIT_MS), "its end");
		if (peers > SHUT_RD)
			shutdown(p->peer, peers);
		close(first ? p->me : p->peer);
		close(first ? p->peer : p->me);
	}
	close(lsk);
	if (with_smc)
		pairs_closed(&p->listener);
}

/* It may be on its way, agreed on at one end, or at both: it was reset. */
static int tcp_state(int fd)
{
	struct tcp_info info = {};
	socklen_t len = sizeof(info);

	want(!getsockopt(fd, SOL_TCP, TCP_INFO, &info, &len), "TCP_INFO");
	return info.tcpi_state;
}

static void test_linger_0_early(struct pair *p)
{
	long end = now_ms() + RACE_MS;
	int lsk = listen_at(socket_of(with_smc, 0), &p->listener);

	for (int i = 0; i < 300 && now_ms() < end; i++) {
		p->me = socket_of(with_smc, SOCK_NONBLOCK);
		is(res(connect(p->me, &p->listener.sa, p->listener.len)),
		   "EINPROGRESS", "connect");
		is(res(set_linger(p->me, 1, 0)), "0", "SO_LINGER");
		/* ksoftirqd may have the SYN, and its sender nothing to reset. */
		while (tcp_state(p->me) == TCP_SYN_SENT)
			sched_yield();
		usleep(i % 30 * 100);
		close(p->me);
		p->peer = accept(lsk, NULL, NULL);
		is(get(p->peer, 9, 0), "ECONNRESET", "its peer");
		close(p->peer);
	}
	close(lsk);
	if (with_smc)
		pairs_closed(&p->listener);
}

/*
 * A shutdown() before the kernel's thread has seen to an abort that came
 * answers it.  A second answer, by close(), would reach the next connection.
 */
static void test_shut_aborted(struct pair *p)
{
	const struct sched_param param = {.sched_priority = 1};
	int lsk = listen_at(socket_of(with_smc, 0), &p->listener);

	want(!sched_setscheduler(0, SCHED_FIFO, &param), "SCHED_FIFO");
	for (int i = 0; i < 10; i++) {
		struct pair next = {.me_accepted = i % 2};

		p->me_accepted = i % 2;
		pair_connect(p, lsk, socket_of(with_smc, 0));
		put(p->me, "unread", 0);
		put(p->peer, "unread", 0);
		shutdown(p->me, SHUT_RDWR);
		want(wait_for(p->peer, POLLRDHUP, WAIT_MS), "its end");
		shutdown(p->peer, SHUT_WR);
		close(p->me);
		nap(QUIET_MS);
		pair_connect(&next, lsk, socket_of(with_smc, 0));
		close(p->peer);
		nap(QUIET_MS);
		put(next.me, "mine", 0);
		is(get(next.peer, 9, 0), "mine", "from the next");
		put(next.peer, "its", 0);
		is(get(next.me, 9, 0), "its", "from its peer");
		close(next.me);
		close(next.peer);
	}
	close(lsk);
}

const struct test conn_tests[] = {
	{"SMC_STATUS", test_status, BOTH_ENDS | OF_SMC},
	{"SMC_STATUS of the listener", test_listener_status, OF_SMC | NO_PAIR},
	{"connect, non-blocking", test_connect_nonblock, NO_PAIR},
	{"connect, edge-triggered", test_connect_epoll, NO_PAIR},
	{"connect again", test_connect_again, BOTH_ENDS},
	{"options of accepted sockets", test_inherit, NO_PAIR},
	{"names", test_names, BOTH_ENDS},
	{"smc_diag", test_smc_diag, BOTH_ENDS | OF_SMC},
	{"ss names the process", test_ss, BOTH_ENDS},
	{"dup", test_dup, BOTH_ENDS},
	{"fork", test_fork, BOTH_ENDS},
	{"SCM_RIGHTS", test_rights, BOTH_ENDS},
	{"refused: TCP_ULP", test_ulp, BOTH_ENDS | OF_SMC},
	{"refused: TCP_REPAIR", test_repair, BOTH_ENDS | OF_SMC},
	{"refused: TCP_ZEROCOPY_RECEIVE", test_zerocopy_receive,
	 BOTH_ENDS | OF_SMC},
	{"refused: connect(AF_UNSPEC)", test_unspec, BOTH_ENDS | OF_SMC},
	{"refused: IPV6_ADDRFORM", test_addrform, BOTH_ENDS | OF_SMC | OF_V6},
	{"refused: sockmap", test_sockmap, BOTH_ENDS | OF_SMC},
	{"refused: sockhash", test_sockhash, BOTH_ENDS | OF_SMC},
	{"shutdown(SHUT_WR)", test_shut_wr, BOTH_ENDS},
	{"shutdown(SHUT_RD)", test_shut_rd, BOTH_ENDS},
	{"shutdown(SHUT_RDWR)", test_shut_rdwr, BOTH_ENDS},
	{"shutdown(SHUT_RD) wakes", test_shut_wakes, BOTH_ENDS},
	{"close", test_close, BOTH_ENDS},
	{"the end with data", test_end_with_data, NO_PAIR},
	{"close, full buffers", test_close_full, BOTH_ENDS},
	{"shutdown(SHUT_WR), full buffers", test_shut_full, BOTH_ENDS},
	{"exit, full buffers", test_exit_full, BOTH_ENDS},
	{"kill -9, full buffers", test_kill_full, BOTH_ENDS},
	{"send to a closed one", test_send_to_closed, BOTH_ENDS},
	{"send to a closed one, data left", test_send_to_closed_data,
	 BOTH_ENDS},
	{"send to a closed one, SIGPIPE", test_send_to_closed_signal,
	 BOTH_ENDS},
	{"wrong calls after a reset", test_reset_wrong_call, BOTH_ENDS},
	{"close with unread data", test_close_unread, BOTH_ENDS},
	{"close with unread data, after data", test_close_unread_data,
	 BOTH_ENDS},
	{"SO_LINGER 0", test_linger_0, BOTH_ENDS},
	{"SO_LINGER 0, recv waiting", test_linger_0_waiting, BOTH_ENDS},
	{"SO_LINGER 0, SO_ERROR first", test_linger_0_error, BOTH_ENDS},
	{"SO_LINGER 0, send first", test_linger_0_send, BOTH_ENDS},
	{"SO_LINGER 0, early", test_linger_0_early, NO_PAIR},
	{"SO_LINGER 5", test_linger_5, BOTH_ENDS},
	{"SO_LINGER 1, nobody reads", test_linger_1, BOTH_ENDS},
	{"kill -9", test_kill, BOTH_ENDS},
	{"kill -9 with unread data", test_kill_unread, BOTH_ENDS},
	{"kill -9 while receiving", test_kill_receiving, BOTH_ENDS},
	{"kill -9 while sending", test_kill_sending, BOTH_ENDS},
	{"closed with data in a pipe", test_spliced, BOTH_ENDS},
	{"ss -K", test_destroy, BOTH_ENDS},
	{"ss -K, recv waiting", test_destroy_waiting, BOTH_ENDS},
	{"ss -K, recv woken late", test_destroy_late, BOTH_ENDS},
	{"ss -K, send waiting", test_destroy_sending, BOTH_ENDS},
	{"ss -K, both ends", test_destroy_both, NO_PAIR},
	{"ss -K, epoll waiting", test_destroy_epoll, BOTH_ENDS},
	{"two connections closed in every order", test_close_orders, NO_PAIR},
	{"shut down and closed in every order", test_shut_orders, NO_PAIR},
	{"shut down as an abort arrives", test_shut_aborted, NO_PAIR},
	{0},
};
