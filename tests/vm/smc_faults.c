// SPDX-License-Identifier: MIT
/*
 * Faults of net/smc, one a run:
 *
 *	smc_faults CASE af_smc|inet
 *
 * Exits with 0 if the kernel does as TCP does, with 1, and says what it does
 * instead, if it does not, and with 2 if nothing can be said.  Cases: see main();
 * those of cursors and poll_stale want the module labprobe, dead_child wants peers
 * that reset their handshake with port 7000, poll_stale a server that declines.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "probe.h"

static bool is_inet;
static volatile sig_atomic_t pipes;

__attribute__((format(printf, 1, 2), noreturn)) static void
fault(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	putchar('\n');
	exit(1);
}

__attribute__((noreturn)) static void cannot(const char *what)
{
	perror(what);
	exit(2);
}

static void must(const char *what, bool ok)
{
	if (!ok)
		cannot(what);
}

/* The result of a call as text: bytes, or an error. */
static const char *text(ssize_t rc)
{
	static char number[2][24];
	static int turn;

	if (rc < 0)
		return strerrorname_np(errno);
	turn = !turn;
	snprintf(number[turn], sizeof(number[turn]), "%zd", rc);
	return number[turn];
}

/* @rc, the result of @what, has to be @want, an error or bytes. */
static void want(const char *what, const char *want, ssize_t rc)
{
	const char *got = text(rc);

	if (strcmp(got, want) != 0)
		fault("%s: %s, not %s", what, got, want);
}

static int new_socket(int family)
{
	int fd = is_inet ? socket(family, SOCK_STREAM, IPPROTO_SMC)
			 : socket(AF_SMC, SOCK_STREAM, family == AF_INET6);

	must("socket", fd >= 0);
	return fd;
}

static void set(int fd, int level, int name, int value)
{
	must("setsockopt", !setsockopt(fd, level, name, &value, sizeof(value)));
}

/* Listens on a port of its own, or on 7000. */
static int new_listener(int fd, int port, int backlog,
			struct sockaddr_in *ret_addr)
{
	socklen_t len = sizeof(*ret_addr);
	struct sockaddr_in addr = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(port ? INADDR_ANY : INADDR_LOOPBACK),
	};

	must("bind", !bind(fd, (struct sockaddr *)&addr, sizeof(addr)));
	must("listen", !listen(fd, backlog));
	must("getsockname",
	     !getsockname(fd, (struct sockaddr *)ret_addr, &len));
	return fd;
}

struct pair {
	int client, server;
	struct sockaddr_in addr; /* of the server */
};

static struct pair new_pair(void)
{
	struct pair p = {.client = new_socket(AF_INET)};
	int listener = new_listener(new_socket(AF_INET), 0, 5, &p.addr);

	must("connect",
	     !connect(p.client, (struct sockaddr *)&p.addr, sizeof(p.addr)));
	p.server = accept(listener, NULL, NULL);
	must("accept", p.server >= 0);
	close(listener);
	return p;
}

static void on_signal(int sig)
{
	if (sig == SIGPIPE)
		pipes++;
}

static void alarm_in(int ms)
{
	struct itimerval timer = {
		.it_value = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000},
	};

	must("setitimer", !setitimer(ITIMER_REAL, &timer, NULL));
}

/*
 * A read whose data is behind data that sits in a pipe.  A process of its own
 * reads; if it does not end, emptying the pipe frees it.
 */
enum splice_end { DONTWAIT, TIMEOUT, SIGNAL, CLOSED };

