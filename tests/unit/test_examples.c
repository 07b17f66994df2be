// SPDX-License-Identifier: MIT
/* The files of conf/ say what their comments say. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cunit_tap.h"
#include "rules_text.h"

static char text[SMCP_MAX_SOURCE];

static void read_text(const char *name)
{
	char path[4096];
	size_t size;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", TEST_CONF_DIR, name);
	f = fopen(path, "r");
	if (!f)
		abort();
	size = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[size] = '\0';
}

/* Does what the sample says: takes the '#' away that is right before a word. */
static void uncomment(void)
{
	char *from = text, *to = text;

	while (*from) {
		if ((from == text || from[-1] == '\n') && *from == '#' &&
		    from[1] >= 'a' && from[1] <= 'z')
			from++;
		*to++ = *from++;
	}
	*to = '\0';
}

static unsigned int n_includes;

static int include(struct smcp_parser *parser, const struct smcp_error *at,
		   const char *path)
{
	(void)parser;
	(void)at;
	CU_ASSERT_EQUAL(*path, '/');
	n_includes++;
	return 0;
}

static void read_sample(struct smcp_parser *parser, struct smcp_list *list)
{
	struct smcp_source source = {"smc.conf", text, strlen(text), include};

	smcp_conf_begin(parser, list);
	smcp_conf_parse(parser, &source);
	CU_ASSERT_EQUAL(parser->n_errors, 0);
	if (parser->n_errors)
		printf("# %u: %s\n", parser->first_error.line,
		       parser->first_error.text);
}

UNIT_TEST(the_sample_says_nothing)
{
	struct smcp_list *list = rules_new();
	struct smcp_parser parser;

	read_text("smc.conf");
	read_sample(&parser, list);
	CU_ASSERT_EQUAL(list->n_rules, 0);
	CU_ASSERT_EQUAL(n_includes, 0);
	CU_ASSERT_EQUAL(parser.settings.conf.families, 0);
	CU_ASSERT_EQUAL(parser.settings.conf.rcvbuf, SMCP_SIZE_UNSET);
	CU_ASSERT_EQUAL(parser.settings.conf.sndbuf, SMCP_SIZE_UNSET);
	CU_ASSERT_EQUAL(parser.settings.otherwise, -1);
	CU_ASSERT_EQUAL(parser.settings.is_strict, -1);
	CU_ASSERT_EQUAL(parser.settings.is_locked, -1);
	CU_ASSERT_EQUAL(parser.settings.debug, -1);
	free(list);
}

UNIT_TEST(the_examples_of_the_sample_are_right_and_change_no_default)
{
	struct smcp_list *list = rules_new();
	struct smcp_parser parser;

	read_text("smc.conf");
	uncomment();
	read_sample(&parser, list);
	CU_ASSERT_EQUAL(list->n_rules, 5);
	CU_ASSERT_EQUAL(n_includes, 1);
	CU_ASSERT_EQUAL(parser.settings.conf.families, SMCP_FAMILY_AUTO);
	CU_ASSERT_EQUAL(parser.settings.conf.rcvbuf, 256 << 10);
	CU_ASSERT_EQUAL(parser.settings.conf.sndbuf, 256 << 10);
	CU_ASSERT_EQUAL(parser.settings.otherwise, SMCP_SMC);
	CU_ASSERT_EQUAL(parser.settings.is_strict, 0);
	CU_ASSERT_EQUAL(parser.settings.is_locked, 0);
	CU_ASSERT_EQUAL(parser.settings.debug, 1);
	free(list);
}

/* Pairs of a query and what it gets, "VERDICT RULE", then NULL */
static void check(const char *name, const char *exe, ...)
{
	static const char *const verdicts[] = {"tcp", "smc", "require"};
	struct smcp_parser parser;
	struct smcp_answer answer;
	struct smcp_rules *rules;
	struct smcp_query query;
	struct smcp_list *list;
	const char *question;
	char got[200], want[200];
	va_list args;

	read_text(name);
	list = rules_read(&parser, text, NULL);
	ASSERT_STR(parser.n_errors ? parser.first_error.text : "", "");
	rules = rules_make(list, exe);
	va_start(args, exe);
	while ((question = va_arg(args, const char *))) {
		struct smcp_text as = {"-", 1};

		query = rules_query(question);
		answer = smcp_rules_verdict(rules, &query);
		if (answer.rule >= 0)
			as = list->rules[answer.rule].name;
		snprintf(got, sizeof(got), "%s: %s %.*s", question,
			 verdicts[answer.verdict], (int)as.size, as.start);
		snprintf(want, sizeof(want), "%s: %s", question,
			 va_arg(args, const char *));
		ASSERT_STR(got, want);
	}
	va_end(args);
	free(rules);
	free(list);
}

