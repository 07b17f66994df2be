// SPDX-License-Identifier: MIT
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "envfile.h"
#include "sandbox.h"
#include "target.h"
#include "util.h"

/* Where what is found goes to */
struct teller {
	const struct smcp_unit *unit;
	smcp_tell *tell;
};

__attribute__((format(printf, 3, 4))) static void
say(const struct teller *teller, const char *cure, const char *format, ...)
{
	char text[2 * PATH_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	teller->tell(teller->unit, text, cure);
}

static void say_socket(const struct teller *teller, const char *name, int size)
{
	say(teller, NULL,
	    "PID 1 opens the sockets of %.*s: they stay TCP; only what the "
	    "program opens itself can be SMC",
	    size, name);
}

static void check_sockets(struct smcp_unit *unit, const struct teller *teller)
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
		say_socket(teller, at, n);
	}
	if (is_triggered || !smcp_unit_has_socket(unit))
		return;
	n = snprintf(name, sizeof(name), "%.*s.socket",
		     (int)strcspn(unit->name, unit->is_template ? "@" : "."),
		     unit->name);
	say_socket(teller, name, n);
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

static void check_filters(const struct teller *teller)
{
	const struct smcp_unit *unit = teller->unit;
	/* What the library asks for and its program may not */
	static const char *const calls[] = {
		"setsockopt",  "getsockopt", "getsockname",
		"getpeername", "fcntl",	     "dup3",
		"poll",	       "mprotect",   "readlink",
	};
	static const char line[] = "SystemCallFilter=";
	char cure[256];
	size_t i;

	strcpy(cure, line);
	for (i = 0; i < ARRAY_SIZE(calls); i++) {
		if (is_allowed(unit, "SystemCallFilter", calls[i]))
			continue;
		if (cure[sizeof(line) - 1])
			strcat(cure, " ");
		strcat(cure, calls[i]);
	}
	if (cure[sizeof(line) - 1])
		say(teller, cure,
		    "SystemCallFilter= does not allow what the library "
		    "calls, and may end the program");
	if (!is_allowed(unit, "RestrictAddressFamilies", "AF_SMC"))
		say(teller, "RestrictAddressFamilies=AF_SMC",
		    "RestrictAddressFamilies= blocks AF_SMC: a kernel without "
		    "IPPROTO_SMC will use TCP");
}

/* What files set of what matters; each is told of once. */
struct files {
	const struct teller *teller;
	char preload[PATH_MAX], rules[PATH_MAX];
};

static void check_variable(void *arg, const char *path, const char *name,
			   const char *value)
{
	struct files *files = arg;

	if (!name || strlen(path) >= PATH_MAX)
		return;
	if (!strcmp(name, "LD_PRELOAD") && !strstr(value, SMCP_LIBRARY_NAME) &&
	    strcmp(files->preload, path) != 0) {
		strcpy(files->preload, path);
		say(files->teller, "name the library there",
		    "%s sets LD_PRELOAD, which counts instead: nothing will "
		    "be loaded",
		    path);
	}
	if (!strncmp(name, "SMC_", 4) && strcmp(files->rules, path) != 0) {
		strcpy(files->rules, path);
		say(files->teller, NULL,
		    "%s sets variables SMC_*, which count instead of those in "
		    "the unit",
		    path);
	}
}

static void check_environment(const struct teller *teller)
{
	const struct smcp_unit *unit = teller->unit;

	if (smcp_unit_has_word(unit, "PassEnvironment", "LD_PRELOAD"))
		say(teller, NULL,
		    "PassEnvironment=LD_PRELOAD has no effect any more");
	if (strstr(smcp_unit_get(unit, "UnsetEnvironment"), "LD_PRELOAD"))
		say(teller, NULL,
		    "UnsetEnvironment= takes LD_PRELOAD away: nothing will be "
		    "loaded");
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

static void check_library(const struct teller *teller, const char *library)
{
	static const char cure[] = "install the library";
	const struct smcp_unit *unit = teller->unit;
	const char *root = smcp_unit_get(unit, "RootDirectory");
	const char *image = smcp_unit_get(unit, "RootImage");
	const char *home = smcp_unit_get(unit, "ProtectHome");
	char path[2 * PATH_MAX];

	if (*root && strcmp(root, "/")) {
		snprintf(path, sizeof(path), "%s/%s", root, library);
		if (*library != '/' || access(path, R_OK))
			say(teller, NULL,
			    "the library has to be below RootDirectory=%s, "
			    "too",
			    root);
		return;
	}
	if (*image) {
		say(teller, NULL, "the library has to be in RootImage=%s, too",
		    image);
		return;
	}
	if (*library != '/')
		return;
	if ((!strcmp(home, "yes") || !strcmp(home, "tmpfs")) &&
	    (is_below(library, "/home") || is_below(library, "/root") ||
	     is_below(library, "/run/user")))
		say(teller, cure,
		    "ProtectHome=%s hides %s: nothing will be loaded", home,
		    library);
	else if (!strcmp(smcp_unit_get(unit, "PrivateTmp"), "yes") &&
		 (is_below(library, "/tmp") || is_below(library, "/var/tmp")))
		say(teller, cure,
		    "PrivateTmp=yes hides %s: nothing will be loaded", library);
	else if (smcp_sandbox_has_user(unit) && !is_public(library))
		say(teller, cure,
		    "its user cannot read %s: nothing will be loaded", library);
}

void smcp_sandbox_check(const struct smcp_unit *unit, const char *library,
			smcp_tell *tell)
{
	const struct teller teller = {unit, tell};

	check_filters(&teller);
	check_environment(&teller);
	check_library(&teller, library);
}

void smcp_sandbox_check_others(struct smcp_unit *unit, smcp_tell *tell)
{
	const struct teller teller = {unit, tell};
	struct files files = {.teller = &teller};

	check_sockets(unit, &teller);
	smcp_envfile_each(unit, check_variable, &files);
}
