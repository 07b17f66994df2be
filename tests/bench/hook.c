// SPDX-License-Identifier: MIT
/*
 * hook COUNT: nanoseconds per socket() + close() of a TCP socket, on stdout.
 * Run it with and without the library preloaded.
 */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1e9 + ts.tv_nsec;
}

int main(int argc, char **argv)
{
	long count = argc > 1 ? atol(argv[1]) : 0;
	double start = 0;

	/* The first half warms up; the first socket() also probes. */
	for (long i = 0; i < 2 * count; i++) {
		int fd;

		if (i == count)
			start = now();
		fd = socket(AF_INET, SOCK_STREAM, 0);
		if (fd < 0) {
			perror("hook: socket");
			return 1;
		}
		close(fd);
	}
	if (count < 1)
		return 2;
	printf("%.1f\n", (now() - start) / count);
	return 0;
}
