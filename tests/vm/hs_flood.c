// SPDX-License-Identifier: MIT
/*
 * The kernel's side of clc_fuzz: many sockets of SMC that connect to it, and
 * listeners that it connects to. Each is closed soon after its handshake, some in the
 * middle of it, some with SO_LINGER of time 0.
 *
 *	hs_flood [--net N] [--port P] [--count N] [--flight N] [--seed S]
 *
 *	--port P	listeners: IPPROTO_SMC at P, AF_SMC at P + 1 (default 7000)
 *	--count N	clients, of which --flight at the same time (default 100)
 *
 * Ends after SIGTERM, when the clients are done and nobody is left to serve.
 * Prints "flood KEY NUMBER", and "flood violation ..." for what must not be: a
 * socket that is not decided within 15 s, or is and then is neither SMC, nor
 * TCP that carries data both ways, nor lost; bytes of the handshake among these
 * (see clc_fuzz); a system call that does not return.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "probe.h"
#include "smc_uapi.h"

#define THREADS 4
#define MAX_LIVES 512 /* of a thread */
#define LISTENERS 2
#define LIMIT 15000 /* ms for a handshake */
#define TALK 10000 /* ms for the peer's answer */
#define STALL 4000 /* ms after which a thread's stack is printed */
#define SLOW 700 /* ms for that, if the machine is not overloaded */
#define NARROW 2 /* clients of a thread at the same time at least */
#define MAX_BYTES 5000
#define MAX_TOLD 20

/* A socket */
struct life {
	int fd;
	enum { CONNECTING, TALKING, SMC } phase;
	bool is_server, is_af_smc, is_mute;
	bool is_early; /* poll() says more than there is */
	unsigned int id;
	long since, close_at, end, said_at;
	size_t len;
	char in[MAX_BYTES];
};

enum what { SOCKETS, EARLY, TCP, SMCD, FAILED, ECHOED, ENDED, LOST, WHATS };

static const char *const names[] = {"sockets", "early",	 "tcp",	  "smcd",
				    "failed",  "echoed", "ended", "lost"};
static atomic_long counts[2][WHATS];
static atomic_long started, violations, longest, slowest;
static atomic_uint last_id;
static atomic_bool stopping;
static int listeners[LISTENERS];
static long net, port = 7000, count, flight = 100, seed = 1;

static struct thread {
	pthread_t thread;
	atomic_int tid;
	atomic_long beat;
	atomic_bool done;
	unsigned int random;
	struct life *lives;
	int n;
	long clients;
	double width; /* how many there may be */
	long narrowed;
} threads[THREADS];

__attribute__((noreturn)) static void die(const char *what)
{
	fprintf(stderr, "hs_flood: %s: %s\n", what, strerror(errno));
	exit(1);
}

static unsigned int pick(struct thread *t, unsigned int n)
{
	return rand_r(&t->random) / 7 % n;
}

static void count_up(const struct life *l, enum what what)
{
	atomic_fetch_add(&counts[l->is_server][what], 1);
}

static void raise_to(atomic_long *max, long val)
{
	long old = atomic_load(max);

	while (val > old && !atomic_compare_exchange_weak(max, &old, val))
		;
}

static void violation(const struct life *l, const char *what)
{
	char text[161];
	size_t n;

	if (atomic_fetch_add(&violations, 1) >= MAX_TOLD)
		return;
	for (n = 0; n < l->len && n < 80; n++)
		sprintf(text + 2 * n, "%02x", (unsigned char)l->in[n]);
	text[2 * n] = '\0';
	printf("flood violation %s: %s %s %08x, phase %d, after %ld ms, %zu "
	       "bytes %s\n",
	       what, l->is_server ? "server" : "client",
	       l->is_af_smc ? "AF_SMC" : "IPPROTO_SMC", l->id, l->phase,
	       now_ms() - l->since, l->len, text);
	fflush(stdout);
}

static int mode_of(int fd)
{
	struct smc_status status = {};
	socklen_t len = sizeof(status);

	if (!getsockopt(fd, SOL_SMC, SMC_STATUS, &status, &len))
		return status.mode;
	/* what TCP says, over IPv6 and IPv4 */
	return errno == ENOPROTOOPT || errno == EOPNOTSUPP ? SMC_MODE_TCP : -1;
}

