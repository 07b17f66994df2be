// SPDX-License-Identifier: MIT
/*
 * Lets allocations fail in whatever is called through SMC's modules, be it a
 * system call, a worker or a softirq, and sees what comes of it:
 *
 *	alloc_faults [--only NAME]
 *	alloc_faults load FILE
 *
 * A connection runs over SMC or over TCP, byte for byte, or a call ends with an
 * error that is in a list, and nobody waits for ever.  First the 1st, 2nd, 3rd ...
 * allocation of each kind of connection and request fails, until there is none
 * left to fail, then any of them with some probability.
 *
 * load: the same of finit_module(FILE), which ends with an error, or the module
 * is removed again.
 *
 * A line "ok NAME" or "not ok NAME" for each point, with lines "# TEXT" before
 * it, and in the end "done" and their number.  Needs root, a kernel with fault
 * injection whose counts nobody has used since it started, in which no other
 * module than SMC's is loaded, and the UEID SMCLAB.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "probe.h"
#include "tools/smcnl.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define PAYLOAD 20000
/* More than SMC and TCP take to give up a peer that says nothing. */
#define WAIT_MS 20000
#define RUN_S 60
#define MANY 1000000
#define PROCESSES 4

/* Where x86-64 has its modules, the code that runs once included. */
#define MODULES_START "0xffffffffa0000000"
#define MODULES_END "0xffffffffff000000"

/*
 * So many calls up in the stack is who asks for memory.  A loopback packet is
 * received further down in the stack of who sent it, which is not meant.
 */
#define DEPTH "14"

/* What came of the runs of a process; who started it reads it. */
struct outcome {
	unsigned int smc, tcp, faults, runs;
	unsigned int errors[140];
	long slowest;
	unsigned int bad; /* runs that went wrong */
	char wrong[200];
};

static struct outcome *outcome;
static const char *running; /* the name of what runs, in a process of its own */

/*
 * Judging
 */

/* The first thing that is wrong is told. */
__attribute__((format(printf, 1, 2))) static void wrong(const char *fmt, ...)
{
	va_list args;
	int n = 0;

	if (outcome->wrong[0])
		return;
	if (running)
		n = snprintf(outcome->wrong, sizeof(outcome->wrong),
			     "%s: ", running);
	va_start(args, fmt);
	vsnprintf(outcome->wrong + n, sizeof(outcome->wrong) - n, fmt, args);
	va_end(args);
}

/* That @call failed is no fault if it says so by one of these. */
static void failed(const char *call)
{
	static const int clean[] = {ENOMEM,	  ENOBUFS,   ECONNRESET,
				    ECONNABORTED, ETIMEDOUT, EPIPE};
	/* so says TCP, whoever has no memory for an inode, and IPv6 of a route */
	static const struct {
		const char *call;
		int err;
	} own[] = {{"socket", ENFILE},
		   {"finit_module", ENFILE},
		   {"bind", EADDRINUSE},
		   {"connect", ENETUNREACH}};
	bool known = false;
	int err = errno;

	for (size_t i = 0; i < COUNT(clean); i++)
		known |= err == clean[i];
	for (size_t i = 0; i < COUNT(own); i++)
		known |= err == own[i].err && !strcmp(call, own[i].call);
	if (known)
		outcome->errors[err]++;
	else
		wrong("%s: %s", call, strerrorname_np(err) ?: "?");
}

static bool good(const char *call, long rc)
{
	if (rc < 0)
		failed(call);
	return rc >= 0;
}

__attribute__((noreturn)) static void die(const char *what)
{
	printf("# %s: %s\n", what, strerror(errno));
	exit(1);
}

/*
 * Faults
 */
struct injector {
	const char *name;
	unsigned long count; /* the kernel's own, of allocations it looked at */
};

static struct injector *slab, *page; /* shared, because the kernel's are */

static void put(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t len = strlen(value);

	if (fd < 0 || write(fd, value, len) != len)
		die(path);
	close(fd);
}

