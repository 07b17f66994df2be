// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdio.h>

#include "conf.h"
#include "cunit_tap.h"

static void check_size(const char *text, int want)
{
	int bytes = -7;

	CU_ASSERT_EQUAL(smcp_conf_parse_size(text, &bytes), 0);
	CU_ASSERT_EQUAL(bytes, want);
	if (bytes != want)
		printf("# size '%s' gave %d, not %d\n", text, bytes, want);
}

static void check_no_size(const char *text, int err)
{
	int bytes = -7;
	int got = smcp_conf_parse_size(text, &bytes);

	CU_ASSERT_EQUAL(got, -err);
	if (got != -err)
		printf("# size '%s' gave %d, not %d\n", text, got, -err);
	CU_ASSERT_EQUAL(bytes, -7);
}

UNIT_TEST(sizes_in_bytes)
{
	check_size("0", 0);
	check_size("1", 1);
	check_size("65536", 65536);
	check_size("2147483647", 2147483647);
}

UNIT_TEST(sizes_with_a_suffix)
{
	check_size("0k", 0);
	check_size("1k", 1024);
	check_size("64K", 65536);
	check_size("1m", 1048576);
	check_size("3M", 3145728);
	check_size("2097151k", 2147482624);
	check_size("2047M", 2146435072);
}

UNIT_TEST(leading_zeros_are_decimal)
{
	check_size("010", 10);
	check_size("010k", 10240);
	check_size("00000000000000000000000000000008", 8);
}

UNIT_TEST(text_that_is_no_size)
{
	static const char *const texts[] = {
		"",	"k",   "abc",  "1g",	       "1G",  "8|",	"1kk",
		"1km",	"1k ", " 1",   "1 ",	       "+1",  "-1",	"0x10",
		"1.5k", "1e3", "1k\n", "\xef\xbc\x91", "1,0", "1\0012",
	};
	size_t i;

	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		check_no_size(texts[i], EINVAL);
}

UNIT_TEST(sizes_above_the_limit)
{
	check_no_size("2147483648", ERANGE);
	check_no_size("4294967296", ERANGE);
	check_no_size("4294967297k", ERANGE);
	check_no_size("18446744073709551616", ERANGE);
	check_no_size("18446744073709551617k", ERANGE);
	check_no_size("17592186044416m", ERANGE);
	check_no_size("2097152k", ERANGE);
	check_no_size("2048m", ERANGE);
	check_no_size("99999999999999999999999999999999999999999m", ERANGE);
}

UNIT_TEST(bad_text_wins_over_a_large_number)
{
	check_no_size("99999999999999999999x", EINVAL);
}

UNIT_TEST(families)
{
	unsigned int families = 0;

	CU_ASSERT_EQUAL(smcp_conf_parse_family("auto", &families), 0);
	CU_ASSERT_EQUAL(families, SMCP_FAMILY_INET | SMCP_FAMILY_SMC);
	CU_ASSERT_EQUAL(smcp_conf_parse_family("inet", &families), 0);
	CU_ASSERT_EQUAL(families, SMCP_FAMILY_INET);
	CU_ASSERT_EQUAL(smcp_conf_parse_family("smc", &families), 0);
	CU_ASSERT_EQUAL(families, SMCP_FAMILY_SMC);
}

UNIT_TEST(text_that_is_no_family)
{
	static const char *const texts[] = {
		"", "Auto", "INET", "smc6", "sm", "inet6", "inet ", " smc", "1",
	};
	unsigned int families = 77;
	size_t i;

	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		CU_ASSERT_EQUAL(smcp_conf_parse_family(texts[i], &families),
				-EINVAL);
	CU_ASSERT_EQUAL(families, 77);
}
