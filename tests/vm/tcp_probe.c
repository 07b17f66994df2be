// SPDX-License-Identifier: MIT
/*
 * The one configurable TCP program of the guest suites.  Without --proto it
 * is an ordinary TCP program, which smc_run may turn into an SMC one.
 *
 *	tcp_probe server --port P [OPTIONS]	serves --threads x --count
 *						connections
 *	tcp_probe client --host A --port P [OPTIONS]
 *
 * Over each connection both sides send --bytes bytes of a known stream at the
 * same time, in pieces of 1 byte to 1 MiB, and compare every byte that arrives;
 * then both shut down and must see the end.  What ends early, late or
 * differently is an error, and so is a minute without any progress.
 *
 *	--io WAY	how data moves and connections are made:
 *		blocking	send() and recv(), a thread each
 *		poll, epoll	one thread, the latter edge-triggered
 *		sendfile	from a file
 *		splice		file, pipe, socket, pipe, file
 *		uring		io_uring; also accept and connect
 *		zerocopy	MSG_ZEROCOPY, with each completion awaited
 *		nonblock-early	send and receive without waiting for connect()
 *	--bytes N	per direction and connection (default 1000000)
 *	--threads N	connections at once, a thread or two each (default 1)
 *	--count N	connections of a thread, one after the other (default 1)
 *	--seed N	of the sizes of pieces; printed if something fails
 *	--proto tcp|smc|af_smc	what socket() asks for (default tcp)
 *	--ipsec		socket with an IPsec policy, which excludes SMC but
 *			changes nothing (needs the module xfrm_user)
 *	--at-end CMD	shell command run after the last transfer (with threads:
 *			the client's first one's) while the connection is open,
 *			with PROBE_INODE (of the socket), PROBE_PORT (local)
 *			and PROBE_DOMAIN, PROBE_PROTOCOL set
 *
 * Options may also be in the environment, in PROBE_OPTIONS, between blanks.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "probe.h"
#include "smc_uapi.h"
#include "tcp_probe.h"

#define MAX_THREADS 1000

uint64_t opt_bytes = 1000000, opt_seed;

static const char *opt_host, *opt_proto = "tcp", *opt_at_end;
static const struct way *opt_way;
static int opt_port;
static long opt_count = 1, opt_threads = 1;
static bool opt_ipsec, is_server;

void fail(const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	fflush(stdout);
	fprintf(stderr, "tcp_probe: %s: %s (--seed %llu)\n",
		is_server ? "server" : "client", text,
		(unsigned long long)opt_seed);
	_exit(1);
}

int get_int(int fd, int name)
{
	socklen_t len = sizeof(int);
	int value = -1;

	if (getsockopt(fd, SOL_SOCKET, name, &value, &len))
		return -errno;
	return value;
}

static void at_end(int fd, unsigned int port)
{
	char value[32];
	struct stat st;

	if (fstat(fd, &st))
		fail("fstat: %s", strerror(errno));
	snprintf(value, sizeof(value), "%lu", (unsigned long)st.st_ino);
	setenv("PROBE_INODE", value, 1);
	snprintf(value, sizeof(value), "%u", port);
	setenv("PROBE_PORT", value, 1);
	snprintf(value, sizeof(value), "%d", get_int(fd, SO_DOMAIN));
	setenv("PROBE_DOMAIN", value, 1);
	snprintf(value, sizeof(value), "%d", get_int(fd, SO_PROTOCOL));
	setenv("PROBE_PROTOCOL", value, 1);
	if (system(opt_at_end))
		fail("--at-end failed: %s", opt_at_end);
}

/* The same place in both families. */
static unsigned int port_of(int fd, bool of_peer)
{
	struct sockaddr_storage addr;
	socklen_t len = sizeof(addr);
	int rc;

	rc = of_peer ? getpeername(fd, (struct sockaddr *)&addr, &len)
		     : getsockname(fd, (struct sockaddr *)&addr, &len);
	if (rc)
		fail("get%sname: %s", of_peer ? "peer" : "sock",
		     strerror(errno));
	return ntohs(((struct sockaddr_in *)&addr)->sin_port);
}