static void set(const struct injector *in, const char *name, const char *value)
{
	char path[100];

	snprintf(path, sizeof(path), "/sys/kernel/debug/%s/%s", in->name, name);
	put(path, value);
}

static void set_number(const struct injector *in, const char *name,
		       unsigned long value)
{
	char text[24];

	snprintf(text, sizeof(text), "%lu", value);
	set(in, name, text);
}

static long get(const struct injector *in, const char *name)
{
	char path[100], text[24] = "";
	int fd;

	snprintf(path, sizeof(path), "/sys/kernel/debug/%s/%s", in->name, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
		die(path);
	close(fd);
	return atol(text);
}

/* What is called through the kernel's function @symbol is to fail, and nothing else
 * is ("require"), or does not fail ("reject").
 */
static void range(const struct injector *in, const char *kind,
		  const char *symbol)
{
	unsigned long address, start = 0, end = ULONG_MAX;
	char name[128], line[256];
	FILE *symbols = fopen("/proc/kallsyms", "re");

	if (!symbols)
		die("kallsyms");
	/* It ends where the next one begins.  Those of modules are in no order. */
	for (int pass = 0; pass < 2; pass++, rewind(symbols)) {
		while (fgets(line, sizeof(line), symbols)) {
			if (sscanf(line, "%lx %*c %127s", &address, name) != 2)
				continue;
			if (!pass && !strcmp(name, symbol))
				start = address;
			if (pass && address > start && address < end)
				end = address;
		}
		if (!start)
			die(symbol);
	}
	fclose(symbols);
	snprintf(name, sizeof(name), "%s-start", kind);
	set_number(in, name, start);
	snprintf(name, sizeof(name), "%s-end", kind);
	set_number(in, name, end);
}

static void spare(const struct injector *in, const char *symbol)
{
	range(in, "reject", symbol);
}

static void modules(const struct injector *in)
{
	set(in, "require-start", MODULES_START);
	set(in, "require-end", MODULES_END);
}

/* Faults of whom SMC's modules called, in any context. */
static struct injector *new_injector(struct injector *in, const char *name)
{
	in->name = name;
	set(in, "probability", "0");
	set(in, "task-filter", "N");
	set(in, "verbose", "0");
	set(in, "ignore-gfp-wait", "N");
	set(in, "stacktrace-depth", DEPTH);
	modules(in);
	/*
	 * TCP does not try again to send a FIN for which it has no memory: the
	 * peer waits for ever.  That is no fault of SMC.
	 */
	spare(in, "tcp_send_fin");
	return in;
}

/*
 * The @nth allocation from now on fails, and no other.  The kernel lets those
 * fail whose number, counted since it started, is a multiple of the interval.  It
 * counts only while a fault is due, so that its count after one is known.
 */
static void fail_nth(struct injector *in, unsigned long nth)
{
	set_number(in, "interval", in->count + nth);
	set(in, "times", "1");
	set(in, "probability", "100");
}

/* Was there such an allocation? */
static bool has_failed(struct injector *in, unsigned long nth)
{
	bool fired;

	set(in, "probability", "0");
	fired = !get(in, "times");
	/* It does not count if each is to fail. */
	if (fired && in->count + nth > 1)
		in->count += nth;
	outcome->faults += fired;
	return fired;
}

/*
 * Connections
 */
enum proto { TCP, INET, AF };

struct kind {
	const char *name;
	enum proto client, server;
	bool client_declines, server_declines;
	bool is_smc; /* if no allocation fails */
	bool v6;
	bool (*move)(int from, int to); /* the payload, if not plainly() */
	void (*run)(const struct kind *kind); /* if not connection() */
};

static char sent[PAYLOAD], got[PAYLOAD];

static int family_of(const struct kind *kind)
{
	return kind->v6 ? AF_INET6 : AF_INET;
}

static int new_socket(int family, enum proto proto)
{
	int type = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
	int fd = proto == AF ? socket(AF_SMC, type, family == AF_INET6)
			     : socket(family, type,
				      proto == INET ? IPPROTO_SMC : 0);

	good("socket", fd);
	return fd;
}

static int new_listener(const struct kind *kind, struct addr *ret_addr)
{
	int fd = new_socket(family_of(kind), kind->server);

	*ret_addr = loopback_addr(family_of(kind), 0);
	if (fd < 0)
		return -1;
	if ((!kind->server_declines ||
	     good("IPsec policy", set_policy(fd, family_of(kind)))) &&
	    good("bind", bind(fd, &ret_addr->sa, ret_addr->len)) &&
	    good("listen", listen(fd, 5)) &&
	    good("getsockname", getsockname(fd, &ret_addr->sa, &ret_addr->len)))
		return fd;
	close(fd);
	return -1;
}

static int new_client(const struct kind *kind, const struct addr *addr)
{
	int fd = new_socket(family_of(kind), kind->client);

	if (fd < 0)
		return -1;
	if (!kind->client_declines ||
	    good("IPsec policy", set_policy(fd, family_of(kind)))) {
		if (!connect(fd, &addr->sa, addr->len) || errno == EINPROGRESS)
			return fd;
		failed("connect");
	}
	close(fd);
	return -1;
}

static int get_error(int fd)
{
	int err = 0;
	socklen_t len = sizeof(err);

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len))
		return errno;
	return err;
}

