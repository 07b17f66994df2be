/* SPDX-License-Identifier: MIT */
#ifndef SMCP_PROCESS_H
#define SMCP_PROCESS_H

#include <stdbool.h>
#include <stddef.h>

/*
 * smcp_process_execute() - become COMMAND
 * @command: its name, found in PATH, and its arguments
 *
 * Return: only if it cannot be executed, which was printed: the exit status.
 */
int smcp_process_execute(char **command);

/*
 * smcp_process_read() - run a program to its end and read what it prints
 * @argv: found in PATH; no shell sees it.  What it does is not for SMC.
 * @shows_errors: its stderr is ours, not /dev/null
 * @ret_text: what it prints, with a NUL; more than fits is lost
 * @size: of @ret_text
 *
 * Return: its exit status, 127 if there is no such program, 128 if a signal ended
 * it; or -errno, with nothing in @ret_text.
 */
int smcp_process_read(char *const *argv, bool shows_errors, char *ret_text,
		      size_t size);

#endif
