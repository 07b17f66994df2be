// SPDX-License-Identifier: MIT
/*
 * storm COUNT [SEED]: COUNT connections of all kinds from four processes, each
 * with another mix: family, who asks for SMC and how, who blocks, and how it
 * ends; with another SEED, other mixes.  Prints "storm: N connections, M refused"
 * and fails on the first thing that TCP would not do.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "smc_uapi.h"

#define PROCESSES 4
#define PAYLOAD 3000

/* A listener takes that many connections before another one takes its place. */
#define LISTENER_LIFE 50

struct kind {
	int family;
	const char *host;
	bool any; /* the listener is bound to the wildcard address */
};

static const struct kind kinds[] = {
	{AF_INET, "127.0.0.1", false},
	{AF_INET6, "::1", false},
	{AF_INET6, "::ffff:127.0.0.1", false},
	{AF_INET6, "::1", true},
};

enum end {
	END_CLIENT_FIRST,
	END_SERVER_FIRST,
	END_RESET,
	END_HALF,
	END_UNREAD,
	END_NOT_ACCEPTED,
	END_DISCONNECT,
	END_FORK,
	ENDS
};

struct totals {
	long done;
	long refused;
};

static struct totals *totals;
static unsigned int seed;
static char payload[PAYLOAD];

__attribute__((noreturn)) static void die(const char *what)
{
	fprintf(stderr, "storm: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* What sort of connection it is that did not do what TCP does. */
static void describe(const char *which, int fd)
{
	struct smc_status status = {0};
	int domain = 0, protocol = 0, err = errno;
	socklen_t len = sizeof(int);

	getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len);
	getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &len);
	len = sizeof(status);
	getsockopt(fd, SOL_SMC, SMC_STATUS, &status, &len);
	fprintf(stderr, "storm: %s: family %d, protocol %d, mode %d, 0x%x\n",
		which, domain, protocol, status.mode, status.reason);
	errno = err;
}

static unsigned int pick(unsigned int n)
{
	seed = seed * 1103515245 + 12345;
	return (seed >> 16) % n;
}

static int open_socket(int family)
{
	int fd;

	switch (pick(8)) {
	case 0:
		fd = socket(family, SOCK_STREAM, 0);
		break;
	case 1:
		fd = socket(AF_SMC, SOCK_STREAM, family == AF_INET6);
		break;
	default:
		fd = socket(family, SOCK_STREAM, IPPROTO_SMC);
	}
	if (fd < 0)
		die("socket");
	return fd;
}

static socklen_t set_address(struct sockaddr_in6 *addr, const struct kind *kind,
			     bool any, in_port_t port)
{
	struct sockaddr_in *in = (struct sockaddr_in *)addr;

	memset(addr, 0, sizeof(*addr));
	if (kind->family == AF_INET) {
		in->sin_family = AF_INET;
		in->sin_port = port;
		inet_pton(AF_INET, kind->host, &in->sin_addr);
		return sizeof(*in);
	}
	addr->sin6_family = AF_INET6;
	addr->sin6_port = port;
	if (!any)
		inet_pton(AF_INET6, kind->host, &addr->sin6_addr);
	return sizeof(*addr);
}

static void set_int(int fd, int level, int name, int val)
{
	setsockopt(fd, level, name, &val, sizeof(val));
}

