/* SPDX-License-Identifier: MIT */
/*
 * tcp_probe: what its two halves share.  tcp_probe.c has the options and the
 * connections, tcp_probe_io.c the stream and the ways to move it.
 */
#ifndef TCP_PROBE_H
#define TCP_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/* One direction of one connection. */
struct half {
	int fd;
	uint64_t stream; /* which of all streams */
	uint64_t pos; /* bytes sent, or received and compared */
	uint64_t rnd; /* the sizes of the pieces */
	unsigned char *buf; /* of a piece */
	size_t len, done; /* sender: the piece in buf, and how much was sent */
};

/* A way to move data; connections are made in the same way. */
struct way {
	const char *name;
	bool nonblock; /* the sockets are */
	int (*connect)(int fd, const struct sockaddr *addr, socklen_t len);
	int (*accept)(int lsk, int flags);
	void (*run)(struct half *tx, struct half *rx);
};

extern uint64_t opt_bytes, opt_seed;

__attribute__((format(printf, 1, 2), noreturn)) void fail(const char *fmt, ...);
int get_int(int fd, int name);

/* The way called @name; NULL if there is none. */
const struct way *find_way(const char *name);

/* Moves both streams of a connection in @way. */
void move_streams(const struct way *way, int fd, bool is_server,
		  unsigned int client_port);

/* Bytes moved so far, of all connections. */
uint64_t bytes_moved(void);

#endif
