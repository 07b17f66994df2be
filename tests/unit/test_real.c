// SPDX-License-Identifier: MIT
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "cunit_tap.h"
#include "real.h"
#include "util.h"

static void check_table(const struct smcp_real *real)
{
	int size = 0;
	socklen_t len = sizeof(size);
	int value = 8192;
	int fd;

	fd = real->socket(AF_INET, SOCK_DGRAM, 0);
	CU_ASSERT(fd >= 0);
	CU_ASSERT_EQUAL(real->setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &value,
					 sizeof(value)),
			0);
	CU_ASSERT_EQUAL(getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, &len), 0);
	CU_ASSERT_EQUAL(size, 2 * value);
	close(fd);

	errno = 0;
	CU_ASSERT_EQUAL(real->socket(-1, SOCK_STREAM, 0), -1);
	CU_ASSERT_EQUAL(errno, EAFNOSUPPORT);
	errno = 0;
	CU_ASSERT_EQUAL(real->setsockopt(-1, SOL_SOCKET, SO_RCVBUF, &value,
					 sizeof(value)),
			-1);
	CU_ASSERT_EQUAL(errno, EBADF);
}

UNIT_TEST(bare_system_calls_work)
{
	static const struct smcp_real raw = SMCP_REAL_RAW;

	check_table(&raw);
}

UNIT_TEST(resolved_calls_work_and_are_those_of_libc)
{
	struct smcp_real real;

	smcp_real_resolve(&real);
	check_table(&real);
	CU_ASSERT(real.socket != smcp_raw_socket);
	CU_ASSERT(real.setsockopt != smcp_raw_setsockopt);
}

UNIT_TEST(the_clock_is_the_monotonic_one)
{
	struct timespec before, after;
	unsigned int now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &before);
	now = smcp_raw_seconds();
	clock_gettime(CLOCK_MONOTONIC_COARSE, &after);
	CU_ASSERT(now >= (unsigned int)before.tv_sec);
	CU_ASSERT(now <= (unsigned int)after.tv_sec);
}

UNIT_TEST(a_failure_without_errno_is_no_descriptor)
{
	errno = 0;
	CU_ASSERT_EQUAL(smcp_result(-1), -EIO);
	errno = EMFILE;
	CU_ASSERT_EQUAL(smcp_result(-1), -EMFILE);
	CU_ASSERT_EQUAL(smcp_result(0), 0);
	CU_ASSERT_EQUAL(smcp_result(5), 5);
}
