/* SPDX-License-Identifier: MIT */
#ifndef SMCB_CHECK_RULES_H
#define SMCB_CHECK_RULES_H

#include <stdbool.h>

#include "cgroup.h"
#include "list.h"
#include "table.h"

/*
 * What smc_run --bpf cannot do, and says so.
 */

/* smcb_refuse() - print a reason.  Return: 125. */
__attribute__((format(printf, 1, 2))) int smcb_refuse(const char *format, ...);

/*
 * smcb_rules_table() - the table of a list, which may not have been loaded
 *
 * Return: 0, or the exit status after something was printed.
 */
int smcb_rules_table(const struct smcp_run_list *run_list,
		     struct smcb_table *ret_table);

/*
 * smcb_rules_mixed() - print that sockets of both kinds are not possible
 * @rule: the cause, in the list; -1: not known
 * @subject: what is mixed
 *
 * Return: the exit status.
 */
int smcb_rules_mixed(const struct smcp_run_list *run_list, int rule,
		     const char *subject);

/*
 * smcb_rules_scope() - are COMMAND's sockets all of one kind?
 * @command: its name
 *
 * Programs it starts may be others.
 *
 * Return: 0, or the exit status after something was printed.
 */
int smcb_rules_scope(const struct smcp_run_list *run_list, const char *command);

/*
 * smcb_rules_environment() - are there choices that are for the library alone?
 *
 * Return: 0, maybe after a warning; or the exit status after something was printed.
 */
int smcb_rules_environment(void);

/* smcb_rules_obstacle() - would it do harm here?  @ret_why: then, why */
bool smcb_rules_obstacle(char ret_why[SMCB_ERROR]);

/*
 * smcb_rules_probe() - does the kernel have SMC?
 *
 * Its module is loaded if nobody has: the program in the kernel does not do that.
 *
 * Return: 0; -errno.
 */
int smcb_rules_probe(void);

#endif
