// SPDX-License-Identifier: MIT
/*
 * smc_run_core COMMAND [ARG...]: the last step of smc_run.
 * smc_run_core [--OPTION[=VALUE]...] -- [COMMAND [ARG...]]: the same, with the
 * long options of smc_run.
 *
 * The library to preload is that of the build tree this program is in, else the
 * one installed with it.
 *
 * What is wrong in the environment or the rules is reported.  If the dynamic
 * loader cannot bring the library into COMMAND, one line says so.  COMMAND is
 * executed in any case, unless the user wants it strict, and what cannot be read
 * or makes no sense here is left to the kernel without a word.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bpf_side.h"
#include "conf.h"
#include "list.h"
#include "options.h"
#include "preload_list.h"
#include "process.h"
#include "query.h"
#include "smc_uapi.h"
#include "summary.h"
#include "target.h"
#include "util.h"

/* With "strict" each reason to run on TCP is one not to run. */
static bool is_strict, is_refused;

__attribute__((format(printf, 1, 2))) static void on_tcp(const char *format,
							 ...)
{
	char reason[PATH_MAX + 256];
	va_list args;

	va_start(args, format);
	vsnprintf(reason, sizeof(reason), format, args);
	va_end(args);
	is_refused = is_strict;
	if (is_strict)
		dprintf(STDERR_FILENO, "smc_run: refused by --strict: %s\n",
			reason);
	else
		dprintf(STDERR_FILENO, "smc_run: %s, running on TCP\n", reason);
}

/*
 * Report what stands between library and target, and name the library in LD_PRELOAD
 * if the loader can make anything of it.
 */
static void preload(const struct smcp_reach *reach, bool is_usable)
{
	if (reach->obstacle && smcp_bpf_would_be_for(reach))
		on_tcp("%s (smc_run --bpf, as root, is for it)", reach->text);
	else if (reach->obstacle)
		on_tcp("%s", reach->text);
	smcp_preload_set(is_usable ? reach->name : NULL);
}

static bool has_net_admin(void)
{
	struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	return !syscall(SYS_capget, &head, data) &&
	       (data[CAP_TO_INDEX(CAP_NET_ADMIN)].effective &
		CAP_TO_MASK(CAP_NET_ADMIN));
}

/* Return: the number in a file of the kernel's, INT_MAX if there is none. */
static int read_number(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char text[16];
	ssize_t len;

	if (fd < 0)
		return INT_MAX;
	len = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (len <= 0)
		return INT_MAX;
	text[len] = '\0';
	return atoi(text);
}

/* Report a value that is wrong or, without the right to exceed it, too high. */
static void check_size(const char *variable, const char *limit)
{
	const char *value = getenv(variable);
	const char *debug = getenv("SMC_DEBUG");
	char path[64];
	int bytes, max;

	if (!value)
		return;
	if (smcp_conf_parse_size(value, &bytes)) {
		/* Else the library reports it. */
		if (!debug || *debug == '0')
			dprintf(STDERR_FILENO,
				"smc_run: %s='%s' ignored (decimal bytes, k or "
				"m may follow)\n",
				variable, value);
		return;
	}
	snprintf(path, sizeof(path), "/proc/sys/net/core/%s_max", limit);
	max = read_number(path);
	if (bytes > max && !has_net_admin())
		dprintf(STDERR_FILENO,
			"smc_run: %s=%d is above net.core.%s_max (%d) and "
			"will be cut; raise net.core.%s_max, or net.smc.%s "
			"for all SMC sockets\n",
			variable, bytes, limit, max, limit, limit);
}

static void check_family(void)
{
	const char *value = getenv("SMC_SOCK_FAMILY");
	unsigned int families;

	if (!value || !smcp_conf_parse_family(value, &families))
		return;
	dprintf(STDERR_FILENO,
		"smc_run: SMC_SOCK_FAMILY='%s' ignored (inet, smc or auto)\n",
		value);
	setenv("SMC_SOCK_FAMILY", "auto", 1);
}

