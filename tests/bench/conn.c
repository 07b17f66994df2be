// SPDX-License-Identifier: MIT
/*
 * conn [-c HOST] ROUNDS CYCLES [NAME]: what connections cost, for each pair
 * of protocols that this kernel has, in one process tree and interleaved rounds.
 * One line a measurement (those of NAME; of NAME=, if both ends have the same
 * protocol): NAME SERVER CLIENT NANOSECONDS, the median of the rounds.  With -c
 * the servers are those of a "conn -s" on HOST.
 *
 *	cycle	connect, one byte, its echo, close
 *	rtt	one byte and its echo on a connection that is up; five times
 *		CYCLES, as differences are small
 *	stream	64 KiB written and read at the other end, on the same
 *	open	socket() and close(), by the client's protocol
 *	memory	of the kernel's slabs, bytes a connection that is idle
 *
 * An SMC listener stays open all the time, so that the kernel looks for the
 * SMC option in every measurement alike.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "smc_uapi.h"

#define BLOCK 65536
#define STREAM_BLOCKS 64
#define IDLE 1000

enum proto { TCP, SMC, AFSMC, PROTOS };
enum what { CYCLE, RTT, STREAM, OPEN, MEMORY };

static struct in_addr host;

static const char *const names[] = {"tcp", "smc", "af_smc"};

__attribute__((noreturn)) static void die(const char *what)
{
	fprintf(stderr, "conn: %s: %s\n", what, strerror(errno));
	exit(1);
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1e9 + ts.tv_nsec;
}

static int open_socket(enum proto proto)
{
	switch (proto) {
	case SMC:
		return socket(AF_INET, SOCK_STREAM, IPPROTO_SMC);
	case AFSMC:
		return socket(AF_SMC, SOCK_STREAM, 0);
	default:
		return socket(AF_INET, SOCK_STREAM, 0);
	}
}

static struct sockaddr_in address(enum proto server)
{
	return (struct sockaddr_in){.sin_family = AF_INET,
				    .sin_port = htons(9000 + server),
				    .sin_addr = host};
}

static void read_all(int fd, char *buf, size_t len)
{
	ssize_t n;

	while (len) {
		n = recv(fd, buf, len, 0);
		if (n <= 0)
			die("recv");
		len -= n;
	}
}

static void write_all(int fd, const char *buf, size_t len)
{
	ssize_t n;

	while (len) {
		n = send(fd, buf, len, 0);
		if (n <= 0)
			die("send");
		len -= n;
	}
}

/* The first byte says what the connection is for, and is echoed. */
static void serve(int lsk)
{
	static char buf[BLOCK];
	ssize_t n;
	int fd;

	for (;;) {
		fd = accept(lsk, NULL, NULL);
		if (fd < 0)
			die("accept");
		read_all(fd, buf, 1);
		write_all(fd, buf, 1);
		if (buf[0] == RTT)
			while ((n = recv(fd, buf, 1, 0)) == 1)
				write_all(fd, buf, 1);
		if (buf[0] == STREAM) {
			for (int i = 0; i < STREAM_BLOCKS; i++)
				read_all(fd, buf, BLOCK);
			write_all(fd, buf, 1);
		}
		close(fd);
	}
}

static int open_listener(enum proto proto, const struct sockaddr_in *addr)
{
	int lsk, one = 1;

	lsk = open_socket(proto);
	if (lsk < 0 ||
	    setsockopt(lsk, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    bind(lsk, (const struct sockaddr *)addr, sizeof(*addr)) ||
	    listen(lsk, 64))
		die("listen");
	return lsk;
}

static void start_server(enum proto proto)
{
	struct sockaddr_in addr = address(proto);
	int lsk = open_listener(proto, &addr);

	switch (fork()) {
	case -1:
		die("fork");
	case 0:
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		serve(lsk);
	}
	close(lsk);
}

static int start_connection(enum proto server, enum proto client, char what)
{
	struct sockaddr_in addr = address(server);
	int fd;

	fd = open_socket(client);
	if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof(addr)))
		die("connect");
	write_all(fd, &what, 1);
	read_all(fd, &what, 1);
	return fd;
}

/* Bytes of all slab objects in use. */
static double slabs(void)
{
	FILE *f = fopen("/proc/slabinfo", "r");
	double sum = 0;
	char line[512];
	long active, size;

	if (!f)
		die("/proc/slabinfo");
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "%*s %ld %*d %ld", &active, &size) == 2)
			sum += (double)active * size;
	fclose(f);
	return sum;
}

static double idle_memory(enum proto server, enum proto client)
{
	static int fds[2 * IDLE];
	struct linger reset = {1, 0};
	struct sockaddr_in addr = address(server);
	double before;
	int lsk;

	addr.sin_port = htons(9100 + server);
	lsk = open_listener(server, &addr);
	before = slabs();
	for (int i = 0; i < IDLE; i++) {
		fds[i] = open_socket(client);
		if (fds[i] < 0 ||
		    connect(fds[i], (struct sockaddr *)&addr, sizeof(addr)))
			die("connect");
		fds[IDLE + i] = accept(lsk, NULL, NULL);
		if (fds[IDLE + i] < 0)
			die("accept");
	}
	before = (slabs() - before) / IDLE;
	for (int i = 0; i < 2 * IDLE; i++) {
		setsockopt(fds[i], SOL_SOCKET, SO_LINGER, &reset,
			   sizeof(reset));
		close(fds[i]);
	}
	close(lsk);
	return before;
}

