// SPDX-License-Identifier: MIT
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "elf_info.h"
#include "envfile.h"
#include "findings.h"
#include "machine.h"
#include "maps.h"
#include "peer.h"
#include "process.h"
#include "sandbox.h"
#include "target.h"
#include "unit.h"
#include "util.h"

/* What is looked at */
struct subject {
	pid_t pid; /* 0: not a process */
	struct smcp_unit *unit; /* NULL: not a unit */
	bool is_enabled; /* its LD_PRELOAD names the library */
	char preload_file[PATH_MAX]; /* that sets LD_PRELOAD, if one does */
	bool has_socket; /* PID 1 opens the unit's sockets */
	bool is_in_bpf; /* the process is in scope of the BPF side */
	struct smcp_target target; /* if there is a program */
	struct smcp_elf_info info;
	char exe[PATH_MAX];
	struct smcp_subject who;
};

static int wrong(const char *what, const char *why)
{
	dprintf(STDERR_FILENO, "smc_run: --check: %s: %s\n", what, why);
	return -EINVAL;
}

/*
 * A process
 */
static FILE *open_proc(pid_t pid, const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	return fopen(path, "re");
}

static void forget_environment(void)
{
	static const char *const names[] = {
		"SMC_EXCLUDE", "SMC_PROGS",	  "SMC_DENY",
		"SMC_RULES",   "SMC_ALLOW",	  "SMC_CONFIG",
		"SMC_STRICT",  "SMC_SOCK_FAMILY", "SMC_NAMES",
		"HOME",	       "XDG_CONFIG_HOME",
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(names); i++)
		unsetenv(names[i]);
}

/* What the process was started with is what its rules were read from. */
static int take_environment(pid_t pid)
{
	FILE *file = open_proc(pid, "environ");
	char *variable = NULL;
	size_t size = 0;

	if (!file)
		return -errno;
	forget_environment();
	while (getdelim(&variable, &size, '\0', file) > 0) {
		char *value = strchr(variable, '=');

		if (!value || (strncmp(variable, "SMC_", 4) != 0 &&
			       strncmp(variable, "HOME=", 5) != 0 &&
			       strncmp(variable, "XDG_CONFIG_HOME=", 16) != 0))
			continue;
		*value++ = '\0';
		if (setenv(variable, value, 1)) {
			free(variable);
			fclose(file);
			return -ENOMEM;
		}
	}
	free(variable);
	fclose(file);
	return 0;
}

static int enter_netns(pid_t pid)
{
	struct stat own, other;
	char path[64];
	int fd, rc = 0;

	snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)pid);
	if (stat("/proc/self/ns/net", &own) || stat(path, &other))
		return -errno;
	if (own.st_ino == other.st_ino && own.st_dev == other.st_dev)
		return 0;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (setns(fd, CLONE_NEWNET))
		rc = -errno;
	close(fd);
	return rc;
}

/* What the kernel adds to the path of a program that has been replaced */
static void strip_deleted(char *exe)
{
	static const char deleted[] = " (deleted)";
	size_t len = strlen(exe), tail = strlen(deleted);

	if (len > tail && !strcmp(exe + len - tail, deleted) &&
	    access(exe, F_OK))
		exe[len - tail] = '\0';
}

/* Return: was it started in secure mode?  Then the loader and the library are, too. */
static bool is_secure(pid_t pid)
{
	FILE *file = open_proc(pid, "auxv");
	unsigned long
		entry[2]; /* of a 64-bit process; others pass for not so */
	bool is_found = false;

	if (!file)
		return false;
	while (!is_found && fread(entry, sizeof(entry), 1, file) == 1)
		is_found = entry[0] == AT_SECURE && entry[1];
	fclose(file);
	return is_found;
}

static void note_root(pid_t pid)
{
	struct stat own, other;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/root", (int)pid);
	if (stat("/", &own) || stat(path, &other) ||
	    (own.st_ino == other.st_ino && own.st_dev == other.st_dev))
		return;
	smcp_found_warning("process",
			   "%d has another root directory: of rules and "
			   "library, what is said is of this one",
			   (int)pid);
	smcp_found_cure("smc_run --check there");
}