/* As the library tries them; nothing else is known before it does. */
static void check_kernel(const struct smcp_run_list *list)
{
	static const struct {
		enum smcp_family family;
		int domain;
		int protocol;
	} ways[] = {
		{SMCP_FAMILY_INET, AF_INET, IPPROTO_SMC},
		{SMCP_FAMILY_SMC, AF_SMC, 0},
	};
	unsigned int families = smcp_run_list_families(list);
	size_t i;
	int fd;

	for (i = 0; i < ARRAY_SIZE(ways); i++) {
		if (families && !(families & ways[i].family))
			continue;
		fd = socket(ways[i].domain, SOCK_STREAM | SOCK_CLOEXEC,
			    ways[i].protocol);
		if (fd >= 0) {
			close(fd);
			return;
		}
	}
	on_tcp("no SMC in the kernel: %s (modprobe smc)", strerror(errno));
}

static int wrong_usage(const char *what, const char *word)
{
	dprintf(STDERR_FILENO, "smc_run: %s: unexpected '%s'\n", what, word);
	return 1;
}

/* Hand the list on, with what its names mean now. */
static int export_list(const struct smcp_options *options,
		       const struct smcp_run_list *list)
{
	const char *names = list->loader.parser.names.start;
	int rc;

	if (!list->options)
		return 0; /* there was nothing to load */
	rc = smcp_options_export(options);

	if (!rc && names && setenv("SMC_NAMES", names, 1))
		rc = -ENOMEM;
	if (!names)
		unsetenv("SMC_NAMES");
	return rc;
}

/* Return: the exit status for an error that was printed, but for -ENOMEM. */
static int failed(int rc)
{
	if (rc != -ENOMEM)
		return 1;
	dprintf(STDERR_FILENO, "smc_run: %s\n", strerror(ENOMEM));
	return 125;
}

/* Return: is anything wrong with the list? */
static bool print_errors(const struct smcp_run_list *list)
{
	if (!list->loader.parser.n_errors)
		return false;
	if (!list->shows_all)
		smcp_run_list_print_error(
			list->has_typed_error
				? &list->typed_error
				: &list->loader.parser.first_error);
	return true;
}

static int explain(const struct smcp_options *options,
		   const struct smcp_run_list *list)
{
	static struct smcp_target target;
	static char exe[PATH_MAX];
	struct smcp_subject subject = {exe, geteuid(), getegid()};
	const char *words[3] = {options->explained};
	unsigned int n = options->explained ? 1 : 0, at = 0;
	enum smcp_role role = SMCP_CONNECT;
	unsigned int i;

	for (i = 0; options->rest[i]; i++) {
		if (n == ARRAY_SIZE(words))
			return wrong_usage("--explain", options->rest[i]);
		words[n++] = options->rest[i];
	}
	if (n &&
	    (!strcmp(words[0], "connect") || !strcmp(words[0], "listen"))) {
		role = *words[0] == 'l' ? SMCP_LISTEN : SMCP_CONNECT;
		at++;
	}
	if (n == at) {
		dprintf(STDERR_FILENO,
			"smc_run: --explain: ADDR:PORT is missing\n");
		return 1;
	}
	if (n > at + 2)
		return wrong_usage("--explain", words[at + 2]);
	if (n == at + 2) {
		if (!smcp_target_find(words[at + 1], target.path)) {
			dprintf(STDERR_FILENO, "smc_run: %s: not found\n",
				words[at + 1]);
			return 1;
		}
		smcp_target_inspect(&target);
		if (!realpath(target.path, exe)) {
			dprintf(STDERR_FILENO, "smc_run: %s: %s: %s\n",
				words[at + 1], target.path, strerror(errno));
			return 1;
		}
	}
	return smcp_query_explain(list, role, words[at], &subject);
}

/* The BPF side was asked for, or reaches COMMAND where the library does not. */
static int start_bpf(char **argv, const char *obstacle)
{
	int rc = smcp_bpf_execute(argv, obstacle);

	if (!obstacle)
		dprintf(STDERR_FILENO,
			"smc_run: smc_run_bpf, which --bpf needs: %s\n",
			rc == -ENOENT ? "not built or installed"
				      : strerror(-rc));
	return 125;
}

