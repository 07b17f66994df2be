/* SPDX-License-Identifier: MIT */
#ifndef SMCP_CONF_H
#define SMCP_CONF_H

#include <stdbool.h>
#include <stddef.h>

#include "rules.h"

/* The ways to ask for SMC.  They are tried in this order. */
enum smcp_family {
	SMCP_FAMILY_INET = 1 << 0, /* IPPROTO_SMC */
	SMCP_FAMILY_SMC = 1 << 1, /* AF_SMC */
	SMCP_FAMILY_AUTO = SMCP_FAMILY_INET | SMCP_FAMILY_SMC,
};

#define SMCP_SIZE_UNSET (-1)

/* What the user chose.  Without any family every socket stays as it is. */
struct smcp_conf {
	unsigned int families; /* enum smcp_family, or-ed */
	int sndbuf; /* bytes, or SMCP_SIZE_UNSET */
	int rcvbuf;
};

/*
 * smcp_conf_parse_size() - read the size of a buffer
 * @text: decimal digits; one of kKmM may follow (1024, 1048576)
 * @ret_bytes: the size in bytes, 0 to 2147483647; untouched on failure
 *
 * Neither sign nor blank is accepted; leading zeros do not mean octal.
 *
 * Return: 0; -EINVAL if @text is not a size; -ERANGE if it is too large.
 */
int smcp_conf_parse_size(const char *text, int *ret_bytes);

/*
 * smcp_conf_parse_family() - read the choice of a family
 * @text: "auto", "inet" or "smc"
 * @ret_families: enum smcp_family, or-ed; untouched on failure
 *
 * Return: 0; -EINVAL if @text is none of these.
 */
int smcp_conf_parse_family(const char *text, unsigned int *ret_families);

#define SMCP_MAX_SOURCE 65536 /* bytes of a source */
#define SMCP_MAX_SOURCES 262144 /* bytes of all */
#define SMCP_MAX_LINE 1024
#define SMCP_MAX_HOST_ADDRS 64 /* of a name */

/* What a file may say besides rules; the first source that says it counts. */
struct smcp_settings {
	struct smcp_conf conf; /* families 0: not said */
	int otherwise; /* enum smcp_verdict, or -1 */
	int is_strict; /* 0, 1, or -1: not said; the others as well */
	int is_locked;
	int debug; /* 0 to 3 */
};

/* Where something is wrong: ORIGIN:LINE:COLUMN, both from 1, and what. */
struct smcp_error {
	const char *origin;
	unsigned int line;
	unsigned int column; /* in bytes */
	char text[160];
};

struct smcp_parser;

/* A source of rules, as a file or a variable is. */
struct smcp_source {
	const char *origin; /* stays as long as the list */
	const char *text; /* the same */
	size_t size;
	/* Includes a file, for a source that may have settings and includes, else
	 * NULL: 0, or -errno after it was reported.
	 */
	int (*include)(struct smcp_parser *parser, const struct smcp_error *at,
		       const char *path);
};

/*
 * Reads sources into one list.  To be initialised with smcp_conf_begin(); then
 * @names, @report and @find may be set.
 */
struct smcp_parser {
	struct smcp_list *list;
	struct smcp_settings settings;
	/* What names stand for, as in SMC_NAMES: statements "host NAME ADDRESS...",
	 * "user NAME NUMBER", "group NAME NUMBER"
	 */
	struct smcp_text names;
	/* Is called for each error; NULL: only the first is kept. */
	void (*report)(struct smcp_parser *parser,
		       const struct smcp_error *error);
	void *arg; /* for @report and includes */
	/* Adds to @names what was not found there.  Return: NULL; or why it
	 * cannot, as "has no address".  NULL: @names are all there are.
	 */
	const char *(*find)(struct smcp_parser *parser, const char *kind,
			    const struct smcp_text *name);
	unsigned int n_errors;
	struct smcp_error first_error;
	size_t bytes; /* of all sources so far */
	unsigned int depth; /* of includes */
};

/*
 * smcp_conf_begin() - begin a list
 * @parser: to be initialised
 * @list: to be filled; made empty.  It may get its memory later, before anything
 *	is parsed.
 */
void smcp_conf_begin(struct smcp_parser *parser, struct smcp_list *list);

/*
 * smcp_conf_error() - report an error that the parser cannot see
 * @parser: the parser; counts it
 * @at: the place; its text is not read
 * @text: what is wrong, and the cure
 */
void smcp_conf_error(struct smcp_parser *parser, const struct smcp_error *at,
		     const char *text);

/*
 * smcp_conf_parse() - read statements, one a line or separated by ';'
 * @parser: the parser; each error is counted and reported, and the rest read
 * @source: the source
 *
 * A list with any error is not to be used: rules may be missing.
 */
void smcp_conf_parse(struct smcp_parser *parser,
		     const struct smcp_source *source);

/*
 * smcp_conf_parse_endpoints() - read one rule from a list of addresses
 * @parser: as for smcp_conf_parse()
 * @source: endpoints, separated by commas
 * @verdict: the rule's
 * @role: SMCP_CONNECT: they are remote; SMCP_LISTEN: local
 */
void smcp_conf_parse_endpoints(struct smcp_parser *parser,
			       const struct smcp_source *source,
			       enum smcp_verdict verdict, enum smcp_role role);

/*
 * smcp_conf_parse_progs() - read one rule for TCP from a list of programs
 * @parser: as for smcp_conf_parse()
 * @source: globs, separated by commas
 * @is_not: the rule is for all other programs
 */
void smcp_conf_parse_progs(struct smcp_parser *parser,
			   const struct smcp_source *source, bool is_not);

/*
 * smcp_conf_add_tcp() - add the rule "use tcp"
 * @parser: as for smcp_conf_parse()
 * @origin: what for
 */
void smcp_conf_add_tcp(struct smcp_parser *parser, const char *origin);

/*
 * smcp_conf_check_names() - report what is wrong with @parser->names
 * @parser: as for smcp_conf_parse()
 * @origin: where they are from
 */
void smcp_conf_check_names(struct smcp_parser *parser, const char *origin);

/*
 * smcp_conf_format_rule() - a rule in the words that would be parsed to it
 * @list: the list
 * @rule: one of its rules
 * @ret_text: ends with a NUL, cut to @size
 *
 * Return: bytes that the whole text has, without the NUL.
 */
size_t smcp_conf_format_rule(const struct smcp_list *list,
			     const struct smcp_rule *rule, char *ret_text,
			     size_t size);

#endif
