// SPDX-License-Identifier: MIT
/*
 * The lab's view of SMC in the kernel, in lines that a shell can read:
 *
 *	smcctl ueid add NAME	adds a user EID
 *	smcctl ueid list | ueid flush
 *	smcctl pnet add NAME DEVICE
 *				DEVICE is used from network NAME only
 *	smcctl stats		KEY VALUE lines
 *	smcctl reasons		SIDE CODE COUNT, one line a fallback reason
 *	smcctl conns		INODE STATE MODE LOCAL PEER REASON PEER_REASON
 *	smcctl groups		link groups: KIND ID CONNS DEVICE [GID PEER_GID]
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tools/smcnl.h"

static int usage(void)
{
	fputs("usage: smcctl ueid add NAME | ueid list | ueid flush | "
	      "pnet add NAME DEVICE | stats | reasons | conns | groups\n",
	      stderr);
	return 2;
}

static int print_ueid(const char *eid, void *arg)
{
	(void)arg;
	printf("%s\n", eid);
	return 0;
}

static void print_tech(const char *name, const struct smcnl_tech *tech)
{
	printf("%s.clnt %" PRIu64 "\n%s.srv %" PRIu64 "\n", name, tech->clnt,
	       name, tech->srv);
	printf("%s.rx_bytes %" PRIu64 "\n%s.tx_bytes %" PRIu64 "\n", name,
	       tech->rx_bytes, name, tech->tx_bytes);
}

static int print_stats(void)
{
	struct smcnl_stats stats;
	int rc;

	rc = smcnl_get_stats(&stats);
	if (rc)
		return rc;
	print_tech("smcd", &stats.smcd);
	print_tech("smcr", &stats.smcr);
	printf("hs_err.clnt %" PRIu64 "\nhs_err.srv %" PRIu64 "\n",
	       stats.clnt_hs_err, stats.srv_hs_err);
	printf("fallback.clnt %" PRIu64 "\nfallback.srv %" PRIu64 "\n",
	       stats.clnt_fallback, stats.srv_fallback);
	return 0;
}

static int print_reason(const struct smcnl_reason *reason, void *arg)
{
	(void)arg;
	printf("%s 0x%08x %u\n", reason->is_srv ? "srv" : "clnt", reason->code,
	       reason->count);
	return 0;
}

static const char *mode_name(unsigned int mode)
{
	switch (mode) {
	case SMC_DIAG_MODE_SMCR:
		return "SMC-R";
	case SMC_DIAG_MODE_SMCD:
		return "SMC-D";
	case SMC_DIAG_MODE_FALLBACK_TCP:
		return "TCP";
	default:
		return "?";
	}
}

static const char *state_name(unsigned int state)
{
	switch (state) {
	case 1:
		return "ACTIVE";
	case 2:
		return "INIT";
	case 7:
		return "CLOSED";
	case 10:
		return "LISTEN";
	default:
		return state >= 20 && state <= 26 ? "CLOSING" : "?";
	}
}

static void print_addr(int family, const __be32 *addr, __be16 port)
{
	char text[INET6_ADDRSTRLEN];

	/* The kernel says AF_SMC, whatever is below. */
	if (family != AF_INET6)
		family = addr[1] || addr[2] || addr[3] ? AF_INET6 : AF_INET;
	inet_ntop(family, addr, text, sizeof(text));
	printf(family == AF_INET6 ? " [%s]:%u" : " %s:%u", text, ntohs(port));
}

static int print_conn(const struct smcnl_conn *conn, void *arg)
{
	const struct smc_diag_msg *msg = &conn->msg;

	(void)arg;
	printf("%llu %s %s", (unsigned long long)msg->diag_inode,
	       state_name(msg->diag_state), mode_name(msg->diag_mode));
	print_addr(msg->diag_family, msg->id.idiag_src, msg->id.idiag_sport);
	print_addr(msg->diag_family, msg->id.idiag_dst, msg->id.idiag_dport);
	printf(" 0x%08x 0x%08x\n", conn->fallback.reason,
	       conn->fallback.peer_diagnosis);
	return 0;
}