/* Options that used to be lost, or that decide who handles the socket. */
static void set_options(int fd)
{
	struct linger linger = {1, 1};

	switch (pick(8)) {
	case 0:
		set_int(fd, SOL_SMC, SMC_USE, SMC_USE_TCP);
		break;
	case 1:
		set_int(fd, SOL_SMC, SMC_USE, SMC_USE_SMC);
		break;
	case 2:
		setsockopt(fd, SOL_TCP, TCP_ULP, "tls", 3);
		break;
	case 3:
		set_int(fd, SOL_SOCKET, SO_PEEK_OFF, 0);
		break;
	case 4:
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
		break;
	case 5:
		set_int(fd, SOL_TCP, TCP_NODELAY, 1);
		set_int(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
		break;
	}
}

static int listen_at(const struct kind *kind, struct sockaddr_in6 *ret_addr)
{
	int fd = open_socket(kind->family);
	struct sockaddr_in6 addr;
	socklen_t len = set_address(&addr, kind, kind->any, 0);

	set_options(fd);
	if (bind(fd, (struct sockaddr *)&addr, len) ||
	    getsockname(fd, (struct sockaddr *)&addr, &len))
		die("bind");
	if (listen(fd, 16))
		die("listen");
	set_address(ret_addr, kind, false,
		    ((struct sockaddr_in *)&addr)->sin_port);
	return fd;
}

static void wait_for(int fd, short events)
{
	struct pollfd pfd = {.fd = fd, .events = events};

	if (poll(&pfd, 1, 30000) != 1)
		die("poll");
}

static int connect_to(const struct kind *kind, const struct sockaddr_in6 *addr,
		      int expected)
{
	struct epoll_event event = {.events = EPOLLOUT | EPOLLET};
	const struct sockaddr *sa = (const struct sockaddr *)addr;
	socklen_t len = kind->family == AF_INET ? sizeof(struct sockaddr_in)
						: sizeof(*addr);
	int fd = open_socket(kind->family);
	int how = pick(4), epfd = -1, err = 0, rc;
	socklen_t err_len = sizeof(err);

	set_options(fd);
	switch (how) {
	case 0:
		rc = connect(fd, sa, len);
		break;
	case 1: /* connects, and sends if there is a cookie */
		rc = sendto(fd, payload, 0, MSG_FASTOPEN, sa, len) < 0 ? -1 : 0;
		break;
	default:
		epfd = epoll_create1(0);
		if (epfd < 0 || epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &event))
			die("epoll");
		fcntl(fd, F_SETFL, O_NONBLOCK);
		rc = connect(fd, sa, len);
		if (rc && errno == EINPROGRESS) {
			if (how == 2)
				wait_for(fd, POLLOUT);
			else
				while (epoll_wait(epfd, &event, 1, 30000) !=
					       1 ||
				       !(event.events & (EPOLLERR | EPOLLOUT)))
					;
			if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err,
				       &err_len))
				die("SO_ERROR");
			/* AF_SMC may wake up early. */
			if (!err && connect(fd, sa, len) && errno != EISCONN) {
				if (errno == EALREADY)
					wait_for(fd, POLLOUT);
				else
					err = errno;
			}
			errno = err;
			rc = err ? -1 : 0;
		}
		fcntl(fd, F_SETFL, 0);
		close(epfd);
	}
	if (!!rc != !!expected || (rc && errno != expected))
		die("connect");
	return fd;
}

static void transfer(int from, int to)
{
	char buf[PAYLOAD];
	ssize_t n;

	if (send(from, payload, PAYLOAD, MSG_NOSIGNAL) != PAYLOAD) {
		describe("from", from);
		describe("to", to);
		die("send");
	}
	n = recv(to, buf, PAYLOAD, MSG_WAITALL);
	if (n != PAYLOAD || memcmp(buf, payload, PAYLOAD)) {
		describe("from", from);
		describe("to", to);
		errno = n < 0 ? errno : EBADMSG;
		die("recv");
	}
}

static void expect_end(int fd)
{
	char c;

	if (recv(fd, &c, 1, 0) != 0)
		die("end of file");
}

