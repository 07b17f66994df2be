// SPDX-License-Identifier: MIT
/*
 * sizes ROUNDS: what messages of each size cost on a connection over loopback, and
 * what one costs among many connections, for TCP and IPPROTO_SMC in interleaved
 * rounds.  One line a measurement: NAME PROTOCOL X MEDIAN LEAST MOST, in nanoseconds
 * of a message.
 *
 *	rtt	X bytes and their echo
 *	stream	X bytes in each send() of a stream
 *	among	one byte and its echo on each of X connections in turn, which
 *		the server watches by epoll
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "smc_uapi.h"

#define LARGEST (1 << 20)
#define STREAM_BYTES (16L << 20)
#define MOST 4000

enum proto { TCP, SMC, PROTOS };
enum what { RTT, STREAM, AMONG };

/* What a connection is for: the first that a client says */
struct order {
	uint32_t what, size, count;
};

static const char *const protos[] = {"tcp", "smc"};
static char buf[LARGEST];

__attribute__((noreturn)) static void die(const char *what)
{
	fprintf(stderr, "sizes: %s: %s\n", what, strerror(errno));
	exit(1);
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1e9 + ts.tv_nsec;
}

static void read_all(int fd, void *data, size_t len)
{
	ssize_t n;

	for (char *p = data; len; p += n, len -= n) {
		n = recv(fd, p, len, 0);
		if (n <= 0)
			die("recv");
	}
}

static void write_all(int fd, const void *data, size_t len)
{
	ssize_t n;

	for (const char *p = data; len; p += n, len -= n) {
		n = send(fd, p, len, 0);
		if (n <= 0)
			die("send");
	}
}

static int open_socket(enum proto proto)
{
	int fd = socket(AF_INET, SOCK_STREAM, proto == SMC ? IPPROTO_SMC : 0);

	if (fd < 0)
		die("socket");
	return fd;
}

static struct sockaddr_in address(enum proto proto)
{
	return (struct sockaddr_in){.sin_family = AF_INET,
				    .sin_port = htons(9200 + proto),
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static void serve_one(int fd, const struct order *order)
{
	size_t left = (size_t)order->size * order->count;
	ssize_t n;

	if (order->what == RTT) {
		for (uint32_t i = 0; i < order->count; i++) {
			read_all(fd, buf, order->size);
			write_all(fd, buf, order->size);
		}
	} else {
		for (; left; left -= n) {
			n = recv(fd, buf, sizeof(buf), 0);
			if (n <= 0)
				die("recv");
		}
		write_all(fd, "", 1);
	}
	close(fd);
}

static void serve(enum proto proto)
{
	struct epoll_event event = {.events = EPOLLIN}, events[64];
	struct sockaddr_in addr = address(proto);
	int lsk = open_socket(proto), epfd = epoll_create1(0), fd, n, one = 1;
	struct order order;
	char c;

	event.data.fd = lsk;
	if (setsockopt(lsk, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    bind(lsk, (struct sockaddr *)&addr, sizeof(addr)) ||
	    listen(lsk, 64) || epoll_ctl(epfd, EPOLL_CTL_ADD, lsk, &event))
		die("listen");
	switch (fork()) {
	case -1:
		die("fork");
	case 0:
		break;
	default:
		close(lsk);
		close(epfd);
		return;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		n = epoll_wait(epfd, events, 64, -1);
		for (int i = 0; i < n; i++) {
			fd = events[i].data.fd;
			if (fd != lsk) {
				if (recv(fd, &c, 1, 0) == 1)
					write_all(fd, &c, 1);
				else
					close(fd);
				continue;
			}
			fd = accept(lsk, NULL, NULL);
			if (fd < 0)
				die("accept");
			setsockopt(fd, SOL_TCP, TCP_NODELAY, &one, sizeof(one));
			read_all(fd, &order, sizeof(order));
			if (order.what != AMONG) {
				serve_one(fd, &order);
				continue;
			}
			write_all(fd, "", 1);
			event.data.fd = fd;
			if (epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &event))
				die("epoll_ctl");
		}
	}
}

static int start(enum proto proto, const struct order *order)
{
	struct sockaddr_in addr = address(proto);
	int fd = open_socket(proto), one = 1;

	setsockopt(fd, SOL_TCP, TCP_NODELAY, &one, sizeof(one));
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)))
		die("connect");
	write_all(fd, order, sizeof(*order));
	return fd;
}

static double among(enum proto proto, uint32_t count)
{
	const struct order order = {AMONG, 1, 0};
	static int fds[MOST];
	double begin = 0;
	char c;

	for (uint32_t i = 0; i < count; i++) {
		fds[i] = start(proto, &order);
		read_all(fds[i], &c, 1);
	}
	/* The first turn only warms up. */
	for (uint32_t i = 0; i < 2 * count; i++) {
		if (i == count)
			begin = now();
		write_all(fds[i % count], "x", 1);
		read_all(fds[i % count], &c, 1);
	}
	begin = (now() - begin) / count;
	for (uint32_t i = 0; i < count; i++)
		close(fds[i]);
	return begin;
}

/* Nanoseconds of a message */
static double measure(enum what what, enum proto proto, uint32_t x)
{
	struct order order = {what, x, 500};
	double begin;
	char c;
	int fd;

	if (what == AMONG)
		return among(proto, x);
	if (what == STREAM)
		order.count =
			STREAM_BYTES / x < 20000 ? STREAM_BYTES / x : 20000;
	fd = start(proto, &order);
	begin = now();
	for (uint32_t i = 0; i < order.count; i++) {
		write_all(fd, buf, x);
		if (what == RTT)
			read_all(fd, buf, x);
	}
	if (what == STREAM)
		read_all(fd, &c, 1);
	begin = (now() - begin) / order.count;
	close(fd);
	return begin;
}

static int compare(const void *a, const void *b)
{
	double d = *(const double *)a - *(const double *)b;

	return (d > 0) - (d < 0);
}

int main(int argc, char **argv)
{
	static const struct {
		enum what what;
		const char *name;
		uint32_t x[8];
	} runs[] = {
		{RTT, "rtt", {1, 64, 1024, 4096, 16384, 65536, 262144}},
		{STREAM,
		 "stream",
		 {64, 512, 4096, 16384, 65536, 131072, 1048576}},
		{AMONG, "among", {1, 10, 100, 1000, MOST}},
	};
	long rounds = argc == 2 ? atol(argv[1]) : 0;
	double *times;

	if (rounds < 1) {
		fputs("usage: sizes ROUNDS\n", stderr);
		return 2;
	}
	times = calloc(rounds * PROTOS, sizeof(*times));
	if (!times)
		die("calloc");
	for (int proto = 0; proto < PROTOS; proto++)
		serve(proto);
	for (size_t i = 0; i < sizeof(runs) / sizeof(runs[0]); i++) {
		for (int k = 0; k < 8 && runs[i].x[k]; k++) {
			for (long r = 0; r < rounds; r++)
				for (int p = 0; p < PROTOS; p++)
					times[p * rounds + r] = measure(
						runs[i].what, p, runs[i].x[k]);
			for (int p = 0; p < PROTOS; p++) {
				double *t = &times[p * rounds];

				qsort(t, rounds, sizeof(*t), compare);
				printf("%s %s %u %.0f %.0f %.0f\n",
				       runs[i].name, protos[p], runs[i].x[k],
				       t[rounds / 2], t[0], t[rounds - 1]);
			}
			fflush(stdout);
		}
	}
	return 0;
}
