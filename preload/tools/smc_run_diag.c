// SPDX-License-Identifier: MIT
/*
 * smc_run_diag [--OPTION[=VALUE]...] --check [--OPTION...] -- [COMMAND|PID]
 * smc_run_diag --report[=PID] [--all] [--json] [--] [PID]: what smc_run asks the
 * kernel for, which takes libraries that the start of a program is not to load.
 */
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "report.h"

static int wrong(const char *text, const char *what)
{
	dprintf(STDERR_FILENO, "smc_run: --report: '%s' %s\n", text, what);
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
			return wrong(word, "is unexpected");
		pid = parse_pid(word);
		if (pid < 0)
			return wrong(word, "is no process id");
	}
	if (pid && is_all)
		return wrong("--all", "is unexpected");
	return smcp_report(pid, is_json);
}

static int check(char **argv)
{
	static struct smcp_run_list list;
	struct smcp_options options;
	int rc = smcp_options_parse(argv, &options);

	if (rc == -ENOMEM)
		dprintf(STDERR_FILENO, "smc_run: %s\n", strerror(ENOMEM));
	return rc ? 1 : smcp_check(argv[0], &options, &list);
}

int main(int argc, char **argv)
{
	int i;

	for (i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
		if (!strcmp(argv[i], "--check"))
			return check(argv);
	}
	return report(argc, argv);
}
