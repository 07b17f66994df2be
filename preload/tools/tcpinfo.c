// SPDX-License-Identifier: MIT
#include <linux/tcp.h>
#include <string.h>

#include "tcpinfo.h"

void smcp_tcpinfo_bytes(const void *info, size_t len, uint64_t *ret_rx,
			uint64_t *ret_tx)
{
	struct tcp_info copy = {0};

	if (info)
		memcpy(&copy, info, len < sizeof(copy) ? len : sizeof(copy));
	*ret_rx = copy.tcpi_bytes_received;
	*ret_tx = copy.tcpi_bytes_sent - copy.tcpi_bytes_retrans;
}
