// SPDX-License-Identifier: MIT
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "log.h"

enum smcp_log_level smcp_log_parse_level(const char *text)
{
	if (!text)
		return SMCP_LOG_WARN;
	if (text[0] == '0')
		return SMCP_LOG_SILENT;
	if (strcmp(text, "2") == 0)
		return SMCP_LOG_DEBUG2;
	if (strcmp(text, "3") == 0)
		return SMCP_LOG_DEBUG3;
	return SMCP_LOG_DEBUG1;
}

void smcp_log_open(struct smcp_log *ret_log, enum smcp_log_level level)
{
	struct stat st;

	memset(ret_log, 0, sizeof(*ret_log));
	ret_log->level = level;
	if (fstat(STDERR_FILENO, &st))
		return;
	ret_log->dev = st.st_dev;
	ret_log->ino = st.st_ino;
}

/* A program may have closed stderr and got the number again for its data. */
static bool is_same_file(const struct smcp_log *log)
{
	struct stat st;

	return log->dev && !fstat(STDERR_FILENO, &st) &&
	       st.st_dev == log->dev && st.st_ino == log->ino;
}

void smcp_line_begin(struct smcp_line *line)
{
	line->len = 0;
	smcp_line_text(line, "libsmc-preload: ");
}

void smcp_line_text(struct smcp_line *line, const char *text)
{
	/* One byte stays free for the newline. */
	for (; *text && line->len < sizeof(line->text) - 1; text++) {
		char c = *text;

		if ((unsigned char)c < ' ' || c == 0x7f)
			c = '?';
		line->text[line->len++] = c;
	}
}

void smcp_line_int(struct smcp_line *line, int value)
{
	unsigned int rest =
		value < 0 ? -(unsigned int)value : (unsigned int)value;
	char text[sizeof("-2147483648")];
	char *p = text + sizeof(text);

	*--p = '\0';
	do {
		*--p = (char)('0' + rest % 10);
		rest /= 10;
	} while (rest);
	if (value < 0)
		*--p = '-';
	smcp_line_text(line, p);
}

void smcp_line_end(struct smcp_line *line, const struct smcp_log *log)
{
	if (!is_same_file(log))
		return;
	line->text[line->len++] = '\n';
	/* write() would make socket() a cancellation point. */
	(void)syscall(SYS_write, STDERR_FILENO, line->text, line->len);
}
