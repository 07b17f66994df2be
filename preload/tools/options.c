// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "options.h"

/* A rule may end with a comment, so only a newline surely ends it. */
static const struct {
	const char *option;
	const char *variable;
	const char *separator;
	size_t max;
} repeated[] = {
	[SMCP_DENY] = {"--deny", "SMC_DENY", ",", SMCP_MAX_LINE},
	[SMCP_RULE] = {"--rule", "SMC_RULES", "\n", SMCP_MAX_SOURCE},
	[SMCP_ALLOW] = {"--allow", "SMC_ALLOW", ",", SMCP_MAX_LINE},
};

const char *smcp_option_variable(enum smcp_repeated which)
{
	return repeated[which].variable;
}

__attribute__((format(printf, 1, 2))) static int wrong(const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	dprintf(STDERR_FILENO, "smc_run: %s\n", text);
	return -EINVAL;
}

/* The value of OPTION=VALUE, or NULL if the argument is something else */
static const char *value_of(const char *arg, const char *option)
{
	size_t length = strlen(option);

	return !strncmp(arg, option, length) && arg[length] == '='
		       ? arg + length + 1
		       : NULL;
}

static int parse_config(struct smcp_options *options, const char *value)
{
	char *dir, *path;

	if (!*value)
		return wrong("--config: a path or 'none' is expected");
	options->config = value;
	if (*value == '/' || !strcmp(value, "none"))
		return 0;
	dir = getcwd(NULL, 0);
	if (!dir)
		return wrong("--config: the current directory: %s",
			     strerror(errno));
	if (asprintf(&path, "%s/%s", dir, value) < 0)
		return -ENOMEM;
	free(dir);
	options->config = path;
	return 0;
}

static int parse_repeated(struct smcp_options *options, const char *arg)
{
	struct smcp_inputs_of *of;
	const char *value;
	char *origin;
	int i;

	for (i = 0; i < SMCP_N_REPEATED; i++) {
		value = value_of(arg, repeated[i].option);
		if (!value)
			continue;
		of = &options->repeated[i];
		if (asprintf(&origin, "%s[%u]", repeated[i].option, of->n + 1) <
		    0)
			return -ENOMEM;
		of->inputs[of->n++] = (struct smcp_input){origin, value};
		return 0;
	}
	return wrong("%s: unknown option", arg);
}

static int parse_mode(struct smcp_options *options, enum smcp_mode mode)
{
	if (options->mode != SMCP_START && options->mode != mode)
		return wrong(
			"only one of --list-rules, --explain, --print-env, "
			"--reason, --check, --systemd and --bpf=VERB can be "
			"given");
	options->mode = mode;
	return 0;
}

static int parse_one(struct smcp_options *options, const char *arg)
{
	const char *value = value_of(arg, "--reason");

	if (value) {
		options->reason = value;
		return parse_mode(options, SMCP_REASON);
	}
	if (!strcmp(arg, "--check"))
		return parse_mode(options, SMCP_CHECK);
	if (!strcmp(arg, "--json")) {
		options->is_json = true;
		return 0;
	}
	value = value_of(arg, "--peer");
	if (value) {
		options->peer = value;
		return 0;
	}
	if (value_of(arg, "--summary"))
		return 0; /* smcp_options_page() */
	if (!strcmp(arg, "--summary")) {
		options->is_summary = true;
		return 0;
	}
	if (!strcmp(arg, "--bpf")) {
		options->is_bpf = true;
		return 0;
	}
	value = value_of(arg, "--bpf");
	if (value) {
		options->bpf_verb = value;
		return parse_mode(options, SMCP_BPF);
	}
	value = value_of(arg, "--bpf-for");
	if (value) {
		options->obstacle = value;
		options->is_bpf = true;
		return 0;
	}
	value = value_of(arg, "--systemd");
	if (value) {
		options->verb = value;
		return parse_mode(options, SMCP_SYSTEMD);
	}
	value = value_of(arg, "--given");
	if (value) {
		options->given = value;
		return 0;
	}
	if (!strcmp(arg, "--user")) {
		options->is_user = true;
		return 0;
	}
	options->has_list = true;
	if (!strcmp(arg, "--strict")) {
		options->is_strict = true;
		return 0;
	}
	if (!strcmp(arg, "--list-rules"))
		return parse_mode(options, SMCP_LIST_RULES);
	if (!strcmp(arg, "--print-env"))
		return parse_mode(options, SMCP_PRINT_ENV);
	value = value_of(arg, "--explain");
	if (value || !strcmp(arg, "--explain")) {
		options->explained = value;
		return parse_mode(options, SMCP_EXPLAIN);
	}
	value = value_of(arg, "--config");
	return value ? parse_config(options, value)
		     : parse_repeated(options, arg);
}

