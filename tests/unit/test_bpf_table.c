// SPDX-License-Identifier: MIT
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "cunit_tap.h"
#include "rules_text.h"
#include "table.h"

static const char *const scopes[] = {"all-tcp", "all-smc", "mixed"};

/* A list, and the table that is made of it */
struct made {
	struct smcp_parser parser;
	struct smcp_list *list;
	struct smcb_table table;
	struct smcb_refusal refusal;
	int rc;
};

static struct made *make(const char *text)
{
	struct made *made = calloc(1, sizeof(*made));

	made->list = rules_read(&made->parser, text, NULL);
	CU_ASSERT_EQUAL(made->parser.n_errors, 0);
	if (made->parser.settings.otherwise >= 0)
		made->list->otherwise = made->parser.settings.otherwise;
	made->rc = smcb_table_make(made->list, &made->table, &made->refusal);
	return made;
}

static void unmake(struct made *made)
{
	free(made->list);
	free(made);
}

static bool is_named(const struct smcb_pattern *pattern, const __u64 *name)
{
	int i;

	for (i = 0; i < SMCB_WORDS; i++)
		if ((name[i] & pattern->mask[i]) != pattern->text[i])
			return false;
	return true;
}

/* What the kernel's program comes to, in the same words as smcp_rules_scope() */
static const char *hear(const struct smcb_table *table,
			const struct smcp_subject *subject, int family)
{
	unsigned int bit = family == AF_INET ? SMCB_INET : SMCB_INET6;
	unsigned int outcomes = 0, open = SMCB_BOTH, i;
	const char *base = strrchr(subject->exe, '/');
	const struct smcb_entry *entry;
	__u64 name[SMCB_WORDS];

	CU_ASSERT_EQUAL(smcb_name(base + 1, strlen(base + 1), name), 0);
	for (i = 0; i < table->n && open; i++) {
		entry = &table->entries[i];
		if (!(entry->families & bit) || !(entry->roles & open) ||
		    (entry->flags & SMCB_HAS_USER &&
		     entry->user != subject->user) ||
		    (entry->flags & SMCB_HAS_GROUP &&
		     entry->group != subject->group) ||
		    (entry->flags & SMCB_HAS_PROGRAM &&
		     !is_named(&entry->program, name)))
			continue;
		if (entry->flags & SMCB_SKIP) {
			CU_ASSERT(entry->next > i);
			i = entry->next - 1U;
			continue;
		}
		outcomes |= entry->outcome;
		if (!(entry->flags & SMCB_PARTIAL))
			open &= ~(unsigned int)entry->roles;
	}
	return outcomes == SMCB_TCP   ? "all-tcp"
	       : outcomes == SMCB_SMC ? "all-smc"
				      : "mixed";
}

/* Each list in each process is what the library has it to be. */
UNIT_TEST(the_table_says_what_the_rules_say)
{
	static const char *const texts[] = {
		"",
		"default = tcp",
		"use tcp",
		"use tcp prog a",
		"use tcp prog a, b*; use smc",
		"use tcp prog not a, b*",
		"use smc prog not a; use tcp",
		"use tcp prog not a; use smc prog a; use tcp",
		"use tcp user 0",
		"use tcp user 1, 2 group 3, 4",
		"use smc prog a user 1; use tcp",
		"use tcp prog not a user 1; use smc",
		"use tcp to :53",
		"use tcp to :53; use tcp",
		"use tcp to [fd00::1]",
		"use tcp to 10.0.0.0/8; use smc prog a",
		"use tcp listen",
		"use smc listen; use smc connect; use tcp",
		"use smc listen; use tcp connect; use smc",
		"use tcp listen on :80; use tcp to :80; use tcp",
		"use tcp prog a to :53",
		"use smc prog a on [fd00::1]:80; use tcp",
		"use tcp prog b* ; use smc prog bb; use tcp",
	};
	static const char *const exes[] = {"/bin/a", "/bin/b", "/x/bb",
					   "/bin/aa", "/bin/c"};
	static const int families[] = {AF_INET, AF_INET6};
	size_t t, e, u, f;

	for (t = 0; t < sizeof(texts) / sizeof(*texts); t++) {
		struct made *made = make(texts[t]);

		CU_ASSERT_EQUAL(made->rc, 0);
		for (e = 0; e < 5; e++)
			for (u = 0; u < 9; u++)
				for (f = 0; f < 2; f++) {
					struct smcp_subject subject = {
						exes[e], (uid_t)(u % 3),
						(gid_t)(3 + u / 3)};
					void *memory = calloc(
						1, smcp_rules_size(made->list));
					const char *want =
						scopes[smcp_rules_scope(
							smcp_rules_compile(
								made->list,
								&subject,
								memory),
							families[f])];
					const char *got =
						hear(&made->table, &subject,
						     families[f]);

					if (strcmp(got, want) != 0)
						printf("# '%s' %s %zu\n",
						       texts[t], exes[e], u);
					ASSERT_STR(got, want);
					free(memory);
				}
		unmake(made);
	}
}

