// SPDX-License-Identifier: MIT
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "smc_uapi.h"
#include "smcnl.h"
#include "sockets.h"
#include "tcpinfo.h"

/* Of SMC (net/smc/smc.h) */
enum { SMC_INIT = 2, SMC_LISTEN = 10 };

struct collection {
	struct smcp_sockets *sockets;
	size_t room;
};

static struct smcp_socket *add(struct collection *collection)
{
	struct smcp_sockets *sockets = collection->sockets;
	struct smcp_socket *all;

	if (sockets->n == collection->room) {
		collection->room = 2 * collection->room + 64;
		all = realloc(sockets->all, collection->room * sizeof(*all));
		if (!all)
			return NULL;
		sockets->all = all;
	}
	all = &sockets->all[sockets->n++];
	memset(all, 0, sizeof(*all));
	return all;
}

static struct smcp_name make_name(int family, const void *addr, uint16_t port)
{
	struct smcp_name name = {.family = family, .port = ntohs(port)};

	memcpy(name.addr, addr, family == AF_INET ? 4 : 16);
	return name;
}

static uint64_t make_cookie(const uint32_t cookie[2])
{
	return cookie[0] | (uint64_t)cookie[1] << 32;
}

static int add_tcp(const struct smcnl_tcp *tcp, void *arg)
{
	const struct inet_diag_msg *msg = &tcp->msg;
	struct collection *collection = arg;
	struct smcp_socket *socket;

	if (!msg->idiag_inode)
		return 0;
	socket = add(collection);
	if (!socket)
		return -ENOMEM;
	socket->inode = msg->idiag_inode;
	socket->cookie = make_cookie(msg->id.idiag_cookie);
	socket->local = make_name(msg->idiag_family, msg->id.idiag_src,
				  msg->id.idiag_sport);
	socket->peer = make_name(msg->idiag_family, msg->id.idiag_dst,
				 msg->id.idiag_dport);
	socket->has_names = true;
	socket->mode = SMCP_MODE_TCP;
	socket->is_listener = msg->idiag_state == TCP_LISTEN;
	socket->has_bytes = !socket->is_listener;
	smcp_tcpinfo_bytes(tcp->info, tcp->info_len, &socket->rx_bytes,
			   &socket->tx_bytes);
	return 0;
}

/* smc_diag does not say of which family addresses are. */
static struct smcp_name name_of_unknown(const uint32_t addr[4], uint16_t port)
{
	return make_name(addr[1] || addr[2] || addr[3] ? AF_INET6 : AF_INET,
			 addr, port);
}

/*
 * A cursor counts what went through a buffer, in 16 bits of rounds: it begins
 * again after 65536 of them.
 */
static uint64_t cursor_bytes(const struct smc_diag_cursor *cursor,
			     uint32_t size)
{
	return (uint64_t)cursor->wrap * size + cursor->count;
}

static enum smcp_socket_mode mode_of(const struct smc_diag_msg *msg)
{
	if (msg->diag_mode == SMC_DIAG_MODE_FALLBACK_TCP)
		return SMCP_MODE_TCP;
	if (msg->diag_state == SMC_LISTEN)
		return SMCP_MODE_SMC;
	if (msg->diag_state == SMC_INIT)
		return SMCP_MODE_UNDECIDED;
	return msg->diag_mode == SMC_DIAG_MODE_SMCD ? SMCP_MODE_SMCD
						    : SMCP_MODE_SMCR;
}

static int add_smc(const struct smcnl_conn *conn, void *arg)
{
	const struct smc_diag_msg *msg = &conn->msg;
	struct collection *collection = arg;
	struct smcp_socket *socket;

	if (!msg->diag_inode)
		return 0;
	socket = add(collection);
	if (!socket)
		return -ENOMEM;
	socket->inode = msg->diag_inode;
	socket->cookie = make_cookie(msg->id.idiag_cookie);
	if (msg->id.idiag_sport) {
		socket->local =
			name_of_unknown(msg->id.idiag_src, msg->id.idiag_sport);
		socket->peer =
			name_of_unknown(msg->id.idiag_dst, msg->id.idiag_dport);
	}
	socket->mode = mode_of(msg);
	socket->is_listener = msg->diag_state == SMC_LISTEN;
	socket->is_smc = true;
	socket->reason = conn->fallback.reason;
	socket->peer_reason = conn->fallback.peer_diagnosis;
	socket->has_bytes = conn->has_info;
	socket->rx_bytes =
		cursor_bytes(&conn->info.rx_prod, conn->info.rmbe_size);
	socket->tx_bytes =
		cursor_bytes(&conn->info.tx_prod, conn->info.peer_rmbe_size);
	return 0;
}

