// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cunit_tap.h"
#include "summary.h"
#include "util.h"

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

/* A file that begins with @magic */
static int make_file(const char *magic, off_t size, int seals)
{
	int fd = memfd_create("test", MFD_ALLOW_SEALING);

	CU_ASSERT_FATAL(fd >= 0);
	CU_ASSERT_EQUAL(pwrite(fd, magic, 16, 0), 16);
	CU_ASSERT_EQUAL(ftruncate(fd, size), 0);
	CU_ASSERT_EQUAL(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

static struct smcp_summary *map(int fd)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", fd);
	return smcp_summary_map(text);
}

static struct smcp_summary *make_page(void)
{
	int fd = make_file(SMCP_SUMMARY_MAGIC, sizeof(struct smcp_summary),
			   SEALS);
	struct smcp_summary *page = map(fd);

	CU_ASSERT_PTR_NOT_NULL_FATAL(page);
	close(fd);
	return page;
}

static void drop(struct smcp_summary *page)
{
	munmap(page, sizeof(*page));
}

UNIT_TEST(only_a_sealed_memfd_with_the_magic_is_mapped)
{
	static const struct {
		const char *magic;
		off_t more;
		int seals;
	} rows[] = {
		{SMCP_SUMMARY_MAGIC, 0, 0},
		{SMCP_SUMMARY_MAGIC, 0, F_SEAL_SHRINK | F_SEAL_SEAL},
		{SMCP_SUMMARY_MAGIC, 0, F_SEAL_GROW | F_SEAL_SEAL},
		{SMCP_SUMMARY_MAGIC, 0, F_SEAL_SHRINK | F_SEAL_GROW},
		{SMCP_SUMMARY_MAGIC, 0, SEALS | F_SEAL_WRITE},
		{SMCP_SUMMARY_MAGIC, 1, SEALS},
		{SMCP_SUMMARY_MAGIC, -1, SEALS},
		{"smc_run summary2", 0, SEALS},
		{"smc_run summary\0", 0, SEALS},
	};
	struct smcp_summary *page;
	size_t i;
	int fd;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		fd = make_file(rows[i].magic,
			       (off_t)sizeof(struct smcp_summary) +
				       rows[i].more,
			       rows[i].seals);
		CU_ASSERT_PTR_NULL(map(fd));
		close(fd);
	}
	fd = make_file(SMCP_SUMMARY_MAGIC, sizeof(*page), SEALS);
	page = map(fd);
	CU_ASSERT_PTR_NOT_NULL_FATAL(page);
	smcp_summary_add(&page->sockets);
	drop(page);
	page = map(fd);
	CU_ASSERT_PTR_NOT_NULL_FATAL(page);
	CU_ASSERT_EQUAL(page->sockets, 1);
	drop(page);
	close(fd);
	CU_ASSERT_PTR_NULL(map(fd));
}

UNIT_TEST(only_a_number_is_a_descriptor)
{
	static const char *const values[] = {
		"",    "x",	     "-1",
		"+3",  " 3",	     "3 ",
		"0x3", "4294967296", "99999999999999999999",
	};
	size_t i;

	CU_ASSERT_PTR_NULL(smcp_summary_map(NULL));
	for (i = 0; i < ARRAY_SIZE(values); i++)
		CU_ASSERT_PTR_NULL(smcp_summary_map(values[i]));
}

UNIT_TEST(rules_are_known_by_name_or_place)
{
	static const char *const long_place =
		"/etc/smc/conf.d/a-very-long-directory/"
		"and-a-very-long-name.conf:6";
	struct smcp_summary *page = make_page();

	smcp_summary_rule(page, "rule pg, /etc/smc/smc.conf:6");
	smcp_summary_rule(page, "SMC_DENY:1");
	smcp_summary_rule(page, "default");
	smcp_summary_rule(page, "bad list");
	smcp_summary_rule(page, long_place);
	smcp_summary_rule(page, "rule pg, /etc/smc/conf.d/x.conf:1");
	smcp_summary_rule(page, "rule pgx, /etc/smc/conf.d/x.conf:1");
	smcp_summary_rule(page, long_place);
	ASSERT_STR(page->rules[0].text, "rule pg");
	CU_ASSERT_EQUAL(page->rules[0].count, 2);
	ASSERT_STR(page->rules[1].text, "rule SMC_DENY:1");
	ASSERT_STR(page->rules[2].text, "default");
	ASSERT_STR(page->rules[3].text, "bad list");
	CU_ASSERT_EQUAL(strlen(page->rules[4].text), 55);
	CU_ASSERT_EQUAL(strncmp(page->rules[4].text, "rule ", 5), 0);
	ASSERT_STR(page->rules[4].text + 5,
		   long_place + strlen(long_place) - 50);
	CU_ASSERT_EQUAL(page->rules[4].count, 2);
	ASSERT_STR(page->rules[5].text, "rule pgx");
	CU_ASSERT_EQUAL(page->rules[6].state, SMCP_SUMMARY_FREE);
	drop(page);
}

