// SPDX-License-Identifier: MIT
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>

#include "carry.h"
#include "cunit_tap.h"

/* A socket that is only its options; each has the bytes last set. */
struct sock {
	bool is_known[100];
	unsigned char value[100][SMCP_CARRY_SIZE];
	int refuses[2]; /* options that cannot be set */
	int shorter; /* one of which there is less than asked for */
};

#define SO_BUF_LOCK 72

static struct sock socks[2]; /* the SMC socket, and TCP behind it */
static char set_names[400];

static int get(int fd, int level, int name, void *value, socklen_t *size)
{
	const struct sock *sock = &socks[fd];

	if (level != SOL_SOCKET || !sock->is_known[name]) {
		errno = ENOPROTOOPT;
		return -1;
	}
	if (name == sock->shorter)
		*size = 4;
	memcpy(value, sock->value[name], *size);
	return 0;
}

static int set(int fd, int level, int name, const void *value, socklen_t size)
{
	struct sock *sock = &socks[fd];
	size_t at = strlen(set_names);

	if (level != SOL_SOCKET || name == sock->refuses[0] ||
	    name == sock->refuses[1]) {
		errno = EPERM;
		return -1;
	}
	snprintf(set_names + at, sizeof(set_names) - at, "%s%d", at ? " " : "",
		 name);
	sock->is_known[name] = true;
	memcpy(sock->value[name], value, size);
	return 0;
}

static const struct smcp_real real = {.getsockopt = get, .setsockopt = set};

/* Two new sockets */
static void begin(void)
{
	memset(socks, 0, sizeof(socks));
	memset(set_names, 0, sizeof(set_names));
	for (size_t i = 0; i < SMCP_CARRY_ROWS; i++) {
		const struct smcp_carry_row *row = &smcp_carry_rows[i];

		for (int fd = 0; fd < 2; fd++) {
			socks[fd].is_known[row->name] = true;
			memset(socks[fd].value[row->name],
			       row->usual < 0 ? 0xff : 0, SMCP_CARRY_SIZE);
			socks[fd].value[row->name][0] =
				(unsigned char)row->usual;
		}
	}
	for (int fd = 0; fd < 2; fd++)
		socks[fd].is_known[SO_BUF_LOCK] = true;
}

static void put(int name, const void *value, size_t size)
{
	memcpy(socks[0].value[name], value, size);
}

static void put_int(int name, int value)
{
	put(name, &value, sizeof(value));
}

/* What was set on the TCP socket, in order; or the error */
static const char *carry(void)
{
	struct smcp_carried carried;
	static char text[40];
	int lost, rc;

	rc = smcp_carry_read(&real, 0, &carried);
	set_names[0] = '\0';
	if (!rc)
		rc = smcp_carry_write(&real, 1, &carried, &lost);
	if (!rc && !lost)
		return set_names;
	snprintf(text, sizeof(text), "rc %d lost %d", rc, rc ? 0 : lost);
	return text;
}

UNIT_TEST(nothing_set_nothing_carried)
{
	begin();
	ASSERT_STR(carry(), "");
	/* An old kernel, which knows none of them. */
	memset(socks[0].is_known, 0, sizeof(socks[0].is_known));
	ASSERT_STR(carry(), "");
}

UNIT_TEST(every_row_is_carried)
{
	static const int locks = 3;
	char want[20];

	for (size_t i = 0; i < SMCP_CARRY_ROWS; i++) {
		const struct smcp_carry_row *row = &smcp_carry_rows[i];
		int name = row->name;

		begin();
		put(SO_BUF_LOCK, &locks, sizeof(locks));
		/* as the other rows of this kind have it */
		put_int(SO_SNDBUF, 0);
		put_int(SO_RCVBUF, 0);
		put_int(name, 24);
		if (row->how != SMCP_CARRY_VALUE)
			name = row->how == SMCP_CARRY_SNDBUF ? SO_SNDBUFFORCE
							     : SO_RCVBUFFORCE;
		snprintf(want, sizeof(want), "%d", name);
		ASSERT_STR(carry(), want);
		CU_ASSERT_EQUAL(socks[1].value[name][0],
				row->how == SMCP_CARRY_VALUE ? 24 : 12);
	}
}

