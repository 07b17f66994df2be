/* SPDX-License-Identifier: MIT */
#ifndef SMCP_ENVFILE_H
#define SMCP_ENVFILE_H

#include "unit.h"

/*
 * smcp_envfile_fn - what is called for each variable of a file
 * @path: of the file
 * @name, @value: of the variable, until the call returns; or, if the file cannot be
 *	read although systemd insists on it, NULL and why
 */
typedef void smcp_envfile_fn(void *arg, const char *path, const char *name,
			     const char *value);

/*
 * smcp_envfile_each() - read what EnvironmentFile= names as systemd does
 * @unit: the unit, loaded
 * @seen: called in order: of two values the later counts
 * @arg: for @seen
 *
 * Source: systemd.exec(5).
 */
void smcp_envfile_each(const struct smcp_unit *unit, smcp_envfile_fn *seen,
		       void *arg);

#endif
