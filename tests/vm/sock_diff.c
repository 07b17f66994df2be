// SPDX-License-Identifier: MIT
/*
 * Prints what sockets and connections do, one behaviour a line, so that
 * diff(1) can compare one kind of socket with another:
 *
 *	sock_diff --listener tcp|smc --client tcp|smc --family 4|6|mapped|dual
 *
 * smc asks for IPPROTO_SMC, tcp for IPPROTO_TCP.  mapped: AF_INET6 sockets on
 * both sides that use ::ffff:127.0.0.1; dual: an AF_INET6 listener on :: and
 * an AF_INET client.  Nothing is judged here: what a kernel lacks is printed
 * as the errno it answers.  Nothing that changes from run to run is printed:
 * no port, inode, address of memory or time.  Each line is SECTION.NAME and
 * values, each name is there once, and the last line is "done" and the number
 * of lines.  Needs root; brings lo up if it is down.
 *
 * --skip PART (state, dump, opt ... as the names begin; more than one is
 * possible) leaves out what a kernel does not survive: sockets of Debian's smc
 * module in BPF maps (maps, cgroup) make it warn.
 */
#include "sock_diff.h"

static const char *const family_names[] = {"4", "6", "mapped", "dual"};
enum family family;
int protos[2] = {-1, -1};
const char *volatile section = "set-up";
static unsigned int lines;

int sink_port, deaf_port, shut_port;

void die(const char *fmt, ...)
{
	va_list ap;

	fflush(stdout);
	fputs("sock_diff: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

/* One of a ring of buffers: good for the arguments of one line. */
char *scratch(void)
{
	static char bufs[64][256];
	static unsigned int next;

	return bufs[next++ % COUNT(bufs)];
}

const char *text(const char *fmt, ...)
{
	char *buf = scratch();
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(buf, 256, fmt, ap);
	va_end(ap);
	return buf;
}

const char *err_name(int err)
{
	const char *name = strerrorname_np(err);

	if (err == ETIMEDOUT)
		return "timeout";
	return name ? name : text("errno_%d", err);
}

/* What a call returned: its value, or the name of errno. */
const char *res(long rc)
{
	return rc < 0 ? err_name(errno) : text("%ld", rc);
}

const char *yes(bool is)
{
	return is ? "yes" : "no";
}

void say(const char *name, const char *fmt, ...)
{
	static char *seen[8192];
	unsigned int slot = 5381;
	char full[128];
	va_list ap;

	snprintf(full, sizeof(full), "%s.%s", section, name);
	for (const char *c = full; *c; c++)
		slot = slot * 33 + (unsigned char)*c;
	for (slot %= COUNT(seen); seen[slot]; slot = (slot + 1) % COUNT(seen))
		if (!strcmp(seen[slot], full))
			die("the name %s is there twice", full);
	if (++lines >= COUNT(seen))
		die("too many lines");
	seen[slot] = strdup(full);
	printf("%s ", full);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
}

static void on_alarm(int sig)
{
	static const char msg[] = "sock_diff: hung in section ";
	const char *name = section;
	ssize_t n;

	(void)sig;
	n = write(STDERR_FILENO, msg, sizeof(msg) - 1);
	n += write(STDERR_FILENO, name, strlen(name));
	n += write(STDERR_FILENO, "\n", 1);
	_exit(n > 0 ? 1 : 2);
}

/*
 * Addresses, sockets and pairs
 */

bool side_is_v4(enum side side)
{
	return family == V4 || (family == DUAL && side == CLIENT);
}

/* What @side binds to; the client's is what it connects to as well. */
struct addr side_addr(enum side side, int port)
{
	bool v4 = side_is_v4(side);
	struct addr addr = loopback_addr(v4 ? AF_INET : AF_INET6, port);

	if (!v4 && family == MAPPED)
		inet_pton(AF_INET6, "::ffff:127.0.0.1", &addr.in6.sin6_addr);
	else if (!v4 && family == DUAL)
		addr.in6.sin6_addr = in6addr_any;
	return addr;
}

int side_socket(enum side side, int flags, int proto)
{
	return socket(side_is_v4(side) ? AF_INET : AF_INET6,
		      SOCK_STREAM | SOCK_CLOEXEC | flags, proto);
}

int sock_new(enum side side)
{
	int fd = side_socket(side, 0, protos[side]);

	if (fd < 0)
		die("%s: socket: %s", section, strerror(errno));
	return fd;
}

int port_of(int fd)
{
	struct addr addr = {.len = sizeof(addr.ss)};

	if (getsockname(fd, &addr.sa, &addr.len))
		return 0;
	return ntohs(addr.in.sin_port); /* at the same place in both */
}

int sock_bind(int fd, enum side side, int port)
{
	struct addr addr = side_addr(side, port);

	return bind(fd, &addr.sa, addr.len);
}

int sock_connect(int fd, int port)
{
	struct addr addr = side_addr(CLIENT, port);

	return connect(fd, &addr.sa, addr.len);
}

int set_int(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value));
}

int get_int(int fd, int level, int name)
{
	socklen_t len = sizeof(int);
	int value = 0;

	return getsockopt(fd, level, name, &value, &len) ? -1 : value;
}

int set_linger(int fd, int on, int seconds)
{
	struct linger linger = {on, seconds};

	return setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
}

int set_nonblock(int fd)
{
	return fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

const char *so_error(int fd)
{
	int err = get_int(fd, SOL_SOCKET, SO_ERROR);

	return err < 0 ? err_name(errno) : err ? err_name(err) : "0";
}

int tcp_state(int fd)
{
	struct tcp_info info = {0};
	socklen_t len = sizeof(info);

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len))
		return -1;
	return info.tcpi_state;
}

/* An acknowledgement may be late by 40 ms. */
static void leave_fin_wait1(int fd)
{
	for (int i = 0; i < 60 && tcp_state(fd) == TCP_FIN_WAIT1; i++)
		nap(5);
}

int accept_soon(int lsk)
{
	if (!wait_for(lsk, POLLIN, 2000)) {
		errno = ETIMEDOUT;
		return -1;
	}
	return accept4(lsk, NULL, NULL, SOCK_CLOEXEC);
}

struct pair pair_open(void)
{
	return (struct pair){sock_new(LISTENER), sock_new(CLIENT), -1};
}

int pair_listen(struct pair *pair)
{
	if (sock_bind(pair->lsk, LISTENER, 0))
		return -1;
	return listen(pair->lsk, 16);
}

int pair_connect(struct pair *pair)
{
	if (sock_connect(pair->cli, port_of(pair->lsk)))
		return -1;
	pair->acc = accept_soon(pair->lsk);
	return pair->acc < 0 ? -1 : 0;
}

/* A call that blocks for ever on some kernel must end nevertheless. */
void pair_limit(struct pair *pair)
{
	struct timeval tv = {.tv_sec = WAIT_MS / 1000};

	for (int i = 0; i < 4; i++)
		setsockopt(i / 2 ? pair->cli : pair->acc, SOL_SOCKET,
			   i % 2 ? SO_RCVTIMEO : SO_SNDTIMEO, &tv, sizeof(tv));
}

/* Fails only where the kernel deviates: then the calls say EBADF. */
struct pair pair_make(void)
{
	struct pair pair = pair_open();

	if (!pair_listen(&pair) && !pair_connect(&pair))
		pair_limit(&pair);
	return pair;
}