static void splice_then_read(enum splice_end how)
{
	struct pair p = new_pair();
	char buf[16];
	int fds[2], status, i;
	pid_t pid;

	must("pipe", !pipe(fds));
	must("send", send(p.client, "abcdef", 6, 0) == 6);
	if (how == CLOSED) {
		close(p.client);
		wait_for(p.server, POLLRDHUP, 5000);
	}
	must("splice", splice(p.server, NULL, fds[1], NULL, 3, 0) == 3);
	if (how == TIMEOUT) {
		struct timeval tv = {.tv_usec = 200000};

		must("setsockopt", !setsockopt(p.server, SOL_SOCKET,
					       SO_RCVTIMEO, &tv, sizeof(tv)));
	}

	fflush(stdout);
	pid = fork();
	must("fork", pid >= 0);
	if (!pid) {
		if (how == SIGNAL || how == CLOSED)
			alarm_in(200);
		want("recv",
		     how == SIGNAL || how == CLOSED ? "EINTR" : "EAGAIN",
		     recv(p.server, buf, sizeof(buf),
			  how == DONTWAIT ? MSG_DONTWAIT : 0));
		exit(0);
	}
	for (i = 0; i < 30 && !waitpid(pid, &status, WNOHANG); i++)
		usleep(100000);
	must("read",
	     read(fds[0], buf, sizeof(buf)) == 3 && !memcmp(buf, "abc", 3));
	if (i == 30) {
		must("waitpid", waitpid(pid, &status, 0) == pid);
		fault("recv() goes on for ever");
	}
	if (status)
		exit(WEXITSTATUS(status));
	alarm_in(5000);
	want("recv after the pipe is empty", "3", recv(p.server, buf, 16, 0));
	if (memcmp(buf, "def", 3) != 0)
		fault("wrong bytes");
	if (how == CLOSED)
		want("recv at the end", "0", recv(p.server, buf, 16, 0));
}

static void splice_dontwait(void)
{
	splice_then_read(DONTWAIT);
}

static void splice_timeout(void)
{
	splice_then_read(TIMEOUT);
}

static void splice_signal(void)
{
	splice_then_read(SIGNAL);
}

static void splice_closed(void)
{
	splice_then_read(CLOSED);
}

/* What was set before Fast Open was asked for is still there afterwards. */
static const int kept[] = {SO_MARK, SO_KEEPALIVE, SO_RCVBUF, SO_PRIORITY,
			   SO_BINDTOIFINDEX};

static void set_kept(int fd)
{
	set(fd, SOL_SOCKET, SO_MARK, 7);
	set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	set(fd, SOL_SOCKET, SO_RCVBUF, 50000);
	set(fd, SOL_SOCKET, SO_PRIORITY, 3);
	set(fd, SOL_SOCKET, SO_BINDTOIFINDEX, 1);
}

static void check_kept(int fd)
{
	static const int values[] = {7, 1, 100000, 3, 1};
	unsigned int i;

	for (i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
		int value = -1;
		socklen_t len = sizeof(value);

		must("getsockopt",
		     !getsockopt(fd, SOL_SOCKET, kept[i], &value, &len));
		if (value != values[i])
			fault("option %d is %d, not %d", kept[i], value,
			      values[i]);
	}
}

static void fastopen_option(void)
{
	int fd = new_socket(AF_INET);

	set_kept(fd);
	check_kept(fd);
	set(fd, SOL_TCP, TCP_FASTOPEN_CONNECT, 1);
	check_kept(fd);
}

static void fastopen_send(void)
{
	int fd = new_socket(AF_INET);
	struct sockaddr_in addr;

	new_listener(socket(AF_INET, SOCK_STREAM, 0), 0, 0, &addr);
	set_kept(fd);
	must("sendto", sendto(fd, "x", 1, MSG_FASTOPEN,
			      (struct sockaddr *)&addr, sizeof(addr)) == 1);
	check_kept(fd);
}

static void short_option(void)
{
	int fd = new_socket(AF_INET);
	unsigned char tos = 16;

	want("IP_TOS", "0", setsockopt(fd, SOL_IP, IP_TOS, &tos, 1));
	want("TCP_CONGESTION", "ENOENT",
	     setsockopt(fd, SOL_TCP, TCP_CONGESTION, "no", 2));
}

/* Options of IP that have the number of one of Fast Open. */
static void level(void)
{
	int fd = new_socket(AF_INET6), value = IPV6_PMTUDISC_DO, domain[2];
	struct pair p = new_pair();
	socklen_t len = sizeof(domain[0]);

	must("SO_DOMAIN",
	     !getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain[0], &len));
	want("IPV6_MTU_DISCOVER", "0",
	     setsockopt(fd, SOL_IPV6, IPV6_MTU_DISCOVER, &value,
			sizeof(value)));
	must("SO_DOMAIN",
	     !getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain[1], &len));
	if (domain[0] != domain[1])
		fault("IPV6_MTU_DISCOVER makes it TCP");
	value = 1;
	want("IP_CHECKSUM", "0",
	     setsockopt(p.client, SOL_IP, IP_CHECKSUM, &value, sizeof(value)));
}