/* COMMAND was not started if this returns. */
static int start(char **argv, const struct smcp_options *options,
		 const struct smcp_run_list *list, bool is_bad)
{
	static struct smcp_target target;
	static struct smcp_reach reach;
	char **command = options->rest;
	bool is_found, is_usable = false;
	int rc;

	is_found = smcp_target_find(command[0], target.path);
	if (is_found) {
		smcp_target_inspect(&target);
		is_usable = smcp_target_reach(argv[0], &target, &reach);
		if (reach.obstacle && !is_bad && smcp_bpf_is_for(&reach))
			(void)start_bpf(argv, reach.text);
	}
	rc = export_list(options, list);
	if (rc)
		return failed(rc);
	if (is_found)
		preload(&reach, is_usable);
	if (is_strict)
		check_kernel(list);
	if (is_refused)
		return 125;
	return smcp_process_execute(command);
}

/* What LD_PRELOAD is to be for a program that is not known yet */
static int print_env(const char *self, const struct smcp_options *options,
		     const struct smcp_run_list *list)
{
	static struct smcp_target target;
	static struct smcp_reach reach;
	int rc = export_list(options, list);

	if (rc)
		return failed(rc);
	preload(&reach, smcp_target_reach(self, &target, &reach));
	return smcp_query_print_env();
}

static int run(char **argv, const struct smcp_options *options,
	       const struct smcp_run_list *list)
{
	bool is_bad;

	if (options->mode == SMCP_REASON)
		return smcp_query_reason(options->reason);
	is_bad = print_errors(list);
	if (list->has_typed_error)
		return 1;
	if (options->mode == SMCP_LIST_RULES)
		return smcp_query_list_rules(list);
	if (options->mode == SMCP_EXPLAIN)
		return explain(options, list);
	if (options->mode == SMCP_START)
		is_strict = list->loader.list.is_strict;
	if (is_bad)
		on_tcp("bad list");
	check_size("SMC_RCVBUF", "rmem");
	check_size("SMC_SNDBUF", "wmem");
	check_family();
	return options->mode == SMCP_PRINT_ENV
		       ? print_env(argv[0], options, list)
		       : start(argv, options, list, is_bad);
}

/* Are there the arguments that the mode needs? */
static int check_rest(const struct smcp_options *options)
{
	static const char *const modes[] = {
		[SMCP_LIST_RULES] = "--list-rules",
		[SMCP_PRINT_ENV] = "--print-env",
		[SMCP_REASON] = "--reason",
	};
	bool is_start = options->mode == SMCP_START;

	if (is_start && !*options->rest) {
		dprintf(STDERR_FILENO,
			"usage: smc_run_core [--OPTION[=VALUE]... --] COMMAND "
			"[ARG...]\n");
		return -EINVAL;
	}
	if (!is_start && options->mode != SMCP_EXPLAIN && *options->rest) {
		wrong_usage(modes[options->mode], *options->rest);
		return -EINVAL;
	}
	return 0;
}

/* Who waits for COMMAND has to know that there was none. */
static int not_started(char **argv, int status)
{
	struct smcp_summary *page = smcp_summary_map(smcp_options_page(argv));

	if (page)
		smcp_summary_add(&page->is_not_started);
	return status;
}

int main(int argc, char **argv)
{
	static struct smcp_run_list list;
	struct smcp_options options;
	int rc;

	if (!argc)
		return 1;
	rc = smcp_options_parse(argv, &options);
	if (!rc)
		rc = check_rest(&options);
	if (!rc && options.mode == SMCP_START &&
	    (options.is_bpf || smcp_bpf_is_wanted()))
		return not_started(argv, start_bpf(argv, NULL));
	if (!rc && !smcp_run_list_is_empty(&options)) {
		list.shows_all = options.mode == SMCP_LIST_RULES;
		rc = smcp_run_list_load(&list, &options);
	}
	return not_started(argv, rc ? failed(rc) : run(argv, &options, &list));
}
