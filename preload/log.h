/* SPDX-License-Identifier: MIT */
#ifndef SMCP_LOG_H
#define SMCP_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "addr.h"

/* A log of some level prints the lines of this and all lower levels. */
enum smcp_log_level {
	SMCP_LOG_SILENT, /* SMC_DEBUG=0 */
	SMCP_LOG_WARN, /* no SMC_DEBUG: a setting is wrong */
	SMCP_LOG_DEBUG1, /* what was done */
	SMCP_LOG_DEBUG2, /* what was decided, and why */
	SMCP_LOG_DEBUG3, /* each attempt */
};

/* Where lines go: fd 2 as long as it is the file it was at load. */
struct smcp_log {
	enum smcp_log_level level;
	uint64_t dev; /* 0 if it was closed, as that of no file is */
	uint64_t ino;
};

/* A line being put together; what does not fit is left out.  A hook has one on its
 * stack, of which it takes less than 1 KiB.
 */
struct smcp_line {
	size_t len;
	char text[384];
};

/*
 * smcp_log_parse_level() - read the level from the value of SMC_DEBUG
 * @text: NULL if unset.  A first character '0' is silence, "2" and "3" are
 *        these levels, anything else including the empty string is level 1.
 */
enum smcp_log_level smcp_log_parse_level(const char *text);

/*
 * smcp_log_open() - set up a log and remember the file behind fd 2
 *
 * May change errno.
 */
void smcp_log_open(struct smcp_log *ret_log, enum smcp_log_level level);

/* True if a line of this level is to be printed. */
static inline bool smcp_log_wants(const struct smcp_log *log,
				  enum smcp_log_level level)
{
	return log->level >= level;
}

/* Begins a line with the name of the library. */
void smcp_line_begin(struct smcp_line *line);

/* Appends text; control characters, which may be the user's, become '?'. */
void smcp_line_bytes(struct smcp_line *line, const char *text, size_t size);

/* The same, up to a NUL. */
void smcp_line_text(struct smcp_line *line, const char *text);

void smcp_line_int(struct smcp_line *line, int value);

/* Appends an address and a port, as rules have them. */
void smcp_line_endpoint(struct smcp_line *line, const struct smcp_addr *addr,
			uint16_t port);

/*
 * smcp_line_end() - print a line with one write(2)
 *
 * Not if nobody reads, who could kill the program by SIGPIPE, or if it would have
 * to wait.  Async-signal-safe and no cancellation point.  May change errno.
 */
void smcp_line_end(struct smcp_line *line, const struct smcp_log *log);

#endif
