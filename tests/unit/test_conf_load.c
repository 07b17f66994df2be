// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "conf_load.h"
#include "cunit_tap.h"

static char dir[] = "/tmp/conf_load.XXXXXX";
static char etc[200], home[200];

static const char *in(const char *base, const char *name)
{
	static char paths[4][400];
	static unsigned int next;
	char *path = paths[next++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", base, name);
	return path;
}

static void clean_up(void)
{
	char command[300];

	snprintf(command, sizeof(command), "rm -rf %s", dir);
	if (system(command))
		perror(dir);
}

/* An empty /etc/smc and an empty home */
static void begin(void)
{
	char command[700];

	if (!*etc) {
		if (!mkdtemp(dir) || atexit(clean_up))
			abort();
		snprintf(etc, sizeof(etc), "%s/etc", dir);
		snprintf(home, sizeof(home), "%s/home", dir);
	}
	snprintf(command, sizeof(command),
		 "rm -rf %s; mkdir -p %s/conf.d %s/.config/smc", dir, etc,
		 home);
	umask(022);
	if (system(command))
		abort();
}

static void write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	if (!f || fputs(text, f) < 0 || fclose(f))
		abort();
}

static void collect(struct smcp_parser *parser, const struct smcp_error *error)
{
	char *text = parser->arg;
	size_t at = strlen(text);
	const char *origin = error->origin;

	if (!strncmp(origin, dir, strlen(dir)))
		origin += strlen(dir);
	snprintf(text + at, 2000 - at, "%s:%u:%u: %s\n", origin, error->line,
		 error->column, error->text);
}

/* The rules in their order, and how it ends; or the errors */
static void check(struct smcp_inputs inputs, const char *want)
{
	char errors[2000] = "", got[4000] = "";
	struct smcp_loader loader = {
		.parser = {.report = collect, .arg = errors}};
	size_t at = 0;

	if (!inputs.etc)
		inputs.etc = etc;
	if (!inputs.home)
		inputs.home = home;
	CU_ASSERT_EQUAL(smcp_conf_load(&loader, &inputs), 0);
	for (unsigned int i = 0; i < loader.list.n_rules; i++) {
		at += smcp_conf_format_rule(&loader.list, &loader.list.rules[i],
					    got + at, sizeof(got) - at);
		at += (size_t)snprintf(got + at, sizeof(got) - at, "; ");
	}
	snprintf(got + at, sizeof(got) - at, "%s%s",
		 loader.list.otherwise == SMCP_TCP ? "tcp" : "smc",
		 loader.list.is_strict ? " strict" : "");
	CU_ASSERT_EQUAL(!*errors, !loader.parser.n_errors);
	ASSERT_STR(*errors ? errors : got, want);
	smcp_conf_unload(&loader);
}

UNIT_TEST(nothing_is_there)
{
	begin();
	check((struct smcp_inputs){0}, "smc");
	check((struct smcp_inputs){.etc = "/nonexistent",
				   .home = "/nonexistent"},
	      "smc");
	check((struct smcp_inputs){.home = "/dev/null"}, "smc");
	check((struct smcp_inputs){.exclude = "", .names = "", .strict = ""},
	      "smc");
}

static const struct smcp_input deny = {"SMC_DENY", "10.9.0.0/16"},
			       rules = {"SMC_RULES",
					"use tcp to :2; use smc to :3"},
			       allow = {"SMC_ALLOW",
					"10.0.0.0/8,[fd00::/8]:443"};

UNIT_TEST(the_order_of_the_sources)
{
	struct smcp_inputs inputs = {
		.exclude = "sshd,sudo",
		.progs = "redis-*",
		.denies = &deny,
		.n_denies = 1,
		.rules = &rules,
		.n_rules = 1,
		.allows = &allow,
		.n_allows = 1,
	};

	begin();
	write_file(in(etc, "smc.conf"), "use tcp to :9\ndefault = tcp\n");
	write_file(in(etc, "conf.d/b.conf"), "use tcp to :8");
	write_file(in(etc, "conf.d/a.conf"), "use tcp to :7");
	write_file(in(etc, "conf.d/B.conf"), "use tcp to :6");
	write_file(in(etc, "conf.d/c.conf~"), "bad");
	write_file(in(etc, "conf.d/.d.conf"), "bad");
	write_file(in(home, ".config/smc/smc.conf"), "use tcp to :5");
	check(inputs, "use tcp prog sshd, sudo; use tcp prog not redis-*; "
		      "use tcp connect to 10.9.0.0/16; use tcp connect to :2; "
		      "use smc connect to :3; "
		      "use smc connect to 10.0.0.0/8, [fd00::/8]:443; use tcp; "
		      "use tcp connect to :5; use tcp connect to :6; use tcp "
		      "connect to :7; use tcp connect to :8; "
		      "use tcp connect to :9; tcp");
	/* what the administrator locks comes first, and once */
	write_file(in(etc, "smc.conf"),
		   "use tcp to :9; locked = yes\nstrict = yes");
	inputs.exclude = inputs.progs = NULL;
	inputs.n_denies = inputs.n_allows = 0;
	check(inputs, "use tcp connect to :9; use tcp connect to :6; use tcp "
		      "connect to :7; use tcp connect to :8; "
		      "use tcp connect to :2; use smc connect to :3; use tcp "
		      "connect to :5; smc strict");
	inputs.config = (struct smcp_input){"SMC_CONFIG", "none"};
	inputs.strict = "0";
	check(inputs, "use tcp connect to :9; use tcp connect to :6; use tcp "
		      "connect to :7; use tcp connect to :8; "
		      "use tcp connect to :2; use smc connect to :3; smc");
}

