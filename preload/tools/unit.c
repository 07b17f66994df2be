// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "process.h"
#include "unit.h"
#include "util.h"

/* Some instance of a template, for what all of them have */
#define INSTANCE "smc_run"

static bool has_suffix(const char *name)
{
	static const char *const suffixes[] = {
		".service",   ".socket", ".device", ".mount",
		".automount", ".swap",	 ".target", ".path",
		".timer",     ".slice",	 ".scope",
	};
	const char *dot = strrchr(name, '.');
	size_t i;

	for (i = 0; dot && i < ARRAY_SIZE(suffixes); i++)
		if (!strcmp(dot, suffixes[i]))
			return true;
	return false;
}

int smcp_unit_name(const char *word, struct smcp_unit *ret_unit)
{
	const char *at = strchr(word, '@');
	int n;

	n = snprintf(ret_unit->name, sizeof(ret_unit->name), "%s%s", word,
		     has_suffix(word) ? "" : ".service");
	if (n >= (int)sizeof(ret_unit->name) || *word == '.' || *word == '@' ||
	    !*word ||
	    word[strspn(word, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
			      "abcdefghijklmnopqrstuvwxyz"
			      "0123456789:-_.\\@")])
		return -EINVAL;
	ret_unit->is_template =
		at && !strcmp(strchr(ret_unit->name, '@'), "@.service");
	return 0;
}

/* Return: 0 or an error, as smcp_unit_load(). */
static int run_systemctl(const struct smcp_unit *unit, const char *verb,
			 char *properties, char *name, char *ret_text,
			 size_t size)
{
	char *argv[8];
	size_t n = 0;
	int rc;

	argv[n++] = "systemctl";
	if (unit->is_user)
		argv[n++] = "--user";
	argv[n++] = (char *)verb;
	if (properties)
		argv[n++] = properties;
	argv[n++] = "--";
	if (name)
		argv[n++] = name;
	argv[n] = NULL;
	rc = smcp_process_read(argv, true, ret_text, size);
	if (rc == 127)
		return -ENOENT;
	return rc > 0 ? -EIO : rc;
}

int smcp_unit_reload(const struct smcp_unit *unit)
{
	char text[64];

	return run_systemctl(unit, "daemon-reload", NULL, NULL, text,
			     sizeof(text));
}

static int show(struct smcp_unit *unit, char *properties, char *name)
{
	char *text = unit->text + unit->size;
	int rc = run_systemctl(unit, "show", properties, name, text,
			       sizeof(unit->text) - unit->size);

	if (rc)
		return rc;
	for (; *text; text++)
		if (*text == '\n')
			*text = '\0';
	unit->size = (size_t)(text - unit->text);
	/* Cut: what is missing could be what matters. */
	return unit->size == sizeof(unit->text) - 1 ? -E2BIG : 0;
}

int smcp_unit_load(struct smcp_unit *unit)
{
	char name[sizeof(unit->name) + sizeof(INSTANCE)];
	const char *id;
	int rc;

	strcpy(name, unit->name);
	if (unit->is_template)
		sprintf(strchr(name, '@'), "@" INSTANCE ".service");
	unit->size = 0;
	rc = show(unit,
		  "--property=Id,LoadState,ActiveState,MainPID,Environment,"
		  "EnvironmentFiles,PassEnvironment,UnsetEnvironment,"
		  "TriggeredBy,SystemCallFilter,RestrictAddressFamilies,"
		  "ProtectHome,PrivateTmp,RootDirectory,RootImage,User,"
		  "Group,DynamicUser,NeedDaemonReload",
		  name);
	/* Arguments may have newlines: what is above is found first. */
	if (!rc)
		rc = show(unit, "--property=ExecStart", name);
	if (rc)
		return rc;
	id = smcp_unit_get(unit, "Id");
	if (!unit->is_template && *id &&
	    !strcmp(smcp_unit_get(unit, "LoadState"), "loaded")) {
		if (strlen(id) >= sizeof(unit->name))
			return -ENAMETOOLONG;
		strcpy(unit->name, id);
	}
	return 0;
}

