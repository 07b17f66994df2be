/* SPDX-License-Identifier: MIT */
#ifndef SMCB_PINS_H
#define SMCB_PINS_H

#include <stdbool.h>
#include <sys/types.h>

#include "cgroup.h"
#include "kernel.h"
#include "scope.h"
#include "table.h"

/* The maps of the program that is attached for the whole machine */
struct smcb_pins {
	int config;
	int counts;
	int rules;
	int cgroups;
	int netnses;
	int users;
	int programs;
	int processes;
};

/*
 * smcb_pins_lock() - be the only one who changes what is pinned
 * @ret_error: why not
 *
 * The lock is kept until this process ends.
 *
 * Return: 0; -errno.
 */
int smcb_pins_lock(char ret_error[SMCB_ERROR]);

/*
 * smcb_pins_make() - load, attach and pin
 * @is_mixed: the rules need a module that asks again
 *
 * Return: 0; -EXDEV: it is another module; -errno, with @ret_error.  Nothing is left
 * then.
 */
int smcb_pins_make(const struct smcb_table *table, bool is_mixed,
		   char ret_error[SMCB_ERROR]);

/* smcb_pins_has_choice() - does the module ask again?  Return: 1; 0; -errno. */
int smcb_pins_has_choice(const struct smcb_pins *pins);

/* smcb_pins_open() - the maps.  Return: 0; -ENOENT: there are none; -errno. */
int smcb_pins_open(struct smcb_pins *ret_pins);

/* smcb_pins_remove() - detach it, and remove all.  Return: 0; -errno. */
int smcb_pins_remove(void);

/*
 * smcb_pins_set_rules() - replace the rules; sockets see the old or the new ones
 *
 * Return: 0; -errno.
 */
int smcb_pins_set_rules(const struct smcb_pins *pins,
			const struct smcb_table *table);

/*
 * smcb_pins_refresh() - have the kernel look at what is in the maps
 * @pins: the maps
 *
 * Forgets cgroups that are gone.
 *
 * Return: 0; -E2BIG: cgroups are of too many levels; -errno.
 */
int smcb_pins_refresh(const struct smcb_pins *pins);

/*
 * smcb_pins_add_process() - a process is in scope, and what it will start
 * smcb_pins_del_process() - no longer; what it has started stays
 *
 * Return: 0; -errno.
 */
int smcb_pins_add_process(const struct smcb_pins *pins, pid_t pid);
int smcb_pins_del_process(const struct smcb_pins *pins, pid_t pid);

/* smcb_pins_has_process() - is it in scope? */
bool smcb_pins_has_process(const struct smcb_pins *pins, pid_t pid);

#endif