UNIT_TEST(a_file_instead_of_the_machines)
{
	struct smcp_inputs inputs = {.config = {"SMC_CONFIG", NULL}};

	begin();
	write_file(in(etc, "smc.conf"), "use tcp to :9");
	write_file(in(home, ".config/smc/smc.conf"), "use tcp to :5");
	write_file(in(home, "mine"), "use tcp to :4");
	inputs.config.text = in(home, "mine");
	check(inputs, "use tcp connect to :4; smc");
	inputs.config.text = "none";
	check(inputs, "smc");
	inputs.config.text = "mine";
	check(inputs,
	      "SMC_CONFIG:1:1: an absolute path or 'none' is expected\n");
	inputs.config.text = NULL;
	inputs.xdg_config_home = in(home, "xdg");
	check(inputs, "use tcp connect to :9; smc");
	inputs.xdg_config_home = "relative";
	check(inputs, "use tcp connect to :5; use tcp connect to :9; smc");
}

UNIT_TEST(includes)
{
	char text[500];

	begin();
	write_file(in(etc, "more"), "use tcp to :2\ndefault = tcp");
	snprintf(text, sizeof(text),
		 "use tcp to :1; include %s/more; use tcp to :3", etc);
	write_file(in(etc, "smc.conf"), text);
	check((struct smcp_inputs){0}, "use tcp connect to :1; use tcp connect "
				       "to :2; use tcp connect to :3; tcp");
	write_file(in(etc, "more#1"), "use tcp to :4");
	snprintf(text, sizeof(text), "include %s/more#1 # \n", etc);
	write_file(in(etc, "smc.conf"), text);
	check((struct smcp_inputs){0}, "use tcp connect to :4; smc");
	write_file(in(etc, "smc.conf"), "\n  include /nonexistent/file");
	check((struct smcp_inputs){0},
	      "/etc/smc.conf:2:11: cannot be used, /nonexistent/file: No such "
	      "file or directory\n");
	snprintf(text, sizeof(text), "include %s/smc.conf", etc);
	write_file(in(etc, "smc.conf"), text);
	snprintf(text, sizeof(text),
		 "/etc/smc.conf:1:9: more than 4 files include each other\n");
	check((struct smcp_inputs){0}, text);
}

UNIT_TEST(files_that_cannot_be_used)
{
	static char big[SMCP_MAX_SOURCE + 2];
	struct smcp_inputs inputs = {0};

	begin();
	check((struct smcp_inputs){.config = {"SMC_CONFIG", "/nonexistent"}},
	      "/nonexistent:1:1: cannot be used: No such file or directory\n");
	write_file(in(etc, "smc.conf"), "use tcp");
	chmod(in(etc, "smc.conf"), 0664);
	check(inputs, "/etc/smc.conf:1:1: cannot be used: others may write to "
		      "it (chmod go-w)\n");
	unlink(in(etc, "smc.conf"));
	mkdir(in(etc, "smc.conf"), 0755);
	check(inputs,
	      "/etc/smc.conf:1:1: cannot be used: it is not a regular file\n");
	rmdir(in(etc, "smc.conf"));
	mkfifo(in(etc, "smc.conf"), 0644);
	check(inputs,
	      "/etc/smc.conf:1:1: cannot be used: it is not a regular file\n");
	unlink(in(etc, "smc.conf"));
	if (symlink("smc.conf", in(etc, "smc.conf")))
		abort();
	check(inputs, "/etc/smc.conf:1:1: cannot be used: Too many levels of "
		      "symbolic links\n");
	unlink(in(etc, "smc.conf"));
	memset(big, '\n', SMCP_MAX_SOURCE);
	write_file(in(etc, "smc.conf"), big);
	check(inputs, "smc");
	memset(big, '\n', SMCP_MAX_SOURCE + 1);
	write_file(in(etc, "smc.conf"), big);
	check(inputs, "/etc/smc.conf:1:1: more than 65536 bytes\n");
	/* No more than that is read of a larger one. */
	if (truncate(in(etc, "smc.conf"), 10 << 20))
		abort();
	check(inputs, "/etc/smc.conf:1:1: more than 65536 bytes\n");
	write_file(in(etc, "smc.conf"), "use tpc\nuse");
	check(inputs,
	      "/etc/smc.conf:1:5: unknown word 'tpc' (smc, tcp or require)\n"
	      "/etc/smc.conf:2:4: smc, tcp or require is missing\n");
}

