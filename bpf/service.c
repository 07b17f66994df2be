// SPDX-License-Identifier: MIT
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "check_rules.h"
#include "pins.h"
#include "process.h"
#include "service.h"
#include "target.h"
#include "text.h"
#include "util.h"

#define EXIT_OFF 3
#define EXIT_CANNOT 125

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

/* What can be in scope, and how it is named */
struct kind {
	const char *word;
	int (*change)(const struct smcb_pins *pins, const char *name,
		      bool is_add);
};

__attribute__((format(printf, 2, 3))) static int fail(int status,
						      const char *format, ...)
{
	char text[SMCB_ERROR + 64];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	dprintf(STDERR_FILENO, "smc_run: --bpf: %s\n", text);
	return status;
}

/* Of a map, or of a process that has ended */
static int failed(const char *kind, const char *name, int rc)
{
	if (rc == -EPERM || rc == -EACCES)
		return fail(EXIT_CANNOT, "not permitted: it takes root");
	if (rc == -E2BIG)
		return fail(EXIT_CANNOT, "%s %s: there is no room for more",
			    kind, name);
	return fail(1, "%s %s: %s", kind, name,
		    rc == -ENOENT ? "is not in scope" : strerror(-rc));
}

static bool is_number(const char *text)
{
	return *text && !text[strspn(text, "0123456789")] && strlen(text) < 10;
}

/*
 * Processes
 */
static int change_process(const struct smcb_pins *pins, const char *name,
			  bool is_add)
{
	int rc;

	if (!is_number(name) || !atoi(name))
		return fail(1, "pid: '%s' is no process id", name);
	rc = is_add ? smcb_pins_add_process(pins, atoi(name))
		    : smcb_pins_del_process(pins, atoi(name));
	if (rc == -ESRCH || rc == -EINVAL)
		return fail(1, "pid %s: no such process", name);
	return rc ? failed("pid", name, rc) : 0;
}

/*
 * All that is in a hash
 */
static int change_map(int map, bool is_add, const char *kind, const char *name,
		      const void *key, const struct smcb_label *label)
{
	int rc = is_add ? bpf_map_update_elem(map, key, label, BPF_ANY)
			: bpf_map_delete_elem(map, key);

	return rc ? failed(kind, name, -errno) : 0;
}

static void write_label(struct smcb_label *label, const char *text)
{
	memset(label, 0, sizeof(*label));
	memcpy(label->text, text, strnlen(text, sizeof(label->text) - 1));
}

/* A unit of systemd is the cgroup it has now. */
static bool is_unit(const char *name)
{
	const char *dot = strrchr(name, '.');

	return dot && !strchr(name, '/') &&
	       (!strcmp(dot, ".service") || !strcmp(dot, ".slice") ||
		!strcmp(dot, ".scope"));
}

static int find_unit(const char *unit, char path[PATH_MAX])
{
	char *const argv[] = {"systemctl", "show",	 "-P", "ControlGroup",
			      "--",	   (char *)unit, NULL};
	int rc = smcp_process_read(argv, false, path, PATH_MAX);

	path[strcspn(path, "\n")] = '\0';
	if (rc == 127 || rc < 0)
		return fail(1, "cgroup %s: there is no systemctl", unit);
	if (rc || !*path)
		return fail(1,
			    "cgroup %s: the unit has no cgroup, as it does "
			    "not run",
			    unit);
	return 0;
}

static int change_cgroup(const struct smcb_pins *pins, const char *name,
			 bool is_add)
{
	struct smcb_cgroup cgroup;
	struct smcb_label label;
	char error[SMCB_ERROR], path[PATH_MAX];
	const char *at = name;

	if (is_unit(name)) {
		if (find_unit(name, path))
			return 1;
		at = path;
	}
	if (smcb_cgroup_find(at, &cgroup, error))
		return fail(1, "cgroup %s", error);
	if (strlen(cgroup.path) >= sizeof(label.text))
		return fail(1, "cgroup %s: %s", name, strerror(ENAMETOOLONG));
	write_label(&label, cgroup.path);
	label.level = cgroup.level;
	return change_map(pins->cgroups, is_add, "cgroup", name, &cgroup.id,
			  &label);
}

