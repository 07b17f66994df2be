/* SPDX-License-Identifier: MIT */
#ifndef SMCP_INIT_H
#define SMCP_INIT_H

#include "policy.h"

/*
 * smcp_init_policy() - the policy of this process
 *
 * The constructor of the library makes it; so does any call that comes
 * before.  Nobody waits: threads that arrive together each make a policy and
 * the first one done is kept.  A call from within the making, which is a
 * signal handler or an interposer below dlsym(), gets a policy that leaves
 * every socket alone and bypasses libc, as does everybody while memory lacks.
 *
 * Once the policy is published this is a load and a test.  Before, it may
 * change errno.
 *
 * Return: never NULL; never to be freed.
 */
const struct smcp_policy *smcp_init_policy(void);

#endif
