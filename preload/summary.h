/* SPDX-License-Identifier: MIT */
#ifndef SMCP_SUMMARY_H
#define SMCP_SUMMARY_H

#include <stdatomic.h>
#include <stdint.h>

/*
 * What sockets became, counted for smc_run --summary.  The page is a memfd that
 * COMMAND and all below it inherit; its number is in SMC_SUMMARY_FD.  Whoever has
 * it may write anything there, so it is read with care.
 */
#define SMCP_SUMMARY_VARIABLE "SMC_SUMMARY_FD"
#define SMCP_SUMMARY_MAGIC "smc_run summary1" /* without the NUL */
#define SMCP_SUMMARY_RULES 56
#define SMCP_SUMMARY_ERRORS 8

/* One more in a counter of processes that do not wait for each other */
#define smcp_summary_add(counter) \
	((void)atomic_fetch_add_explicit((counter), 1, memory_order_relaxed))

enum smcp_summary_state {
	SMCP_SUMMARY_FREE,
	SMCP_SUMMARY_TAKEN, /* the text is being written */
	SMCP_SUMMARY_READY,
};

/* The same for all word sizes. */
struct smcp_summary {
	char magic[16];
	atomic_uint is_not_started; /* smc_run_core could not start COMMAND */
	atomic_uint programs; /* that loaded the library */
	atomic_uint
		sockets; /* made for TCP or SMC; what follows is of these: */
	atomic_uint by_option; /* TCP for an option that only TCP has */
	atomic_uint by_others; /* TCP by rules the table has no place for */
	atomic_uint required; /* calls that failed: SMC is required */
	atomic_uint refused; /* calls that failed: cannot be TCP any more */
	struct {
		atomic_uint error; /* 0: free */
		atomic_uint count;
	} absent[SMCP_SUMMARY_ERRORS]; /* TCP: SMC could not be had */
	struct {
		atomic_uint state; /* enum smcp_summary_state */
		atomic_uint count;
		char text
			[56]; /* what comes behind "TCP by "; ends with a NUL */
	} rules[SMCP_SUMMARY_RULES];
};

_Static_assert(sizeof(struct smcp_summary) <= 4096, "it is one page");

/*
 * smcp_summary_map() - the page of a descriptor, if it is one of smc_run
 * @text: the value of SMC_SUMMARY_FD, or NULL
 *
 * The number may be another file's by now: nothing is written to what is not a
 * memfd that can neither shrink nor grow and begins with the magic.  May change
 * errno.
 *
 * Return: the page, for munmap() of its size; or NULL.
 */
struct smcp_summary *smcp_summary_map(const char *text);

/*
 * smcp_summary_rule() - one more socket is TCP by a rule
 * @summary: the page
 * @place: where the rule is from, as "rule pg, /etc/smc/smc.conf:6" or
 *	"SMC_DENY:1"; "default" and "bad list" stand for themselves
 *
 * Async-signal-safe, as smcp_summary_absent(); leaves errno alone.
 */
void smcp_summary_rule(struct smcp_summary *summary, const char *place);

/* smcp_summary_absent() - one more is TCP as asking for SMC gave this errno */
void smcp_summary_absent(struct smcp_summary *summary, int error);

#endif
