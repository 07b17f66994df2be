// SPDX-License-Identifier: MIT
/*
 * sel_probe STEP...
 *
 * A TCP program as far as it knows, for rules that select SMC or TCP.  Does one
 * step after the other with the socket at hand; each prints one word, a number
 * or the name of an error, or nothing (-).
 *
 *	socket, socket6		0
 *	smc6			opens IPPROTO_SMC for both families, 0
 *	nonblock, block		-
 *	other			- goes on with the other one of two sockets
 *	dup			- goes on with a duplicate, the other is the first
 *	fork, exec, pass	- until "join" in a child; one that executes this
 *				program again; one that was sent the socket
 *	join			- the child exits, and its parent goes on
 *	linger, fastopen	SO_LINGER with a time, TCP_FASTOPEN of a listener: 0
 *	bind:ADDR, listen:ADDR, connect:ADDR	A.B.C.D:PORT or [IPV6]:PORT;
 *				listen binds first
 *	alarm:MS		- a signal will interrupt connect
 *	run:COMMAND		- of a shell
 *	wait			until the socket is writable: SO_ERROR
 *	epoll			- registers it, edge-triggered; takes what there is
 *	event			until it is writable: out, in, err, none
 *	ping			a byte to the peer and back, awaited by epoll: in
 *	accept			goes on with an accepted socket, until "serve"
 *	nap			- long enough for the peer to wait for what comes
 *	data			100000 bytes to the peer, that sends them back, and
 *				the end, both ways: same
 *	serve			the peer's part of ping and data: served
 *	forever			serves each connection, and tells nothing
 *	kind			smc, tcp
 *	domain, port		SO_DOMAIN; the local port
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "probe.h"

#define WAIT_MS 10000
#define LIFE_SECONDS 30 /* nothing hangs, but who serves for ever */
#define BYTES 100000

static int fds[2] = {-1, -1}, now; /* the socket at hand: fds[now] */
static int listeners[2] = {-1, -1}; /* for the time after an accepted one */
static int epfd = -1;
static bool is_child, has_said;
static char **next_step;

__attribute__((noreturn)) static void die(const char *what)
{
	fprintf(stderr, "sel_probe: %s: %s\n", what, strerror(errno));
	exit(1);
}

static const char *word(const char *text)
{
	printf("%s%s", has_said ? " " : "", text);
	fflush(stdout);
	has_said = true;
	return NULL;
}

static const char *number(long rc)
{
	static char text[24];

	if (rc < 0)
		return strerrorname_np(errno);
	snprintf(text, sizeof(text), "%ld", rc);
	return text;
}

static struct addr to_addr(const char *arg)
{
	struct addr addr = {};
	const char *port = strrchr(arg, ':');
	char host[64] = "";

	if (!port)
		die(arg);
	if (*arg == '[') {
		memcpy(host, arg + 1, port - arg - 2);
		addr.in6.sin6_family = AF_INET6;
		addr.in6.sin6_port = htons(atoi(port + 1));
		addr.len = sizeof(addr.in6);
		if (inet_pton(AF_INET6, host, &addr.in6.sin6_addr) != 1)
			die(arg);
	} else {
		memcpy(host, arg, port - arg);
		addr.in.sin_family = AF_INET;
		addr.in.sin_port = htons(atoi(port + 1));
		addr.len = sizeof(addr.in);
		if (inet_pton(AF_INET, host, &addr.in.sin_addr) != 1)
			die(arg);
	}
	return addr;
}

static const char *do_socket(const char *arg, int what)
{
	int proto = what & ~0xff, one = 1;

	(void)arg;
	fds[now] = socket(what & 0xff, SOCK_STREAM, proto);
	if (fds[now] < 0)
		return number(-1);
	/* A suite uses a port more than once. */
	setsockopt(fds[now], SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	return "0";
}

static const char *do_flags(const char *arg, int what)
{
	(void)arg;
	return fcntl(fds[now], F_SETFL, what) ? number(-1) : NULL;
}

static const char *do_other(const char *arg, int what)
{
	(void)arg, (void)what;
	now = !now;
	return NULL;
}

static const char *do_dup(const char *arg, int what)
{
	(void)arg, (void)what;
	fds[!now] = dup(fds[now]);
	now = !now;
	return fds[now] < 0 ? number(-1) : NULL;
}

/* In the parent: waits for the child, and goes on behind its steps. */
static void join(pid_t child)
{
	int status;

	if (child < 0 || waitpid(child, &status, 0) != child || status)
		die("child");
	while (*next_step && strcmp(*next_step++, "join"))
		;
	has_said = true;
	word("|");
}

static const char *do_fork(const char *arg, int what)
{
	char fd[12], **steps;
	pid_t child;

	(void)arg;
	snprintf(fd, sizeof(fd), "%d", fds[now]);
	child = fork();
	if (child) {
		join(child);
	} else if (what) {
		steps = next_step - 3;
		steps[0] = "sel_probe";
		steps[1] = "--child";
		steps[2] = fd;
		execv("/proc/self/exe", steps);
		die("exec");
	}
	is_child = !child;
	return NULL;
}

union control {
	struct cmsghdr head;
	char space[CMSG_SPACE(sizeof(int))];
};

static const char *do_pass(const char *arg, int what)
{
	char byte = 0;
	struct iovec iov = {&byte, 1};
	union control control = {};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = &control,
			     .msg_controllen = sizeof(control)};
	int pair[2];
	pid_t child;

	(void)arg, (void)what;
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
		die("socketpair");
	child = fork();
	if (child) {
		control.head.cmsg_len = CMSG_LEN(sizeof(int));
		control.head.cmsg_level = SOL_SOCKET;
		control.head.cmsg_type = SCM_RIGHTS;
		memcpy(CMSG_DATA(&control.head), &fds[now], sizeof(int));
		if (sendmsg(pair[0], &msg, 0) != 1)
			die("sendmsg");
		join(child);
	} else {
		close(fds[now]);
		if (recvmsg(pair[1], &msg, 0) != 1 || !CMSG_FIRSTHDR(&msg))
			die("recvmsg");
		memcpy(&fds[now], CMSG_DATA(&control.head), sizeof(int));
		is_child = true;
	}
	return NULL;
}

