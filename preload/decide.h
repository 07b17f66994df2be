/* SPDX-License-Identifier: MIT */
#ifndef SMCP_DECIDE_H
#define SMCP_DECIDE_H

#include "policy.h"

/*
 * smcp_decide_connect() - what the rules say of a connection to be made
 * @policy: the policy
 * @fd, @addr, @size: as connect() has them; what is no IP address is let pass
 *
 * The socket is made TCP if that is the verdict.  Async-signal-safe; may change
 * errno.
 *
 * Return: 0 if the call may go on; or -errno for it: -EPERM if the socket has to
 * be TCP and cannot; -ECONNABORTED if it would be reset as TCP;
 * -EPROTONOSUPPORT if SMC is required and the socket is TCP.
 */
int smcp_decide_connect(const struct smcp_policy *policy, int fd,
			const struct sockaddr *addr, socklen_t size);

/* smcp_decide_listen() - the same for listen(), by the socket's own address */
int smcp_decide_listen(const struct smcp_policy *policy, int fd);

#endif
