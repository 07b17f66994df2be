// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "carry.h"
#include "renew.h"
#include "sockopt_uapi.h"
#include "util.h"

/* All that TCP keeps for a socket that is to listen, and that can be read. */
static const struct option {
	int level, name;
} options[] = {
	{IPPROTO_TCP, TCP_NODELAY},
	{IPPROTO_TCP, TCP_MAXSEG},
	{IPPROTO_TCP, TCP_CORK},
	{IPPROTO_TCP, TCP_KEEPIDLE},
	{IPPROTO_TCP, TCP_KEEPINTVL},
	{IPPROTO_TCP, TCP_KEEPCNT},
	{IPPROTO_TCP, TCP_SYNCNT},
	{IPPROTO_TCP, TCP_LINGER2},
	{IPPROTO_TCP, TCP_DEFER_ACCEPT},
	{IPPROTO_TCP, TCP_WINDOW_CLAMP},
	{IPPROTO_TCP, TCP_CONGESTION},
	{IPPROTO_TCP, TCP_THIN_LINEAR_TIMEOUTS},
	{IPPROTO_TCP, TCP_USER_TIMEOUT},
	{IPPROTO_TCP, TCP_FASTOPEN},
	{IPPROTO_TCP, TCP_NOTSENT_LOWAT},
	{IPPROTO_TCP, TCP_SAVE_SYN},
	{IPPROTO_TCP, TCP_FASTOPEN_CONNECT},
	{IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE},
	{IPPROTO_TCP, TCP_INQ},
	{IPPROTO_TCP, TCP_TX_DELAY},
	{IPPROTO_IP, IP_TOS},
	{IPPROTO_IP, IP_TTL},
	{IPPROTO_IP, IP_PKTINFO},
	{IPPROTO_IP, IP_RECVTTL},
	{IPPROTO_IP, IP_RECVTOS},
	{IPPROTO_IP, IP_MTU_DISCOVER},
	{IPPROTO_IP, IP_RECVERR},
	{IPPROTO_IP, IP_FREEBIND},
	{IPPROTO_IP, IP_TRANSPARENT},
	{IPPROTO_IP, IP_MINTTL},
	{IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT},
	{IPPROTO_IP, IP_LOCAL_PORT_RANGE},
	{IPPROTO_IPV6, IPV6_V6ONLY},
	{IPPROTO_IPV6, IPV6_UNICAST_HOPS},
	{IPPROTO_IPV6, IPV6_MTU_DISCOVER},
	{IPPROTO_IPV6, IPV6_RECVERR},
	{IPPROTO_IPV6, IPV6_RECVPKTINFO},
	{IPPROTO_IPV6, IPV6_RECVHOPLIMIT},
	{IPPROTO_IPV6, IPV6_RECVTCLASS},
	{IPPROTO_IPV6, IPV6_DONTFRAG},
	{IPPROTO_IPV6, IPV6_TCLASS},
	{IPPROTO_IPV6, IPV6_AUTOFLOWLABEL},
	{IPPROTO_IPV6, IPV6_ADDR_PREFERENCES},
	{IPPROTO_IPV6, IPV6_MINHOPCOUNT},
	{IPPROTO_IPV6, IPV6_TRANSPARENT},
	{IPPROTO_IPV6, IPV6_FREEBIND},
};

static void set_reuse(const struct smcp_policy *policy, int fd, int value)
{
	(void)policy->real.setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &value,
				      sizeof(value));
}

bool smcp_renew_is_needed(const struct smcp_policy *policy, int fd)
{
	return smcp_real_get_int(&policy->real, fd, SO_PROTOCOL) ==
		       IPPROTO_TCP &&
	       smcp_real_get_int(&policy->real, fd, SO_NO_CHECK) == 1;
}

static void copy_option(const struct smcp_real *real, int from, int to,
			const struct option *option)
{
	char old[16] = "", new[16] = ""; /* TCP_CONGESTION is a name */
	socklen_t size = sizeof(old), new_size = sizeof(new);

	if (real->getsockopt(from, option->level, option->name, old, &size) ||
	    real->getsockopt(to, option->level, option->name, new, &new_size) ||
	    (size == new_size && !memcmp(old, new, size)))
		return;
	(void)real->setsockopt(to, option->level, option->name, old, size);
}

/* Before bind(), where IPV6_V6ONLY and others count. */
static int copy_options(const struct smcp_policy *policy, int from, int to)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(options); i++)
		copy_option(&policy->real, from, to, &options[i]);
	return smcp_carry_copy(&policy->real, from, to);
}

/* The kernel gave the old one its port, and gives it to both if both agree. */
static int copy_address(const struct smcp_policy *policy, int from, int to)
{
	struct sockaddr_in6 addr; /* or one of AF_INET, which is shorter */
	struct sockaddr *sa = (struct sockaddr *)&addr;
	socklen_t size = sizeof(addr);
	struct smcp_addr local;
	uint16_t port;

	if (policy->real.getsockname(from, sa, &size) || size > sizeof(addr) ||
	    smcp_addr_from_sockaddr(sa, size, &local, &port))
		return -EPERM;
	/* An address without a port there can be: IP_BIND_ADDRESS_NO_PORT. */
	if (!port && smcp_addr_is_any(&local))
		return 0;
	set_reuse(policy, from, 1);
	set_reuse(policy, to, 1);
	return smcp_result(policy->real.bind(to, sa, size));
}

static int replace(const struct smcp_policy *policy, int fd, int new)
{
	const struct smcp_real *real = &policy->real;
	int flags = real->fcntl(fd, F_GETFL, 0);
	int owner = real->fcntl(fd, F_GETOWN, 0);
	int close_on_exec = real->fcntl(fd, F_GETFD, 0) & FD_CLOEXEC;

	if (owner)
		(void)real->fcntl(new, F_SETOWN, owner);
	(void)real->fcntl(new, F_SETFL, flags & (O_NONBLOCK | O_ASYNC));
	return smcp_result(real->dup3(new, fd, close_on_exec ? O_CLOEXEC : 0));
}

int smcp_renew(const struct smcp_policy *policy, int fd, int *ret_reuse)
{
	int new, rc;

	*ret_reuse = smcp_real_get_int(&policy->real, fd, SO_REUSEADDR);
	new = smcp_result(policy->real.socket(
		smcp_real_get_int(&policy->real, fd, SO_DOMAIN),
		SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP));
	if (new < 0)
		return new;
	rc = copy_options(policy, fd, new);
	if (!rc)
		rc = copy_address(policy, fd, new);
	if (!rc) {
		rc = replace(policy, fd, new);
		rc = rc < 0 ? rc : 0;
	}
	if (rc)
		set_reuse(policy, fd, *ret_reuse);
	(void)policy->real.close(new);
	return rc;
}

void smcp_renew_finish(const struct smcp_policy *policy, int fd, int reuse)
{
	if (!reuse)
		set_reuse(policy, fd, 0);
}
