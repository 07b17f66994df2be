// SPDX-License-Identifier: MIT
/*
 * hs_probe [--proto smc|tcp|af_smc] [--host A] [--port P] STEP...
 *
 * Does what programs do to a socket, one step after the other, and prints for
 * each "probe MS STEP RESULT", MS after the start.  The socket is IPPROTO_SMC
 * and blocking; A (IPv4) and P are where it connects to or listens.
 *
 *	nonblock, block, sndtimeo:MS, sleep:MS	print nothing
 *	alarm:MS, restart:MS	a signal will interrupt or restart what waits
 *	listen:BACKLOG, connect, unspec		unspec undoes connect
 *	uring			connect, asked of io_uring
 *	accept			goes on with the accepted socket
 *	poll, poll:in|out	what there is now; waits 30 s for it
 *	epoll:in|out, event	registers edge-triggered; waits 30 s for it
 *	mode			tcp, undecided, listen, smcr or smcd
 *	error, protocol		SO_ERROR, SO_PROTOCOL
 *	inq, outq		SIOCINQ, SIOCOUTQ
 *	send:TEXT, recv, peek, splice:TEXT, unsplice
 *	shut:rd|wr|rdwr, close, exit
 *	echo			sends back what comes, until the end
 *	serve:N			the same for N connections at the same time
 *	run:COMMAND		a shell command; prints nothing
 *	+STEP			in a thread; all are awaited at the end
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "probe.h"
#include "smc_uapi.h"

#define WAIT_MS 30000
#define MAX_THREADS 16
#define QUIET -2 /* a step that prints nothing, or has already */

struct step {
	const char *text, *arg; /* the whole step; what is behind the colon */
	int what;
};

static int sock, epfd = -1, proto = IPPROTO_SMC;
static struct sockaddr_in addr = {.sin_family = AF_INET};
static long started;

__attribute__((noreturn)) static void die(const char *what)
{
	fprintf(stderr, "hs_probe: %s: %s\n", what, strerror(errno));
	exit(1);
}

static long say(const char *step, const char *result)
{
	printf("probe %ld %s %s\n", now_ms() - started, step, result);
	fflush(stdout);
	return QUIET;
}

/* A number, or an error by its name; then TEXT. */
static long say_rc(const char *step, long rc, const char *text)
{
	char result[80];

	snprintf(result, sizeof(result), "%ld%s%.60s", rc, *text ? " " : "",
		 text);
	return say(step, rc < 0 ? strerrorname_np(errno) : result);
}

static long say_bytes(const char *step, ssize_t n, char *buf)
{
	ssize_t i;

	for (i = 0; i < n; i++)
		if (buf[i] <= ' ' || buf[i] > '~')
			buf[i] = '.';
	buf[i] = '\0';
	return say_rc(step, n, buf);
}

static long say_events(const char *step, int n, unsigned int events)
{
	static const char *const names[] = {"", "in", "out", "inout"};
	int which = !!(events & POLLIN) + 2 * !!(events & POLLOUT);

	if (n < 0)
		return say_rc(step, n, "");
	return say(step, !n ? "none" : events & POLLERR ? "err" : names[which]);
}

static struct timeval to_timeval(const char *ms)
{
	return (struct timeval){.tv_sec = atol(ms) / 1000,
				.tv_usec = atol(ms) % 1000 * 1000};
}

static long do_flags(const struct step *step)
{
	return fcntl(sock, F_SETFL, step->what) ? -1 : QUIET;
}

static long do_sndtimeo(const struct step *step)
{
	struct timeval tv = to_timeval(step->arg);
	int rc = setsockopt(sock, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));

	return rc ? -1 : QUIET;
}

static long do_sleep(const struct step *step)
{
	usleep(atol(step->arg) * 1000);
	return QUIET;
}

static void on_alarm(int sig)
{
	(void)sig;
}

static long do_alarm(const struct step *step)
{
	struct sigaction action = {.sa_handler = on_alarm};
	struct itimerval timer = {.it_value = to_timeval(step->arg)};

	action.sa_flags = step->what;
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &timer, NULL);
	return QUIET;
}

static long do_listen(const struct step *step)
{
	if (bind(sock, (struct sockaddr *)&addr, sizeof(addr)))
		die("bind");
	return listen(sock, atoi(step->arg));
}

static long do_connect(const struct step *step)
{
	struct sockaddr_in to = addr;

	to.sin_family = step->what;
	return connect(sock, (struct sockaddr *)&to, sizeof(to));
}

