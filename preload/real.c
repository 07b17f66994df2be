// SPDX-License-Identifier: MIT
#include <dlfcn.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "real.h"

int smcp_raw_socket(int domain, int type, int protocol)
{
	return (int)syscall(SYS_socket, domain, type, protocol);
}

int smcp_raw_connect(int fd, const struct sockaddr *addr, socklen_t size)
{
	return (int)syscall(SYS_connect, fd, addr, size);
}

int smcp_raw_listen(int fd, int backlog)
{
	return (int)syscall(SYS_listen, fd, backlog);
}

int smcp_raw_setsockopt(int fd, int level, int name, const void *value,
			socklen_t size)
{
	return (int)syscall(SYS_setsockopt, fd, level, name, value, size);
}

int smcp_raw_getsockopt(int fd, int level, int name, void *value,
			socklen_t *size)
{
	return (int)syscall(SYS_getsockopt, fd, level, name, value, size);
}

int smcp_raw_getsockname(int fd, struct sockaddr *addr, socklen_t *size)
{
	return (int)syscall(SYS_getsockname, fd, addr, size);
}

int smcp_raw_bind(int fd, const struct sockaddr *addr, socklen_t size)
{
	return (int)syscall(SYS_bind, fd, addr, size);
}

int smcp_raw_fcntl(int fd, int command, long value)
{
	return (int)syscall(SYS_fcntl, fd, command, value);
}

int smcp_raw_dup3(int old, int fd, int flags)
{
	return (int)syscall(SYS_dup3, old, fd, flags);
}

int smcp_raw_close(int fd)
{
	return (int)syscall(SYS_close, fd);
}

unsigned int smcp_raw_seconds(void)
{
	struct timespec ts = {0};

	clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
	return (unsigned int)ts.tv_sec;
}

/* This library's image, from the linker; dladdr() would read every symbol. */
extern const char __ehdr_start[] __attribute__((visibility("hidden")));
extern const char _end[] __attribute__((visibility("hidden")));

/* Return: the next function of this name outside this library, or NULL. */
static void *find_next(const char *name)
{
	void *next = dlsym(RTLD_NEXT, name);
	uintptr_t address = (uintptr_t)next;

	if (address >= (uintptr_t)__ehdr_start && address < (uintptr_t)_end)
		return NULL;
	return next;
}

void smcp_real_resolve(struct smcp_real *ret_real)
{
	static const struct smcp_real raw = SMCP_REAL_RAW;
	void *next;

	*ret_real = raw;
#define SMCP_REAL_RESOLVE(name, type, args) \
	next = find_next(#name);            \
	if (next)                           \
		ret_real->name = (type(*) args)next;
	SMCP_REAL_CALLS(SMCP_REAL_RESOLVE)
#undef SMCP_REAL_RESOLVE
}
