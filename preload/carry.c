// SPDX-License-Identifier: MIT
#include <errno.h>
#include <limits.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "carry.h"
#include "sockopt_uapi.h"
#include "util.h"

#define MARK 0 /* its row */

/* Bits of SO_BUF_LOCK */
#define SNDBUF_LOCK 1
#define RCVBUF_LOCK 2

#define INT(option, usual)                                          \
	{                                                           \
		option, sizeof(int), usual, SMCP_CARRY_VALUE, false \
	}
#define STRUCT(option, type)                                     \
	{                                                        \
		option, sizeof(type), 0, SMCP_CARRY_VALUE, false \
	}
#define MUST(option)                                           \
	{                                                      \
		option, sizeof(int), 0, SMCP_CARRY_VALUE, true \
	}

/* As linux/net_tstamp.h has it: clock and flags */
struct txtime {
	int clockid;
	unsigned int flags;
};

const struct smcp_carry_row smcp_carry_rows[SMCP_CARRY_ROWS] = {
	[MARK] = MUST(SO_MARK),
	/* SO_BINDTODEVICE as well: of a device that is gone the index stays. */
	MUST(SO_BINDTOIFINDEX),
	INT(SO_KEEPALIVE, 0),
	INT(SO_OOBINLINE, 0),
	INT(SO_DONTROUTE, 0),
	INT(SO_REUSEADDR, 0),
	INT(SO_REUSEPORT, 0),
	INT(SO_RCVLOWAT, 1),
	INT(SO_PRIORITY, 0),
	STRUCT(SO_LINGER, struct linger),
	STRUCT(SO_RCVTIMEO, struct timeval),
	STRUCT(SO_SNDTIMEO, struct timeval),
	{SO_SNDBUF, sizeof(int), 0, SMCP_CARRY_SNDBUF, false},
	{SO_RCVBUF, sizeof(int), 0, SMCP_CARRY_RCVBUF, false},
	INT(SO_TIMESTAMP, 0),
	INT(SO_TIMESTAMPNS, 0),
	INT(SO_TIMESTAMPING, 0),
	/* 32-bit programs with a time of 64 bits have their own. */
	INT(SO_TIMESTAMP_OF_64, 0),
	INT(SO_TIMESTAMPNS_OF_64, 0),
	INT(SO_TIMESTAMPING_OF_64, 0),
	STRUCT(SO_TXTIME, struct txtime),
	INT(SO_WIFI_STATUS, 0),
	INT(SO_RXQ_OVFL, 0),
	INT(SO_RCVMARK, 0),
	INT(SO_BUSY_POLL, 0),
	INT(SO_PREFER_BUSY_POLL, 0),
	INT(SO_BUSY_POLL_BUDGET, 0),
	INT(SO_INCOMING_CPU, -1),
	INT(SO_SELECT_ERR_QUEUE, 0),
	INT(SO_DEBUG, 0),
	{SO_MAX_PACING_RATE, sizeof(long), -1, SMCP_CARRY_VALUE, false},
};

static int get(const struct smcp_real *real, int fd, int name, void *value,
	       socklen_t size)
{
	socklen_t length = size;
	int rc;

	rc = smcp_result(
		real->getsockopt(fd, SOL_SOCKET, name, value, &length));
	return rc || length == size ? rc : -EINVAL;
}

static int set(const struct smcp_real *real, int fd, int name,
	       const void *value, socklen_t size)
{
	return smcp_result(real->setsockopt(fd, SOL_SOCKET, name, value, size));
}

/* Each int of it, as each byte of a number that is 0 or -1 is the same. */
static bool is_usual(const struct smcp_carry_row *row, const void *value)
{
	int words[SMCP_CARRY_SIZE / sizeof(int)];
	size_t i;

	memcpy(words, value, row->size);
	for (i = 0; i < row->size / sizeof(int); i++)
		if (words[i] != row->usual)
			return false;
	return true;
}

/* Before 5.14 nobody can tell who chose the size: it is not carried then. */
static bool is_chosen(const struct smcp_real *real, int fd,
		      const struct smcp_carry_row *row)
{
	int locks = 0;

	if (row->how == SMCP_CARRY_VALUE)
		return true;
	return !get(real, fd, SO_BUF_LOCK, &locks, sizeof(locks)) &&
	       (locks &
		(row->how == SMCP_CARRY_SNDBUF ? SNDBUF_LOCK : RCVBUF_LOCK));
}

/* Asked while the socket can still stay what it is. */
static bool can_write(const struct smcp_real *real, int fd,
		      const struct smcp_carried *carried)
{
	char device[IFNAMSIZ] = "";
	socklen_t size = sizeof(device);
	int index;

	/* A mark needs a right that a socket passed on does not come with. */
	if (carried->is_set[MARK] &&
	    set(real, fd, SO_MARK, carried->value[MARK], sizeof(int)))
		return false;
	/* Before 5.1 a device has no index here. */
	return !get(real, fd, SO_BINDTOIFINDEX, &index, sizeof(index)) ||
	       real->getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device,
				&size) ||
	       !size || !device[0];
}

int smcp_carry_read(const struct smcp_real *real, int fd,
		    struct smcp_carried *ret_carried)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(smcp_carry_rows); i++) {
		const struct smcp_carry_row *row = &smcp_carry_rows[i];
		void *value = ret_carried->value[i];

		ret_carried->is_set[i] =
			!get(real, fd, row->name, value, row->size) &&
			!is_usual(row, value) && is_chosen(real, fd, row);
	}
	return can_write(real, fd, ret_carried) ? 0 : -EPERM;
}

static int write_row(const struct smcp_real *real, int fd,
		     const struct smcp_carry_row *row, const void *value)
{
	unsigned char now[SMCP_CARRY_SIZE];
	int half, force;

	if (!get(real, fd, row->name, now, row->size) &&
	    !memcmp(now, value, row->size))
		return 0;
	if (row->how == SMCP_CARRY_VALUE)
		return set(real, fd, row->name, value, row->size);
	/* The kernel doubles what it is given. */
	memcpy(&half, value, sizeof(half));
	half /= 2;
	force = row->how == SMCP_CARRY_SNDBUF ? SO_SNDBUFFORCE : SO_RCVBUFFORCE;
	return set(real, fd, force, &half, sizeof(half))
		       ? set(real, fd, row->name, &half, sizeof(half))
		       : 0;
}

int smcp_carry_write(const struct smcp_real *real, int fd,
		     const struct smcp_carried *carried, int *ret_lost)
{
	const int nowhere = INT_MAX;
	size_t i;

	*ret_lost = 0;
	for (i = 0; i < ARRAY_SIZE(smcp_carry_rows); i++) {
		const struct smcp_carry_row *row = &smcp_carry_rows[i];

		if (!carried->is_set[i] ||
		    !write_row(real, fd, row, carried->value[i]))
			continue;
		*ret_lost = row->name;
		if (!row->must)
			continue;
		(void)set(real, fd, SO_BINDTOIFINDEX, &nowhere,
			  sizeof(nowhere));
		return -EPERM;
	}
	return 0;
}

int smcp_carry_copy(const struct smcp_real *real, int from, int to)
{
	unsigned char value[SMCP_CARRY_SIZE];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(smcp_carry_rows); i++) {
		const struct smcp_carry_row *row = &smcp_carry_rows[i];

		if (get(real, from, row->name, value, row->size) ||
		    !is_chosen(real, from, row) ||
		    !write_row(real, to, row, value))
			continue;
		if (row->must)
			return -EPERM;
	}
	return 0;
}