UNIT_TEST(whole_structures)
{
	struct linger linger = {1, 0};
	struct timeval time = {5, 250000};

	begin();
	put(SO_LINGER, &linger, sizeof(linger));
	put(SO_SNDTIMEO, &time, sizeof(time));
	CU_ASSERT(strlen(carry()) > 0);
	CU_ASSERT(!memcmp(socks[1].value[SO_LINGER], &linger, sizeof(linger)));
	CU_ASSERT(!memcmp(socks[1].value[SO_SNDTIMEO], &time, sizeof(time)));
}

UNIT_TEST(sizes_that_the_kernel_chose_stay_behind)
{
	begin();
	put_int(SO_SNDBUF, 65536);
	put_int(SO_RCVBUF, 65536);
	ASSERT_STR(carry(), "");
	put_int(SO_BUF_LOCK, 1);
	ASSERT_STR(carry(), "32");
	/* without the right to exceed the limit */
	begin();
	put_int(SO_RCVBUF, 65536);
	put_int(SO_BUF_LOCK, 2);
	socks[1].refuses[0] = SO_RCVBUFFORCE;
	ASSERT_STR(carry(), "8");
	/* before 5.14 nobody knows */
	socks[0].is_known[SO_BUF_LOCK] = false;
	ASSERT_STR(carry(), "");
}

UNIT_TEST(what_TCP_has_already_is_not_set)
{
	begin();
	put_int(SO_KEEPALIVE, 1);
	socks[1].value[SO_KEEPALIVE][0] = 1;
	ASSERT_STR(carry(), "");
}

UNIT_TEST(what_is_lost_is_told)
{
	begin();
	put_int(SO_PRIORITY, 7);
	socks[1].refuses[0] = SO_PRIORITY;
	ASSERT_STR(carry(), "rc 0 lost 12");
}

UNIT_TEST(a_mark_is_rehearsed)
{
	begin();
	put_int(SO_MARK, 7);
	socks[0].refuses[0] = SO_MARK;
	ASSERT_STR(carry(), "rc -1 lost 0");
}

UNIT_TEST(without_its_mark_or_device_nothing_leaves)
{
	int nowhere;

	begin();
	put_int(SO_MARK, 7);
	socks[1].refuses[0] = SO_MARK;
	ASSERT_STR(carry(), "rc -1 lost 0");
	memcpy(&nowhere, socks[1].value[62], sizeof(nowhere));
	CU_ASSERT_EQUAL(nowhere, INT_MAX);
	/* a device is not rehearsed: it cannot be set twice without a right */
	begin();
	put_int(62, 3);
	socks[0].refuses[0] = 62;
	ASSERT_STR(carry(), "62");
}

UNIT_TEST(a_device_that_cannot_be_set_ends_it)
{
	begin();
	put_int(62, 3);
	socks[1].refuses[0] = 62;
	ASSERT_STR(carry(), "rc -1 lost 0");
}

UNIT_TEST(what_cannot_be_read_as_a_whole_is_not_carried)
{
	struct timeval time = {5, 250000};

	begin();
	put(SO_SNDTIMEO, &time, sizeof(time));
	socks[0].shorter = SO_SNDTIMEO;
	ASSERT_STR(carry(), "");
}

UNIT_TEST(a_device_without_an_index_cannot_be_carried)
{
	begin();
	socks[0].is_known[62] = false;
	socks[0].is_known[SO_BINDTODEVICE] = true;
	ASSERT_STR(carry(), "");
	put(SO_BINDTODEVICE, "eth0", 5);
	ASSERT_STR(carry(), "rc -1 lost 0");
}