void pair_close(struct pair *pair)
{
	/* A reset: thousands in TIME_WAIT would make /proc/net/tcp slow. */
	if (pair->cli >= 0 && pair->acc >= 0)
		set_linger(pair->cli, 1, 0);
	if (pair->cli >= 0)
		close(pair->cli);
	if (pair->acc >= 0)
		close(pair->acc);
	if (pair->lsk >= 0)
		close(pair->lsk);
	*pair = (struct pair){-1, -1, -1};
}

/* What recv() gives, as text, after a wait for something to be there. */
const char *get_data(int fd, size_t len, int flags)
{
	char buf[128];
	ssize_t n;

	if (!wait_for(fd, flags & MSG_OOB ? POLLPRI : POLLIN, 1500))
		return "timeout";
	n = recv(fd, buf, len < sizeof(buf) ? len : sizeof(buf),
		 flags | MSG_DONTWAIT);
	if (n <= 0)
		return n ? err_name(errno) : "eof";
	for (ssize_t i = 0; i < n; i++)
		if (buf[i] < ' ' || buf[i] > '~')
			return text("%zd bytes, not text", n);
	return text("'%.*s'", (int)n, buf);
}

const char *put_data(int fd, const char *data, int flags)
{
	return res(send(fd, data, strlen(data), flags | MSG_NOSIGNAL));
}

/* Both directions of a connection. */
const char *chat(int a, int b)
{
	const char *got;

	put_data(a, "ping", 0);
	put_data(b, "pong", 0);
	got = get_data(b, 99, 0);
	return text("%s %s", got, get_data(a, 99, 0));
}

const char *mask(unsigned int events)
{
	static const struct {
		unsigned int bit;
		const char *name;
	} bits[] = {
		{POLLIN, "IN"},		{POLLPRI, "PRI"},
		{POLLOUT, "OUT"},	{POLLERR, "ERR"},
		{POLLHUP, "HUP"},	{POLLNVAL, "NVAL"},
		{POLLRDNORM, "RDNORM"}, {POLLRDBAND, "RDBAND"},
		{POLLWRNORM, "WRNORM"}, {POLLWRBAND, "WRBAND"},
		{POLLMSG, "MSG"},	{POLLRDHUP, "RDHUP"},
	};
	char *buf = scratch();

	*buf = '\0';
	for (size_t i = 0; i < COUNT(bits); i++)
		if (events & bits[i].bit)
			sprintf(buf + strlen(buf), "%s%s", *buf ? "|" : "",
				bits[i].name);
	return *buf ? buf : "none";
}

#define ALL_EVENTS 0x27ff

const char *poll_now(int fd)
{
	return mask(wait_for(fd, ALL_EVENTS & ~POLLNVAL, 0));
}

/* Polls once one of @events is there and nothing moves any more. */
const char *poll_then(int fd, int events)
{
	if (events)
		wait_for(fd, events, 1000);
	nap(events ? 3 : 8);
	return poll_now(fd);
}

/*
 * States: what sockets can be in, as the object of calls
 */

static const char *const state_names[STATES] = {
	"l_fresh",   "l_bound",	     "l_listen",    "l_shut",	   "c_fresh",
	"c_bound",   "c_connecting", "c_refused",   "c_connected", "c_shut_wr",
	"c_shut_rd", "c_shut_rdwr",  "c_peer_fin",  "c_peer_done", "c_ended",
	"c_reset",   "c_unspec",     "a_connected", "a_peer_fin",  "a_reset",
};

int unspec(int fd)
{
	struct sockaddr sa = {.sa_family = AF_UNSPEC};

	return connect(fd, &sa, sizeof(sa));
}

void reset_by(int *fd)
{
	set_linger(*fd, 1, 0);
	close(*fd);
	*fd = -1;
}

/* Waits for one of @events, and until all wake-ups for it have come. */
static void settle(int fd, int events)
{
	struct epoll_event ev = {.events = EPOLLET | ALL_EVENTS};
	int ep = epoll_create1(EPOLL_CLOEXEC);

	wait_for(fd, events, 1000);
	epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
	for (int i = 0; i < 50 && epoll_wait(ep, &ev, 1, 10) == 1; i++)
		;
	close(ep);
}

static void end_both(struct pair *pair)
{
	shutdown(pair->cli, SHUT_WR);
	settle(pair->acc, POLLRDHUP);
	shutdown(pair->acc, SHUT_WR);
	settle(pair->cli, POLLHUP);
	for (int i = 0; i < 60 && tcp_state(pair->acc) == TCP_LAST_ACK; i++)
		nap(5);
}

/* Returns the socket in @state: one of those of @pair. */
static int state_make(enum state state, struct pair *pair)
{
	*pair = pair_open();
	switch (state) {
	case L_FRESH:
		return pair->lsk;
	case L_BOUND:
		sock_bind(pair->lsk, LISTENER, 0);
		return pair->lsk;
	case L_LISTEN:
	case L_SHUT:
		pair_listen(pair);
		if (state == L_SHUT)
			shutdown(pair->lsk, SHUT_RD);
		return pair->lsk;
	case C_FRESH:
		return pair->cli;
	case C_BOUND:
		sock_bind(pair->cli, CLIENT, 0);
		return pair->cli;
	case C_CONNECTING:
		set_nonblock(pair->cli);
		sock_connect(pair->cli, deaf_port);
		return pair->cli;
	case C_REFUSED:
		sock_connect(pair->cli, shut_port);
		return pair->cli;
	default:
		break;
	}
	if (!pair_listen(pair))
		pair_connect(pair);
	switch (state) {
	case C_SHUT_WR:
	case C_SHUT_RDWR:
		shutdown(pair->cli, state == C_SHUT_WR ? SHUT_WR : SHUT_RDWR);
		leave_fin_wait1(pair->cli);
		break;
	case C_SHUT_RD:
		shutdown(pair->cli, SHUT_RD);
		break;
	case C_PEER_FIN:
		shutdown(pair->acc, SHUT_WR);
		settle(pair->cli, POLLRDHUP);
		break;
	case C_PEER_CLOSED:
		close(pair->acc);
		pair->acc = -1;
		settle(pair->cli, POLLRDHUP);
		break;
	case C_ENDED:
		end_both(pair);
		break;
	case C_RESET:
		reset_by(&pair->acc);
		settle(pair->cli, POLLHUP);
		break;
	case C_UNSPEC:
		unspec(pair->cli);
		break;
	case A_PEER_FIN:
		shutdown(pair->cli, SHUT_WR);
		settle(pair->acc, POLLRDHUP);
		return pair->acc;
	case A_RESET:
		reset_by(&pair->cli);
		settle(pair->acc, POLLHUP);
		return pair->acc;
	case A_CONNECTED:
		return pair->acc;
	default:
		break;
	}
	return pair->cli;
}

/*
 * What is done to a socket in each state; the text is what comes of it.
 */
static int bpf_maps[2]; /* sockmap, sockhash */
int tmp_file, pipe_fds[2];

static const char *do_poll(int fd)
{
	return poll_now(fd);
}

static const char *do_epoll(int fd)
{
	struct epoll_event ev = {.events = ALL_EVENTS & ~POLLNVAL};
	const char *got[4];
	int ep = epoll_create1(EPOLL_CLOEXEC);
	int n;

	for (int i = 0; i < 4; i++) {
		if (i == 0)
			epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
		if (i == 2) {
			ev.events = (ALL_EVENTS & ~POLLNVAL) | EPOLLET;
			epoll_ctl(ep, EPOLL_CTL_MOD, fd, &ev);
		}
		ev.events = 0;
		n = epoll_wait(ep, &ev, 1, 0);
		got[i] = n == 1 ? mask(ev.events) : "-";
	}
	close(ep);
	return text("%s %s et %s %s", got[0], got[1], got[2], got[3]);
}