/* Half-closes, and expects the peer to have done so after its last byte. */
static void expect_end(int fd)
{
	struct pollfd pfd = {.fd = fd, .events = POLLIN};
	char byte;
	ssize_t n;

	if (shutdown(fd, SHUT_WR))
		fail("shutdown: %s", strerror(errno));
	if (poll(&pfd, 1, 60000) != 1)
		fail("no end of stream in 60 s");
	n = recv(fd, &byte, 1, MSG_DONTWAIT);
	if (n)
		fail("no end after %llu bytes: %s",
		     (unsigned long long)opt_bytes,
		     n < 0 ? strerror(errno) : "one more");
}

static void transfer(int fd, bool is_last)
{
	move_streams(opt_way, fd, is_server, port_of(fd, is_server));
	if (is_last && opt_at_end)
		at_end(fd, port_of(fd, false));
	expect_end(fd);
	close(fd);
}

static int open_socket(int family)
{
	int type = SOCK_STREAM | SOCK_CLOEXEC, fd;

	if (opt_way->nonblock)
		type |= SOCK_NONBLOCK;
	if (!strcmp(opt_proto, "smc"))
		fd = socket(family, type, IPPROTO_SMC);
	else if (!strcmp(opt_proto, "af_smc"))
		fd = socket(AF_SMC, type, family == AF_INET6);
	else
		fd = socket(family, type, 0);
	if (fd < 0)
		fail("socket(%s): %s", opt_proto, strerror(errno));
	if (opt_ipsec && set_policy(fd, family))
		fail("IPsec policy: %s", strerror(errno));
	return fd;
}

static socklen_t parse_addr(const char *host, struct sockaddr_storage *ret_addr)
{
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ret_addr;
	struct sockaddr_in *in = (struct sockaddr_in *)ret_addr;

	memset(ret_addr, 0, sizeof(*ret_addr));
	if (inet_pton(AF_INET, host, &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
		in->sin_port = htons(opt_port);
		return sizeof(*in);
	}
	if (inet_pton(AF_INET6, host, &in6->sin6_addr) == 1) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(opt_port);
		return sizeof(*in6);
	}
	fail("not an address: %s", host);
}

static void start_thread(pthread_t *thread, void *(*fn)(void *), void *arg)
{
	int rc = pthread_create(thread, NULL, fn, arg);

	if (rc)
		fail("pthread_create: %s", strerror(rc));
}

static void *serve_one(void *arg)
{
	long fd = (long)arg;

	transfer(fd, false);
	return NULL;
}

