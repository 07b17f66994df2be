/* SPDX-License-Identifier: MIT */
/* What the programs that probe sockets share: addresses and time. */
#ifndef PROBE_H
#define PROBE_H

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <time.h>

struct addr {
	union {
		struct sockaddr sa;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
		struct sockaddr_storage ss;
	};
	socklen_t len;
};

static inline void nap(int ms)
{
	poll(NULL, 0, ms);
}

static inline long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* The events of @events that are there within @ms. */
static inline int wait_for(int fd, int events, int ms)
{
	struct pollfd pfd = {.fd = fd, .events = events};

	return poll(&pfd, 1, ms) == 1 ? pfd.revents : 0;
}

#endif