static void one(const struct kind *kind, int listener,
		const struct sockaddr_in6 *addr)
{
	struct linger reset = {1, 0};
	struct sockaddr unspec = {.sa_family = AF_UNSPEC};
	enum end end = pick(ENDS);
	int client = connect_to(kind, addr, 0);
	int server = -1;
	char c;

	if (end == END_NOT_ACCEPTED) {
		/* This one and what waits before it end with the listener. */
		close(client);
		wait_for(listener, POLLIN);
		server = accept(listener, NULL, NULL);
		if (server < 0)
			die("accept");
		close(server);
		return;
	}
	server = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (server < 0)
		die("accept");
	if (pick(2))
		transfer(client, server);
	if (pick(2))
		transfer(server, client);
	switch (end) {
	case END_CLIENT_FIRST:
		close(client);
		expect_end(server);
		close(server);
		return;
	case END_SERVER_FIRST:
		close(server);
		expect_end(client);
		close(client);
		return;
	case END_RESET:
		setsockopt(server, SOL_SOCKET, SO_LINGER, &reset,
			   sizeof(reset));
		close(server);
		recv(client, &c, 1, 0);
		close(client);
		return;
	case END_HALF:
		shutdown(client, SHUT_WR);
		expect_end(server);
		transfer(server, client);
		close(server);
		expect_end(client);
		close(client);
		return;
	case END_UNREAD:
		send(client, payload, PAYLOAD, MSG_NOSIGNAL);
		close(server);
		close(client);
		return;
	case END_DISCONNECT:
		/* AF_SMC cannot. */
		connect(client, &unspec, sizeof(unspec));
		close(client);
		close(server);
		return;
	default:
		if (!fork()) {
			close(client);
			close(listener);
			_exit(0);
		}
		wait(NULL);
		close(server);
		expect_end(client);
		close(client);
	}
}

/*
 * Closes the listener while connections wait for accept(): one that is over and
 * one that is not.
 *
 * Not on AF_SMC.  There close() waits under the listener's lock for the worker
 * that made the connection and that takes the same lock before, which lockdep
 * reports about once in 100000 connections.
 */
static void leave_queued(const struct kind *kind, int listener,
			 const struct sockaddr_in6 *addr)
{
	int domain = 0, waiting = -1;
	socklen_t len = sizeof(domain);

	getsockopt(listener, SOL_SOCKET, SO_DOMAIN, &domain, &len);
	if (domain != AF_SMC) {
		close(connect_to(kind, addr, 0));
		waiting = connect_to(kind, addr, 0);
	}
	close(listener);
	if (waiting >= 0)
		close(waiting);
}

static void work(int nr, long count, unsigned int first)
{
	struct sockaddr_in6 addr;
	const struct kind *kind;
	int listener;

	seed = first + nr * 7919;
	for (long i = 0; i < count;) {
		kind = &kinds[pick(4)];
		listener = listen_at(kind, &addr);
		for (int k = 0; k < LISTENER_LIFE && i < count; k++, i++)
			one(kind, listener, &addr);
		totals[nr].done = i;
		leave_queued(kind, listener, &addr);
		close(connect_to(kind, &addr, ECONNREFUSED));
		totals[nr].refused++;
	}
}

int main(int argc, char **argv)
{
	long count = argc == 2 || argc == 3 ? atol(argv[1]) : 0;
	unsigned int first = argc == 3 ? strtoul(argv[2], NULL, 10) : 0;
	long done = 0, refused = 0;
	int status, rc = 0;

	if (count < PROCESSES) {
		fprintf(stderr, "usage: storm COUNT [SEED]\n");
		return 2;
	}
	totals = mmap(NULL, sizeof(*totals) * PROCESSES, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (totals == MAP_FAILED)
		die("mmap");
	for (int i = 0; i < PAYLOAD; i++)
		payload[i] = (char)(i * 31);
	for (int nr = 0; nr < PROCESSES; nr++) {
		if (!fork()) {
			work(nr, count / PROCESSES, first);
			_exit(0);
		}
	}
	while (wait(&status) > 0)
		rc |= status;
	for (int nr = 0; nr < PROCESSES; nr++) {
		done += totals[nr].done;
		refused += totals[nr].refused;
	}
	printf("storm: %ld connections, %ld refused\n", done, refused);
	return rc ? 1 : 0;
}