static const char *name_text(int rc, const struct addr *addr)
{
	char host[INET6_ADDRSTRLEN] = "?";

	if (rc)
		return res(rc);
	inet_ntop(addr->sa.sa_family,
		  addr->sa.sa_family == AF_INET6
			  ? (const void *)&addr->in6.sin6_addr
			  : (const void *)&addr->in.sin_addr,
		  host, sizeof(host));
	return text("family %d len %u %s port %s", addr->sa.sa_family,
		    addr->len, host, addr->in.sin_port ? "set" : "0");
}

const char *do_getsockname(int fd)
{
	struct addr addr = {.len = sizeof(addr.ss)};

	return name_text(getsockname(fd, &addr.sa, &addr.len), &addr);
}

const char *do_getpeername(int fd)
{
	struct addr addr = {.len = sizeof(addr.ss)};

	return name_text(getpeername(fd, &addr.sa, &addr.len), &addr);
}

static const char *do_tcp_state(int fd)
{
	return res(tcp_state(fd));
}

const char *do_kind(int fd)
{
	return text("domain %d type %d protocol %d listening %d",
		    get_int(fd, SOL_SOCKET, SO_DOMAIN),
		    get_int(fd, SOL_SOCKET, SO_TYPE),
		    get_int(fd, SOL_SOCKET, SO_PROTOCOL),
		    get_int(fd, SOL_SOCKET, SO_ACCEPTCONN));
}

const char *do_ioctls(int fd)
{
	static const struct {
		const char *name;
		unsigned long req;
	} table[] = {
		{"inq", SIOCINQ},	    {"outq", SIOCOUTQ},
		{"nsd", SIOCOUTQNSD},	    {"atmark", SIOCATMARK},
		{"pgrp", SIOCGPGRP},	    {"stamp", SIOCGSTAMP},
		{"unknown", 0x1234},	    {"private", SIOCPROTOPRIVATE},
		{"device", SIOCDEVPRIVATE},
	};
	char *buf = scratch();

	*buf = '\0';
	for (size_t i = 0; i < COUNT(table); i++) {
		long long value[8] = {0};
		int rc = ioctl(fd, table[i].req, value);

		const char *got = rc ? res(rc) : text("%d", (int)*value);

		if (!rc && table[i].req == SIOCGSTAMP)
			got = yes(*value);
		sprintf(buf + strlen(buf), "%s%s %s", i ? " " : "",
			table[i].name, got);
	}
	return buf;
}

static const char *do_ifioctls(int fd)
{
	struct ifreq one = {.ifr_name = "lo"}, many[8];
	struct ifconf conf = {.ifc_len = sizeof(many), .ifc_req = many};
	const char *a, *b, *c, *d;

	a = res(ioctl(fd, SIOCGIFCONF, &conf));
	b = res(ioctl(fd, SIOCGIFINDEX, &one));
	c = res(ioctl(fd, SIOCGIFADDR, &one));
	d = res(ioctl(fd, SIOCGIFMTU, &one));
	return text("conf %s %s index %s addr %s mtu %s", a,
		    yes(conf.ifc_len > 0), b, c, d);
}

static const char *do_fionbio(int fd)
{
	int on = 1, off = 0;
	int before = fcntl(fd, F_GETFL);
	const char *a = res(ioctl(fd, FIONBIO, &on));
	int during = fcntl(fd, F_GETFL);
	const char *b = res(ioctl(fd, FIOASYNC, &on));
	int async = fcntl(fd, F_GETFL);

	ioctl(fd, FIOASYNC, &off);
	ioctl(fd, FIONBIO, &off);
	fcntl(fd, F_SETFL, before);
	return text("%s %s flags %o %o %o %o", a, b, before, during, async,
		    fcntl(fd, F_GETFL));
}

static bool proc_net_has(const char *path, unsigned long inode)
{
	char line[512];
	unsigned long got;
	bool found = false;
	FILE *file;

	file = fopen(path, "re");
	if (!file)
		return false;
	while (!found && fgets(line, sizeof(line), file))
		found = sscanf(line, "%*s %*s %*s %*s %*s %*s %*s %*s %*s %lu",
			       &got) == 1 &&
			got == inode;
	fclose(file);
	return found;
}

const char *do_inode(int fd)
{
	struct stat st = {0};
	char link[64], path[64];
	unsigned long inode;
	ssize_t n;

	if (fstat(fd, &st))
		return res(-1);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = readlink(path, link, sizeof(link) - 1);
	link[n < 0 ? 0 : n] = '\0';
	return text("mode %o uid %u nlink %u link %s in_tcp %s in_tcp6 %s",
		    st.st_mode, st.st_uid, (unsigned int)st.st_nlink,
		    yes(sscanf(link, "socket:[%lu]", &inode) == 1 &&
			inode == st.st_ino),
		    yes(proc_net_has("/proc/self/net/tcp", st.st_ino)),
		    yes(proc_net_has("/proc/self/net/tcp6", st.st_ino)));
}

const char *do_xattr(int fd)
{
	char value[64] = "", list[256];
	ssize_t n, m;
	const char *a, *b;

	n = fgetxattr(fd, "system.sockprotoname", value, sizeof(value) - 1);
	a = n < 0 ? res(n) : text("%s (%zd)", value, n);
	m = flistxattr(fd, list, sizeof(list));
	b = m < 0 ? res(m) : yes(memmem(list, m, "sockprotoname", 13));
	return text("%s listed %s", a, b);
}

static const char *do_file_calls(int fd)
{
	struct stat st = {0};
	const char *a, *b, *c, *d, *e, *f, *g, *h;
	char byte;
	void *map;

	a = res(lseek(fd, 0, SEEK_SET));
	b = res(pread(fd, &byte, 1, 0));
	c = res(ftruncate(fd, 0));
	d = res(fsync(fd));
	map = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	e = map == MAP_FAILED ? res(-1) : "mapped";
	if (map != MAP_FAILED)
		munmap(map, 4096);
	f = res(fchmod(fd, 0600));
	g = res(fchown(fd, 12, 34));
	h = res(fallocate(fd, 0, 0, 10));
	fstat(fd, &st);
	return text("lseek %s pread %s ftruncate %s fsync %s mmap %s fchmod %s "
		    "fchown %s fallocate %s: %o %u %u",
		    a, b, c, d, e, f, g, h, st.st_mode, st.st_uid, st.st_gid);
}

static const char *do_so_error(int fd)
{
	const char *first = so_error(fd);

	return text("%s %s", first, so_error(fd));
}

static const char *do_connect(int fd)
{
	const char *first = res(sock_connect(fd, sink_port));

	return text("%s then %s", first, res(sock_connect(fd, sink_port)));
}

static const char *do_connect_bad(int fd)
{
	struct addr addr = side_addr(CLIENT, sink_port);
	const char *a, *b, *c;

	a = res(connect(fd, &addr.sa, 3));
	b = res(connect(fd, &addr.sa, 8));
	addr.sa.sa_family = AF_UNIX;
	c = res(connect(fd, &addr.sa, addr.len));
	return text("len3 %s len8 %s af_unix %s null %s", a, b, c,
		    res(connect(fd, NULL, 16)));
}

