/* SPDX-License-Identifier: MIT */
#ifndef SMCP_SMC_UAPI_H
#define SMCP_SMC_UAPI_H

/*
 * SMC's numbers, for programs built against the headers of another kernel.
 * tests/kpatch/uapi.sh compares the socket options with what the patch series
 * makes of include/uapi/linux/smc.h.
 */
#include <stdint.h>

#ifndef AF_SMC
#define AF_SMC 43
#endif
#ifndef IPPROTO_SMC
#define IPPROTO_SMC 256
#endif
#ifndef SOL_SMC
#define SOL_SMC 286
#endif

#ifndef SMC_USE
#define SMC_USE 0x101
#define SMC_STATUS 0x102
#define SMC_REASON 0x103

/* Values of SMC_USE. */
#define SMC_USE_UNSET 0
#define SMC_USE_SMC 1
#define SMC_USE_TCP 2

/* Values of smc_status.mode. */
#define SMC_MODE_UNDECIDED 0
#define SMC_MODE_TCP 1
#define SMC_MODE_SMCR 2
#define SMC_MODE_SMCD 3
#define SMC_MODE_LISTEN 4

/* Value of SMC_STATUS. */
struct smc_status {
	uint8_t mode;
	uint8_t use;
	uint8_t pad[2];
	uint32_t reason;
	uint32_t peer_reason;
};

/* Value of SMC_REASON; the cookie is given. */
struct smc_reason {
	uint64_t cookie __attribute__((aligned(8)));
	uint32_t reason;
	uint32_t peer_reason;
};
#endif

#endif