/* The peer has sent "abc" and then closed without having read what was sent. */
static int aborted(void)
{
	struct pair p = new_pair();
	int i;

	must("send", send(p.server, "xyz", 3, 0) == 3);
	must("send", send(p.client, "abc", 3, 0) == 3);
	must("data", wait_for(p.client, POLLIN, 5000) & POLLIN);
	must("data", wait_for(p.server, POLLIN, 5000) & POLLIN);
	close(p.client);
	for (i = 0; i < 200 && !(wait_for(p.server, 0, 10) & POLLHUP); i++)
		usleep(10000);
	return p.server;
}

static void abort_read(void)
{
	int fd = aborted();
	char buf[16];

	want("recv", "3", recv(fd, buf, sizeof(buf), 0));
	want("recv after the data", "ECONNRESET",
	     recv(fd, buf, sizeof(buf), 0));
	want("recv after the error", "0", recv(fd, buf, sizeof(buf), 0));
	want("send", "EPIPE", send(fd, "x", 1, MSG_NOSIGNAL));
}

static void abort_splice(void)
{
	int fd = aborted(), fds[2];
	char buf[16];

	must("pipe", !pipe(fds));
	want("recv", "3", recv(fd, buf, sizeof(buf), 0));
	want("splice", "ECONNRESET", splice(fd, NULL, fds[1], NULL, 16, 0));
	want("splice after the error", "0",
	     splice(fd, NULL, fds[1], NULL, 16, 0));
}

static void abort_send(void)
{
	int fd = aborted();
	char buf[16];

	want("send", "ECONNRESET", send(fd, "x", 1, 0));
	if (pipes)
		fault("SIGPIPE with ECONNRESET");
	want("send after the error", "EPIPE", send(fd, "x", 1, 0));
	if (pipes != 1)
		fault("no SIGPIPE");
	want("send", "EPIPE", send(fd, "x", 1, MSG_NOSIGNAL));
	if (pipes != 1)
		fault("SIGPIPE despite MSG_NOSIGNAL");
	want("recv", "3", recv(fd, buf, sizeof(buf), 0));
	want("recv after the data", "0", recv(fd, buf, sizeof(buf), 0));
}

static void abort_poll(void)
{
	const int all = POLLIN | POLLOUT | POLLRDHUP;
	int fd = aborted(), error, got;
	socklen_t len = sizeof(error);

	got = wait_for(fd, all, 0);
	if (got != (all | POLLERR | POLLHUP))
		fault("poll: %#x", got);
	must("SO_ERROR", !getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len));
	if (error != ECONNRESET)
		fault("SO_ERROR: %s", strerrorname_np(error));
	got = wait_for(fd, all, 0);
	if (got != (all | POLLHUP))
		fault("poll after the error: %#x", got);
}

/* A child that ended before it was accepted; another one is never accepted. */
static void dead_child(void)
{
	struct sockaddr_in addr;
	int fd = new_listener(new_socket(AF_INET), 7000, 5, &addr), child;
	char buf[16];

	must("a connection", wait_for(fd, POLLIN, 20000) & POLLIN);
	alarm_in(2000);
	child = accept(fd, NULL, NULL);
	if (child < 0)
		fault("readable, but accept: %s", text(child));
	alarm_in(5000);
	want("recv", "ECONNRESET", recv(child, buf, sizeof(buf), 0));
	want("recv after the error", "0", recv(child, buf, sizeof(buf), 0));
}