/* A place for a socket that exists since now, and what will be done to it */
static struct life *begin(struct thread *t, int fd, bool is_server)
{
	struct linger reset = {1, 0};
	struct life *l = &t->lives[t->n++];

	l->fd = fd;
	l->phase = CONNECTING;
	l->is_server = is_server;
	l->is_af_smc = l->is_mute = l->is_early = false;
	l->id = atomic_fetch_add(&last_id, 1);
	l->since = now_ms();
	l->close_at = pick(t, 6) ? 0 : l->since + pick(t, 400);
	l->end = l->since + LIMIT;
	l->len = 0;
	if (!pick(t, 4) &&
	    setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)))
		die("SO_LINGER");
	count_up(l, SOCKETS);
	return l;
}

static void end(struct thread *t, struct life *l)
{
	long start = now_ms();

	close(l->fd);
	raise_to(&slowest, now_ms() - start);
	t->clients -= !l->is_server;
	*l = t->lives[--t->n];
}

static void connect_one(struct thread *t)
{
	long nr = atomic_fetch_add(&started, 1);
	struct sockaddr_in6 addr = {.sin6_family = AF_INET6};
	struct sockaddr_in *in = (struct sockaddr_in *)&addr;
	in_addr_t host = htonl(0x0a580000 + (net << 8) + 2 + nr % 250);
	bool is_af_smc = !pick(t, 6), is_v6 = !pick(t, 4);
	struct life *l;
	int fd;

	if (nr >= count)
		return;
	fd = socket(is_af_smc ? AF_SMC
		    : is_v6   ? AF_INET6
			      : AF_INET,
		    SOCK_STREAM | SOCK_NONBLOCK,
		    is_af_smc ? is_v6 : IPPROTO_SMC);
	if (fd < 0)
		die("socket");
	l = begin(t, fd, false);
	l->is_af_smc = is_af_smc;
	t->clients++;
	addr.sin6_port = htons(7100 + nr % 100);
	if (is_v6) {
		memset(addr.sin6_addr.s6_addr + 10, 0xff, 2);
		memcpy(addr.sin6_addr.s6_addr + 12, &host, 4);
	} else {
		in->sin_family = AF_INET;
		in->sin_addr.s_addr = host;
	}
	if (connect(fd, (struct sockaddr *)&addr,
		    is_v6 ? sizeof(addr) : sizeof(*in)) &&
	    errno != EINPROGRESS)
		die("connect");
	if (!pick(t, 16)) {
		shutdown(fd, SHUT_WR);
		l->is_mute = true;
	}
}

/* Says what clc_fuzz expects; what is lost meanwhile is found when it is read. */
static void say(const struct life *l, const char *what)
{
	char text[16];

	snprintf(text, sizeof(text), "%s%08x", what, l->id);
	if (send(l->fd, text, 11, MSG_NOSIGNAL) < 0 && errno == EAGAIN)
		violation(l, "it cannot send");
}

/* Is the handshake at its end? False if it is, and so is the socket. */
static bool decide(struct thread *t, struct life *l, bool is_woken)
{
	socklen_t size = sizeof(int);
	int mode = mode_of(l->fd), err = 0;

	if (getsockopt(l->fd, SOL_SOCKET, SO_ERROR, &err, &size))
		die("SO_ERROR");
	if (err) {
		raise_to(&longest, now_ms() - l->since);
		count_up(l, FAILED);
		return false;
	}
	if (mode == SMC_MODE_UNDECIDED) {
		/* AF_SMC wakes up early; accept() may have lost a race. */
		l->is_early = !l->is_server && l->is_af_smc;
		if (l->is_early || (l->is_server && !is_woken && !l->is_af_smc))
			return true;
		/* An AF_SMC connection that is over before it is accepted */
		if (l->is_af_smc)
			count_up(l, FAILED);
		else
			violation(l, "woken undecided");
		return false;
	}
	l->is_early = false;
	raise_to(&longest, now_ms() - l->since);
	l->phase = mode == SMC_MODE_TCP ? TALKING : SMC;
	count_up(l, mode == SMC_MODE_TCP ? TCP : SMCD);
	l->end = now_ms() + (l->phase == SMC ? pick(t, 600) : TALK);
	if (!pick(t, 8))
		return false; /* at once */
	l->said_at = now_ms();
	if (!l->is_mute)
		say(l, l->phase == SMC ? "SMC" : "APP");
	return true;
}