static long do_uring(const struct step *step)
{
	struct io_uring_cqe *cqe;
	struct io_uring ring;
	long rc;

	(void)step;
	rc = io_uring_queue_init(1, &ring, 0);
	if (!rc) {
		io_uring_prep_connect(io_uring_get_sqe(&ring), sock,
				      (struct sockaddr *)&addr, sizeof(addr));
		rc = io_uring_submit_and_wait(&ring, 1);
		if (rc >= 0)
			rc = io_uring_peek_cqe(&ring, &cqe) ?: cqe->res;
		io_uring_queue_exit(&ring);
	}
	errno = rc < 0 ? -rc : 0;
	return rc < 0 ? -1 : rc;
}

static long do_accept(const struct step *step)
{
	int fd = accept(sock, NULL, NULL);

	(void)step;
	if (fd < 0)
		return -1;
	sock = fd;
	return 0;
}

static unsigned int to_events(const char *arg)
{
	return !*arg ? POLLIN | POLLOUT : *arg == 'i' ? POLLIN : POLLOUT;
}

static long do_poll(const struct step *step)
{
	struct pollfd pfd = {.fd = sock, .events = to_events(step->arg)};
	int n = poll(&pfd, 1, step->arg[0] ? WAIT_MS : 0);

	return say_events(step->text, n, pfd.revents);
}

static long do_epoll(const struct step *step)
{
	struct epoll_event event = {.events = to_events(step->arg) | EPOLLET};

	epfd = epoll_create1(0);
	return epoll_ctl(epfd, EPOLL_CTL_ADD, sock, &event) ? -1 : QUIET;
}

static long do_event(const struct step *step)
{
	struct epoll_event event = {};
	int n;

	/* A socket that is not connected yet tells that it hung up. */
	do
		n = epoll_wait(epfd, &event, 1, WAIT_MS);
	while (n == 1 && (event.events & (EPOLLHUP | EPOLLERR)) == EPOLLHUP);
	return say_events(step->text, n, event.events);
}

/* A socket that is TCP for good has no options of SMC any more. */
static long do_mode(const struct step *step)
{
	static const char *const modes[] = {"undecided", "tcp", "smcr", "smcd",
					    "listen"};
	struct smc_status status = {};
	socklen_t len = sizeof(status);

	if (!getsockopt(sock, SOL_SMC, SMC_STATUS, &status, &len))
		return say(step->text,
			   status.mode < 5 ? modes[status.mode] : "unknown");
	if (errno == ENOPROTOOPT || errno == EOPNOTSUPP)
		return say(step->text, "tcp");
	return -1;
}

static long do_option(const struct step *step)
{
	int val = -1;
	socklen_t len = sizeof(val);

	if (getsockopt(sock, SOL_SOCKET, step->what, &val, &len))
		return -1;
	errno = val;
	return step->what == SO_ERROR && val ? -1 : val;
}

static long do_queue(const struct step *step)
{
	int val = -1;

	return ioctl(sock, step->what, &val) ? -1 : val;
}

static long do_send(const struct step *step)
{
	return send(sock, step->arg, strlen(step->arg), MSG_NOSIGNAL);
}

static long do_recv(const struct step *step)
{
	char buf[256];
	ssize_t n = recv(sock, buf, sizeof(buf) - 1, step->what);

	return say_bytes(step->text, n, buf);
}

static long do_splice(const struct step *step)
{
	ssize_t n = strlen(step->arg);
	int fds[2];

	if (pipe(fds) || write(fds[1], step->arg, n) != n)
		die("pipe");
	return splice(fds[0], NULL, sock, NULL, n, 0);
}

static long do_unsplice(const struct step *step)
{
	char buf[256];
	int fds[2];
	ssize_t n;

	if (pipe(fds))
		die("pipe");
	n = splice(sock, NULL, fds[1], NULL, sizeof(buf) - 1, 0);
	return say_bytes(step->text, n > 0 ? read(fds[0], buf, n) : n, buf);
}

static long do_shut(const struct step *step)
{
	const char *how = step->arg;

	return shutdown(sock, !strcmp(how, "rd")   ? SHUT_RD
			      : !strcmp(how, "wr") ? SHUT_WR
						   : SHUT_RDWR);
}

static long do_close(const struct step *step)
{
	(void)step;
	return close(sock);
}

static long do_exit(const struct step *step)
{
	(void)step;
	_exit(0);
}

static long do_run(const struct step *step)
{
	return system(step->arg) ? -1 : QUIET;
}

/* Reads once and sends that back; false at the end. */
static bool echo_once(int fd)
{
	char buf[4096];
	ssize_t n = recv(fd, buf, sizeof(buf) - 1, 0);
	bool more = n > 0 && send(fd, buf, n, MSG_NOSIGNAL) == n;

	say_bytes("echo", n, buf);
	return more;
}

