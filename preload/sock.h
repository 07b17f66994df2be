/* SPDX-License-Identifier: MIT */
#ifndef SMCP_SOCK_H
#define SMCP_SOCK_H

#include <stdbool.h>

#include "policy.h"

/*
 * smcp_sock_is_ours() - whether a call of socket() is more than the kernel's
 *
 * True for a TCP stream socket if the rules leave a choice and one of the policy's
 * families may be there.
 * A family that the kernel does not have or does not allow is left out for ten
 * seconds: asking can load a module, and a module may be loaded later.  All
 * else, sockets asked for as SMC included, is for the kernel as it is.
 *
 * Async-signal-safe.  Leaves errno alone.
 */
bool smcp_sock_is_ours(const struct smcp_policy *policy, int domain, int type,
		       int protocol);

/*
 * smcp_sock_open() - what the program gets for a socket that is ours
 *
 * The families of the policy are asked one after the other, and in the end the
 * kernel as the program asked.  No space for one more descriptor is the end at
 * once.  If rules decide later, the first call finds out if the kernel allows
 * that; if not, the socket is TCP.
 *
 * Async-signal-safe.  May change errno.
 *
 * Return: the descriptor, or -errno of the call the program made.
 */
int smcp_sock_open(const struct smcp_policy *policy, int domain, int type,
		   int protocol);

/*
 * smcp_sock_count() - count a socket that was made as the program asked
 * @policy: the policy, which has a summary
 * @domain, @type, @protocol: of a socket() that succeeded
 *
 * What is neither TCP nor SMC does not count.  Async-signal-safe.  Leaves errno
 * alone.
 */
void smcp_sock_count(const struct smcp_policy *policy, int domain, int type,
		     int protocol);

#endif