/*
 * The peer's answer to what was said. What came before has to be what the peer
 * knows about it.
 */
static bool is_answered(const struct life *l)
{
	char want[16];
	const char *at;
	size_t before;

	snprintf(want, sizeof(want), "ECHO%08x", l->id);
	at = memmem(l->in, l->len, want, 12);
	if (!at || (size_t)(l->in + l->len - at) < 17)
		return false;
	before = at - l->in;
	if (at[12] == 'c' && before)
		violation(l, "bytes of the handshake");
	else if (at[12] == 'f' && strtoul(at + 13, NULL, 16) != before)
		violation(l, "not what the peer has sent");
	count_up(l, ECHOED);
	return true;
}

/* Fewer clients if this machine is slow, so that handshakes end in time */
static void adapt(struct thread *t, long now, long ms)
{
	double most = flight / THREADS;

	if (ms < SLOW) {
		t->width = t->width + 0.5 < most ? t->width + 0.5 : most;
	} else if (now - t->narrowed > SLOW) {
		t->narrowed = now;
		t->width = t->width / 2 > NARROW ? t->width / 2 : NARROW;
	}
}

/* Reads; false if the socket is done. */
static bool hear(struct thread *t, struct life *l)
{
	ssize_t n;

	if (l->len == MAX_BYTES - 1)
		l->len = 0;
	n = recv(l->fd, l->in + l->len, MAX_BYTES - 1 - l->len, 0);
	if (n < 0 && errno == EAGAIN)
		return true;
	if (l->phase != TALKING)
		return n > 0;
	if (n <= 0) {
		count_up(l, n ? LOST : ENDED);
		return false;
	}
	l->len += n;
	l->in[l->len] = '\0';
	if (!is_answered(l))
		return true;
	adapt(t, now_ms(), now_ms() - l->said_at);
	return false;
}

/* One look at a socket; false if it is done. */
static bool live(struct thread *t, struct life *l, int events, long now)
{
	if (l->close_at && now >= l->close_at && l->phase == CONNECTING) {
		count_up(l, EARLY);
		return false;
	}
	if (events && l->phase == CONNECTING && !decide(t, l, true))
		return false;
	if (events & ~POLLOUT && l->phase != CONNECTING && !hear(t, l))
		return false;
	if (now < l->end)
		return true;
	if (l->phase == CONNECTING)
		violation(l, "undecided");
	else if (l->phase == TALKING && !l->is_mute)
		violation(l, "no answer");
	return false;
}

static void accept_some(struct thread *t)
{
	struct life *l;
	int fd;

	for (int i = 0; i < LISTENERS; i++) {
		while (t->n < MAX_LIVES) {
			fd = accept4(listeners[i], NULL, NULL, SOCK_NONBLOCK);
			if (fd < 0 && errno == EAGAIN)
				break;
			if (fd < 0) {
				if (errno != ECONNABORTED)
					die("accept");
				continue;
			}
			l = begin(t, fd, true);
			l->is_af_smc = i;
			if (!decide(t, l, false))
				end(t, l);
		}
	}
}

/* Waits for sockets and listeners; returns whether there was anything. */
static bool look(struct thread *t)
{
	struct pollfd fds[MAX_LIVES + LISTENERS];
	int n, found;
	long now;

	for (n = 0; n < t->n; n++)
		fds[n] = (struct pollfd){
			.fd = t->lives[n].is_early ? -1 : t->lives[n].fd,
			.events = t->lives[n].phase == CONNECTING ? POLLOUT
								  : POLLIN};
	for (int i = 0; i < LISTENERS; i++)
		fds[n + i] = (struct pollfd){listeners[i], POLLIN, 0};
	found = poll(fds, n + LISTENERS, 20);
	if (found < 0)
		die("poll");
	now = now_ms();
	/* From behind, as the last one takes the place of one that ends. */
	while (n--)
		if (!live(t, &t->lives[n],
			  fds[n].fd < 0 ? POLLOUT : fds[n].revents, now))
			end(t, &t->lives[n]);
	accept_some(t);
	return found;
}