/* Nanoseconds per cycle, round trip, block or socket; or bytes. */
static double measure(enum what what, enum proto server, enum proto client,
		      long cycles)
{
	static char buf[BLOCK];
	double start = 0;
	int fd;

	/* What ran before leaves slabs and caches in a state of its own: the
	 * first half brings them into that of this measurement.
	 */
	if (what == CYCLE || what == OPEN) {
		for (long i = 0; i < 2 * cycles; i++) {
			if (i == cycles)
				start = now();
			close(what == OPEN ? open_socket(client)
					   : start_connection(server, client,
							      CYCLE));
		}
		return (now() - start) / cycles;
	}
	if (what == MEMORY)
		return idle_memory(server, client);

	fd = start_connection(server, client, what);
	start = now();
	if (what == RTT) {
		for (long i = 0; i < 5 * cycles; i++) {
			write_all(fd, buf, 1);
			read_all(fd, buf, 1);
		}
		start = (now() - start) / (5 * cycles);
	} else {
		for (int i = 0; i < STREAM_BLOCKS; i++)
			write_all(fd, buf, BLOCK);
		read_all(fd, buf, 1);
		start = (now() - start) / STREAM_BLOCKS;
	}
	close(fd);
	return start;
}

/* Memory takes long to measure, and is the same each time. */
static long rounds_of(enum what what, long rounds)
{
	return what == MEMORY && rounds > 3 ? 3 : rounds;
}

/* Is a measurement one of @only: NAME, NAME= or all? */
static bool is_wanted(const char *only, const char *name, enum proto server,
		      enum proto client)
{
	size_t len = strlen(name);

	if (!only)
		return true;
	return !strncmp(only, name, len) &&
	       (!only[len] || (!strcmp(only + len, "=") && server == client));
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
		enum proto server, client;
	} runs[] = {
		{CYCLE, "cycle", TCP, TCP},	  {CYCLE, "cycle", SMC, TCP},
		{CYCLE, "cycle", TCP, SMC},	  {CYCLE, "cycle", SMC, SMC},
		{CYCLE, "cycle", AFSMC, TCP},	  {CYCLE, "cycle", TCP, AFSMC},
		{CYCLE, "cycle", AFSMC, AFSMC},	  {RTT, "rtt", TCP, TCP},
		{RTT, "rtt", SMC, SMC},		  {RTT, "rtt", AFSMC, AFSMC},
		{STREAM, "stream", TCP, TCP},	  {STREAM, "stream", SMC, SMC},
		{STREAM, "stream", AFSMC, AFSMC}, {OPEN, "open", TCP, TCP},
		{OPEN, "open", SMC, SMC},	  {OPEN, "open", AFSMC, AFSMC},
		{MEMORY, "memory", TCP, TCP},	  {MEMORY, "memory", SMC, SMC},
		{MEMORY, "memory", AFSMC, AFSMC},
	};
	const int count = sizeof(runs) / sizeof(runs[0]);
	bool is_server = argc == 2 && !strcmp(argv[1], "-s");
	bool is_client = argc > 2 && !strcmp(argv[1], "-c");
	char **args = argv + (is_client ? 3 : 1);
	long rounds = 0, cycles = 0;
	const char *only = NULL;
	double *times;

	if (is_client && inet_pton(AF_INET, argv[2], &host) != 1)
		argc = 0;
	else if (!is_client)
		host.s_addr = htonl(is_server ? INADDR_ANY : INADDR_LOOPBACK);
	if (!is_server && args < argv + argc - 1) {
		rounds = atol(args[0]);
		cycles = atol(args[1]);
		only = args[2];
	}
	if (!is_server && (rounds < 1 || cycles < 1)) {
		fputs("usage: conn [-c HOST] ROUNDS CYCLES [NAME]\n"
		      "       conn -s\n",
		      stderr);
		return 2;
	}
	times = calloc(count * rounds, sizeof(*times));
	if (!times)
		die("calloc");
	for (int proto = 0; proto < PROTOS && !is_client; proto++)
		start_server(proto);
	while (is_server)
		pause();

	/* Round -1 warms up. */
	for (long r = -1; r < rounds; r++) {
		for (int i = 0; i < count; i++) {
			double t;

			if (!is_wanted(only, runs[i].name, runs[i].server,
				       runs[i].client) ||
			    r >= rounds_of(runs[i].what, rounds))
				continue;
			t = measure(runs[i].what, runs[i].server,
				    runs[i].client, cycles);
			if (r >= 0)
				times[i * rounds + r] = t;
		}
	}
	for (int i = 0; i < count; i++) {
		long n = rounds_of(runs[i].what, rounds);

		if (!is_wanted(only, runs[i].name, runs[i].server,
			       runs[i].client))
			continue;
		qsort(&times[i * rounds], n, sizeof(*times), compare);
		printf("%s %s %s %.1f\n", runs[i].name, names[runs[i].server],
		       names[runs[i].client], times[i * rounds + n / 2]);
	}
	return 0;
}