static const char *do_bind(int fd)
{
	struct addr addr = side_addr(CLIENT, 0);
	const char *a, *b, *c;

	if (get_int(fd, SOL_SOCKET, SO_DOMAIN) == AF_INET6 &&
	    addr.sa.sa_family == AF_INET)
		addr = side_addr(LISTENER, 0);
	a = res(bind(fd, &addr.sa, 3));
	addr.sa.sa_family = AF_UNIX;
	b = res(bind(fd, &addr.sa, addr.len));
	addr.sa.sa_family = addr.len == sizeof(addr.in) ? AF_INET : AF_INET6;
	c = res(bind(fd, &addr.sa, addr.len));
	return text("len3 %s af_unix %s good %s again %s", a, b, c,
		    res(bind(fd, &addr.sa, addr.len)));
}

static const char *do_bind_any_family(int fd)
{
	struct addr addr = {.len = sizeof(addr.in)};

	/* AF_UNSPEC with INADDR_ANY is AF_INET for bind(). */
	return res(bind(fd, &addr.sa, addr.len));
}

static const char *do_listen(int fd)
{
	const char *first = res(listen(fd, 3));

	return text("%s then %s protocol %d listening %d", first,
		    res(listen(fd, -1)), get_int(fd, SOL_SOCKET, SO_PROTOCOL),
		    get_int(fd, SOL_SOCKET, SO_ACCEPTCONN));
}

static const char *do_accept(int fd)
{
	const char *first, *second;

	set_nonblock(fd);
	first = res(accept(fd, NULL, NULL));
	second = res(accept4(fd, NULL, NULL, 0x1));
	return text("%s flags %s", first, second);
}

/* Waits until the peer has said what it makes of the data: a busy host is late. */
static void await_answer(int fd)
{
	int left = 0;

	for (int i = 0; i < 60; i++) {
		if (ioctl(fd, SIOCOUTQ, &left) || !left ||
		    tcp_state(fd) == TCP_CLOSE)
			return;
		nap(2);
	}
}

static const char *do_send(int fd)
{
	const char *first = put_data(fd, "x", MSG_DONTWAIT);

	await_answer(fd);
	return text("%s error %s", first, so_error(fd));
}

static const char *do_send_oob(int fd)
{
	return put_data(fd, "x", MSG_DONTWAIT | MSG_OOB);
}

static const char *do_send_empty(int fd)
{
	return put_data(fd, "", MSG_DONTWAIT);
}

/* Before anything is connected: whether the signal comes. */
static const char *do_sigpipe(int fd)
{
	struct timespec none = {0};
	const char *rc;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGPIPE);
	sigprocmask(SIG_BLOCK, &set, NULL);
	rc = res(send(fd, "x", 1, MSG_DONTWAIT));
	rc = text("%s signal %s", rc,
		  yes(sigtimedwait(&set, NULL, &none) == SIGPIPE));
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	return rc;
}

static const char *do_recv(int fd)
{
	char buf[4];
	const char *a, *b, *c;

	a = res(recv(fd, buf, 4, MSG_DONTWAIT));
	b = res(recv(fd, buf, 4, MSG_DONTWAIT));
	c = res(recv(fd, buf, 0, MSG_DONTWAIT));
	return text("%s %s empty %s", a, b, c);
}

static const char *do_recv_flags(int fd)
{
	char buf[4];
	const char *a, *b, *c;

	a = res(recv(fd, buf, 4, MSG_DONTWAIT | MSG_OOB));
	b = res(recv(fd, buf, 4, MSG_DONTWAIT | MSG_PEEK));
	c = res(recv(fd, buf, 4, MSG_DONTWAIT | MSG_ERRQUEUE));
	return text("oob %s peek %s errqueue %s trunc %s", a, b, c,
		    res(recv(fd, buf, 4, MSG_DONTWAIT | MSG_TRUNC)));
}

static const char *do_recvfrom(int fd)
{
	struct addr addr = {.len = sizeof(addr.ss)};
	char byte;
	const char *rc;

	rc = res(recvfrom(fd, &byte, 1, MSG_DONTWAIT, &addr.sa, &addr.len));
	return text("%s len %u", rc, addr.len);
}

static const char *do_sendto(int fd)
{
	struct addr addr = side_addr(CLIENT, sink_port);

	return res(sendto(fd, "x", 1, MSG_DONTWAIT | MSG_NOSIGNAL, &addr.sa,
			  addr.len));
}

static const char *do_rdwr(int fd)
{
	struct iovec iov = {"xy", 2};
	const char *a, *b;
	char buf[4];

	set_nonblock(fd);
	a = res(read(fd, buf, 4));
	b = res(write(fd, "x", 1));
	await_answer(fd);
	return text("read %s write %s writev %s", a, b,
		    res(writev(fd, &iov, 1)));
}

static const char *do_sendfile(int fd)
{
	off_t off = 0;

	set_nonblock(fd);
	return res(sendfile(fd, tmp_file, &off, 5));
}

static const char *do_splice(int fd)
{
	const char *in, *out, *to;
	char buf[16];

	set_nonblock(fd);
	in = res(splice(fd, NULL, pipe_fds[1], NULL, 5, SPLICE_F_NONBLOCK));
	if (write(pipe_fds[1], "12345", 5) != 5)
		return "no pipe";
	out = res(splice(pipe_fds[0], NULL, fd, NULL, 5, SPLICE_F_NONBLOCK));
	to = res(tee(fd, pipe_fds[1], 5, SPLICE_F_NONBLOCK));
	while (wait_for(pipe_fds[0], POLLIN, 0) &&
	       read(pipe_fds[0], buf, sizeof(buf)) > 0)
		;
	return text("in %s out %s tee %s", in, out, to);
}

static const char *do_shutdown_rd(int fd)
{
	const char *rc = res(shutdown(fd, SHUT_RD));

	return text("%s poll %s", rc, poll_then(fd, 0));
}

static const char *do_shutdown_wr(int fd)
{
	const char *rc = res(shutdown(fd, SHUT_WR));

	return text("%s again %s poll %s", rc, res(shutdown(fd, SHUT_WR)),
		    poll_then(fd, 0));
}

static const char *do_shutdown_rdwr(int fd)
{
	const char *rc = res(shutdown(fd, SHUT_RDWR));

	return text("%s bad %s poll %s", rc, res(shutdown(fd, 7)),
		    poll_then(fd, 0));
}

static const char *do_unspec(int fd)
{
	const char *rc = res(unspec(fd));
	const char *events = poll_now(fd);
	const char *name = do_getsockname(fd);

	return text("%s poll %s name %s connect %s", rc, events, name,
		    res(sock_connect(fd, sink_port)));
}

static const char *do_fastopen(int fd)
{
	struct addr addr = side_addr(CLIENT, sink_port);
	const char *rc;

	rc = res(sendto(fd, "x", 1, MSG_FASTOPEN | MSG_NOSIGNAL, &addr.sa,
			addr.len));
	return text("%s protocol %d", rc, get_int(fd, SOL_SOCKET, SO_PROTOCOL));
}

static const char *do_fastopen_no_addr(int fd)
{
	return put_data(fd, "x", MSG_FASTOPEN | MSG_DONTWAIT);
}

const char *set_ulp(int fd, const char *name)
{
	return res(setsockopt(fd, IPPROTO_TCP, TCP_ULP, name, strlen(name)));
}

static const char *do_ulp(int fd)
{
	char name[16] = "";
	socklen_t len = sizeof(name);
	const char *a, *b, *c, *d;

	a = set_ulp(fd, "nonesuch");
	b = set_ulp(fd, "tls");
	c = set_ulp(fd, "tls");
	d = res(getsockopt(fd, IPPROTO_TCP, TCP_ULP, name, &len));
	return text("nonesuch %s tls %s again %s get %s %u %s", a, b, c, d, len,
		    name);
}

