/* SPDX-License-Identifier: MIT */
#ifndef SMCP_OPTS_H
#define SMCP_OPTS_H

#include "policy.h"

/*
 * Socket options that a stock SMC socket has otherwise than TCP.  On the kernel of
 * this project they are as TCP has them, and these functions do nothing.
 */

/*
 * smcp_opts_before_set() - make the socket TCP for an option that only TCP has
 * @policy: the policy
 * @fd, @level, @name, @value, @size: as setsockopt() has them
 *
 * Async-signal-safe, as all here; may change errno.
 *
 * Return: 0 if the call may go on; -EPERM or -ECONNABORTED as smcp_demote().
 */
int smcp_opts_before_set(const struct smcp_policy *policy, int fd, int level,
			 int name, const void *value, socklen_t size);

/*
 * smcp_opts_after_set() - mend a failed setsockopt()
 * @err: its errno, positive; the other arguments as above
 *
 * Return: 0 if it has been done by now; or -errno.
 */
int smcp_opts_after_set(const struct smcp_policy *policy, int fd, int level,
			int name, const void *value, socklen_t size, int err);

/* smcp_opts_note_af_smc() - the program itself has asked for AF_SMC */
void smcp_opts_note_af_smc(void);

/*
 * smcp_opts_after_get() - SO_DOMAIN as TCP has it, unless the program knows better
 * @value, @size: what getsockopt() has returned
 */
void smcp_opts_after_get(const struct smcp_policy *policy, int fd, int level,
			 int name, void *value, const socklen_t *size);

#endif