UNIT_TEST(what_has_no_place_is_counted_as_well)
{
	struct smcp_summary *page = make_page();
	char place[32];
	int i;

	for (i = 0; i < SMCP_SUMMARY_RULES + 3; i++) {
		snprintf(place, sizeof(place), "SMC_RULES:%d", i);
		smcp_summary_rule(page, place);
	}
	smcp_summary_rule(page, "SMC_RULES:0");
	CU_ASSERT_EQUAL(page->by_others, 3);
	CU_ASSERT_EQUAL(page->rules[0].count, 2);
	for (i = 1; i <= SMCP_SUMMARY_ERRORS + 1; i++)
		smcp_summary_absent(page, i);
	smcp_summary_absent(page, 2);
	CU_ASSERT_EQUAL(page->absent[0].error, 1);
	CU_ASSERT_EQUAL(page->absent[0].count, 2);
	CU_ASSERT_EQUAL(page->absent[1].error, 2);
	CU_ASSERT_EQUAL(page->absent[1].count, 2);
	drop(page);
}

UNIT_TEST(I2_nobody_waits_for_who_died_with_a_place)
{
	struct smcp_summary *page = make_page();

	page->rules[0].state = SMCP_SUMMARY_TAKEN;
	smcp_summary_rule(page, "default");
	CU_ASSERT_EQUAL(page->rules[0].count, 0);
	CU_ASSERT_EQUAL(page->rules[1].count, 1);
	drop(page);
}

static void *count_all(void *arg)
{
	struct smcp_summary *page = arg;
	char place[32];
	int i;

	for (i = 0; i < 10000; i++) {
		snprintf(place, sizeof(place), "SMC_RULES:%d", i % 100);
		smcp_summary_rule(page, place);
		smcp_summary_absent(page, 1 + i % 4);
		smcp_summary_add(&page->sockets);
	}
	return NULL;
}

UNIT_TEST(nothing_is_lost_between_threads_and_processes)
{
	struct smcp_summary *page = make_page();
	unsigned int rules = 0, errors = 0;
	pthread_t threads[4];
	pid_t pid;
	size_t i;

	pid = fork();
	CU_ASSERT_FATAL(pid >= 0);
	if (!pid) {
		count_all(page);
		_exit(0);
	}
	for (i = 0; i < ARRAY_SIZE(threads); i++)
		pthread_create(&threads[i], NULL, count_all, page);
	for (i = 0; i < ARRAY_SIZE(threads); i++)
		pthread_join(threads[i], NULL);
	waitpid(pid, NULL, 0);
	for (i = 0; i < SMCP_SUMMARY_RULES; i++)
		rules += page->rules[i].count;
	for (i = 0; i < SMCP_SUMMARY_ERRORS; i++)
		errors += page->absent[i].count;
	CU_ASSERT_EQUAL(rules + page->by_others, 50000);
	CU_ASSERT_EQUAL(errors, 50000);
	CU_ASSERT_EQUAL(page->absent[4].error, 0);
	CU_ASSERT_EQUAL(page->sockets, 50000);
	drop(page);
}

UNIT_TEST(errno_is_left_alone)
{
	struct smcp_summary *page = make_page();

	errno = EXDEV;
	smcp_summary_rule(page, "default");
	smcp_summary_absent(page, EPERM);
	CU_ASSERT_EQUAL(errno, EXDEV);
	drop(page);
}
