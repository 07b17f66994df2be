// SPDX-License-Identifier: MIT
/*
 * hook BATCHES socket|connect: nanoseconds per socket() + close() of a TCP socket,
 * or per connect() of a UDP socket, which does least.  Two lines on stdout:
 * "plain" with libc's function, "preload" with the one a program gets.  Batches
 * take turns within one process, and the median of each counts: the state of the
 * kernel's caches differs more from process to process than what is measured here.
 */
#include <dlfcn.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BATCH 50

typedef int socket_fn(int domain, int type, int protocol);
typedef int connect_fn(int fd, const struct sockaddr *addr, socklen_t size);

static int udp = -1; /* if connect() is measured */

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1e9 + ts.tv_nsec;
}

static void call(void *fn)
{
	static const struct sockaddr_in addr = {
		.sin_family = AF_INET,
		.sin_port = 9 << 8,
		.sin_addr.s_addr = 127 | 1 << 24,
	};
	int rc;

	if (udp >= 0) {
		rc = ((connect_fn *)fn)(udp, (const struct sockaddr *)&addr,
					sizeof(addr));
	} else {
		rc = ((socket_fn *)fn)(AF_INET, SOCK_STREAM, 0);
		close(rc);
	}
	if (rc < 0) {
		perror("hook");
		exit(1);
	}
}

static double batch(void *fn)
{
	double start = now();

	for (int i = 0; i < BATCH; i++)
		call(fn);
	return (now() - start) / BATCH;
}

static int compare(const void *a, const void *b)
{
	double d = *(const double *)a - *(const double *)b;

	return (d > 0) - (d < 0);
}

int main(int argc, char **argv)
{
	static const char *const names[] = {"plain", "preload"};
	long count = argc > 1 ? atol(argv[1]) : 0;
	void *libc = dlopen("libc.so.6", RTLD_NOW | RTLD_NOLOAD);
	void *fns[2];
	double *times[2];

	if (count < 1 || argc < 3 || !libc)
		return 2;
	if (!strcmp(argv[2], "connect"))
		udp = socket(AF_INET, SOCK_DGRAM, 0);
	fns[0] = dlsym(libc, argv[2]);
	fns[1] = dlsym(RTLD_DEFAULT, argv[2]);
	if (fns[0] == fns[1]) {
		fputs("hook: no library is preloaded\n", stderr);
		return 2;
	}
	for (int f = 0; f < 2; f++)
		times[f] = calloc(count, sizeof(**times));
	if (!times[0] || !times[1])
		return 1;
	/* The first batches warm up; the first socket() also probes. */
	for (long i = -count / 4; i < count; i++) {
		for (int f = 0; f < 2; f++) {
			double t = batch(fns[f]);

			if (i >= 0)
				times[f][i] = t;
		}
	}
	for (int f = 0; f < 2; f++) {
		qsort(times[f], count, sizeof(**times), compare);
		printf("%s %.1f\n", names[f], times[f][count / 2]);
	}
	return 0;
}
