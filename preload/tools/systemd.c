// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "dropin.h"
#include "elf_info.h"
#include "list.h"
#include "maps.h"
#include "preload_list.h"
#include "sandbox.h"
#include "systemd.h"
#include "target.h"
#include "util.h"

enum {
	STATUS_OK = 0,
	STATUS_USAGE = 1,
	STATUS_NOT_ENABLED = 3,
	STATUS_NO_UNIT = 4,
	STATUS_RESTART = 10,
	STATUS_TARGET = 11,
	STATUS_BROKEN = 12,
	STATUS_NO_SYSTEMD = 125,
};

/* The variables of the drop-in, in this order */
static const char *const variables[] = {
	"LD_PRELOAD", "SMC_DEBUG",  "SMC_SOCK_FAMILY", "SMC_RCVBUF",
	"SMC_SNDBUF", "SMC_DENY",   "SMC_RULES",       "SMC_ALLOW",
	"SMC_CONFIG", "SMC_STRICT",
};

/* What the list of a unit can depend on besides */
static const char *const others[] = {"SMC_EXCLUDE", "SMC_PROGS", "SMC_NAMES"};

/* One call of smc_run --systemd. */
struct job {
	const char *self;
	const struct smcp_options *options;
	struct smcp_unit unit;
	struct smcp_dropin dropin;
	char library[PATH_MAX];
	char *own[SMCP_UNIT_WORDS]; /* the unit's own Environment= */
	bool is_set[ARRAY_SIZE(variables)]; /* by an option */
	struct smcp_run_list list;
};

__attribute__((format(printf, 2, 3))) static int fail(int status,
						      const char *format, ...)
{
	char text[2 * PATH_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	dprintf(STDERR_FILENO, "smc_run: %s\n", text);
	return status;
}

static int fail_systemctl(int rc)
{
	if (rc == -ENOENT)
		return fail(STATUS_NO_SYSTEMD, "--systemd: there is no "
					       "systemctl (install systemd)");
	return fail(STATUS_NO_SYSTEMD, "--systemd: systemctl failed%s%s",
		    rc == -EIO ? "" : ": ", rc == -EIO ? "" : strerror(-rc));
}

static int fail_dropin(const struct job *job, int rc)
{
	bool is_denied = rc == -EACCES || rc == -EPERM || rc == -EROFS;

	return fail(STATUS_USAGE, "%s: %s%s", job->dropin.path, strerror(-rc),
		    !is_denied || job->unit.is_user
			    ? ""
			    : " (be root; --user is for your own services)");
}

/* Return: 0, or the exit status */
static int load_unit(struct job *job)
{
	int rc = smcp_unit_load(&job->unit);
	const char *state;

	if (rc)
		return fail_systemctl(rc);
	state = smcp_unit_get(&job->unit, "LoadState");
	if (!strcmp(state, "loaded"))
		return 0;
	if (!strcmp(state, "not-found"))
		return fail(STATUS_NO_UNIT, "%s: no such unit", job->unit.name);
	if (!strcmp(state, "masked"))
		return fail(STATUS_NO_UNIT,
			    "%s is masked (systemctl unmask %s)",
			    job->unit.name, job->unit.name);
	return fail(STATUS_BROKEN,
		    "%s: systemd cannot load it (systemctl "
		    "status %s)",
		    job->unit.name, job->unit.name);
}

/* Return: 0, or the exit status */
static int find_dropin(struct job *job)
{
	int rc = smcp_dropin_init(&job->dropin, job->unit.is_user,
				  job->unit.name);

	if (rc == -ENOENT)
		return fail(STATUS_USAGE,
			    "--systemd: HOME is not set, which --user needs");
	return rc ? fail(STATUS_USAGE, "%s: %s", job->unit.name, strerror(-rc))
		  : 0;
}

/* Return: 0, or the exit status; who is not root may not even ask systemd. */
static int may_write(struct job *job)
{
	int rc = find_dropin(job);

	if (rc)
		return rc;
	rc = smcp_dropin_prepare(&job->dropin);
	return rc ? fail_dropin(job, rc) : 0;
}

static int fail_foreign(const struct job *job)
{
	return fail(STATUS_BROKEN,
		    "%s was not written by smc_run, and is left alone",
		    job->dropin.path);
}

/* What follows NAME= in the last of such words, or NULL */
static const char *find_word(char *const *words, const char *name)
{
	const char *value = NULL;
	size_t length = strlen(name);

	for (; *words; words++)
		if (!strncmp(*words, name, length) && (*words)[length] == '=')
			value = *words + length + 1;
	return value;
}

static void take_own(const struct job *job, const char *name)
{
	const char *value = find_word(job->own, name);

	if (value)
		setenv(name, value, 1);
	else
		unsetenv(name);
}

static bool is_given(const struct job *job, const char *variable)
{
	static const struct {
		char letter;
		const char *variable;
	} letters[] = {
		{'d', "SMC_DEBUG"},
		{'f', "SMC_SOCK_FAMILY"},
		{'r', "SMC_RCVBUF"},
		{'t', "SMC_SNDBUF"},
	};
	const struct smcp_options *options = job->options;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(letters); i++)
		if (!strcmp(variable, letters[i].variable))
			return options->given &&
			       strchr(options->given, letters[i].letter);
	for (i = 0; i < SMCP_N_REPEATED; i++)
		if (!strcmp(variable,
			    smcp_option_variable((enum smcp_repeated)i)))
			return options->repeated[i].n;
	if (!strcmp(variable, "SMC_CONFIG"))
		return options->config;
	return !strcmp(variable, "SMC_STRICT") && options->is_strict;
}

