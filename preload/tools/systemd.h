/* SPDX-License-Identifier: MIT */
#ifndef SMCP_SYSTEMD_H
#define SMCP_SYSTEMD_H

#include "options.h"

/*
 * smcp_systemd() - smc_run --systemd enable|disable|status UNIT
 * @self: argv[0] of this program
 * @options: what is to be put into the unit, the verb, and the unit
 *
 * The environment is used up: it becomes that of the unit.
 *
 * Return: the exit status.
 */
int smcp_systemd(const char *self, const struct smcp_options *options);

#endif