static void *run(void *arg)
{
	struct thread *t = arg;
	int quiet = 0;

	atomic_store(&t->tid, gettid());
	while (quiet < 20 || t->n || !atomic_load(&stopping) ||
	       atomic_load(&started) < count) {
		atomic_store(&t->beat, now_ms());
		for (int i = 0;
		     i < 8 && t->clients < t->width && t->n < MAX_LIVES &&
		     atomic_load(&started) < count;
		     i++)
			connect_one(t);
		quiet = look(t) ? 0 : quiet + 1;
	}
	atomic_store(&t->done, true);
	return NULL;
}

static void print_stack(int tid)
{
	char line[256];
	FILE *f;

	snprintf(line, sizeof(line), "/proc/self/task/%d/stack", tid);
	f = fopen(line, "r");
	while (f && fgets(line, sizeof(line), f))
		printf("flood stack %s", line);
	if (f)
		fclose(f);
	fflush(stdout);
}

/* Looks after the threads until they end. */
static void watch(void)
{
	long beat, told[THREADS] = {0}, stall = 0, late;
	int left;

	do {
		left = 0;
		for (int i = 0; i < THREADS; i++) {
			if (atomic_load(&threads[i].done))
				continue;
			left++;
			beat = atomic_load(&threads[i].beat);
			late = beat ? now_ms() - beat : 0;
			stall = late > stall ? late : stall;
			if (late > STALL && told[i] != beat) {
				told[i] = beat;
				printf("flood stall of %ld ms\n", late);
				print_stack(atomic_load(&threads[i].tid));
			}
		}
		nap(100);
	} while (left);
	printf("flood stall_ms %ld\n", stall);
}

static void stop(int signo)
{
	(void)signo;
	atomic_store(&stopping, true);
}

static void open_listeners(void)
{
	struct sockaddr_in addr = {.sin_family = AF_INET};

	addr.sin_addr.s_addr = htonl(0x0a580001 + (net << 8));
	for (int i = 0; i < LISTENERS; i++) {
		listeners[i] = socket(i ? AF_SMC : AF_INET,
				      SOCK_STREAM | SOCK_NONBLOCK,
				      i ? 0 : IPPROTO_SMC);
		addr.sin_port = htons(port + i);
		if (listeners[i] < 0 ||
		    bind(listeners[i], (struct sockaddr *)&addr,
			 sizeof(addr)) ||
		    listen(listeners[i], 1024))
			die("listen");
	}
}

static void parse_options(int argc, char **argv)
{
	static const struct option options[] = {
		{"net", required_argument, NULL, 0},
		{"port", required_argument, NULL, 1},
		{"count", required_argument, NULL, 2},
		{"flight", required_argument, NULL, 3},
		{"seed", required_argument, NULL, 4},
		{0},
	};
	static long *const numbers[] = {&net, &port, &count, &flight, &seed};
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == '?')
			exit(2);
		*numbers[c] = atol(optarg);
	}
}

int main(int argc, char **argv)
{
	static const char *const sides[] = {"connected", "accepted"};

	parse_options(argc, argv);
	signal(SIGTERM, stop);
	open_listeners();
	for (int i = 0; i < THREADS; i++) {
		threads[i].width = NARROW;
		threads[i].random = seed * THREADS + i;
		threads[i].lives = calloc(MAX_LIVES, sizeof(struct life));
		if (!threads[i].lives ||
		    pthread_create(&threads[i].thread, NULL, run, &threads[i]))
			die("thread");
	}
	watch();
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i].thread, NULL);
	for (int side = 0; side < 2; side++)
		for (int i = 0; i < WHATS; i++)
			printf("flood %s.%s %ld\n", sides[side], names[i],
			       atomic_load(&counts[side][i]));
	printf("flood handshake_ms %ld\nflood close_ms %ld\nflood violations "
	       "%ld\n",
	       atomic_load(&longest), atomic_load(&slowest),
	       atomic_load(&violations));
	return 0;
}
