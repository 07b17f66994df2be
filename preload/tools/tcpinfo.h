/* SPDX-License-Identifier: MIT */
#ifndef SMCP_TCPINFO_H
#define SMCP_TCPINFO_H

#include <stddef.h>
#include <stdint.h>

/*
 * smcp_tcpinfo_bytes() - how much payload a connection has carried
 * @info: the kernel's struct tcp_info, of @len bytes; netinet/tcp.h, which libnl
 *	includes, does not know all of it
 */
void smcp_tcpinfo_bytes(const void *info, size_t len, uint64_t *ret_rx,
			uint64_t *ret_tx);

#endif
