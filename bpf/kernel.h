/* SPDX-License-Identifier: MIT */
#ifndef SMCB_KERNEL_H
#define SMCB_KERNEL_H

#include <stdbool.h>

#include "cgroup.h"
#include "scope.h"
#include "table.h"

/* The program in the kernel; goes with the process, unless pinned. */
struct smcb_kernel;

/*
 * smcb_kernel_load() - bring the program into the kernel, without effect yet
 * @table: the rules
 * @has_processes: processes will be in scope, and what they start
 * @ret_error: why not, for people: no line of its own, as "needs root"
 *
 * Return: it; or NULL.
 */
struct smcb_kernel *smcb_kernel_load(const struct smcb_table *table,
				     bool has_processes,
				     char ret_error[SMCB_ERROR]);

/*
 * smcb_kernel_has_choice() - does the project's module ask again, when it is known
 *	what a socket is for?
 *
 * Without that a process's sockets have to be all of one kind.
 */
bool smcb_kernel_has_choice(const struct smcb_kernel *kernel);

/* smcb_kernel_set_cgroup() - this cgroup is in scope.  Return: 0; -errno. */
int smcb_kernel_set_cgroup(struct smcb_kernel *kernel,
			   const struct smcb_cgroup *cgroup);

/*
 * smcb_kernel_attach() - from now on sockets in scope are judged
 * @ret_error: as of smcb_kernel_load()
 *
 * Return: 0; -errno.
 */
int smcb_kernel_attach(struct smcb_kernel *kernel, char ret_error[SMCB_ERROR]);

/*
 * smcb_kernel_pin() - have it stay when this process ends
 * @dir: a directory of a BPF file system, where all goes by its name: maps, the
 *	links "choose_protocol" and maybe "choose_use", the program "inherit"
 *
 * Return: 0; -errno.
 */
int smcb_kernel_pin(const struct smcb_kernel *kernel, const char *dir);

/*
 * smcb_kernel_links() - the descriptors that keep it attached
 * @ret_links: the second is -1 if the module does not ask again
 *
 * Whoever has them can close all others.
 */
void smcb_kernel_links(const struct smcb_kernel *kernel, int ret_links[2]);

/* smcb_kernel_counts(), smcb_kernel_entries() - what it counts, as it goes on; good
 * without any descriptor
 */
const struct smcb_counts *smcb_kernel_counts(const struct smcb_kernel *kernel);
const struct smcb_entry *smcb_kernel_entries(const struct smcb_kernel *kernel);

#endif
