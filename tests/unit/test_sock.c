// SPDX-License-Identifier: MIT
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cunit_tap.h"
#include "fake_real.h"
#include "rules_text.h"
#include "sock.h"
#include "util.h"

/* A policy for a fresh kernel that has not answered yet. */
static struct smcp_policy make_ruled(unsigned int families, const char *rules)
{
	static struct smcp_rules *made;
	struct smcp_parser parser;
	struct smcp_list *list = rules_read(&parser, rules, NULL);
	struct smcp_policy policy = {
		.real = fake_real,
		.conf = {families, SMCP_SIZE_UNSET, SMCP_SIZE_UNSET},
	};

	CU_ASSERT_EQUAL(parser.n_errors, 0);
	free(made);
	made = rules_make(list, "/usr/bin/any");
	free(list);
	policy.rules = made;
	fake_real_reset();
	return policy;
}

static struct smcp_policy make_policy(unsigned int families)
{
	return make_ruled(families, "");
}

/* As the hook does. */
static int open_socket(const struct smcp_policy *policy, int domain, int type,
		       int protocol)
{
	if (!smcp_sock_is_ours(policy, domain, type, protocol))
		return smcp_result(policy->real.socket(domain, type, protocol));
	return smcp_sock_open(policy, domain, type, protocol);
}

static int open_inet(const struct smcp_policy *policy)
{
	return open_socket(policy, AF_INET, SOCK_STREAM, 0);
}

UNIT_TEST(the_inet_family_is_asked_first)
{
	struct smcp_policy policy = make_policy(SMCP_FAMILY_AUTO);

	fake_real_answer(7);
	CU_ASSERT_EQUAL(open_inet(&policy), 7);
	ASSERT_STR(fake_real_calls(), "socket(2,1,256)");
}

UNIT_TEST(then_AF_SMC_then_the_original_call)
{
	struct smcp_policy policy = make_policy(SMCP_FAMILY_AUTO);

	fake_real_answer(-EPROTONOSUPPORT);
	fake_real_answer(-EAFNOSUPPORT);
	fake_real_answer(5);
	CU_ASSERT_EQUAL(open_socket(&policy, AF_INET, SOCK_STREAM, IPPROTO_TCP),
			5);
	ASSERT_STR(fake_real_calls(),
		   "socket(2,1,256) socket(43,1,0) socket(2,1,6)");
}

UNIT_TEST(AF_INET6_has_its_own_protocol_of_AF_SMC)
{
	struct smcp_policy policy = make_policy(SMCP_FAMILY_AUTO);

	fake_real_answer(-EPROTONOSUPPORT);
	fake_real_answer(9);
	CU_ASSERT_EQUAL(open_socket(&policy, AF_INET6, SOCK_STREAM, 0), 9);
	ASSERT_STR(fake_real_calls(), "socket(10,1,256) socket(43,1,1)");
}

UNIT_TEST(flags_of_the_type_are_kept)
{
	struct smcp_policy policy = make_policy(SMCP_FAMILY_AUTO);
	int type = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
	char want[128];

	fake_real_answer(-EPERM);
	fake_real_answer(-EPERM);
	fake_real_answer(3);
	CU_ASSERT_EQUAL(open_socket(&policy, AF_INET, type, 0), 3);
	snprintf(want, sizeof(want),
		 "socket(2,%d,256) socket(43,%d,0) socket(2,%d,0)", type, type,
		 type);
	ASSERT_STR(fake_real_calls(), want);
}

UNIT_TEST(family_inet_tries_only_that)
{
	struct smcp_policy policy = make_policy(SMCP_FAMILY_INET);

	fake_real_answer(-EPROTONOSUPPORT);
	fake_real_answer(4);
	CU_ASSERT_EQUAL(open_inet(&policy), 4);
	ASSERT_STR(fake_real_calls(), "socket(2,1,256) socket(2,1,0)");
}