/*
 * Waits until the client is connected and the server has accepted it; a socket of
 * the server, or -1.
 */
static int meet(int client, int listener)
{
	struct pollfd fds[] = {{client, POLLOUT, 0}, {listener, POLLIN, 0}};
	bool connected = false, lost = false;
	long end = now_ms() + WAIT_MS;
	int server = -1;

	while (!lost && (!connected || server < 0)) {
		if (poll(fds, 2, WAIT_MS) <= 0 || now_ms() > end) {
			wrong("no end of %s", connected ? "accept" : "connect");
			lost = true;
		}
		if (fds[1].revents) {
			server = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
			if (server >= 0)
				fds[1].fd = -1;
			else if (errno != EAGAIN)
				failed("accept"); /* and may be tried again */
		}
		if (!connected && fds[0].revents & (POLLOUT | POLLERR)) {
			errno = get_error(client);
			lost = errno;
			if (lost)
				failed("connect");
			connected = true;
			fds[0].events = POLLIN;
		} else if (connected && fds[0].revents && server < 0) {
			/* The server says nothing yet. */
			errno = get_error(client) ?: ECONNRESET;
			failed("connection");
			lost = true;
		}
	}
	if (lost && server >= 0) {
		close(server);
		server = -1;
	}
	return server;
}

/* Can a call that came to @n be made again? */
static bool again(const char *call, ssize_t n)
{
	if (n > 0 || (n < 0 && errno == EAGAIN))
		return true;
	if (!n)
		errno = ECONNRESET;
	failed(call);
	return n < 0 && (errno == ENOMEM || errno == ENOBUFS);
}

/*
 * Sends the payload.  A call without memory is made again: no byte may be missing
 * then, or come twice.  False if the connection is lost.
 */
static bool transfer(int from, int to,
		     ssize_t (*give)(int fd, const char *data, size_t len),
		     ssize_t (*take)(int fd, char *data, size_t len))
{
	struct pollfd fds[] = {{from, POLLOUT, 0}, {to, POLLIN, 0}};
	size_t out = 0, in = 0;
	ssize_t n;

	memset(got, 0, sizeof(got));
	while (in < PAYLOAD) {
		if (poll(fds, 2, WAIT_MS) <= 0) {
			wrong("no data");
			return false;
		}
		if (fds[0].revents) {
			n = give(from, sent + out, PAYLOAD - out);
			if (!again("send", n))
				return false;
			out += n > 0 ? n : 0;
			if (out == PAYLOAD)
				fds[0].fd = -1;
		}
		if (fds[1].revents) {
			n = take(to, got + in, PAYLOAD - in);
			if (!again("recv", n))
				return false;
			in += n > 0 ? n : 0;
		}
	}
	for (in = 0; in < PAYLOAD; in++) {
		if (sent[in] != got[in]) {
			wrong("byte %zu is %02x, not %02x; %s and %s", in,
			      (unsigned char)got[in], (unsigned char)sent[in],
			      sock_kind(from), sock_kind(to));
			break;
		}
	}
	return true;
}

