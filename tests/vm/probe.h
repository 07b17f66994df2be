/* SPDX-License-Identifier: MIT */
/* What the programs that probe sockets share: addresses, time, SMC or TCP. */
#ifndef PROBE_H
#define PROBE_H

#include <linux/xfrm.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <time.h>

#include "smc_uapi.h"

struct addr {
	union {
		struct sockaddr sa;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
		struct sockaddr_storage ss;
	};
	socklen_t len;
};

static inline struct addr loopback_addr(int family, int port)
{
	struct addr addr = {.len = sizeof(addr.in6)};

	if (family == AF_INET) {
		addr.in.sin_family = AF_INET;
		addr.in.sin_port = htons(port);
		addr.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		addr.len = sizeof(addr.in);
		return addr;
	}
	addr.in6.sin6_family = AF_INET6;
	addr.in6.sin6_port = htons(port);
	addr.in6.sin6_addr = in6addr_loopback;
	return addr;
}

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

/*
 * "smc" or "tcp".  The project's module has an option for that; elsewhere the
 * protocol tells, as long as nothing but a demotion makes the socket TCP.
 */
static inline const char *sock_kind(int fd)
{
	struct smc_status status = {};
	socklen_t len = sizeof(status);
	int val = -1;

	if (!getsockopt(fd, SOL_SMC, SMC_STATUS, &status, &len))
		return status.mode == SMC_MODE_TCP ? "tcp" : "smc";
	len = sizeof(val);
	if (getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &val, &len))
		return "error";
	if (val == IPPROTO_TCP)
		return "tcp";
	len = sizeof(val);
	if (val != IPPROTO_SMC &&
	    (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &val, &len) ||
	     val != AF_SMC))
		return "unknown";
	return "smc";
}

/* All packets pass, but SMC keeps away from sockets with a policy of IPsec. */
static inline int set_policy(int fd, int family)
{
	struct xfrm_userpolicy_info policy = {
		.sel.family = family,
		.lft = {.soft_byte_limit = XFRM_INF,
			.hard_byte_limit = XFRM_INF,
			.soft_packet_limit = XFRM_INF,
			.hard_packet_limit = XFRM_INF},
		.dir = XFRM_POLICY_OUT,
		.action = XFRM_POLICY_ALLOW,
	};

	return family == AF_INET
		       ? setsockopt(fd, IPPROTO_IP, IP_XFRM_POLICY, &policy,
				    sizeof(policy))
		       : setsockopt(fd, IPPROTO_IPV6, IPV6_XFRM_POLICY, &policy,
				    sizeof(policy));
}

#endif