UNIT_TEST(family_smc_tries_only_that)
{
	struct smcp_policy policy = make_policy(SMCP_FAMILY_SMC);

	fake_real_answer(-EAFNOSUPPORT);
	fake_real_answer(4);
	CU_ASSERT_EQUAL(open_inet(&policy), 4);
	ASSERT_STR(fake_real_calls(), "socket(43,1,0) socket(2,1,0)");
}

UNIT_TEST(no_family_leaves_the_call_alone)
{
	struct smcp_policy policy = make_policy(0);

	fake_real_answer(4);
	CU_ASSERT_EQUAL(open_inet(&policy), 4);
	ASSERT_STR(fake_real_calls(), "socket(2,1,0)");
}

UNIT_TEST(the_error_is_that_of_the_original_call)
{
	struct smcp_policy policy = make_policy(SMCP_FAMILY_AUTO);

	fake_real_answer(-EPROTONOSUPPORT);
	fake_real_answer(-EPERM);
	fake_real_answer(-ENOBUFS);
	CU_ASSERT_EQUAL(open_inet(&policy), -ENOBUFS);
}

UNIT_TEST(no_descriptor_left_is_final)
{
	static const int errors[] = {EMFILE, ENFILE};
	struct smcp_policy policy;
	size_t i;

	for (i = 0; i < 2; i++) {
		policy = make_policy(SMCP_FAMILY_AUTO);
		fake_real_answer(-errors[i]);
		CU_ASSERT_EQUAL(open_inet(&policy), -errors[i]);
		ASSERT_STR(fake_real_calls(), "socket(2,1,256)");

		/* It says nothing about SMC: the next call asks again. */
		fake_real_answer(8);
		CU_ASSERT_EQUAL(open_inet(&policy), 8);

		policy = make_policy(SMCP_FAMILY_AUTO);
		fake_real_answer(-EINVAL);
		fake_real_answer(-errors[i]);
		CU_ASSERT_EQUAL(open_inet(&policy), -errors[i]);
		ASSERT_STR(fake_real_calls(), "socket(2,1,256) socket(43,1,0)");
	}
}

UNIT_TEST(refused_families_are_left_out_for_ten_seconds)
{
	static const int errors[] = {
		EPROTONOSUPPORT, EAFNOSUPPORT, ESOCKTNOSUPPORT,
		EINVAL,		 EPERM,	       EACCES,
	};
	struct smcp_policy policy;
	size_t i;

	for (i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		policy = make_policy(SMCP_FAMILY_AUTO);
		fake_real_answer(-errors[i]);
		fake_real_answer(-errors[i]);
		fake_real_answer(3);
		fake_real_answer(4);
		fake_real_answer(5);
		CU_ASSERT_EQUAL(open_inet(&policy), 3);
		CU_ASSERT_EQUAL(open_inet(&policy), 4);
		fake_real_pass(9);
		CU_ASSERT_EQUAL(open_inet(&policy), 5);
		fake_real_pass(1);
		fake_real_answer(6);
		CU_ASSERT_EQUAL(open_inet(&policy), 6);
		ASSERT_STR(fake_real_calls(),
			   "socket(2,1,256) socket(43,1,0) socket(2,1,0) "
			   "socket(2,1,0) socket(2,1,0) socket(2,1,256)");
	}
}

UNIT_TEST(passing_troubles_are_not_remembered)
{
	static const int errors[] = {ENOMEM, ENOBUFS, EINTR, EIO};
	struct smcp_policy policy;
	size_t i;

	for (i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		policy = make_policy(SMCP_FAMILY_INET);
		fake_real_answer(-errors[i]);
		fake_real_answer(3);
		fake_real_answer(4);
		CU_ASSERT_EQUAL(open_inet(&policy), 3);
		CU_ASSERT_EQUAL(open_inet(&policy), 4);
		ASSERT_STR(fake_real_calls(),
			   "socket(2,1,256) socket(2,1,0) socket(2,1,256)");
	}
}

