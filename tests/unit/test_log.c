// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cunit_tap.h"
#include "log.h"

UNIT_TEST(levels)
{
	CU_ASSERT_EQUAL(smcp_log_parse_level(NULL), SMCP_LOG_WARN);
	CU_ASSERT_EQUAL(smcp_log_parse_level("0"), SMCP_LOG_SILENT);
	CU_ASSERT_EQUAL(smcp_log_parse_level("03"), SMCP_LOG_SILENT);
	CU_ASSERT_EQUAL(smcp_log_parse_level("0x"), SMCP_LOG_SILENT);
	CU_ASSERT_EQUAL(smcp_log_parse_level(""), SMCP_LOG_DEBUG1);
	CU_ASSERT_EQUAL(smcp_log_parse_level("1"), SMCP_LOG_DEBUG1);
	CU_ASSERT_EQUAL(smcp_log_parse_level("yes"), SMCP_LOG_DEBUG1);
	CU_ASSERT_EQUAL(smcp_log_parse_level("2"), SMCP_LOG_DEBUG2);
	CU_ASSERT_EQUAL(smcp_log_parse_level("3"), SMCP_LOG_DEBUG3);
	CU_ASSERT_EQUAL(smcp_log_parse_level("30"), SMCP_LOG_DEBUG1);
	CU_ASSERT_EQUAL(smcp_log_parse_level("9"), SMCP_LOG_DEBUG1);
}

UNIT_TEST(a_level_includes_the_lower_ones)
{
	struct smcp_log log = {.level = SMCP_LOG_DEBUG2};

	CU_ASSERT(smcp_log_wants(&log, SMCP_LOG_WARN));
	CU_ASSERT(smcp_log_wants(&log, SMCP_LOG_DEBUG2));
	CU_ASSERT(!smcp_log_wants(&log, SMCP_LOG_DEBUG3));
	log.level = SMCP_LOG_SILENT;
	CU_ASSERT(!smcp_log_wants(&log, SMCP_LOG_WARN));
}

/* The line as text; @line is used up. */
static const char *as_text(struct smcp_line *line)
{
	line->text[line->len] = '\0';
	return line->text;
}

UNIT_TEST(numbers)
{
	static const int values[] = {0, 7, -1, 10, INT_MAX, INT_MIN};
	struct smcp_line line;
	size_t i;

	line.len = 0;
	for (i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		smcp_line_int(&line, values[i]);
		smcp_line_text(&line, " ");
	}
	ASSERT_STR(as_text(&line), "0 7 -1 10 2147483647 -2147483648 ");
}

UNIT_TEST(control_characters_do_not_reach_the_terminal)
{
	struct smcp_line line;

	smcp_line_begin(&line);
	smcp_line_text(&line, "a\nb\033[m\177\xc3\xa9");
	ASSERT_STR(as_text(&line), "libsmc-preload: a?b?[m?\xc3\xa9");
}

static void print_hello(void)
{
	struct smcp_log log;
	struct smcp_line line;

	smcp_log_open(&log, SMCP_LOG_WARN);
	smcp_line_begin(&line);
	smcp_line_text(&line, "hello");
	smcp_line_end(&line, &log);
}

UNIT_TEST(addresses_are_as_inet_ntop_has_them)
{
	static const char *const rows[] = {
		"0.0.0.0:0",
		"192.0.2.255:65535",
		"[::]:1",
		"[::1]:22",
		"[fd00:1::3]:80",
		"[1::]:80",
		"[1:0:2::3]:80",
		"[1:2:3:4:5:6:7:8]:80",
		"[0:1:2:3:4:5:6:7]:80",
		"[1:0:0:2::3]:80",
		"[1::2:0:0:3:4]:80",
		"[abcd:ef01:2345:6789:0:fff:f0:0]:80",
		"[::1:2:3:4:5:6]:80",
		"[1:2:3:4:5:6::]:80",
	};
	struct smcp_prefix prefix;
	struct smcp_line line;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *colon = strrchr(rows[i], ':');

		CU_ASSERT_EQUAL(smcp_prefix_parse(rows[i],
						  (size_t)(colon - rows[i]),
						  &prefix),
				0);
		line.len = 0;
		smcp_line_endpoint(&line, &prefix.addr,
				   (uint16_t)atoi(colon + 1));
		ASSERT_STR(as_text(&line), rows[i]);
	}
}

UNIT_TEST(a_line_has_prefix_and_newline)
{
	char text[64];

	unit_test_in_child(print_hello, text, sizeof(text));
	ASSERT_STR(text, "libsmc-preload: hello\n");
}

static void print_too_much(void)
{
	struct smcp_log log;
	struct smcp_line line;
	int i;

	smcp_log_open(&log, SMCP_LOG_WARN);
	smcp_line_begin(&line);
	for (i = 0; i < 1000; i++)
		smcp_line_text(&line, "xyz");
	smcp_line_int(&line, INT_MIN);
	smcp_line_end(&line, &log);
}

UNIT_TEST(a_line_is_cut_at_384_bytes)
{
	char text[4096];

	unit_test_in_child(print_too_much, text, sizeof(text));
	CU_ASSERT_EQUAL(strlen(text), 384);
	CU_ASSERT_EQUAL(text[383], '\n');
	CU_ASSERT_PTR_EQUAL(strchr(text, '\n'), text + 383);
}

static void print_when_closed_at_load(void)
{
	struct smcp_log log;
	struct smcp_line line;
	int copy = dup(STDERR_FILENO);

	close(STDERR_FILENO);
	smcp_log_open(&log, SMCP_LOG_WARN);
	dup2(copy, STDERR_FILENO);
	smcp_line_begin(&line);
	smcp_line_end(&line, &log);
}

UNIT_TEST(nothing_if_fd_2_was_closed_at_load)
{
	char text[64];

	unit_test_in_child(print_when_closed_at_load, text, sizeof(text));
	ASSERT_STR(text, "");
}

static void print_when_reused(void)
{
	struct smcp_log log;
	struct smcp_line line;
	int fds[2];
	char c;

	smcp_log_open(&log, SMCP_LOG_WARN);
	CU_ASSERT_EQUAL_FATAL(pipe2(fds, O_NONBLOCK), 0);
	dup2(fds[1], STDERR_FILENO);
	smcp_line_begin(&line);
	smcp_line_end(&line, &log);
	CU_ASSERT_EQUAL(read(fds[0], &c, 1), -1);

	close(STDERR_FILENO);
	smcp_line_begin(&line);
	smcp_line_end(&line, &log);
}

UNIT_TEST(nothing_to_another_file_that_became_fd_2)
{
	char text[64];

	unit_test_in_child(print_when_reused, text, sizeof(text));
	ASSERT_STR(text, "");
}
