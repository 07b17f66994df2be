/* SPDX-License-Identifier: MIT */
#ifndef RULES_TEXT_H
#define RULES_TEXT_H

#include "conf.h"

/* rules_new() - an empty list with its memory, to be freed */
struct smcp_list *rules_new(void);

/*
 * rules_read() - the list that a text makes
 * @parser: initialised, all of it
 * @text: statements of a file, without includes
 * @names: as SMC_NAMES, or NULL
 *
 * Return: the list, to be freed.
 */
struct smcp_list *rules_read(struct smcp_parser *parser, const char *text,
			     const char *names);

/*
 * rules_make() - compiled rules
 * @list: the list
 * @exe: the program
 *
 * Return: the table, to be freed; as long as it may be and no longer.
 */
struct smcp_rules *rules_make(const struct smcp_list *list, const char *exe);

/*
 * rules_query() - what a text asks
 * @text: "connect ADDR:PORT" or "listen ADDR:PORT", and for connect perhaps
 *	" from ADDR:PORT"
 */
struct smcp_query rules_query(const char *text);

#endif
