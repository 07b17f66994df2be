// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cunit_tap.h"
#include "init.h"

/* The policy of this program is made by the children only. */

static void clear_environment(void)
{
	unsetenv("SMC_DEBUG");
	unsetenv("SMC_SNDBUF");
	unsetenv("SMC_RCVBUF");
	unsetenv("SMC_SOCK_FAMILY");
	unsetenv("SMC_RULES");
	setenv("HOME", "/nonexistent", 1);
}

static void check_defaults(void)
{
	const struct smcp_policy *policy;

	clear_environment();
	policy = smcp_init_policy();
	CU_ASSERT_EQUAL(policy->conf.families, SMCP_FAMILY_AUTO);
	CU_ASSERT_EQUAL(policy->conf.sndbuf, SMCP_SIZE_UNSET);
	CU_ASSERT_EQUAL(policy->conf.rcvbuf, SMCP_SIZE_UNSET);
	CU_ASSERT_EQUAL(policy->log.level, SMCP_LOG_WARN);
	CU_ASSERT(policy->log.dev);
	CU_ASSERT(policy->real.socket != smcp_raw_socket);
}

UNIT_TEST(without_any_variable)
{
	char text[256];

	unit_test_in_child(check_defaults, text, sizeof(text));
	ASSERT_STR(text, "");
}

static void check_values(void)
{
	const struct smcp_policy *policy;

	setenv("SMC_DEBUG", "3", 1);
	setenv("SMC_SNDBUF", "8k", 1);
	setenv("SMC_RCVBUF", "1m", 1);
	setenv("SMC_SOCK_FAMILY", "smc", 1);
	policy = smcp_init_policy();
	CU_ASSERT_EQUAL(policy->conf.families, SMCP_FAMILY_SMC);
	CU_ASSERT_EQUAL(policy->conf.sndbuf, 8192);
	CU_ASSERT_EQUAL(policy->conf.rcvbuf, 1048576);
	CU_ASSERT_EQUAL(policy->log.level, SMCP_LOG_DEBUG3);
}

UNIT_TEST(variables_reach_the_policy)
{
	char text[256];

	unit_test_in_child(check_values, text, sizeof(text));
	ASSERT_STR(text, "");
}

static void check_bad_values(void)
{
	const struct smcp_policy *policy;

	setenv("SMC_SNDBUF", "", 1);
	setenv("SMC_RCVBUF", "1g", 1);
	setenv("SMC_SOCK_FAMILY", "x\ny", 1);
	policy = smcp_init_policy();
	CU_ASSERT_EQUAL(policy->conf.families, SMCP_FAMILY_AUTO);
	CU_ASSERT_EQUAL(policy->conf.sndbuf, SMCP_SIZE_UNSET);
	CU_ASSERT_EQUAL(policy->conf.rcvbuf, SMCP_SIZE_UNSET);
	CU_ASSERT_PTR_EQUAL(smcp_init_policy(), policy);
}

static const char warnings[] = "libsmc-preload: SMC_SNDBUF='' ignored "
			       "(decimal bytes, k or m may follow)\n"
			       "libsmc-preload: SMC_RCVBUF='1g' ignored "
			       "(decimal bytes, k or m may follow)\n"
			       "libsmc-preload: SMC_SOCK_FAMILY='x?y' ignored "
			       "(inet, smc or auto)\n";

UNIT_TEST(a_bad_value_is_ignored_with_one_line)
{
	char text[1024];

	clear_environment();
	unit_test_in_child(check_bad_values, text, sizeof(text));
	ASSERT_STR(text, warnings);
}

UNIT_TEST(I1_level_0_keeps_even_warnings_back)
{
	char text[1024];

	setenv("SMC_DEBUG", "0", 1);
	unit_test_in_child(check_bad_values, text, sizeof(text));
	ASSERT_STR(text, "");
	clear_environment();
}

static void check_immutable(void)
{
	const struct smcp_policy *policy;
	pid_t pid;
	int status;

	policy = smcp_init_policy();
	setenv("SMC_SOCK_FAMILY", "smc", 1);
	CU_ASSERT_PTR_EQUAL(smcp_init_policy(), policy);
	CU_ASSERT_EQUAL(policy->conf.families, SMCP_FAMILY_AUTO);

	/* Nobody may write there; a read(2) into it shows that quietly. */
	pid = fork();
	if (pid == 0) {
		int fds[2];

		if (pipe(fds) || write(fds[1], "x", 1) != 1)
			_exit(1);
		_exit(read(fds[0], (void *)policy, 1) != -1);
	}
	CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
	CU_ASSERT_EQUAL(status, 0);
}

UNIT_TEST(I3_a_published_policy_never_changes)
{
	unit_test_in_child(check_immutable, NULL, 0);
}

static void check_rules(void)
{
	const struct smcp_policy *policy;

	clear_environment();
	setenv("SMC_DEBUG", "2", 1);
	setenv("SMC_RULES",
	       "use tcp to :53 as dns\nuse smc to 10.0.0.0/8;"
	       "use tcp to 0.0.0.0/0",
	       1);
	setenv("SMC_DENY", "[fd00::/8]", 1);
	policy = smcp_init_policy();
	CU_ASSERT(!policy->is_bad);
	CU_ASSERT_EQUAL(smcp_rules_scope(policy->rules, AF_INET), SMCP_MIXED);
	ASSERT_STR(policy->places[0], "SMC_DENY:1");
	ASSERT_STR(policy->places[1], "rule dns, SMC_RULES:1");
	ASSERT_STR(policy->places[3], "SMC_RULES:2");
}