int smcp_options_parse(char **argv, struct smcp_options *ret_options)
{
	static struct smcp_input variables[SMCP_N_REPEATED];
	struct smcp_options options = {0};
	size_t n = 0;
	int i, rc;

	argv++;
	while (argv[n])
		n++;
	/* Most programs are started without options: nothing is allocated. */
	for (i = 0; i < SMCP_N_REPEATED; i++) {
		options.repeated[i].inputs = &variables[i];
		if (!n || **argv != '-')
			continue;
		options.repeated[i].inputs = calloc(n, sizeof(variables[0]));
		if (!options.repeated[i].inputs)
			return -ENOMEM;
	}
	if (n && **argv == '-') {
		for (; *argv && strcmp(*argv, "--") != 0; argv++) {
			rc = parse_one(&options, *argv);
			if (rc)
				return rc;
		}
		argv += *argv != NULL;
	}
	if (options.is_json && options.mode != SMCP_CHECK &&
	    options.mode != SMCP_EXPLAIN && options.mode != SMCP_LIST_RULES)
		return wrong("--json: only with --check, --explain, "
			     "--list-rules or --report");
	if (options.peer && options.mode != SMCP_CHECK)
		return wrong("--peer: only with --check");
	if (options.is_user && options.mode != SMCP_SYSTEMD)
		return wrong("--user: only with --systemd");
	options.rest = argv;
	*ret_options = options;
	return 0;
}

const char *smcp_options_page(char **argv)
{
	return argv[1] ? value_of(argv[1], "--summary") : NULL;
}

/* Texts that say something, one behind the other */
static int join(const struct smcp_options *options, enum smcp_repeated which)
{
	const char *inherited = getenv(repeated[which].variable);
	const struct smcp_inputs_of *of = &options->repeated[which];
	size_t size = 1 + (inherited ? strlen(inherited) + 1 : 0);
	unsigned int i;
	char *text;
	int rc;

	for (i = 0; i < of->n; i++)
		size += strlen(of->inputs[i].text) + 1;
	text = malloc(size);
	if (!text)
		return -ENOMEM;
	*text = '\0';
	for (i = 0; i <= of->n; i++) {
		const char *next = i < of->n ? of->inputs[i].text : inherited;

		if (!next || !*next)
			continue;
		if (*text)
			strcat(text, repeated[which].separator);
		strcat(text, next);
	}
	if (strlen(text) > repeated[which].max)
		return wrong("%s: %s would be longer than %zu bytes (write a "
			     "file and --config)",
			     repeated[which].option, repeated[which].variable,
			     repeated[which].max);
	rc = setenv(repeated[which].variable, text, 1);
	free(text);
	return rc ? -ENOMEM : 0;
}

int smcp_options_export(const struct smcp_options *options)
{
	int i, rc;

	for (i = 0; i < SMCP_N_REPEATED; i++) {
		rc = options->repeated[i].n
			     ? join(options, (enum smcp_repeated)i)
			     : 0;
		if (rc)
			return rc;
	}
	if (options->config && setenv("SMC_CONFIG", options->config, 1))
		return -ENOMEM;
	return options->is_strict && setenv("SMC_STRICT", "1", 1) ? -ENOMEM : 0;
}
