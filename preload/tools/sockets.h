/* SPDX-License-Identifier: MIT */
#ifndef SMCP_SOCKETS_H
#define SMCP_SOCKETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum smcp_socket_mode {
	SMCP_MODE_UNDECIDED,
	SMCP_MODE_TCP,
	SMCP_MODE_SMC, /* a listener that takes SMC */
	SMCP_MODE_SMCR,
	SMCP_MODE_SMCD,
};

struct smcp_name {
	int family; /* AF_INET, AF_INET6, or 0: not known */
	uint8_t addr[16]; /* of AF_INET the first four bytes */
	uint16_t port;
};

struct smcp_socket {
	uint64_t inode;
	uint64_t cookie;
	struct smcp_name local, peer;
	enum smcp_socket_mode mode;
	bool is_listener;
	bool is_smc; /* smc_diag knows it */
	bool has_names; /* TCP's diagnosis knows it */
	bool has_bytes;
	uint64_t rx_bytes, tx_bytes;
	/* why it is TCP, codes of CLC; 0: not known, or nobody asked for SMC */
	uint32_t reason, peer_reason;
};

/* The TCP and SMC sockets of a network namespace */
struct smcp_sockets {
	struct smcp_socket *all; /* by inode */
	size_t n;
	uint8_t listening[65536 / 8]; /* ports */
	int reasons; /* a socket that is asked for reasons, or -1 */
};

/*
 * smcp_sockets_collect() - ask the kernel for those of this thread's namespace
 * @ret_sockets: what it says; the caller frees it by smcp_sockets_free()
 *
 * Return: 0; -EOPNOTSUPP: the kernel has no such diagnosis; -ENOMEM, or what netlink
 * answers; with nothing to free.
 */
int smcp_sockets_collect(struct smcp_sockets *ret_sockets);

void smcp_sockets_free(struct smcp_sockets *sockets);

/*
 * smcp_sockets_find() - the socket of an inode, or NULL
 *
 * A reason that only the module remembers is asked for.  Not for long: the next
 * smcp_sockets_collect() may find others.
 */
struct smcp_socket *smcp_sockets_find(struct smcp_sockets *sockets,
				      uint64_t inode);

/*
 * smcp_socket_look() - complete what smc_diag of some kernels leaves out
 * @socket: which is that of
 * @fd: of the process
 * @pid: the process; if it may not be looked at, nothing happens
 *
 * For those of the kernel's own module smc_diag has no addresses.  They are taken
 * from the socket, of which there is a duplicate for a moment.
 */
void smcp_socket_look(struct smcp_socket *socket, pid_t pid, int fd);

#endif
