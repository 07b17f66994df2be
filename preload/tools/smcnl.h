/* SPDX-License-Identifier: MIT */
/*
 * Client of the kernel's two SMC interfaces: generic netlink SMC_GEN_NETLINK
 * (linux/smc.h) and socket diagnosis (linux/smc_diag.h), and of TCP's diagnosis.
 *
 * All functions return 0 or -errno; -ENOENT means that the kernel has no such
 * interface (module not loaded).
 */
#ifndef SMCNL_H
#define SMCNL_H

#include <linux/inet_diag.h>
#include <linux/smc.h>
#include <linux/smc_diag.h>
#include <netlink/attr.h>
#include <stdbool.h>
#include <stdint.h>

/* One SMC socket as smc_diag reports it; addresses are those of the kernel. */
struct smcnl_conn {
	struct smc_diag_msg msg;
	struct smc_diag_fallback fallback;
	struct smc_diag_conninfo info;
	bool has_info;
};

/* One TCP socket as inet_diag reports it */
struct smcnl_tcp {
	struct inet_diag_msg msg;
	const void *info; /* the kernel's struct tcp_info, or NULL */
	size_t info_len;
};

/* Totals of one transport since the network namespace was made. */
struct smcnl_tech {
	uint64_t clnt; /* handshakes that ended in SMC, as client */
	uint64_t srv; /* the same as server */
	uint64_t rx_bytes;
	uint64_t tx_bytes;
};

struct smcnl_stats {
	struct smcnl_tech smcd;
	struct smcnl_tech smcr;
	uint64_t clnt_hs_err;
	uint64_t srv_hs_err;
	uint64_t clnt_fallback;
	uint64_t srv_fallback;
};

/* One reason for which connections fell back to TCP. */
struct smcnl_reason {
	int is_srv;
	uint32_t code; /* CLC decline code */
	unsigned int count;
};

/*
 * Each dump calls @fn once an element with @arg; a non-zero result of @fn ends
 * the dump and is returned.
 */
int smcnl_dump_conns(int (*fn)(const struct smcnl_conn *conn, void *arg),
		     void *arg);
/* @family: AF_INET, or AF_INET6, which has those of v4-mapped addresses, too */
int smcnl_dump_tcp(int family,
		   int (*fn)(const struct smcnl_tcp *tcp, void *arg),
		   void *arg);
int smcnl_dump_reasons(int (*fn)(const struct smcnl_reason *reason, void *arg),
		       void *arg);
int smcnl_dump_ueids(int (*fn)(const char *eid, void *arg), void *arg);
/* @device: the name of an interface, RDMA or ISM device */
int smcnl_dump_pnet(int (*fn)(const char *name, const char *device, void *arg),
		    void *arg);

/*
 * smcnl_dump_nest() hands out the attributes of the nest @nest (SMC_GEN_*) in
 * the answer to the dump command @cmd (SMC_NETLINK_GET_*), parsed into a table
 * of @max + 1 entries.
 */
int smcnl_dump_nest(int cmd, int nest, int max,
		    int (*fn)(struct nlattr **attrs, void *arg), void *arg);

/* smcnl_dump() hands out the messages that answer the dump command @cmd. */
int smcnl_dump(int cmd, int (*fn)(struct nlmsghdr *nlh, void *arg), void *arg);

/* smcnl_get_stats() fills @ret_stats. */
int smcnl_get_stats(struct smcnl_stats *ret_stats);

/*
 * smcnl_ueid_add() adds a user EID: 1 to 32 characters of A-Z 0-9 . - with an
 * alphanumeric first.  -EINVAL: the kernel does not take the name; -ERANGE:
 * the table is full.  A name that is there already is no error.
 */
int smcnl_ueid_add(const char *name);

/* smcnl_ueid_flush() removes all user EIDs. */
int smcnl_ueid_flush(void);

/*
 * smcnl_pnet_add() says that @device, an RDMA or ISM device, is on the physical
 * network @name: 1 to 16 letters and digits.
 */
int smcnl_pnet_add(const char *name, const char *device);

#endif
