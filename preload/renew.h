/* SPDX-License-Identifier: MIT */
#ifndef SMCP_RENEW_H
#define SMCP_RENEW_H

#include "policy.h"

/*
 * What a stock kernel made TCP from SMC cannot listen: its wake-ups go through the
 * SMC socket, and those of accepted sockets, which inherit that, go nowhere.
 */

/*
 * smcp_renew_is_needed() - is it such a socket?  demote.c leaves a note on them.
 *
 * Async-signal-safe, as all here; may change errno.
 */
bool smcp_renew_is_needed(const struct smcp_policy *policy, int fd);

/*
 * smcp_renew() - put a new TCP socket in the place of one that was made TCP
 * @policy: the policy
 * @fd: the socket, neither connected nor listening
 * @ret_reuse: SO_REUSEADDR as it was; it is 1 until smcp_renew_finish(), so that
 *	both sockets can have the same port
 *
 * The new one has the same options, flags and address.  Duplicates of @fd, in other
 * processes, too, and registrations with epoll stay with the old one.
 *
 * Return: 0; or -errno, nothing has changed: of socket() or bind(), or -EPERM if
 * a mark or device cannot be set.
 */
int smcp_renew(const struct smcp_policy *policy, int fd, int *ret_reuse);

/* smcp_renew_finish() - after listen() */
void smcp_renew_finish(const struct smcp_policy *policy, int fd, int reuse);

#endif
