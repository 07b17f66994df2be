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
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <paths.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "conf.h"
#include "list.h"
#include "options.h"
#include "query.h"
#include "smc_uapi.h"
#include "util.h"

/* What the kernel reads of a script's first line, and how deep it follows. */
#define SCRIPT_LINE 256
#define SCRIPT_DEPTH 5

#define LIBRARY_NAME "libsmc-preload.so"

/* Where this program is in a build tree. */
#define TREE_NAME "preload/tools/smc_run_core"

/* The library is built with the same compiler as this program. */
#ifdef __GLIBC__
#define LIBRARY_IS_MUSL false
#else
#define LIBRARY_IS_MUSL true
#endif

/* Equal for a program and the libraries it can load. */
struct arch {
	unsigned char class;
	unsigned char data;
	unsigned char machine[2];
};

struct target {
	char path[PATH_MAX];
	bool known; /* path is an ELF program, all below is valid */
	struct arch arch;
	char loader[PATH_MAX]; /* empty if statically linked */
	bool privileged; /* the loader will be in secure mode */
};

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static bool read_at(int fd, uint64_t offset, void *buf, size_t len)
{
	return pread(fd, buf, len, (off_t)offset) == (ssize_t)len;
}

static bool is_executable(const char *path)
{
	struct stat st;

	return !stat(path, &st) && S_ISREG(st.st_mode) && !access(path, X_OK);
}

/* The file execvp() would find. */
static bool find_program(const char *name, char ret_path[PATH_MAX])
{
	const char *dir = getenv("PATH");
	const char *end;
	int len;

	if (strchr(name, '/')) {
		len = snprintf(ret_path, PATH_MAX, "%s", name);
		return len < PATH_MAX && is_executable(ret_path);
	}
	if (!dir)
		dir = "/bin:/usr/bin";
	for (;; dir = end + 1) {
		end = strchrnul(dir, ':');
		len = snprintf(ret_path, PATH_MAX, "%.*s%s%s", (int)(end - dir),
			       dir, end > dir ? "/" : "", name);
		if (len < PATH_MAX && is_executable(ret_path))
			return true;
		if (!*end)
			return false;
	}
}

static bool elf_arch(int fd, struct arch *ret_arch)
{
	unsigned char head[offsetof(Elf64_Ehdr, e_version)];

	if (!read_at(fd, 0, head, sizeof(head)) ||
	    memcmp(head, ELFMAG, SELFMAG))
		return false;
	ret_arch->class = head[EI_CLASS];
	ret_arch->data = head[EI_DATA];
	memcpy(ret_arch->machine, head + offsetof(Elf64_Ehdr, e_machine),
	       sizeof(ret_arch->machine));
	return true;
}

static uint64_t load(bool big, const unsigned char *p, size_t len)
{
	uint64_t value = 0;

	for (size_t i = 0; i < len; i++)
		value = value << 8 | p[big ? i : len - 1 - i];
	return value;
}

