/* SPDX-License-Identifier: MIT */
#ifndef SMCP_REAL_H
#define SMCP_REAL_H

#include <sys/socket.h>

/* The libc functions the library calls in the program's place. */
#define SMCP_REAL_CALLS(X)                                                     \
	X(socket, int, (int domain, int type, int protocol))                   \
	X(connect, int, (int fd, const struct sockaddr *addr, socklen_t size)) \
	X(listen, int, (int fd, int backlog))                                  \
	X(setsockopt, int,                                                     \
	  (int fd, int level, int name, const void *value, socklen_t size))    \
	X(getsockopt, int,                                                     \
	  (int fd, int level, int name, void *value, socklen_t *size))

/* The outside world; a unit test puts its own in its place. */
struct smcp_real {
#define SMCP_REAL_MEMBER(name, type, args) type(*name) args;
	SMCP_REAL_CALLS(SMCP_REAL_MEMBER)
#undef SMCP_REAL_MEMBER
	/* Of no interest to an interposer: always the kernel's. */
	int (*getsockname)(int fd, struct sockaddr *addr, socklen_t *size);
	int (*bind)(int fd, const struct sockaddr *addr, socklen_t size);
	int (*fcntl)(int fd, int command, long value);
	int (*dup3)(int old, int fd, int flags);
	int (*close)(int fd);
	unsigned int (*seconds)(void); /* a coarse monotonic clock */
};

/* The bare system calls, for a moment when libc must not be asked. */
#define SMCP_REAL_DECLARE(name, type, args) type smcp_raw_##name args;
SMCP_REAL_CALLS(SMCP_REAL_DECLARE)
#undef SMCP_REAL_DECLARE
int smcp_raw_getsockname(int fd, struct sockaddr *addr, socklen_t *size);
int smcp_raw_bind(int fd, const struct sockaddr *addr, socklen_t size);
int smcp_raw_fcntl(int fd, int command, long value);
int smcp_raw_dup3(int old, int fd, int flags);
int smcp_raw_close(int fd);
unsigned int smcp_raw_seconds(void);

#define SMCP_REAL_RAW_MEMBER(name, type, args) .name = smcp_raw_##name,
#define SMCP_REAL_RAW                                                       \
	{                                                                   \
		.getsockname = smcp_raw_getsockname, .bind = smcp_raw_bind, \
		.fcntl = smcp_raw_fcntl, .dup3 = smcp_raw_dup3,             \
		.close = smcp_raw_close, .seconds = smcp_raw_seconds,       \
		SMCP_REAL_CALLS(SMCP_REAL_RAW_MEMBER)                       \
	}

/*
 * smcp_real_resolve() - find the functions behind this library
 * @ret_real: each function of the next library that has it, or else, also
 *            if that is this library again, the bare system call
 *
 * Takes the lock of the dynamic linker.  May change errno and dlerror().
 */
void smcp_real_resolve(struct smcp_real *ret_real);

/* smcp_real_get_int() - an option of SOL_SOCKET, or -1 without it */
static inline int smcp_real_get_int(const struct smcp_real *real, int fd,
				    int name)
{
	int value = -1;
	socklen_t size = sizeof(value);

	return real->getsockopt(fd, SOL_SOCKET, name, &value, &size) ? -1
								     : value;
}

#endif