UNIT_TEST(redis)
{
	check("examples/redis.conf", "/usr/bin/redis-server",
	      "listen 0.0.0.0:6379", "smc redis-server", "listen [::1]:6380",
	      "smc redis-server", "listen 10.1.2.3:16379", "tcp redis-rest",
	      "listen 10.1.2.3:0", "tcp redis-rest", "connect 10.1.2.4:6379",
	      "smc redis-client", "connect 192.0.2.1:6379", "tcp redis-rest",
	      "connect 10.1.2.4:16379", "tcp redis-rest", NULL);
	check("examples/redis.conf", "/usr/bin/redis-cli",
	      "connect [fd00::5]:6379", "smc redis-client",
	      "connect 127.0.0.1:6379", "tcp redis-rest", NULL);
	check("examples/redis.conf", "/usr/bin/redis-sentinel",
	      "listen 0.0.0.0:26379", "tcp redis-rest", NULL);
	check("examples/redis.conf", "/usr/bin/psql", "connect 10.1.2.4:6379",
	      "smc -", NULL);
}

UNIT_TEST(nginx)
{
	check("examples/nginx.conf", "/usr/sbin/nginx", "listen 192.0.2.10:443",
	      "tcp nginx-public", "listen 0.0.0.0:443", "tcp nginx-public",
	      "listen [::]:80", "tcp nginx-public", "listen 10.1.2.3:8080",
	      "smc nginx-site", "listen 10.1.2.3:443", "smc nginx-site",
	      "listen 0.0.0.0:8080", "tcp nginx-rest", "listen 192.0.2.11:443",
	      "tcp nginx-rest", "connect 10.1.2.4:8080", "smc nginx-upstream",
	      "connect [fd00::5]:443", "smc nginx-upstream",
	      "connect 198.51.100.1:443", "tcp nginx-rest",
	      "connect 127.0.0.1:9000", "tcp nginx-rest", NULL);
	check("examples/nginx.conf", "/usr/bin/curl",
	      "connect 198.51.100.1:443", "smc -", NULL);
}

UNIT_TEST(postgres)
{
	check("examples/postgres.conf", "/usr/lib/postgresql/15/bin/postgres",
	      "listen 0.0.0.0:5432", "smc pg-server", "listen [fd00::1]:5432",
	      "smc pg-server", "listen 0.0.0.0:5433", "tcp pg-rest",
	      "connect 10.1.2.3:5432", "smc pg-client", "connect 10.1.2.3:389",
	      "tcp pg-rest", NULL);
	check("examples/postgres.conf", "/usr/lib/postgresql/15/bin/psql",
	      "connect 192.168.7.7:5432", "smc pg-client",
	      "connect 192.0.2.1:5432", "tcp pg-rest", "connect [fd00::1]:5432",
	      "smc pg-client", NULL);
	check("examples/postgres.conf", "/usr/lib/postgresql/15/bin/pg_dump",
	      "connect 172.16.0.1:5432", "smc pg-client",
	      "connect 127.0.0.1:5432", "tcp pg-rest", NULL);
	check("examples/postgres.conf", "/usr/lib/postgresql/15/bin/pg_isready",
	      "connect 172.16.0.1:5432", "tcp pg-rest", NULL);
}

UNIT_TEST(subnet)
{
	check("examples/subnet.conf", "/usr/bin/any", "connect 10.20.3.4:80",
	      "smc site", "connect [::ffff:10.20.3.4]:80", "smc site",
	      "connect 10.20.0.1:22", "tcp router", "connect 10.21.0.1:80",
	      "tcp elsewhere", "connect [fd00::1]:80", "tcp elsewhere",
	      "listen 10.20.0.5:80", "tcp elsewhere", "listen 0.0.0.0:6379",
	      "tcp elsewhere", NULL);
}
