// SPDX-License-Identifier: MIT
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "cunit_tap.h"
#include "rules_text.h"

static const char *const verdicts[] = {"tcp", "smc", "require"};
static const char *const scopes[] = {"all-tcp", "all-smc", "mixed"};

/* Everything about one list in one program. */
struct asked {
	struct smcp_parser parser;
	struct smcp_list *list;
	struct smcp_rules *rules;
};

static struct asked ask(const char *text, const char *exe)
{
	struct asked asked;

	asked.list = rules_read(&asked.parser, text, NULL);
	CU_ASSERT_EQUAL(asked.parser.n_errors, 0);
	if (asked.parser.n_errors)
		printf("# %s: %s\n", text, asked.parser.first_error.text);
	if (asked.parser.settings.otherwise >= 0)
		asked.list->otherwise = asked.parser.settings.otherwise;
	asked.list->is_strict = asked.parser.settings.is_strict == 1;
	asked.rules = rules_make(asked.list, exe);
	return asked;
}

static void done(struct asked *asked)
{
	free(asked->rules);
	free(asked->list);
}

/* @want: "SCOPE4 SCOPE6", then pairs of a query and its verdict, NULL. */
static void check(const char *text, const char *exe, const char *want, ...)
{
	struct asked asked = ask(text, exe);
	struct smcp_answer answer;
	struct smcp_query query;
	const char *question;
	char got[100];
	va_list args;

	snprintf(got, sizeof(got), "%s %s",
		 scopes[smcp_rules_scope(asked.rules, AF_INET)],
		 scopes[smcp_rules_scope(asked.rules, AF_INET6)]);
	ASSERT_STR(got, want);
	va_start(args, want);
	while ((question = va_arg(args, const char *))) {
		query = rules_query(question);
		answer = smcp_rules_verdict(asked.rules, &query);
		snprintf(got, sizeof(got), "%s: %s", question,
			 verdicts[answer.verdict]);
		if (strcmp(verdicts[answer.verdict],
			   va_arg(args, const char *)))
			ASSERT_STR(got, "the other");
	}
	va_end(args);
	done(&asked);
}

#define ANY "/usr/bin/any"

UNIT_TEST(example_1_no_rules)
{
	check("", ANY, "all-smc all-smc", "connect 10.1.2.3:5432", "smc",
	      "listen 0.0.0.0:80", "smc", NULL);
	check("default = tcp", ANY, "all-tcp all-tcp", "connect 10.1.2.3:5432",
	      "tcp", NULL);
}

UNIT_TEST(example_2_a_port)
{
	check("use tcp to :53", ANY, "mixed mixed", "connect 10.0.0.1:53",
	      "tcp", "connect 10.0.0.1:5432", "smc", "connect [fd00::1]:53",
	      "tcp", "listen 0.0.0.0:53", "smc", NULL);
}

UNIT_TEST(example_3_one_subnet)
{
	check("use smc to 10.0.0.0/8:5432; use tcp", ANY, "mixed mixed",
	      "connect 10.1.2.3:5432", "smc", "connect [::ffff:10.1.2.3]:5432",
	      "smc", "connect 10.1.2.3:5433", "tcp", "connect 11.1.2.3:5432",
	      "tcp", "connect [fd00::1]:5432", "tcp", "listen 10.1.2.3:5432",
	      "tcp", NULL);
}

UNIT_TEST(example_4_one_family)
{
	check("use smc to [fd00:1::/64]; use tcp", ANY, "all-tcp mixed",
	      "connect [fd00:1::5]:80", "smc", "connect [fd00:2::5]:80", "tcp",
	      NULL);
}

UNIT_TEST(example_5_the_first_one_wins)
{
	check("use tcp to 10.9.0.0/16; use smc to 10.0.0.0/8; use tcp", ANY,
	      "mixed mixed", "connect 10.9.1.1:80", "tcp",
	      "connect 10.8.1.1:80", "smc", "connect 192.0.2.1:80", "tcp",
	      NULL);
	check("use smc to 10.0.0.0/8; use tcp to 10.9.0.0/16; use tcp", ANY,
	      "mixed mixed", "connect 10.9.1.1:80", "smc", NULL);
}

UNIT_TEST(example_6_and_7_a_server)
{
	static const char text[] =
		"use smc listen prog redis-server on :6379-6380; use tcp";

	check(text, "/usr/bin/redis-server", "mixed mixed",
	      "listen 0.0.0.0:6379", "smc", "listen 127.0.0.1:26379", "tcp",
	      "connect 10.0.0.2:6379", "tcp", NULL);
	check(text, "/usr/sbin/nginx", "all-tcp all-tcp", "listen 0.0.0.0:6379",
	      "tcp", NULL);
}

