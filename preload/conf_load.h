/* SPDX-License-Identifier: MIT */
#ifndef SMCP_CONF_LOAD_H
#define SMCP_CONF_LOAD_H

#include <limits.h>
#include <stdbool.h>

#include "conf.h"

#define SMCP_MAX_FILES 64 /* in conf.d */

/* One text and where it is from: "SMC_DENY", "--deny[1]". */
struct smcp_input {
	const char *origin;
	const char *text;
};

/* What a list is made from besides files.  Unset is NULL; empty is unset. */
struct smcp_inputs {
	const char *exclude; /* SMC_EXCLUDE */
	const char *progs; /* SMC_PROGS */
	const struct smcp_input *denies; /* in order */
	const struct smcp_input *rules;
	const struct smcp_input *allows;
	unsigned int n_denies;
	unsigned int n_rules;
	unsigned int n_allows;
	struct smcp_input config; /* an absolute path or "none" */
	const char *strict; /* SMC_STRICT */
	const char *names; /* SMC_NAMES */
	const char *xdg_config_home;
	const char *home;
	const char *etc; /* instead of /etc/smc; for tests */
	/* A privileged program: files of root's alone, no links */
	bool is_secure;
};

/* What was loaded is good until it is freed. */
struct smcp_loader {
	struct smcp_parser parser;
	struct smcp_list list;
	const struct smcp_inputs *inputs;
	struct smcp_memory
		*memory; /* NULL as long as there was nothing to read */
	bool lacks_memory;
};

/*
 * smcp_conf_load() - make the list from all its sources, in their order
 * @loader: @loader->parser.report, .arg and .find are to be set, or NULL; the
 *	rest is overwritten
 * @inputs: what there is besides files; stays as long as the list
 *
 * The list is bad, and means TCP for everything, if @loader->parser.n_errors is
 * not 0 afterwards; each error was reported.  @loader->list.otherwise and
 * is_strict are set from settings and inputs; "default" is SMC if nobody says so.
 * Opens files; may allocate.
 *
 * Return: 0; -ENOMEM, with nothing loaded.
 */
int smcp_conf_load(struct smcp_loader *loader,
		   const struct smcp_inputs *inputs);

/* smcp_conf_unload() - give the memory back; the list is gone */
void smcp_conf_unload(struct smcp_loader *loader);

#endif