/* Another one, whose data is not lost.  The client is of the inet path. */
static void aborted_child(void)
{
	struct linger linger = {.l_onoff = 1};
	struct sockaddr_in addr;
	int fd = new_listener(new_socket(AF_INET), 0, 5, &addr), client, child;
	char buf[16];

	client = socket(AF_INET, SOCK_STREAM, IPPROTO_SMC);
	must("connect",
	     !connect(client, (struct sockaddr *)&addr, sizeof(addr)));
	must("send", send(client, "abc", 3, 0) == 3);
	setsockopt(client, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	close(client);
	usleep(500000);
	alarm_in(2000);
	child = accept(fd, NULL, NULL);
	if (child < 0)
		fault("accept: %s", text(child));
	want("recv", "3", recv(child, buf, sizeof(buf), 0));
	want("recv after the data", "ECONNRESET",
	     recv(child, buf, sizeof(buf), 0));
}

/* A server that is silent, because its backlog is full. */
static void connect_error(void)
{
	int fd = new_socket(AF_INET), error = 0;
	int other = socket(AF_INET, SOCK_STREAM, 0);
	socklen_t len = sizeof(error);
	struct sockaddr_in addr;

	new_listener(socket(AF_INET, SOCK_STREAM, 0), 0, 0, &addr);
	must("connect",
	     !connect(other, (struct sockaddr *)&addr, sizeof(addr)));
	set(fd, SOL_TCP, TCP_SYNCNT, 1);
	must("fcntl", !fcntl(fd, F_SETFL, O_NONBLOCK));
	want("connect", "EINPROGRESS",
	     connect(fd, (struct sockaddr *)&addr, sizeof(addr)));
	must("an end", wait_for(fd, POLLOUT, 20000));
	must("SO_ERROR", !getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len));
	if (error != ETIMEDOUT)
		fault("SO_ERROR: %d", error);
}

static void peer_name(void)
{
	struct pair p = new_pair();
	socklen_t len = sizeof(p.addr);
	struct sockaddr_in addr;
	char c;

	must("shutdown", !shutdown(p.client, SHUT_WR));
	must("recv", recv(p.server, &c, 1, 0) == 0);
	want("getpeername", "0",
	     getpeername(p.client, (struct sockaddr *)&addr, &len));
	if (addr.sin_port != p.addr.sin_port)
		fault("another peer");
	want("getpeername of the other", "0",
	     getpeername(p.server, (struct sockaddr *)&addr, &len));
	must("send", send(p.server, "x", 1, 0) == 1);
	want("recv", "1", recv(p.client, &c, 1, 0));
}

static void set_probe(const char *what, int value)
{
	char path[80];
	FILE *f;

	snprintf(path, sizeof(path), "/sys/module/labprobe/parameters/%s",
		 what);
	f = fopen(path, "w");
	must(path, f && fprintf(f, "%d", value) > 0 && !fclose(f));
}

/*
 * The cursors of a message are changed by labprobe, by @by where @what says.
 * What such a peer says is not to be believed.
 */
static void cursor(const char *what, int by)
{
	struct pair p = new_pair();
	char buf[100];

	set_probe(what, by);
	must("send", send(p.client, "abcd", 4, 0) == 4);
	must("poll", wait_for(p.server, POLLIN, 5000) & POLLIN);
	want("recv", "ECONNRESET", recv(p.server, buf, sizeof(buf), 0));
	want("recv after the error", "0", recv(p.server, buf, sizeof(buf), 0));
	close(p.server);
	must("poll", wait_for(p.client, POLLIN, 5000) & POLLIN);
	want("recv of the peer", "ECONNRESET",
	     recv(p.client, buf, sizeof(buf), 0));
}

static void cursor_count(void)
{
	cursor("prod_count", 1 << 20);
}

static void cursor_wrap(void)
{
	cursor("prod_wrap", 2);
}

static void cursor_read(void)
{
	cursor("cons_count", 100);
}

static void cursor_urgent(void)
{
	set_probe("urgent", 1);
	cursor("prod_count", 1 << 30);
}

/*
 * The handshake ends, without SMC, between what poll() is told by TCP, which has
 * the peer's DECLINE, and its return.  poll() begins before the connection is
 * made and asks TCP 0.9 s later, while the handshake waits for 1.5 s before it
 * reads.  The server 10.88.0.2:7001 answers the SYN after 0.3 s, and sends "x"
 * when poll() should be waiting again.
 */
static void poll_stale(void)
{
	struct sockaddr_in addr = {
		.sin_family = AF_INET,
		.sin_port = htons(7001),
		.sin_addr.s_addr = htonl(0x0a580002),
	};
	int fd = new_socket(AF_INET);
	char c;

	set_probe("poll_begins", 900);
	set_probe("recv_begins", 1500);
	set_probe("poll_ends", 2000);
	must("fcntl", !fcntl(fd, F_SETFL, O_NONBLOCK));
	want("connect", "EINPROGRESS",
	     connect(fd, (struct sockaddr *)&addr, sizeof(addr)));
	must("data", wait_for(fd, POLLIN, 20000) & POLLIN);
	want("recv after POLLIN", "1", recv(fd, &c, 1, 0));
}

