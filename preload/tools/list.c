// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "list.h"
#include "names.h"
#include "util.h"

/* Nothing to be found; all other errors are for the loader to report. */
static bool is_absent(const char *path)
{
	return access(path, F_OK) && errno == ENOENT;
}

static bool has_variable(void)
{
	static const char *const names[] = {
		"EXCLUDE=", "PROGS=",  "DENY=",	  "RULES=",
		"ALLOW=",   "CONFIG=", "STRICT=", "NAMES=",
	};
	char **variable;
	size_t i;

	for (variable = environ; *variable; variable++) {
		if (**variable != 'S' || strncmp(*variable, "SMC_", 4) != 0)
			continue;
		for (i = 0; i < ARRAY_SIZE(names); i++)
			if (!strncmp(*variable + 4, names[i], strlen(names[i])))
				return true;
	}
	return false;
}

bool smcp_run_list_is_empty(const struct smcp_options *options)
{
	const char *dir = getenv("XDG_CONFIG_HOME");
	const char *below = "/smc/smc.conf";
	char path[PATH_MAX];

	if (options->has_list || has_variable() || !is_absent("/etc/smc"))
		return false;
	if (!dir || *dir != '/') {
		dir = getenv("HOME");
		below = "/.config/smc/smc.conf";
	}
	if (!dir || *dir != '/')
		return true;
	if (strlen(dir) + strlen(below) >= sizeof(path))
		return false;
	strcpy(stpcpy(path, dir), below);
	return is_absent(path);
}

void smcp_run_list_print_error(const struct smcp_error *error)
{
	char origin[PATH_MAX + 32];
	char *at;

	/* A path may be another user's choice, and this root's terminal. */
	snprintf(origin, sizeof(origin), "%s", error->origin);
	for (at = origin; *at; at++)
		if ((unsigned char)*at < ' ' || *at == 0x7f)
			*at = '?';
	dprintf(STDERR_FILENO, "smc_run: %s:%u:%u: %s\n", origin, error->line,
		error->column, error->text);
}

static void report(struct smcp_parser *parser, const struct smcp_error *error)
{
	struct smcp_run_list *list = parser->arg;
	bool is_typed = !strncmp(error->origin, "--", 2) ||
			(list->options->config &&
			 !strcmp(error->origin, list->options->config));

	if (is_typed && !list->has_typed_error) {
		list->has_typed_error = true;
		list->typed_error = *error;
	}
	if (list->shows_all)
		smcp_run_list_print_error(error);
}

/* Texts of options, then that of the variable */
static unsigned int add_inputs(const struct smcp_options *options,
			       enum smcp_repeated which,
			       const struct smcp_input **ret_inputs)
{
	const struct smcp_inputs_of *of = &options->repeated[which];
	const char *variable = smcp_option_variable(which);

	*ret_inputs = of->inputs;
	of->inputs[of->n] = (struct smcp_input){variable, getenv(variable)};
	return of->n + 1;
}

static const char *find_none(struct smcp_parser *parser, const char *kind,
			     const struct smcp_text *name)
{
	(void)parser;
	(void)name;
	return strcmp(kind, "host") ? "is not looked up for a unit (write the "
				      "number)"
				    : "is not looked up for a unit (write the "
				      "address)";
}

int smcp_run_list_load(struct smcp_run_list *list,
		       const struct smcp_options *options)
{
	struct smcp_inputs *inputs = &list->inputs;

	*inputs = (struct smcp_inputs){
		.exclude = getenv("SMC_EXCLUDE"),
		.progs = getenv("SMC_PROGS"),
		.config = {"SMC_CONFIG", getenv("SMC_CONFIG")},
		.strict = options->is_strict ? "1" : getenv("SMC_STRICT"),
		.xdg_config_home = getenv("XDG_CONFIG_HOME"),
		.home = getenv("HOME"),
	};
	inputs->n_denies = add_inputs(options, SMCP_DENY, &inputs->denies);
	inputs->n_rules = add_inputs(options, SMCP_RULE, &inputs->rules);
	inputs->n_allows = add_inputs(options, SMCP_ALLOW, &inputs->allows);
	if (options->config)
		inputs->config =
			(struct smcp_input){"--config", options->config};
	list->options = options;
	list->has_typed_error = false;
	list->loader.parser.report = report;
	list->loader.parser.arg = list;
	list->loader.parser.find =
		options->mode == SMCP_SYSTEMD ? find_none : smcp_names_find;
	return smcp_conf_load(&list->loader, inputs);
}

unsigned int smcp_run_list_families(const struct smcp_run_list *list)
{
	unsigned int families = list->loader.parser.settings.conf.families;
	const char *value = getenv("SMC_SOCK_FAMILY");

	if (value)
		(void)smcp_conf_parse_family(value, &families);
	return families;
}
