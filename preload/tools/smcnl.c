// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>
#include <netlink/netlink.h>

#include "smc_uapi.h"
#include "smcnl.h"

/* A state that netinet/tcp.h does not name */
enum { TCP_NEW_SYN_RECV = 12 };

struct dump {
	int (*parse)(struct nlmsghdr *nlh, void *arg);
	void *arg;
	int result;
};

static int to_errno(int nlerr)
{
	switch (-nlerr) {
	case NLE_OBJ_NOTFOUND:
		return -ENOENT;
	case NLE_NOMEM:
		return -ENOMEM;
	case NLE_INVAL:
		return -EINVAL;
	case NLE_EXIST:
		return -EEXIST;
	case NLE_RANGE:
		return -ERANGE;
	case NLE_PERM:
	case NLE_NOACCESS:
		return -EPERM;
	case NLE_OPNOTSUPP:
		return -EOPNOTSUPP;
	default:
		return -EIO;
	}
}

static int on_valid(struct nl_msg *msg, void *arg)
{
	struct dump *dump = arg;

	dump->result = dump->parse(nlmsg_hdr(msg), dump->arg);
	return dump->result ? NL_STOP : NL_OK;
}

/* The end of a dump may say why there is not more, of which libnl knows nothing. */
static int on_finish(struct nl_msg *msg, void *arg)
{
	struct nlmsghdr *nlh = nlmsg_hdr(msg);
	struct dump *dump = arg;
	int err = 0;

	if (nlmsg_datalen(nlh) >= (int)sizeof(err))
		memcpy(&err, nlmsg_data(nlh), sizeof(err));
	if (err < 0)
		dump->result = err;
	return NL_STOP;
}

/* Sends @msg, which it frees, and reads the whole answer. */
static int transact(struct nl_sock *sk, struct nl_msg *msg, struct dump *dump)
{
	int rc;

	if (dump) {
		nl_socket_modify_cb(sk, NL_CB_VALID, NL_CB_CUSTOM, on_valid,
				    dump);
		nl_socket_modify_cb(sk, NL_CB_FINISH, NL_CB_CUSTOM, on_finish,
				    dump);
	}
	rc = nl_send_auto(sk, msg);
	nlmsg_free(msg);
	if (rc >= 0)
		rc = nl_recvmsgs_default(sk);
	if (rc < 0)
		return to_errno(rc);
	return dump ? dump->result : 0;
}

/*
 * Opens generic netlink and makes a request for @cmd of @family_name; the caller
 * frees both.
 */
static int family_request(const char *family_name, int version, int cmd,
			  int flags, struct nl_sock **ret_sk,
			  struct nl_msg **ret_msg)
{
	struct nl_sock *sk;
	struct nl_msg *msg;
	int family, rc;

	sk = nl_socket_alloc();
	if (!sk)
		return -ENOMEM;
	rc = genl_connect(sk);
	if (rc < 0)
		goto err;
	family = genl_ctrl_resolve(sk, family_name);
	if (family < 0) {
		rc = family;
		goto err;
	}
	msg = nlmsg_alloc();
	if (!msg || !genlmsg_put(msg, NL_AUTO_PORT, NL_AUTO_SEQ, family, 0,
				 flags, cmd, version)) {
		nlmsg_free(msg);
		rc = -NLE_NOMEM;
		goto err;
	}
	*ret_sk = sk;
	*ret_msg = msg;
	return 0;
err:
	nl_socket_free(sk);
	return to_errno(rc);
}

static int genl_request(int cmd, int flags, struct nl_sock **ret_sk,
			struct nl_msg **ret_msg)
{
	return family_request(SMC_GENL_FAMILY_NAME, SMC_GENL_FAMILY_VERSION,
			      cmd, flags, ret_sk, ret_msg);
}

static int family_dump(const char *family_name, int version, int cmd,
		       struct dump *dump)
{
	struct nl_sock *sk;
	struct nl_msg *msg;
	int rc;

	rc = family_request(family_name, version, cmd, NLM_F_DUMP, &sk, &msg);
	if (rc)
		return rc;
	rc = transact(sk, msg, dump);
	nl_socket_free(sk);
	return rc;
}

int smcnl_dump(int cmd, int (*fn)(struct nlmsghdr *nlh, void *arg), void *arg)
{
	struct dump dump = {fn, arg, 0};

	return family_dump(SMC_GENL_FAMILY_NAME, SMC_GENL_FAMILY_VERSION, cmd,
			   &dump);
}

struct nest_dump {
	int nest;
	int max;
	int (*fn)(struct nlattr **attrs, void *arg);
	void *arg;
};

