/* SPDX-License-Identifier: MIT */
/*
 * A small TCP on a tun device, for peers of the kernel: connections that can
 * have the option of SMC, and of which the program sees CLC messages and payload.
 * What comes is handed to the functions clc_got_*() of the program.
 */
#ifndef CLC_TCP_H
#define CLC_TCP_H

#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MAX_BYTES 4096 /* of a connection, each way */
#define CLC_DECLINE 4 /* the type of a message that ends CLC */

struct conn {
	enum { NONE, SYN_SENT, SYN_RECEIVED, ESTABLISHED, OVER } state;
	uint32_t host; /* the one this program plays, in host byte order */
	uint16_t port, kernel_port;
	long since; /* its handshake */
	long resend; /* when to send again */

	/* All that was sent, from sequence number @start. */
	unsigned char *out;
	size_t out_len, acked; /* a FIN counts as one byte acknowledged */
	uint32_t start;
	bool fin_sent;

	/* What was received, and not yet understood. */
	unsigned char *in;
	size_t in_len;
	uint32_t rcv_nxt;
	bool fin_got, clc_over;
};

struct packet {
	struct iphdr ip;
	struct tcphdr tcp;
	unsigned char rest[2048];
};

extern struct conn *conns, *conns_end;
extern int clc_tun;
extern int clc_offers; /* SYN and SYN-ACK have the option of SMC */

/* Makes the device; returns the network it is for, 10.88.NET.0. */
uint32_t clc_open_tun(unsigned char net);
void clc_make_conns(long count);
/* A connection that is NONE as one in @state, or NULL if there is none. */
struct conn *clc_open(int state, uint32_t host, uint16_t own, uint16_t kernel);
/* Makes it NONE, for another one. */
void clc_recycle(struct conn *c);

void clc_emit_packet(struct packet *p);
/* Sends a segment behind what was sent. */
void clc_emit_next(struct conn *c, int flags, const void *data, size_t len);
void clc_send_bytes(struct conn *c, const unsigned char *data, size_t len);
void clc_send_fin(struct conn *c);
bool clc_is_unacked(const struct conn *c);
void clc_send_again(struct conn *c);
const unsigned char *clc_find_option(const struct packet *p);
void clc_take_packet(const struct packet *p);
/* The next packet of TCP from the kernel, if there is one. */
bool clc_read_packet(struct packet *p);

__attribute__((noreturn)) void clc_die(const char *what);

/*
 * Of the program. A message is @len bytes at c->in, payload all of c->in; both
 * are forgotten afterwards.
 */
/* A SYN of the kernel's, for no connection; NULL to ignore it. */
struct conn *clc_accept(const struct packet *p);
void clc_got_syn(struct conn *c, bool is_answer, bool is_smc);
void clc_got_message(struct conn *c, size_t len);
void clc_got_payload(struct conn *c);
void clc_got_fin(struct conn *c);
void clc_got_rst(struct conn *c);
/* There was a packet; before the next one, as the connection may end here. */
void clc_after_packet(struct conn *c);

#endif
