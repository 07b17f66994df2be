// SPDX-License-Identifier: MIT
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

#include "carry.h"
#include "cunit_tap.h"
#include "fake_real.h"
#include "opts.h"
#include "smc_uapi.h"

static struct smcp_policy policy;

/* What the library asks before this is set on a socket that a kernel says is
 * TCP: nothing, if the option is one that SMC sockets have as well.
 */
static const char *before(int level, int name, const void *value,
			  socklen_t size)
{
	policy.real = fake_real;
	fake_real_reset();
	fake_real_answer(-EOPNOTSUPP);
	fake_real_answer(6);
	CU_ASSERT_EQUAL(
		smcp_opts_before_set(&policy, 7, level, name, value, size), 0);
	return fake_real_calls();
}

#define ASKED "getsockopt(7,286,258) getsockopt(7,1,38)"

static void options(void)
{
	static const struct {
		int level, name, value;
		int is_tcp_only;
	} rows[] = {
		{IPPROTO_TCP, 31, 1, 1},
		{IPPROTO_TCP, TCP_FASTOPEN, 0, 1},
		{IPPROTO_TCP, 30, 1, 1},
		{IPPROTO_TCP, 33, 1, 1},
		{IPPROTO_TCP, 34, 1, 1},
		{IPPROTO_TCP, TCP_REPAIR, 1, 1},
		{IPPROTO_TCP, TCP_MD5SIG, 1, 1},
		{IPPROTO_TCP, 32, 1, 1},
		{IPPROTO_TCP, 38, 1, 1},
		{IPPROTO_TCP, TCP_NODELAY, 1, 0},
		{IPPROTO_TCP, TCP_CONGESTION, 1, 0},
		{SOL_SOCKET, SO_ATTACH_FILTER, 1, 1},
		{SOL_SOCKET, 50, 1, 1},
		{SOL_SOCKET, 51, 1, 1},
		{SOL_SOCKET, 52, 1, 1},
		{SOL_SOCKET, 60, 1, 1},
		{SOL_SOCKET, 60, 0, 0},
		{SOL_SOCKET, SO_PEEK_OFF, 0, 1},
		{SOL_SOCKET, SO_PEEK_OFF, -1, 0},
		{SOL_SOCKET, SO_RCVLOWAT, 2, 1},
		{SOL_SOCKET, SO_RCVLOWAT, 1, 0},
		{SOL_SOCKET, SO_RCVLOWAT, -1, 1},
		{SOL_SOCKET, SO_KEEPALIVE, 1, 0},
		/* a stock kernel does not look at the level of these four */
		{IPPROTO_IP, TCP_FASTOPEN, 1, 1},
		{IPPROTO_IP, 34, 1, 1},
		{IPPROTO_IPV6, TCP_FASTOPEN, 1, 1},
		{IPPROTO_IPV6, 30, 1, 1},
		{IPPROTO_IPV6, 33, 1, 1},
		{SOL_SOCKET, 34, 1, 0},
		{IPPROTO_IP, 31, 1, 0},
		{IPPROTO_IPV6, 50, 1, 0},
		{SOL_SMC, SMC_USE, 1, 0},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		ASSERT_STR(before(rows[i].level, rows[i].name, &rows[i].value,
				  sizeof(int)),
			   rows[i].is_tcp_only ? ASKED : "");
}

UNIT_TEST(options_that_only_TCP_has)
{
	unit_test_in_child(options, NULL, 0);
}

static void linger(void)
{
	struct linger rows[] = {{1, 5}, {1, 0}, {0, 5}, {1, -1}};

	ASSERT_STR(before(SOL_SOCKET, SO_LINGER, &rows[0], sizeof(rows[0])),
		   ASKED);
	ASSERT_STR(before(SOL_SOCKET, SO_LINGER, &rows[1], sizeof(rows[1])),
		   "");
	ASSERT_STR(before(SOL_SOCKET, SO_LINGER, &rows[2], sizeof(rows[2])),
		   "");
	ASSERT_STR(before(SOL_SOCKET, SO_LINGER, &rows[3], sizeof(rows[3])),
		   ASKED);
	ASSERT_STR(before(SOL_SOCKET, SO_LINGER, &rows[0], 4), "");
	ASSERT_STR(before(SOL_SOCKET, SO_LINGER, NULL, 8), "");
	ASSERT_STR(before(SOL_SOCKET, SO_RCVLOWAT, "ab", 2), "");
	ASSERT_STR(before(SOL_SOCKET, SO_RCVLOWAT, NULL, 4), "");
}

UNIT_TEST(values_that_only_TCP_honours)
{
	unit_test_in_child(linger, NULL, 0);
}

/* The result of the demotion that an option needs: @marked is SO_NO_CHECK */
static int demoted(int level, int name, int marked, int state, int trick)
{
	int value = 1;

	policy.real = fake_real;
	fake_real_reset();
	fake_real_answer(-EOPNOTSUPP);
	fake_real_answer(256);
	fake_real_answer(marked);
	if (marked)
		fake_real_answer(state);
	for (int i = 0; !marked && i < SMCP_CARRY_ROWS + 2; i++)
		fake_real_answer(-ENOPROTOOPT);
	fake_real_answer(trick);
	fake_real_answer(6);
	return smcp_opts_before_set(&policy, 7, level, name, &value,
				    sizeof(value));
}

static void demotions(void)
{
	CU_ASSERT_EQUAL(demoted(IPPROTO_TCP, TCP_FASTOPEN, 0, 0, 0), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(fake_real_calls(), "setsockopt(7,6,34,0) "
							 "getsockopt(7,1,38)"));
	/* connected: the kernel answers as it likes */
	CU_ASSERT_EQUAL(demoted(SOL_SOCKET, 60, 0, 0, -EINVAL), 0);
	CU_ASSERT_EQUAL(demoted(SOL_SOCKET, 60, 1, 1, 0), 0);
	CU_ASSERT_EQUAL(demoted(SOL_SOCKET, 60, 0, 0, -ENOMEM), -EPERM);
	/* After a failed connect() the kernel's own way would end in a reset. */
	CU_ASSERT_EQUAL(demoted(SOL_SOCKET, 60, 1, 7, 0), 0);
	CU_ASSERT_EQUAL(demoted(IPPROTO_TCP, TCP_FASTOPEN, 1, 7, 0),
			-ECONNABORTED);
	CU_ASSERT_EQUAL(demoted(IPPROTO_IPV6, 23, 1, 7, 0), -ECONNABORTED);
}

UNIT_TEST(such_an_option_makes_the_socket_TCP)
{
	unit_test_in_child(demotions, NULL, 0);
}

/* The result after a failure, on a socket with this protocol */
static int after(int level, int name, const void *value, socklen_t size,
		 int err, int protocol)
{
	policy.real = fake_real;
	fake_real_reset();
	fake_real_answer(-EOPNOTSUPP);
	fake_real_answer(protocol);
	/* of setting it again, or of SO_NO_CHECK */
	fake_real_answer(0);
	for (int i = 0; i < SMCP_CARRY_ROWS + 2; i++)
		fake_real_answer(-ENOPROTOOPT);
	fake_real_answer(0);
	fake_real_answer(6);
	return smcp_opts_after_set(&policy, 7, level, name, value, size, err);
}

static void short_values(void)
{
	static const unsigned char tos = 0x88;

	fake_real_reset();
	CU_ASSERT_EQUAL(after(IPPROTO_IP, IP_TOS, &tos, 1, EINVAL, 6), -EINVAL);
	/* what was asked, and the value that was set after that */
	CU_ASSERT_EQUAL(after(IPPROTO_IP, IP_TOS, &tos, 1, EINVAL, 256), 0);
	ASSERT_STR(fake_real_calls(), ASKED " setsockopt(7,0,1,136)");
	CU_ASSERT_EQUAL(after(IPPROTO_IP, IP_TOS, &tos, 1, EPERM, 256), -EPERM);
	ASSERT_STR(fake_real_calls(), "");
	CU_ASSERT_EQUAL(after(IPPROTO_IP, IP_TOS, &tos, 0, EINVAL, 256),
			-EINVAL);
	CU_ASSERT_EQUAL(after(IPPROTO_IP, IP_TOS, &tos, 4, EINVAL, 256),
			-EINVAL);
	CU_ASSERT_EQUAL(after(IPPROTO_IP, IP_TOS, NULL, 1, EINVAL, 256),
			-EINVAL);
	CU_ASSERT_EQUAL(after(IPPROTO_IP, IP_ADD_MEMBERSHIP, &tos, 1, EINVAL,
			      256),
			-EINVAL);
	CU_ASSERT_EQUAL(after(IPPROTO_TCP, TCP_NODELAY, &tos, 1, EINVAL, 256),
			-EINVAL);
	CU_ASSERT_EQUAL(after(SOL_SOCKET, SO_KEEPALIVE, &tos, 1, EINVAL, 256),
			-EINVAL);
	ASSERT_STR(fake_real_calls(), "");
	CU_ASSERT_EQUAL(
		after(IPPROTO_TCP, TCP_CONGESTION, "bbr", 3, EINVAL, 256), 0);
	ASSERT_STR(fake_real_calls(), ASKED " setsockopt(7,6,13,7496290)");
}

UNIT_TEST(short_values_are_set_again_in_full)
{
	unit_test_in_child(short_values, NULL, 0);
}

static void own_word(void)
{
	int tcp = SMC_USE_TCP, smc = SMC_USE_SMC;

	CU_ASSERT_EQUAL(after(SOL_SMC, SMC_USE, &smc, 4, EOPNOTSUPP, 256),
			-EOPNOTSUPP);
	CU_ASSERT_EQUAL(after(SOL_SMC, SMC_USE, &tcp, 4, EINVAL, 256), -EINVAL);
	CU_ASSERT_EQUAL(after(SOL_SMC, SMC_USE, &tcp, 2, EOPNOTSUPP, 256),
			-EOPNOTSUPP);
	CU_ASSERT_EQUAL(after(SOL_SMC, SMC_USE, &tcp, 4, ENOPROTOOPT, 6),
			-ENOPROTOOPT);
	/* done by the library: it goes on with the failure mark */
	CU_ASSERT_EQUAL(after(SOL_SMC, SMC_USE, &tcp, 4, EOPNOTSUPP, 256), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(fake_real_calls(), "setsockopt(7,6,34,0) "
							 "getsockopt(7,1,38)"));
}

UNIT_TEST(SMC_USE_where_the_kernel_has_none)
{
	unit_test_in_child(own_word, NULL, 0);
}

/* SO_DOMAIN of a socket whose address is of AF_INET6 */
static int domain(int name, int value)
{
	socklen_t size = sizeof(value);

	policy.real = fake_real;
	fake_real_reset();
	fake_real_answer(AF_INET6);
	smcp_opts_after_get(&policy, 7, SOL_SOCKET, name, &value, &size);
	return value;
}

static void domains(void)
{
	int value = 43;
	socklen_t size = 2;

	CU_ASSERT_EQUAL(domain(SO_DOMAIN, 43), AF_INET6);
	CU_ASSERT_EQUAL(domain(SO_DOMAIN, AF_INET), AF_INET);
	CU_ASSERT_EQUAL(domain(SO_PROTOCOL, 43), 43);
	smcp_opts_after_get(&policy, 7, SOL_SOCKET, SO_DOMAIN, &value, &size);
	CU_ASSERT_EQUAL(value, 43);
	smcp_opts_note_af_smc();
	CU_ASSERT_EQUAL(domain(SO_DOMAIN, 43), 43);
}

UNIT_TEST(SO_DOMAIN_is_that_of_TCP)
{
	unit_test_in_child(domains, NULL, 0);
}