UNIT_TEST(rules_are_read_and_their_places_kept)
{
	char text[256];

	unit_test_in_child(check_rules, text, sizeof(text));
	ASSERT_STR(text, "libsmc-preload: 4 rules; AF_INET mixed, AF_INET6 "
			 "mixed\n");
}

static void check_bad_list(void)
{
	const struct smcp_policy *policy;

	clear_environment();
	setenv("SMC_RULES", "use smc\nuse tpc to :1", 1);
	policy = smcp_init_policy();
	CU_ASSERT(policy->is_bad);
	CU_ASSERT_EQUAL(smcp_rules_scope(policy->rules, AF_INET), SMCP_ALL_TCP);
	CU_ASSERT_EQUAL(smcp_rules_scope(policy->rules, AF_INET6),
			SMCP_ALL_TCP);
}

UNIT_TEST(a_bad_list_is_all_TCP_with_one_line)
{
	char text[256];

	unit_test_in_child(check_bad_list, text, sizeof(text));
	ASSERT_STR(text, "libsmc-preload: SMC_RULES:2:5: unknown word 'tpc' "
			 "(smc, tcp or require), running on TCP\n");
}

static int page_fd;

static void check_page(void)
{
	const struct smcp_policy *policy;

	clear_environment();
	setenv("SMC_RULES", "use tcp to :53 as dns", 1);
	setenv("SMC_SUMMARY_FD", "999", 1);
	if (page_fd >= 0) {
		char number[16];

		snprintf(number, sizeof(number), "%d", page_fd);
		setenv("SMC_SUMMARY_FD", number, 1);
	}
	policy = smcp_init_policy();
	CU_ASSERT_EQUAL(policy->summary != NULL, page_fd >= 0);
	CU_ASSERT_EQUAL(policy->places != NULL, page_fd >= 0);
	if (policy->summary) {
		CU_ASSERT_EQUAL(policy->summary->programs, 1);
		ASSERT_STR(policy->places[0], "rule dns, SMC_RULES:1");
	}
}

UNIT_TEST(the_page_of_a_summary_is_mapped_and_no_other)
{
	page_fd = -1;
	unit_test_in_child(check_page, NULL, 0);
	page_fd = memfd_create("test", MFD_ALLOW_SEALING);
	CU_ASSERT_FATAL(page_fd >= 0);
	CU_ASSERT_EQUAL(pwrite(page_fd, SMCP_SUMMARY_MAGIC, 16, 0), 16);
	CU_ASSERT_EQUAL(ftruncate(page_fd, sizeof(struct smcp_summary)), 0);
	CU_ASSERT_EQUAL(fcntl(page_fd, F_ADD_SEALS,
			      F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL),
			0);
	unit_test_in_child(check_page, NULL, 0);
	close(page_fd);
}

#define THREADS 64

static pthread_barrier_t barrier;

static void *get_policy(void *arg)
{
	(void)arg;
	pthread_barrier_wait(&barrier);
	return (void *)smcp_init_policy();
}

static void check_threads(void)
{
	pthread_t threads[THREADS];
	void *policy, *first = NULL;
	int i;

	setenv("SMC_SNDBUF", "", 1);
	setenv("SMC_RCVBUF", "1g", 1);
	setenv("SMC_SOCK_FAMILY", "x\ny", 1);
	CU_ASSERT_EQUAL_FATAL(pthread_barrier_init(&barrier, NULL, THREADS), 0);
	for (i = 0; i < THREADS; i++)
		CU_ASSERT_EQUAL_FATAL(
			pthread_create(&threads[i], NULL, get_policy, NULL), 0);
	for (i = 0; i < THREADS; i++) {
		CU_ASSERT_EQUAL(pthread_join(threads[i], &policy), 0);
		if (i == 0)
			first = policy;
		CU_ASSERT_PTR_EQUAL(policy, first);
	}
	pthread_barrier_destroy(&barrier);
	CU_ASSERT_EQUAL(((struct smcp_policy *)first)->conf.families,
			SMCP_FAMILY_AUTO);
}

UNIT_TEST(threads_that_arrive_together_agree_and_warn_once)
{
	char text[4096];

	unit_test_in_child(check_threads, text, sizeof(text));
	ASSERT_STR(text, warnings);
}

static void check_without_memory(void)
{
	struct rlimit old, none;
	const struct smcp_policy *policy;

	CU_ASSERT_EQUAL_FATAL(getrlimit(RLIMIT_AS, &old), 0);
	none = old;
	none.rlim_cur = 0;
	CU_ASSERT_EQUAL_FATAL(setrlimit(RLIMIT_AS, &none), 0);
	policy = smcp_init_policy();
	CU_ASSERT_EQUAL_FATAL(setrlimit(RLIMIT_AS, &old), 0);
	CU_ASSERT_EQUAL(policy->conf.families, 0);
	CU_ASSERT_PTR_NULL(policy->rules);
	CU_ASSERT_PTR_EQUAL(policy->real.socket, smcp_raw_socket);
	CU_ASSERT_EQUAL(smcp_init_policy()->conf.families, SMCP_FAMILY_AUTO);
}

UNIT_TEST(I4_without_memory_as_if_not_preloaded)
{
	unit_test_in_child(check_without_memory, NULL, 0);
}