UNIT_TEST(each_member_is_remembered_on_its_own)
{
	struct smcp_policy policy = make_policy(SMCP_FAMILY_AUTO);

	fake_real_answer(-EPROTONOSUPPORT);
	fake_real_answer(3);
	fake_real_answer(4);
	CU_ASSERT_EQUAL(open_inet(&policy), 3);
	CU_ASSERT_EQUAL(open_inet(&policy), 4);
	ASSERT_STR(fake_real_calls(),
		   "socket(2,1,256) socket(43,1,0) socket(43,1,0)");
}

UNIT_TEST(a_kernel_without_IPv6_has_SMC_for_IPv4)
{
	struct smcp_policy policy = make_policy(SMCP_FAMILY_AUTO);

	fake_real_answer(-EAFNOSUPPORT);
	fake_real_answer(-EAFNOSUPPORT);
	fake_real_answer(-EAFNOSUPPORT);
	CU_ASSERT_EQUAL(open_socket(&policy, AF_INET6, SOCK_STREAM, 0),
			-EAFNOSUPPORT);
	fake_real_answer(5);
	CU_ASSERT_EQUAL(open_inet(&policy), 5);
	ASSERT_STR(fake_real_calls(), "socket(10,1,256) socket(43,1,1) "
				      "socket(10,1,0) socket(2,1,256)");
}

UNIT_TEST(remembered_absence_costs_one_look_at_the_clock)
{
	struct smcp_policy policy = make_policy(SMCP_FAMILY_AUTO);
	unsigned int before;

	fake_real_answer(-EPERM);
	fake_real_answer(-EPERM);
	fake_real_answer(3);
	fake_real_answer(4);
	CU_ASSERT_EQUAL(open_inet(&policy), 3);
	before = fake_real_clock_reads();
	CU_ASSERT_EQUAL(open_inet(&policy), 4);
	CU_ASSERT_EQUAL(fake_real_clock_reads(), before + 1);
}

UNIT_TEST(no_SMC_socket_is_made_where_all_is_TCP)
{
	struct smcp_policy policy =
		make_ruled(SMCP_FAMILY_AUTO, "use smc to [fd00::/8]; use tcp");

	fake_real_answer(4);
	CU_ASSERT_EQUAL(open_inet(&policy), 4);
	ASSERT_STR(fake_real_calls(), "socket(2,1,0)");
}

/* The kernel is asked once in a process, so each of these has its own. */
static void mixed_with_an_option(void)
{
	struct smcp_policy policy =
		make_ruled(SMCP_FAMILY_AUTO, "use tcp to :53");

	fake_real_answer(5);
	fake_real_answer(0); /* SMC_STATUS */
	fake_real_answer(0);
	fake_real_answer(5);
	fake_real_answer(6);
	CU_ASSERT_EQUAL(open_inet(&policy), 5);
	CU_ASSERT_EQUAL(open_inet(&policy), 6);
	ASSERT_STR(fake_real_calls(),
		   "socket(2,524289,256) getsockopt(5,286,258) close(5) "
		   "socket(2,1,256) socket(2,1,256)");
}

UNIT_TEST(mixed_rules_ask_for_SMC_USE)
{
	unit_test_in_child(mixed_with_an_option, NULL, 0);
}

static void mixed_with_the_trick(void)
{
	struct smcp_policy policy =
		make_ruled(SMCP_FAMILY_SMC, "use tcp to :53");

	fake_real_answer(5);
	fake_real_answer(-EOPNOTSUPP); /* SMC_STATUS */
	fake_real_answer(0); /* TCP_FASTOPEN_NO_COOKIE */
	fake_real_answer(6); /* SO_PROTOCOL */
	fake_real_answer(0);
	fake_real_answer(5);
	CU_ASSERT_EQUAL(open_socket(&policy, AF_INET6, SOCK_STREAM, 0), 5);
	ASSERT_STR(fake_real_calls(),
		   "socket(43,524289,1) getsockopt(5,286,258) "
		   "setsockopt(5,6,34,0) getsockopt(5,1,38) close(5) "
		   "socket(43,1,1)");
}