static const char *do_join(const char *arg, int what)
{
	(void)arg, (void)what;
	if (!is_child)
		die("join");
	_exit(0);
}

static const char *do_linger(const char *arg, int what)
{
	struct linger linger = {1, 5};

	(void)arg, (void)what;
	return number(setsockopt(fds[now], SOL_SOCKET, SO_LINGER, &linger,
				 sizeof(linger)));
}

static const char *do_fastopen(const char *arg, int queue)
{
	(void)arg;
	return number(setsockopt(fds[now], IPPROTO_TCP, TCP_FASTOPEN, &queue,
				 sizeof(queue)));
}

static const char *do_bind(const char *arg, int is_listen)
{
	struct addr addr = to_addr(arg);

	if (bind(fds[now], &addr.sa, addr.len))
		return number(-1);
	return number(is_listen ? listen(fds[now], 10) : 0);
}

static const char *do_connect(const char *arg, int what)
{
	struct addr addr = to_addr(arg);

	(void)what;
	return number(connect(fds[now], &addr.sa, addr.len));
}

static void on_alarm(int sig)
{
	(void)sig;
}

static const char *do_alarm(const char *arg, int what)
{
	struct sigaction action = {.sa_handler = on_alarm};
	struct itimerval time = {.it_value.tv_usec = atoi(arg) * 1000};

	(void)what;
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &time, NULL);
	return NULL;
}

static const char *do_run(const char *arg, int what)
{
	(void)what;
	if (system(arg))
		die(arg);
	return NULL;
}

static const char *option(int name)
{
	int val = -1;
	socklen_t len = sizeof(val);

	if (getsockopt(fds[now], SOL_SOCKET, name, &val, &len))
		return number(-1);
	errno = val;
	return number(name == SO_ERROR && val ? -1 : val);
}

static const char *do_wait(const char *arg, int what)
{
	(void)arg, (void)what;
	return wait_for(fds[now], POLLOUT, WAIT_MS) ? option(SO_ERROR) : "none";
}

static const char *do_option(const char *arg, int what)
{
	(void)arg;
	return option(what);
}

static const char *do_epoll(const char *arg, int what)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET};

	(void)arg, (void)what;
	epfd = epoll_create1(0);
	if (epoll_ctl(epfd, EPOLL_CTL_ADD, fds[now], &event))
		return number(-1);
	while (epoll_wait(epfd, &event, 1, 0) > 0)
		;
	return NULL;
}

static const char *await(unsigned int events)
{
	struct epoll_event event = {};

	do {
		if (epoll_wait(epfd, &event, 1, WAIT_MS) != 1)
			return "none";
		if (event.events & EPOLLERR)
			return "err";
	} while (!(event.events & events) || event.events & EPOLLHUP);
	return events == EPOLLIN ? "in" : "out";
}

static const char *do_event(const char *arg, int what)
{
	(void)arg, (void)what;
	return await(EPOLLOUT);
}

static const char *do_ping(const char *arg, int what)
{
	char byte = 'p';
	const char *event;

	(void)arg, (void)what;
	if (send(fds[now], &byte, 1, MSG_NOSIGNAL) != 1)
		return number(-1);
	event = await(EPOLLIN);
	if (recv(fds[now], &byte, 1, 0) != 1 || byte != 'p')
		return "lost";
	return event;
}

static const char *do_accept(const char *arg, int what)
{
	int fd = accept(fds[now], NULL, NULL);

	(void)arg, (void)what;
	if (fd < 0)
		return number(-1);
	listeners[now] = fds[now];
	fds[now] = fd;
	return NULL;
}

static char stream(size_t i)
{
	return i * 7 + i / 256;
}

