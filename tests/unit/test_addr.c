// SPDX-License-Identifier: MIT
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "addr.h"
#include "cunit_tap.h"

static void check_prefix(const char *text, const char *want)
{
	struct smcp_prefix prefix;
	char got[SMCP_PREFIX_TEXT] = "";
	int rc = smcp_prefix_parse(text, strlen(text), &prefix);

	if (!rc)
		smcp_prefix_format(&prefix, got);
	CU_ASSERT_EQUAL(rc, 0);
	ASSERT_STR(got, want);
}

static void check_no_prefix(const char *text, int err)
{
	struct smcp_prefix prefix = {.len = 77};
	int rc = smcp_prefix_parse(text, strlen(text), &prefix);

	CU_ASSERT_EQUAL(rc, -err);
	CU_ASSERT_EQUAL(prefix.len, 77);
	if (rc != -err)
		printf("# '%s' gave %d, not %d\n", text, rc, -err);
}

UNIT_TEST(prefixes_read_and_written)
{
	check_prefix("10.1.2.3", "10.1.2.3");
	check_prefix("10.1.2.3/32", "10.1.2.3");
	check_prefix("10.0.0.0/8", "10.0.0.0/8");
	check_prefix("0.0.0.0/0", "0.0.0.0/0");
	check_prefix("128.0.0.0/1", "128.0.0.0/1");
	check_prefix("255.255.255.255", "255.255.255.255");
	check_prefix("[::1]", "[::1]");
	check_prefix("[fd00:1::/64]", "[fd00:1::/64]");
	check_prefix("[fd00:1:0:0:8000::/65]", "[fd00:1:0:0:8000::/65]");
	check_prefix("[::/0]", "[::/0]");
	check_prefix("[FE80::A/127]", "[fe80::a/127]");
}

UNIT_TEST(v4_mapped_prefixes_are_IPv4)
{
	check_prefix("[::ffff:10.1.2.3]", "10.1.2.3");
	check_prefix("[::ffff:a00:0/104]", "10.0.0.0/8");
	check_prefix("[::ffff:0:0/96]", "0.0.0.0/0");
}

UNIT_TEST(text_that_is_no_prefix)
{
	check_no_prefix("", EINVAL);
	check_no_prefix("10", EINVAL);
	check_no_prefix("10.1.2", EINVAL);
	check_no_prefix("10.1.2.256", EINVAL);
	check_no_prefix("10.1.2.03", EINVAL);
	check_no_prefix(" 10.1.2.3", EINVAL);
	check_no_prefix("fd00::1", EINVAL);
	check_no_prefix("[fd00::1", EINVAL);
	check_no_prefix("[10.1.2.3]", EINVAL);
	check_no_prefix("[fe80::1%lo]", EINVAL);
	check_no_prefix("[]", EINVAL);
	check_no_prefix("[1:2:3:4:5:6:7:8:9:10:11:12:13:14:15:16:17:18:19]",
			EINVAL);
	check_no_prefix("/8", EINVAL);
}

UNIT_TEST(lengths_that_are_none)
{
	check_no_prefix("10.0.0.0/", ERANGE);
	check_no_prefix("10.0.0.0/33", ERANGE);
	check_no_prefix("10.0.0.0/08", ERANGE);
	check_no_prefix("10.0.0.0/+8", ERANGE);
	check_no_prefix("10.0.0.0/8/8", ERANGE);
	check_no_prefix("10.0.0.0/4294967304", ERANGE);
	check_no_prefix("[::/129]", ERANGE);
}

UNIT_TEST(host_bits)
{
	static const char *const texts[][2] = {
		{"10.1.2.3/8", "10.0.0.0/8"},
		{"1.2.3.4/0", "0.0.0.0/0"},
		{"10.1.2.3/31", "10.1.2.2/31"},
		{"[fd00::1/64]", "[fd00::/64]"},
		{"[::1/127]", "[::/127]"},
		{"[::ffff:0:0/80]", "[::/80]"},
		{"[::ffff:10.1.2.3/104]", "10.0.0.0/8"},
	};
	char got[SMCP_PREFIX_TEXT];
	struct smcp_prefix prefix;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		CU_ASSERT_EQUAL(smcp_prefix_parse(texts[i][0],
						  strlen(texts[i][0]), &prefix),
				-EDOM);
		smcp_prefix_format(&prefix, got);
		ASSERT_STR(got, texts[i][1]);
	}
}

