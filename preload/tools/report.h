/* SPDX-License-Identifier: MIT */
#ifndef SMCP_REPORT_H
#define SMCP_REPORT_H

#include <stdbool.h>
#include <sys/types.h>

/*
 * smcp_report() - print what the TCP and SMC sockets of processes are
 * @pid: the process; 0: all that may be read and have any
 * @is_json: as in docs/report.schema.json, else a table
 *
 * What is wrong goes to stderr.
 *
 * Return: the exit status of smc_run: 0; 1: no such process or not permitted; 12:
 * the kernel has no diagnosis of SMC.
 */
int smcp_report(pid_t pid, bool is_json);

#endif