static long do_echo(const struct step *step)
{
	(void)step;
	while (echo_once(sock))
		;
	return QUIET;
}

/*
 * Until N connections have ended, or a signal comes, or a listener that said it
 * was readable has nothing to accept.
 */
static long do_serve(const struct step *step)
{
	nfds_t max = atol(step->arg) + 1, left = max - 1;
	struct pollfd *fds = calloc(max, sizeof(*fds));

	if (!fds || fcntl(sock, F_SETFL, O_NONBLOCK))
		die("serve");
	for (nfds_t i = 0; i < max; i++)
		fds[i] = (struct pollfd){i ? -1 : sock, POLLIN, 0};
	while (left && poll(fds, max, -1) > 0) {
		for (nfds_t i = 1; i < max; i++) {
			if (fds[i].fd < 0 && fds[0].revents) {
				fds[0].revents = 0;
				fds[i].fd = accept(sock, NULL, NULL);
				if (fds[i].fd < 0)
					return say_rc("accept", -1, "");
				say_rc("accept", 0, "");
			} else if (fds[i].revents && !echo_once(fds[i].fd)) {
				close(fds[i].fd);
				fds[i].fd = -1;
				left--;
			}
		}
	}
	return QUIET;
}

static const struct {
	const char *name;
	long (*run)(const struct step *step);
	int what;
} steps[] = {
	{"nonblock", do_flags, O_NONBLOCK},
	{"block", do_flags, 0},
	{"sndtimeo", do_sndtimeo, 0},
	{"sleep", do_sleep, 0},
	{"alarm", do_alarm, 0},
	{"restart", do_alarm, SA_RESTART},
	{"listen", do_listen, 0},
	{"connect", do_connect, AF_INET},
	{"unspec", do_connect, AF_UNSPEC},
	{"uring", do_uring, 0},
	{"accept", do_accept, 0},
	{"poll", do_poll, 0},
	{"epoll", do_epoll, 0},
	{"event", do_event, 0},
	{"mode", do_mode, 0},
	{"error", do_option, SO_ERROR},
	{"protocol", do_option, SO_PROTOCOL},
	{"inq", do_queue, SIOCINQ},
	{"outq", do_queue, SIOCOUTQ},
	{"send", do_send, 0},
	{"recv", do_recv, 0},
	{"peek", do_recv, MSG_PEEK},
	{"splice", do_splice, 0},
	{"unsplice", do_unsplice, 0},
	{"shut", do_shut, 0},
	{"close", do_close, 0},
	{"exit", do_exit, 0},
	{"run", do_run, 0},
	{"echo", do_echo, 0},
	{"serve", do_serve, 0},
};

static void *do_step(void *text)
{
	const char *arg = strchr(text, ':');
	size_t len = strcspn(text, ":");
	long rc;

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		struct step step = {text, arg ? arg + 1 : "", steps[i].what};

		if (strlen(steps[i].name) != len ||
		    strncmp(text, steps[i].name, len))
			continue;
		rc = steps[i].run(&step);
		if (rc != QUIET)
			say_rc(text, rc, "");
		return NULL;
	}
	errno = EINVAL;
	die(text);
}

int main(int argc, char **argv)
{
	pthread_t threads[MAX_THREADS];
	int i, n = 0, one = 1;

	for (i = 1; i + 1 < argc && argv[i][0] == '-'; i += 2) {
		if (!strcmp(argv[i], "--port"))
			addr.sin_port = htons(atoi(argv[i + 1]));
		else if (!strcmp(argv[i], "--host"))
			inet_pton(AF_INET, argv[i + 1], &addr.sin_addr);
		else if (!strcmp(argv[i + 1], "tcp"))
			proto = IPPROTO_TCP;
		else if (!strcmp(argv[i + 1], "af_smc"))
			proto = AF_SMC;
	}
	started = now_ms();
	sock = proto == AF_SMC ? socket(AF_SMC, SOCK_STREAM, 0)
			       : socket(AF_INET, SOCK_STREAM, proto);
	if (sock < 0)
		die("socket");
	setsockopt(sock, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	for (; i < argc; i++) {
		if (argv[i][0] != '+')
			do_step(argv[i]);
		else if (n == MAX_THREADS ||
			 pthread_create(&threads[n++], NULL, do_step,
					argv[i] + 1))
			die("thread");
	}
	while (n)
		pthread_join(threads[--n], NULL);
	return 0;
}