UNIT_TEST(example_8_a_listener_is_not_known)
{
	check("use tcp listen on 192.0.2.10:443", ANY, "mixed mixed",
	      "listen 0.0.0.0:443", "tcp", "listen [::]:443", "tcp",
	      "listen 198.51.100.1:443", "smc", "listen 0.0.0.0:80", "smc",
	      "listen 192.0.2.10:0", "tcp", "listen 0.0.0.0:0", "tcp",
	      "listen 198.51.100.1:0", "smc", "connect 192.0.2.10:443", "smc",
	      NULL);
}

UNIT_TEST(what_is_not_known_is_not_over_SMC)
{
	check("use smc on 192.0.2.10:443; use tcp", ANY, "mixed mixed",
	      "listen 0.0.0.0:443", "tcp", "listen 192.0.2.10:443", "smc",
	      "listen 192.0.2.10:0", "tcp", NULL);
	check("use smc on *:443; use require on :80; use tcp", ANY,
	      "mixed mixed", "listen 0.0.0.0:443", "smc", "listen [::]:80",
	      "require", "listen 1.2.3.4:443", "smc", "listen 0.0.0.0:0", "tcp",
	      NULL);
}

UNIT_TEST(example_10_programs)
{
	static const char text[] = "use tcp prog sshd, sudo\n"
				   "use tcp prog not redis-*, postgres, sshd";

	check(text, "/usr/sbin/sshd", "all-tcp all-tcp", NULL);
	check(text, "/usr/bin/redis-server", "all-smc all-smc", NULL);
	check(text, "/usr/sbin/nginx", "all-tcp all-tcp", NULL);
	check(text, "", "all-tcp all-tcp", NULL);
	check("use tcp prog sshd", "", "all-tcp all-tcp", NULL);
	check("use smc prog sshd; use tcp", "", "all-tcp all-tcp", NULL);
	check("use tcp prog /opt/*", "/opt/a/b", "all-tcp all-tcp", NULL);
	check("use tcp prog /opt/*", "/usr/opt/b", "all-smc all-smc", NULL);
	check("use tcp prog [a-c]?d", "/opt/bxd", "all-tcp all-tcp", NULL);
}

UNIT_TEST(users_and_groups)
{
	check("use tcp user 0, 1000", ANY, "all-tcp all-tcp", NULL);
	check("use tcp user 0, 1001", ANY, "all-smc all-smc", NULL);
	check("use tcp group 100", ANY, "all-tcp all-tcp", NULL);
	check("use tcp user 1000 group 7", ANY, "all-smc all-smc", NULL);
}

UNIT_TEST(require_makes_it_mixed)
{
	check("use require to 10.5.0.0/16; use tcp", ANY, "mixed mixed",
	      "connect 10.5.0.1:80", "require", "connect 10.6.0.1:80", "tcp",
	      NULL);
	check("use require", ANY, "mixed mixed", "connect 10.5.0.1:80",
	      "require", "listen 0.0.0.0:80", "require", NULL);
	check("strict = yes\nuse tcp to :53", ANY, "mixed mixed",
	      "connect 10.5.0.1:80", "require", "connect 10.5.0.1:53", "tcp",
	      NULL);
}

UNIT_TEST(strict_without_rules_is_mixed)
{
	check("strict = yes", ANY, "mixed mixed", "connect 10.5.0.1:80",
	      "require", "listen 0.0.0.0:80", "require", NULL);
	check("strict = yes\ndefault = tcp", ANY, "all-tcp all-tcp", NULL);
	check("strict = yes\nuse smc to [fd00::1]; default = tcp", ANY,
	      "all-tcp mixed", "connect [fd00::1]:80", "require", NULL);
}

/* As the kernel has it, seen with getpeername() */
UNIT_TEST(a_connection_to_no_address)
{
	static const char text[] =
		"use tcp to 10.1.1.1, 127.0.0.0/8:80, [::1]:443";

	check(text, ANY, "mixed mixed", "connect 0.0.0.0:80", "tcp",
	      "connect 0.0.0.0:81 from 0.0.0.0:0", "smc",
	      "connect 0.0.0.0:81 from 10.1.1.1:0", "tcp",
	      "connect 0.0.0.0:80 from 10.1.1.2:0", "smc", "connect [::]:80",
	      "smc", "connect [::]:443", "tcp", "connect [::]:443 from [::]:0",
	      "tcp", "connect [::]:443 from [fd00::1]:0", "tcp",
	      "connect [::]:80 from [::ffff:0.0.0.0]:0", "tcp",
	      "connect [::]:80 from [::ffff:10.1.1.2]:0", "tcp",
	      "connect [::ffff:0.0.0.0]:81 from [::ffff:10.1.1.1]:0", "tcp",
	      NULL);
}