static ssize_t give(int fd, const char *data, size_t len)
{
	return send(fd, data, len, MSG_NOSIGNAL);
}

static ssize_t take(int fd, char *data, size_t len)
{
	return recv(fd, data, len, 0);
}

static ssize_t give_zerocopy(int fd, const char *data, size_t len)
{
	char control[100];
	struct msghdr msg = {
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	int one = 1;

	setsockopt(fd, SOL_SOCKET, SO_ZEROCOPY, &one, sizeof(one));
	recvmsg(fd, &msg, MSG_ERRQUEUE);
	return send(fd, data, len < 5000 ? len : 5000,
		    MSG_NOSIGNAL | MSG_ZEROCOPY);
}

static int pipe_fds[2]; /* empty between the calls below */

static ssize_t give_spliced(int fd, const char *data, size_t len)
{
	ssize_t n, left = write(pipe_fds[1], data, len < 4096 ? len : 4096);
	char rest[4096];
	int err;

	n = splice(pipe_fds[0], NULL, fd, NULL, left, SPLICE_F_NONBLOCK);
	err = errno;
	left -= n > 0 ? n : 0;
	if (left > 0 && read(pipe_fds[0], rest, left) != left)
		wrong("a pipe lost what was not spliced");
	errno = err;
	return n;
}

static ssize_t take_spliced(int fd, char *data, size_t len)
{
	ssize_t n = splice(fd, NULL, pipe_fds[1], NULL, len, SPLICE_F_NONBLOCK);

	return n > 0 ? read(pipe_fds[0], data, n) : n;
}

static bool plainly(int from, int to)
{
	return transfer(from, to, give, take);
}

/* The ways of moving data for which memory is needed. */
static bool variously(int from, int to)
{
	return transfer(from, to, give_spliced, take_spliced) &&
	       transfer(from, to, give_zerocopy, take) && plainly(from, to);
}

/* Both ends are to be of one mind. */
static void count_mode(int client, int server)
{
	bool smc = !strcmp(sock_kind(client), "smc");
	struct smc_status status = {};
	socklen_t len = sizeof(status);

	if (smc)
		getsockopt(client, SOL_SMC, SMC_STATUS, &status, &len);
	if (status.mode == SMC_MODE_SMCD) {
		if (strcmp(sock_kind(server), "smc"))
			wrong("the server of an SMC-D client is TCP");
		outcome->smc++;
	} else {
		outcome->tcp++;
	}
}

static bool finish(int client, int server)
{
	char byte;

	if (!good("shutdown", shutdown(client, SHUT_WR)))
		return false;
	if (!wait_for(server, POLLIN, WAIT_MS))
		wrong("the server sees no end");
	return good("recv at the end", recv(server, &byte, 1, 0));
}

/*
 * The last so many connections are kept, so that others need new buffers: used
 * ones stay with their link group.
 */
#define MAX_KEPT 60
static unsigned int to_keep, n_kept;
static int kept[MAX_KEPT][2];

static void keep(int client, int server)
{
	int *place = kept[n_kept % to_keep];

	if (n_kept++ >= to_keep) {
		close(place[0]);
		close(place[1]);
	}
	place[0] = client;
	place[1] = server;
}

static void connection(const struct kind *kind)
{
	bool (*move)(int, int) = kind->move ?: plainly;
	int client, listener, server = -1;
	struct addr addr;
	bool done;

	listener = new_listener(kind, &addr);
	if (listener < 0)
		return;
	client = new_client(kind, &addr);
	if (client >= 0)
		server = meet(client, listener);
	done = server >= 0 && move(client, server) && move(server, client);
	if (done)
		count_mode(client, server);
	if (done && to_keep) {
		keep(client, server);
		client = server = -1;
	} else if (done && finish(client, server)) {
		close(server);
		server = -1;
		if (!wait_for(client, POLLIN, WAIT_MS))
			wrong("the client sees no end");
		good("recv at the end", recv(client, got, 1, 0));
	}
	if (server >= 0)
		close(server);
	if (client >= 0)
		close(client);
	close(listener);
}

/*
 * Other things that are asked of SMC
 */

/* A socket, what can be asked of one, and listening twice. */
static void options(const struct kind *kind)
{
	struct smc_reason reason = {.cookie = 1};
	int tcp = SMC_USE_TCP, size = 100000;
	struct smc_status status;
	socklen_t len;
	struct addr addr;
	int fd;

	for (enum proto proto = INET; proto <= AF; proto++) {
		fd = new_socket(family_of(kind), proto);
		if (fd < 0)
			continue;
		len = sizeof(reason);
		if (getsockopt(fd, SOL_SMC, SMC_REASON, &reason, &len) &&
		    errno != ENOENT)
			failed("SMC_REASON");
		len = sizeof(status);
		good("SMC_STATUS",
		     getsockopt(fd, SOL_SMC, SMC_STATUS, &status, &len));
		good("SO_SNDBUF", setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size,
					     sizeof(size)));
		good("SMC_USE",
		     setsockopt(fd, SOL_SMC, SMC_USE, &tcp, sizeof(tcp)));
		addr = loopback_addr(family_of(kind), 0);
		if (good("bind", bind(fd, &addr.sa, addr.len)) &&
		    good("listen", listen(fd, 5)))
			good("listen again", listen(fd, 9));
		close(fd);
	}
}

