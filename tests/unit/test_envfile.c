// SPDX-License-Identifier: MIT
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cunit_tap.h"
#include "envfile.h"

static char seen[4096];

static void see(void *arg, const char *path, const char *name,
		const char *value)
{
	size_t n = strlen(seen);

	(void)path;
	CU_ASSERT_PTR_EQUAL(arg, seen);
	snprintf(seen + n, sizeof(seen) - n, "%s=%s|", name ? name : "!",
		 value);
}

/* What is read of the files of a unit that names @files */
static const char *read_files(const char *files)
{
	static struct smcp_unit unit;

	unit.size = (size_t)snprintf(unit.text, sizeof(unit.text),
				     "EnvironmentFiles=%s", files) +
		    1;
	*seen = '\0';
	smcp_envfile_each(&unit, see, seen);
	return seen;
}

static void check(const char *text, size_t size, const char *want)
{
	char path[] = "/tmp/test_envfile.XXXXXX";
	char files[64];
	int fd = mkstemp(path);

	CU_ASSERT_EQUAL(write(fd, text, size), (ssize_t)size);
	close(fd);
	snprintf(files, sizeof(files), "%s (ignore_errors=no)", path);
	CU_ASSERT_STRING_EQUAL(read_files(files), want);
	if (strcmp(seen, want) != 0)
		printf("# '%s' gave '%s', not '%s'\n", text, seen, want);
	unlink(path);
}

#define CHECK(text, want) check(text, sizeof(text) - 1, want)

UNIT_TEST(lines)
{
	CHECK("", "");
	CHECK("A=b", "A=b|");
	CHECK("A=b\n", "A=b|");
	CHECK("A=b\nC=d\n", "A=b|C=d|");
	CHECK("A=\nB=\n\nC=", "A=|B=|C=|");
	CHECK("# A=b\n  ; A=b\nC=d", "C=d|");
	CHECK("no assignment\nA=b", "A=b|");
	CHECK(" A = b c \t\r\nD=e", "A=b c|D=e|");
	CHECK("A=b=c # d\nE=f", "A=b=c # d|E=f|");
	CHECK("A=1\nA=2", "A=1|A=2|");
}

UNIT_TEST(backslashes)
{
	CHECK("A=b\\c\\\\d", "A=bc\\d|");
	CHECK("A=b\\\nc\nD=e", "A=bc|D=e|");
	CHECK("A=b\\ \nC=d", "A=b |C=d|");
	CHECK("A=b\\", "A=b\\|");
	CHECK("A=\\\nb", "A=b|");
}

UNIT_TEST(quotes)
{
	CHECK("A=' b # \\' \nC=d", "A= b # \\|C=d|");
	CHECK("A=\" b\\\"c\\d\\$e\\\\\" \nC=d", "A= b\"c\\d$e\\|C=d|");
	CHECK("A='b\nc'\nD=\"e\nf\\\ng\"", "A=b\nc|D=e\nfg|");
	CHECK("A='b' \"c\"d'e' \nF=g", "A=bcd'e'|F=g|");
	CHECK("A=b'c'\"d\"", "A=b'c'\"d\"|");
	CHECK("A='b\nC=d", "A=b\nC=d|");
	CHECK("A=''\nB=\"\"", "A=|B=|");
}

UNIT_TEST(files_that_systemd_does_not_take)
{
	CHECK("A=b\0C=d", "");
	CU_ASSERT_STRING_EQUAL(read_files("/nosuch/file (ignore_errors=no)"),
			       "!=no such file|");
	CU_ASSERT_STRING_EQUAL(read_files("/nosuch/file (ignore_errors=yes)"),
			       "");
	CU_ASSERT_STRING_EQUAL(read_files("/nosuch/* (ignore_errors=yes)"), "");
	CU_ASSERT_STRING_EQUAL(read_files(""), "");
}