UNIT_TEST(both_ends_of_a_connection)
{
	check("use tcp connect on 10.1.0.0/16:1000-1999 to 10.2.0.0/16; use "
	      "smc to 10.2.3.0/24; use tcp",
	      ANY, "mixed mixed", "connect 10.2.3.4:80 from 10.1.0.1:1500",
	      "tcp", "connect 10.2.3.4:80 from 10.1.0.1:2000", "smc",
	      "connect 10.2.3.4:80 from 10.3.0.1:1500", "smc",
	      "connect 10.2.3.4:80", "tcp",
	      "connect 10.2.3.4:80 from 10.1.0.1:0", "tcp",
	      "connect 10.2.3.4:80 from 0.0.0.0:2000", "smc",
	      "connect 10.2.4.4:80 from 10.3.0.1:1500", "tcp", NULL);
}

UNIT_TEST(loopback_and_private)
{
	check("use tcp to loopback, private:80", ANY, "mixed mixed",
	      "connect 127.9.9.9:1", "tcp", "connect [::1]:1", "tcp",
	      "connect 0.0.0.0:1", "tcp", "connect [::]:1", "tcp",
	      "connect 172.31.255.255:80", "tcp", "connect 172.32.0.0:80",
	      "smc", "connect 192.168.1.1:80", "tcp", "connect [fdff::1]:80",
	      "tcp", "connect 10.0.0.1:81", "smc", NULL);
}

UNIT_TEST(one_role_can_be_decided)
{
	check("use tcp connect; use smc to :80; use require listen on :443",
	      ANY, "mixed mixed", "connect 1.2.3.4:80", "tcp",
	      "listen 1.2.3.4:443", "require", "listen 1.2.3.4:80", "smc",
	      NULL);
	check("use smc connect; use smc listen; use tcp", ANY,
	      "all-smc all-smc", NULL);
}

/*
 * Many random lists, where the table has to say what reading the rules one by
 * one says.
 */
static unsigned int seed = 1;

static unsigned int dice(unsigned int sides)
{
	return (unsigned int)rand_r(&seed) % sides;
}

static void random_end(char *text, size_t size, bool is_query)
{
	static const unsigned int lens[] = {0, 8, 16, 23, 24, 31, 32};
	static const unsigned int lens6[] = {0, 16, 48, 63, 64, 65, 127, 128};
	unsigned int len, first, value;
	char addr[64], ports[20] = "";

	first = dice(6) ? 1 + dice(12) : 1 + dice(65535);
	if (is_query) {
		snprintf(ports, sizeof(ports), ":%u", dice(20) ? first : 0);
	} else if (dice(3)) {
		snprintf(ports, sizeof(ports), ":%u-%u", first,
			 dice(5) ? first : first + dice(65536 - first));
	}
	if (dice(2)) {
		len = is_query ? 32 : lens[dice(7)];
		value = (10U << 24 | dice(3) << 16 | dice(3) << 8 | dice(4)) &
			(len ? ~0U << (32 - len) : 0);
		if (dice(30) == 0)
			value |= 0xffffffff & (len ? ~0U << (32 - len) : 0);
		if (is_query && !dice(15))
			value = 0;
		snprintf(addr, sizeof(addr), "%u.%u.%u.%u", value >> 24,
			 value >> 16 & 255, value >> 8 & 255, value & 255);
		if (!is_query)
			snprintf(addr + strlen(addr), 8, "/%u", len);
	} else if (is_query || dice(4)) {
		struct smcp_prefix prefix;
		char raw[40];

		len = is_query ? 128 : lens6[dice(8)];
		snprintf(raw, sizeof(raw), "[fd00:%x:0:%x:%x::%x/%u]", dice(2),
			 dice(2), dice(2) << 15, dice(3), len);
		(void)smcp_prefix_parse(raw, strlen(raw), &prefix);
		smcp_prefix_format(&prefix, addr);
		if (is_query && !dice(15))
			strcpy(addr, "[::]");
	} else {
		static const char *const words[] = {"*", "loopback", "private"};

		strcpy(addr, words[dice(3)]);
	}
	snprintf(text, size, "%s%s", addr, ports);
}

