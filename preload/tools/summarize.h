/* SPDX-License-Identifier: MIT */
#ifndef SMCP_SUMMARIZE_H
#define SMCP_SUMMARIZE_H

/*
 * smcp_summarize() - run a program, and say what became of its sockets
 * @argv: as of main(): --summary and options of smc_run_core, "--", COMMAND
 *
 * smc_run_core, of the directory of this program, runs in a child; the summary goes
 * to stderr at its end, unless COMMAND was not started.
 *
 * Return: the exit status, 125 if nothing could be started; or this process dies by
 * the signal by which COMMAND did.
 */
int smcp_summarize(char **argv);

#endif