static int print_smcr_group(struct nlattr **attrs, void *arg)
{
	(void)arg;
	if (attrs[SMC_NLA_LGR_R_ID] && attrs[SMC_NLA_LGR_R_CONNS_NUM])
		printf("SMC-R %08x %u\n", nla_get_u32(attrs[SMC_NLA_LGR_R_ID]),
		       nla_get_u32(attrs[SMC_NLA_LGR_R_CONNS_NUM]));
	return 0;
}

static int print_smcr_link(struct nlattr **attrs, void *arg)
{
	(void)arg;
	if (attrs[SMC_NLA_LINK_IB_DEV] && attrs[SMC_NLA_LINK_GID] &&
	    attrs[SMC_NLA_LINK_PEER_GID] && attrs[SMC_NLA_LINK_CONN_CNT])
		printf("link %s %u %s %s\n",
		       nla_get_string(attrs[SMC_NLA_LINK_IB_DEV]),
		       nla_get_u32(attrs[SMC_NLA_LINK_CONN_CNT]),
		       nla_get_string(attrs[SMC_NLA_LINK_GID]),
		       nla_get_string(attrs[SMC_NLA_LINK_PEER_GID]));
	return 0;
}

static int print_smcd_group(struct nlattr **attrs, void *arg)
{
	(void)arg;
	if (attrs[SMC_NLA_LGR_D_ID] && attrs[SMC_NLA_LGR_D_CONNS_NUM])
		printf("SMC-D %08x %u\n", nla_get_u32(attrs[SMC_NLA_LGR_D_ID]),
		       nla_get_u32(attrs[SMC_NLA_LGR_D_CONNS_NUM]));
	return 0;
}

static int print_groups(void)
{
	int rc;

	rc = smcnl_dump_nest(SMC_NETLINK_GET_LGR_SMCR, SMC_GEN_LGR_SMCR,
			     SMC_NLA_LGR_R_MAX, print_smcr_group, NULL);
	if (!rc)
		rc = smcnl_dump_nest(SMC_NETLINK_GET_LINK_SMCR,
				     SMC_GEN_LINK_SMCR, SMC_NLA_LINK_MAX,
				     print_smcr_link, NULL);
	if (!rc)
		rc = smcnl_dump_nest(SMC_NETLINK_GET_LGR_SMCD, SMC_GEN_LGR_SMCD,
				     SMC_NLA_LGR_D_MAX, print_smcd_group, NULL);
	return rc;
}

int main(int argc, char **argv)
{
	const char *verb = argc > 1 ? argv[1] : "";
	int rc;

	if (argc == 4 && !strcmp(verb, "ueid") && !strcmp(argv[2], "add"))
		rc = smcnl_ueid_add(argv[3]);
	else if (argc == 3 && !strcmp(verb, "ueid") && !strcmp(argv[2], "list"))
		rc = smcnl_dump_ueids(print_ueid, NULL);
	else if (argc == 3 && !strcmp(verb, "ueid") &&
		 !strcmp(argv[2], "flush"))
		rc = smcnl_ueid_flush();
	else if (argc == 5 && !strcmp(verb, "pnet") && !strcmp(argv[2], "add"))
		rc = smcnl_pnet_add(argv[3], argv[4]);
	else if (argc == 2 && !strcmp(verb, "stats"))
		rc = print_stats();
	else if (argc == 2 && !strcmp(verb, "reasons"))
		rc = smcnl_dump_reasons(print_reason, NULL);
	else if (argc == 2 && !strcmp(verb, "conns"))
		rc = smcnl_dump_conns(print_conn, NULL);
	else if (argc == 2 && !strcmp(verb, "groups"))
		rc = print_groups();
	else
		return usage();
	if (rc) {
		fprintf(stderr, "smcctl: %s: %s\n", verb, strerror(-rc));
		return 1;
	}
	return 0;
}
