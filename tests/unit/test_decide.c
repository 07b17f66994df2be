// SPDX-License-Identifier: MIT
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "carry.h"
#include "cunit_tap.h"
#include "decide.h"
#include "fake_real.h"
#include "rules_text.h"
#include "smc_uapi.h"

static struct smcp_policy policy;
static bool stream; /* SO_TYPE is asked for, and it is one */

static void begin(const char *rules)
{
	static struct smcp_rules *made;
	struct smcp_parser parser;
	struct smcp_list *list = rules_read(&parser, rules, NULL);

	CU_ASSERT_EQUAL(parser.n_errors, 0);
	if (parser.settings.otherwise >= 0)
		list->otherwise = parser.settings.otherwise;
	free(made);
	made = rules_make(list, "/usr/bin/any");
	free(list);
	policy = (struct smcp_policy){.real = fake_real, .rules = made};
	fake_real_reset();
}

/* connect() to @addr */
static int again(const char *addr, int port)
{
	struct sockaddr_in in = {.sin_family = AF_INET,
				 .sin_port = htons((uint16_t)port)};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6,
				   .sin6_port = in.sin_port};

	if (inet_pton(AF_INET, addr, &in.sin_addr) == 1)
		return smcp_decide_connect(&policy, 7, (struct sockaddr *)&in,
					   sizeof(in));
	CU_ASSERT_EQUAL(inet_pton(AF_INET6, addr, &in6.sin6_addr), 1);
	return smcp_decide_connect(&policy, 7, (struct sockaddr *)&in6,
				   sizeof(in6));
}

/* The same, and what the kernel answers, up to a 1 */
static int to(const char *addr, int port, const int *answers)
{
	fake_real_reset();
	if (stream)
		fake_real_answer(SOCK_STREAM);
	while (answers && *answers != 1)
		fake_real_answer(*answers++);
	return again(addr, port);
}

#define ANSWERS(...) ((const int[]){__VA_ARGS__, 1})

UNIT_TEST(all_SMC_asks_nothing)
{
	begin("");
	CU_ASSERT_EQUAL(to("10.0.0.1", 53, NULL), 0);
	CU_ASSERT_EQUAL(smcp_decide_listen(&policy, 7), 0);
	ASSERT_STR(fake_real_calls(), "");
}

static void decide_by_option(void)
{
	begin("use tcp to :53; use tcp listen on :80; use smc to :54\n"
	      "default = tcp");
	CU_ASSERT_EQUAL(to("10.0.0.1", 54, NULL), 0);
	ASSERT_STR(fake_real_calls(), "");
	CU_ASSERT_EQUAL(to("10.0.0.1", 53, ANSWERS(0, 0)), 0);
	ASSERT_STR(fake_real_calls(),
		   "getsockopt(7,286,258) setsockopt(7,286,257,2)");
	CU_ASSERT_EQUAL(to("fd00::1", 53, ANSWERS(0, -EINVAL)), 0);
	CU_ASSERT_EQUAL(to("10.0.0.1", 53, ANSWERS(0, -EIO)), -EPERM);
	/* TCP already, and what is no TCP at all */
	CU_ASSERT_EQUAL(to("10.0.0.1", 53, ANSWERS(SMC_MODE_LISTEN, 6)), 0);
	CU_ASSERT_EQUAL(to("10.0.0.1", 53, ANSWERS(-ENOPROTOOPT, 6)), 0);
	ASSERT_STR(fake_real_calls(),
		   "getsockopt(7,286,258) getsockopt(7,1,38)");

	/* SMC_USE = 1, the second byte of SMC_STATUS: above the default alone */
	CU_ASSERT_EQUAL(to("10.0.0.1", 55, ANSWERS(0x100)), 0);
	ASSERT_STR(fake_real_calls(), "getsockopt(7,286,258)");
	CU_ASSERT_EQUAL(to("10.0.0.1", 53, ANSWERS(0x100, 0)), 0);
	ASSERT_STR(fake_real_calls(),
		   "getsockopt(7,286,258) setsockopt(7,286,257,2)");
	policy.is_bad = true;
	CU_ASSERT_EQUAL(to("10.0.0.1", 55, ANSWERS(0x100, 0)), 0);
	ASSERT_STR(fake_real_calls(),
		   "getsockopt(7,286,258) setsockopt(7,286,257,2)");
}

UNIT_TEST(a_verdict_of_TCP_makes_it_TCP)
{
	unit_test_in_child(decide_by_option, NULL, 0);
}

