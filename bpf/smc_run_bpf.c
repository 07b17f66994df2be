// SPDX-License-Identifier: MIT
/*
 * smc_run_bpf --bpf [--OPTION[=VALUE]...] -- COMMAND [ARG...]
 *
 * smc_run for programs that the library does not reach: the kernel makes their TCP
 * sockets SMC sockets.  COMMAND is executed in a cgroup of its own; a keeper beside
 * it holds what does that and cleans up.
 *
 * smc_run_bpf --bpf-for=OBSTACLE ... the same, because OBSTACLE stands between the
 * library and COMMAND; if it cannot be, COMMAND is executed on TCP.
 *
 * smc_run.bpf ...: a link; see alias.c.
 *
 * smc_run_bpf --bpf=VERB [--OPTION[=VALUE]...] -- [KIND NAME...]: see service.c.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "alias.h"
#include "cgroup.h"
#include "check_rules.h"
#include "keeper.h"
#include "kernel.h"
#include "list.h"
#include "options.h"
#include "preload_list.h"
#include "process.h"
#include "service.h"
#include "summarize.h"
#include "summary.h"
#include "table.h"
#include "target.h"

/* As this program has no hold on its counts when it needs them, these are kept. */
static const struct smcb_counts *counts;
static const struct smcb_entry *entries;
static unsigned int n_entries;

static int execute(char **argv, const struct smcp_options *options)
{
	struct smcp_summary *page = smcp_summary_map(smcp_options_page(argv));
	int status = smcp_process_execute(options->rest);

	/* Who waits for COMMAND has to know that there was none. */
	if (page)
		smcp_summary_add(&page->is_not_started);
	return status;
}

/*
 * COMMAND
 */
static void fill(struct smcp_summary *page)
{
	unsigned int i, n = 0, count = 0;
	uint64_t k;

	atomic_store(&page->programs, 1);
	atomic_store(&page->sockets, (unsigned int)counts->sockets);
	for (i = 0; i < n_entries; i++) {
		/* A rule has many entries, in a row. */
		count += entries[i].count;
		if (!count || (i + 1 < n_entries &&
			       !strcmp(entries[i].place, entries[i + 1].place)))
			continue;
		if (n == SMCP_SUMMARY_RULES - 1) {
			atomic_fetch_add(&page->by_others, count);
		} else {
			memcpy(page->rules[n].text, entries[i].place,
			       sizeof(entries[i].place));
			atomic_store(&page->rules[n].count, count);
			atomic_store(&page->rules[n++].state,
				     SMCP_SUMMARY_READY);
		}
		count = 0;
	}
	if (counts->mixed) {
		strcpy(page->rules[n].text, "rules that ask for addresses");
		atomic_store(&page->rules[n].count,
			     (unsigned int)counts->mixed);
		atomic_store(&page->rules[n].state, SMCP_SUMMARY_READY);
	}
	for (k = 0; k < counts->absent; k++)
		smcp_summary_absent(page, EPROTONOSUPPORT);
}

/* From here on sockets of this process are judged. */
static int enter(struct smcb_kernel *kernel, const struct smcb_table *table,
		 char error[SMCB_ERROR])
{
	struct smcb_cgroup cgroup;
	int links[2], rc;

	rc = smcb_cgroup_make(&cgroup, error);
	if (rc)
		return rc;
	rc = smcb_kernel_set_cgroup(kernel, &cgroup);
	if (rc)
		snprintf(error, SMCB_ERROR, "%s", strerror(-rc));
	else
		rc = smcb_kernel_attach(kernel, error);
	if (!rc) {
		smcb_kernel_links(kernel, links);
		rc = smcb_keeper_start(&cgroup, links);
		if (rc)
			snprintf(error, SMCB_ERROR, "%s", strerror(-rc));
	}
	if (rc) {
		smcb_cgroup_remove(&cgroup);
		return rc;
	}
	counts = smcb_kernel_counts(kernel);
	entries = smcb_kernel_entries(kernel);
	n_entries = table->n;
	rc = smcb_cgroup_join(&cgroup);
	if (rc) /* the keeper removes it */
		snprintf(error, SMCB_ERROR, "%s: %s", cgroup.path,
			 strerror(-rc));
	return rc;
}

