/* SPDX-License-Identifier: MIT */
#ifndef SMCP_BPF_COUNTS_H
#define SMCP_BPF_COUNTS_H

#include <stdbool.h>
#include <stdint.h>

/* What the BPF side has counted since it was switched on for the machine */
struct smcp_bpf_counts {
	uint64_t sockets; /* TCP sockets in scope, of which: */
	uint64_t smc; /* left to SMC */
	uint64_t mixed; /* TCP by rules that ask for addresses */
	uint64_t absent; /* TCP because SMC was unavailable */
	uint64_t by_rules; /* TCP by rules */
};

/*
 * smcp_bpf_counts_read() - read the pinned map
 *
 * Return: is it on, and may this process look?
 */
bool smcp_bpf_counts_read(struct smcp_bpf_counts *ret_counts);

#endif