/* As of ip-netns(8), of a process, a file, or "self". */
static int find_netns(const char *name, __u64 *ret_cookie)
{
	int own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	socklen_t size = sizeof(*ret_cookie);
	char path[PATH_MAX];
	int ns, fd, rc = 0;

	snprintf(path, sizeof(path),
		 !strcmp(name, "self") ? "/proc/self/ns/net"
		 : is_number(name)     ? "/proc/%s/ns/net"
		 : strchr(name, '/')   ? "%s"
				       : "/run/netns/%s",
		 name);
	ns = open(path, O_RDONLY | O_CLOEXEC);
	if (own < 0 || ns < 0 || setns(ns, CLONE_NEWNET))
		return -errno;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, ret_cookie, &size))
		rc = -errno;
	close(fd);
	close(ns);
	if (setns(own, CLONE_NEWNET))
		rc = -errno;
	close(own);
	return rc;
}

static int change_netns(const struct smcb_pins *pins, const char *name,
			bool is_add)
{
	struct smcb_label label;
	__u64 cookie;
	int rc = find_netns(name, &cookie);

	if (rc)
		return fail(1, "netns %s: %s", name, strerror(-rc));
	write_label(&label, name);
	return change_map(pins->netnses, is_add, "netns", name, &cookie,
			  &label);
}

static int change_user(const struct smcb_pins *pins, const char *name,
		       bool is_add)
{
	const struct passwd *user;
	struct smcb_label label;
	__u32 id;

	if (is_number(name)) {
		id = (__u32)atoi(name);
	} else {
		user = getpwnam(name);
		if (!user)
			return fail(1, "user %s: no such user", name);
		id = user->pw_uid;
	}
	write_label(&label, name);
	return change_map(pins->users, is_add, "user", name, &id, &label);
}

static int change_program(const struct smcb_pins *pins, const char *name,
			  bool is_add)
{
	struct smcb_label label;
	__u64 key[SMCB_WORDS];

	if (!*name || strchr(name, '/') || smcb_name(name, strlen(name), key))
		return fail(1,
			    "prog %s: the name of a program is expected, "
			    "without its directory",
			    name);
	write_label(&label, name);
	return change_map(pins->programs, is_add, "prog", name, key, &label);
}

static const struct kind kinds[] = {
	{"pid", change_process},  {"cgroup", change_cgroup},
	{"netns", change_netns},  {"user", change_user},
	{"prog", change_program},
};

/*
 * Verbs
 */

static int switch_on(const struct smcp_run_list *list)
{
	static struct smcb_table table;
	char error[SMCB_ERROR];
	int mixed, rc = smcb_rules_environment();

	if (!rc)
		rc = smcb_rules_table(list, &table);
	if (rc)
		return rc;
	if (smcb_rules_obstacle(error))
		return fail(EXIT_CANNOT, "%s", error);
	rc = smcb_rules_probe();
	if (rc)
		dprintf(STDERR_FILENO,
			"smc_run: no SMC in the kernel: %s (modprobe smc), TCP "
			"until there is\n",
			strerror(-rc));
	mixed = smcb_table_find_mixed(&table);
	rc = smcb_pins_make(&table, mixed >= 0, error);
	if (rc == -EXDEV)
		return smcb_rules_mixed(list, mixed, "a process");
	return rc ? fail(EXIT_CANNOT, "%s", error) : 0;
}

/* Return: 0, or the exit status after something was printed. */
static int open_pins(struct smcb_pins *pins)
{
	int rc = smcb_pins_open(pins);

	if (rc == -ENOENT)
		return fail(EXIT_OFF, "it is not on");
	if (rc == -EPERM || rc == -EACCES)
		return fail(EXIT_CANNOT, "not permitted: it takes root");
	return rc ? fail(EXIT_CANNOT, "%s", strerror(-rc)) : 0;
}

