/* SPDX-License-Identifier: MIT */
#ifndef SMCP_CHECK_H
#define SMCP_CHECK_H

#include "list.h"

/*
 * smcp_check() - smc_run --check: would a program use SMC, and if not, why?
 * @self: the path of this program
 * @options: .rest is what to look at, a command, the id of a process, or a unit;
 *	nothing: the machine alone
 * @list: memory for the rules
 *
 * What was found goes to stdout, errors of use to stderr.  This
 * process takes over the environment of SMC of the process or unit, and its network
 * namespace.
 *
 * Return: the exit status.
 */
int smcp_check(const char *self, const struct smcp_options *options,
	       struct smcp_run_list *list);

#endif
