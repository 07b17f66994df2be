/* SPDX-License-Identifier: MIT */
#ifndef SMCP_DROPIN_H
#define SMCP_DROPIN_H

#include <limits.h>
#include <stdbool.h>

#include "unit.h"

/* How the first line of a drop-in of ours begins; a command follows. */
#define SMCP_DROPIN_FIRST "# Written by smc_run. Remove with: "

/* The drop-in of smc_run for one unit. */
struct smcp_dropin {
	char dir[PATH_MAX]; /* UNIT.d */
	char path[PATH_MAX];
	char aside[PATH_MAX]; /* where systemd does not see it */
	bool made_dir;
};

enum smcp_dropin_state {
	SMCP_DROPIN_ABSENT,
	SMCP_DROPIN_OURS,
	SMCP_DROPIN_FOREIGN,
};

/*
 * smcp_dropin_init() - find out where the drop-in of a unit belongs
 * @ret_dropin: all paths
 * @is_user: below the user's configuration, else below /etc
 * @name: of the unit
 *
 * Return: 0; -ENOENT: the user has no home; -ENAMETOOLONG.
 */
int smcp_dropin_init(struct smcp_dropin *ret_dropin, bool is_user,
		     const char *name);

/*
 * smcp_dropin_prepare() - make the directory of units, and look if it can be written
 * @dropin: the drop-in
 *
 * Puts back what an interrupted smc_run has set aside.
 *
 * Return: 0; -errno.
 */
int smcp_dropin_prepare(const struct smcp_dropin *dropin);

/* smcp_dropin_state() - return: what is there; -errno */
int smcp_dropin_state(const struct smcp_dropin *dropin);

/* smcp_dropin_set_aside() - hide it from systemd; return: 0; -errno */
int smcp_dropin_set_aside(const struct smcp_dropin *dropin);

/* smcp_dropin_put_back() - what was set aside replaces what is there; as above */
int smcp_dropin_put_back(const struct smcp_dropin *dropin);

/*
 * smcp_dropin_write() - put a drop-in into its place, at once and lasting
 * @dropin: the drop-in
 * @text: all of it
 *
 * If the same text was set aside, that is put back.
 *
 * Return: 0; -errno, with nothing written.
 */
int smcp_dropin_write(struct smcp_dropin *dropin, const char *text);

/* smcp_dropin_commit() - forget what was set aside */
void smcp_dropin_commit(const struct smcp_dropin *dropin);

/*
 * smcp_dropin_remove() - remove it, and the directory if nothing else is there
 *
 * Return: 0; -errno.
 */
int smcp_dropin_remove(const struct smcp_dropin *dropin);

/*
 * smcp_dropin_quote() - a word as it is written in a unit file
 * @word: any bytes
 *
 * Return: the word in quotes, with escapes, on the heap; NULL without memory.
 */
char *smcp_dropin_quote(const char *word);

#endif
