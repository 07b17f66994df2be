/* SPDX-License-Identifier: MIT */
#ifndef SMCB_CGROUP_H
#define SMCB_CGROUP_H

#include <limits.h>
#include <stdint.h>

/* Room for why something cannot be, with a path */
#define SMCB_ERROR (PATH_MAX + 128)

/* A cgroup of the unified hierarchy */
struct smcb_cgroup {
	char path[PATH_MAX]; /* its directory */
	uint64_t id; /* as the kernel's programs see it */
	unsigned int level; /* the root is 0 */
};

/*
 * smcb_cgroup_find() - look at a cgroup
 * @name: its directory, or its path below the root; NULL: that of this process
 * @ret_cgroup: what it is
 * @ret_error: a line for people, if it is none
 *
 * Return: 0; -errno.
 */
int smcb_cgroup_find(const char *name, struct smcb_cgroup *ret_cgroup,
		     char ret_error[SMCB_ERROR]);

/*
 * smcb_cgroup_make() - make a cgroup for one command, below that of this process
 * @ret_cgroup, @ret_error: as above
 *
 * Limits of what is above hold in it, and it is where those who manage that expect
 * it.
 *
 * Return: 0; -errno.
 */
int smcb_cgroup_make(struct smcb_cgroup *ret_cgroup,
		     char ret_error[SMCB_ERROR]);

/* smcb_cgroup_join() - move this process there.  Return: 0; -errno. */
int smcb_cgroup_join(const struct smcb_cgroup *cgroup);

/*
 * smcb_cgroup_wait() - wait until there is no process in a cgroup or below it
 *
 * Return: 0; -errno.
 */
int smcb_cgroup_wait(const struct smcb_cgroup *cgroup);

/* smcb_cgroup_remove() - remove a cgroup without processes, and those below */
void smcb_cgroup_remove(const struct smcb_cgroup *cgroup);

#endif
