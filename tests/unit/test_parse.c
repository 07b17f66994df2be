// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cunit_tap.h"
#include "rules_text.h"

static const char names[] = "host db1 10.1.2.3 fd00:1::3;host empty\n"
			    "user batch 1003; group wheel 10";

/* What is written of it, one rule a line */
static void check_rules(const char *text, const char *want)
{
	struct smcp_parser parser;
	struct smcp_list *list = rules_read(&parser, text, names);
	char got[2000] = "";
	size_t at = 0;

	for (unsigned int i = 0; i < list->n_rules; i++) {
		at += smcp_conf_format_rule(list, &list->rules[i], got + at,
					    sizeof(got) - at);
		got[at++] = '\n';
		got[at] = '\0';
	}
	ASSERT_STR(parser.n_errors ? parser.first_error.text : got, want);
	free(list);
}

/* @want: LINE:COLUMN: TEXT of the first error */
static void check_error(const char *text, size_t size, const char *want)
{
	struct smcp_list *list = rules_new();
	struct smcp_source source = {"test", text, size, NULL};
	struct smcp_parser parser;
	char got[300];

	smcp_conf_begin(&parser, list);
	parser.names = (struct smcp_text){names, strlen(names)};
	smcp_conf_parse(&parser, &source);
	snprintf(got, sizeof(got), "%u:%u: %s", parser.first_error.line,
		 parser.first_error.column, parser.first_error.text);
	ASSERT_STR(parser.n_errors ? got : "no error", want);
	free(list);
}

static void check_bad(const char *text, const char *want)
{
	check_error(text, strlen(text), want);
}

UNIT_TEST(rules_are_read_and_written)
{
	check_rules("use smc", "use smc\n");
	check_rules("use require connect; use tcp listen;",
		    "use require connect\nuse tcp listen\n");
	check_rules(" \t use  tcp\tto  10.0.0.0/8 # all of it\n# none\n\n;;\n",
		    "use tcp connect to 10.0.0.0/8\n");
	check_rules("use smc on :6379-6380 as redis",
		    "use smc listen on :6379-6380 as redis\n");
	check_rules("use smc prog redis-server,postgres user 0 , batch group "
		    "wheel to *:80,loopback:1-2 ,private, [::1]:7, 1.2.3.4",
		    "use smc connect prog redis-server, postgres user 0, batch "
		    "group wheel to :80, loopback:1-2, private, [::1]:7, "
		    "1.2.3.4\n");
	check_rules("use tcp prog not a,b", "use tcp prog not a, b\n");
	check_rules("use tcp connect on 10.0.0.1 to db1:5432, db1",
		    "use tcp connect to db1:5432, db1 on 10.0.0.1\n");
	check_rules("use tcp prog */sshd,[a]/b on 0.0.0.0:80, [::]",
		    "use tcp listen prog */sshd, [a]/b on 0.0.0.0:80, [::]\n");
	check_rules("use tcp to 0.0.0.0/0, [::/32], [::/127]",
		    "use tcp connect to 0.0.0.0/0, [::/32], [::/127]\n");
	check_rules("use tcp to *", "use tcp connect to *\n");
	check_rules("use tcp to :1-65535", "use tcp connect to :1-65535\n");
	check_rules("use tcp to [::ffff:10.0.0.0/104]:53",
		    "use tcp connect to 10.0.0.0/8:53\n");
}

