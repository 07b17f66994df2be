// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check_rules.h"
#include "smc_uapi.h"
#include "target.h"
#include "util.h"

int smcb_refuse(const char *format, ...)
{
	char text[PATH_MAX + 256];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	dprintf(STDERR_FILENO, "smc_run: %s\n", text);
	return 125;
}

int smcb_rules_mixed(const struct smcp_run_list *run_list, int rule,
		     const char *subject)
{
	const struct smcp_list *list = &run_list->loader.list;

	if (rule < 0)
		return smcb_refuse("--bpf decides per process, but %s is mixed",
				   subject);
	return smcb_refuse("--bpf decides per process, but %s is mixed (first "
			   "cause: %s:%u)",
			   subject, list->rules[rule].origin,
			   list->rules[rule].line);
}

int smcb_rules_scope(const struct smcp_run_list *run_list, const char *command)
{
	struct smcp_list list = run_list->loader.list;
	static const int families[] = {AF_INET, AF_INET6};
	static struct smcp_target target;
	static char exe[PATH_MAX];
	struct smcp_subject subject = {exe, geteuid(), getegid()};
	struct smcp_rules *rules;
	void *memory;
	size_t i;
	int rc = 0;

	if (!run_list->options)
		return 0; /* there was nothing to load */
	list.is_strict = false;
	if (smcp_target_find(command, target.path)) {
		smcp_target_inspect(&target);
		if (!realpath(target.path, exe))
			*exe = '\0';
	}
	memory = calloc(1, smcp_rules_size(&list));
	if (!memory)
		return smcb_refuse("%s", strerror(ENOMEM));
	rules = smcp_rules_compile(&list, &subject, memory);
	for (i = 0; i < ARRAY_SIZE(families) && !rc; i++)
		if (smcp_rules_scope(rules, families[i]) == SMCP_MIXED)
			rc = smcb_rules_mixed(run_list,
					      smcb_find_cause(&list, &subject,
							      families[i]),
					      i ? "AF_INET6" : "AF_INET");
	free(memory);
	return rc;
}

int smcb_rules_table(const struct smcp_run_list *run_list,
		     struct smcb_table *ret_table)
{
	/* Without a list: SMC. */
	struct smcp_list list = {.otherwise = SMCP_SMC};
	struct smcb_refusal refusal;

	if (run_list->options) {
		list = run_list->loader.list;
		list.is_strict = false;
	}
	if (smcb_table_make(&list, ret_table, &refusal))
		return smcb_refuse("%s:%u: %s", list.rules[refusal.rule].origin,
				   list.rules[refusal.rule].line, refusal.text);
	return 0;
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

bool smcb_rules_obstacle(char ret_why[SMCB_ERROR])
{
	if (!is_enforcing())
		return false;
	snprintf(ret_why, SMCB_ERROR,
		 "SELinux is enforcing, and may forbid these sockets to "
		 "programs that do not expect it");
	return true;
}

static bool is_set(const char *variable)
{
	const char *value = getenv(variable);

	return value && *value;
}

int smcb_rules_environment(void)
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

int smcb_rules_probe(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_SMC);

	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}
