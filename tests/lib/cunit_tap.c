// SPDX-License-Identifier: MIT
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CUnit/TestRun.h>

#include "cunit_tap.h"

#define MAX_TESTS 64

static struct {
	const char *name;
	CU_TestFunc func;
} tests[MAX_TESTS];
static unsigned int test_count;
static unsigned int points;

void unit_test_register(const char *name, CU_TestFunc func)
{
	if (test_count == MAX_TESTS)
		abort();
	tests[test_count].name = name;
	tests[test_count].func = func;
	test_count++;
}

void unit_test_str(const char *got, const char *want, const char *file,
		   unsigned int line)
{
	if (strcmp(got, want) == 0) {
		CU_assertImplementation(CU_TRUE, line, "strings", file, "",
					CU_FALSE);
		return;
	}
	printf("# got:  %s\n# want: %s\n", got, want);
	CU_assertImplementation(CU_FALSE, line, "strings are equal", file, "",
				CU_FALSE);
}

static void print_failures(const CU_FailureRecord *failure)
{
	for (; failure; failure = failure->pNext)
		printf("# %s:%u: %s\n", failure->strFileName,
		       failure->uiLineNumber, failure->strCondition);
}

static void print_point(const CU_pTest test, const CU_pSuite suite,
			const CU_pFailureRecord failure)
{
	const char *p;

	(void)suite;
	printf("%sok %u - ", failure ? "not " : "", ++points);
	for (p = test->pName; *p; p++)
		putchar(*p == '_' ? ' ' : *p);
	putchar('\n');
	print_failures(failure);
	fflush(stdout);
}

void unit_test_in_child(void (*func)(void), char *ret_stderr, size_t size)
{
	unsigned int failed = CU_get_number_of_failures();
	size_t used = 0;
	int fds[2];
	int status;
	ssize_t n;
	pid_t pid;

	fflush(stdout);
	if (pipe(fds))
		abort();
	pid = fork();
	if (pid < 0)
		abort();
	if (pid == 0) {
		if (ret_stderr)
			dup2(fds[1], STDERR_FILENO);
		close(fds[0]);
		close(fds[1]);
		func();
		if (CU_get_number_of_failures() == failed)
			exit(0);
		print_failures(CU_get_failure_list());
		exit(1);
	}
	close(fds[1]);
	while (ret_stderr && used < size - 1 &&
	       (n = read(fds[0], ret_stderr + used, size - 1 - used)) > 0)
		used += (size_t)n;
	if (ret_stderr)
		ret_stderr[used] = '\0';
	close(fds[0]);
	CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
	CU_ASSERT_EQUAL(status, 0);
}

int main(void)
{
	CU_pSuite suite;
	unsigned int i;

	if (CU_initialize_registry())
		abort();
	suite = CU_add_suite("unit", NULL, NULL);
	for (i = 0; i < test_count; i++) {
		if (!CU_add_test(suite, tests[i].name, tests[i].func))
			abort();
	}
	CU_set_test_complete_handler(print_point);
	printf("1..%u\n", test_count);
	CU_run_all_tests();
	i = CU_get_number_of_tests_failed();
	CU_cleanup_registry();
	printf("# done\n");
	return i > 0;
}