UNIT_TEST(mixed_rules_try_the_trick)
{
	unit_test_in_child(mixed_with_the_trick, NULL, 0);
}

static void mixed_with_nothing(void)
{
	struct smcp_policy policy =
		make_ruled(SMCP_FAMILY_INET, "use tcp to :53");

	smcp_log_open(&policy.log, SMCP_LOG_WARN);
	fake_real_answer(5);
	fake_real_answer(-EOPNOTSUPP); /* SMC_STATUS */
	fake_real_answer(0); /* TCP_FASTOPEN_NO_COOKIE */
	fake_real_answer(256); /* and it is still SMC */
	fake_real_answer(0);
	fake_real_answer(7);
	fake_real_answer(8);
	CU_ASSERT_EQUAL(open_inet(&policy), 7);
	CU_ASSERT_EQUAL(open_inet(&policy), 8);
	ASSERT_STR(fake_real_calls(),
		   "socket(2,524289,256) getsockopt(5,286,258) "
		   "setsockopt(5,6,34,0) getsockopt(5,1,38) close(5) "
		   "socket(2,1,0) socket(2,1,0)");
}

UNIT_TEST(mixed_rules_are_all_TCP_where_nothing_helps)
{
	char text[256];

	unit_test_in_child(mixed_with_nothing, text, sizeof(text));
	ASSERT_STR(text,
		   "libsmc-preload: this kernel cannot make an SMC socket TCP "
		   "again: with these rules all is TCP\n");
}

static void mixed_without_room(void)
{
	struct smcp_policy policy =
		make_ruled(SMCP_FAMILY_INET, "use tcp to :53");

	fake_real_answer(-EMFILE);
	fake_real_answer(5);
	fake_real_answer(0);
	fake_real_answer(0);
	fake_real_answer(5);
	CU_ASSERT_EQUAL(open_inet(&policy), -EMFILE);
	CU_ASSERT_EQUAL(open_inet(&policy), 5);
	ASSERT_STR(fake_real_calls(),
		   "socket(2,524289,256) socket(2,524289,256) "
		   "getsockopt(5,286,258) close(5) socket(2,1,256)");
}

UNIT_TEST(mixed_rules_ask_again_if_there_was_no_room)
{
	unit_test_in_child(mixed_without_room, NULL, 0);
}

UNIT_TEST(all_but_TCP_is_left_alone)
{
	static const struct {
		int domain, type, protocol;
	} rows[] = {
		{AF_UNIX, SOCK_STREAM, 0},
		{AF_INET, SOCK_DGRAM, 0},
		{AF_INET, SOCK_RAW, IPPROTO_TCP},
		{AF_INET, SOCK_SEQPACKET, 0},
		{AF_INET, SOCK_STREAM, IPPROTO_SCTP},
		{AF_INET, SOCK_STREAM, IPPROTO_MPTCP},
		{AF_INET, SOCK_STREAM, 256},
		{AF_INET6, SOCK_STREAM, 256},
		{AF_INET, SOCK_STREAM, -1},
		{AF_INET, SOCK_STREAM, 1 << 16},
		{AF_INET, 0, 0},
		{AF_INET, -1, 0},
		{AF_INET, SOCK_STREAM | 0x10, 0},
		{AF_INET, SOCK_STREAM | 0x40000000, 0},
		{43, SOCK_STREAM, 0},
		{43, SOCK_STREAM, 1},
		{AF_UNSPEC, SOCK_STREAM, 0},
		{-1, SOCK_STREAM, 0},
		{AF_INET | 0x10000, SOCK_STREAM, 0},
	};
	struct smcp_policy policy;
	char want[128];
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		policy = make_policy(SMCP_FAMILY_AUTO);
		fake_real_answer(-EXDEV);
		CU_ASSERT_EQUAL(open_socket(&policy, rows[i].domain,
					    rows[i].type, rows[i].protocol),
				-EXDEV);
		snprintf(want, sizeof(want), "socket(%d,%d,%d)", rows[i].domain,
			 rows[i].type, rows[i].protocol);
		ASSERT_STR(fake_real_calls(), want);
	}
}

