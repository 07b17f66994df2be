// SPDX-License-Identifier: MIT
/*
 * The one configurable TCP program of the guest suites.  Without --proto it
 * is an ordinary TCP program, which smc_run may turn into an SMC one.
 *
 *	tcp_probe server --port P [OPTIONS]	serves --count connections
 *	tcp_probe client --host A --port P [OPTIONS]
 *
 * Over each connection both sides send --bytes bytes of a known stream at the
 * same time and compare every byte that arrives; then both shut down and must
 * see the end.  What ends early, late or differently is an error.
 *
 *	--io blocking|poll|epoll|sendfile	how data moves
 *	--bytes N	per direction and connection (default 1000000)
 *	--count N	connections, one after the other (default 1)
 *	--proto tcp|smc|af_smc	what socket() asks for (default tcp)
 *	--at-end CMD	shell command run after the transfer while the
 *			connection is open, with PROBE_INODE (of the socket),
 *			PROBE_PORT (local) and PROBE_DOMAIN, PROBE_PROTOCOL set
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
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "smc_uapi.h"

#define CHUNK 65536

static const char *opt_host, *opt_io = "blocking", *opt_proto = "tcp";
static const char *opt_at_end;
static int opt_port;
static long opt_count = 1;
static uint64_t opt_bytes = 1000000;
static bool is_server;

__attribute__((format(printf, 1, 2))) static void fail(const char *fmt, ...)
{
	va_list ap;

	fflush(stdout);
	fprintf(stderr, "tcp_probe: %s: ", is_server ? "server" : "client");
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

/* splitmix64: word @i of stream @seed. */
static uint64_t word(uint64_t seed, uint64_t i)
{
	uint64_t z = (seed << 48) + (i + 1) * 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

/* The bytes [@pos, @pos + @len) of stream @seed. */
static void pattern(uint64_t seed, uint64_t pos, unsigned char *buf, size_t len)
{
	uint64_t w;

	while (len && pos % 8) {
		w = word(seed, pos / 8);
		*buf++ = ((unsigned char *)&w)[pos % 8];
		pos++;
		len--;
	}
	for (; len >= 8; len -= 8, pos += 8, buf += 8) {
		w = word(seed, pos / 8);
		memcpy(buf, &w, 8);
	}
	if (len) {
		w = word(seed, pos / 8);
		memcpy(buf, &w, len);
	}
}

/* One direction of one connection. */
struct half {
	int fd;
	uint64_t seed;
	uint64_t pos;
	uint64_t rnd; /* the sizes of reads and writes */
	int file; /* sendfile: the stream as a file */
};

static bool complete(const struct half *half)
{
	return half->pos == opt_bytes;
}

static size_t next_size(struct half *half)
{
	half->rnd = half->rnd * 6364136223846793005 + 1442695040888963407;
	/* Mostly large, now and then a few bytes. */
	return (half->rnd >> 60) ? CHUNK - (half->rnd >> 50)
				 : 1 + (half->rnd >> 40) % 32;
}

/* Sends the next piece; false if the socket would block. */
static bool send_some(struct half *half)
{
	unsigned char buf[CHUNK];
	size_t len = next_size(half);
	ssize_t n;

	if (len > opt_bytes - half->pos)
		len = opt_bytes - half->pos;
	if (half->file >= 0) {
		n = sendfile(half->fd, half->file, NULL, len);
	} else {
		pattern(half->seed, half->pos, buf, len);
		n = send(half->fd, buf, len, 0);
	}
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n <= 0)
		fail("send at %llu: %s", (unsigned long long)half->pos,
		     n ? strerror(errno) : "nothing sent");
	half->pos += n;
	return true;
}

/* Receives and compares the next piece; false if the socket would block. */
static bool recv_some(struct half *half)
{
	unsigned char got[CHUNK], want[CHUNK];
	ssize_t n;

	n = recv(half->fd, got, next_size(half), 0);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n < 0)
		fail("recv at %llu: %s", (unsigned long long)half->pos,
		     strerror(errno));
	if (n == 0)
		fail("stream ended at %llu of %llu",
		     (unsigned long long)half->pos,
		     (unsigned long long)opt_bytes);
	if (half->pos + n > opt_bytes)
		fail("more than %llu bytes", (unsigned long long)opt_bytes);
	pattern(half->seed, half->pos, want, n);
	if (memcmp(got, want, n))
		fail("wrong data in [%llu, %llu)",
		     (unsigned long long)half->pos,
		     (unsigned long long)half->pos + n);
	half->pos += n;
	return true;
}

static void *send_thread(void *arg)
{
	struct half *tx = arg;

	while (!complete(tx))
		send_some(tx);
	return NULL;
}

static void run_blocking(struct half *tx, struct half *rx)
{
	pthread_t thread;
	int rc;

	rc = pthread_create(&thread, NULL, send_thread, tx);
	if (rc)
		fail("pthread_create: %s", strerror(rc));
	while (!complete(rx))
		recv_some(rx);
	pthread_join(thread, NULL);
}

