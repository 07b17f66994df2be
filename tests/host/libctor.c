// SPDX-License-Identifier: MIT
/*
 * A library whose constructor opens sockets: CTOR=one, or CTOR=threads for
 * one in each of 64 threads at the same moment.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define THREADS 64

static pthread_barrier_t barrier;

static void *open_one(void *arg)
{
	int fd;

	if (arg)
		pthread_barrier_wait(&barrier);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	if (fd < 0)
		abort();
	close(fd);
	return NULL;
}

__attribute__((constructor)) static void construct(void)
{
	const char *mode = getenv("CTOR");
	pthread_t threads[THREADS];
	int i;

	if (!mode)
		return;
	if (strcmp(mode, "one") == 0) {
		open_one(NULL);
		return;
	}
	pthread_barrier_init(&barrier, NULL, THREADS);
	for (i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, open_one, &barrier))
			abort();
	for (i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
}