static const char *to_be_changed;

/* Instead of libc's, for what happens while a file is read */
ssize_t read(int fd, void *buffer, size_t size)
{
	const char *path = to_be_changed;
	FILE *f;

	to_be_changed = NULL;
	f = path ? fopen(path, "a") : NULL;
	if (f && (fputs("\nuse tcp to :2", f) < 0 || fclose(f)))
		abort();
	return syscall(SYS_read, fd, buffer, size);
}

UNIT_TEST(a_file_that_is_changed_while_it_is_read)
{
	begin();
	write_file(in(etc, "smc.conf"), "use tcp to :1");
	to_be_changed = in(etc, "smc.conf");
	check((struct smcp_inputs){0}, "/etc/smc.conf:1:1: cannot be used: it "
				       "was changed while it was read\n");
	CU_ASSERT_PTR_NULL(to_be_changed);
	check((struct smcp_inputs){0},
	      "use tcp connect to :1; use tcp connect to :2; smc");
}

UNIT_TEST(where_no_file_can_be)
{
	begin();
	check((struct smcp_inputs){.home = "/dev/null"}, "smc");
	check((struct smcp_inputs){.config = {"SMC_CONFIG", "/dev/null/x"}},
	      "/dev/null/x:1:1: cannot be used: Not a directory\n");
}

UNIT_TEST(a_privileged_program)
{
	struct smcp_inputs inputs = {.is_secure = true};

	begin();
	write_file(in(etc, "real"), "use tcp to :1");
	if (symlink("real", in(etc, "smc.conf")))
		abort();
	check(inputs, "/etc/smc.conf:1:1: cannot be used: Too many levels of "
		      "symbolic links\n");
	inputs.is_secure = false;
	check(inputs, "use tcp connect to :1; smc");
	if (getuid())
		return;
	unlink(in(etc, "smc.conf"));
	write_file(in(etc, "smc.conf"), "use tcp to :1");
	if (chown(in(etc, "smc.conf"), 1, 1))
		abort();
	inputs.is_secure = true;
	check(inputs, "/etc/smc.conf:1:1: cannot be used: it is not root's\n");
	inputs.is_secure = false;
	check(inputs, "/etc/smc.conf:1:1: cannot be used: it is neither root's "
		      "nor the user's\n");
}

UNIT_TEST(too_many_files)
{
	char name[40];

	begin();
	for (int i = 0; i < 64; i++) {
		snprintf(name, sizeof(name), "conf.d/%02d.conf", i);
		write_file(in(etc, name), "\n");
	}
	check((struct smcp_inputs){0}, "smc");
	write_file(in(etc, "conf.d/64.conf"), "\n");
	check((struct smcp_inputs){0},
	      "/etc/conf.d:1:1: cannot be used: more than 64 files\n");
	begin();
}

UNIT_TEST(variables_have_errors_of_their_own)
{
	struct smcp_input bad[] = {{"--deny[1]", "10.1.2.3/8"},
				   {"--deny[2]", ":0"}};

	begin();
	check((struct smcp_inputs){.denies = bad,
				   .n_denies = 2,
				   .strict = "yes",
				   .exclude = ",",
				   .names = "x"},
	      "SMC_NAMES:1:1: unknown word 'x' (host, user or group)\n"
	      "SMC_EXCLUDE:1:1: a program is missing\n"
	      "--deny[1]:1:1: host bits set in '10.1.2.3/8' (10.0.0.0/8)\n"
	      "--deny[2]:1:2: '0' is not a port or a range (1 to 65535)\n"
	      "SMC_STRICT:1:1: 0 or 1 is expected\n");
}