static void run_poll(struct half *tx, struct half *rx)
{
	struct pollfd pfd = {.fd = tx->fd};

	while (!complete(tx) || !complete(rx)) {
		pfd.events = (complete(tx) ? 0 : POLLOUT) |
			     (complete(rx) ? 0 : POLLIN);
		if (poll(&pfd, 1, 60000) <= 0)
			fail("poll: no event in 60 s (sent %llu, received "
			     "%llu)",
			     (unsigned long long)tx->pos,
			     (unsigned long long)rx->pos);
		if (pfd.revents & (POLLERR | POLLNVAL))
			fail("poll: revents 0x%x", pfd.revents);
		if (pfd.revents & POLLOUT && !complete(tx))
			send_some(tx);
		if (pfd.revents & (POLLIN | POLLHUP) && !complete(rx))
			recv_some(rx);
	}
}

/* Edge-triggered: an edge that is lost shows as a time-out. */
static void run_epoll(struct half *tx, struct half *rx)
{
	struct epoll_event ev = {.events = EPOLLIN | EPOLLOUT | EPOLLET};
	int ep;

	ep = epoll_create1(EPOLL_CLOEXEC);
	if (ep < 0 || epoll_ctl(ep, EPOLL_CTL_ADD, tx->fd, &ev))
		fail("epoll: %s", strerror(errno));
	for (;;) {
		/* In turns: neither direction may starve the other. */
		bool sent = !complete(tx) && send_some(tx);
		bool received = !complete(rx) && recv_some(rx);

		if (complete(tx) && complete(rx))
			break;
		if (!sent && !received && epoll_wait(ep, &ev, 1, 60000) <= 0)
			fail("epoll: no event in 60 s (sent %llu, received "
			     "%llu)",
			     (unsigned long long)tx->pos,
			     (unsigned long long)rx->pos);
	}
	close(ep);
}

