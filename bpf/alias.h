/* SPDX-License-Identifier: MIT */
#ifndef SMCB_ALIAS_H
#define SMCB_ALIAS_H

/*
 * smcb_alias() - the arguments of smc_run.bpf as those of smc_run_bpf
 * @argv: as of main(); its first names this program by any link
 * @ret_argv: for smcp_options_parse(); NULL: all is done
 *
 * The names are those under which a tool of this kind was proposed for smc-tools.
 *
 * Return: the exit status, if all is done.
 */
int smcb_alias(char **argv, char ***ret_argv);

#endif