const char *do_repair(int fd)
{
	const char *a, *b, *c, *d;

	a = res(set_int(fd, IPPROTO_TCP, TCP_REPAIR, 1));
	b = res(set_int(fd, IPPROTO_TCP, TCP_REPAIR_QUEUE, 1));
	c = res(get_int(fd, IPPROTO_TCP, TCP_REPAIR));
	d = res(set_int(fd, IPPROTO_TCP, TCP_REPAIR, -1));
	return text("on %s queue %s get %s off %s", a, b, c, d);
}

static const char *do_md5(int fd)
{
	struct tcp_md5sig sig = {.tcpm_keylen = 4, .tcpm_key = "sesame"};
	struct addr addr = side_addr(LISTENER, 0);

	if (get_int(fd, SOL_SOCKET, SO_DOMAIN) == AF_INET)
		addr = side_addr(CLIENT, 0);
	sig.tcpm_addr = addr.ss;
	return res(setsockopt(fd, IPPROTO_TCP, TCP_MD5SIG, &sig, sizeof(sig)));
}

const char *do_addrform(int fd)
{
	const char *rc = res(set_int(fd, IPPROTO_IPV6, IPV6_ADDRFORM, AF_INET));

	return text("%s domain %d name %s", rc,
		    get_int(fd, SOL_SOCKET, SO_DOMAIN), do_getsockname(fd));
}

static const char *do_filter(int fd)
{
	struct sock_filter code = BPF_STMT(BPF_RET | BPF_K, 0xffffffff);
	struct sock_fprog prog = {.len = 1, .filter = &code};
	const char *a, *b, *c;

	a = res(setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog,
			   sizeof(prog)));
	b = res(set_int(fd, SOL_SOCKET, SO_DETACH_FILTER, 0));
	c = res(set_int(fd, SOL_SOCKET, SO_LOCK_FILTER, 1));
	return text("attach %s detach %s lock %s attach %s", a, b, c,
		    res(setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog,
				   sizeof(prog))));
}

static const char *do_reuseport_filter(int fd)
{
	struct sock_filter code = BPF_STMT(BPF_RET | BPF_K, 0);
	struct sock_fprog prog = {.len = 1, .filter = &code};
	const char *rc;

	set_int(fd, SOL_SOCKET, SO_REUSEPORT, 1);
	rc = res(setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &prog,
			    sizeof(prog)));
	return text("%s detach %s", rc, res(set_int(fd, SOL_SOCKET, 68, 0)));
}

static const char *do_fastopen_options(int fd)
{
	const char *a, *b, *c;

	a = res(set_int(fd, IPPROTO_TCP, TCP_FASTOPEN, 5));
	b = res(set_int(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1));
	c = res(set_int(fd, IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, 1));
	return text("queue %s connect %s no_cookie %s get %d %d %d", a, b, c,
		    get_int(fd, IPPROTO_TCP, TCP_FASTOPEN),
		    get_int(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT),
		    get_int(fd, IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE));
}

int bpf(int cmd, union bpf_attr *attr)
{
	return syscall(__NR_bpf, cmd, attr, sizeof(*attr));
}

int map_set(int map, uint32_t key, uint64_t value)
{
	union bpf_attr attr = {.map_fd = map,
			       .key = (uintptr_t)&key,
			       .value = (uintptr_t)&value};

	return bpf(BPF_MAP_UPDATE_ELEM, &attr);
}

static int map_delete(int map, uint32_t key)
{
	union bpf_attr attr = {.map_fd = map, .key = (uintptr_t)&key};

	return bpf(BPF_MAP_DELETE_ELEM, &attr);
}

int map_new(int type, int value_size, int entries)
{
	union bpf_attr attr = {.map_type = type,
			       .key_size = 4,
			       .value_size = value_size,
			       .max_entries = entries};

	return bpf(BPF_MAP_CREATE, &attr);
}

static const char *do_sockmap(int fd)
{
	const char *rcs[4];

	for (int i = 0; i < 2; i++) {
		rcs[2 * i] = res(map_set(bpf_maps[i], 0, fd));
		rcs[2 * i + 1] = res(map_delete(bpf_maps[i], 0));
	}
	return text("map %s delete %s hash %s delete %s", rcs[0], rcs[1],
		    rcs[2], rcs[3]);
}

static const char *do_dup(int fd)
{
	int copy = dup(fd);
	const char *rc = do_kind(copy);

	close(copy);
	return rc;
}

struct action {
	const char *name;
	const char *(*run)(int fd);
	bool reads; /* leaves the socket as it was */
};

static const struct action actions[] = {
	{"poll", do_poll, true},
	{"epoll", do_epoll, true},
	{"getsockname", do_getsockname, true},
	{"getpeername", do_getpeername, true},
	{"tcp_state", do_tcp_state, true},
	{"kind", do_kind, true},
	{"ioctls", do_ioctls, true},
	{"ifioctls", do_ifioctls, true},
	{"inode", do_inode, true},
	{"xattr", do_xattr, true},
	{"dup", do_dup, true},
	{"fionbio", do_fionbio, true},
	{"file_calls", do_file_calls, false},
	{"so_error", do_so_error, false},
	{"connect", do_connect, false},
	{"connect_bad", do_connect_bad, false},
	{"bind", do_bind, false},
	{"bind_any_family", do_bind_any_family, false},
	{"listen", do_listen, false},
	{"accept", do_accept, false},
	{"send", do_send, false},
	{"send_oob", do_send_oob, false},
	{"send_empty", do_send_empty, false},
	{"sigpipe", do_sigpipe, false},
	{"recv", do_recv, false},
	{"recv_flags", do_recv_flags, false},
	{"recvfrom", do_recvfrom, false},
	{"sendto", do_sendto, false},
	{"rdwr", do_rdwr, false},
	{"sendfile", do_sendfile, false},
	{"splice", do_splice, false},
	{"shutdown_rd", do_shutdown_rd, false},
	{"shutdown_wr", do_shutdown_wr, false},
	{"shutdown_rdwr", do_shutdown_rdwr, false},
	{"unspec", do_unspec, false},
	{"fastopen", do_fastopen, false},
	{"fastopen_no_addr", do_fastopen_no_addr, false},
	{"fastopen_options", do_fastopen_options, false},
	{"ulp", do_ulp, false},
	{"repair", do_repair, false},
	{"md5", do_md5, false},
	{"addrform", do_addrform, false},
	{"filter", do_filter, false},
	{"reuseport_filter", do_reuseport_filter, false},
	{"sockmap", do_sockmap, false},
};

static void test_states(void)
{
	static char title[64];

	bpf_maps[0] = map_new(BPF_MAP_TYPE_SOCKMAP, 8, 4);
	bpf_maps[1] = map_new(BPF_MAP_TYPE_SOCKHASH, 8, 4);
	for (enum state state = 0; state < STATES; state++) {
		bool used = true;
		struct pair pair;
		int fd = -1;

		snprintf(title, sizeof(title), "state.%s", state_names[state]);
		section = title;
		for (size_t i = 0; i < COUNT(actions); i++) {
			if (used)
				fd = state_make(state, &pair);
			say(actions[i].name, "%s", actions[i].run(fd));
			used = !actions[i].reads;
			if (used)
				pair_close(&pair);
		}
	}
	close(bpf_maps[0]);
	close(bpf_maps[1]);
}

/*
 * Options
 */
struct level {
	int level;
	const char *name;
	/* Only result and length of these are the same each time. */
	int unstable[10];
};