static void check_mixed(const char *text, int want)
{
	struct made *made = make(text);
	int got = smcb_table_find_mixed(&made->table);

	CU_ASSERT_EQUAL(made->rc, 0);
	CU_ASSERT_EQUAL(got, want);
	if (got != want)
		printf("# '%s': %d, not %d\n", text, got, want);
	unmake(made);
}

UNIT_TEST(mixed_rules_are_found)
{
	check_mixed("", -1);
	check_mixed("use tcp prog a; use smc prog b; use tcp", -1);
	check_mixed("use tcp to :53", 0);
	check_mixed("use tcp to :53; use tcp", -1);
	check_mixed("use smc prog a; use tcp to :53; use tcp", -1);
	check_mixed("use smc prog a; use tcp to :53; use smc", 1);
	check_mixed("use tcp listen", 0);
	check_mixed("use smc listen; use smc connect; use tcp", -1);
	check_mixed("use smc prog a to :1; use smc prog a; use tcp", -1);
	check_mixed("use smc prog a to :1; use smc prog b; use tcp", 0);
	check_mixed("use smc prog a to :1; use smc prog not b; use tcp", 0);
	check_mixed("use smc user 1 to :1; use tcp user 2; use smc", -1);
	check_mixed("use smc to [fd00::1]; use smc", -1);
}

static void check_refused(const char *text, int rule, const char *why)
{
	struct made *made = make(text);

	CU_ASSERT_EQUAL(made->rc, -22);
	CU_ASSERT_EQUAL(made->refusal.rule, rule);
	if (!strstr(made->refusal.text, why))
		ASSERT_STR(made->refusal.text, why);
	unmake(made);
}

UNIT_TEST(what_cannot_be_held_is_refused)
{
	check_refused("use require", 0, "'require'");
	check_refused("use smc prog a; use tcp prog /bin/a", 1, "directory");
	check_refused("use tcp prog a?", 0, "'*' at the end");
	check_refused("use tcp prog *a", 0, "'*' at the end");
	check_refused("use tcp prog [ab]", 0, "'*' at the end");
	check_refused("use tcp prog "
		      "a23456789012345678901234567890123456789012345678901234"
		      "567890123",
		      0, "so long");
}

UNIT_TEST(there_is_room_for_1023_entries)
{
	static char text[65536];
	struct made *made;
	size_t len = 0;
	int i;

	for (i = 0; i < SMCB_ENTRIES - 1; i++)
		len += (size_t)sprintf(text + len, "use tcp user %d\n", i);
	made = make(text);
	CU_ASSERT_EQUAL(made->rc, 0);
	CU_ASSERT_EQUAL(made->table.n, SMCB_ENTRIES);
	unmake(made);
	sprintf(text + len, "use tcp user 1, 2\n");
	check_refused(text, SMCB_ENTRIES - 1, "no room");
}