UNIT_TEST(errors_have_a_place)
{
	check_bad("use smc to 10.0.0.0/8\nuse tpc to 10.9.0.0/16",
		  "2:5: unknown word 'tpc' (smc, tcp or require)");
	check_bad("use", "1:4: smc, tcp or require is missing");
	check_bad("use tcp; foo", "1:10: unknown word 'foo' (use)");
	check_bad("use tcp  zu :53",
		  "1:10: unknown word 'zu' (connect, listen, prog, user, "
		  "group, to, on or as)");
	check_bad("use tcp to 10.1.2.3/8",
		  "1:12: host bits set in '10.1.2.3/8' (10.0.0.0/8)");
	check_bad("use tcp to fd00::1", "1:12: 'fd00::1' has many ':' (an IPv6 "
					"address is written in [ ])");
	check_bad("use tcp to [fd00::1", "1:12: '[fd00::1' has no ']'");
	check_bad("use tcp to [fd00::1]80",
		  "1:21: a ':' and ports can follow the ']'");
	check_bad("use tcp to 10.1.2", "1:12: '10.1.2' is not an address");
	check_bad(
		"use tcp to 10.0.0.0/33",
		"1:12: '10.0.0.0/33' has no length of 0 to 32 behind the '/'");
	check_bad("use tcp to", "1:11: an address or ':PORT' is missing");
	check_bad("use tcp to :80,", "1:16: an address or ':PORT' is missing");
	check_bad("use tcp to :",
		  "1:13: '' is not a port or a range (1 to 65535)");
	check_bad("use tcp to :0",
		  "1:13: '0' is not a port or a range (1 to 65535)");
	check_bad("use tcp to :65536",
		  "1:13: '65536' is not a port or a range (1 to 65535)");
	check_bad("use tcp to :90-80",
		  "1:13: the range '90-80' ends before it begins");
	check_bad("use tcp to :80-",
		  "1:13: '80-' is not a port or a range (1 to 65535)");
	check_bad("use tcp to :http",
		  "1:13: 'http' is not a port or a range (1 to 65535)");
	check_bad("use tcp to db2", "1:12: host 'db2' is not known (smc_run "
				    "looks names up; else write the address)");
	check_bad("use tcp to empty", "1:12: host 'empty' has no address");
	check_bad("use tcp to a_b", "1:12: 'a_b' is not an address");
	check_bad("use tcp user root",
		  "1:14: user 'root' is not known (smc_run looks names up; "
		  "else write the number)");
	check_bad("use tcp user 4294967295",
		  "1:14: '4294967295' is not a user id");
	check_bad("use tcp group", "1:14: a group is missing");
	check_bad("use tcp prog", "1:13: a program is missing");
	check_bad("use tcp prog sbin/sshd",
		  "1:14: 'sbin/sshd' fits no program (a path begins with '/')");
	check_bad("use tcp to :80, 0.0.0.0:80",
		  "1:17: no connection is to '0.0.0.0:80' (the kernel takes it "
		  "for loopback; any address is '*')");
	check_bad("use tcp to [::]",
		  "1:12: no connection is to '[::]' (the kernel takes it for "
		  "loopback; any address is '*')");
	check_bad("use tcp prog not", "1:17: a program is missing");
	check_bad("use tcp prog a,,b", "1:16: a program is missing");
	check_bad("use tcp listen to :80",
		  "1:16: 'to' is for connect (a listener cannot choose its "
		  "clients)");
	check_bad("use tcp to :80 on :90",
		  "1:16: 'on' beside 'to' needs the word connect before them");
	check_bad("use tcp to :80 to :90",
		  "1:16: 'to' is there twice (write a list with commas)");
	check_bad("use tcp to :80 connect",
		  "1:16: unknown word 'connect' (connect, listen, prog, user, "
		  "group, to, on or as)");
	check_bad("use tcp cgroup /a",
		  "1:9: 'cgroup' is reserved; no program can know it");
	check_bad("use tcp as a as b",
		  "1:14: nothing can follow the rule's name");
	check_bad("use tcp as a,b",
		  "1:12: 'a,b' is not a name (1 to 32 of A-Z a-z 0-9 _ . -)");
	check_bad("use tcp to :80 :90",
		  "1:16: unknown word ':90' (connect, listen, prog, user, "
		  "group, to, on or as)");
	check_bad("use tcp , :90", "1:9: unknown word '' (connect, listen, "
				   "prog, user, group, to, on or as)");
	check_bad("include /etc/x", "1:1: unknown word 'include' (use)");
	check_bad("use tcp\r\n",
		  "1:8: a carriage return (lines end with a newline alone)");
	check_error("use\0tcp", 7, "1:4: a byte that is no text (0x00)");
	check_bad("use tcp to \x1b[31m", "1:12: a byte that is no text (0x1b)");
	check_bad("use tcp to \xc3\xa4", "1:12: '?\?' is not an address");
	check_bad("use aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeee",
		  "1:5: unknown word "
		  "'aaaaaaaaaabbbbbbbbbbccccccccccdddddddddd...' (smc, tcp or "
		  "require)");
}

UNIT_TEST(any_byte_may_be_in_a_comment)
{
	check_error("# \0\x01\xff\r\nuse", 10,
		    "2:4: smc, tcp or require is missing");
}

