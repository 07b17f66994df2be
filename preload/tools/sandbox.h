/* SPDX-License-Identifier: MIT */
#ifndef SMCP_SANDBOX_H
#define SMCP_SANDBOX_H

#include "unit.h"

/*
 * smcp_sandbox_warn() - print what in a unit stands between it and SMC
 * @unit: the unit, loaded
 * @library: how LD_PRELOAD names the library
 */
void smcp_sandbox_warn(struct smcp_unit *unit, const char *library);

/* smcp_sandbox_has_user() - is its program executed by another user than root? */
bool smcp_sandbox_has_user(const struct smcp_unit *unit);

#endif