static int take_process(struct subject *subject, const char *text)
{
	char path[64];
	struct stat st;
	ssize_t n;
	int rc;

	snprintf(path, sizeof(path), "/proc/%s", text);
	if (strlen(text) > 10 || stat(path, &st))
		return wrong(text, "no such process");
	subject->pid = atoi(text);
	subject->who.user = st.st_uid;
	subject->who.group = st.st_gid;
	snprintf(path, sizeof(path), "/proc/%d/exe", (int)subject->pid);
	n = readlink(path, subject->exe, sizeof(subject->exe) - 1);
	rc = n < 0 ? -errno : take_environment(subject->pid);
	if (!rc)
		rc = enter_netns(subject->pid);
	if (rc == -EACCES || rc == -EPERM)
		return wrong(text, "not permitted (be root)");
	if (rc)
		return wrong(text, strerror(-rc));
	/* Also if the file was replaced, or is in another mount namespace. */
	strcpy(subject->target.path, path);
	smcp_target_inspect(&subject->target);
	smcp_elf_info_read(subject->target.path, &subject->info);
	strip_deleted(subject->exe);
	strcpy(subject->target.path, subject->exe);
	subject->target.privileged = is_secure(subject->pid);
	if (subject->target.privileged)
		forget_environment(); /* as it does */
	note_root(subject->pid);
	return 0;
}

static int take_program(struct subject *subject, const char *name)
{
	if (!smcp_target_find(name, subject->target.path))
		return wrong(name, "not found");
	smcp_target_inspect(&subject->target);
	smcp_elf_info_read(subject->target.path, &subject->info);
	if (!realpath(subject->target.path, subject->exe))
		return wrong(name, strerror(errno));
	return 0;
}

static int take_command(struct subject *subject, const char *name)
{
	subject->who.user = geteuid();
	subject->who.group = getegid();
	return take_program(subject, name);
}

/*
 * A unit
 */
static int take_variable(struct subject *subject, const char *name,
			 const char *value)
{
	if (!strcmp(name, "LD_PRELOAD"))
		subject->is_enabled = strstr(value, SMCP_LIBRARY_NAME);
	else if (!strncmp(name, "SMC_", 4) && setenv(name, value, 1))
		return -ENOMEM;
	return 0;
}

static void take_file_variable(void *arg, const char *path, const char *name,
			       const char *value)
{
	struct subject *subject = arg;

	if (!name) {
		smcp_found_warning("unit", "%s: EnvironmentFile=%s: %s",
				   subject->unit->name, path, value);
		return;
	}
	if (!strcmp(name, "LD_PRELOAD"))
		snprintf(subject->preload_file, sizeof(subject->preload_file),
			 "%s", path);
	(void)take_variable(subject, name, value);
}

static int take_unit_environment(struct subject *subject)
{
	static char *words[SMCP_UNIT_WORDS];
	int rc = smcp_unit_words(smcp_unit_get(subject->unit, "Environment"),
				 words);
	size_t i;

	if (rc)
		return rc;
	forget_environment();
	for (i = 0; words[i]; i++) {
		char *value = strchr(words[i], '=');

		if (!value)
			continue;
		*value++ = '\0';
		rc = take_variable(subject, words[i], value);
		if (rc)
			return rc;
		free(words[i]);
	}
	smcp_envfile_each(subject->unit, take_file_variable, subject);
	return 0;
}

static bool is_number(const char *text)
{
	return !text[strspn(text, "0123456789")];
}

/* Who the unit's programs are, as far as rules ask */
static void take_user(struct subject *subject)
{
	const char *name = smcp_unit_get(subject->unit, "User");
	const struct passwd *user = NULL;
	const struct group *group;

	if (*name)
		user = is_number(name)
			       ? getpwuid((uid_t)strtoul(name, NULL, 10))
			       : getpwnam(name);
	if (user) {
		subject->who.user = user->pw_uid;
		subject->who.group = user->pw_gid;
	}
	name = smcp_unit_get(subject->unit, "Group");
	if (!*name)
		return;
	group = is_number(name) ? NULL : getgrnam(name);
	if (group)
		subject->who.group = group->gr_gid;
	else if (is_number(name))
		subject->who.group = (gid_t)strtoul(name, NULL, 10);
}