static const struct level levels[] = {
	{SOL_SOCKET, "sock", {28, 49, 55, 56, 57, 71, 77}},
	{IPPROTO_TCP, "tcp", {11, 24, 26, 28, 33}},
	{IPPROTO_IP, "ip", {52}},
	{IPPROTO_IPV6, "ipv6", {0}},
};

static bool is_unstable(const struct level *level, int opt)
{
	for (size_t i = 0; i < COUNT(level->unstable); i++)
		if (level->unstable[i] && level->unstable[i] == opt)
			return true;
	return false;
}

static const char *hex(const unsigned char *data, size_t len)
{
	char *buf = scratch();

	*buf = '\0';
	/* Zeros at the end say nothing. */
	while (len > 1 && !data[len - 1])
		len--;
	for (size_t i = 0; i < len && i < 100; i++)
		sprintf(buf + 2 * i, "%02x", data[i]);
	return buf;
}

static void dump_level(int fd, const struct level *level)
{
	char absent[512] = "";

	for (int opt = 0; opt <= 90; opt++) {
		unsigned char buf[256] = {0};
		socklen_t len = sizeof(buf);
		const char *name = text("%s.%d", level->name, opt);

		if (getsockopt(fd, level->level, opt, buf, &len)) {
			if (errno == ENOPROTOOPT)
				sprintf(absent + strlen(absent), " %d", opt);
			else
				say(name, "%s", err_name(errno));
			continue;
		}
		if (len > sizeof(buf))
			say(name, "length %u", len);
		else if (is_unstable(level, opt))
			say(name, "ok length %u", len);
		else
			say(name, "ok length %u value %s", len, hex(buf, len));
	}
	say(text("%s.ENOPROTOOPT", level->name), "%s", absent);
}

static void test_dump(void)
{
	static const enum state in[] = {L_FRESH,     L_BOUND,	L_LISTEN,
					C_FRESH,     C_REFUSED, C_CONNECTED,
					A_CONNECTED, C_UNSPEC};
	static char title[64];

	for (size_t i = 0; i < COUNT(in); i++) {
		struct pair pair;
		int fd = state_make(in[i], &pair);

		snprintf(title, sizeof(title), "dump.%s", state_names[in[i]]);
		section = title;
		for (size_t j = 0; j < COUNT(levels); j++)
			dump_level(fd, &levels[j]);
		pair_close(&pair);
	}
}

enum { NOT_LISTENER = 1, NOT_BEFORE = 2 };

struct option_row {
	const char *name;
	int level, opt;
	const void *value;
	socklen_t len;
	int limits; /* where it would keep the pair from connecting */
};

#define INT(level, opt, value)                                         \
	{                                                              \
#opt, level, opt, &(const int){value }, sizeof(int), 0 \
	}
#define INT_LIMITED(level, opt, value, limits)                              \
	{                                                                   \
#opt, level, opt, &(const int){value }, sizeof(int), limits \
	}
#define STRING(name, level, opt, value)                       \
	{                                                     \
		name, level, opt, value, sizeof(value) - 1, 0 \
	}

static const struct option_row option_rows[] = {
	INT(SOL_SOCKET, SO_DEBUG, 1),
	INT(SOL_SOCKET, SO_REUSEADDR, 1),
	INT(SOL_SOCKET, SO_TYPE, 1),
	INT(SOL_SOCKET, SO_ERROR, 1),
	INT(SOL_SOCKET, SO_DONTROUTE, 1),
	INT(SOL_SOCKET, SO_BROADCAST, 1),
	INT(SOL_SOCKET, SO_SNDBUF, 20000),
	INT(SOL_SOCKET, SO_RCVBUF, 30000),
	INT(SOL_SOCKET, SO_KEEPALIVE, 1),
	INT(SOL_SOCKET, SO_OOBINLINE, 1),
	INT(SOL_SOCKET, SO_NO_CHECK, 1),
	INT(SOL_SOCKET, SO_PRIORITY, 5),
	{"SO_LINGER_1_2", SOL_SOCKET, SO_LINGER, &(const struct linger){1, 2},
	 sizeof(struct linger), 0},
	{"SO_LINGER_0_7", SOL_SOCKET, SO_LINGER, &(const struct linger){0, 7},
	 sizeof(struct linger), 0},
	INT(SOL_SOCKET, SO_REUSEPORT, 1),
	INT(SOL_SOCKET, SO_PASSCRED, 1),
	INT(SOL_SOCKET, SO_RCVLOWAT, 7),
	INT(SOL_SOCKET, SO_SNDLOWAT, 7),
	{"SO_RCVTIMEO", SOL_SOCKET, SO_RCVTIMEO,
	 &(const struct timeval){1, 500000}, sizeof(struct timeval), 0},
	{"SO_SNDTIMEO", SOL_SOCKET, SO_SNDTIMEO,
	 &(const struct timeval){2, 500000}, sizeof(struct timeval), 0},
	STRING("SO_BINDTODEVICE", SOL_SOCKET, SO_BINDTODEVICE, "lo"),
	STRING("SO_BINDTODEVICE_bad", SOL_SOCKET, SO_BINDTODEVICE, "nonesuch"),
	INT(SOL_SOCKET, SO_TIMESTAMP, 1),
	INT(SOL_SOCKET, SO_ACCEPTCONN, 1),
	INT(SOL_SOCKET, SO_SNDBUFFORCE, 20000),
	INT(SOL_SOCKET, SO_RCVBUFFORCE, 30000),
	INT(SOL_SOCKET, SO_MARK, 77),
	INT(SOL_SOCKET, SO_TIMESTAMPING, 16),
	INT(SOL_SOCKET, SO_PROTOCOL, 6),
	INT(SOL_SOCKET, SO_DOMAIN, 2),
	INT(SOL_SOCKET, SO_RXQ_OVFL, 1),
	INT(SOL_SOCKET, SO_WIFI_STATUS, 1),
	INT(SOL_SOCKET, SO_PEEK_OFF, 3),
	INT(SOL_SOCKET, SO_NOFCS, 1),
	INT(SOL_SOCKET, SO_LOCK_FILTER, 1),
	INT(SOL_SOCKET, SO_SELECT_ERR_QUEUE, 1),
	INT(SOL_SOCKET, SO_BUSY_POLL, 50),
	INT(SOL_SOCKET, SO_MAX_PACING_RATE, 100000000),
	INT(SOL_SOCKET, SO_INCOMING_CPU, 0),
	INT(SOL_SOCKET, SO_CNX_ADVICE, 1),
	INT(SOL_SOCKET, SO_ZEROCOPY, 1),
	INT(SOL_SOCKET, SO_TXTIME, 1),
	INT(SOL_SOCKET, SO_BINDTOIFINDEX, 1),
	INT(SOL_SOCKET, SO_PREFER_BUSY_POLL, 1),
	INT(SOL_SOCKET, SO_BUF_LOCK, 3),
	INT(SOL_SOCKET, SO_RESERVE_MEM, 4096),
	INT(SOL_SOCKET, SO_TXREHASH, 0),
	INT(IPPROTO_TCP, TCP_NODELAY, 1),
	INT(IPPROTO_TCP, TCP_MAXSEG, 1000),
	INT(IPPROTO_TCP, TCP_CORK, 1),
	INT(IPPROTO_TCP, TCP_KEEPIDLE, 100),
	INT(IPPROTO_TCP, TCP_KEEPINTVL, 20),
	INT(IPPROTO_TCP, TCP_KEEPCNT, 4),
	INT(IPPROTO_TCP, TCP_SYNCNT, 3),
	INT(IPPROTO_TCP, TCP_LINGER2, 10),
	INT_LIMITED(IPPROTO_TCP, TCP_DEFER_ACCEPT, 3, NOT_LISTENER),
	INT(IPPROTO_TCP, TCP_WINDOW_CLAMP, 20000),
	INT(IPPROTO_TCP, TCP_QUICKACK, 1),
	STRING("TCP_CONGESTION", IPPROTO_TCP, TCP_CONGESTION, "reno"),
	STRING("TCP_CONGESTION_bad", IPPROTO_TCP, TCP_CONGESTION, "nonesuch"),
	INT(IPPROTO_TCP, TCP_THIN_LINEAR_TIMEOUTS, 1),
	INT(IPPROTO_TCP, TCP_THIN_DUPACK, 1),
	INT(IPPROTO_TCP, TCP_USER_TIMEOUT, 3000),
	INT(IPPROTO_TCP, TCP_QUEUE_SEQ, 5),
	INT(IPPROTO_TCP, TCP_FASTOPEN, 5),
	INT_LIMITED(IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1, NOT_BEFORE),
	INT(IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, 1),
	INT(IPPROTO_TCP, TCP_NOTSENT_LOWAT, 1000),
	INT(IPPROTO_TCP, TCP_SAVE_SYN, 1),
	INT(IPPROTO_TCP, TCP_INQ, 1),
	INT(IPPROTO_TCP, TCP_TX_DELAY, 0),
	INT(IPPROTO_IP, IP_TOS, 16),
	INT(IPPROTO_IP, IP_TTL, 9),
	INT(IPPROTO_IP, IP_HDRINCL, 1),
	INT(IPPROTO_IP, IP_PKTINFO, 1),
	INT(IPPROTO_IP, IP_RECVERR, 1),
	INT(IPPROTO_IP, IP_RECVERR_RFC4884, 1),
	INT(IPPROTO_IP, IP_RECVTTL, 1),
	INT(IPPROTO_IP, IP_RECVTOS, 1),
	INT(IPPROTO_IP, IP_MTU_DISCOVER, 2),
	INT(IPPROTO_IP, IP_FREEBIND, 1),
	INT(IPPROTO_IP, IP_TRANSPARENT, 1),
	INT(IPPROTO_IP, IP_NODEFRAG, 1),
	INT(IPPROTO_IP, IP_MINTTL, 3),
	INT(IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1),
	INT(IPPROTO_IP, IP_MULTICAST_TTL, 3),
	INT(IPPROTO_IP, IP_MULTICAST_LOOP, 0),
	INT(IPPROTO_IP, IP_LOCAL_PORT_RANGE, 60000 << 16 | 40000),
	INT(IPPROTO_IPV6, IPV6_V6ONLY, 1),
	INT(IPPROTO_IPV6, IPV6_UNICAST_HOPS, 9),
	INT(IPPROTO_IPV6, IPV6_MULTICAST_HOPS, 9),
	INT(IPPROTO_IPV6, IPV6_MTU_DISCOVER, 2),
	INT(IPPROTO_IPV6, IPV6_RECVERR, 1),
	INT(IPPROTO_IPV6, IPV6_RECVPKTINFO, 1),
	INT(IPPROTO_IPV6, IPV6_RECVTCLASS, 1),
	INT(IPPROTO_IPV6, IPV6_TCLASS, 16),
	INT(IPPROTO_IPV6, IPV6_DONTFRAG, 1),
	INT(IPPROTO_IPV6, IPV6_AUTOFLOWLABEL, 0),
	INT(IPPROTO_IPV6, IPV6_MINHOPCOUNT, 3),
	INT(IPPROTO_IPV6, IPV6_FREEBIND, 1),
	INT(IPPROTO_IPV6, IPV6_TRANSPARENT, 1),
	INT(IPPROTO_IPV6, IPV6_ADDR_PREFERENCES, 2),
	INT(IPPROTO_IPV6, IPV6_CHECKSUM, 2),
};