static int ignore_conn(const struct smcnl_conn *conn, void *arg)
{
	(void)conn;
	(void)arg;
	return 0;
}

static int ignore_reason(const struct smcnl_reason *reason, void *arg)
{
	(void)reason;
	(void)arg;
	return 0;
}

static int ignore_ueid(const char *ueid, void *arg)
{
	(void)ueid;
	(void)arg;
	return 0;
}

static int ignore_group(struct nlattr **attrs, void *arg)
{
	(void)attrs;
	(void)arg;
	return 0;
}

static bool ask(const char *what, int rc)
{
	errno = -rc;
	return good(what, rc ? -1 : 0);
}

/* Each request of smcctl.  The connection that is needed for some is there. */
static void requests(const struct kind *kind)
{
	struct smcnl_stats stats = {};

	(void)kind;
	ask("ueid add", smcnl_ueid_add("ANOTHER"));
	ask("ueid list", smcnl_dump_ueids(ignore_ueid, NULL));
	if (ask("stats", smcnl_get_stats(&stats)) && !stats.smcd.clnt)
		wrong("the statistics are empty");
	ask("reasons", smcnl_dump_reasons(ignore_reason, NULL));
	ask("conns", smcnl_dump_conns(ignore_conn, NULL));
	ask("groups",
	    smcnl_dump_nest(SMC_NETLINK_GET_LGR_SMCD, SMC_GEN_LGR_SMCD,
			    SMC_NLA_LGR_D_MAX, ignore_group, NULL));
	ask("ueid flush", smcnl_ueid_flush());
	ask("ueid add", smcnl_ueid_add("SMCLAB"));
}

/* A namespace and a connection there; the one before ends. */
static void namespace(const struct kind *kind)
{
	struct ifreq lo = {.ifr_name = "lo", .ifr_flags = IFF_UP};
	int fd;

	if (!good("unshare", unshare(CLONE_NEWNET)))
		return;
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &lo))
		wrong("lo: %s", strerror(errno));
	close(fd);
	connection(kind);
}