/*
 * The environment becomes that which the unit will have, as far as it matters
 * here: what this process inherited is not the unit's.
 */
static int make_environment(struct job *job)
{
	static const char *const shorts[] = {"SMC_DEBUG", "SMC_SOCK_FAMILY",
					     "SMC_RCVBUF", "SMC_SNDBUF"};
	size_t i;
	int rc;

	rc = smcp_unit_words(smcp_unit_get(&job->unit, "Environment"),
			     job->own);
	if (rc)
		return rc;
	for (i = 0; i < ARRAY_SIZE(variables); i++)
		job->is_set[i] = is_given(job, variables[i]);
	for (i = 0; i < ARRAY_SIZE(shorts); i++)
		if (!is_given(job, shorts[i]))
			take_own(job, shorts[i]);
	take_own(job, "LD_PRELOAD");
	for (i = ARRAY_SIZE(shorts) + 1; i < ARRAY_SIZE(variables); i++)
		take_own(job, variables[i]);
	for (i = 0; i < ARRAY_SIZE(others); i++)
		take_own(job, others[i]);
	if (!job->unit.is_user) {
		unsetenv("HOME");
		unsetenv("XDG_CONFIG_HOME");
	}
	return 0;
}

/* Return: 0, or the exit status */
static int check_list(struct job *job)
{
	int rc;

	job->list.shows_all = true;
	rc = smcp_run_list_load(&job->list, job->options);
	if (rc)
		return fail(STATUS_BROKEN, "%s", strerror(-rc));
	if (job->list.loader.parser.n_errors)
		return fail(STATUS_BROKEN, "%s: not enabled: bad list",
			    job->unit.name);
	/* In front of the unit's own lists */
	rc = smcp_options_export(job->options);
	return rc ? fail(STATUS_BROKEN, "%s: not enabled: %s", job->unit.name,
			 strerror(-rc))
		  : 0;
}

static int count(const struct smcp_unit *unit, const char *property)
{
	const char *value = NULL;
	int n = 0;

	while ((value = smcp_unit_next(unit, property, value)))
		n += *value != '\0';
	return n;
}

/* Return: does the library reach the program?  NULL: is there a library at all? */
static bool is_reachable(struct job *job, const char *program,
			 bool is_other_user, struct smcp_reach *ret_reach)
{
	static struct smcp_target target;
	struct smcp_elf_info info = {0};

	memset(&target, 0, sizeof(target));
	target.is_other_user = is_other_user;
	if (program) {
		snprintf(target.path, sizeof(target.path), "%s", program);
		smcp_target_inspect(&target);
		smcp_elf_info_read(target.path, &info);
	}
	(void)smcp_elf_info_reach(&info, job->self, &target, ret_reach);
	if (ret_reach->obstacle)
		return false;
	/* Not one for a program that cannot use it */
	strcpy(job->library, ret_reach->name);
	return true;
}

