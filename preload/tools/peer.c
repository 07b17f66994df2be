// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "conf.h"
#include "findings.h"
#include "peer.h"
#include "reasons.h"
#include "smc_uapi.h"
#include "sockets.h"

#define SMC_CHK_PORT "37373"
#define TIMEOUT_MS 10000

static int wrong(const char *text, const char *why)
{
	dprintf(STDERR_FILENO, "smc_run: --peer: '%s': %s\n", text, why);
	return -EINVAL;
}

/* "HOST", "HOST:PORT", "[ADDR]", "[ADDR]:PORT" */
static int split(const char *text, char host[256], char port[8])
{
	const char *end = *text == '[' ? strchr(text, ']') : NULL;
	const char *colon = strchr(end ? end : text, ':');
	size_t len;

	if (*text == '[' && !end)
		return wrong(text, "a ] is missing");
	if (!end && colon && strchr(colon + 1, ':'))
		return wrong(text, "write [ADDRESS]:PORT");
	text += end != NULL;
	len = end ? (size_t)(end - text) : strcspn(text, ":");
	if (!len || len > 255 || (end && end[1] && end[1] != ':'))
		return wrong(text, "HOST or HOST:PORT is expected");
	memcpy(host, text, len);
	host[len] = '\0';
	strcpy(port, SMC_CHK_PORT);
	if (!colon)
		return 0;
	if (!colon[1] || strlen(colon + 1) > 5 ||
	    colon[1 + strspn(colon + 1, "0123456789")])
		return wrong(text, "the port is no number");
	strcpy(port, colon + 1);
	return 0;
}

static int open_socket(int family, unsigned int families)
{
	int fd = -1;

	if (!families || families & SMCP_FAMILY_INET)
		fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_SMC);
	if (fd < 0 && (!families || families & SMCP_FAMILY_SMC))
		fd = socket(AF_SMC, SOCK_STREAM | SOCK_CLOEXEC,
			    family == AF_INET6);
	return fd < 0 ? -errno : fd;
}

/* Return: 0 when the connection is there; -errno. */
static int await(int fd)
{
	struct pollfd pollfd = {.fd = fd, .events = POLLOUT};
	socklen_t size = sizeof(int);
	int err = 0;

	if (poll(&pollfd, 1, TIMEOUT_MS) != 1)
		return -ETIMEDOUT;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &size))
		return -errno;
	return -err;
}

static int connect_to(const struct addrinfo *addr, unsigned int families)
{
	int fd = open_socket(addr->ai_family, families);
	int rc;

	if (fd < 0)
		return fd;
	fcntl(fd, F_SETFL, O_NONBLOCK);
	rc = connect(fd, addr->ai_addr, addr->ai_addrlen) ? -errno : 0;
	if (rc == -EINPROGRESS)
		rc = await(fd);
	if (!rc)
		return fd;
	close(fd);
	return rc;
}

/* Return: what the kernel says it is, once it knows. */
static int find_out(int fd, struct smcp_socket *ret_socket)
{
	const struct timespec pause = {.tv_nsec = 50000000};
	struct smcp_sockets sockets;
	struct smcp_socket *socket;
	struct stat st;
	int i, rc;

	if (fstat(fd, &st))
		return -errno;
	ret_socket->mode = SMCP_MODE_UNDECIDED;
	for (i = 0;
	     i < TIMEOUT_MS / 50 && ret_socket->mode == SMCP_MODE_UNDECIDED;
	     i++) {
		if (i)
			nanosleep(&pause, NULL);
		rc = smcp_sockets_collect(&sockets);
		if (rc)
			return rc;
		socket = smcp_sockets_find(&sockets, st.st_ino);
		if (socket)
			*ret_socket = *socket;
		smcp_sockets_free(&sockets);
		if (!socket)
			return -ENOENT;
	}
	return 0;
}

/* SMC_CLC_DECL_PEERNOSMC; this project's module says nothing of it. */
#define NOT_OFFERED 0x03010000

static void found_tcp(const char *text, const struct smcp_socket *socket)
{
	uint32_t code = socket->reason ? socket->reason : NOT_OFFERED;
	const struct smcp_reason *own = smcp_reason_find(code);
	const struct smcp_reason *peer = smcp_reason_find(socket->peer_reason);

	smcp_found_failure("peer", SMCP_RESULT_TCP, "%s: TCP, 0x%08x %s%s%s",
			   text, code, own ? own->text : "unknown reason",
			   peer ? "; the peer says: " : "",
			   peer ? peer->text : "");
	if (peer || own)
		smcp_found_cure("%s", peer ? peer->cure : own->cure);
}

static void found_connection(const char *text, int fd)
{
	struct smcp_socket socket = {0};
	int rc = find_out(fd, &socket);

	if (rc) {
		smcp_found_warning("peer",
				   "%s: connected; what it is the kernel does "
				   "not say: %s",
				   text, strerror(-rc));
		if (rc == -EOPNOTSUPP)
			smcp_found_cure("modprobe smc_diag");
	} else if (socket.mode == SMCP_MODE_UNDECIDED) {
		smcp_found_warning("peer",
				   "%s: the handshake has not ended in %d "
				   "seconds",
				   text, TIMEOUT_MS / 1000);
	} else if (socket.mode == SMCP_MODE_SMCR ||
		   socket.mode == SMCP_MODE_SMCD) {
		smcp_found_ok("peer", "%s: %s", text,
			      socket.mode == SMCP_MODE_SMCR ? "SMC-R"
							    : "SMC-D");
	} else {
		found_tcp(text, &socket);
	}
}

int smcp_peer_check(const char *text, unsigned int families)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	struct addrinfo *addrs, *addr;
	char host[256], port[8];
	int fd = -EHOSTUNREACH, rc;

	if (split(text, host, port))
		return -EINVAL;
	rc = getaddrinfo(host, port, &hints, &addrs);
	if (rc)
		return wrong(text, gai_strerror(rc));
	for (addr = addrs; addr && fd < 0; addr = addr->ai_next)
		fd = connect_to(addr, families);
	freeaddrinfo(addrs);
	if (fd < 0) {
		smcp_found_failure("peer", SMCP_RESULT_TCP, "%s port %s: %s",
				   host, port, strerror(-fd));
		smcp_found_cure("a server there: smc_run smc_chk -S, or the "
				"one you mean");
		return 0;
	}
	found_connection(text, fd);
	close(fd);
	return 0;
}
