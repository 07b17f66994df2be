// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cunit_tap.h"
#include "renew.h"

/* Two sockets, 7 and the one that socket() gives, and what is done to them. */
static struct {
	int port, has_addr; /* of 7 */
	int refuses; /* the option of SOL_SOCKET that cannot be set on the new one */
	int bind_errno;
	int nodelay[10], mark[10], reuse[10];
	char calls[400];
} world;

static int fail(int err)
{
	errno = err;
	return -1;
}

__attribute__((format(printf, 1, 2))) static void note(const char *format, ...)
{
	size_t at = strlen(world.calls);
	va_list args;

	va_start(args, format);
	vsnprintf(world.calls + at, sizeof(world.calls) - at, format, args);
	va_end(args);
}

static int *option(int fd, int level, int name)
{
	static int domain, type;

	domain = AF_INET6;
	type = IPPROTO_TCP;
	if (level == IPPROTO_TCP && name == TCP_NODELAY)
		return &world.nodelay[fd];
	if (level != SOL_SOCKET)
		return NULL;
	switch (name) {
	case SO_DOMAIN:
		return &domain;
	case SO_PROTOCOL:
		return &type;
	case SO_MARK:
		return &world.mark[fd];
	case SO_REUSEADDR:
		return &world.reuse[fd];
	default:
		return NULL;
	}
}

static int get(int fd, int level, int name, void *value, socklen_t *size)
{
	const int *is = option(fd, level, name);

	if (!is)
		return fail(ENOPROTOOPT);
	memcpy(value, is, sizeof(*is));
	*size = sizeof(*is);
	return 0;
}

static int set(int fd, int level, int name, const void *value, socklen_t size)
{
	int *is = option(fd, level, name);

	if (!is || size != sizeof(*is) ||
	    (fd == 8 && level == SOL_SOCKET && name == world.refuses))
		return fail(EPERM);
	memcpy(is, value, sizeof(*is));
	return 0;
}

static int make(int domain, int type, int protocol)
{
	note("socket(%d,%d,%d) ", domain, type & ~SOCK_CLOEXEC, protocol);
	return 8;
}

static int name(int fd, struct sockaddr *addr, socklen_t *size)
{
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6,
				   .sin6_port = htons(world.port)};

	in6.sin6_addr.s6_addr[15] = world.has_addr;
	memcpy(addr, &in6, sizeof(in6));
	*size = sizeof(in6);
	return fd == 7 ? 0 : fail(EBADF);
}

static int do_bind(int fd, const struct sockaddr *addr, socklen_t size)
{
	(void)addr;
	note("bind(%d,%u) reuse %d%d ", fd, size, world.reuse[7],
	     world.reuse[8]);
	return world.bind_errno ? fail(world.bind_errno) : 0;
}

static int control(int fd, int command, long value)
{
	if (command == F_SETFL)
		note("flags(%d,%lo) ", fd, value);
	return command == F_GETFL   ? O_RDWR | O_NONBLOCK
	       : command == F_GETFD ? FD_CLOEXEC
				    : 0;
}

static int dup_to(int old, int fd, int flags)
{
	note("dup3(%d,%d,%s) ", old, fd, flags == O_CLOEXEC ? "cloexec" : "");
	world.reuse[fd] = world.reuse[old];
	return fd;
}

static int end(int fd)
{
	note("close(%d)", fd);
	return 0;
}

static const struct smcp_policy policy = {
	.real = {.socket = make,
		 .getsockopt = get,
		 .setsockopt = set,
		 .getsockname = name,
		 .bind = do_bind,
		 .fcntl = control,
		 .dup3 = dup_to,
		 .close = end},
};

static int renew(void)
{
	int reuse = -1;
	int rc = smcp_renew(&policy, 7, &reuse);

	CU_ASSERT_EQUAL(reuse, 0);
	if (!rc)
		smcp_renew_finish(&policy, 7, reuse);
	/* It is as it was, on the one that is there now. */
	CU_ASSERT_EQUAL(world.reuse[7], 0);
	return rc;
}

static void begin(int port)
{
	memset(&world, 0, sizeof(world));
	world.port = port;
	world.nodelay[7] = 1;
	world.mark[7] = 77;
}

UNIT_TEST(a_new_socket_with_options_flags_and_address)
{
	begin(80);
	CU_ASSERT_EQUAL(renew(), 0);
	ASSERT_STR(world.calls, "socket(10,1,6) bind(8,28) reuse 11 "
				"flags(8,4000) dup3(8,7,cloexec) close(8)");
	CU_ASSERT_EQUAL(world.nodelay[8], 1);
	CU_ASSERT_EQUAL(world.mark[8], 77);
}

UNIT_TEST(listen_chooses_the_port_of_one_that_has_none)
{
	begin(0);
	CU_ASSERT_EQUAL(renew(), 0);
	CU_ASSERT_PTR_NULL(strstr(world.calls, "bind"));
}

UNIT_TEST(an_address_without_a_port_is_kept)
{
	begin(0);
	world.has_addr = 1;
	CU_ASSERT_EQUAL(renew(), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(world.calls, "bind(8,28)"));
}

UNIT_TEST(nothing_has_changed_if_it_cannot_be)
{
	begin(80);
	world.bind_errno = EACCES;
	CU_ASSERT_EQUAL(renew(), -EACCES);
	ASSERT_STR(world.calls, "socket(10,1,6) bind(8,28) reuse 11 close(8)");
	begin(80);
	world.refuses = SO_MARK;
	CU_ASSERT_EQUAL(renew(), -EPERM);
	ASSERT_STR(world.calls, "socket(10,1,6) close(8)");
}