static void random_rules(char *text, size_t size)
{
	unsigned int n = 1 + dice(40), i, j;
	size_t at = 0;

	for (i = 0; i < n; i++) {
		unsigned int kind = dice(10);
		char end[90];

		at += (size_t)snprintf(text + at, size - at, "use %s",
				       verdicts[dice(3)]);
		if (kind < 5) {
			at += (size_t)snprintf(text + at, size - at, " to ");
		} else if (kind < 8) {
			at += (size_t)snprintf(text + at, size - at,
					       " listen on ");
		} else if (kind == 8) {
			random_end(end, sizeof(end), false);
			at += (size_t)snprintf(text + at, size - at,
					       " connect on %s to ", end);
		} else if (dice(4)) {
			at += (size_t)snprintf(text + at, size - at,
					       " prog nobody to ");
		} else {
			at += (size_t)snprintf(text + at, size - at, "%s\n",
					       dice(2) ? " connect"
						       : " listen");
			continue;
		}
		for (j = dice(4); j + 1; j--) {
			random_end(end, sizeof(end), false);
			at += (size_t)snprintf(text + at, size - at, "%s%s",
					       end, j ? "," : "\n");
		}
	}
}

/* As smcp_rules_verdict(), the slow way */
static struct smcp_answer read_on(const struct smcp_list *list, const char *exe,
				  const struct smcp_query *query)
{
	struct smcp_subject subject = {exe, 1000, 100};

	for (unsigned int i = 0; i < list->n_rules; i++)
		if (smcp_rules_fits(list, &list->rules[i], &subject) &&
		    smcp_rules_matches(list, &list->rules[i], query))
			return (struct smcp_answer){list->rules[i].verdict,
						    (int)i};
	return (struct smcp_answer){list->otherwise, -1};
}

UNIT_TEST(the_table_says_what_the_rules_say)
{
	struct smcp_answer got, want;
	struct smcp_query query;
	char text[20000], end[90], from[90], question[200];
	unsigned int round, i, seen[2][3] = {{0}};
	struct asked asked;

	for (round = 0; round < 300; round++) {
		random_rules(text, sizeof(text));
		asked = ask(text, ANY);
		for (i = 0; i < 300; i++) {
			random_end(end, sizeof(end), true);
			random_end(from, sizeof(from), true);
			snprintf(question, sizeof(question), "%s %s%s%s",
				 i % 2 ? "listen" : "connect", end,
				 i % 4 ? "" : " from ", i % 4 ? "" : from);
			query = rules_query(question);
			got = smcp_rules_verdict(asked.rules, &query);
			want = read_on(asked.list, ANY, &query);
			seen[i % 2][got.verdict]++;
			if (got.rule == want.rule &&
			    got.verdict == want.verdict)
				continue;
			printf("# %s: rule %d, not %d, of\n", question,
			       got.rule, want.rule);
			for (char *line = strtok(text, "\n"); line;
			     line = strtok(NULL, "\n"))
				printf("#\t%s\n", line);
			CU_FAIL("another rule");
			round = 1000;
			break;
		}
		done(&asked);
	}
	for (i = 0; i < 6; i++)
		CU_ASSERT_TRUE(seen[i / 3][i % 3] > 3000);
}

UNIT_TEST(as_many_as_there_may_be)
{
	static char text[SMCP_MAX_SOURCE * 4];
	struct smcp_answer answer;
	struct smcp_query query;
	struct asked asked;
	size_t at = 0;

	/* 1023 rules of 4 endpoints each, all different, and one that is not */
	for (unsigned int i = 0; i < 1023; i++) {
		at += (size_t)snprintf(
			text + at, sizeof(text) - at,
			"use %s to "
			"10.%u.%u.0/24,:%u,[fd00:%x::/48],[::/%u]:%u\n",
			verdicts[i % 3], i / 256, i % 256, 2 * i + 1, i,
			i % 128 ? 0 : 0, 2 * i + 2);
	}
	asked.list = rules_new();
	smcp_conf_begin(&asked.parser, asked.list);
	/* in parts, for a source may not be so long */
	for (char *part = text; *part;) {
		size_t size = strlen(part);
		struct smcp_source source = {"test", part, 0, NULL};

		if (size > 60000)
			for (size = 60000; part[size - 1] != '\n';)
				size--;
		source.size = size;
		smcp_conf_parse(&asked.parser, &source);
		part += size;
	}
	CU_ASSERT_EQUAL(asked.parser.n_errors, 0);
	CU_ASSERT_EQUAL(asked.list->n_rules, 1023);
	CU_ASSERT_EQUAL(asked.list->n_endpoints, 4092);
	asked.rules = rules_make(asked.list, ANY);
	query = rules_query("connect 10.3.200.1:60000");
	answer = smcp_rules_verdict(asked.rules, &query);
	CU_ASSERT_EQUAL(answer.rule, 3 * 256 + 200);
	query = rules_query("connect 11.0.0.1:1001");
	answer = smcp_rules_verdict(asked.rules, &query);
	CU_ASSERT_EQUAL(answer.rule, 500);
	query = rules_query("connect [fe00::1]:1000");
	answer = smcp_rules_verdict(asked.rules, &query);
	CU_ASSERT_EQUAL(answer.rule, 499);
	done(&asked);
}
