/* SPDX-License-Identifier: MIT */
#ifndef SMCP_SOCK_H
#define SMCP_SOCK_H

#include "policy.h"

/*
 * smcp_sock_open() - what the program gets when it calls socket()
 *
 * A TCP stream socket is asked of the families of the policy one after the
 * other, and in the end as the program asked.  No space for one more
 * descriptor is the end at once.  A family that the kernel does not have or
 * does not allow is left out for the next ten seconds: asking can load a
 * module, and a module may be loaded later.  Everything else, sockets asked
 * for as SMC included, goes to the kernel as it is.
 *
 * Async-signal-safe.  May change errno.
 *
 * Return: the descriptor, or -errno of the call the program made.
 */
int smcp_sock_open(const struct smcp_policy *policy, int domain, int type,
		   int protocol);

#endif
