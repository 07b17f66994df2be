// SPDX-License-Identifier: MIT
/*
 * To be preloaded behind the library: a dlsym() that lies or dallies when
 * the library looks for its functions.  DLSYM is
 *
 *   null      finds nothing
 *   self      finds the library itself
 *   barrier   returns when 64 threads are in here
 *   miss      looks for something missing first; malloc(), which the linker
 *             calls for the message, opens a socket
 *   signal    gets a signal whose handler opens a socket
 *   fork      forks; the child opens a socket and is gone
 *
 * What the nested socket() gave goes to RECORD_FD: "nested(ok)".
 */
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

void *__libc_malloc(size_t size);

static pthread_barrier_t barrier;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static int forked, missing;

static void init_barrier(void)
{
	pthread_barrier_init(&barrier, NULL, 64);
}

static void open_nested(int sig)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	(void)sig;
	dprintf(atoi(getenv("RECORD_FD")), "nested(%s)\n",
		fd >= 0 ? "ok" : "failed");
	if (fd >= 0)
		close(fd);
}

EXPORT void *malloc(size_t size)
{
	if (missing) {
		missing = 0;
		open_nested(0);
	}
	return __libc_malloc(size);
}

static void *(*find_real(void))(void *, const char *)
{
	void *real = dlvsym(RTLD_NEXT, "dlsym", "GLIBC_2.34");

	if (!real)
		real = dlvsym(RTLD_NEXT, "dlsym", "GLIBC_2.2.5");
	return (void *(*)(void *, const char *))real;
}

EXPORT void *dlsym(void *handle, const char *name)
{
	void *(*real)(void *, const char *) = find_real();
	const char *mode = getenv("DLSYM");
	pid_t pid;

	if (!mode || (strcmp(name, "socket") && strcmp(name, "setsockopt")))
		return real(handle, name);
	if (strcmp(mode, "null") == 0)
		return NULL;
	if (strcmp(mode, "self") == 0)
		return strcmp(name, "socket") ? NULL : (void *)socket;
	if (strcmp(mode, "barrier") == 0) {
		pthread_once(&once, init_barrier);
		pthread_barrier_wait(&barrier);
	} else if (strcmp(mode, "miss") == 0) {
		missing = 1;
		real(RTLD_NEXT, "there is no such symbol");
	} else if (strcmp(mode, "signal") == 0) {
		signal(SIGUSR1, open_nested);
		raise(SIGUSR1);
	} else if (strcmp(mode, "fork") == 0 && !forked) {
		forked = 1;
		pid = fork();
		if (pid == 0) {
			open_nested(0);
			_exit(0);
		}
		waitpid(pid, NULL, 0);
	}
	return real(handle, name);
}
