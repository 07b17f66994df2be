// SPDX-License-Identifier: MIT
/*
 * smc_run_diag [--OPTION[=VALUE]...] --check [--OPTION...] -- [COMMAND|PID|UNIT]
 * smc_run_diag [--OPTION[=VALUE]...] --systemd=VERB -- UNIT
 * smc_run_diag --report[=PID] [--all] [--json] [--] [PID]
 * smc_run_diag --summary [--OPTION[=VALUE]...] -- COMMAND [ARG...]
 *
 * What smc_run asks the kernel for, which takes libraries that the start of a program
 * is not to load.
 */
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bpf_side.h"
#include "check.h"
#include "report.h"
#include "systemd.h"
#include "summarize.h"
#include "util.h"

static int wrong(const char *option, const char *text, const char *what)
{
	dprintf(STDERR_FILENO, "smc_run: %s: '%s' %s\n", option, text, what);
	return 1;
}

/* Return: the process, or -EINVAL. */
static pid_t parse_pid(const char *text)
{
	unsigned long pid;

	errno = 0;
	pid = strtoul(text, NULL, 10);
	if (!*text || text[strspn(text, "0123456789")] || errno || !pid ||
	    pid > INT_MAX)
		return -EINVAL;
	return (pid_t)pid;
}

static bool is_start_option(const char *word)
{
	static const char *const options[] = {
		"--summary", "--strict", "--rule=",
		"--deny=",   "--allow=", "--config=",
	};
	size_t i, size;

	for (i = 0; i < ARRAY_SIZE(options); i++) {
		size = strlen(options[i]);
		if (!strncmp(word, options[i], size) &&
		    (options[i][size - 1] == '=' || !word[size]))
			return true;
	}
	return false;
}

/* Return: 0 if it is to run; the exit status if the options are wrong; -1: no such */
static int check_summary(char **argv)
{
	bool is_summary = false;
	char **arg;

	for (arg = argv + 1; *arg && strcmp(*arg, "--") != 0; arg++)
		is_summary |= !strcmp(*arg, "--summary");
	if (!is_summary)
		return -1;
	for (arg = argv + 1; *arg && strcmp(*arg, "--") != 0; arg++)
		if (!is_start_option(*arg))
			return wrong("--summary", *arg, "is unexpected");
	if (*arg && arg[1])
		return 0;
	dprintf(STDERR_FILENO, "smc_run: --summary: COMMAND is missing\n");
	return 1;
}

static int report(int argc, char **argv)
{
	bool is_all = false, is_json = false;
	pid_t pid = 0;
	int i;

	for (i = 1; i < argc; i++) {
		const char *word = argv[i];

		if (!strcmp(word, "--report") || !strcmp(word, "--"))
			continue;
		if (!strcmp(word, "--json")) {
			is_json = true;
			continue;
		}
		if (!strcmp(word, "--all")) {
			is_all = true;
			continue;
		}
		if (!strncmp(word, "--report=", 9))
			word += 9;
		if (pid || is_all)
			return wrong("--report", word, "is unexpected");
		pid = parse_pid(word);
		if (pid < 0)
			return wrong("--report", word, "is no process id");
	}
	if (pid && is_all)
		return wrong("--report", "--all", "is unexpected");
	return smcp_report(pid, is_json);
}

/* Options may follow what is checked, as they do what is reported. */
static void take_behind(struct smcp_options *options)
{
	char **from = options->rest, **to = options->rest;

	for (; *from; from++) {
		if (!strcmp(*from, "--json"))
			options->is_json = true;
		else if (!strncmp(*from, "--peer=", 7))
			options->peer = *from + 7;
		else if (!strcmp(*from, "--peer") && from[1])
			options->peer = *++from;
		else
			*to++ = *from;
	}
	*to = NULL;
}

static int check_or_enable(char **argv)
{
	static struct smcp_run_list list;
	struct smcp_options options;
	int rc = smcp_options_parse(argv, &options);

	if (rc == -ENOMEM)
		dprintf(STDERR_FILENO, "smc_run: %s\n", strerror(ENOMEM));
	if (rc)
		return 1;
	if (options.mode == SMCP_SYSTEMD)
		return smcp_systemd(argv[0], &options);
	take_behind(&options);
	return smcp_check(argv[0], &options, &list);
}

/* The BPF side counts by itself. */
static int summarize(char **argv)
{
	static const struct smcp_summarized library = {
		.companion = "smc_run_core",
		.has_options = true,
	};
	static struct smcp_target target;
	static struct smcp_reach reach;
	char **command = argv;

	while (strcmp(*command, "--") != 0)
		command++;
	if (smcp_bpf_is_wanted())
		(void)smcp_bpf_execute(argv, NULL);
	else if (smcp_target_find(command[1], target.path)) {
		smcp_target_inspect(&target);
		(void)smcp_target_reach(argv[0], &target, &reach);
		if (smcp_bpf_is_for(&reach))
			(void)smcp_bpf_execute(argv, reach.text);
	}
	return smcp_summarize(argv, &library);
}

int main(int argc, char **argv)
{
	int i, rc;

	for (i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
		if (!strcmp(argv[i], "--check") ||
		    !strncmp(argv[i], "--systemd=", 10))
			return check_or_enable(argv);
	}
	rc = check_summary(argv);
	if (rc < 0)
		return report(argc, argv);
	return rc ?: summarize(argv);
}