static int parse_nest(struct nlmsghdr *nlh, void *arg)
{
	const struct nest_dump *nd = arg;
	struct nlattr *attrs[64], *outer;

	outer = nlmsg_find_attr(nlh, GENL_HDRLEN, nd->nest);
	if (!outer)
		return 0;
	if (nla_parse_nested(attrs, nd->max, outer, NULL) < 0)
		return -EBADMSG;
	return nd->fn(attrs, nd->arg);
}

int smcnl_dump_nest(int cmd, int nest, int max,
		    int (*fn)(struct nlattr **attrs, void *arg), void *arg)
{
	struct nest_dump nd = {nest, max, fn, arg};

	if (max >= 64)
		return -EINVAL;
	return smcnl_dump(cmd, parse_nest, &nd);
}

static uint64_t get_u64(struct nlattr *attr)
{
	return attr ? nla_get_u64(attr) : 0;
}

static int parse_tech(struct nlattr *nest, struct smcnl_tech *ret_tech)
{
	struct nlattr *attrs[SMC_NLA_STATS_T_MAX + 1];

	if (!nest)
		return 0;
	if (nla_parse_nested(attrs, SMC_NLA_STATS_T_MAX, nest, NULL) < 0)
		return -EBADMSG;
	ret_tech->clnt = get_u64(attrs[SMC_NLA_STATS_T_CLNT_V1_SUCC]) +
			 get_u64(attrs[SMC_NLA_STATS_T_CLNT_V2_SUCC]);
	ret_tech->srv = get_u64(attrs[SMC_NLA_STATS_T_SRV_V1_SUCC]) +
			get_u64(attrs[SMC_NLA_STATS_T_SRV_V2_SUCC]);
	ret_tech->rx_bytes = get_u64(attrs[SMC_NLA_STATS_T_RX_BYTES]);
	ret_tech->tx_bytes = get_u64(attrs[SMC_NLA_STATS_T_TX_BYTES]);
	return 0;
}

static int parse_stats(struct nlattr **attrs, void *arg)
{
	struct smcnl_stats *stats = arg;
	int rc;

	rc = parse_tech(attrs[SMC_NLA_STATS_SMCD_TECH], &stats->smcd);
	if (!rc)
		rc = parse_tech(attrs[SMC_NLA_STATS_SMCR_TECH], &stats->smcr);
	stats->clnt_hs_err = get_u64(attrs[SMC_NLA_STATS_CLNT_HS_ERR_CNT]);
	stats->srv_hs_err = get_u64(attrs[SMC_NLA_STATS_SRV_HS_ERR_CNT]);
	return rc;
}

/* The totals stand in the first message alone. */
static int parse_fallback(struct nlattr **attrs, void *arg)
{
	struct smcnl_stats *stats = arg;

	stats->srv_fallback += get_u64(attrs[SMC_NLA_FBACK_STATS_SRV_CNT]);
	stats->clnt_fallback += get_u64(attrs[SMC_NLA_FBACK_STATS_CLNT_CNT]);
	return 0;
}

int smcnl_get_stats(struct smcnl_stats *ret_stats)
{
	struct smcnl_stats stats = {0};
	int rc;

	rc = smcnl_dump_nest(SMC_NETLINK_GET_STATS, SMC_GEN_STATS,
			     SMC_NLA_STATS_MAX, parse_stats, &stats);
	if (!rc)
		rc = smcnl_dump_nest(SMC_NETLINK_GET_FBACK_STATS,
				     SMC_GEN_FBACK_STATS,
				     SMC_NLA_FBACK_STATS_MAX, parse_fallback,
				     &stats);
	if (!rc)
		*ret_stats = stats;
	return rc;
}

struct reason_dump {
	int (*fn)(const struct smcnl_reason *reason, void *arg);
	void *arg;
};

static int parse_reason(struct nlattr **attrs, void *arg)
{
	const struct reason_dump *rd = arg;
	struct smcnl_reason reason = {0};

	if (!attrs[SMC_NLA_FBACK_STATS_TYPE] ||
	    !attrs[SMC_NLA_FBACK_STATS_RSN_CODE] ||
	    !attrs[SMC_NLA_FBACK_STATS_RSN_CNT])
		return -EBADMSG;
	reason.is_srv = nla_get_u8(attrs[SMC_NLA_FBACK_STATS_TYPE]);
	reason.code = nla_get_u32(attrs[SMC_NLA_FBACK_STATS_RSN_CODE]);
	reason.count = nla_get_u16(attrs[SMC_NLA_FBACK_STATS_RSN_CNT]);
	return rd->fn(&reason, rd->arg);
}

