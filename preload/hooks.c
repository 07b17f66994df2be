// SPDX-License-Identifier: MIT
#include <errno.h>
#include <sys/socket.h>

#include "init.h"
#include "sock.h"

#define EXPORT __attribute__((visibility("default")))

/*
 * What is not ours is a tail call: libc's own result and errno.  Otherwise
 * success leaves errno as it was, whatever was tried on the way.
 */
EXPORT int socket(int domain, int type, int protocol)
{
	const struct smcp_policy *policy = smcp_init_policy();
	int saved_errno;
	int fd;

	if (!smcp_sock_is_ours(policy, domain, type, protocol))
		return policy->real.socket(domain, type, protocol);
	saved_errno = errno;
	fd = smcp_sock_open(policy, domain, type, protocol);
	if (fd < 0) {
		errno = -fd;
		return -1;
	}
	errno = saved_errno;
	return fd;
}

__attribute__((constructor)) static void load(void)
{
	(void)smcp_init_policy();
}