static const struct kind kinds[] = {
	{.name = "IPPROTO_SMC", .client = INET, .server = INET, .is_smc = true},
	{.name = "IPPROTO_SMC, splice and MSG_ZEROCOPY",
	 .v6 = true,
	 .client = INET,
	 .server = INET,
	 .is_smc = true,
	 .move = variously},
	{.name = "AF_SMC", .client = AF, .server = AF, .is_smc = true},
	{.name = "AF_SMC, splice and MSG_ZEROCOPY",
	 .v6 = true,
	 .client = AF,
	 .server = AF,
	 .is_smc = true,
	 .move = variously},
	{.name = "AF_SMC client", .client = AF, .server = INET, .is_smc = true},
	{.name = "AF_SMC server", .client = INET, .server = AF, .is_smc = true},
	{.name = "declined by the server",
	 .client = INET,
	 .server = AF,
	 .server_declines = true},
	{.name = "declined by the client",
	 .client = AF,
	 .server = INET,
	 .client_declines = true},
	{.name = "declined, AF_SMC",
	 .client = AF,
	 .server = AF,
	 .server_declines = true},
	{.name = "TCP client", .client = TCP, .server = INET},
	{.name = "TCP server", .client = INET, .server = TCP},
	{.name = "TCP client of AF_SMC", .client = TCP, .server = AF},
	{.name = "TCP server of AF_SMC", .client = AF, .server = TCP},
	{.name = "options", .run = options},
	{.name = "requests", .run = requests},
	{.name = "a namespace",
	 .run = namespace,
	 .client = INET,
	 .server = INET,
	 .is_smc = true},
};

/*
 * Runs, in processes of their own
 */
static struct shared {
	struct outcome outcomes[PROCESSES];
	struct injector slab, page;
} * shared;

static unsigned int points;
static unsigned int seed;

static void run(const struct kind *kind)
{
	long start = now_ms();

	alarm(RUN_S);
	running = kind->name;
	(kind->run ?: connection)(kind);
	running = NULL;
	outcome->runs++;
	if (now_ms() - start > outcome->slowest)
		outcome->slowest = now_ms() - start;
}

/* What the last run left undone for want of memory. */
static void restore(void)
{
	if (smcnl_ueid_add("SMCLAB"))
		wrong("no UEID SMCLAB");
}

/* Each allocation of a run fails once. */
static void each(const struct kind *kind, struct injector *in)
{
	unsigned long nth;
	bool fired = true;

	for (nth = 1; fired; nth++) {
		fail_nth(in, nth);
		run(kind);
		fired = has_failed(in, nth);
		restore();
		if (outcome->wrong[0]) {
			printf("# number %lu failed: %s\n", nth,
			       outcome->wrong);
			outcome->wrong[0] = 0;
			outcome->bad++;
		}
	}
	/* The kernel's count has to be known again. */
	for (nth--; !fired;) {
		fail_nth(in, nth);
		run(kind);
		fired = has_failed(in, nth);
		restore();
	}
}

/* The first ones fail, one in the first run, two in the second ...: buffers become
 * smaller until there are none.
 */
static void first(const struct kind *kind, struct injector *in)
{
	long left = 0;

	set(in, "interval", "1");
	for (unsigned int n = 1; (n <= 8 || !left) && !outcome->wrong[0]; n++) {
		set_number(in, "times", n);
		set(in, "probability", "100");
		run(kind);
		set(in, "probability", "0");
		left = get(in, "times");
		outcome->faults += n - left;
	}
}

/* There is no memory for what a handshake begins with, and a moment later there
 * still is none.
 */
static void twice(const struct kind *kind, struct injector *in)
{
	long begun = now_ms();

	range(in, "require", "smc_inet_new");
	set(in, "interval", "1");
	set(in, "times", "2");
	set(in, "probability", "100");
	run(kind);
	set(in, "probability", "0");
	modules(in);
	outcome->faults += 2 - get(in, "times");
	if (outcome->smc != 2)
		wrong("no SMC");
	if (now_ms() - begun > 3000)
		wrong("%ld ms for two connections", now_ms() - begun);
}