UNIT_TEST(sizes_are_set_on_mapped_sockets)
{
	struct smcp_policy policy = make_policy(SMCP_FAMILY_AUTO);

	policy.conf.sndbuf = 4096;
	policy.conf.rcvbuf = 0;
	fake_real_answer(7);
	fake_real_answer(0);
	fake_real_answer(0);
	CU_ASSERT_EQUAL(open_inet(&policy), 7);
	ASSERT_STR(fake_real_calls(), "socket(2,1,256) setsockopt(7,1,32,4096) "
				      "setsockopt(7,1,33,0)");
}

UNIT_TEST(sizes_need_no_privilege)
{
	struct smcp_policy policy = make_policy(SMCP_FAMILY_SMC);

	policy.conf.sndbuf = 1;
	policy.conf.rcvbuf = 2;
	fake_real_answer(7);
	fake_real_answer(-EPERM);
	fake_real_answer(0);
	fake_real_answer(-EPERM);
	fake_real_answer(-EPERM);
	CU_ASSERT_EQUAL(open_inet(&policy), 7);
	ASSERT_STR(fake_real_calls(),
		   "socket(43,1,0) setsockopt(7,1,32,1) setsockopt(7,1,7,1) "
		   "setsockopt(7,1,33,2) setsockopt(7,1,8,2)");
}

UNIT_TEST(sizes_are_not_set_on_other_sockets)
{
	struct smcp_policy policy = make_policy(SMCP_FAMILY_AUTO);

	policy.conf.sndbuf = 4096;
	policy.conf.rcvbuf = 4096;
	fake_real_answer(-EPERM);
	fake_real_answer(-EPERM);
	fake_real_answer(3);
	CU_ASSERT_EQUAL(open_inet(&policy), 3);
	fake_real_answer(4);
	CU_ASSERT_EQUAL(open_socket(&policy, AF_UNIX, SOCK_STREAM, 0), 4);
	CU_ASSERT_PTR_NULL(strstr(fake_real_calls(), "setsockopt"));
}

static enum smcp_log_level level;

/* One mapping by each member, one failure, one option that cannot be set. */
static void open_three(void)
{
	struct smcp_policy policy = make_policy(SMCP_FAMILY_AUTO);

	smcp_log_open(&policy.log, level);
	fake_real_answer(7);
	open_inet(&policy);
	policy.conf.sndbuf = 8192;
	policy.conf.rcvbuf = 16384;
	fake_real_answer(-EPROTONOSUPPORT);
	fake_real_answer(7);
	fake_real_answer(0);
	fake_real_answer(0);
	open_inet(&policy);
	fake_real_answer(-EACCES);
	fake_real_answer(7);
	open_inet(&policy);
}

UNIT_TEST(nothing_is_printed_below_level_1)
{
	char text[1024];

	level = SMCP_LOG_WARN;
	unit_test_in_child(open_three, text, sizeof(text));
	ASSERT_STR(text, "");
}

UNIT_TEST(lines_of_level_1)
{
	char text[1024];

	level = SMCP_LOG_DEBUG1;
	unit_test_in_child(open_three, text, sizeof(text));
	ASSERT_STR(text, "libsmc-preload: map sock to IPPROTO_SMC\n"
			 "libsmc-preload: map sock to AF_SMC\n"
			 "libsmc-preload: sockopt 7 set to 8192\n"
			 "libsmc-preload: sockopt 8 set to 16384\n");
}

