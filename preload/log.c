// SPDX-License-Identifier: MIT
#include <poll.h>
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

void smcp_line_bytes(struct smcp_line *line, const char *text, size_t size)
{
	/* One byte stays free for the newline. */
	for (; size && line->len < sizeof(line->text) - 1; text++, size--) {
		char c = *text;

		if ((unsigned char)c < ' ' || c == 0x7f)
			c = '?';
		line->text[line->len++] = c;
	}
}

void smcp_line_text(struct smcp_line *line, const char *text)
{
	smcp_line_bytes(line, text, strlen(text));
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

static void line_hex(struct smcp_line *line, unsigned int value)
{
	char digit[2] = "";
	int shift = 12;

	while (shift && !(value >> shift))
		shift -= 4;
	for (; shift >= 0; shift -= 4) {
		digit[0] = "0123456789abcdef"[value >> shift & 0xf];
		smcp_line_text(line, digit);
	}
}

/* As inet_ntop(), which may take more stack than there is in a signal handler. */
static void line_ipv6(struct smcp_line *line, const struct smcp_addr *addr)
{
	unsigned int groups[8];
	int from = 8, best = 1; /* the longest row of zeros, two at least */
	int i, n;

	for (i = 0; i < 8; i++)
		groups[i] = (i < 4 ? addr->hi : addr->lo) >> (48 - i % 4 * 16) &
			    0xffff;
	for (i = 0; i < 8; i += n + 1) {
		for (n = 0; i + n < 8 && !groups[i + n];)
			n++;
		if (n > best) {
			best = n;
			from = i;
		}
	}
	for (i = 0; i < 8; i++) {
		if (i == from) {
			smcp_line_text(line, "::");
			i += best - 1;
			continue;
		}
		if (i && i != from + best)
			smcp_line_text(line, ":");
		line_hex(line, groups[i]);
	}
}

void smcp_line_endpoint(struct smcp_line *line, const struct smcp_addr *addr,
			uint16_t port)
{
	int shift;

	if (addr->is_ipv4) {
		for (shift = 24; shift >= 0; shift -= 8) {
			smcp_line_int(line, addr->lo >> shift & 0xff);
			smcp_line_text(line, shift ? "." : ":");
		}
	} else {
		smcp_line_text(line, "[");
		line_ipv6(line, addr);
		smcp_line_text(line, "]:");
	}
	smcp_line_int(line, port);
}

/* poll() would make the hooks cancellation points. */
static bool is_writable(void)
{
	struct pollfd pollfd = {.fd = STDERR_FILENO, .events = POLLOUT};
	const long zero[2] = {0}; /* struct timespec of the kernel */

	return syscall(SYS_ppoll, &pollfd, 1, zero, NULL, 0) == 1 &&
	       pollfd.revents == POLLOUT;
}

void smcp_line_end(struct smcp_line *line, const struct smcp_log *log)
{
	if (!is_same_file(log) || !is_writable())
		return;
	line->text[line->len++] = '\n';
	/* write() would make socket() a cancellation point. */
	(void)syscall(SYS_write, STDERR_FILENO, line->text, line->len);
}
