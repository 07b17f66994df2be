/* SPDX-License-Identifier: MIT */
#ifndef SMCP_SUMMARIZE_H
#define SMCP_SUMMARIZE_H

#include <stdbool.h>

#include "summary.h"

/* How COMMAND is started, and who counts */
struct smcp_summarized {
	const char *companion; /* of the directory of this program */
	bool has_options; /* which is given all but --summary */
	/* Writes the counts at the end; NULL: the library has. */
	void (*fill)(struct smcp_summary *page);
};

/*
 * smcp_summarize() - run a program, and say what became of its sockets
 * @argv: as of main(): --summary and other options, "--", COMMAND
 * @how: how
 *
 * The companion runs in a child; the summary goes to stderr at its end, unless
 * COMMAND was not started.
 *
 * Return: the exit status, 125 if nothing could be started; or this process dies by
 * the signal by which COMMAND did.
 */
int smcp_summarize(char **argv, const struct smcp_summarized *how);

#endif