static int new_rules(const struct smcp_run_list *list)
{
	static struct smcb_table table;
	struct smcb_pins pins;
	int mixed, rc = open_pins(&pins);

	if (!rc)
		rc = smcb_rules_table(list, &table);
	if (rc)
		return rc;
	mixed = smcb_table_find_mixed(&table);
	if (mixed >= 0 && smcb_pins_has_choice(&pins) != 1)
		return smcb_rules_mixed(list, mixed, "a process");
	rc = smcb_pins_set_rules(&pins, &table);
	return rc ? fail(EXIT_CANNOT, "rules: %s", strerror(-rc)) : 0;
}

static int change(const struct smcb_pins *pins, const struct kind *kind,
		  char *const *names, bool is_add)
{
	int rc = 0;

	for (; !rc && *names; names++)
		rc = kind->change(pins, *names, is_add);
	if (rc == EXIT_CANNOT)
		return rc;
	/* Those before a wrong one count. */
	switch (-smcb_pins_refresh(pins)) {
	case 0:
		return rc;
	case E2BIG:
		return fail(EXIT_CANNOT,
			    "cgroups of more than %d different depths",
			    SMCB_LEVELS);
	default:
		return fail(EXIT_CANNOT, "the configuration: %s",
			    strerror(errno));
	}
}

static int change_scope(const struct smcp_options *options,
			const struct smcp_run_list *list, bool is_add)
{
	char *const *rest = options->rest;
	const struct kind *kind = NULL;
	struct smcb_pins pins;
	bool is_first;
	size_t i;
	int rc = 0;

	for (i = 0; rest[0] && i < ARRAY_SIZE(kinds); i++)
		if (!strcmp(rest[0], kinds[i].word))
			kind = &kinds[i];
	if (!kind || !rest[1])
		return fail(1,
			    "%s what?  pid, cgroup, netns, user or prog, "
			    "and a name",
			    options->bpf_verb);
	is_first = is_add && smcb_pins_open(&pins) == -ENOENT;
	if (is_first)
		rc = switch_on(list);
	if (!rc)
		rc = open_pins(&pins);
	if (rc)
		return rc;
	rc = change(&pins, kind, rest + 1, is_add);
	/* Not on for nothing */
	if (rc && is_first)
		(void)smcb_pins_remove();
	return rc;
}

/*
 * Is a process in scope?  As the kernel's program sees it.
 */
static bool has_cgroup(const struct smcb_pins *pins, const char *pid)
{
	struct smcb_cgroup cgroup;
	struct smcb_label label;
	char path[64], line[PATH_MAX], error[SMCB_ERROR];
	bool found = false;
	FILE *file;
	char *end;

	snprintf(path, sizeof(path), "/proc/%s/cgroup", pid);
	file = fopen(path, "re");
	if (!file)
		return false;
	while (!found && fgets(line, sizeof(line), file))
		found = !strncmp(line, "0::/", 4);
	fclose(file);
	if (!found)
		return false;
	line[strcspn(line, "\n")] = '\0';
	for (;;) {
		/* Of "0::/a/b" these are "a/b", "a" and "". */
		if (!smcb_cgroup_find(line[4] ? line + 4 : "/", &cgroup,
				      error) &&
		    !bpf_map_lookup_elem(pins->cgroups, &cgroup.id, &label))
			return true;
		if (!line[4])
			return false;
		end = strrchr(line + 4, '/');
		*(end ? end : line + 4) = '\0';
	}
}

static bool has_user(const struct smcb_pins *pins, const char *pid)
{
	struct smcb_label label;
	unsigned int user = 0;
	char path[64], line[256];
	bool found = false;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%s/status", pid);
	file = fopen(path, "re");
	if (!file)
		return false;
	while (!found && fgets(line, sizeof(line), file))
		found = sscanf(line, "Uid: %*u %u", &user) == 1;
	fclose(file);
	return found && !bpf_map_lookup_elem(pins->users, &user, &label);
}