UNIT_TEST(what_is_no_address_is_for_the_kernel)
{
	struct sockaddr_in in = {.sin_family = AF_INET};

	begin("use tcp");
	CU_ASSERT_EQUAL(smcp_decide_connect(&policy, 7, NULL, 16), 0);
	CU_ASSERT_EQUAL(smcp_decide_connect(&policy, 7, (struct sockaddr *)&in,
					    sizeof(in) - 1),
			0);
	in.sin_family = AF_UNSPEC;
	CU_ASSERT_EQUAL(smcp_decide_connect(&policy, 7, (struct sockaddr *)&in,
					    sizeof(in)),
			0);
	in.sin_family = AF_UNIX;
	CU_ASSERT_EQUAL(smcp_decide_connect(&policy, 7, (struct sockaddr *)&in,
					    sizeof(in)),
			0);
	ASSERT_STR(fake_real_calls(), "");
}

/* Through the trick, with nothing to carry */
static int by_trick(int marked, int trick)
{
	int answers[SMCP_CARRY_ROWS + 8], n = 0;

	answers[n++] = -EOPNOTSUPP;
	answers[n++] = 256;
	answers[n++] = marked;
	while (n < SMCP_CARRY_ROWS + 5)
		answers[n++] = -ENOPROTOOPT;
	answers[n++] = trick;
	answers[n++] = 6;
	answers[n] = 1;
	return to("10.0.0.1", 53, answers);
}

static void decide_by_trick(void)
{
	begin("use tcp to :53");
	CU_ASSERT_EQUAL(by_trick(0, 0), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(fake_real_calls(), "setsockopt(7,6,34,0) "
							 "getsockopt(7,1,38)"));
	CU_ASSERT_EQUAL(by_trick(0, -EINVAL), 0);
	CU_ASSERT_EQUAL(by_trick(0, -ENOMEM), -EPERM);
	/* 1 would end the answers */
	fake_real_reset();
	fake_real_answer(-EOPNOTSUPP);
	fake_real_answer(256);
	fake_real_answer(1);
	fake_real_answer(7);
	CU_ASSERT_EQUAL(again("10.0.0.1", 53), -ECONNABORTED);
}

UNIT_TEST(or_by_the_trick)
{
	unit_test_in_child(decide_by_trick, NULL, 0);
}

static void decide_require(void)
{
	begin("use require to :80; use tcp");
	/* can be SMC */
	CU_ASSERT_EQUAL(to("10.0.0.1", 80, ANSWERS(-EOPNOTSUPP, 256)), 0);
	/* idle TCP: SO_PROTOCOL twice, then the state: 7 is closed */
	CU_ASSERT_EQUAL(to("10.0.0.1", 80, ANSWERS(-ENOPROTOOPT, 6, 6, 7)),
			-EPROTONOSUPPORT);
	/* on its way, connected, listening: the kernel's answer */
	CU_ASSERT_EQUAL(to("10.0.0.1", 80, ANSWERS(-ENOPROTOOPT, 6, 6, 2)), 0);
	CU_ASSERT_EQUAL(to("10.0.0.1", 80, ANSWERS(-ENOPROTOOPT, 6, 6, 10)), 0);
	/* UDP */
	CU_ASSERT_EQUAL(to("10.0.0.1", 80, ANSWERS(-ENOPROTOOPT, 17, 17)), 0);
	/* a socket that is gone */
	CU_ASSERT_EQUAL(to("10.0.0.1", 80, ANSWERS(-EBADF, -EBADF, -EBADF)), 0);
}

UNIT_TEST(what_is_required_and_missing_is_an_error)
{
	unit_test_in_child(decide_require, NULL, 0);
}

static void decide_listen(void)
{
	begin("use tcp listen on :80; use smc");
	/* 0.0.0.0 without a port, which may become 80 */
	fake_real_answer(AF_INET);
	fake_real_answer(0);
	fake_real_answer(0);
	CU_ASSERT_EQUAL(smcp_decide_listen(&policy, 7), 0);
	ASSERT_STR(fake_real_calls(), "getsockname(7) getsockopt(7,286,258) "
				      "setsockopt(7,286,257,2)");
	fake_real_reset();
	fake_real_answer(AF_UNIX);
	CU_ASSERT_EQUAL(smcp_decide_listen(&policy, 7), 0);
	fake_real_answer(-EBADF);
	CU_ASSERT_EQUAL(smcp_decide_listen(&policy, 7), 0);
	ASSERT_STR(fake_real_calls(), "getsockname(7) getsockname(7)");
	/* forbidden: an address that is not known may be the excluded one */
	fake_real_reset();
	fake_real_answer(-EPERM);
	fake_real_answer(0);
	fake_real_answer(0);
	CU_ASSERT_EQUAL(smcp_decide_listen(&policy, 7), 0);
	ASSERT_STR(fake_real_calls(), "getsockname(7) getsockopt(7,286,258) "
				      "setsockopt(7,286,257,2)");
}