static void start(unsigned int nr)
{
	outcome = &shared->outcomes[nr];
	memset(outcome, 0, sizeof(*outcome));
	if (pipe2(pipe_fds, O_CLOEXEC))
		die("pipe");
}

/* The end of the processes that run; adds up what came of them. */
static void collect(int processes)
{
	struct outcome *sum = &shared->outcomes[0];
	int status;

	outcome = sum;
	while (wait(&status) > 0)
		if (status)
			wrong(WIFSIGNALED(status) ? "signal %d" : "status %x",
			      WIFSIGNALED(status) ? WTERMSIG(status) : status);
	for (int i = 1; i < processes; i++) {
		const struct outcome *one = &shared->outcomes[i];

		sum->smc += one->smc;
		sum->tcp += one->tcp;
		sum->runs += one->runs;
		sum->faults += one->faults;
		for (size_t e = 0; e < COUNT(sum->errors); e++)
			sum->errors[e] += one->errors[e];
		if (one->slowest > sum->slowest)
			sum->slowest = one->slowest;
		if (one->wrong[0])
			wrong("%s", one->wrong);
	}
}

static int add_conns(struct nlattr **attrs, void *sum)
{
	if (attrs[SMC_NLA_LGR_D_CONNS_NUM])
		*(unsigned int *)sum +=
			nla_get_u32(attrs[SMC_NLA_LGR_D_CONNS_NUM]);
	return 0;
}

/* Link groups know of connections whose sockets are gone as well. */
static void expect_no_connections(void)
{
	long end = now_ms() + WAIT_MS;
	unsigned int n;

	do {
		n = 0;
		nap(20);
		if (smcnl_dump_nest(SMC_NETLINK_GET_LGR_SMCD, SMC_GEN_LGR_SMCD,
				    SMC_NLA_LGR_D_MAX, add_conns, &n))
			wrong("no link groups to be had");
	} while (n && now_ms() < end);
	if (n)
		wrong("%u connections are left", n);
}

static void report(const char *name, const char *how, unsigned int least)
{
	if (outcome->bad)
		wrong("%u runs went wrong", outcome->bad);
	if (outcome->faults < least)
		wrong("%u faults are too few", outcome->faults);
	printf("# %u faults in %u runs: %u SMC, %u TCP", outcome->faults,
	       outcome->runs, outcome->smc, outcome->tcp);
	for (size_t e = 0; e < COUNT(outcome->errors); e++)
		if (outcome->errors[e])
			printf(", %s %u", strerrorname_np(e),
			       outcome->errors[e]);
	printf("; the slowest took %ld ms\n", outcome->slowest);
	if (outcome->wrong[0])
		printf("# %s\n", outcome->wrong);
	printf("%sok %s%s\n", outcome->wrong[0] ? "not " : "", name, how);
	fflush(stdout);
	points++;
}

/* One run without faults: that is what it is to be. */
static void control(const struct kind *kind)
{
	unsigned int smc = outcome->smc;

	run(kind);
	for (size_t e = 0; e < COUNT(outcome->errors); e++)
		if (outcome->errors[e])
			wrong("%s without faults", strerrorname_np(e));
	if (outcome->smc - smc != kind->is_smc)
		wrong("without faults it is %s SMC",
		      kind->is_smc ? "not" : "suddenly");
}

static void judge(const struct kind *kind, const char *how, unsigned int least,
		  struct injector *in,
		  void (*all)(const struct kind *, struct injector *))
{
	unsigned int errors[COUNT(outcome->errors)];

	fflush(stdout);
	if (!fork()) {
		start(0);
		to_keep = in == page ? MAX_KEPT : 0;
		control(kind);
		all(kind, in);
		/* After the faults it has to be as before them. */
		memcpy(errors, outcome->errors, sizeof(errors));
		memset(outcome->errors, 0, sizeof(errors));
		control(kind);
		memcpy(outcome->errors, errors, sizeof(errors));
		fflush(stdout);
		_exit(0);
	}
	collect(1);
	/* If it was ended in the middle. */
	set(in, "probability", "0");
	expect_no_connections();
	report(kind->name, how, least);
}