static int pattern_file(uint64_t seed)
{
	unsigned char *map;
	int fd;

	fd = memfd_create("stream", MFD_CLOEXEC);
	if (fd < 0 || ftruncate(fd, opt_bytes))
		fail("memfd: %s", strerror(errno));
	map = mmap(NULL, opt_bytes, PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		fail("mmap: %s", strerror(errno));
	pattern(seed, 0, map, opt_bytes);
	munmap(map, opt_bytes);
	return fd;
}

static int get_int(int fd, int name)
{
	socklen_t len = sizeof(int);
	int value = -1;

	if (getsockopt(fd, SOL_SOCKET, name, &value, &len))
		return -errno;
	return value;
}

static void at_end(int fd)
{
	struct sockaddr_storage addr;
	socklen_t len = sizeof(addr);
	char value[32];
	struct stat st;

	if (fstat(fd, &st) || getsockname(fd, (struct sockaddr *)&addr, &len))
		fail("getsockname: %s", strerror(errno));
	snprintf(value, sizeof(value), "%lu", (unsigned long)st.st_ino);
	setenv("PROBE_INODE", value, 1);
	/* The port is at the same place in both families. */
	snprintf(value, sizeof(value), "%u",
		 ntohs(((struct sockaddr_in *)&addr)->sin_port));
	setenv("PROBE_PORT", value, 1);
	snprintf(value, sizeof(value), "%d", get_int(fd, SO_DOMAIN));
	setenv("PROBE_DOMAIN", value, 1);
	snprintf(value, sizeof(value), "%d", get_int(fd, SO_PROTOCOL));
	setenv("PROBE_PROTOCOL", value, 1);
	if (system(opt_at_end))
		fail("--at-end failed: %s", opt_at_end);
}

/* Half-closes, and expects the peer to have done so after its last byte. */
static void expect_end(int fd)
{
	struct pollfd pfd = {.fd = fd, .events = POLLIN};
	char byte;

	if (shutdown(fd, SHUT_WR))
		fail("shutdown: %s", strerror(errno));
	if (poll(&pfd, 1, 60000) != 1)
		fail("no end of stream in 60 s");
	if (recv(fd, &byte, 1, MSG_DONTWAIT))
		fail("no end after %llu bytes", (unsigned long long)opt_bytes);
}

static void transfer(int fd, bool last)
{
	struct half tx = {
		.fd = fd, .seed = 1 + is_server, .rnd = 1, .file = -1};
	struct half rx = {.fd = fd, .seed = 2 - is_server, .rnd = 2};
	int flags;

	if (!strcmp(opt_io, "sendfile"))
		tx.file = pattern_file(tx.seed);
	if (!strcmp(opt_io, "poll") || !strcmp(opt_io, "epoll")) {
		flags = fcntl(fd, F_GETFL);
		if (fcntl(fd, F_SETFL, flags | O_NONBLOCK))
			fail("fcntl: %s", strerror(errno));
	}
	if (!strcmp(opt_io, "poll"))
		run_poll(&tx, &rx);
	else if (!strcmp(opt_io, "epoll"))
		run_epoll(&tx, &rx);
	else
		run_blocking(&tx, &rx);
	if (tx.file >= 0)
		close(tx.file);
	if (last && opt_at_end)
		at_end(fd);
	expect_end(fd);
}

static int open_socket(int family, int flags)
{
	int fd;

	if (!strcmp(opt_proto, "smc"))
		fd = socket(family, SOCK_STREAM | flags, IPPROTO_SMC);
	else if (!strcmp(opt_proto, "af_smc"))
		fd = socket(AF_SMC, SOCK_STREAM | flags, family == AF_INET6);
	else
		fd = socket(family, SOCK_STREAM | flags, 0);
	if (fd < 0)
		fail("socket(%s): %s", opt_proto, strerror(errno));
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
	return 0;
}

static void serve(void)
{
	struct sockaddr_storage addr;
	int one = 1, lsk, fd;
	socklen_t len;

	len = parse_addr(opt_host ? opt_host : "::", &addr);
	lsk = open_socket(addr.ss_family, SOCK_CLOEXEC);
	if (setsockopt(lsk, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    bind(lsk, (struct sockaddr *)&addr, len) || listen(lsk, 16))
		fail("listen: %s", strerror(errno));
	for (long i = 0; i < opt_count; i++) {
		fd = accept4(lsk, NULL, NULL, SOCK_CLOEXEC);
		if (fd < 0)
			fail("accept: %s", strerror(errno));
		transfer(fd, i == opt_count - 1);
		close(fd);
	}
	close(lsk);
}

/* Non-blocking for the modes that are: connect() is part of the test. */
static int connect_to(const struct sockaddr_storage *addr, socklen_t len)
{
	bool nonblock = !strcmp(opt_io, "poll") || !strcmp(opt_io, "epoll");
	struct pollfd pfd;
	int fd, rc;

	fd = open_socket(addr->ss_family,
			 SOCK_CLOEXEC | (nonblock ? SOCK_NONBLOCK : 0));
	rc = connect(fd, (const struct sockaddr *)addr, len);
	if (rc && nonblock && errno == EINPROGRESS) {
		pfd = (struct pollfd){.fd = fd, .events = POLLOUT};
		if (poll(&pfd, 1, 60000) != 1)
			fail("connect: no event in 60 s");
		errno = get_int(fd, SO_ERROR);
		rc = errno ? -1 : 0;
	}
	if (rc)
		fail("connect: %s", strerror(errno));
	return fd;
}

static void run_client(void)
{
	struct sockaddr_storage addr;
	socklen_t len;
	int fd;

	if (!opt_host)
		fail("--host is missing");
	len = parse_addr(opt_host, &addr);
	for (long i = 0; i < opt_count; i++) {
		fd = connect_to(&addr, len);
		transfer(fd, i == opt_count - 1);
		close(fd);
	}
}

static bool one_of(const char *word_, const char *const *list)
{
	for (; *list; list++)
		if (!strcmp(word_, *list))
			return true;
	return false;
}

int main(int argc, char **argv)
{
	static const char *const ios[] = {"blocking", "poll", "epoll",
					  "sendfile", NULL};
	static const char *const protos[] = {"tcp", "smc", "af_smc", NULL};
	static const struct option options[] = {
		{"host", required_argument, NULL, 'h'},
		{"port", required_argument, NULL, 'p'},
		{"io", required_argument, NULL, 'i'},
		{"bytes", required_argument, NULL, 'b'},
		{"count", required_argument, NULL, 'c'},
		{"proto", required_argument, NULL, 'P'},
		{"at-end", required_argument, NULL, 'e'},
		{0},
	};
	int c;

	if (argc > 1 && !strcmp(argv[1], "server"))
		is_server = true;
	else if (argc < 2 || strcmp(argv[1], "client"))
		fail("first argument: server or client");
	optind = 2;
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'h':
			opt_host = optarg;
			break;
		case 'p':
			opt_port = atoi(optarg);
			break;
		case 'i':
			opt_io = optarg;
			break;
		case 'b':
			opt_bytes = strtoull(optarg, NULL, 10);
			break;
		case 'c':
			opt_count = atol(optarg);
			break;
		case 'P':
			opt_proto = optarg;
			break;
		case 'e':
			opt_at_end = optarg;
			break;
		default:
			return 2;
		}
	}
	if (optind != argc || !one_of(opt_io, ios) ||
	    !one_of(opt_proto, protos) || opt_port < 1 || opt_bytes < 1)
		fail("wrong arguments, see the top of tcp_probe.c");
	signal(SIGPIPE, SIG_IGN);
	if (is_server)
		serve();
	else
		run_client();
	printf("ok %ld x %llu bytes each way\n", opt_count,
	       (unsigned long long)opt_bytes);
	return 0;
}
