/* SPDX-License-Identifier: MIT */
#ifndef SMCP_SANDBOX_H
#define SMCP_SANDBOX_H

#include "unit.h"

/* smcp_tell - what is called for a thing that was found; @cure may be NULL */
typedef void smcp_tell(const struct smcp_unit *unit, const char *text,
		       const char *cure);

/*
 * smcp_sandbox_check() - find what in a unit stands between its program and SMC
 * @unit: the unit, loaded
 * @library: how LD_PRELOAD names the library
 */
void smcp_sandbox_check(const struct smcp_unit *unit, const char *library,
			smcp_tell *tell);

/*
 * smcp_sandbox_check_others() - find who else opens its sockets and sets its
 * environment
 * @unit: the unit, loaded
 */
void smcp_sandbox_check_others(struct smcp_unit *unit, smcp_tell *tell);

/* smcp_sandbox_has_user() - is its program executed by another user than root? */
bool smcp_sandbox_has_user(const struct smcp_unit *unit);

#endif