/* A field of a header of either class and byte order. */
#define FIELD(arch, buf, type, member)                          \
	((arch)->class == ELFCLASS64                            \
		 ? load((arch)->data == ELFDATA2MSB,            \
			(buf) + offsetof(Elf64_##type, member), \
			sizeof(((Elf64_##type *)0)->member))    \
		 : load((arch)->data == ELFDATA2MSB,            \
			(buf) + offsetof(Elf32_##type, member), \
			sizeof(((Elf32_##type *)0)->member)))

/* Find the dynamic loader; the file may hold anything. */
static bool elf_loader(int fd, struct target *t)
{
	const struct arch *a = &t->arch;
	bool wide = a->class == ELFCLASS64;
	size_t entry = wide ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr);
	unsigned char ehdr[sizeof(Elf64_Ehdr)];
	unsigned char phdr[sizeof(Elf64_Phdr)];
	uint64_t type, num, at, len;

	if (!read_at(fd, 0, ehdr,
		     wide ? sizeof(Elf64_Ehdr) : sizeof(Elf32_Ehdr)))
		return false;
	type = FIELD(a, ehdr, Ehdr, e_type);
	num = FIELD(a, ehdr, Ehdr, e_phnum);
	at = FIELD(a, ehdr, Ehdr, e_phoff);
	if ((type != ET_EXEC && type != ET_DYN) || !num ||
	    FIELD(a, ehdr, Ehdr, e_phentsize) != entry)
		return false;
	for (; num; num--, at += entry) {
		if (!read_at(fd, at, phdr, entry))
			return false;
		if (FIELD(a, phdr, Phdr, p_type) != PT_INTERP)
			continue;
		len = FIELD(a, phdr, Phdr, p_filesz);
		if (len >= PATH_MAX ||
		    !read_at(fd, FIELD(a, phdr, Phdr, p_offset), t->loader,
			     len))
			return false;
		t->loader[len] = '\0';
		return true;
	}
	/* A loader started as a program loads preloads as well. */
	if (type == ET_DYN && !strncmp(base_name(t->path), "ld", 2) &&
	    strstr(base_name(t->path), ".so"))
		strcpy(t->loader, t->path);
	return true;
}

static bool is_privileged(int fd, const struct stat *st)
{
	if ((st->st_mode & S_ISUID) && st->st_uid != getuid())
		return true;
	if ((st->st_mode & S_ISGID) && (st->st_mode & S_IXGRP) &&
	    st->st_gid != getgid())
		return true;
	return getuid() && fgetxattr(fd, "security.capability", NULL, 0) > 0;
}

/* The program that will run the script which starts with line. */
static bool script_program(char *line, char ret_path[PATH_MAX])
{
	const char *program, *arg;
	char *next;

	if (strncmp(line, "#!", 2)) {
		strcpy(ret_path, _PATH_BSHELL); /* execvp() on ENOEXEC */
		return true;
	}
	line[strcspn(line, "\n")] = '\0';
	program = strtok_r(line + 2, " \t", &next);
	if (!program)
		return false;
	arg = strtok_r(NULL, " \t", &next);
	if (!strcmp(base_name(program), "env") && arg) {
		if (strtok_r(NULL, " \t", &next))
			return false;
		program = arg;
	}
	return find_program(program, ret_path);
}

/* Follow t->path to the ELF program behind it. */
static void inspect(struct target *t)
{
	char line[SCRIPT_LINE];
	struct stat st;
	ssize_t len;
	int fd;

	for (int depth = 0; depth <= SCRIPT_DEPTH; depth++) {
		fd = open(t->path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			return;
		if (elf_arch(fd, &t->arch)) {
			if (!fstat(fd, &st) && elf_loader(fd, t)) {
				t->privileged = is_privileged(fd, &st);
				t->known = true;
			}
			close(fd);
			return;
		}
		len = pread(fd, line, sizeof(line) - 1, 0);
		close(fd);
		if (len < 0)
			return;
		line[len] = '\0';
		if (!script_program(line, t->path))
			return;
	}
}

static int library_arch(const char *path, struct arch *ret_arch)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool is_elf;

	if (fd < 0)
		return -errno;
	is_elf = elf_arch(fd, ret_arch);
	close(fd);
	return is_elf ? 0 : -ENOEXEC;
}

/*
 * Returns 0 if the library at path is for the target, 1 if it is for others,
 * or -errno.
 */
static int check_library(const char *path, const struct target *t)
{
	struct arch arch;
	int err = library_arch(path, &arch);

	if (err)
		return err;
	return t->known && memcmp(&arch, &t->arch, sizeof(arch));
}

/*
 * SMC_LIBDIRS holds the directories of all word sizes, relative to that of
 * this program, so that an installation can be moved.  Same result as
 * check_library(), for the most useful one found.
 */
static int find_library(const char *self, const struct target *t,
			char ret_path[PATH_MAX])
{
	char path[PATH_MAX];
	const char *dir, *end;
	int result = -ENOENT;
	int one;

	for (dir = SMC_LIBDIRS; *dir; dir = end + (*end != '\0')) {
		end = strchrnul(dir, ':');
		if (snprintf(path, sizeof(path), "%.*s%.*s/%s",
			     (int)(base_name(self) - self), self,
			     (int)(end - dir), dir, LIBRARY_NAME) >= PATH_MAX)
			continue;
		one = check_library(path, t);
		if (one == -ENOENT || one == -ENOTDIR ||
		    (one && result != -ENOENT))
			continue;
		strcpy(ret_path, path);
		result = one;
		if (!one)
			break;
	}
	return result;
}

/* The loader looks by itself where the system has the libc of this kind. */
static bool is_system_dir(const char *dir, const char *library)
{
	struct arch arch, libc_arch;
	char libc[PATH_MAX];

	if (strncmp(dir, "/lib", 4) && strncmp(dir, "/usr/lib", 8))
		return false;
	return snprintf(libc, PATH_MAX, "%s/libc.so.6", dir) < PATH_MAX &&
	       !library_arch(libc, &libc_arch) &&
	       !library_arch(library, &arch) &&
	       !memcmp(&arch, &libc_arch, sizeof(arch));
}

/* An installed library is named bare if the loader finds it, else in full. */
static bool name_library(const char *path, char ret_name[PATH_MAX])
{
	char dir[PATH_MAX], real[PATH_MAX];

	snprintf(dir, sizeof(dir), "%.*s", (int)(base_name(path) - path), path);
	if (!realpath(dir, real))
		return false;
	if (is_system_dir(real, path))
		return strcpy(ret_name, LIBRARY_NAME);
	return snprintf(ret_name, PATH_MAX, "%s/" LIBRARY_NAME, real) <
	       PATH_MAX;
}

/* The library in the build tree of this program, if self is in one. */
static bool tree_library(const char *self, char ret_path[PATH_MAX])
{
	char dir[PATH_MAX];
	size_t len = strlen(self);
	size_t tail = strlen(TREE_NAME);

	if (len < tail || strcmp(self + len - tail, TREE_NAME))
		return false;
	len -= strlen("tools/smc_run_core");
	return snprintf(dir, sizeof(dir), "%.*s", (int)len, self) < PATH_MAX &&
	       realpath(dir, ret_path) &&
	       strlen(ret_path) + sizeof("/" LIBRARY_NAME) <= PATH_MAX &&
	       strcat(ret_path, "/" LIBRARY_NAME);
}

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

static void say(const char *subject, const char *what)
{
	on_tcp("%s: %s", subject, what);
}

/*
 * Report what stands between library and target, and fill in the name for
 * LD_PRELOAD.  Returns false if the library must not be named there: the
 * loader would only complain, or die.  A target the library cannot reach may
 * still have children it can.
 */
static bool preflight(const char *self, const struct target *t,
		      char ret_name[PATH_MAX])
{
	char path[PATH_MAX];
	struct stat st;
	bool is_musl;
	int result;

	if (tree_library(self, path)) {
		strcpy(ret_name, path);
		result = check_library(path, t);
	} else {
		strcpy(path, LIBRARY_NAME);
		result = find_library(self, t, path);
		if (result >= 0 && !name_library(path, ret_name))
			result = -ENAMETOOLONG;
	}
	if (result == -ENOENT) {
		say(path, "not found");
		return false;
	}
	if (result < 0) {
		say(path, strerror(-result));
		return false;
	}
	if (strpbrk(ret_name, " :")) {
		say(ret_name,
		    "a path with a blank or colon cannot be preloaded");
		return false;
	}
	if (!t->known)
		return true;
	if (!*t->loader) {
		say(t->path, "statically linked");
		return true;
	}
	is_musl = !strncmp(base_name(t->loader), "ld-musl-", 8);
	if (is_musl != LIBRARY_IS_MUSL) {
		say(t->path, "uses another C library than libsmc-preload.so");
		return false;
	}
	if (result) {
		if (t->arch.class == ELFCLASS32)
			say(t->path, "no libsmc-preload.so for its "
				     "architecture (32-bit)");
		else
			say(t->path, "no libsmc-preload.so for its "
				     "architecture (64-bit)");
		return true;
	}
	if (t->privileged && (strchr(ret_name, '/') || stat(path, &st) ||
			      !(st.st_mode & S_ISUID)))
		say(t->path, "privileged, so it needs libsmc-preload.so "
			     "with the set-user-ID bit in a system directory");
	return true;
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

/*
 * LD_PRELOAD is a list with colons or blanks.  Take the library out of it,
 * whatever its directory, and put name, unless NULL, at the end.
 */
static void set_preload(const char *name)
{
	const char *list = getenv("LD_PRELOAD");
	size_t len = 0, n;
	char *preload;

	if (!list)
		list = "";
	preload = malloc(strlen(list) + 1 + PATH_MAX);
	if (!preload)
		return;
	for (; *list; list += n + (list[n] != '\0')) {
		n = strcspn(list, ": ");
		memcpy(preload + len, list, n);
		preload[len + n] = '\0';
		if (!n || !strcmp(base_name(preload + len), LIBRARY_NAME))
			continue;
		len += n;
		preload[len++] = ':';
	}
	if (name)
		len += (size_t)sprintf(preload + len, "%s:", name);
	if (len) {
		preload[len - 1] = '\0';
		setenv("LD_PRELOAD", preload, 1);
	} else {
		unsetenv("LD_PRELOAD");
	}
	free(preload);
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
	unsigned int families = list->loader.parser.settings.conf.families;
	const char *value = getenv("SMC_SOCK_FAMILY");
	size_t i;
	int fd;

	if (value)
		(void)smcp_conf_parse_family(value, &families);
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
	int rc = smcp_options_export(options);

	if (!rc && names && setenv("SMC_NAMES", names, 1))
		rc = -ENOMEM;
	if (!names)
		unsetenv("SMC_NAMES");
	return rc;
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
	static struct target target;
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
		if (!find_program(words[at + 1], target.path)) {
			dprintf(STDERR_FILENO, "smc_run: %s: not found\n",
				words[at + 1]);
			return 1;
		}
		inspect(&target);
		if (!realpath(target.path, exe)) {
			dprintf(STDERR_FILENO, "smc_run: %s: %s: %s\n",
				words[at + 1], target.path, strerror(errno));
			return 1;
		}
	}
	return smcp_query_explain(list, role, words[at], &subject);
}

/* COMMAND was not started if this returns. */
static int start(const char *self, char **command,
		 const struct smcp_run_list *list)
{
	static struct target target;
	char name[PATH_MAX];
	int err;

	if (find_program(command[0], target.path)) {
		inspect(&target);
		set_preload(preflight(self, &target, name) ? name : NULL);
	}
	if (is_strict)
		check_kernel(list);
	if (is_refused)
		return 125;
	execvp(command[0], command);
	err = errno;
	dprintf(STDERR_FILENO, "smc_run: %s: %s\n", command[0],
		err == ENOENT || err == ENOTDIR ? "not found" : strerror(err));
	switch (err) {
	case ENOENT:
	case ENOTDIR:
	case ELOOP:
	case ENAMETOOLONG:
		return 127;
	default:
		return 126;
	}
}

/* What LD_PRELOAD is to be for a program that is not known yet */
static int print_env(const char *self)
{
	static struct target target;
	char name[PATH_MAX];

	set_preload(preflight(self, &target, name) ? name : NULL);
	return smcp_query_print_env();
}

static int run(const char *self, const struct smcp_options *options,
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
		       ? print_env(self)
		       : start(self, options->rest, list);
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
	if (!rc && !smcp_run_list_is_empty(&options)) {
		list.shows_all = options.mode == SMCP_LIST_RULES;
		rc = smcp_run_list_load(&list, &options);
		if (!rc && !list.has_typed_error)
			rc = export_list(&options, &list);
	}
	if (rc == -ENOMEM) {
		dprintf(STDERR_FILENO, "smc_run: %s\n", strerror(ENOMEM));
		return 125;
	}
	return rc ? 1 : run(argv[0], &options, &list);
}