const char *smcp_unit_next(const struct smcp_unit *unit, const char *property,
			   const char *after)
{
	const char *line = after ? after + strlen(after) + 1 : unit->text;
	size_t length = strlen(property);

	for (; line < unit->text + unit->size; line += strlen(line) + 1)
		if (!strncmp(line, property, length) && line[length] == '=')
			return line + length + 1;
	return NULL;
}

const char *smcp_unit_get(const struct smcp_unit *unit, const char *property)
{
	const char *value = smcp_unit_next(unit, property, NULL);

	return value ? value : "";
}

bool smcp_unit_has_word(const struct smcp_unit *unit, const char *property,
			const char *word)
{
	const char *at = smcp_unit_get(unit, property);
	size_t n;

	at += *at == '~';
	for (; *at; at += n + (at[n] != '\0')) {
		n = strcspn(at, " ");
		if (n == strlen(word) && !strncmp(at, word, n))
			return true;
	}
	return false;
}

bool smcp_unit_has_socket(struct smcp_unit *unit)
{
	const char *tail = unit->is_template ? "@.service" : ".service";
	char name[sizeof(unit->name)];
	size_t len = strlen(unit->name), tail_len = strlen(tail);

	if (strstr(smcp_unit_get(unit, "TriggeredBy"), ".socket"))
		return true;
	if (len < tail_len || strcmp(unit->name + len - tail_len, tail) != 0)
		return false;
	strcpy(name, unit->name);
	strcpy(name + len - tail_len, ".socket");
	return !show(unit, "--property=UnitFileState", name) &&
	       !strncmp(smcp_unit_get(unit, "UnitFileState"), "enabled", 7);
}

/* What follows a backslash; leaves @at behind it. */
static char take_escaped(const char **at)
{
	static const char letters[] = "abfnrtvs";
	static const char values[] = "\a\b\f\n\r\t\v ";
	const char *letter = strchr(letters, **at);
	char digits[4];
	char *end;
	long value;

	if (**at == 'x') {
		snprintf(digits, 3, "%s", *at + 1);
		value = strtol(digits, &end, 16);
		*at += 1 + (end - digits);
		return (char)value;
	}
	if (**at >= '0' && **at <= '7') {
		snprintf(digits, sizeof(digits), "%s", *at);
		value = strtol(digits, &end, 8);
		*at += end - digits;
		return (char)value;
	}
	(*at)++;
	return letter ? values[letter - letters] : (*at)[-1];
}

/* Leaves @at behind the word. */
static char *take_word(const char **at)
{
	char *word = malloc(strlen(*at) + 1);
	size_t n = 0;
	char quote = '\0';

	while (word && **at && (quote || **at != ' ')) {
		char c = *(*at)++;

		if (c == quote) {
			quote = '\0';
			continue;
		}
		/* As "$'a\nb'": newer ones print so what has escapes. */
		if (!quote && c == '$' && **at == '\'')
			continue;
		if (!quote && (c == '"' || c == '\'')) {
			quote = c;
			continue;
		}
		if (c == '\\' && **at)
			c = take_escaped(at);
		word[n++] = c;
	}
	if (word)
		word[n] = '\0';
	return word;
}

int smcp_unit_words(const char *value, char *ret_words[SMCP_UNIT_WORDS])
{
	size_t n = 0;

	while (*value) {
		if (*value == ' ') {
			value++;
			continue;
		}
		if (n == SMCP_UNIT_WORDS - 1)
			return -E2BIG;
		ret_words[n] = take_word(&value);
		if (!ret_words[n++])
			return -ENOMEM;
	}
	ret_words[n] = NULL;
	return 0;
}

int smcp_unit_program(const char *value, char **ret_path)
{
	static const char head[] = "{ path=", tail[] = " ; argv[]=";
	const char *end = strstr(value, tail);

	if (strncmp(value, head, sizeof(head) - 1) || !end)
		return -EINVAL;
	value += sizeof(head) - 1;
	*ret_path = strndup(value, (size_t)(end - value));
	return *ret_path ? 0 : -ENOMEM;
}