static bool has_program(const struct smcb_pins *pins, const char *pid)
{
	static const char deleted[] = " (deleted)";
	char path[64], exe[PATH_MAX];
	struct smcb_label label;
	__u64 key[SMCB_WORDS];
	const char *base;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%s/exe", pid);
	n = readlink(path, exe, sizeof(exe) - 1);
	if (n < 0)
		return false;
	exe[n] = '\0';
	if ((size_t)n > strlen(deleted) &&
	    !strcmp(exe + n - strlen(deleted), deleted))
		exe[(size_t)n - strlen(deleted)] = '\0';
	base = smcp_base_name(exe);
	return !smcb_name(base, strlen(base), key) &&
	       !bpf_map_lookup_elem(pins->programs, key, &label);
}

static int has(const struct smcp_options *options)
{
	char *const *rest = options->rest;
	struct smcb_label label;
	struct smcb_pins pins;
	__u64 cookie;
	bool found;
	int rc;

	if (!rest[0] || strcmp(rest[0], "pid") != 0 || !rest[1] || rest[2] ||
	    !is_number(rest[1]))
		return fail(1, "has what?  pid, and its number");
	rc = open_pins(&pins);
	if (rc)
		return rc;
	found = smcb_pins_has_process(&pins, atoi(rest[1])) ||
		has_cgroup(&pins, rest[1]) || has_user(&pins, rest[1]) ||
		has_program(&pins, rest[1]) ||
		(!find_netns(rest[1], &cookie) &&
		 !bpf_map_lookup_elem(pins.netnses, &cookie, &label));
	printf("pid %s is %sin scope\n", rest[1], found ? "" : "not ");
	return fflush(stdout) || !found;
}

static void print_label(const char *word, struct smcb_label *label)
{
	label->text[sizeof(label->text) - 1] = '\0';
	printf("scope    %s ", word);
	smcp_print_plain(label->text);
	putchar('\n');
}

static void print_labels(int map, size_t key_size, const char *word)
{
	struct smcb_label label;
	char key[SMCB_NAME], last[SMCB_NAME];
	bool has_last = false;

	while (!bpf_map_get_next_key(map, has_last ? last : NULL, key)) {
		if (!bpf_map_lookup_elem(map, key, &label))
			print_label(word, &label);
		memcpy(last, key, key_size);
		has_last = true;
	}
}

static void print_processes(const struct smcb_pins *pins)
{
	const struct dirent *entry;
	DIR *dir = opendir("/proc");
	char path[64], comm[64];
	FILE *file;

	while (dir && (entry = readdir(dir))) {
		if (!is_number(entry->d_name) ||
		    !smcb_pins_has_process(pins, atoi(entry->d_name)))
			continue;
		snprintf(path, sizeof(path), "/proc/%d/comm",
			 atoi(entry->d_name));
		file = fopen(path, "re");
		if (!file || !fgets(comm, sizeof(comm), file))
			strcpy(comm, "?");
		if (file)
			fclose(file);
		comm[strcspn(comm, "\n")] = '\0';
		printf("scope    pid %s ", entry->d_name);
		smcp_print_plain(comm);
		putchar('\n');
	}
	if (dir)
		closedir(dir);
}

/* Return: how many it has told of. */
static __u64 print_rules(const struct smcb_pins *pins)
{
	__u32 i, id, first = 0;
	char place[SMCB_PLACE] = "";
	struct smcb_entry entry;
	__u64 n = 0, count = 0;
	int fd;

	if (bpf_map_lookup_elem(pins->rules, &first, &id))
		return 0;
	fd = bpf_map_get_fd_by_id(id);
	for (i = 0; fd >= 0 && i < SMCB_ENTRIES; i++) {
		/* One without families is behind the last one. */
		if (bpf_map_lookup_elem(fd, &i, &entry) || !entry.families)
			break;
		/* A rule has many entries, in a row. */
		if (count && strncmp(place, entry.place, SMCB_PLACE) != 0) {
			printf(", %llu TCP by %.*s", count, SMCB_PLACE, place);
			count = 0;
		}
		memcpy(place, entry.place, SMCB_PLACE);
		count += entry.count;
		n += entry.count;
	}
	close(fd);
	if (count)
		printf(", %llu TCP by %.*s", count, SMCB_PLACE, place);
	return n;
}