static unsigned int pick(unsigned int n)
{
	seed = seed * 1103515245 + 12345;
	return (seed >> 16) % n;
}

/* @rounds connections of each process, of any kind; any allocation may fail. */
static void storm(struct injector *in, const char *percent, int rounds,
		  unsigned int least)
{
	const struct kind *kind;
	char how[40];

	set_number(in, "interval", 1);
	set_number(in, "times", MANY);
	set(in, "probability", percent);
	fflush(stdout);
	for (int nr = 0; nr < PROCESSES; nr++) {
		if (fork())
			continue;
		start(nr);
		seed = nr * 7919 + atoi(percent);
		to_keep = in == page ? MAX_KEPT : 0;
		for (int i = 0; i < rounds && !outcome->wrong[0]; i++) {
			do
				kind = &kinds[pick(COUNT(kinds))];
			while (kind->run && kind->run != options);
			run(kind);
		}
		_exit(0);
	}
	collect(PROCESSES);
	set(in, "probability", "0");
	outcome->faults = MANY - get(in, "times");
	expect_no_connections();
	snprintf(how, sizeof(how), ", %s of 100 fail", percent);
	report(in->name, how, least);
}

static void load(const char *file)
{
	unsigned int nth = 0;
	bool fired = true;
	char text[16];
	int fd, nth_fd;

	start(0);
	/* If this fails, the kernel itself forgets the name of the cache. */
	spare(slab, "sysfs_slab_add");
	spare(page, "sysfs_slab_add");
	fd = open(file, O_RDONLY | O_CLOEXEC);
	nth_fd = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	if (fd < 0 || nth_fd < 0)
		die(file);
	while (fired && !outcome->wrong[0]) {
		snprintf(text, sizeof(text), "%u", ++nth);
		if (pwrite(nth_fd, text, strlen(text), 0) < 0)
			die("fail-nth");
		alarm(RUN_S);
		if (good("finit_module",
			 syscall(SYS_finit_module, fd, "", 0)) &&
		    syscall(SYS_delete_module, "smc", 0))
			wrong("delete_module: %s", strerror(errno));
		outcome->runs++;
		memset(text, 0, sizeof(text));
		if (pread(nth_fd, text, sizeof(text) - 1, 0) < 0 ||
		    pwrite(nth_fd, "0", 1, 0) != 1)
			die("fail-nth");
		fired = !atoi(text);
		outcome->faults += fired;
	}
	report("loading", "", 40);
}

int main(int argc, char **argv)
{
	const char *only = "";

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		die("mmap");
	slab = new_injector(&shared->slab, "failslab");
	page = new_injector(&shared->page, "fail_page_alloc");
	set(page, "min-order", "0");
	for (int i = 0; i < PAYLOAD; i++)
		sent[i] = (char)(i * 31 + i / 251);
	if (argc == 3 && !strcmp(argv[1], "load")) {
		load(argv[2]);
		printf("done %u\n", points);
		return 0;
	}
	if (argc == 3 && !strcmp(argv[1], "--only"))
		only = argv[2];

	for (size_t i = 0; i < COUNT(kinds); i++)
		if (!*only || !strcmp(only, kinds[i].name))
			judge(&kinds[i], "", kinds[i].is_smc ? 20 : 1, slab,
			      each);
	if (!*only) {
		judge(&kinds[0], ": no context", 1, slab, twice);
		judge(&kinds[0], ": pages", 5, page, first);
		storm(slab, "1", 100, 20);
		storm(slab, "5", 50, 50);
		storm(slab, "20", 50, 100);
		storm(page, "30", 50, 50);
	}
	printf("done %u\n", points);
	return 0;
}
