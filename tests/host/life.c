// SPDX-License-Identifier: MIT
/* life SITUATION: open TCP sockets in moments of a process's life. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static char *self;

static void open_one(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0)
		abort();
	close(fd);
}

static void finish(pid_t pid)
{
	int status;

	if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
		abort();
}

static void do_fork(void)
{
	pid_t pid = fork();

	open_one();
	if (pid == 0)
		_exit(0);
	finish(pid);
}

/* Two levels, each opens one. */
static void do_vfork(void)
{
	pid_t pid = vfork();

	if (pid == 0) {
		open_one();
		execl(self, self, "one", NULL);
		_exit(1);
	}
	finish(pid);
	open_one();
}

static void do_spawn(void)
{
	char *argv[] = {self, (char *)"one", NULL};
	pid_t pid;

	if (posix_spawn(&pid, self, NULL, NULL, argv, environ))
		abort();
	finish(pid);
}

static void do_exec(void)
{
	open_one();
	execl(self, self, "one", NULL);
	abort();
}

static void do_atexit(void)
{
	atexit(open_one);
}

static atomic_int signals;

static void on_signal(int sig)
{
	int saved = errno;

	(void)sig;
	open_one();
	signals++;
	errno = saved;
}

/* A handler that interrupts malloc, stdio and socket() itself. */
static void do_signal(void)
{
	struct itimerval timer = {{0, 500}, {0, 500}};
	FILE *null = fopen("/dev/null", "w");

	signal(SIGALRM, on_signal);
	setitimer(ITIMER_REAL, &timer, NULL);
	while (signals < 300) {
		free(malloc(100));
		fprintf(null, "%d", signals);
		open_one();
	}
	setitimer(ITIMER_REAL, &(struct itimerval){0}, NULL);
	fclose(null);
}

static pthread_barrier_t barrier;

static void *in_thread(void *arg)
{
	pthread_barrier_wait(&barrier);
	open_one();
	return arg;
}

static void do_threads(void)
{
	pthread_t threads[64];
	int i;

	pthread_barrier_init(&barrier, NULL, 64);
	for (i = 0; i < 64; i++)
		if (pthread_create(&threads[i], NULL, in_thread, NULL))
			abort();
	for (i = 0; i < 64; i++)
		pthread_join(threads[i], NULL);
}

/* Numbers that were SMC sockets become other things, and duplicates. */
static void do_reuse(void)
{
	int tcp = socket(AF_INET, SOCK_STREAM, 0);
	int copy = dup(tcp);
	int udp, again;

	close(tcp);
	udp = socket(AF_INET, SOCK_DGRAM, 0);
	if (udp != tcp || dup2(udp, copy) != copy)
		abort();
	again = socket(AF_INET, SOCK_STREAM, 0);
	close(again);
	close(copy);
	close(udp);
}

/* How many calls of libcount.so do a thousand sockets make? */
static void do_count(void)
{
	atomic_long *count = dlsym(RTLD_DEFAULT, "count_of_calls");
	long before;
	int i;

	if (!count)
		abort();
	open_one();
	before = *count;
	for (i = 0; i < 1000; i++)
		open_one();
	before = *count - before;
	printf("%ld\n", before);
}

/* A cancelled thread ends in close(), and not in socket(). */
static void *in_cancelled(void *arg)
{
	int fd;

	pthread_cancel(pthread_self());
	fd = socket(AF_INET, SOCK_STREAM, 0);
	*(int *)arg = fd >= 0;
	close(fd);
	return NULL;
}

static void do_cancel(void)
{
	pthread_t thread;
	int survived = 0;

	if (pthread_create(&thread, NULL, in_cancelled, &survived))
		abort();
	pthread_join(thread, NULL);
	printf("%s\n", survived ? "survived" : "ended in socket()");
}

/* socket() at a moment without descriptors, and again with one. */
static void do_emfile(void)
{
	int fd, last = -1;

	while ((fd = open("/dev/null", O_RDONLY)) >= 0)
		last = fd;
	if (socket(AF_INET, SOCK_STREAM, 0) != -1 || errno != EMFILE)
		abort();
	close(last);
	open_one();
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*func)(void);
	} situations[] = {
		{"one", open_one},     {"fork", do_fork},
		{"vfork", do_vfork},   {"spawn", do_spawn},
		{"exec", do_exec},     {"atexit", do_atexit},
		{"signal", do_signal}, {"threads", do_threads},
		{"reuse", do_reuse},   {"count", do_count},
		{"cancel", do_cancel}, {"emfile", do_emfile},
	};
	size_t i;

	self = argv[0];
	for (i = 0; i < sizeof(situations) / sizeof(situations[0]); i++) {
		if (argc == 2 && strcmp(argv[1], situations[i].name) == 0) {
			situations[i].func();
			return 0;
		}
	}
	return 1;
}