static void print_counts(const struct smcb_pins *pins)
{
	struct smcb_counts counts;
	__u32 first = 0;
	__u64 rest, n;

	if (bpf_map_lookup_elem(pins->counts, &first, &counts))
		return;
	/* One may be judged more than once, and one that asked for SMC, too. */
	if (counts.late > counts.smc)
		counts.late = counts.smc;
	printf("sockets  %llu: %llu left to SMC", counts.sockets,
	       counts.smc - counts.late);
	rest = counts.sockets - counts.smc - counts.mixed - counts.absent +
	       counts.late;
	n = print_rules(pins);
	rest = rest > n ? rest - n : 0;
	if (rest)
		printf(", %llu TCP by rules that were replaced", rest);
	if (counts.mixed)
		printf(", %llu TCP by rules that ask for addresses",
		       counts.mixed);
	if (counts.absent)
		printf(", %llu TCP because SMC was unavailable", counts.absent);
	putchar('\n');
}

static int status(void)
{
	struct smcb_pins pins;
	int rc = open_pins(&pins);

	if (rc)
		return rc;
	(void)smcb_pins_refresh(&pins);
	print_labels(pins.cgroups, sizeof(__u64), "cgroup");
	print_processes(&pins);
	print_labels(pins.netnses, sizeof(__u64), "netns");
	print_labels(pins.users, sizeof(__u32), "user");
	print_labels(pins.programs, SMCB_NAME, "prog");
	print_counts(&pins);
	return fflush(stdout) ? fail(1, "standard output: %s", strerror(errno))
			      : 0;
}

static int switch_off(void)
{
	int rc = smcb_pins_remove();

	if (rc == -EPERM || rc == -EACCES)
		return fail(EXIT_CANNOT, "not permitted: it takes root");
	return rc ? fail(EXIT_CANNOT, "%s", strerror(-rc)) : 0;
}

static bool is_known(const char *verb)
{
	static const char *const verbs[] = {"on",  "off", "rules", "add",
					    "del", "has", "status"};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(verbs); i++)
		if (!strcmp(verb, verbs[i]))
			return true;
	return false;
}

bool smcb_service_needs_rules(const char *verb)
{
	return !strcmp(verb, "on") || !strcmp(verb, "add") ||
	       !strcmp(verb, "rules");
}

int smcb_service(const struct smcp_options *options,
		 const struct smcp_run_list *list)
{
	const char *verb = options->bpf_verb;
	bool is_scope = !strcmp(verb, "add") || !strcmp(verb, "del");
	struct smcb_pins pins;
	char error[SMCB_ERROR];

	if (!is_known(verb))
		return fail(
			1,
			"unknown verb '%s' (on, off, rules, add, del, has or "
			"status)",
			verb);
	if (!is_scope && strcmp(verb, "has") != 0 && *options->rest)
		return fail(1, "%s: unexpected '%s'", verb, *options->rest);
	if (smcb_pins_lock(error))
		return fail(EXIT_CANNOT, "%s", error);
	if (is_scope)
		return change_scope(options, list, *verb == 'a');
	if (!strcmp(verb, "has"))
		return has(options);
	if (!strcmp(verb, "off"))
		return switch_off();
	if (!strcmp(verb, "status"))
		return status();
	if (!strcmp(verb, "rules"))
		return new_rules(list);
	return smcb_pins_open(&pins) ? switch_on(list) : new_rules(list);
}
