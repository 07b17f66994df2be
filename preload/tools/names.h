/* SPDX-License-Identifier: MIT */
#ifndef SMCP_NAMES_H
#define SMCP_NAMES_H

#include "conf.h"

/*
 * smcp_names_find() - look up a name, for smcp_parser.find
 * @parser: its names are on the heap, end with a NUL, and get one more; at first
 *	there are none
 * @kind: "host", "user" or "group"
 * @name: the name
 *
 * Asks getent(1), since a static program cannot load what libc would ask.
 *
 * Return: NULL, or why it cannot be had.
 */
const char *smcp_names_find(struct smcp_parser *parser, const char *kind,
			    const struct smcp_text *name);

#endif