static const char *row_set(int fd, const struct option_row *row)
{
	return res(setsockopt(fd, row->level, row->opt, row->value, row->len));
}

static const char *row_get(int fd, const struct option_row *row)
{
	unsigned char buf[32] = {0};
	socklen_t len = sizeof(buf);

	if (fd < 0)
		return "-";
	if (getsockopt(fd, row->level, row->opt, buf, &len))
		return err_name(errno);
	/* Which processor it is says nothing. */
	if (row->level == SOL_SOCKET && row->opt == SO_INCOMING_CPU)
		return text("length %u", len);
	return text("%u:%s", len, hex(buf, len));
}

static void one_option(const struct option_row *row)
{
	const char *set, *at_once, *listening, *other;
	struct pair pair;

	if (!(row->limits & NOT_BEFORE)) {
		section = "opt.client_before";
		pair = pair_open();
		set = row_set(pair.cli, row);
		at_once = row_get(pair.cli, row);
		if (!pair_listen(&pair))
			pair_connect(&pair);
		say(row->name, "set %s get %s connected %s accepted %s", set,
		    at_once, row_get(pair.cli, row), row_get(pair.acc, row));
		pair_close(&pair);
	}
	if (!(row->limits & NOT_LISTENER)) {
		section = "opt.listener_before";
		pair = pair_open();
		set = row_set(pair.lsk, row);
		at_once = row_get(pair.lsk, row);
		listening = res(pair_listen(&pair));
		other = row_get(pair.lsk, row);
		pair_connect(&pair);
		say(row->name, "set %s get %s listen %s get %s accepted %s",
		    set, at_once, listening, other, row_get(pair.acc, row));
		pair_close(&pair);

		section = "opt.listening";
		pair = pair_open();
		pair_listen(&pair);
		set = row_set(pair.lsk, row);
		at_once = row_get(pair.lsk, row);
		pair_connect(&pair);
		say(row->name, "set %s get %s accepted %s", set, at_once,
		    row_get(pair.acc, row));
		pair_close(&pair);
	}
	pair = pair_open();
	if (!pair_listen(&pair))
		pair_connect(&pair);
	section = "opt.connected";
	set = row_set(pair.cli, row);
	say(row->name, "set %s get %s", set, row_get(pair.cli, row));
	section = "opt.accepted";
	set = row_set(pair.acc, row);
	say(row->name, "set %s get %s", set, row_get(pair.acc, row));
	pair_close(&pair);
}

static void test_options(void)
{
	for (size_t i = 0; i < COUNT(option_rows); i++)
		one_option(&option_rows[i]);
}

