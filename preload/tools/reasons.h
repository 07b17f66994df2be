/* SPDX-License-Identifier: MIT */
#ifndef SMCP_REASONS_H
#define SMCP_REASONS_H

#include <stdint.h>

/* Why a connection is TCP although SMC was asked for. */
struct smcp_reason {
	uint32_t code; /* of a CLC DECLINE: RFC 7609, net/smc/smc_clc.h */
	const char *text;
	const char *cure;
};

/* smcp_reason_find() - what a code means; NULL: unknown */
const struct smcp_reason *smcp_reason_find(uint32_t code);

#endif