UNIT_TEST(limits)
{
	static char text[SMCP_MAX_SOURCE + 10];

	memset(text, 'a', 1025);
	check_error(text, 1025, "1:1025: the line is longer than 1024 bytes");
	memset(text, '\n', sizeof(text));
	check_error(text, SMCP_MAX_SOURCE, "no error");
	check_error(text, SMCP_MAX_SOURCE + 1, "1:1: more than 65536 bytes");
	for (int i = 0; i < 1025; i++)
		memcpy(text + 8 * i, "use tcp\n", 8);
	check_error(text, 1024L * 8, "no error");
	check_error(text, 1025L * 8, "1025:4: more than 1024 rules");
	/* 41 rules of 100 addresses */
	char *at = text;

	for (int i = 0; i < 4100; i++)
		at += sprintf(at, i % 100 ? ",:1" : "\nuse tcp to :1");
	check_error(text, strlen(text), "42:300: more than 4096 addresses");
}

struct errors {
	char text[1000];
};

static void collect(struct smcp_parser *parser, const struct smcp_error *error)
{
	struct errors *errors = parser->arg;
	size_t at = strlen(errors->text);

	snprintf(errors->text + at, sizeof(errors->text) - at, "%s:%u:%u\n",
		 error->origin, error->line, error->column);
}

UNIT_TEST(all_errors_are_reported_and_the_rest_is_read)
{
	static const char text[] =
		"use tpc\nuse smc; bad; use tcp to x; use tcp\n"
		"a\rb\nuse tcp\nuse tpc\na\rb\nuse tcp";
	struct smcp_list *list = rules_new();
	struct smcp_source source = {"o", text, sizeof(text) - 1, NULL};
	struct errors errors = {""};
	struct smcp_parser parser;

	smcp_conf_begin(&parser, list);
	parser.report = collect;
	parser.arg = &errors;
	smcp_conf_parse(&parser, &source);
	ASSERT_STR(errors.text, "o:1:5\no:2:10\no:2:26\no:3:2\no:5:5\no:6:2\n");
	CU_ASSERT_EQUAL(parser.n_errors, 6);
	CU_ASSERT_EQUAL(list->n_rules, 4);
	free(list);
}

static void check_setting(const char *text, const char *want)
{
	struct smcp_parser parser;
	struct smcp_list *list = rules_read(&parser, text, NULL);
	const struct smcp_settings *s = &parser.settings;
	char got[300];

	snprintf(got, sizeof(got),
		 "family %u default %d strict %d locked %d rcvbuf %d sndbuf %d "
		 "debug %d",
		 s->conf.families, s->otherwise, s->is_strict, s->is_locked,
		 s->conf.rcvbuf, s->conf.sndbuf, s->debug);
	ASSERT_STR(parser.n_errors ? parser.first_error.text : got, want);
	free(list);
}

UNIT_TEST(settings)
{
	check_setting("", "family 0 default -1 strict -1 locked -1 rcvbuf -1 "
			  "sndbuf -1 debug -1");
	check_setting("family = inet\ndefault=tcp\nstrict =yes\nlocked= no\n"
		      "rcvbuf = 64k; sndbuf = 1M; debug = 2",
		      "family 1 default 0 strict 1 locked 0 rcvbuf 65536 "
		      "sndbuf 1048576 debug 2");
	check_setting("default = smc\ndefault = tcp",
		      "family 0 default 1 strict -1 locked -1 rcvbuf -1 sndbuf "
		      "-1 debug -1");
	check_setting("default = require",
		      "'require' is not a value of default (smc or tcp)");
	check_setting("rcvbuf = 1g", "'1g' is not a value of rcvbuf (decimal "
				     "bytes, k or m may follow)");
	check_setting("rcvbuf = 1 k", "one value is expected, without blanks");
	check_setting("rcvbuf 1", "'=' is expected after 'rcvbuf'");
	check_setting("debug = 4", "'4' is not a value of debug (0 to 3)");
	check_setting("family = unix",
		      "'unix' is not a value of family (inet, smc or auto)");
	check_setting("locked = yes#always",
		      "'yes#always' is not a value of locked (yes or no)");
	check_setting("strict = yes;default = tcp # all\nlocked = no #",
		      "family 0 default 0 strict 1 locked 0 rcvbuf -1 sndbuf "
		      "-1 debug -1");
	check_setting("strict =", "'' is not a value of strict (yes or no)");
	check_setting(
		"Strict = yes",
		"unknown word 'Strict' (use, include or a setting: family, "
		"default, strict, locked, rcvbuf, sndbuf, debug)");
	check_setting("include x", "include wants one absolute path");
	check_setting("include /a /b", "include wants one absolute path");
	check_setting("include /a", "no includes here");
	check_setting("include /a#b\x1b[31m", "a byte that is no text (0x1b)");
}