static bool contains(const char *prefix_text, const char *addr_text)
{
	struct smcp_prefix prefix, addr;

	CU_ASSERT_EQUAL(smcp_prefix_parse(prefix_text, strlen(prefix_text),
					  &prefix),
			0);
	CU_ASSERT_EQUAL(smcp_prefix_parse(addr_text, strlen(addr_text), &addr),
			0);
	return smcp_prefix_contains(&prefix, &addr.addr);
}

UNIT_TEST(prefixes_contain)
{
	CU_ASSERT_TRUE(contains("10.0.0.0/8", "10.0.0.0"));
	CU_ASSERT_TRUE(contains("10.0.0.0/8", "10.255.255.255"));
	CU_ASSERT_FALSE(contains("10.0.0.0/8", "9.255.255.255"));
	CU_ASSERT_FALSE(contains("10.0.0.0/8", "11.0.0.0"));
	CU_ASSERT_TRUE(contains("0.0.0.0/0", "255.255.255.255"));
	CU_ASSERT_FALSE(contains("0.0.0.0/0", "[::1]"));
	CU_ASSERT_FALSE(contains("[::/0]", "10.0.0.1"));
	CU_ASSERT_TRUE(contains("[::/0]", "[ffff::1]"));
	CU_ASSERT_TRUE(contains("[fd00::/8]", "[fdff:ffff::1]"));
	CU_ASSERT_FALSE(contains("[fd00::/8]", "[fe00::]"));
	CU_ASSERT_TRUE(contains("[1::8000:0:0:0/65]", "[1::ffff:0:0:0]"));
	CU_ASSERT_FALSE(contains("[1::8000:0:0:0/65]", "[1::7fff:0:0:0]"));
	CU_ASSERT_TRUE(contains("10.0.0.0/8", "[::ffff:10.1.2.3]"));
}

UNIT_TEST(socket_addresses)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(80)};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6,
				   .sin6_port = htons(443),
				   .sin6_scope_id = 3};
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	struct sockaddr unspec = {.sa_family = AF_UNSPEC};
	struct smcp_addr addr;
	uint16_t port = 7;

	in.sin_addr.s_addr = htonl(0x0a010203);
	CU_ASSERT_EQUAL(smcp_addr_from_sockaddr((void *)&in, sizeof(in), &addr,
						&port),
			0);
	CU_ASSERT_TRUE(addr.is_ipv4 && !addr.hi && addr.lo == 0x0a010203);
	CU_ASSERT_EQUAL(port, 80);
	CU_ASSERT_EQUAL(smcp_addr_from_sockaddr((void *)&in, sizeof(in) - 1,
						&addr, &port),
			-EINVAL);

	inet_pton(AF_INET6, "fd00::1", &in6.sin6_addr);
	CU_ASSERT_EQUAL(smcp_addr_from_sockaddr((void *)&in6, sizeof(in6),
						&addr, &port),
			0);
	CU_ASSERT_TRUE(!addr.is_ipv4 && addr.hi == 0xfd00000000000000 &&
		       addr.lo == 1);
	CU_ASSERT_EQUAL(port, 443);
	/* as of RFC 2133, which the kernel takes as well */
	CU_ASSERT_EQUAL(smcp_addr_from_sockaddr((void *)&in6, 24, &addr, &port),
			0);
	CU_ASSERT_EQUAL(smcp_addr_from_sockaddr((void *)&in6, 23, &addr, &port),
			-EINVAL);
	inet_pton(AF_INET6, "::ffff:10.1.2.3", &in6.sin6_addr);
	CU_ASSERT_EQUAL(smcp_addr_from_sockaddr((void *)&in6, sizeof(in6),
						&addr, &port),
			0);
	CU_ASSERT_TRUE(addr.is_ipv4 && addr.lo == 0x0a010203);

	port = 7;
	CU_ASSERT_EQUAL(smcp_addr_from_sockaddr((void *)&un, sizeof(un), &addr,
						&port),
			-EAFNOSUPPORT);
	CU_ASSERT_EQUAL(smcp_addr_from_sockaddr(&unspec, sizeof(unspec), &addr,
						&port),
			-EAFNOSUPPORT);
	CU_ASSERT_EQUAL(smcp_addr_from_sockaddr(&unspec, 1, &addr, &port),
			-EINVAL);
	CU_ASSERT_EQUAL(port, 7);
}
