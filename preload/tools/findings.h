/* SPDX-License-Identifier: MIT */
#ifndef SMCP_FINDINGS_H
#define SMCP_FINDINGS_H

#include <stdbool.h>

/* Exit statuses of smc_run --check; the highest of all findings is the result. */
enum smcp_result {
	SMCP_RESULT_SMC = 0,
	SMCP_RESULT_TCP = 10, /* it would run on TCP */
	SMCP_RESULT_UNREACHABLE = 11, /* the library cannot get into it */
	SMCP_RESULT_BROKEN = 12, /* the installation or the rules */
};

/*
 * smcp_found_ok(), smcp_found_warning() - add a finding
 * @topic: one word, which stays
 *
 * Findings are printed in the order in which they were added.
 */
__attribute__((format(printf, 2, 3))) void
smcp_found_ok(const char *topic, const char *format, ...);
__attribute__((format(printf, 2, 3))) void
smcp_found_warning(const char *topic, const char *format, ...);

/* smcp_found_failure() - add one that decides about the result */
__attribute__((format(printf, 3, 4))) void
smcp_found_failure(const char *topic, enum smcp_result result,
		   const char *format, ...);

/* smcp_found_cure() - what helps against the last finding, on one line */
__attribute__((format(printf, 1, 2))) void smcp_found_cure(const char *format,
							   ...);

/*
 * smcp_findings_print() - print all, and what they come to
 * @is_json: as JSON
 *
 * Return: the exit status.
 */
int smcp_findings_print(bool is_json);

#endif