UNIT_TEST(lines_of_level_3)
{
	char text[1024];

	level = SMCP_LOG_DEBUG3;
	unit_test_in_child(open_three, text, sizeof(text));
	ASSERT_STR(text, "libsmc-preload: map sock to IPPROTO_SMC\n"
			 "libsmc-preload: no IPPROTO_SMC, errno 93\n"
			 "libsmc-preload: map sock to AF_SMC\n"
			 "libsmc-preload: sockopt 7 set to 8192\n"
			 "libsmc-preload: sockopt 8 set to 16384\n"
			 "libsmc-preload: no AF_SMC, errno 13\n");
}

/* What the page says: sockets, then all causes for TCP */
static const char *counted(struct smcp_summary *page)
{
	static char text[512];
	size_t i, n;

	n = (size_t)sprintf(text, "%u", page->sockets);
	for (i = 0; i < SMCP_SUMMARY_RULES && page->rules[i].count; i++)
		n += (size_t)sprintf(text + n, ", %u by %s",
				     page->rules[i].count, page->rules[i].text);
	for (i = 0; i < SMCP_SUMMARY_ERRORS && page->absent[i].count; i++)
		n += (size_t)sprintf(text + n, ", %u errno %u",
				     page->absent[i].count,
				     page->absent[i].error);
	memset(page, 0, sizeof(*page));
	return text;
}

/* As the hook does, of a policy with a summary */
static void open_counted(const struct smcp_policy *policy, int domain, int type,
			 int protocol)
{
	if (smcp_sock_is_ours(policy, domain, type, protocol))
		(void)smcp_sock_open(policy, domain, type, protocol);
	else
		smcp_sock_count(policy, domain, type, protocol);
}

UNIT_TEST(each_socket_is_counted_with_its_cause)
{
	static const char *const places[] = {"rule v4, x:1", "x:2"};
	static struct smcp_summary page;
	struct smcp_policy policy = make_policy(SMCP_FAMILY_AUTO);

	policy.summary = &page;
	policy.places = places;
	fake_real_answer(7);
	open_counted(&policy, AF_INET, SOCK_STREAM, 0);
	ASSERT_STR(counted(&page), "1");
	/* Not if it failed */
	fake_real_answer(-EMFILE);
	open_counted(&policy, AF_INET, SOCK_STREAM, 0);
	fake_real_answer(-EPROTONOSUPPORT);
	fake_real_answer(-EAFNOSUPPORT);
	fake_real_answer(-ENOBUFS);
	open_counted(&policy, AF_INET, SOCK_STREAM, 0);
	ASSERT_STR(counted(&page), "0");
	/* What is remembered has its cause, too. */
	open_counted(&policy, AF_INET, SOCK_STREAM, 0);
	ASSERT_STR(counted(&page), "1, 1 errno 93");
	policy.conf.families = SMCP_FAMILY_SMC;
	open_counted(&policy, AF_INET, SOCK_STREAM, 0);
	ASSERT_STR(counted(&page), "1, 1 errno 97");
	/* What passes, and another family */
	policy.conf.families = SMCP_FAMILY_INET;
	fake_real_answer(-ENOMEM);
	fake_real_answer(7);
	open_counted(&policy, AF_INET6, SOCK_STREAM, IPPROTO_TCP);
	ASSERT_STR(counted(&page), "1, 1 errno 12");
	/* SMC that the program asks for, and what is something else */
	open_counted(&policy, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 256);
	open_counted(&policy, 43, SOCK_STREAM, 1);
	open_counted(&policy, AF_INET, SOCK_DGRAM, 0);
	open_counted(&policy, AF_UNIX, SOCK_STREAM, 0);
	open_counted(&policy, AF_INET, SOCK_STREAM, 262);
	ASSERT_STR(counted(&page), "2");

	policy = make_ruled(SMCP_FAMILY_AUTO, "use tcp as v4");
	policy.summary = &page;
	policy.places = places;
	open_counted(&policy, AF_INET, SOCK_STREAM, 0);
	ASSERT_STR(counted(&page), "1, 1 by rule v4");
	policy.is_bad = true;
	open_counted(&policy, AF_INET, SOCK_STREAM, 0);
	ASSERT_STR(counted(&page), "1, 1 by bad list");
}