/* Return: 0 if the library reaches a program of the unit, or the exit status */
static int check_programs(struct job *job)
{
	const char *root = smcp_unit_get(&job->unit, "RootDirectory");
	bool is_other = !job->unit.is_user && smcp_sandbox_has_user(&job->unit);
	int n = count(&job->unit, "ExecStart");
	static struct smcp_reach reach;
	const char *value = NULL;
	char *program, *path;
	int n_reached = 0;

	if (!is_reachable(job, NULL, false, &reach))
		return fail(STATUS_BROKEN, "%s: not enabled: %s",
			    job->unit.name, reach.text);
	if (*smcp_unit_get(&job->unit, "RootImage"))
		return 0;
	while ((value = smcp_unit_next(&job->unit, "ExecStart", value))) {
		if (!*value || smcp_unit_program(value, &program))
			continue;
		if (asprintf(&path, "%s%s", root, program) < 0)
			return fail(STATUS_BROKEN, "%s", strerror(ENOMEM));
		if (is_reachable(job, path, is_other, &reach))
			n_reached++;
		else
			fail(0, "%s: %s%s", job->unit.name,
			     n == 1 ? "not enabled: " : "", reach.text);
		free(path);
		free(program);
	}
	if (n > 1 && !n_reached)
		fail(0, "%s: not enabled: none of its programs can be reached",
		     job->unit.name);
	return n && !n_reached ? STATUS_TARGET : 0;
}

/* All of the drop-in, on the heap, or NULL */
static char *make_text(const struct job *job)
{
	const struct smcp_unit *unit = &job->unit;
	const char *value;
	char *text, *word, *quoted, *more;
	size_t i;

	if (asprintf(&text,
		     SMCP_DROPIN_FIRST "smc_run %s--systemd disable %s\n"
				       "[Service]\nEnvironment=",
		     unit->is_user ? "--user " : "", unit->name) < 0)
		return NULL;
	for (i = 0; text && i < ARRAY_SIZE(variables); i++) {
		value = getenv(variables[i]);
		if (!strcmp(variables[i], "SMC_DEBUG") && !value)
			value = "0";
		else if (i && !job->is_set[i])
			continue;
		more = NULL;
		if (asprintf(&word, "%s=%s", variables[i], value) >= 0) {
			quoted = smcp_dropin_quote(word);
			if (!quoted || asprintf(&more, "%s%s%s", text,
						i ? " " : "", quoted) < 0)
				more = NULL;
			free(quoted);
			free(word);
		}
		free(text);
		text = more;
	}
	if (!text || asprintf(&more, "%s\n", text) < 0)
		more = NULL;
	free(text);
	return more;
}

/*
 * Is what was written what counts now?  A drop-in with a later name may set the
 * same variable, and systemd leaves out what is not UTF-8; without its rules the
 * library would do what they exclude.
 */
static bool is_in_force(const struct job *job, const char **ret_variable)
{
	static char *words[SMCP_UNIT_WORDS];
	const char *value, *now;
	size_t i;

	*ret_variable = "Environment";
	if (smcp_unit_words(smcp_unit_get(&job->unit, "Environment"), words))
		return false;
	for (i = 0; i < ARRAY_SIZE(variables); i++) {
		value = getenv(variables[i]);
		if (i && !job->is_set[i])
			continue;
		now = find_word(words, variables[i]);
		if (now && value && !strcmp(now, value))
			continue;
		*ret_variable = variables[i];
		return false;
	}
	return true;
}

/* Return: 0, or the exit status; what is written then is to be undone. */
static int write_dropin(struct job *job)
{
	const char *variable;
	char *text;
	int rc;

	smcp_preload_set(job->library);
	text = make_text(job);
	if (!text)
		return fail(STATUS_BROKEN, "%s", strerror(ENOMEM));
	rc = smcp_dropin_write(&job->dropin, text);
	free(text);
	if (rc)
		return fail_dropin(job, rc);
	rc = smcp_unit_reload(&job->unit);
	if (rc)
		return fail_systemctl(rc);
	rc = load_unit(job);
	if (rc)
		return rc;
	if (!is_in_force(job, &variable))
		return fail(STATUS_BROKEN,
			    "%s: not enabled: another drop-in sets %s after "
			    "it, or systemd does not take the value (systemctl "
			    "cat %s)",
			    job->unit.name, variable, job->unit.name);
	return 0;
}