/* Why it cannot be.  The user asked for it, or COMMAND would be better off. */
static int cannot(char **argv, const struct smcp_options *options,
		  bool is_strict, const char *why)
{
	if (!options->obstacle)
		return smcb_refuse("--bpf: %s", why);
	if (is_strict)
		return smcb_refuse("refused by --strict: %s; --bpf: %s",
				   options->obstacle, why);
	(void)smcb_refuse("%s; --bpf: %s, running on TCP", options->obstacle,
			  why);
	return execute(argv, options);
}

static int run(char **argv, const struct smcp_options *options,
	       const struct smcp_run_list *list)
{
	static const struct smcp_summarized how = {
		.companion = "smc_run_bpf",
		.fill = fill,
	};
	bool is_strict = options->is_strict || list->loader.list.is_strict;
	static struct smcb_table table;
	struct smcb_kernel *kernel;
	char error[SMCB_ERROR];
	int status, rc;

	status = smcb_rules_environment();
	if (!status)
		status = smcb_rules_table(list, &table);
	if (status && options->obstacle)
		return cannot(argv, options, is_strict, "not with this");
	if (status)
		return status;
	if (smcb_rules_obstacle(error))
		return cannot(argv, options, is_strict, error);
	rc = smcb_rules_probe();
	if (rc && is_strict)
		return smcb_refuse("refused by --strict: no SMC in the kernel: "
				   "%s (modprobe smc)",
				   strerror(-rc));
	kernel = smcb_kernel_load(&table, false, error);
	if (!kernel)
		return cannot(argv, options, is_strict, error);
	if (!smcb_kernel_has_choice(kernel))
		status = smcb_rules_scope(list, options->rest[0]);
	if (status && options->obstacle)
		return cannot(argv, options, is_strict, "not with this");
	if (status)
		return status;
	if (enter(kernel, &table, error))
		return cannot(argv, options, is_strict, error);
	if (rc)
		(void)smcb_refuse("no SMC in the kernel: %s (modprobe smc), "
				  "running on TCP",
				  strerror(-rc));
	smcp_preload_set(NULL);
	return options->is_summary ? smcp_summarize(argv, &how)
				   : execute(argv, options);
}

/* Return: -1: go on; or the exit status. */
static int judge_list(char **argv, const struct smcp_options *options,
		      const struct smcp_run_list *list)
{
	if (!list->options || !list->loader.parser.n_errors)
		return -1;
	smcp_run_list_print_error(list->has_typed_error
					  ? &list->typed_error
					  : &list->loader.parser.first_error);
	if (list->has_typed_error)
		return 1;
	if (list->loader.list.is_strict)
		return smcb_refuse("refused by --strict: bad list");
	(void)smcb_refuse("bad list, running on TCP");
	smcp_preload_set(NULL);
	return execute(argv, options);
}

static int serve(const struct smcp_options *options, struct smcp_run_list *list)
{
	if (!smcb_service_needs_rules(options->bpf_verb) ||
	    smcp_run_list_is_empty(options))
		return smcb_service(options, list);
	list->shows_all = true;
	if (smcp_run_list_load(list, options))
		return smcb_refuse("%s", strerror(ENOMEM));
	if (list->has_typed_error)
		return 1;
	return list->loader.parser.n_errors ? 12 : smcb_service(options, list);
}

int main(int argc, char **argv)
{
	static struct smcp_run_list list;
	struct smcp_options options;
	int rc;

	if (!argc)
		return 1;
	if (!strcmp(smcp_base_name(argv[0]), "smc_run.bpf")) {
		rc = smcb_alias(argv, &argv);
		if (!argv)
			return rc;
	}
	rc = smcp_options_parse(argv, &options);
	if (!rc && options.mode == SMCP_BPF)
		return serve(&options, &list);
	if (!rc && (options.mode != SMCP_START || !*options.rest)) {
		dprintf(STDERR_FILENO,
			"usage: smc_run_bpf --bpf [--OPTION[=VALUE]...] -- "
			"COMMAND [ARG...]\n");
		rc = -EINVAL;
	}
	if (!rc && !options.is_bpf)
		return execute(argv, &options); /* below smcp_summarize() */
	if (!rc && !smcp_run_list_is_empty(&options))
		rc = smcp_run_list_load(&list, &options);
	if (rc == -ENOMEM)
		return smcb_refuse("%s", strerror(ENOMEM));
	if (rc)
		return 1;
	rc = judge_list(argv, &options, &list);
	return rc < 0 ? run(argv, &options, &list) : rc;
}
