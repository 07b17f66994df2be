/* SPDX-License-Identifier: MIT */
#ifndef SMCP_QUERY_H
#define SMCP_QUERY_H

#include "list.h"

/*
 * Results go to stdout.  Each returns the exit status of smc_run; the list, of
 * those that want one, was loaded, and errors in it were printed.
 */

/* smcp_query_list_rules() - print the list in its order, with what names mean */
int smcp_query_list_rules(const struct smcp_run_list *run_list);

/*
 * smcp_query_explain() - print which rule decides
 * @list: the list
 * @role: what the socket is about to do
 * @text: ADDR:PORT as it was typed
 * @subject: the process; the path is "" if no program was named
 */
int smcp_query_explain(const struct smcp_run_list *list, enum smcp_role role,
		       const char *text, const struct smcp_subject *subject);

/*
 * smcp_query_reason() - print what a reason for TCP means, and what helps
 * @text: the code of a CLC DECLINE as it was typed, decimal or hexadecimal
 */
int smcp_query_reason(const char *text);

/* smcp_query_print_env() - print the variables as export commands for sh */
int smcp_query_print_env(void);

#endif
