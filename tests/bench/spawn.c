// SPDX-License-Identifier: MIT
/*
 * spawn COUNT COMMAND [ARG...]: nanoseconds from fork to the end of COMMAND,
 * mean of COUNT runs after as many to warm up, on stdout.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
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
	long count = argc > 2 ? atol(argv[1]) : 0;
	double start = 0;

	for (long i = 0; i < 2 * count; i++) {
		int status;
		pid_t pid;

		if (i == count)
			start = now();
		pid = fork();
		if (pid == 0) {
			execvp(argv[2], argv + 2);
			_exit(127);
		}
		if (pid < 0 || waitpid(pid, &status, 0) < 0 || status) {
			fprintf(stderr, "spawn: %s failed\n", argv[2]);
			return 1;
		}
	}
	if (count < 1)
		return 2;
	printf("%.0f\n", (now() - start) / count);
	return 0;
}
