// SPDX-License-Identifier: MIT
#include <dirent.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sandbox.h"
#include "util.h"

__attribute__((format(printf, 2, 3))) static void
warn(const struct smcp_unit *unit, const char *format, ...)
{
	char text[2 * PATH_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	dprintf(STDERR_FILENO, "smc_run: %s: %s\n", unit->name, text);
}

static void warn_socket(const struct smcp_unit *unit, const char *name,
			int size)
{
	warn(unit,
	     "PID 1 opens the sockets of %.*s: they stay TCP; only what the "
	     "program opens itself can be SMC",
	     size, name);
}

static void check_sockets(struct smcp_unit *unit)
{
	const char *at = smcp_unit_get(unit, "TriggeredBy");
	bool is_triggered = false;
	char name[sizeof(unit->name)];
	int n;

	for (; *at; at += n + (at[n] != '\0')) {
		n = (int)strcspn(at, " ");
		if (n <= 7 || strncmp(at + n - 7, ".socket", 7) != 0)
			continue;
		is_triggered = true;
		warn_socket(unit, at, n);
	}
	if (is_triggered || !smcp_unit_has_socket(unit))
		return;
	n = snprintf(name, sizeof(name), "%.*s.socket",
		     (int)strcspn(unit->name, unit->is_template ? "@" : "."),
		     unit->name);
	warn_socket(unit, name, n);
}

/* A list is of what is allowed, or, after ~, of what is not. */
static bool is_allowed(const struct smcp_unit *unit, const char *property,
		       const char *word)
{
	const char *value = smcp_unit_get(unit, property);

	if (!*value || !strcmp(value, "~"))
		return true;
	return smcp_unit_has_word(unit, property, word) == (*value != '~');
}

static void check_filters(const struct smcp_unit *unit)
{
	/* What the library asks for and its program may not */
	static const char *const calls[] = {
		"setsockopt",  "getsockopt", "getsockname",
		"getpeername", "fcntl",	     "dup3",
		"poll",	       "mprotect",   "readlink",
	};
	char text[256] = "";
	size_t i;

	for (i = 0; i < ARRAY_SIZE(calls); i++)
		if (!is_allowed(unit, "SystemCallFilter", calls[i]))
			strcat(strcat(text, " "), calls[i]);
	if (*text)
		warn(unit,
		     "SystemCallFilter= does not allow what the library "
		     "calls, and may end the program; cure: "
		     "SystemCallFilter=%s",
		     text + 1);
	if (!is_allowed(unit, "RestrictAddressFamilies", "AF_SMC"))
		warn(unit,
		     "RestrictAddressFamilies= blocks AF_SMC: a kernel without "
		     "IPPROTO_SMC will use TCP; cure: "
		     "RestrictAddressFamilies=AF_SMC");
}

/* Does a line of the file set a variable whose name begins so? */
static bool file_sets(const char *path, const char *prefix)
{
	FILE *file = fopen(path, "re");
	char *line = NULL;
	size_t room = 0;
	bool found = false;

	if (!file)
		return false;
	while (!found && getline(&line, &room, file) >= 0)
		found = !strncmp(line + strspn(line, " \t"), prefix,
				 strlen(prefix));
	free(line);
	fclose(file);
	return found;
}

static void check_file(const struct smcp_unit *unit, const char *path)
{
	if (file_sets(path, "LD_PRELOAD="))
		warn(unit,
		     "%s sets LD_PRELOAD, which counts instead: nothing will "
		     "be loaded; cure: name the library there",
		     path);
	if (file_sets(path, "SMC_"))
		warn(unit,
		     "%s sets variables SMC_*, which count instead of those in "
		     "the unit",
		     path);
}

/* Not by glob(), which brings the database of users into a static program. */
static void check_files(const struct smcp_unit *unit, char *pattern)
{
	char *slash = strrchr(pattern, '/');
	char path[2 * PATH_MAX];
	struct dirent *entry;
	DIR *dir;

	if (!strpbrk(pattern, "*?[")) {
		check_file(unit, pattern);
		return;
	}
	if (!slash)
		return;
	*slash = '\0';
	dir = opendir(pattern);
	while (dir && (entry = readdir(dir))) {
		if (fnmatch(slash + 1, entry->d_name, FNM_PERIOD))
			continue;
		snprintf(path, sizeof(path), "%s/%s", pattern, entry->d_name);
		check_file(unit, path);
	}
	if (dir)
		closedir(dir);
}

static void check_environment(const struct smcp_unit *unit)
{
	const char *value = NULL, *at;
	char path[PATH_MAX];

	while ((value = smcp_unit_next(unit, "EnvironmentFiles", value))) {
		at = strstr(value, " (ignore_errors=");
		if (snprintf(path, sizeof(path), "%.*s",
			     at ? (int)(at - value) : PATH_MAX,
			     value) < PATH_MAX)
			check_files(unit, path);
	}
	if (smcp_unit_has_word(unit, "PassEnvironment", "LD_PRELOAD"))
		warn(unit, "PassEnvironment=LD_PRELOAD has no effect any more");
	at = smcp_unit_get(unit, "UnsetEnvironment");
	if (strstr(at, "LD_PRELOAD"))
		warn(unit, "UnsetEnvironment= takes LD_PRELOAD away: nothing "
			   "will be loaded");
}

static bool is_below(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	return !strncmp(path, dir, n) && path[n] == '/';
}

/* May all pass the directories, and read the file? */
static bool is_public(const char *path)
{
	char part[PATH_MAX];
	struct stat st;
	size_t i;

	for (i = 1; path[i]; i++) {
		if (path[i] != '/')
			continue;
		snprintf(part, sizeof(part), "%.*s", (int)i, path);
		if (!stat(part, &st) && !(st.st_mode & S_IXOTH))
			return false;
	}
	return stat(path, &st) || st.st_mode & S_IROTH;
}

bool smcp_sandbox_has_user(const struct smcp_unit *unit)
{
	const char *user = smcp_unit_get(unit, "User");

	return (*user && strcmp(user, "root") && strcmp(user, "0")) ||
	       !strcmp(smcp_unit_get(unit, "DynamicUser"), "yes");
}

static void check_library(const struct smcp_unit *unit, const char *library)
{
	const char *root = smcp_unit_get(unit, "RootDirectory");
	const char *image = smcp_unit_get(unit, "RootImage");
	const char *home = smcp_unit_get(unit, "ProtectHome");
	char path[2 * PATH_MAX];

	if (*root && strcmp(root, "/")) {
		snprintf(path, sizeof(path), "%s/%s", root, library);
		if (*library != '/' || access(path, R_OK))
			warn(unit,
			     "the library has to be below RootDirectory=%s, "
			     "too",
			     root);
		return;
	}
	if (*image) {
		warn(unit, "the library has to be in RootImage=%s, too", image);
		return;
	}
	if (*library != '/')
		return;
	if ((!strcmp(home, "yes") || !strcmp(home, "tmpfs")) &&
	    (is_below(library, "/home") || is_below(library, "/root") ||
	     is_below(library, "/run/user")))
		warn(unit,
		     "ProtectHome=%s hides %s: nothing will be loaded; "
		     "cure: install the library",
		     home, library);
	else if (!strcmp(smcp_unit_get(unit, "PrivateTmp"), "yes") &&
		 (is_below(library, "/tmp") || is_below(library, "/var/tmp")))
		warn(unit,
		     "PrivateTmp=yes hides %s: nothing will be loaded; "
		     "cure: install the library",
		     library);
	else if (smcp_sandbox_has_user(unit) && !is_public(library))
		warn(unit,
		     "its user cannot read %s: nothing will be loaded; "
		     "cure: install the library",
		     library);
}

void smcp_sandbox_warn(struct smcp_unit *unit, const char *library)
{
	check_sockets(unit);
	check_filters(unit);
	check_environment(unit);
	check_library(unit, library);
}
