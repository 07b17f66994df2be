// SPDX-License-Identifier: MIT
#include <errno.h>
#include <sys/socket.h>

#include "init.h"
#include "sock.h"

#define EXPORT __attribute__((visibility("default")))

/* Success leaves errno as it was, whatever was tried on the way. */
EXPORT int socket(int domain, int type, int protocol)
{
	int saved_errno = errno;
	int fd;

	fd = smcp_sock_open(smcp_init_policy(), domain, type, protocol);
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
