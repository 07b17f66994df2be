/* SPDX-License-Identifier: MIT */
#ifndef SMCP_BPF_SIDE_H
#define SMCP_BPF_SIDE_H

#include <stdbool.h>

#include "target.h"

/* smcp_bpf_is_wanted() - does SMC_RUN_BPF say so?  Set, not empty, not 0. */
bool smcp_bpf_is_wanted(void);

/*
 * smcp_bpf_would_be_for() - would the BPF side reach what the library cannot?
 * @reach: the library's
 *
 * Not, if SMC_RUN_BPF is 0: nobody wants it.
 */
bool smcp_bpf_would_be_for(const struct smcp_reach *reach);

/* smcp_bpf_is_for() - the same, and may this process use it? */
bool smcp_bpf_is_for(const struct smcp_reach *reach);

/*
 * smcp_bpf_execute() - become smc_run_bpf, of the directory of this program
 * @argv: as of main()
 * @obstacle: why it is not the library; NULL: the user wants it so
 *
 * Return: only if it cannot be executed: -errno.
 */
int smcp_bpf_execute(char **argv, const char *obstacle);

#endif