/* Lengths and pointers that no option has. */
static void test_lengths(void)
{
	static const struct {
		const char *name;
		int level, opt;
	} rows[] = {
		{"SO_REUSEADDR", SOL_SOCKET, SO_REUSEADDR},
		{"SO_LINGER", SOL_SOCKET, SO_LINGER},
		{"SO_RCVTIMEO", SOL_SOCKET, SO_RCVTIMEO},
		{"SO_BINDTODEVICE", SOL_SOCKET, SO_BINDTODEVICE},
		{"SO_PROTOCOL", SOL_SOCKET, SO_PROTOCOL},
		{"SO_PEEK_OFF", SOL_SOCKET, SO_PEEK_OFF},
		{"SO_ERROR", SOL_SOCKET, SO_ERROR},
		{"SO_PEERNAME", SOL_SOCKET, SO_PEERNAME},
		{"TCP_NODELAY", IPPROTO_TCP, TCP_NODELAY},
		{"TCP_CORK", IPPROTO_TCP, TCP_CORK},
		{"TCP_MAXSEG", IPPROTO_TCP, TCP_MAXSEG},
		{"TCP_CONGESTION", IPPROTO_TCP, TCP_CONGESTION},
		{"TCP_ULP", IPPROTO_TCP, TCP_ULP},
		{"TCP_DEFER_ACCEPT", IPPROTO_TCP, TCP_DEFER_ACCEPT},
		{"TCP_FASTOPEN", IPPROTO_TCP, TCP_FASTOPEN},
		{"TCP_FASTOPEN_KEY", IPPROTO_TCP, TCP_FASTOPEN_KEY},
		{"TCP_MD5SIG", IPPROTO_TCP, TCP_MD5SIG},
		{"TCP_INFO", IPPROTO_TCP, TCP_INFO},
		{"IP_TOS", IPPROTO_IP, IP_TOS},
		{"IP_TTL", IPPROTO_IP, IP_TTL},
		{"IPV6_V6ONLY", IPPROTO_IPV6, IPV6_V6ONLY},
		{"IPV6_TCLASS", IPPROTO_IPV6, IPV6_TCLASS},
		{"no_level", 12345, 1},
		{"no_option", IPPROTO_TCP, 12345},
	};
	static const enum state in[] = {L_FRESH, L_LISTEN, C_FRESH, C_CONNECTED,
					A_CONNECTED};
	static const int sizes[] = {0, 1, 2, 3, 5, -1};
	static char title[64];

	for (size_t s = 0; s < COUNT(in); s++) {
		struct pair pair;
		int fd = state_make(in[s], &pair);

		snprintf(title, sizeof(title), "len.%s", state_names[in[s]]);
		section = title;
		for (size_t i = 0; i < COUNT(rows); i++) {
			unsigned char buf[8] = {0};
			char set[256] = "", get[256] = "";
			socklen_t len;
			int rc;

			for (size_t j = 0; j < COUNT(sizes); j++) {
				len = sizes[j];
				rc = getsockopt(fd, rows[i].level, rows[i].opt,
						buf, &len);
				sprintf(get + strlen(get), " %s",
					rc ? res(rc) : text("%d", (int)len));
				memset(buf, 0, sizeof(buf));
				rc = setsockopt(fd, rows[i].level, rows[i].opt,
						buf, sizes[j]);
				sprintf(set + strlen(set), " %s", res(rc));
			}
			len = 4;
			rc = getsockopt(fd, rows[i].level, rows[i].opt, NULL,
					&len);
			sprintf(get + strlen(get), " null %s", res(rc));
			rc = getsockopt(fd, rows[i].level, rows[i].opt, buf,
					NULL);
			sprintf(get + strlen(get), " nolen %s", res(rc));
			rc = setsockopt(fd, rows[i].level, rows[i].opt, NULL,
					4);
			say(rows[i].name, "set%s null %s get%s", set, res(rc),
			    get);
		}
		pair_close(&pair);
	}
}

/*
 * Set-up
 */
static void lo_up(void)
{
	struct ifreq req = {.ifr_name = "lo"};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || ioctl(fd, SIOCGIFFLAGS, &req))
		die("lo: %s", strerror(errno));
	if (!(req.ifr_flags & IFF_UP)) {
		req.ifr_flags |= IFF_UP;
		if (ioctl(fd, SIOCSIFFLAGS, &req))
			die("lo up: %s", strerror(errno));
	}
	close(fd);
}

/* A plain TCP socket for the whole run, bound to what clients connect to. */
static int helper_socket(int *ret_port)
{
	int fd = side_socket(CLIENT, 0, IPPROTO_TCP);

	if (fd < 0 || sock_bind(fd, CLIENT, 0))
		die("helper socket: %s", strerror(errno));
	*ret_port = port_of(fd);
	return fd;
}

static void set_up(void)
{
	struct sock_filter drop = BPF_STMT(BPF_RET | BPF_K, 0);
	struct sock_fprog prog = {.len = 1, .filter = &drop};
	struct pair pair;
	int sink, deaf, stamper;

	lo_up();
	/* The kernel needs a while until packets are stamped: from now on. */
	stamper = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (stamper < 0 || set_int(stamper, SOL_SOCKET, SO_TIMESTAMP, 1))
		die("SO_TIMESTAMP: %s", strerror(errno));
	sink = helper_socket(&sink_port);
	deaf = helper_socket(&deaf_port);
	helper_socket(&shut_port);
	if (listen(sink, 4096) || listen(deaf, 16) ||
	    setsockopt(deaf, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)))
		die("helper listener: %s", strerror(errno));
	tmp_file = memfd_create("sock_diff", MFD_CLOEXEC);
	if (tmp_file < 0 || write(tmp_file, "0123456789", 10) != 10 ||
	    pipe2(pipe_fds, O_CLOEXEC))
		die("memfd, pipe: %s", strerror(errno));
	pair = pair_open();
	if (pair_listen(&pair) || pair_connect(&pair))
		die("no pair: %s", strerror(errno));
	pair_close(&pair);
}

static int proto_of(const char *name)
{
	if (!strcmp(name, "tcp"))
		return IPPROTO_TCP;
	if (!strcmp(name, "smc"))
		return IPPROTO_SMC;
	die("not a kind of socket: %s (tcp or smc)", name);
}

static const struct {
	const char *name;
	void (*run)(void);
} parts[] = {
	{"state", test_states},	     {"dump", test_dump},
	{"opt", test_options},	     {"len", test_lengths},
	{"connect", test_connect},   {"accept", test_accept},
	{"epoll", test_events},	     {"unspec", test_unspec},
	{"end", test_end},	     {"oob", test_oob},
	{"peek", test_peek},	     {"flags", test_flags},
	{"msg", test_messages},	     {"move", test_move},
	{"share", test_sharing},     {"port", test_ports},
	{"fastopen", test_fastopen}, {"ktls", test_ktls},
	{"filter", test_filter},     {"tcp", test_tcp},
	{"maps", test_maps},	     {"uring", test_uring},
	{"cgroup", test_cgroup},
};

static unsigned long part_bit(const char *name)
{
	for (size_t i = 0; i < COUNT(parts); i++)
		if (!strcmp(parts[i].name, name))
			return 1UL << i;
	die("no such part: %s", name);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"listener", required_argument, NULL, 'l'},
		{"client", required_argument, NULL, 'c'},
		{"family", required_argument, NULL, 'f'},
		{"skip", required_argument, NULL, 's'},
		{0},
	};
	unsigned long skipped = 0;
	bool has_family = false;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'l':
			protos[LISTENER] = proto_of(optarg);
			break;
		case 'c':
			protos[CLIENT] = proto_of(optarg);
			break;
		case 'f':
			for (size_t i = 0; i < COUNT(family_names); i++) {
				if (strcmp(optarg, family_names[i]))
					continue;
				family = i;
				has_family = true;
			}
			break;
		case 's':
			skipped |= part_bit(optarg);
			break;
		default:
			return 2;
		}
	}
	if (optind != argc || protos[LISTENER] < 0 || protos[CLIENT] < 0 ||
	    !has_family)
		die("--listener tcp|smc --client tcp|smc --family "
		    "4|6|mapped|dual are needed");
	signal(SIGPIPE, SIG_IGN);
	signal(SIGALRM, on_alarm);
	umask(022);
	alarm(300);
	set_up();
	for (size_t i = 0; i < COUNT(parts); i++)
		if (!(skipped & 1UL << i))
			parts[i].run();
	printf("done %u\n", lines);
	return 0;
}