/* When a process started, or 0 */
static double start_of(const char *pid)
{
	char path[64], text[1024];
	struct timespec real, boot;
	unsigned long long ticks;
	const char *at;
	ssize_t n;
	int fd, field;

	snprintf(path, sizeof(path), "/proc/%.20s/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	/* The name may hold anything; the 22nd field is what is wanted. */
	at = strrchr(text, ')');
	for (field = 2; at && field < 22; field++)
		at = strchr(at + 1, ' ');
	if (!at)
		return 0;
	ticks = strtoull(at, NULL, 10);
	clock_gettime(CLOCK_REALTIME, &real);
	clock_gettime(CLOCK_BOOTTIME, &boot);
	return (double)(real.tv_sec - boot.tv_sec) +
	       (double)(real.tv_nsec - boot.tv_nsec) / 1e9 +
	       (double)ticks / (double)sysconf(_SC_CLK_TCK);
}

/* Prints what the enabled unit's process is; return: the exit status. */
static int print_process(const struct job *job, const char *path)
{
	const char *pid = smcp_unit_get(&job->unit, "MainPID");
	const char *name = job->unit.name;
	struct stat st;
	double start;
	int has;

	if (!strcmp(smcp_unit_get(&job->unit, "NeedDaemonReload"), "yes")) {
		printf("%s: enabled (%s); systemd has not read it: systemctl "
		       "daemon-reload\n",
		       name, path);
		return STATUS_RESTART;
	}
	if (job->unit.is_template) {
		printf("%s: enabled (%s) for all its instances\n", name, path);
		return STATUS_RESTART;
	}
	if (!*pid || !strcmp(pid, "0")) {
		printf("%s: enabled (%s); not running\n", name, path);
		return STATUS_RESTART;
	}
	has = smcp_maps_has_library(atoi(pid));
	start = start_of(pid);
	if (has < 0)
		printf("%s: enabled (%s); PID %s: %s\n", name, path, pid,
		       strerror(-has));
	else if (!has)
		printf("%s: enabled (%s); PID %s has not loaded the library: "
		       "restart it\n",
		       name, path, pid);
	else if (start > 0 && !stat(path, &st) &&
		 (double)st.st_mtim.tv_sec + (double)st.st_mtim.tv_nsec / 1e9 >
			 start + 1)
		printf("%s: enabled (%s); PID %s has loaded the library, with "
		       "older settings: restart it\n",
		       name, path, pid);
	else {
		printf("%s: enabled (%s); PID %s has loaded the library\n",
		       name, path, pid);
		return STATUS_OK;
	}
	return STATUS_RESTART;
}

static void print_warning(const struct smcp_unit *unit, const char *text,
			  const char *cure)
{
	fail(0, "%s: %s%s%s", unit->name, text, cure ? "; cure: " : "",
	     cure ? cure : "");
}

/* What was there before counts again. */
static void undo(struct job *job, bool is_aside)
{
	int state = smcp_dropin_state(&job->dropin);
	int rc = 0;

	/* Not yet replaced, or already back? */
	if (is_aside && !access(job->dropin.aside, F_OK))
		rc = smcp_dropin_put_back(&job->dropin);
	else if (!is_aside && state == SMCP_DROPIN_OURS)
		rc = smcp_dropin_remove(&job->dropin);
	else if (!is_aside)
		return;
	if (rc)
		fail_dropin(job, rc);
	(void)smcp_unit_reload(&job->unit);
}

/*
 * The unit's own environment is what systemd says without our drop-in, so it is
 * taken out of its sight for that moment.
 */
static int enable_aside(struct job *job, bool is_aside)
{
	int rc;

	if (is_aside) {
		rc = smcp_unit_reload(&job->unit);
		if (rc)
			return fail_systemctl(rc);
		rc = load_unit(job);
		if (rc)
			return rc;
	}
	rc = make_environment(job);
	if (rc)
		return fail(STATUS_BROKEN, "%s: its Environment=: %s",
			    job->unit.name, strerror(-rc));
	rc = check_list(job);
	if (!rc)
		rc = check_programs(job);
	return rc ? rc : write_dropin(job);
}

/* Return: 0, and what is there is ours or nothing; or the exit status */
static int find_state(struct job *job, int *ret_state)
{
	*ret_state = smcp_dropin_state(&job->dropin);
	if (*ret_state < 0)
		return fail_dropin(job, *ret_state);
	return *ret_state == SMCP_DROPIN_FOREIGN ? fail_foreign(job) : 0;
}

static int enable(struct job *job)
{
	sigset_t signals;
	bool is_aside;
	int rc, state;

	rc = may_write(job);
	if (!rc)
		rc = load_unit(job);
	/* That of an alias may have been looked at. */
	if (!rc)
		rc = may_write(job);
	if (rc)
		return rc;
	rc = find_state(job, &state);
	if (rc)
		return rc;
	/*
	 * Who types ^C now, or reads no more of what is printed, does not want half
	 * of it.
	 */
	sigfillset(&signals);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	is_aside = state == SMCP_DROPIN_OURS;
	if (is_aside) {
		rc = smcp_dropin_set_aside(&job->dropin);
		if (rc)
			return fail_dropin(job, rc);
	}
	rc = enable_aside(job, is_aside);
	if (rc) {
		undo(job, is_aside);
		return rc;
	}
	smcp_dropin_commit(&job->dropin);
	smcp_sandbox_check_others(&job->unit, print_warning);
	smcp_sandbox_check(&job->unit, job->library, print_warning);
	(void)print_process(job, job->dropin.path);
	return STATUS_OK;
}

static int disable(struct job *job)
{
	const char *pid;
	int rc = may_write(job);
	int state;

	if (rc)
		return rc;
	rc = smcp_unit_load(&job->unit);
	if (rc)
		return fail_systemctl(rc);
	rc = may_write(job);
	if (rc)
		return rc;
	rc = find_state(job, &state);
	if (rc)
		return rc;
	/* The drop-in of a unit that is gone is removed all the same. */
	if (state == SMCP_DROPIN_ABSENT) {
		if (!strcmp(smcp_unit_get(&job->unit, "LoadState"),
			    "not-found"))
			return fail(STATUS_NO_UNIT, "%s: no such unit",
				    job->unit.name);
		printf("%s: not enabled\n", job->unit.name);
		return STATUS_OK;
	}
	rc = smcp_dropin_remove(&job->dropin);
	if (rc)
		return fail_dropin(job, rc);
	rc = smcp_unit_reload(&job->unit);
	if (rc)
		return fail_systemctl(rc);
	pid = smcp_unit_get(&job->unit, "MainPID");
	if (*pid && strcmp(pid, "0") && smcp_maps_has_library(atoi(pid)) == 1)
		printf("%s: disabled; PID %s has loaded the library: restart "
		       "it\n",
		       job->unit.name, pid);
	else
		printf("%s: disabled\n", job->unit.name);
	return STATUS_OK;
}

/* An instance has what its template has. */
static int find_template(struct job *job)
{
	char name[SMCP_UNIT_NAME + sizeof(".service")];
	const char *at = strchr(job->unit.name, '@');

	if (!at || job->unit.is_template)
		return SMCP_DROPIN_ABSENT;
	snprintf(name, sizeof(name), "%.*s@.service",
		 (int)(at - job->unit.name), job->unit.name);
	if (smcp_dropin_init(&job->dropin, job->unit.is_user, name))
		return SMCP_DROPIN_ABSENT;
	return smcp_dropin_state(&job->dropin);
}

static int status(struct job *job)
{
	int rc = load_unit(job);
	int state;

	if (!rc)
		rc = find_dropin(job);
	if (rc)
		return rc;
	state = smcp_dropin_state(&job->dropin);
	if (state == SMCP_DROPIN_ABSENT)
		state = find_template(job);
	if (state < 0)
		return fail_dropin(job, state);
	if (state == SMCP_DROPIN_OURS)
		return print_process(job, job->dropin.path);
	if (state == SMCP_DROPIN_FOREIGN)
		printf("%s: not enabled; %s was not written by smc_run\n",
		       job->unit.name, job->dropin.path);
	else
		printf("%s: not enabled\n", job->unit.name);
	return STATUS_NOT_ENABLED;
}

int smcp_systemd(const char *self, const struct smcp_options *options)
{
	static const struct {
		const char *name;
		int (*function)(struct job *job);
	} verbs[] = {
		{"enable", enable},
		{"disable", disable},
		{"status", status},
	};
	static struct job job;
	const char *suffix;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(verbs); i++)
		if (!strcmp(options->verb, verbs[i].name))
			break;
	if (i == ARRAY_SIZE(verbs))
		return fail(STATUS_USAGE,
			    "--systemd: unknown verb '%s' (enable, disable or "
			    "status)",
			    options->verb);
	if (!*options->rest)
		return fail(STATUS_USAGE, "--systemd: UNIT is missing");
	if (options->rest[1])
		return fail(STATUS_USAGE, "--systemd: unexpected '%s'",
			    options->rest[1]);
	job.self = self;
	job.options = options;
	job.unit.is_user = options->is_user;
	if (smcp_unit_name(options->rest[0], &job.unit))
		return fail(STATUS_USAGE,
			    "--systemd: '%s' is no name of a unit",
			    options->rest[0]);
	suffix = strrchr(job.unit.name, '.');
	if (!strcmp(suffix, ".socket"))
		return fail(STATUS_TARGET,
			    "%s: PID 1 opens its sockets, and they stay TCP",
			    job.unit.name);
	if (strcmp(suffix, ".service"))
		return fail(STATUS_USAGE, "%s is no service", job.unit.name);
	if (access("/run/systemd/system", F_OK))
		return fail(STATUS_NO_SYSTEMD,
			    "--systemd: systemd is not running here (it has "
			    "to be PID 1)");
	umask(022);
	return verbs[i].function(&job);
}
