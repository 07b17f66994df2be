// SPDX-License-Identifier: MIT
/* To be preloaded before the library: a second interposer. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

__attribute__((visibility("default"))) int socket(int domain, int type,
						  int protocol)
{
	int (*next)(int, int, int);

	next = (int (*)(int, int, int))dlsym(RTLD_NEXT, "socket");
	dprintf(atoi(getenv("RECORD_FD")), "first(%d,%d,%d)\n", domain, type,
		protocol);
	return next(domain, type, protocol);
}