static void check_some_names(const char *text, size_t size, const char *want)
{
	struct smcp_list *list = rules_new();
	struct smcp_parser parser;

	smcp_conf_begin(&parser, list);
	parser.names = (struct smcp_text){text, size};
	smcp_conf_check_names(&parser, "SMC_NAMES");
	ASSERT_STR(parser.n_errors ? parser.first_error.text : "", want);
	free(list);
}

/* Knows one host more than @names, and counts in parser.arg. */
static const char *find(struct smcp_parser *parser, const char *kind,
			const struct smcp_text *name)
{
	static const char more[] = "host db1 10.1.2.3;host new 10.0.0.7";

	++*(int *)parser->arg;
	if (strcmp(kind, "host") != 0 || name->size != 3 ||
	    memcmp(name->start, "new", 3) != 0)
		return "is nowhere";
	parser->names = (struct smcp_text){more, strlen(more)};
	return NULL;
}

static void check_found(const char *text, int want_calls, const char *want)
{
	struct smcp_source source = {"test", text, strlen(text), NULL};
	struct smcp_list *list = rules_new();
	struct smcp_parser parser;
	int calls = 0;

	smcp_conf_begin(&parser, list);
	parser.names = (struct smcp_text){names, strlen(names)};
	parser.find = find;
	parser.arg = &calls;
	smcp_conf_parse(&parser, &source);
	CU_ASSERT_EQUAL(calls, want_calls);
	ASSERT_STR(parser.first_error.text, want);
	if (!*want)
		CU_ASSERT_EQUAL(list->endpoints[list->n_endpoints - 1]
					.prefix.addr.is_ipv4,
				true);
	free(list);
}

UNIT_TEST(names_are_looked_up)
{
	check_found("use tcp to new; use tcp to new, db1", 1, "");
	check_found("use tcp to db1, 10.0.0.1", 0, "");
	check_found("use tcp to old, new", 1, "host 'old' is nowhere");
	check_found("use tcp user new", 1, "user 'new' is nowhere");
	check_found("use tcp group 7,wheels", 1, "group 'wheels' is nowhere");
}

static void check_names(const char *text, const char *want)
{
	check_some_names(text, strlen(text), want);
}

UNIT_TEST(names_are_checked)
{
	check_names("", "");
	check_names(names, "");
	check_names("hosts a 1.2.3.4",
		    "unknown word 'hosts' (host, user or group)");
	check_names("host a 1.2.3.4/8", "'1.2.3.4/8' is not an address");
	check_names("host a [::1]", "'[::1]' is not an address");
	check_names("user a b", "'b' is not an id");
	check_names("user a", "1 number is expected");
	check_names("user a 1 2", "1 number is expected");
	check_names("user", "a name is missing");
	check_some_names("user a\0 1", 9, "");
	check_some_names("host a 1.2.3.4\0", 15,
			 "'1.2.3.4?' is not an address");
}

static void check_list(const char *text, bool is_progs, const char *want)
{
	struct smcp_list *list = rules_new();
	struct smcp_source source = {"V", text, strlen(text), NULL};
	char got[300] = "none";
	struct smcp_parser parser;

	smcp_conf_begin(&parser, list);
	if (is_progs)
		smcp_conf_parse_progs(&parser, &source, true);
	else
		smcp_conf_parse_endpoints(&parser, &source, SMCP_SMC,
					  SMCP_CONNECT);
	if (list->n_rules == 1)
		smcp_conf_format_rule(list, list->rules, got, sizeof(got));
	ASSERT_STR(parser.n_errors ? parser.first_error.text : got, want);
	free(list);
}

UNIT_TEST(list_variables)
{
	check_list("10.0.0.0/8,[fd00::/8]:443", false,
		   "use smc connect to 10.0.0.0/8, [fd00::/8]:443");
	check_list(" 10.0.0.1 , :80 ", false,
		   "use smc connect to 10.0.0.1, :80");
	check_list("0.0.0.0", false,
		   "no connection is to '0.0.0.0' (the kernel takes it for "
		   "loopback; any address is '*')");
	check_list("10.0.0.1 :80", false, "a list has commas and nothing else");
	check_list("10.0.0.1;:80", false, "a list has commas and nothing else");
	check_list("10.0.0.1\n", false, "a list has commas and nothing else");
	check_list("redis-*,postgres,sshd", true,
		   "use tcp prog not redis-*, postgres, sshd");
	check_list(",", true, "a program is missing");
}