static int load_unit(const char *word, struct smcp_unit *unit)
{
	int rc;

	if (smcp_unit_name(word, unit))
		return wrong(word, "is no name of a unit");
	if (access("/run/systemd/system", F_OK))
		return wrong(word, "systemd is not running here");
	rc = smcp_unit_load(unit);
	if (rc)
		return wrong(word, rc == -ENOENT ? "there is no systemctl"
						 : "systemctl failed");
	return strcmp(smcp_unit_get(unit, "LoadState"), "loaded")
		       ? wrong(word, "no such unit, or it cannot be loaded")
		       : 0;
}

static int take_unit(struct subject *subject, const char *word)
{
	static struct smcp_unit unit;
	const char *command, *pid;
	char *program, *path;
	int rc = load_unit(word, &unit);

	if (rc)
		return rc;
	subject->unit = &unit;
	subject->has_socket = !strcmp(strrchr(unit.name, '.'), ".socket") ||
			      smcp_unit_has_socket(&unit);
	rc = take_unit_environment(subject);
	if (rc)
		return wrong(word, strerror(-rc));
	take_user(subject);
	pid = smcp_unit_get(&unit, "MainPID");
	if (*pid && strcmp(pid, "0") != 0)
		return take_process(subject, pid);
	command = smcp_unit_next(&unit, "ExecStart", NULL);
	if (!command || !*command || smcp_unit_program(command, &program))
		return 0;
	rc = asprintf(&path, "%s%s", smcp_unit_get(&unit, "RootDirectory"),
		      program);
	free(program);
	if (rc < 0)
		return wrong(word, strerror(ENOMEM));
	subject->target.is_other_user = subject->who.user != getuid();
	rc = take_program(subject, path);
	free(path);
	return rc;
}

static bool is_unit(const char *word)
{
	const char *dot = strrchr(word, '.');

	return dot && !strchr(word, '/') &&
	       (!strcmp(dot, ".service") || !strcmp(dot, ".socket"));
}

static int take_subject(struct subject *subject,
			const struct smcp_options *options)
{
	char *const *rest = options->rest;
	const char *what = rest[0];

	subject->who.exe = subject->exe;
	if (!what)
		return 0;
	if (rest[1])
		return wrong(rest[1], "unexpected");
	if (is_number(what))
		return take_process(subject, what);
	return is_unit(what) ? take_unit(subject, what)
			     : take_command(subject, what);
}

/*
 * The library and the program
 */
static void check_library(const struct smcp_reach *reach)
{
	struct stat st;

	if (stat(reach->path, &st)) {
		smcp_found_failure("library", SMCP_RESULT_BROKEN, "%s: %s",
				   reach->path, strerror(errno));
		smcp_found_cure("install it again");
	} else if (strchr(reach->name, '/')) {
		smcp_found_warning("library",
				   "%s: in no directory of the system, so "
				   "privileged programs stay on TCP",
				   reach->path);
		smcp_found_cure("install the package");
	} else if (st.st_uid || st.st_mode & (S_IWGRP | S_IWOTH)) {
		smcp_found_warning("library",
				   "%s: others than root may write what all "
				   "programs load",
				   reach->path);
		smcp_found_cure("chown root:root %s; chmod go-w %s",
				reach->path, reach->path);
	} else if (!(st.st_mode & S_ISUID)) {
		smcp_found_warning("library",
				   "%s: mode %o, so privileged programs stay "
				   "on TCP",
				   reach->path, st.st_mode & 07777U);
		smcp_found_cure("chmod 4644 %s, if they are to use SMC",
				reach->path);
	} else {
		smcp_found_ok("library", "%s, mode %o", reach->path,
			      st.st_mode & 07777U);
	}
}

