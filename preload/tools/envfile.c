// SPDX-License-Identifier: MIT
#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "envfile.h"

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/*
 * Quotes begin a value or follow one in quotes, and end without a trace; blanks
 * around a value do not belong to it.
 *
 * Return: what follows the value's last line.
 */
static const char *take_value(const char *at, char *ret_value)
{
	enum { BETWEEN, PLAIN, SINGLE, DOUBLE } state = BETWEEN;
	size_t n = 0, length = 0;
	const char *next;

	/* The value is written over what it is made of. */
	for (; *at; at++) {
		if (state == SINGLE || state == DOUBLE) {
			if (*at == (state == SINGLE ? '\'' : '"')) {
				state = BETWEEN;
				continue;
			}
			if (state == DOUBLE && *at == '\\' && at[1] &&
			    strchr("\"\\`$\n", at[1]) && *++at == '\n')
				continue;
			ret_value[n++] = *at;
			length = n;
			continue;
		}
		if (*at == '\n')
			break;
		if (state == BETWEEN && is_blank(*at))
			continue;
		if (state == BETWEEN && (*at == '\'' || *at == '"')) {
			state = *at == '"' ? DOUBLE : SINGLE;
			continue;
		}
		state = PLAIN;
		if (*at == '\\' && at[1]) {
			if (*++at == '\n')
				continue;
			ret_value[n++] = *at;
			length = n;
			continue;
		}
		ret_value[n++] = *at;
		if (!is_blank(*at))
			length = n;
	}
	next = at + (*at != '\0');
	ret_value[length] = '\0';
	return next;
}

/* @text is overwritten. */
static void read_text(char *text, const char *path, smcp_envfile_fn *seen,
		      void *arg)
{
	const char *at = text;
	char *name, *end;

	while (*(at += strspn(at, " \t\r\n"))) {
		size_t n = strcspn(at, "=\n");

		if (*at == '#' || *at == ';' || at[n] != '=') {
			at += strcspn(at, "\n");
			continue;
		}
		name = text + (at - text);
		end = name + n;
		at = take_value(end + 1, end + 1);
		while (end > name && is_blank(end[-1]))
			end--;
		*end = '\0';
		seen(arg, path, name, name + n + 1);
	}
}

static void read_file(const char *path, bool is_needed, smcp_envfile_fn *seen,
		      void *arg)
{
	FILE *file = fopen(path, "re");
	char *text = NULL;
	size_t room = 0;

	if (!file) {
		if (is_needed)
			seen(arg, path, NULL, strerror(errno));
		return;
	}
	/* All of it: systemd takes no file that has a NUL. */
	if (getdelim(&text, &room, '\0', file) > 0 && feof(file))
		read_text(text, path, seen, arg);
	free(text);
	fclose(file);
}

void smcp_envfile_each(const struct smcp_unit *unit, smcp_envfile_fn *seen,
		       void *arg)
{
	const char *value = NULL, *tail;
	char pattern[PATH_MAX];
	bool is_needed;
	glob_t found;
	size_t i;

	while ((value = smcp_unit_next(unit, "EnvironmentFiles", value))) {
		tail = strstr(value, " (ignore_errors=");
		if (!tail || tail - value >= PATH_MAX)
			continue;
		snprintf(pattern, sizeof(pattern), "%.*s", (int)(tail - value),
			 value);
		is_needed = strstr(tail, "=no)");
		if (glob(pattern, 0, NULL, &found)) {
			if (is_needed)
				seen(arg, pattern, NULL, "no such file");
			continue;
		}
		for (i = 0; i < found.gl_pathc; i++)
			read_file(found.gl_pathv[i], is_needed, seen, arg);
		globfree(&found);
	}
}
