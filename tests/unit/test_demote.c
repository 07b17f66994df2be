// SPDX-License-Identifier: MIT
#include <errno.h>
#include <string.h>

#include "carry.h"
#include "cunit_tap.h"
#include "demote.h"
#include "fake_real.h"

/* The kernel's answers to SMC_STATUS, SO_PROTOCOL and SO_DOMAIN */
static enum smcp_kind ask(const int *answers, size_t n)
{
	struct smcp_policy policy = {.real = fake_real};
	int use = 0;

	fake_real_reset();
	for (size_t i = 0; i < n; i++)
		fake_real_answer(answers[i]);
	return smcp_demote_kind(&policy, 7, &use);
}

#define ASK(...)                        \
	ask((const int[]){__VA_ARGS__}, \
	    sizeof((const int[]){__VA_ARGS__}) / sizeof(int))

static void kinds_of_a_stock_kernel(void)
{
	CU_ASSERT_EQUAL(ASK(-EOPNOTSUPP, 256), SMCP_BY_TRICK);
	ASSERT_STR(fake_real_calls(),
		   "getsockopt(7,286,258) getsockopt(7,1,38)");
	CU_ASSERT_EQUAL(ASK(-EOPNOTSUPP, 0, 43), SMCP_BY_TRICK);
	CU_ASSERT_EQUAL(ASK(-EOPNOTSUPP, 1, 43), SMCP_BY_TRICK);
	CU_ASSERT_EQUAL(ASK(-EOPNOTSUPP, 0, 1), SMCP_NOT_SMC);
	CU_ASSERT_EQUAL(ASK(-ENOPROTOOPT, 6), SMCP_NOT_SMC);
	CU_ASSERT_EQUAL(ASK(-ENOPROTOOPT, 17), SMCP_NOT_SMC);
	CU_ASSERT_EQUAL(ASK(-EBADF, -EBADF), SMCP_NOT_SMC);
}

static void kinds_of_our_kernel(void)
{
	CU_ASSERT_EQUAL(ASK(0), SMCP_BY_OPTION);
	ASSERT_STR(fake_real_calls(), "getsockopt(7,286,258)");
	for (int mode = SMC_MODE_TCP; mode <= SMC_MODE_LISTEN; mode++)
		CU_ASSERT_EQUAL(ASK(mode), SMCP_NOT_SMC);
	CU_ASSERT_EQUAL(ASK(-ENOPROTOOPT, 6), SMCP_NOT_SMC);
	/* A stock module since */
	CU_ASSERT_EQUAL(ASK(-EOPNOTSUPP, 256), SMCP_BY_TRICK);
}

/* A stock kernel that got our module later */
static void kinds_after_a_change(void)
{
	struct smcp_policy policy = {.real = fake_real};

	fake_real_reset();
	fake_real_answer(-EOPNOTSUPP);
	fake_real_answer(0);
	fake_real_answer(6);
	smcp_demote_probe(&policy, 7);
	CU_ASSERT_EQUAL(ASK(256), SMCP_BY_TRICK);
	ASSERT_STR(fake_real_calls(), "getsockopt(7,1,38)");
	CU_ASSERT_EQUAL(ASK(6, -ENOPROTOOPT), SMCP_NOT_SMC);
	CU_ASSERT_EQUAL(ASK(6, 0), SMCP_BY_OPTION);
	ASSERT_STR(fake_real_calls(),
		   "getsockopt(7,1,38) getsockopt(7,286,258)");
	CU_ASSERT_EQUAL(ASK(0), SMCP_BY_OPTION);
}

static void probes(void)
{
	static const int passing[] = {-ENOMEM, -ENOBUFS, -EIO};
	struct smcp_policy policy = {.real = fake_real};

	for (size_t i = 0; i < 3; i++) {
		fake_real_reset();
		fake_real_answer(-EOPNOTSUPP);
		fake_real_answer(passing[i]);
		smcp_demote_probe(&policy, 7);
		CU_ASSERT(!smcp_demote_is_known());
	}
	fake_real_reset();
	fake_real_answer(-EOPNOTSUPP);
	fake_real_answer(-ENOPROTOOPT);
	smcp_demote_probe(&policy, 7);
	CU_ASSERT(smcp_demote_is_known());
	CU_ASSERT(!smcp_demote_is_possible());
}

UNIT_TEST(what_passes_says_nothing_about_the_kernel)
{
	unit_test_in_child(probes, NULL, 0);
}