UNIT_TEST(listen_goes_by_the_local_address)
{
	unit_test_in_child(decide_listen, NULL, 0);
}

UNIT_TEST(connect_asks_for_the_local_address_if_a_rule_does)
{
	begin("use smc connect to :80 on 10.0.0.1; use tcp");
	/* not bound, so it is not that one */
	CU_ASSERT_EQUAL(to("10.0.0.2", 80, ANSWERS(AF_INET, -EBADF, -EBADF)),
			0);
	ASSERT_STR(fake_real_calls(), "getsockname(7) getsockopt(7,286,258) "
				      "getsockopt(7,1,38)");
	/* to 0.0.0.0: it is the socket's own address */
	begin("use tcp to 10.0.0.0/8; use smc");
	CU_ASSERT_EQUAL(to("0.0.0.0", 80, ANSWERS(AF_INET)), 0);
	ASSERT_STR(fake_real_calls(), "getsockname(7)");
}

UNIT_TEST(what_becomes_TCP_is_counted_once)
{
	static struct smcp_summary page;
	static const char *const places[] = {"rule dns, /etc/smc/smc.conf:6",
					     "SMC_RULES:2"};

	begin("use tcp to :53 as dns; use require to :54\ndefault = tcp");
	policy.places = places;
	policy.summary = &page;
	/* Whatever is not made TCP here is not counted here. */
	CU_ASSERT_EQUAL(to("10.0.0.1", 53, ANSWERS(-ENOPROTOOPT, 6)), 0);
	CU_ASSERT_EQUAL(page.rules[0].state, SMCP_SUMMARY_FREE);
	CU_ASSERT_EQUAL(to("10.0.0.1", 53, ANSWERS(0, 0)), 0);
	CU_ASSERT_EQUAL(to("10.0.0.1", 53, ANSWERS(0, -EINVAL)), 0);
	CU_ASSERT_EQUAL(to("10.0.0.1", 55, ANSWERS(0, 0)), 0);
	CU_ASSERT_EQUAL(to("10.0.0.1", 53, ANSWERS(0, -EIO)), -EPERM);
	ASSERT_STR(page.rules[0].text, "rule dns");
	CU_ASSERT_EQUAL(page.rules[0].count, 1);
	ASSERT_STR(page.rules[1].text, "default");
	CU_ASSERT_EQUAL(page.rules[1].count, 1);
	CU_ASSERT_EQUAL(page.refused, 1);
	CU_ASSERT_EQUAL(page.required, 0);
	CU_ASSERT_EQUAL(to("10.0.0.1", 54, ANSWERS(-ENOPROTOOPT, 6, 6, 7)),
			-EPROTONOSUPPORT);
	CU_ASSERT_EQUAL(page.required, 1);
	CU_ASSERT_EQUAL(page.sockets, 0);
}

static void decide_aloud(void)
{
	static const char *const places[] = {"rule dns, /etc/smc/smc.conf:6"};

	begin("use tcp to :53 as dns");
	policy.places = places;
	smcp_log_open(&policy.log, SMCP_LOG_DEBUG2);
	/* SO_TYPE comes first; 1 is a stream, and ends what ANSWERS() has */
	stream = true;
	to("10.0.0.1", 53, ANSWERS(-ENOPROTOOPT, 6));
	to("fd00:1::3", 54, NULL);
	to("10.0.0.1", 53, ANSWERS(0, -EIO));
	policy.is_bad = true;
	to("::1", 53, ANSWERS(-ENOPROTOOPT, 6));
	stream = false;
	to("10.0.0.1", 53, ANSWERS(2));
}

UNIT_TEST(one_line_a_verdict)
{
	char text[1000];

	unit_test_in_child(decide_aloud, text, sizeof(text));
	ASSERT_STR(text,
		   "libsmc-preload: connect 10.0.0.1:53 -> tcp (rule "
		   "dns, /etc/smc/smc.conf:6)\n"
		   "libsmc-preload: connect [fd00:1::3]:54 -> smc "
		   "(default)\n"
		   "libsmc-preload: connect 10.0.0.1:53 -> tcp (rule "
		   "dns, /etc/smc/smc.conf:6), errno 1\n"
		   "libsmc-preload: connect [::1]:53 -> tcp (bad list)\n");
}