/* The text of a reach is "PATH: WHAT". */
static void found_unreachable(const struct smcp_reach *reach)
{
	smcp_found_failure("target", SMCP_RESULT_UNREACHABLE, "%s",
			   reach->text);
	switch (reach->obstacle) {
	case SMCP_GO:
		smcp_found_cure("smc_run --bpf, as root; or let it ask for "
				"IPPROTO_SMC itself");
		break;
	case SMCP_STATIC:
		smcp_found_cure("smc_run --bpf, as root; or link it "
				"dynamically");
		break;
	case SMCP_OTHER_LIBC:
		smcp_found_cure("smc_run --bpf, as root; or build the library "
				"with its C library");
		break;
	case SMCP_OTHER_ARCH:
		smcp_found_cure("install the library for its architecture; or "
				"smc_run --bpf, as root");
		break;
	default:
		smcp_found_cure("install the package, mode 4644; or smc_run "
				"--bpf, as root");
	}
}

/* Return: is a process that runs in scope of the BPF side? */
static bool is_in_bpf(const char *self, pid_t pid)
{
	char path[PATH_MAX], number[16], answer[64];
	char *const argv[] = {path, "--bpf=has", "--", "pid", number, NULL};

	if (!pid ||
	    snprintf(path, sizeof(path), "%.*ssmc_run_bpf",
		     (int)(smcp_base_name(self) - self), self) >= PATH_MAX)
		return false;
	snprintf(number, sizeof(number), "%d", (int)pid);
	return !smcp_process_read(argv, false, answer, sizeof(answer));
}

static void check_program(const struct subject *subject,
			  const struct smcp_reach *reach)
{
	const struct smcp_target *target = &subject->target;

	if (!target->known) {
		smcp_found_warning("target",
				   "%s: not a program that could be "
				   "looked at",
				   target->path);
		return;
	}
	if (subject->is_in_bpf) {
		smcp_found_ok("process",
			      "%d is in scope of the BPF side (smc_run "
			      "--bpf=status): its next sockets",
			      (int)subject->pid);
		return;
	}
	if (reach->obstacle) {
		found_unreachable(reach);
	} else if (target->privileged) {
		smcp_found_warning(
			"target",
			"%s: privileged, so SMC_* variables, options "
			"and files but /etc/smc are not for it",
			target->path);
	} else if (subject->info.has_liburing) {
		smcp_found_warning("target",
				   "%s: links liburing: connects made by "
				   "io_uring escape the rules (G21)",
				   target->path);
	} else {
		smcp_found_ok("target", "%s: dynamic", target->path);
	}
	if (!subject->pid)
		return;
	if (smcp_maps_has_library(subject->pid) == 1) {
		smcp_found_ok("process", "%d has loaded the library",
			      (int)subject->pid);
	} else {
		smcp_found_failure("process", SMCP_RESULT_TCP,
				   "%d has not loaded the library",
				   (int)subject->pid);
		if (subject->unit)
			smcp_found_cure("systemctl restart %s; or smc_run "
					"--bpf=add cgroup %s",
					subject->unit->name,
					subject->unit->name);
		else
			smcp_found_cure(
				"start it by smc_run; or smc_run "
				"--bpf=add pid %d, for its next sockets",
				(int)subject->pid);
	}
}

static void found_on_unit(const struct smcp_unit *unit, const char *text,
			  const char *cure)
{
	smcp_found_warning("unit", "%s: %s", unit->name, text);
	if (cure)
		smcp_found_cure("%s", cure);
}

static void check_unit(const struct subject *subject, const char *library)
{
	const char *name = subject->unit->name;

	if (subject->has_socket) {
		smcp_found_failure("unit", SMCP_RESULT_UNREACHABLE,
				   "%s: process 1 opens its sockets, and they "
				   "stay TCP",
				   name);
		smcp_found_cure("let the service open them, and disable the "
				"socket unit");
	} else if (subject->is_enabled) {
		smcp_found_ok("unit", "%s: LD_PRELOAD names the library", name);
	} else if (subject->pid && smcp_maps_has_library(subject->pid) == 1) {
		smcp_found_ok("unit",
			      "%s: LD_PRELOAD is not set there, but elsewhere",
			      name);
	} else if (subject->is_in_bpf) {
		smcp_found_ok("unit",
			      "%s: LD_PRELOAD is not set; the BPF side has it",
			      name);
	} else if (*subject->preload_file) {
		smcp_found_failure("unit", SMCP_RESULT_TCP,
				   "%s: %s sets LD_PRELOAD, without the "
				   "library",
				   name, subject->preload_file);
		smcp_found_cure("name the library there");
	} else {
		smcp_found_failure("unit", SMCP_RESULT_TCP,
				   "%s: LD_PRELOAD is not set", name);
		smcp_found_cure("smc_run --systemd enable %s", name);
	}
	smcp_sandbox_check(subject->unit, library, found_on_unit);
}

