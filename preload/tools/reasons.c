// SPDX-License-Identifier: MIT
#include <stddef.h>

#include "reasons.h"
#include "util.h"

#define RDMA_LINK                                                            \
	"rdma link and ping show whether the RDMA devices of the two hosts " \
	"reach each other"
#define COMPARE "compare kernels and SMC settings of the two hosts"
#define DEVICE                                                                \
	"SMC needs an RDMA or ISM device on the network of the connection's " \
	"interface: rdma link; smc_pnet tells which belong together"

static const struct smcp_reason reasons[] = {
	{0x01010000, "no memory for the buffers",
	 "free memory, or ask for smaller buffers: smc_run -r and -t, "
	 "net.smc.rmem, net.smc.wmem"},
	{0x02010000, "no answer to CONFIRM LINK", RDMA_LINK},
	{0x02020000, "no answer to ADD LINK", RDMA_LINK},
	{0x03000000, "the proposal could not be made", COMPARE},
	{0x03010000, "peer did not offer SMC",
	 "the other program has to ask for SMC, too (smc_run there), and no "
	 "firewall may take the option out of its SYN"},
	{0x03020000, "IPsec protects the connection",
	 "SMC would go past IPsec: exclude the peer (--deny), or IPsec from "
	 "the connection"},
	{0x03030000, "no device for SMC", DEVICE},
	{0x03030001, "no device for SMC-D", DEVICE},
	{0x03030002, "no device for SMC-R", DEVICE},
	{0x03030003, "no ISM device for SMC version 2", DEVICE},
	{0x03030004, "peer did not offer SMC version 2",
	 "enable version 2 on the other host, with a user EID: smcd ueid add "
	 "NAME"},
	{0x03030005, "peer did not offer SMC-D version 2",
	 "enable SMC-D version 2 on the other host"},
	{0x03030006, "peer sent no system EID",
	 "smcd ueid add NAME (or smcr), the same NAME on both hosts"},
	{0x03030007, "no device for SMC-D version 2", DEVICE},
	{0x03030008, "no common user EID",
	 "smcd ueid add NAME (or smcr), the same NAME on both hosts"},
	{0x03030009, "no common release of SMC version 2", COMPARE},
	{0x0303000a, "no agreement on connections for each link group",
	 "net.smc.smcr_max_conns_per_lgr on both hosts"},
	{0x0303000b, "no agreement on links for each link group",
	 "net.smc.smcr_max_links_per_lgr on both hosts"},
	{0x03040000, "one side has SMC-R, the other SMC-D", DEVICE},
	{0x03050000, "peer writes an eyecatcher to its buffers",
	 "an old peer: update its kernel"},
	{0x03060000, "an option of the socket has no counterpart in SMC",
	 "the program uses TCP_FASTOPEN, TCP_ULP or the like: leave it on TCP "
	 "or change its configuration"},
	{0x03070000, "not in one subnet, which SMC version 1 needs",
	 "SMC version 2 on both hosts: smcr ueid add NAME, the same NAME"},
	{0x03080000, "the VLAN of the interface could not be told",
	 "ip -d link show; a bond or bridge may have more than one VLAN below"},
	{0x03090000, "the ISM device refused the VLAN",
	 "the device must be allowed to use the VLAN of the connection"},
	{0x030a0000, "no active link in the link group", RDMA_LINK},
	{0x030b0000, "the link that the server chose is not there", RDMA_LINK},
	{0x030c0000, "versions of SMC do not match", COMPARE},
	{0x030d0000, "the SMC-D device has no buffer left",
	 "fewer connections at a time, or another device"},
	{0x030e0000, "no route to the peer's RDMA device",
	 "ip route get ADDRESS, with the address of the peer's RDMA device"},
	{0x030f0000, "one side would need a gateway, the other has none",
	 "compare the routes between the RDMA devices, on both hosts"},
	{0x03f10000, "TCP was asked for (SMC_USE)",
	 "smc_run --explain ADDR:PORT shows the rule"},
	{0x04000000, "the peer has lost the link group",
	 "none needed: the next connection makes a new one"},
	{0x05000000, "peer declined", "the reason is the peer's: ask there"},
	{0x09990000, "internal error of the kernel's SMC",
	 "the kernel's log may say more"},
	{0x09990001, "the peer's memory key could not be kept",
	 "too many buffers in one link group: "
	 "net.smc.smcr_max_conns_per_lgr"},
	{0x09990002, "the link could not be made ready", RDMA_LINK},
	{0x09990003, "a buffer could not be registered with the device",
	 "rdma resource show says what is used; ulimit -l and the device "
	 "limit it"},
};

const struct smcp_reason *smcp_reason_find(uint32_t code)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(reasons); i++) {
		if (reasons[i].code == code)
			return &reasons[i];
	}
	return NULL;
}