static int by_inode(const void *a, const void *b)
{
	const struct smcp_socket *x = a, *y = b;

	if (x->inode != y->inode)
		return x->inode < y->inode ? -1 : 1;
	return x->is_smc - y->is_smc;
}

/*
 * A socket of the project's module is in both lists: TCP knows its names, SMC all
 * else.
 */
static void merge(struct smcp_sockets *sockets)
{
	struct smcp_socket *all = sockets->all, *last;
	size_t i, n = 0;

	for (i = 0; i < sockets->n; i++) {
		last = n ? &all[n - 1] : NULL;
		if (!last || last->inode != all[i].inode) {
			all[n++] = all[i];
			continue;
		}
		all[i].has_names = true;
		all[i].local = last->local;
		all[i].peer = last->peer;
		*last = all[i];
	}
	sockets->n = n;
	for (i = 0; i < n; i++) {
		if (all[i].is_listener)
			sockets->listening[all[i].local.port / 8] |=
				(uint8_t)(1 << all[i].local.port % 8);
	}
}

int smcp_sockets_collect(struct smcp_sockets *ret_sockets)
{
	struct smcp_sockets sockets = {0};
	struct collection collection = {&sockets, 0};
	int rc;

	rc = smcnl_dump_tcp(AF_INET, add_tcp, &collection);
	if (!rc)
		rc = smcnl_dump_tcp(AF_INET6, add_tcp, &collection);
	if (!rc)
		rc = smcnl_dump_conns(add_smc, &collection);
	if (rc) {
		free(sockets.all);
		return rc == -ENOENT ? -EOPNOTSUPP : rc;
	}
	if (sockets.n)
		qsort(sockets.all, sockets.n, sizeof(*sockets.all), by_inode);
	merge(&sockets);
	sockets.reasons =
		socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_SMC);
	*ret_sockets = sockets;
	return 0;
}

void smcp_sockets_free(struct smcp_sockets *sockets)
{
	if (sockets->reasons >= 0)
		close(sockets->reasons);
	free(sockets->all);
	sockets->all = NULL;
}

/* The project's module remembers why a socket became TCP's own. */
static void ask_reason(const struct smcp_sockets *sockets,
		       struct smcp_socket *socket)
{
	struct smc_reason reason = {.cookie = socket->cookie};
	socklen_t len = sizeof(reason);

	if (socket->mode != SMCP_MODE_TCP || socket->is_listener ||
	    socket->reason || sockets->reasons < 0 ||
	    getsockopt(sockets->reasons, SOL_SMC, SMC_REASON, &reason, &len))
		return;
	socket->reason = reason.reason;
	socket->peer_reason = reason.peer_reason;
}

struct smcp_socket *smcp_sockets_find(struct smcp_sockets *sockets,
				      uint64_t inode)
{
	struct smcp_socket *socket;
	size_t low = 0, high = sockets->n;

	while (low < high) {
		size_t middle = (low + high) / 2;

		socket = &sockets->all[middle];
		if (socket->inode == inode) {
			ask_reason(sockets, socket);
			return socket;
		}
		if (socket->inode < inode)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

static struct smcp_name name_from(int fd, int (*get)(int, struct sockaddr *,
						     socklen_t *))
{
	union {
		struct sockaddr sa;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	} addr = {0};
	socklen_t len = sizeof(addr);

	if (get(fd, &addr.sa, &len))
		return (struct smcp_name){0};
	if (addr.sa.sa_family == AF_INET)
		return make_name(AF_INET, &addr.in.sin_addr, addr.in.sin_port);
	if (addr.sa.sa_family == AF_INET6)
		return make_name(AF_INET6, &addr.in6.sin6_addr,
				 addr.in6.sin6_port);
	return (struct smcp_name){0};
}

void smcp_socket_look(struct smcp_socket *socket, pid_t pid, int fd)
{
	int pidfd, copy;

	if (socket->has_names)
		return;
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (pidfd < 0)
		return;
	copy = (int)syscall(SYS_pidfd_getfd, pidfd, fd, 0);
	close(pidfd);
	if (copy < 0)
		return;
	socket->has_names = true;
	socket->local = name_from(copy, getsockname);
	if (!socket->is_listener)
		socket->peer = name_from(copy, getpeername);
	close(copy);
}