/*
 * An option is set when the handshake has not begun, and takes until it has.  The
 * server 10.88.0.2:7001 answers the SYN after 0.3 s and declines after 1.5 more.
 */
static void late_option(const char *probe, int level, int name, int value)
{
	struct sockaddr_in addr = {
		.sin_family = AF_INET,
		.sin_port = htons(7001),
		.sin_addr.s_addr = htonl(0x0a580002),
	};
	int fd = new_socket(AF_INET), got = 0;
	socklen_t len = sizeof(got);

	must("fcntl", !fcntl(fd, F_SETFL, O_NONBLOCK));
	want("connect", "EINPROGRESS",
	     connect(fd, (struct sockaddr *)&addr, sizeof(addr)));
	set_probe(probe, 900);
	set(fd, level, name, value);
	must("the end of the handshake", wait_for(fd, POLLOUT, 20000));
	must("getsockopt", !getsockopt(fd, level, name, &got, &len));
	if (got != value)
		fault("%d was set, it is %d", value, got);
}

static void nodelay_lost(void)
{
	late_option("nodelay_begins", SOL_TCP, TCP_NODELAY, 1);
}

static void peek_off_lost(void)
{
	late_option("peek_off_begins", SOL_SOCKET, SO_PEEK_OFF, 5);
}

static void use_processor(int n)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(n, &set);
	must("sched_setaffinity", !sched_setaffinity(0, sizeof(set), &set));
}

/*
 * Three wait in accept(), and there are three connections: one with SMC, whose
 * handshake begins when the others have come.
 */
static void accept_asleep(void)
{
	int lsk, fds[3], n, i, protos[3] = {IPPROTO_SMC, 0, 0};
	struct sockaddr_in addr;

	lsk = new_listener(new_socket(AF_INET), 0, 5, &addr);
	use_processor(1);
	for (i = 0; i < 3; i++) {
		pid_t pid = fork();

		must("fork", pid >= 0);
		if (!pid)
			exit(accept(lsk, NULL, NULL) < 0);
	}
	sleep(1);
	set_probe("sweep_begins", 1500);
	for (i = 0; i < 3; i++) {
		/* What holds the first up is where it comes from. */
		use_processor(i > 0);
		fds[i] =
			socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, protos[i]);
		must("connect",
		     connect(fds[i], (struct sockaddr *)&addr, sizeof(addr)) &&
			     errno == EINPROGRESS);
	}
	for (n = 0, i = 0; n < 3 && i < 80; i++) {
		usleep(100000);
		n += waitpid(-1, NULL, WNOHANG) > 0;
	}
	if (n < 3)
		fault("%d of 3 were woken up", n);
}

static const struct {
	const char *name;
	void (*run)(void);
} cases[] = {
	{"splice_dontwait", splice_dontwait},
	{"splice_timeout", splice_timeout},
	{"splice_signal", splice_signal},
	{"splice_closed", splice_closed},
	{"fastopen_option", fastopen_option},
	{"fastopen_send", fastopen_send},
	{"short_option", short_option},
	{"level", level},
	{"abort_read", abort_read},
	{"abort_splice", abort_splice},
	{"abort_send", abort_send},
	{"abort_poll", abort_poll},
	{"dead_child", dead_child},
	{"aborted_child", aborted_child},
	{"connect_error", connect_error},
	{"peer_name", peer_name},
	{"cursor_count", cursor_count},
	{"cursor_wrap", cursor_wrap},
	{"cursor_read", cursor_read},
	{"cursor_urgent", cursor_urgent},
	{"poll_stale", poll_stale},
	{"nodelay_lost", nodelay_lost},
	{"peek_off_lost", peek_off_lost},
	{"accept_asleep", accept_asleep},
};

int main(int argc, char *argv[])
{
	struct sigaction act = {.sa_handler = on_signal};
	unsigned int i;

	sigaction(SIGALRM, &act, NULL);
	sigaction(SIGPIPE, &act, NULL);
	is_inet = argc == 3 && !strcmp(argv[2], "inet");
	for (i = 0; argc == 3 && i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (!strcmp(cases[i].name, argv[1])) {
			cases[i].run();
			return 0;
		}
	}
	fprintf(stderr, "smc_faults: see the top of smc_faults.c\n");
	return 2;
}