/*
 * The rules
 */
static const char *scope_text(const struct smcp_rules *rules, int family)
{
	static const char *const texts[] = {"all-tcp", "all-smc", "mixed"};

	return texts[smcp_rules_scope(rules, family)];
}

static int check_scope(const struct subject *subject,
		       const struct smcp_list *list)
{
	void *memory = calloc(1, smcp_rules_size(list));
	const struct smcp_rules *rules;

	if (!memory)
		return -ENOMEM;
	rules = smcp_rules_compile(list, &subject->who, memory);
	if (smcp_rules_scope(rules, AF_INET) == SMCP_ALL_TCP &&
	    smcp_rules_scope(rules, AF_INET6) == SMCP_ALL_TCP) {
		smcp_found_failure("rules", SMCP_RESULT_TCP,
				   "%u: all-tcp for this program",
				   list->n_rules);
		smcp_found_cure("smc_run --list-rules shows them");
	} else {
		smcp_found_ok("rules", "%u: AF_INET %s, AF_INET6 %s",
			      list->n_rules, scope_text(rules, AF_INET),
			      scope_text(rules, AF_INET6));
	}
	free(memory);
	return 0;
}

static int check_rules(const struct subject *subject,
		       const struct smcp_run_list *list)
{
	const struct smcp_error *error = &list->loader.parser.first_error;
	unsigned int n = list->loader.parser.n_errors;

	if (n) {
		smcp_found_failure("rules", SMCP_RESULT_BROKEN,
				   "%s:%u:%u: %s%s", error->origin, error->line,
				   error->column, error->text,
				   n > 1 ? " (and more)" : "");
		smcp_found_cure("correct it; until then all is TCP");
		return 0;
	}
	if (*subject->exe)
		return check_scope(subject, &list->loader.list);
	smcp_found_ok("rules", "%u, for all programs",
		      list->loader.list.n_rules);
	return 0;
}

/* Files are read as the program may read them, not as root. */
static int load_as(const struct smcp_subject *who,
		   const struct smcp_options *options,
		   struct smcp_run_list *list)
{
	uid_t user = geteuid();
	gid_t group = getegid();
	bool is_other = !user && *who->exe && who->user;
	int rc;

	if (is_other && (setegid(who->group) || seteuid(who->user)))
		return -errno;
	rc = smcp_run_list_load(list, options);
	if (is_other && (seteuid(user) || setegid(group)))
		return -errno;
	return rc;
}

int smcp_check(const char *self, const struct smcp_options *options,
	       struct smcp_run_list *list)
{
	static struct subject subject;
	static struct smcp_reach reach;
	bool is_usable;
	int rc;

	rc = take_subject(&subject, options);
	if (rc)
		return 1;
	list->shows_all = true;
	rc = load_as(&subject.who, options, list);
	if (rc)
		goto no_memory;
	if (list->has_typed_error)
		return 1;
	smcp_machine_check(smcp_run_list_families(list));
	subject.is_in_bpf = is_in_bpf(self, subject.pid);
	is_usable = smcp_elf_info_reach(&subject.info, self, &subject.target,
					&reach);
	if (reach.obstacle == SMCP_NO_LIBRARY && !is_usable) {
		smcp_found_failure("library", SMCP_RESULT_BROKEN, "%s",
				   reach.text);
		smcp_found_cure("install the package");
	} else {
		check_library(&reach);
	}
	if (subject.unit)
		check_unit(&subject, reach.name);
	if (*subject.exe)
		check_program(&subject, &reach);
	rc = check_rules(&subject, list);
	if (rc)
		goto no_memory;
	if (options->peer &&
	    smcp_peer_check(options->peer, smcp_run_list_families(list)))
		return 1;
	return smcp_findings_print(options->is_json);

no_memory:
	dprintf(STDERR_FILENO, "smc_run: --check: %s\n", strerror(-rc));
	return 1;
}