static const char *do_data(const char *arg, int what)
{
	static char out[BYTES], in[BYTES + 1];
	struct pollfd pfd = {.fd = fds[now]};
	size_t sent = 0, got = 0;
	ssize_t n = 1;

	(void)arg, (void)what;
	for (size_t i = 0; i < BYTES; i++)
		out[i] = stream(i);
	while (n) {
		pfd.events = POLLIN | (sent < BYTES ? POLLOUT : 0);
		if (poll(&pfd, 1, WAIT_MS) != 1)
			return "stalled";
		if (sent < BYTES && pfd.revents & POLLOUT) {
			n = send(fds[now], out + sent, BYTES - sent,
				 MSG_NOSIGNAL | MSG_DONTWAIT);
			if (n < 0 && errno != EAGAIN)
				return number(n);
			sent += n < 0 ? 0 : n;
			if (sent == BYTES && shutdown(fds[now], SHUT_WR))
				return number(-1);
		}
		n = recv(fds[now], in + got, sizeof(in) - got, MSG_DONTWAIT);
		if (n < 0 && errno != EAGAIN)
			return number(n);
		got += n < 0 ? 0 : n;
	}
	return got == BYTES && !memcmp(in, out, BYTES) ? "same" : "differs";
}

static const char *do_nap(const char *arg, int what)
{
	(void)arg, (void)what;
	nap(500);
	return NULL;
}

static const char *do_serve(const char *arg, int what)
{
	char buf[4096];
	ssize_t n;

	(void)arg, (void)what;
	while ((n = recv(fds[now], buf, sizeof(buf), 0)) > 0)
		for (ssize_t done = 0, m; done < n; done += m) {
			m = send(fds[now], buf + done, n - done, MSG_NOSIGNAL);
			if (m < 0)
				return number(m);
		}
	close(fds[now]);
	fds[now] = listeners[now];
	return n ? number(n) : "served";
}

static const char *do_forever(const char *arg, int what)
{
	int fd;

	(void)arg, (void)what;
	signal(SIGCHLD, SIG_IGN);
	alarm(0);
	while ((fd = accept(fds[now], NULL, NULL)) >= 0) {
		if (!fork()) {
			close(fds[now]);
			fds[now] = fd;
			do_serve(NULL, 0);
			_exit(0);
		}
		close(fd);
	}
	return number(-1);
}

static const char *do_kind(const char *arg, int what)
{
	(void)arg, (void)what;
	return sock_kind(fds[now]);
}

static const char *do_port(const char *arg, int what)
{
	struct addr addr = {.len = sizeof(addr.ss)};

	(void)arg, (void)what;
	if (getsockname(fds[now], &addr.sa, &addr.len))
		return number(-1);
	return number(ntohs(addr.in.sin_port)); /* in both families there */
}

static const struct {
	const char *name;
	const char *(*run)(const char *arg, int what);
	int what;
} steps[] = {
	{"socket", do_socket, AF_INET},
	{"socket6", do_socket, AF_INET6},
	{"smc6", do_socket, AF_INET6 | IPPROTO_SMC},
	{"nonblock", do_flags, O_NONBLOCK},
	{"block", do_flags, 0},
	{"other", do_other, 0},
	{"dup", do_dup, 0},
	{"fork", do_fork, 0},
	{"exec", do_fork, 1},
	{"pass", do_pass, 0},
	{"join", do_join, 0},
	{"linger", do_linger, 0},
	{"fastopen", do_fastopen, 5},
	{"bind", do_bind, 0},
	{"listen", do_bind, 1},
	{"connect", do_connect, 0},
	{"alarm", do_alarm, 0},
	{"run", do_run, 0},
	{"wait", do_wait, 0},
	{"epoll", do_epoll, 0},
	{"event", do_event, 0},
	{"ping", do_ping, 0},
	{"accept", do_accept, 0},
	{"nap", do_nap, 0},
	{"data", do_data, 0},
	{"serve", do_serve, 0},
	{"forever", do_forever, 0},
	{"kind", do_kind, 0},
	{"domain", do_option, SO_DOMAIN},
	{"port", do_port, 0},
};

static void do_step(const char *text)
{
	const char *arg = strchr(text, ':'), *result;
	size_t len = strcspn(text, ":");

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		if (strlen(steps[i].name) != len ||
		    strncmp(text, steps[i].name, len))
			continue;
		result = steps[i].run(arg ? arg + 1 : "", steps[i].what);
		if (result)
			word(result);
		return;
	}
	errno = EINVAL;
	die(text);
}

int main(int argc, char **argv)
{
	alarm(LIFE_SECONDS);
	next_step = argv + 1;
	if (argc > 3 && !strcmp(argv[1], "--child")) {
		is_child = true;
		has_said = true;
		fds[0] = atoi(argv[2]);
		next_step = argv + 3;
	}
	while (*next_step)
		do_step(*next_step++);
	puts("");
	return 0;
}