int smcnl_dump_reasons(int (*fn)(const struct smcnl_reason *reason, void *arg),
		       void *arg)
{
	struct reason_dump rd = {fn, arg};

	return smcnl_dump_nest(SMC_NETLINK_GET_FBACK_STATS, SMC_GEN_FBACK_STATS,
			       SMC_NLA_FBACK_STATS_MAX, parse_reason, &rd);
}

struct ueid_dump {
	int (*fn)(const char *eid, void *arg);
	void *arg;
};

static int parse_ueid(struct nlmsghdr *nlh, void *arg)
{
	const struct ueid_dump *ud = arg;
	struct nlattr *attr;

	attr = nlmsg_find_attr(nlh, GENL_HDRLEN, SMC_NLA_EID_TABLE_ENTRY);
	return attr ? ud->fn(nla_get_string(attr), ud->arg) : 0;
}

int smcnl_dump_ueids(int (*fn)(const char *eid, void *arg), void *arg)
{
	struct ueid_dump ud = {fn, arg};

	return smcnl_dump(SMC_NETLINK_DUMP_UEID, parse_ueid, &ud);
}

struct pnet_dump {
	int (*fn)(const char *name, const char *device, void *arg);
	void *arg;
};

/* A kind of device that an entry has not is "n/a". */
static int parse_pnet(struct nlmsghdr *nlh, void *arg)
{
	const struct pnet_dump *pd = arg;
	struct nlattr *name =
		nlmsg_find_attr(nlh, GENL_HDRLEN, SMC_PNETID_NAME);
	struct nlattr *eth =
		nlmsg_find_attr(nlh, GENL_HDRLEN, SMC_PNETID_ETHNAME);
	struct nlattr *ib =
		nlmsg_find_attr(nlh, GENL_HDRLEN, SMC_PNETID_IBNAME);

	if (!name || !eth || !ib)
		return -EBADMSG;
	if (!strcmp(nla_get_string(eth), "n/a"))
		eth = ib;
	return pd->fn(nla_get_string(name), nla_get_string(eth), pd->arg);
}

int smcnl_dump_pnet(int (*fn)(const char *name, const char *device, void *arg),
		    void *arg)
{
	struct pnet_dump pd = {fn, arg};
	struct dump dump = {parse_pnet, &pd, 0};

	return family_dump(SMCR_GENL_FAMILY_NAME, SMCR_GENL_FAMILY_VERSION,
			   SMC_PNETID_GET, &dump);
}

static int ueid_equal(const char *eid, void *arg)
{
	/* The kernel pads with blanks. */
	return !strncmp(eid, arg, SMC_MAX_EID_LEN);
}

/* Sends @msg if it is @complete, and frees it and @sk. */
static int finish(struct nl_sock *sk, struct nl_msg *msg, bool complete)
{
	int rc = -ENOMEM;

	if (complete)
		rc = transact(sk, msg, NULL);
	else
		nlmsg_free(msg);
	nl_socket_free(sk);
	return rc;
}

int smcnl_ueid_add(const char *name)
{
	char padded[SMC_MAX_EID_LEN + 1];
	struct nl_sock *sk;
	struct nl_msg *msg;
	size_t len = strlen(name);
	int rc;

	if (len == 0 || len > SMC_MAX_EID_LEN)
		return -EINVAL;
	memset(padded, ' ', SMC_MAX_EID_LEN);
	memcpy(padded, name, len);
	padded[SMC_MAX_EID_LEN] = '\0';
	rc = smcnl_dump_ueids(ueid_equal, padded);
	if (rc)
		return rc > 0 ? 0 : rc;

	rc = genl_request(SMC_NETLINK_ADD_UEID, NLM_F_ACK, &sk, &msg);
	if (rc)
		return rc;
	return finish(sk, msg,
		      !nla_put_string(msg, SMC_NLA_EID_TABLE_ENTRY, padded));
}

int smcnl_ueid_flush(void)
{
	struct nl_sock *sk;
	struct nl_msg *msg;
	int rc;

	rc = genl_request(SMC_NETLINK_FLUSH_UEID, NLM_F_ACK, &sk, &msg);
	return rc ?: finish(sk, msg, true);
}

int smcnl_pnet_add(const char *name, const char *device)
{
	struct nl_sock *sk;
	struct nl_msg *msg;
	int rc;

	rc = family_request(SMCR_GENL_FAMILY_NAME, SMCR_GENL_FAMILY_VERSION,
			    SMC_PNETID_ADD, NLM_F_ACK, &sk, &msg);
	if (rc)
		return rc;
	return finish(sk, msg,
		      !nla_put_string(msg, SMC_PNETID_NAME, name) &&
			      !nla_put_string(msg, SMC_PNETID_IBNAME, device));
}

