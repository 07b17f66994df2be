/* SPDX-License-Identifier: MIT */
#ifndef SMCB_TABLE_H
#define SMCB_TABLE_H

#include <stdbool.h>
#include <stddef.h>

#include "rules.h"
#include "scope.h"

/* Rules as the kernel reads them */
struct smcb_table {
	struct smcb_entry entries[SMCB_ENTRIES];
	int rules[SMCB_ENTRIES]; /* which an entry is from; -1: the default */
	unsigned int n;
	bool needs_name;
};

/* A rule that cannot be held, and why */
struct smcb_refusal {
	int rule; /* -1: the default */
	char text[160];
};

/*
 * smcb_table_make() - all that is known of a socket's rules when it is made
 * @list: the list, without errors; that it is strict does not count
 * @ret_table: what programs, users and groups come to, in the order of the list
 * @ret_refusal: if there is something in the list that this is not enough for
 *
 * A rule for some addresses becomes an entry that leaves open what the socket is; see
 * smcb_table_find_mixed().
 *
 * Return: 0; -EINVAL, with @ret_refusal.
 */
int smcb_table_make(const struct smcp_list *list, struct smcb_table *ret_table,
		    struct smcb_refusal *ret_refusal);

/*
 * smcb_table_find_mixed() - could a process have sockets of both kinds?
 * @table: the table
 *
 * Says so if in doubt.
 *
 * Return: the first rule that is a cause, as an index of the list; -1: no.
 */
int smcb_table_find_mixed(const struct smcb_table *table);

/*
 * smcb_find_cause() - the first rule by which a process has sockets of both kinds
 * @list: the list
 * @subject: the process, of which smcp_rules_scope() says that it is mixed
 * @family: AF_INET or AF_INET6
 *
 * Return: an index of the list.
 */
int smcb_find_cause(const struct smcp_list *list,
		    const struct smcp_subject *subject, int family);

/*
 * smcb_name() - the name of a program as the kernel's side compares it
 * @name: without a slash
 * @size: its length
 * @ret_name: padded with NULs
 *
 * Return: 0; -ENAMETOOLONG.
 */
int smcb_name(const char *name, size_t size, __u64 ret_name[SMCB_WORDS]);

#endif
