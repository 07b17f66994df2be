/* SPDX-License-Identifier: MIT */
#ifndef SMCP_RULES_H
#define SMCP_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "addr.h"

#define SMCP_MAX_RULES 1024
#define SMCP_MAX_ENDPOINTS 4096
#define SMCP_MAX_WORDS 4096 /* globs, ids */

/* How sure: "require" is SMC or an error. */
enum smcp_verdict {
	SMCP_TCP,
	SMCP_SMC,
	SMCP_REQUIRE,
};

/* What a socket is about to do. */
enum smcp_role {
	SMCP_CONNECT = 1 << 0,
	SMCP_LISTEN = 1 << 1,
	SMCP_BOTH = SMCP_CONNECT | SMCP_LISTEN,
};

/* What holds for all sockets of a family in a process. */
enum smcp_scope {
	SMCP_ALL_TCP,
	SMCP_ALL_SMC,
	SMCP_MIXED,
};

/* Text of a source, without a NUL; good as long as the source. */
struct smcp_text {
	const char *start;
	size_t size;
};

enum smcp_host {
	SMCP_HOST_ANY,
	SMCP_HOST_PREFIX,
	SMCP_HOST_LOOPBACK,
	SMCP_HOST_PRIVATE,
	SMCP_HOST_NAME,
};

/* Several in a row are one host if it is a name or stands for several prefixes:
 * the first has @more, how many follow.
 */
struct smcp_endpoint {
	enum smcp_host host;
	unsigned int more;
	struct smcp_prefix prefix; /* not of SMCP_HOST_ANY */
	struct smcp_text name; /* of SMCP_HOST_NAME */
	uint16_t first_port; /* 0 and 65535: any */
	uint16_t last_port;
};

/* A part of an array of the list. */
struct smcp_range {
	uint16_t first;
	uint16_t count;
};

struct smcp_rule {
	enum smcp_verdict verdict;
	enum smcp_role roles;
	bool prog_is_not; /* "prog not" */
	struct smcp_range progs; /* in words */
	struct smcp_range users; /* in ids */
	struct smcp_range groups;
	struct smcp_range to; /* in endpoints */
	struct smcp_range on;
	struct smcp_text name; /* after "as" */
	const char *origin;
	unsigned int line;
};

/* An id, and the name it was written as, if it was one. */
struct smcp_id {
	uint32_t number;
	struct smcp_text name;
};

/* All rules in force, in order, with what was said for the rest. */
struct smcp_list {
	struct smcp_rule *rules;
	struct smcp_endpoint *endpoints;
	struct smcp_text *words;
	struct smcp_id *ids;
	unsigned int n_rules;
	unsigned int n_endpoints;
	unsigned int n_words;
	unsigned int n_ids;
	enum smcp_verdict otherwise; /* when no rule matches */
	bool is_strict; /* SMC means require */
};

/* The most that a list can need; what is not used is not touched. */
struct smcp_list_memory {
	struct smcp_rule rules[SMCP_MAX_RULES];
	struct smcp_endpoint endpoints[SMCP_MAX_ENDPOINTS];
	struct smcp_text words[SMCP_MAX_WORDS];
	struct smcp_id ids[SMCP_MAX_WORDS];
};

/* smcp_list_give() - let a list, empty so far, use memory of the caller's */
static inline void smcp_list_give(struct smcp_list *list,
				  struct smcp_list_memory *memory)
{
	list->rules = memory->rules;
	list->endpoints = memory->endpoints;
	list->words = memory->words;
	list->ids = memory->ids;
}

/* Who the rules are asked for. */
struct smcp_subject {
	const char *exe; /* absolute path; "" if it is not known */
	uid_t user;
	gid_t group;
};

/* A connection or a listener, as far as it is known. */
struct smcp_query {
	enum smcp_role role;
	struct smcp_addr remote; /* of a connection */
	uint16_t remote_port;
	/* Else neither address nor port is known.  Besides what
	 * smcp_rules_needs_local() says, a connection to 0.0.0.0 or :: needs it:
	 * that is to the socket's own address, if it has one.
	 */
	bool has_local;
	struct smcp_addr local; /* 0.0.0.0 and :: are not known */
	uint16_t local_port; /* 0: not known */
};

/* A verdict, and the index of its rule in the list: -1 if none matched. */
struct smcp_answer {
	enum smcp_verdict verdict;
	int rule;
};

/* The compiled rules; opaque, immutable, without pointers to what they are from. */
struct smcp_rules;

/*
 * smcp_rules_fits() - does a rule speak of this process?
 * @list: the list
 * @rule: one of its rules
 * @subject: the process
 */
bool smcp_rules_fits(const struct smcp_list *list, const struct smcp_rule *rule,
		     const struct smcp_subject *subject);

/*
 * smcp_rules_size() - the memory that smcp_rules_compile() needs at most
 * @list: the list
 *
 * Return: bytes.
 */
size_t smcp_rules_size(const struct smcp_list *list);

/*
 * smcp_rules_compile() - make the table that answers for one process
 * @list: the list; not needed afterwards
 * @subject: the process
 * @memory: smcp_rules_size() bytes, zeroed, aligned as by malloc(); the caller's
 *
 * Return: the table, in @memory.
 */
struct smcp_rules *smcp_rules_compile(const struct smcp_list *list,
				      const struct smcp_subject *subject,
				      void *memory);

/* smcp_rules_scope() - what holds for all sockets of AF_INET or AF_INET6 */
enum smcp_scope smcp_rules_scope(const struct smcp_rules *rules, int family);

/* smcp_rules_needs_local() - does a verdict on connect() need the local address? */
bool smcp_rules_needs_local(const struct smcp_rules *rules);

/*
 * smcp_rules_verdict() - the first rule that matches
 * @rules: the table
 * @query: what a socket is about to do
 *
 * Takes neither memory nor locks; nearly the same time for any number of rules.
 */
struct smcp_answer smcp_rules_verdict(const struct smcp_rules *rules,
				      const struct smcp_query *query);

/*
 * smcp_rules_matches() - does one rule match?
 * @list: the list
 * @rule: one of its rules, which fits the process
 * @query: what a socket is about to do
 *
 * What smcp_rules_verdict() does for all rules at once; for who wants to see it
 * rule by rule.
 */
bool smcp_rules_matches(const struct smcp_list *list,
			const struct smcp_rule *rule,
			const struct smcp_query *query);

#endif
