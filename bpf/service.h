/* SPDX-License-Identifier: MIT */
#ifndef SMCB_SERVICE_H
#define SMCB_SERVICE_H

#include "list.h"
#include "options.h"

/*
 * smcb_service() - smc_run --bpf=VERB: for processes that run already
 * @options: VERB and what it is for
 * @list: the rules, for verbs that take them
 *
 * What is attached stays, pinned in a BPF file system where only root may look,
 * until it is switched off.
 *
 * Return: the exit status.
 */
int smcb_service(const struct smcp_options *options,
		 const struct smcp_run_list *list);

/* smcb_service_needs_rules() - does the verb read the list? */
bool smcb_service_needs_rules(const char *verb);

#endif
