/* SPDX-License-Identifier: MIT */
#ifndef SMCP_PROXY_H
#define SMCP_PROXY_H

/*
 * To wait for a program in its place: who started this process, and the terminal,
 * are to see what they would see of the program.
 */

/*
 * smcp_proxy_run() - run a program to its end
 * @argv: its path and arguments
 * @on_failure: called in the child if it cannot be executed, which then ends with
 *	125
 * @ret_status: as of waitpid()
 *
 * The program gets mask, dispositions and descriptors of this process, which keeps
 * only standard error.  It stays in the process group, and so gets the signals of
 * the terminal itself; others that were sent to this process are passed on.  Both
 * stop and go on together.  All signals are blocked afterwards.
 *
 * Return: 0; or -errno, and there is no child.
 */
int smcp_proxy_run(char **argv, void (*on_failure)(int err), int *ret_status);

/*
 * smcp_proxy_end() - end as the program did
 * @status: as of waitpid()
 *
 * Return: the exit status; not at all if a signal ended it.
 */
int smcp_proxy_end(int status);

#endif
