// SPDX-License-Identifier: MIT
/*
 * race ROUNDS [SEED], or race --unload, until SIGTERM and with times without SMC:
 * in each round threads do, all at once and in an order of their own, to one client
 * socket and one listener what changes the operations of an IPPROTO_SMC socket,
 * what uses them, and what ends them.  Nothing is expected of a call but that it
 * returns: the kernel's checkers and the module's reference count say whether it
 * went well.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/membarrier.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "smc_uapi.h"

#define THREADS 4

/* The descriptors that all threads use; who closes one closes it for all. */
static int client, listener;
static struct sockaddr_in6 addr;
static socklen_t addr_len;
static pthread_barrier_t barrier;
/* The listener is to be a client, see do_turn(). */
static pthread_mutex_t turning = PTHREAD_MUTEX_INITIALIZER;
static bool over;
static volatile sig_atomic_t stopped;

__attribute__((noreturn)) static void die(const char *what)
{
	fprintf(stderr, "race: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void do_connect(void)
{
	connect(client, (struct sockaddr *)&addr, addr_len);
}

static void do_fastopen(void)
{
	sendto(client, "x", 1, MSG_FASTOPEN | MSG_DONTWAIT | MSG_NOSIGNAL,
	       (struct sockaddr *)&addr, addr_len);
}

static void set_use(int fd, int use)
{
	setsockopt(fd, SOL_SMC, SMC_USE, &use, sizeof(use));
}

static void do_use_tcp(void)
{
	set_use(client, SMC_USE_TCP);
}

static void do_use_smc(void)
{
	set_use(client, SMC_USE_SMC);
	set_use(listener, SMC_USE_TCP);
}

static void do_ulp(void)
{
	setsockopt(client, SOL_TCP, TCP_ULP, "tls", 3);
}

static void do_listener_ulp(void)
{
	setsockopt(listener, SOL_TCP, TCP_ULP, "tls", 3);
}

static void do_options(void)
{
	struct smc_status status;
	socklen_t len = sizeof(status);
	int val = 1;

	getsockopt(client, SOL_SMC, SMC_STATUS, &status, &len);
	len = sizeof(val);
	getsockopt(listener, SOL_SOCKET, SO_PROTOCOL, &val, &len);
	val = 1;
	setsockopt(client, SOL_TCP, TCP_NODELAY, &val, sizeof(val));
}

static void do_data(void)
{
	char c;

	send(client, "x", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
	recv(client, &c, 1, MSG_DONTWAIT);
}

static void do_poll(void)
{
	struct pollfd fds[] = {{client, POLLIN | POLLOUT, 0},
			       {listener, POLLIN, 0}};

	poll(fds, 2, 1);
}

static void do_accept(void)
{
	int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);

	if (fd < 0)
		return;
	send(fd, "x", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
	close(fd);
}

static void unspec(int fd)
{
	struct sockaddr sa = {.sa_family = AF_UNSPEC};

	connect(fd, &sa, sizeof(sa));
}

static void do_unspec(void)
{
	unspec(client);
}

static void do_restart(void)
{
	pthread_mutex_lock(&turning);
	shutdown(listener, SHUT_RD);
	listen(listener, 4);
	pthread_mutex_unlock(&turning);
}

/*
 * TCP takes what comes for a listener without its lock.  If that has become a client
 * meanwhile, a SYN is dealt with as the client's, still without the lock, and memory
 * is corrupted, whether the socket is SMC's or not.  So nobody may be at it any more:
 * this command waits until all processors have been out of what they are in.
 */
static void do_turn(void)
{
	static atomic_uint asked;

	unspec(listener);
	/* To wait takes longer than all the rest. */
	if (atomic_fetch_add(&asked, 1) % 4)
		return;
	pthread_mutex_lock(&turning);
	unspec(listener);
	if (!syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0))
		connect(listener, (struct sockaddr *)&addr, addr_len);
	pthread_mutex_unlock(&turning);
}

static void do_shutdown(void)
{
	shutdown(client, SHUT_RDWR);
}

/* A process that has the sockets as well is killed, wherever it is then. */
static void do_kill(void)
{
	struct pollfd fds[] = {{client, POLLPRI, 0}, {listener, POLLPRI, 0}};
	static atomic_uint asked;
	pid_t pid;

	/* It takes longer than all the rest. */
	if (atomic_fetch_add(&asked, 1) % 16)
		return;
	pid = fork();
	if (!pid) {
		do_accept();
		poll(fds, 2, 1000);
		_exit(0);
	}
	if (pid < 0)
		die("fork");
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void do_close(void)
{
	close(client);
}

static void do_close_listener(void)
{
	close(listener);
}

static void (*const deeds[])(void) = {
	do_connect, do_fastopen,       do_use_tcp, do_use_smc,	do_ulp,
	do_options, do_data,	       do_poll,	   do_accept,	do_unspec,
	do_restart, do_listener_ulp,   do_turn,	   do_shutdown, do_kill,
	do_close,   do_close_listener,
};

#define DEEDS (sizeof(deeds) / sizeof(deeds[0]))

static void *work(void *arg)
{
	unsigned int seed = (unsigned int)(uintptr_t)arg;

	for (;;) {
		pthread_barrier_wait(&barrier);
		if (over)
			return NULL;
		/* Eight calls, those that close among the last two. */
		for (int k = 0; k < 8; k++)
			deeds[rand_r(&seed) % (DEEDS - (k < 6 ? 2 : 0))]();
		pthread_barrier_wait(&barrier);
	}
}

static bool open_both(int family)
{
	const int type = SOCK_STREAM | SOCK_NONBLOCK;
	struct sockaddr_in *in = (struct sockaddr_in *)&addr;

	memset(&addr, 0, sizeof(addr));
	addr_len = sizeof(addr);
	addr.sin6_family = family;
	addr.sin6_addr = in6addr_loopback;
	if (family == AF_INET) {
		addr_len = sizeof(*in);
		in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	}
	listener = socket(family, type, IPPROTO_SMC);
	client = socket(family, type, IPPROTO_SMC);
	if (listener < 0 || client < 0)
		return false;
	if (bind(listener, (struct sockaddr *)&addr, addr_len) ||
	    listen(listener, 4) ||
	    getsockname(listener, (struct sockaddr *)&addr, &addr_len))
		die("listener");
	return true;
}

static void stop(int sig)
{
	(void)sig;
	stopped = 1;
}

/* Is the module there, and does something need it? */
static bool is_used(void)
{
	char c = '0';
	int fd = open("/sys/module/smc/refcnt", O_RDONLY);

	if (fd < 0)
		return false;
	if (read(fd, &c, 1) < 0)
		c = '0';
	close(fd);
	return c != '0';
}

/* What was closed may take its time to end. */
static void let_unload(void)
{
	for (int i = 0; i < 1000 && is_used(); i++)
		usleep(10000);
	usleep(300000);
}

int main(int argc, char **argv)
{
	bool unload = argc == 2 && !strcmp(argv[1], "--unload");
	uintptr_t first = argc == 3 ? strtoul(argv[2], NULL, 10) : 0;
	pthread_t threads[THREADS];
	long rounds = 0, done = 0, missing = 0;

	if (argc == 2 || argc == 3)
		rounds = atol(argv[1]);
	if (rounds < 1 && !unload) {
		fprintf(stderr, "usage: race ROUNDS [SEED] | race --unload\n");
		return 2;
	}
	signal(SIGTERM, stop);
	pthread_barrier_init(&barrier, NULL, THREADS + 1);
	for (uintptr_t i = 0; i < THREADS; i++) {
		errno = pthread_create(&threads[i], NULL, work,
				       (void *)(first + i + 1));
		if (errno)
			die("thread");
	}
	while (unload ? !stopped : done < rounds) {
		if (open_both(done % 2 ? AF_INET6 : AF_INET)) {
			pthread_barrier_wait(&barrier);
			pthread_barrier_wait(&barrier);
			done++;
		} else if (unload) {
			missing++;
		} else {
			die("socket");
		}
		/* What is left, also of descriptors that were used again. */
		close_range(3, ~0U, 0);
		if (unload && (done + missing) % 50 == 0)
			let_unload();
	}
	over = true;
	pthread_barrier_wait(&barrier);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	printf("race: %ld rounds, %ld times no SMC\n", done, missing);
	return !done;
}