/* Sends @req, of @len bytes, to the socket diagnosis, and reads the answer. */
static int diag_dump(const void *req, size_t len,
		     int (*parse)(struct nlmsghdr *nlh, void *arg), void *arg)
{
	struct dump dump = {parse, arg, 0};
	struct nl_sock *sk;
	struct nl_msg *msg;
	int rc = -ENOMEM;

	sk = nl_socket_alloc();
	if (!sk)
		return -ENOMEM;
	rc = nl_connect(sk, NETLINK_SOCK_DIAG);
	if (rc < 0) {
		rc = to_errno(rc);
		goto out;
	}
	msg = nlmsg_alloc_simple(SOCK_DIAG_BY_FAMILY, NLM_F_DUMP);
	if (!msg || nlmsg_append(msg, (void *)req, len, NLMSG_ALIGNTO) < 0) {
		nlmsg_free(msg);
		rc = -ENOMEM;
		goto out;
	}
	rc = transact(sk, msg, &dump);
out:
	nl_socket_free(sk);
	return rc;
}

/* The kernel may know less or more of a structure than we. */
static bool copy_attr(void *to, size_t size, struct nlattr *attr)
{
	size_t len = attr ? (size_t)nla_len(attr) : 0;

	memcpy(to, attr ? nla_data(attr) : "", len < size ? len : size);
	return len >= size;
}

struct conn_dump {
	int (*fn)(const struct smcnl_conn *conn, void *arg);
	void *arg;
};

static int parse_conn(struct nlmsghdr *nlh, void *arg)
{
	const struct conn_dump *cd = arg;
	struct nlattr *attrs[SMC_DIAG_MAX + 1];
	struct smcnl_conn conn = {0};

	if (nlmsg_parse(nlh, sizeof(conn.msg), attrs, SMC_DIAG_MAX, NULL) < 0)
		return -EBADMSG;
	memcpy(&conn.msg, nlmsg_data(nlh), sizeof(conn.msg));
	copy_attr(&conn.fallback, sizeof(conn.fallback),
		  attrs[SMC_DIAG_FALLBACK]);
	conn.has_info = copy_attr(&conn.info, sizeof(conn.info),
				  attrs[SMC_DIAG_CONNINFO]);
	return cd->fn(&conn, cd->arg);
}

int smcnl_dump_conns(int (*fn)(const struct smcnl_conn *conn, void *arg),
		     void *arg)
{
	struct conn_dump cd = {fn, arg};
	struct smc_diag_req req = {
		.diag_family = AF_SMC,
		.diag_ext = 1 << (SMC_DIAG_CONNINFO - 1),
	};

	return diag_dump(&req, sizeof(req), parse_conn, &cd);
}

struct tcp_dump {
	int (*fn)(const struct smcnl_tcp *tcp, void *arg);
	void *arg;
};

static int parse_tcp(struct nlmsghdr *nlh, void *arg)
{
	const struct tcp_dump *td = arg;
	struct nlattr *attrs[INET_DIAG_MAX + 1];
	struct smcnl_tcp tcp = {0};

	if (nlmsg_parse(nlh, sizeof(tcp.msg), attrs, INET_DIAG_MAX, NULL) < 0)
		return -EBADMSG;
	memcpy(&tcp.msg, nlmsg_data(nlh), sizeof(tcp.msg));
	if (attrs[INET_DIAG_INFO]) {
		tcp.info = nla_data(attrs[INET_DIAG_INFO]);
		tcp.info_len = (size_t)nla_len(attrs[INET_DIAG_INFO]);
	}
	return td->fn(&tcp, td->arg);
}

int smcnl_dump_tcp(int family,
		   int (*fn)(const struct smcnl_tcp *tcp, void *arg), void *arg)
{
	struct tcp_dump td = {fn, arg};
	struct inet_diag_req_v2 req = {
		.sdiag_family = (uint8_t)family,
		.sdiag_protocol = IPPROTO_TCP,
		.idiag_ext = 1 << (INET_DIAG_INFO - 1),
		/* but what has no socket: TIME_WAIT, requests */
		.idiag_states = ~(1U << TCP_TIME_WAIT | 1U << TCP_SYN_RECV |
				  1U << TCP_NEW_SYN_RECV),
	};

	return diag_dump(&req, sizeof(req), parse_tcp, &td);
}