static void serve(void)
{
	int one = 1, flags = SOCK_CLOEXEC, lsk, fd;
	long total = opt_count * opt_threads;
	struct sockaddr_storage addr;
	pthread_t *threads;
	socklen_t len;

	if (opt_way->nonblock)
		flags |= SOCK_NONBLOCK;
	threads = calloc(total, sizeof(*threads));
	if (!threads)
		fail("calloc: %s", strerror(errno));
	len = parse_addr(opt_host ? opt_host : "::", &addr);
	lsk = open_socket(addr.ss_family);
	if (setsockopt(lsk, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    bind(lsk, (struct sockaddr *)&addr, len) || listen(lsk, SOMAXCONN))
		fail("listen: %s", strerror(errno));
	for (long i = 0; i < total; i++) {
		fd = opt_way->accept(lsk, flags);
		if (fd < 0)
			fail("accept: %s", strerror(errno));
		if (opt_threads == 1)
			transfer(fd, i == total - 1);
		else
			start_thread(&threads[i], serve_one, (void *)(long)fd);
	}
	for (long i = 0; i < total && opt_threads > 1; i++)
		pthread_join(threads[i], NULL);
	free(threads);
	close(lsk);
}

static void *connect_all(void *arg)
{
	struct sockaddr_storage addr;
	bool is_first = !arg;
	socklen_t len;
	int fd;

	len = parse_addr(opt_host, &addr);
	for (long i = 0; i < opt_count; i++) {
		fd = open_socket(addr.ss_family);
		if (opt_way->connect(fd, (struct sockaddr *)&addr, len))
			fail("connect: %s", strerror(errno));
		transfer(fd, is_first && i == opt_count - 1);
	}
	return NULL;
}

static void run_client(void)
{
	pthread_t threads[MAX_THREADS];

	if (!opt_host)
		fail("--host is missing");
	for (long i = 1; i < opt_threads; i++)
		start_thread(&threads[i], connect_all, (void *)i);
	connect_all(NULL);
	for (long i = 1; i < opt_threads; i++)
		pthread_join(threads[i], NULL);
}

/* A server that waits for its first client makes no progress either. */
static void *watch(void *arg)
{
	uint64_t before, now = 0;

	do {
		before = now;
		sleep(60);
		now = bytes_moved();
	} while (now != before || (is_server && !now));
	(void)arg;
	fail("nothing moved in 60 s, after %llu bytes",
	     (unsigned long long)now);
}

static bool one_of(const char *word, const char *const *list)
{
	for (; *list; list++)
		if (!strcmp(word, *list))
			return true;
	return false;
}

static void parse_options(int argc, char **argv)
{
	static const char *const protos[] = {"tcp", "smc", "af_smc", NULL};
	static const struct option options[] = {
		{"host", required_argument, NULL, 'h'},
		{"port", required_argument, NULL, 'p'},
		{"io", required_argument, NULL, 'i'},
		{"bytes", required_argument, NULL, 'b'},
		{"threads", required_argument, NULL, 't'},
		{"count", required_argument, NULL, 'c'},
		{"seed", required_argument, NULL, 's'},
		{"proto", required_argument, NULL, 'P'},
		{"ipsec", no_argument, NULL, 'x'},
		{"at-end", required_argument, NULL, 'e'},
		{0},
	};
	int c;

	optind = 0;
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'h':
			opt_host = optarg;
			break;
		case 'p':
			opt_port = atoi(optarg);
			break;
		case 'i':
			opt_way = find_way(optarg);
			if (!opt_way)
				fail("--io %s: no such way", optarg);
			break;
		case 'b':
			opt_bytes = strtoull(optarg, NULL, 10);
			break;
		case 't':
			opt_threads = atol(optarg);
			break;
		case 'c':
			opt_count = atol(optarg);
			break;
		case 's':
			opt_seed = strtoull(optarg, NULL, 10);
			break;
		case 'P':
			opt_proto = optarg;
			break;
		case 'x':
			opt_ipsec = true;
			break;
		case 'e':
			opt_at_end = optarg;
			break;
		default:
			exit(2);
		}
	}
	if (optind != argc || !one_of(opt_proto, protos))
		fail("wrong arguments, see the top of tcp_probe.c");
}

static void parse_environment(void)
{
	static char text[256];
	char *words[32] = {"PROBE_OPTIONS"};
	int n = 1;

	snprintf(text, sizeof(text), "%s", getenv("PROBE_OPTIONS") ?: "");
	for (char *word = strtok(text, " "); word && n < 31;
	     word = strtok(NULL, " "))
		words[n++] = word;
	parse_options(n, words);
}

int main(int argc, char **argv)
{
	pthread_t watcher;

	if (argc > 1 && !strcmp(argv[1], "server"))
		is_server = true;
	else if (argc < 2 || strcmp(argv[1], "client"))
		fail("first argument: server or client");
	opt_way = find_way("blocking");
	if (getrandom(&opt_seed, 4, 0) != 4)
		fail("getrandom: %s", strerror(errno));
	parse_environment();
	parse_options(argc - 1, argv + 1);
	if (opt_port < 1 || opt_bytes < 1 || opt_count < 1 || opt_threads < 1 ||
	    opt_threads > MAX_THREADS)
		fail("wrong arguments, see the top of tcp_probe.c");
	signal(SIGPIPE, SIG_IGN);
	start_thread(&watcher, watch, NULL);
	if (is_server)
		serve();
	else
		run_client();
	printf("ok %ld x %llu bytes each way\n", opt_count * opt_threads,
	       (unsigned long long)opt_bytes);
	return 0;
}
