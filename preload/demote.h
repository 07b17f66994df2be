/* SPDX-License-Identifier: MIT */
#ifndef SMCP_DEMOTE_H
#define SMCP_DEMOTE_H

#include <stdbool.h>

#include "policy.h"
#include "smc_uapi.h"

/* How a socket that can still become SMC is made TCP. */
enum smcp_kind {
	SMCP_NOT_SMC, /* it is TCP, or something else */
	SMCP_BY_OPTION, /* SMC_USE */
	SMCP_BY_TRICK, /* an option that makes a stock kernel give SMC up */
};

/*
 * smcp_demote_kind() - what a descriptor is; the kernel is asked each time
 * @policy: the policy
 * @fd: any number
 * @ret_use: SMC_USE, if SMCP_BY_OPTION
 *
 * Async-signal-safe, as all here; may change errno.
 */
enum smcp_kind smcp_demote_kind(const struct smcp_policy *policy, int fd,
				int *ret_use);

/* Does one know yet what this kernel can do? */
bool smcp_demote_is_known(void);

/* Can this kernel make a socket TCP again?  False if one does not know. */
bool smcp_demote_is_possible(void);

/*
 * smcp_demote_probe() - find out what this kernel can do
 * @policy: the policy; if nothing can be done, one line of its log says so
 * @fd: a new SMC socket, which may be TCP afterwards
 */
void smcp_demote_probe(const struct smcp_policy *policy, int fd);

/*
 * smcp_demote() - make an SMC socket TCP, with the same options
 * @policy: the policy
 * @fd: the socket
 * @kind: smcp_demote_kind() of it
 *
 * Return: 0 if it is TCP; -EINVAL if it is too late, as it is connecting,
 * connected or listening; -ECONNABORTED if a failed call left it in a state in
 * which its connection would be reset; -EPERM if it cannot be done.
 */
int smcp_demote(const struct smcp_policy *policy, int fd, enum smcp_kind kind);

/* smcp_demote_is_idle() - is TCP neither connected, connecting nor listening? */
bool smcp_demote_is_idle(const struct smcp_policy *policy, int fd);

/*
 * smcp_demote_note_failure() - remember that connect() or listen() failed
 * @policy: the policy
 * @fd: the socket
 * @err: errno of the call
 *
 * A stock kernel has then set the TCP socket within to offer SMC.  The note is in
 * the kernel, on the socket: see smcp_demote().
 */
void smcp_demote_note_failure(const struct smcp_policy *policy, int fd,
			      int err);

#endif
