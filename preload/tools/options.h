/* SPDX-License-Identifier: MIT */
#ifndef SMCP_OPTIONS_H
#define SMCP_OPTIONS_H

#include <stdbool.h>

#include "conf_load.h"

enum smcp_mode {
	SMCP_START,
	SMCP_LIST_RULES,
	SMCP_EXPLAIN,
	SMCP_PRINT_ENV,
	SMCP_REASON,
	SMCP_SYSTEMD,
	SMCP_CHECK, /* smc_run_diag's */
	SMCP_BPF, /* smc_run_bpf's */
};

enum smcp_repeated { SMCP_DENY, SMCP_RULE, SMCP_ALLOW, SMCP_N_REPEATED };

/* An option that may repeat; there is room for one more. */
struct smcp_inputs_of {
	struct smcp_input *inputs;
	unsigned int n;
};

/* What smc_run was told by long options, and the rest of its arguments. */
struct smcp_options {
	enum smcp_mode mode;
	bool is_strict;
	bool has_list; /* something about rules */
	struct smcp_inputs_of repeated[SMCP_N_REPEATED];
	const char *config; /* an absolute path or "none"; NULL: not given */
	const char *explained; /* the value of --explain=VALUE, or NULL */
	const char *reason; /* that of --reason=VALUE */
	const char *verb; /* that of --systemd=VERB */
	bool is_user; /* --user: a unit of the user's own systemd */
	const char *given; /* letters of short options, if that matters */
	const char *peer; /* that of --peer=VALUE, or NULL */
	bool is_json;
	bool is_summary;
	bool is_bpf; /* --bpf */
	const char *bpf_verb; /* that of --bpf=VERB, or NULL */
	const char *obstacle; /* why the library cannot be used, or NULL */
	char **rest; /* COMMAND, or what a query is about; ends with NULL */
};

/*
 * smcp_options_parse() - read the arguments that the script hands on
 * @argv: as of main(): [--OPTION[=VALUE]...] -- REST, or REST alone, which does
 *	not begin with a hyphen then
 * @ret_options: what they say
 *
 * What is wrong is printed.
 *
 * Return: 0; -EINVAL; -ENOMEM.
 */
int smcp_options_parse(char **argv, struct smcp_options *ret_options);

/*
 * smcp_options_page() - the descriptor at which smc_run --summary counts
 * @argv: as of main()
 *
 * Known before anything can be wrong: smc_run_diag puts it first.
 *
 * Return: its number as text, for smcp_summary_map(), or NULL.
 */
const char *smcp_options_page(char **argv);

/*
 * smcp_options_export() - set the variables by which options reach the library
 * @options: the options
 *
 * A list in a variable is continued by what was in it.  What is wrong is printed.
 *
 * Return: 0; -EINVAL; -ENOMEM.
 */
int smcp_options_export(const struct smcp_options *options);

/* smcp_option_variable() - the variable of an option that may repeat */
const char *smcp_option_variable(enum smcp_repeated which);

#endif
