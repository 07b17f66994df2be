// SPDX-License-Identifier: MIT
/*
 * To be preloaded behind the library: writes each call that arrives here to
 * the descriptor RECORD_FD and plays the kernel.
 *
 * RECORD_SMC: "inet", "smc", both or none of them are there.  A socket of
 * such a family is a TCP socket in truth.  Without this variable the kernel
 * of the machine is asked.
 * RECORD_ERRNO: the error of a family that is not there (default 93).
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

int socket(int domain, int type, int protocol);
int setsockopt(int fd, int level, int name, const void *value, socklen_t size);

#define EXPORT __attribute__((visibility("default")))

static atomic_int record_fd = -1, has_inet, has_smc, refuses, refusal;

/* Also before the constructors; later calls use nothing of libc. */
static void read_environment(void)
{
	const char *fd, *smc, *err;

	if (record_fd >= 0)
		return;
	fd = getenv("RECORD_FD");
	smc = getenv("RECORD_SMC");
	err = getenv("RECORD_ERRNO");
	has_inet = smc && strstr(smc, "inet");
	has_smc = smc && strstr(smc, "smc");
	refuses = !!smc;
	refusal = err ? atoi(err) : EPROTONOSUPPORT;
	record_fd = fd ? atoi(fd) : 9;
}

static void record(const char *line, int len)
{
	int saved = errno;

	/* write() would be a cancellation point. */
	if (syscall(SYS_write, record_fd, line, (size_t)len) != len)
		_exit(99);
	errno = saved;
}

EXPORT int socket(int domain, int type, int protocol)
{
	int is_inet =
		(domain == AF_INET || domain == AF_INET6) && protocol == 256;
	int is_smc = domain == 43;
	char line[64];

	read_environment();
	record(line, snprintf(line, sizeof(line), "socket(%d,%d,%d)\n", domain,
			      type, protocol));
	if ((is_inet && has_inet) || (is_smc && has_smc)) {
		if (is_smc)
			domain = protocol ? AF_INET6 : AF_INET;
		protocol = 0;
	} else if ((is_inet || is_smc) && refuses) {
		errno = refusal;
		return -1;
	}
	return (int)syscall(SYS_socket, domain, type, protocol);
}

EXPORT int setsockopt(int fd, int level, int name, const void *value,
		      socklen_t size)
{
	char line[64];

	read_environment();
	record(line, snprintf(line, sizeof(line), "setsockopt(%d,%d,%d)\n",
			      level, name, *(const int *)value));
	return (int)syscall(SYS_setsockopt, fd, level, name, value, size);
}
