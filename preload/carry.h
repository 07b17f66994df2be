/* SPDX-License-Identifier: MIT */
#ifndef SMCP_CARRY_H
#define SMCP_CARRY_H

#include <stdbool.h>
#include <stddef.h>

#include "real.h"

/*
 * A stock kernel that makes a socket TCP puts another socket behind the
 * descriptor, without the options of SOL_SOCKET.  They are read before and set
 * after.
 */

/* How an option is set again. */
enum smcp_carry_how {
	SMCP_CARRY_VALUE, /* by the value that was read */
	SMCP_CARRY_SNDBUF, /* by half of it, if the program chose it */
	SMCP_CARRY_RCVBUF,
};

struct smcp_carry_row {
	int name; /* of SOL_SOCKET */
	unsigned char size;
	signed char usual; /* each int or long of it, if nobody set it */
	unsigned char how; /* enum smcp_carry_how */
	bool must; /* traffic could go astray without it */
};

#define SMCP_CARRY_ROWS 31
#define SMCP_CARRY_SIZE 16

extern const struct smcp_carry_row smcp_carry_rows[SMCP_CARRY_ROWS];

/* What was set on a socket. */
struct smcp_carried {
	bool is_set[SMCP_CARRY_ROWS];
	unsigned char value[SMCP_CARRY_ROWS][SMCP_CARRY_SIZE]
		__attribute__((aligned(8)));
};

/*
 * smcp_carry_read() - take down what is set on a socket
 * @real: the kernel
 * @fd: the socket
 * @ret_carried: what is not as on a new socket.  An option that the kernel does
 *	not know is not set.
 *
 * Return: 0; -EPERM if an option that must be carried could not be set again.
 */
int smcp_carry_read(const struct smcp_real *real, int fd,
		    struct smcp_carried *ret_carried);

/*
 * smcp_carry_write() - set it all again
 * @real: the kernel
 * @fd: the socket, TCP by now
 * @carried: from smcp_carry_read()
 * @ret_lost: the last option, 0 if none, that could not be set
 *
 * Return: 0; -EPERM if that was one that must be carried.  The socket is then
 * bound to an interface that does not exist, so that nothing leaves it.
 */
int smcp_carry_write(const struct smcp_real *real, int fd,
		     const struct smcp_carried *carried, int *ret_lost);

/*
 * smcp_carry_copy() - the same from one socket to another
 * @real: the kernel
 * @from: the one that has them; it is TCP
 * @to: a new one, which is not used if this fails
 *
 * Return: 0; -EPERM if one that must be carried could not be set.
 */
int smcp_carry_copy(const struct smcp_real *real, int from, int to);

#endif