UNIT_TEST(the_kernel_says_what_is_SMC)
{
	unit_test_in_child(kinds_of_a_stock_kernel, NULL, 0);
	unit_test_in_child(kinds_of_our_kernel, NULL, 0);
	unit_test_in_child(kinds_after_a_change, NULL, 0);
}

static int demote(enum smcp_kind kind, const int *answers, size_t n)
{
	struct smcp_policy policy = {.real = fake_real};

	fake_real_reset();
	for (size_t i = 0; i < n; i++)
		fake_real_answer(answers[i]);
	return smcp_demote(&policy, 7, kind);
}

UNIT_TEST(by_the_option)
{
	static const struct {
		int answer, result;
	} rows[] = {{0, 0},
		    {-EINVAL, -EINVAL},
		    {-EOPNOTSUPP, -EPERM},
		    {-EIO, -EPERM}};

	for (size_t i = 0; i < 4; i++) {
		CU_ASSERT_EQUAL(demote(SMCP_BY_OPTION, &rows[i].answer, 1),
				rows[i].result);
		ASSERT_STR(fake_real_calls(), "setsockopt(7,286,257,2)");
	}
}

UNIT_TEST(a_failed_connect_is_not_undone)
{
	int idle[] = {1, 7}, connected[] = {1, 1}, connecting[] = {1, 2};

	CU_ASSERT_EQUAL(demote(SMCP_BY_TRICK, idle, 2), -ECONNABORTED);
	ASSERT_STR(fake_real_calls(), "getsockopt(7,1,11) getsockopt(7,6,11)");
	/* A later one succeeded, or may. */
	CU_ASSERT_EQUAL(demote(SMCP_BY_TRICK, connected, 2), -EINVAL);
	CU_ASSERT_EQUAL(demote(SMCP_BY_TRICK, connecting, 2), -EINVAL);
}

/* Between SO_NO_CHECK and the trick: the options, none of them set, and a device's
 * index and name.
 */
#define UNSET_ANSWERS (SMCP_CARRY_ROWS + 2)

static int demote_without_options(int trick, int protocol)
{
	int answers[1 + UNSET_ANSWERS + 2];
	int n = 0;

	answers[n++] = 0;
	while (n < 1 + UNSET_ANSWERS)
		answers[n++] = -ENOPROTOOPT;
	answers[n++] = trick;
	answers[n++] = protocol;
	return demote(SMCP_BY_TRICK, answers, (size_t)n);
}

UNIT_TEST(by_the_trick)
{
	const char *calls;

	CU_ASSERT_EQUAL(demote_without_options(0, 6), 0);
	calls = strstr(fake_real_calls(), "setsockopt");
	ASSERT_STR(calls, "setsockopt(7,6,34,0) getsockopt(7,1,38) "
			  "setsockopt(7,1,11,1)");
	CU_ASSERT_EQUAL(demote_without_options(0, 256), -EPERM);
	CU_ASSERT_EQUAL(demote_without_options(-EINVAL, 0), -EINVAL);
	CU_ASSERT_EQUAL(demote_without_options(-ENOPROTOOPT, 0), -EPERM);
}

static const char *note(int err, int protocol)
{
	struct smcp_policy policy = {.real = fake_real};

	fake_real_reset();
	fake_real_answer(-EOPNOTSUPP);
	fake_real_answer(protocol);
	fake_real_answer(0);
	smcp_demote_note_failure(&policy, 7, err);
	return fake_real_calls();
}

static void notes(void)
{
	static const int others[] = {EINPROGRESS, EISCONN, EBADF, ENOTSOCK,
				     EFAULT};

	ASSERT_STR(note(ECONNREFUSED, 256),
		   "getsockopt(7,286,258) getsockopt(7,1,38) "
		   "setsockopt(7,1,11,1)");
	ASSERT_STR(note(ECONNREFUSED, 6),
		   "getsockopt(7,286,258) getsockopt(7,1,38)");
	/* It may fail after that, and the kernel forgets. */
	ASSERT_STR(note(EINTR, 256), "getsockopt(7,286,258) getsockopt(7,1,38) "
				     "setsockopt(7,1,11,1)");
	for (size_t i = 0; i < 5; i++)
		ASSERT_STR(note(others[i], 256), "");
}

UNIT_TEST(what_failed_at_once_is_noted_on_the_socket)
{
	unit_test_in_child(notes, NULL, 0);
}
