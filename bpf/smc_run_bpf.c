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
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cgroup.h"
#include "keeper.h"
#include "kernel.h"
#include "list.h"
#include "options.h"
#include "preload_list.h"
#include "process.h"
#include "smc_uapi.h"
#include "summarize.h"
#include "summary.h"
#include "table.h"
#include "target.h"
#include "util.h"

/* As this program has no hold on its counts when it needs them, these are kept. */
static const struct smcb_counts *counts;
static const struct smcb_entry *entries;
static unsigned int n_entries;

__attribute__((format(printf, 1, 2))) static int refuse(const char *format, ...)
{
	char text[PATH_MAX + 256];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	dprintf(STDERR_FILENO, "smc_run: %s\n", text);
	return 125;
}

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
 * The rules
 */
static int mixed(const struct smcp_list *list, int rule, const char *subject)
{
	if (rule < 0)
		return refuse("--bpf decides per process, but %s is mixed",
			      subject);
	return refuse("--bpf decides per process, but %s is mixed (first "
		      "cause: %s:%u)",
		      subject, list->rules[rule].origin,
		      list->rules[rule].line);
}

/* COMMAND's sockets have to be all of one kind; programs it starts may be others. */
static int check_scope(const struct smcp_list *list, const char *command)
{
	static const int families[] = {AF_INET, AF_INET6};
	static struct smcp_target target;
	static char exe[PATH_MAX];
	struct smcp_subject subject = {exe, geteuid(), getegid()};
	struct smcp_rules *rules;
	void *memory;
	size_t i;
	int rc = 0;

	if (smcp_target_find(command, target.path)) {
		smcp_target_inspect(&target);
		if (!realpath(target.path, exe))
			*exe = '\0';
	}
	memory = calloc(1, smcp_rules_size(list));
	if (!memory)
		return refuse("%s", strerror(ENOMEM));
	rules = smcp_rules_compile(list, &subject, memory);
	for (i = 0; i < ARRAY_SIZE(families) && !rc; i++)
		if (smcp_rules_scope(rules, families[i]) == SMCP_MIXED)
			rc = mixed(list,
				   smcb_find_cause(list, &subject, families[i]),
				   i ? "AF_INET6" : "AF_INET");
	free(memory);
	return rc;
}

/* Return: 0, or the exit status after something was printed. */
static int make_table(const struct smcp_run_list *run_list,
		      struct smcb_table *table)
{
	/* Without a list: SMC. */
	struct smcp_list list = {.otherwise = SMCP_SMC};
	struct smcb_refusal refusal;

	if (run_list->options) {
		list = run_list->loader.list;
		list.is_strict = false;
	}
	if (smcb_table_make(&list, table, &refusal))
		return refuse("%s:%u: %s", list.rules[refusal.rule].origin,
			      list.rules[refusal.rule].line, refusal.text);
	return 0;
}

/*
 * COMMAND
 */
static void fill(struct smcp_summary *page)
{
	unsigned int i, n = 0;
	uint64_t k;

	atomic_store(&page->programs, 1);
	atomic_store(&page->sockets, (unsigned int)counts->sockets);
	for (i = 0; i < n_entries; i++) {
		if (!entries[i].count)
			continue;
		if (n == SMCP_SUMMARY_RULES - 1) {
			atomic_fetch_add(&page->by_others,
					 (unsigned int)entries[i].count);
			continue;
		}
		memcpy(page->rules[n].text, entries[i].place,
		       sizeof(entries[i].place));
		atomic_store(&page->rules[n].count,
			     (unsigned int)entries[i].count);
		atomic_store(&page->rules[n++].state, SMCP_SUMMARY_READY);
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
static int enter(const struct smcb_table *table, char error[SMCB_ERROR])
{
	struct smcb_cgroup cgroup;
	struct smcb_kernel *kernel = smcb_kernel_load(table, error);
	int rc;

	if (!kernel)
		return -EINVAL;
	rc = smcb_cgroup_make(&cgroup, error);
	if (rc)
		return rc;
	rc = smcb_kernel_add_cgroup(kernel, &cgroup);
	if (rc)
		snprintf(error, SMCB_ERROR, "%s", strerror(-rc));
	else
		rc = smcb_kernel_attach(kernel, error);
	if (!rc) {
		rc = smcb_keeper_start(&cgroup, smcb_kernel_link(kernel));
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

static bool is_enforcing(void)
{
	int fd = open("/sys/fs/selinux/enforce", O_RDONLY | O_CLOEXEC);
	char byte = '0';

	if (fd < 0)
		return false;
	(void)!read(fd, &byte, 1);
	close(fd);
	return byte == '1';
}

/* Loads the module if nobody has: the program in the kernel does not. */
static bool has_smc(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_SMC);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static bool is_set(const char *variable)
{
	const char *value = getenv(variable);

	return value && *value;
}

/* What cannot be had here, though the library has it */
static int check_environment(void)
{
	const char *family = getenv("SMC_SOCK_FAMILY");

	if (family && !strcmp(family, "smc")) {
		dprintf(STDERR_FILENO, "smc_run: --bpf makes sockets of "
				       "IPPROTO_SMC, not of -f smc\n");
		return 1;
	}
	if (is_set("SMC_RCVBUF") || is_set("SMC_SNDBUF"))
		dprintf(STDERR_FILENO,
			"smc_run: --bpf does not set the size of buffers (-r, "
			"-t); net.smc.rmem and net.smc.wmem are for all\n");
	return 0;
}

/* Why it cannot be.  The user asked for it, or COMMAND would be better off. */
static int cannot(char **argv, const struct smcp_options *options,
		  bool is_strict, const char *why)
{
	if (!options->obstacle)
		return refuse("--bpf: %s", why);
	if (is_strict)
		return refuse("refused by --strict: %s; --bpf: %s",
			      options->obstacle, why);
	(void)refuse("%s; --bpf: %s, running on TCP", options->obstacle, why);
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
	char error[SMCB_ERROR];
	int status;

	status = check_environment();
	if (!status && list->options)
		status = check_scope(&list->loader.list, options->rest[0]);
	if (!status)
		status = make_table(list, &table);
	if (status)
		return status;
	if (is_enforcing())
		return cannot(argv, options, is_strict,
			      "SELinux is enforcing, and may forbid these "
			      "sockets to programs that do not expect it");
	if (!has_smc()) {
		if (is_strict)
			return refuse("refused by --strict: no SMC in the "
				      "kernel: %s (modprobe smc)",
				      strerror(errno));
		(void)refuse("no SMC in the kernel: %s (modprobe smc), running "
			     "on TCP",
			     strerror(errno));
	}
	if (enter(&table, error))
		return cannot(argv, options, is_strict, error);
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
		return refuse("refused by --strict: bad list");
	(void)refuse("bad list, running on TCP");
	smcp_preload_set(NULL);
	return execute(argv, options);
}

int main(int argc, char **argv)
{
	static struct smcp_run_list list;
	struct smcp_options options;
	int rc;

	if (!argc)
		return 1;
	rc = smcp_options_parse(argv, &options);
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
		return refuse("%s", strerror(ENOMEM));
	if (rc)
		return 1;
	rc = judge_list(argv, &options, &list);
	return rc < 0 ? run(argv, &options, &list) : rc;
}
