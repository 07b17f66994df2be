/* SPDX-License-Identifier: MIT */
#ifndef SMCP_LIST_H
#define SMCP_LIST_H

#include "conf_load.h"
#include "options.h"

/* The list as the library will read it, and what is wrong with it. */
struct smcp_run_list {
	struct smcp_loader loader;
	struct smcp_inputs inputs;
	const struct smcp_options *options;
	bool shows_all; /* print each error when it is found */
	bool has_typed_error; /* in what was typed for this run */
	struct smcp_error typed_error; /* the first of those */
};

/*
 * smcp_run_list_is_empty() - is there surely nothing to load?
 * @options: the options
 *
 * Every start of a program pays for this, and most need no more.
 */
bool smcp_run_list_is_empty(const struct smcp_options *options);

/*
 * smcp_run_list_load() - load the list; before smcp_options_export()
 * @list: .shows_all is to be set; the rest is overwritten; stays until exec
 * @options: the options
 *
 * Return: 0; -ENOMEM, with nothing loaded.
 */
int smcp_run_list_load(struct smcp_run_list *list,
		       const struct smcp_options *options);

/*
 * smcp_run_list_families() - which kinds of SMC sockets the library would try
 *
 * Return: of enum smcp_family, as the list and SMC_SOCK_FAMILY say; 0: all
 */
unsigned int smcp_run_list_families(const struct smcp_run_list *list);

/* smcp_run_list_print_error() - "smc_run: ORIGIN:LINE:COLUMN: TEXT" */
void smcp_run_list_print_error(const struct smcp_error *error);

#endif
