// SPDX-License-Identifier: MIT
/*
 * A peer that negotiates SMC with the kernel and misbehaves.  It makes a tun
 * device, on which the kernel is 10.88.NET.1 and this program, with a small TCP
 * of its own, is the other hosts.
 *
 *	clc_peer client --port P [OPTIONS]	connects to the kernel's port P
 *	clc_peer server --port P [OPTIONS]	is the server 10.88.NET.2:P
 *	clc_peer mirror [OPTIONS]	gives back to the kernel, as from
 *			10.88.NET.2, what it sends there: a middlebox between
 *			two of its sockets
 *
 *	--net N		NET, for several at the same time (default 0)
 *	--option	the SYN or SYN-ACK carries the option of SMC
 *	--do STEPS	what to do once TCP is established (default: nothing)
 *	--count N	connections, from a host each (default 1)
 *	--delay MS	server: wait before the SYN-ACK
 *	--cross		server: answer the SYN by a SYN
 *	--save FILE	where to put the first CLC message received
 *	--strip WHAT	mirror: syn, synack: take the option out of these
 *	--timeout S	end in any case (default 60)
 *	-- COMMAND...	run COMMAND, and end with it and its connections
 *
 * STEPS are done one after the other, separated by commas:
 *	MESSAGE[+MESSAGE...]	one segment of proposal, half (of that),
 *		accept, accept_other (of a device that was not offered),
 *		accept_later (of version 3), accept_smcr (of version 1),
 *		confirm, decline, decline2 (of version 2), decline_sync (that has
 *		lost the link group), data:TEXT, hex:DIGITS, file:PATH
 *	drip:MESSAGE...	byte by byte, with a pause now and then
 *	fuzz:MESSAGE...	with some bytes changed, others in each connection
 *	wait	for one more CLC message or segment of data
 *	echo	what came last
 *	agree	what came last, an ACCEPT, as CONFIRM: the memory that the kernel
 *		writes to is its own
 *	sleep:MS, fin, rst
 *	silent	for ever; what comes is acknowledged
 * After the last step a FIN is answered by a FIN.
 *
 * Prints "peer N MS EVENT" for what connection N receives, MS after its
 * handshake: got syn|synack smc|plain, got proposal|accept|confirm, got decline
 * CODE, got data LENGTH TEXT, got fin, got rst; at the end "open" for one that
 * is not closed, and "missing" for one that never began.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "probe.h"

#define MAX_BYTES 4096 /* of a connection, each way */
#define MAX_STEPS 32
#define RESEND 1000 /* ms until what is not acknowledged is sent again */

enum op { SEND, DRIP, FUZZ, WAIT, ECHO, AGREE, SLEEP, FIN, RST, SILENT };

struct step {
	enum op op;
	long ms;
	unsigned char data[1400];
	size_t len;
};

struct conn {
	enum { NONE, SYN_SENT, SYN_RECEIVED, ESTABLISHED, OVER } state;
	uint32_t host; /* the one this program plays, in host byte order */
	uint16_t port, kernel_port;
	long since; /* its handshake */
	long resend, resume; /* when to send again, and to go on with steps */
	size_t step, dripped;
	long events, waited;

	/* All that was sent, from sequence number @start. */
	unsigned char out[MAX_BYTES];
	size_t out_len, acked; /* a FIN counts as one byte acknowledged */
	uint32_t start;
	bool fin_sent;

	/* What was received: the rest of a message; the last; payload. */
	unsigned char in[MAX_BYTES], last[MAX_BYTES];
	size_t in_len, last_len, payload_len;
	char payload[32];
	uint32_t rcv_nxt;
	bool fin_got, clc_over;
};

struct packet {
	struct iphdr ip;
	struct tcphdr tcp;
	unsigned char rest[2048];
};

static const unsigned char option[] = {1, 1, 254, 6, 0xe2, 0xd4, 0xc3, 0xd9};
static enum { CLIENT, SERVER, MIRROR } role;
static struct step steps[MAX_STEPS];
static size_t n_steps;
static struct conn *conns, *conns_end;
static long port, net, count = 1, delay, timeout = 60;
static int offers, crosses;
static const char *save, *strip = "";
static int tun;

__attribute__((noreturn)) static void die(const char *what)
{
	fprintf(stderr, "clc_peer: %s: %s\n", what, strerror(errno));
	exit(1);
}

__attribute__((noreturn)) static void wrong(const char *what)
{
	fprintf(stderr, "clc_peer: %s: see the top of clc_peer.c\n", what);
	exit(2);
}

/* Payload is told before what follows it: its segments do not matter. */
static void note(struct conn *c, const char *what, const char *more)
{
	long ms = now_ms() - c->since;

	if (c->payload_len)
		printf("peer %zd %ld got data %zu %s\n", c - conns, ms,
		       c->payload_len, c->payload);
	c->payload_len = 0;
	if (*what)
		printf("peer %zd %ld %s%s\n", c - conns, ms, what, more);
	fflush(stdout);
}

static void over(struct conn *c, const char *what)
{
	note(c, what, "");
	c->state = OVER;
}

/*
 * Messages, as net/smc/smc_clc.h lays them out, as OFFSET:BYTES; the rest is 0.
 * PROPOSAL is of version 2 and SMC-D alone, with an EID and a device that nobody
 * has; ACCEPT and CONFIRM name the loopback device and memory it does not have.
 */
#define NOBODY "4e4f424f4459"
#define DEVICE "11223344556677881234"
#define PROPOSAL                                                          \
	"0:e2d4c3d90100d626 51:1c 80:0101001000000040 107:01 120:" NOBODY \
	" 200:" DEVICE "e2d4c3d9"
#define ACCEPT(type, version, device)    \
	"0:e2d4c3c4" type "004e" version \
	"11223344556677881122334455667788 32:" device NOBODY " 74:e2d4c3c4"

static const struct {
	const char *name;
	size_t len;
	const char *parts;
} messages[] = {
	{"proposal", 214, PROPOSAL},
	{"half", 107, PROPOSAL},
	{"accept", 78, ACCEPT("02", "21", "ffff")},
	{"accept_other", 78, ACCEPT("02", "21", "1234")},
	{"accept_later", 78, ACCEPT("02", "31", "ffff")},
	{"accept_smcr", 68, "0:e2d4c3d902004410 64:e2d4c3d9"},
	{"confirm", 78, ACCEPT("03", "21", "ffff")},
	{"decline", 28, "0:e2d4c3d904001c10 16:03030000 24:e2d4c3d9"},
	{"decline2", 44, "0:e2d4c3d904002c20 16:03030000 40:e2d4c3d9"},
	{"decline_sync", 44, "0:e2d4c3d904002c28 16:04010000 40:e2d4c3d9"},
};

static size_t put_hex(unsigned char *buf, size_t size, const char *hex)
{
	size_t len = 0;

	for (; len < size && isxdigit(hex[0]) && isxdigit(hex[1]); hex += 2)
		sscanf(hex, "%2hhx", &buf[len++]);
	return len;
}

static size_t parse_message(unsigned char *buf, size_t size, const char *word)
{
	const char *part = NULL;
	size_t i, at, len = 0;
	FILE *f;

	for (i = 0; i < sizeof(messages) / sizeof(messages[0]); i++) {
		if (strcmp(word, messages[i].name) || messages[i].len > size)
			continue;
		part = messages[i].parts;
		len = messages[i].len;
	}
	for (; part && (at = strtoul(part, NULL, 10)) < len;
	     part = strchr(part + 1, ' '))
		put_hex(buf + at, len - at, strchr(part, ':') + 1);
	if (!strncmp(word, "hex:", 4))
		len = put_hex(buf, size, word + 4);
	if (!strncmp(word, "data:", 5))
		len = snprintf((char *)buf, size, "%s", word + 5);
	if (!strncmp(word, "file:", 5)) {
		f = fopen(word + 5, "r");
		len = f ? fread(buf, 1, size, f) : 0;
		if (f)
			fclose(f);
	}
	if (!len || len >= size)
		wrong(word);
	return len;
}

static void parse_step(struct step *step, char *word)
{
	static const char *const names[] = {
		[DRIP] = "drip:", [FUZZ] = "fuzz:",   [WAIT] = "wait",
		[ECHO] = "echo",  [AGREE] = "agree",  [FIN] = "fin",
		[RST] = "rst",	  [SLEEP] = "sleep:", [SILENT] = "silent"};
	char *part, *rest;

	for (enum op op = DRIP; op <= SILENT; op++) {
		if (strncmp(word, names[op], strlen(names[op])))
			continue;
		step->op = op;
		word += strlen(names[op]);
		step->ms = atol(word);
		break;
	}
	if (step->op > FUZZ)
		return;
	for (part = strtok_r(word, "+", &rest); part;
	     part = strtok_r(NULL, "+", &rest))
		step->len +=
			parse_message(step->data + step->len,
				      sizeof(step->data) - step->len, part);
	if (step->op == FUZZ && step->len < 8)
		wrong(word);
}

/*
 * TCP: what is sent
 */
static uint16_t checksum(const void *data, size_t len, uint32_t start)
{
	const unsigned char *p = data;

	for (size_t i = 0; i < len; i++)
		start += i % 2 ? p[i] : p[i] << 8;
	while (start >> 16)
		start = (start & 0xffff) + (start >> 16);
	return start;
}

static void emit_packet(struct packet *p)
{
	size_t len = ntohs(p->ip.tot_len), tcp_len = len - sizeof(p->ip);
	uint32_t start = checksum(&p->ip.saddr, 8, IPPROTO_TCP + tcp_len);

	p->ip.check = 0;
	p->ip.check = htons(~checksum(&p->ip, sizeof(p->ip), 0));
	p->tcp.check = 0;
	p->tcp.check = htons(~checksum(&p->tcp, tcp_len, start));
	if (write(tun, p, len) != (ssize_t)len)
		die("tun");
}

static void emit(struct conn *c, int flags, uint32_t seq, const void *data,
		 size_t len)
{
	struct packet p = {.ip = {.version = 4, .ihl = 5, .ttl = 64}};
	size_t opts = flags & TH_SYN && offers ? sizeof(option) : 0;

	memcpy(p.rest, option, opts);
	if (len)
		memcpy(p.rest + opts, data, len);
	p.ip.protocol = IPPROTO_TCP;
	p.ip.frag_off = htons(IP_DF);
	p.ip.saddr = htonl(c->host);
	p.ip.daddr = htonl((c->host & ~0xff) + 1);
	p.ip.tot_len = htons(sizeof(p.ip) + sizeof(p.tcp) + opts + len);
	p.tcp.th_sport = htons(c->port);
	p.tcp.th_dport = htons(c->kernel_port);
	p.tcp.th_seq = htonl(seq);
	p.tcp.th_ack = flags & TH_ACK ? htonl(c->rcv_nxt) : 0;
	p.tcp.th_off = (sizeof(p.tcp) + opts) / 4;
	p.tcp.th_flags = flags;
	p.tcp.th_win = htons(65535);
	emit_packet(&p);
}

/* Sends something behind what was sent. */
static void emit_next(struct conn *c, int flags, const void *data, size_t len)
{
	emit(c, flags | TH_ACK, c->start + c->out_len + c->fin_sent, data, len);
	c->resend = now_ms() + RESEND;
}

static void send_bytes(struct conn *c, const unsigned char *data, size_t len)
{
	if (c->out_len + len > MAX_BYTES)
		wrong("too much to send");
	emit_next(c, TH_PUSH, data, len);
	memcpy(c->out + c->out_len, data, len);
	c->out_len += len;
}

static void send_fin(struct conn *c)
{
	emit_next(c, TH_FIN, NULL, 0);
	c->fin_sent = true;
}

static bool is_unacked(const struct conn *c)
{
	return c->state < ESTABLISHED || c->acked < c->out_len + c->fin_sent;
}

static void send_again(struct conn *c)
{
	size_t from = c->acked < c->out_len ? c->acked : c->out_len;

	c->resend = now_ms() + RESEND;
	if (c->state == SYN_SENT)
		emit(c, TH_SYN, c->start - 1, NULL, 0);
	else if (c->state == SYN_RECEIVED)
		emit(c, TH_SYN | TH_ACK, c->start - 1, NULL, 0);
	else
		emit(c, TH_ACK | (c->fin_sent ? TH_FIN : 0), c->start + from,
		     c->out + from, c->out_len - from);
}

static bool is_silent(const struct conn *c)
{
	return c->step < n_steps && steps[c->step].op == SILENT;
}

/* Does one step, or false if it has to wait. */
static bool do_step(struct conn *c, const struct step *step)
{
	unsigned char data[sizeof(step->data)];

	switch (step->op) {
	case SEND:
		send_bytes(c, step->data, step->len);
		break;
	case DRIP:
		do
			send_bytes(c, step->data + c->dripped, 1);
		while (++c->dripped % 16 && c->dripped < step->len);
		c->resume = now_ms() + 2;
		if (c->dripped < step->len)
			return false;
		c->dripped = 0;
		break;
	case FUZZ:
		/* Not the eyecatcher: without it the rest is valid payload. */
		memcpy(data, step->data, step->len);
		for (long i = 1 + random() % 4; i; i--)
			data[4 + random() % (step->len - 4)] = random();
		send_bytes(c, data, step->len);
		break;
	case WAIT:
		if (c->events == c->waited)
			return false;
		c->waited++;
		break;
	case AGREE:
		c->last[4] = 3; /* the type */
		/* fall through */
	case ECHO:
		send_bytes(c, c->last, c->last_len);
		break;
	case SLEEP:
		c->resume = now_ms() + step->ms;
		break;
	case FIN:
		send_fin(c);
		break;
	case RST:
		emit_next(c, TH_RST, NULL, 0);
		over(c, "");
		break;
	case SILENT:
		return false;
	}
	c->step++;
	return true;
}

/* What is due in a connection; returns when the next thing will be. */
static long tend(struct conn *c, long end)
{
	while (c->state == ESTABLISHED && c->step < n_steps &&
	       c->resume <= now_ms() && do_step(c, &steps[c->step]))
		;
	if (c->state == ESTABLISHED && c->fin_got) {
		if (c->step == n_steps && !c->fin_sent)
			send_fin(c);
		if (c->fin_sent ? !is_unacked(c) : is_silent(c))
			over(c, "");
	}
	if (c->state == NONE || c->state == OVER)
		return end;
	if (is_unacked(c)) {
		if (c->resend <= now_ms())
			send_again(c);
		end = c->resend < end ? c->resend : end;
	}
	return c->resume > now_ms() && c->resume < end ? c->resume : end;
}

/*
 * TCP: what is received
 */
static void consume(struct conn *c, size_t len)
{
	memcpy(c->last, c->in, len);
	c->last_len = len;
	c->in_len -= len;
	memmove(c->in, c->in + len, c->in_len);
	c->events++;
}

static void take_message(struct conn *c, size_t len)
{
	static const char *const names[] = {"proposal", "accept", "confirm"};
	char code[16];
	FILE *f;

	if (c->in[4] == 4) {
		snprintf(code, sizeof(code), "0x%02x%02x%02x%02x", c->in[16],
			 c->in[17], c->in[18], c->in[19]);
		note(c, "got decline ", code);
		c->clc_over = true;
	} else {
		note(c, "got ",
		     c->in[4] > 0 && c->in[4] < 4 ? names[c->in[4] - 1] : "?");
	}
	if (save) {
		f = fopen(save, "w");
		if (!f || fwrite(c->in, len, 1, f) != 1 || fclose(f))
			die(save);
		save = NULL;
	}
	consume(c, len);
}

static void take_payload(struct conn *c)
{
	for (size_t i = 0; i < c->in_len; i++, c->payload_len++) {
		if (c->payload_len >= sizeof(c->payload) - 1)
			continue;
		c->payload[c->payload_len] = '.';
		if (c->in[i] > ' ' && c->in[i] < 127)
			c->payload[c->payload_len] = c->in[i];
		c->payload[c->payload_len + 1] = '\0';
	}
	consume(c, c->in_len);
}

static void take_bytes(struct conn *c)
{
	size_t len;

	while (c->in_len && !c->clc_over) {
		len = c->in_len < 3 ? c->in_len : 3;
		if (memcmp(c->in, option + 4, len)) {
			c->clc_over = true;
			break;
		}
		if (c->in_len < 8)
			return;
		len = c->in[5] << 8 | c->in[6];
		if (c->in_len < len)
			return;
		if (len < 8)
			c->clc_over = true;
		else
			take_message(c, len);
	}
	if (c->in_len)
		take_payload(c);
}

static const unsigned char *rest_of(const struct packet *p)
{
	return (const unsigned char *)&p->tcp + p->tcp.th_off * 4;
}

/* The option of SMC, if it is there. */
static const unsigned char *find_option(const struct packet *p)
{
	const unsigned char *at = p->rest, *end = rest_of(p);

	while (at < end && *at) {
		if (end - at >= 6 && !memcmp(at, option + 2, 6))
			return at;
		if (*at != 1 && (end - at < 2 || at[1] < 2))
			break;
		at += *at == 1 ? 1 : at[1];
	}
	return NULL;
}

static void note_syn(struct conn *c, const struct packet *p)
{
	note(c, p->tcp.th_flags & TH_ACK ? "got synack " : "got syn ",
	     find_option(p) ? "smc" : "plain");
}

static struct conn *open_conn(int state, uint32_t host, uint16_t own,
			      uint16_t kernel)
{
	for (struct conn *c = conns; c < conns_end; c++) {
		if (c->state != NONE)
			continue;
		c->state = state;
		c->host = host;
		c->port = own;
		c->kernel_port = kernel;
		c->start = (uint32_t)now_ms() * 1000;
		return c;
	}
	return NULL;
}

static void take_syn(struct conn *c, const struct packet *p)
{
	bool is_answer = p->tcp.th_flags & TH_ACK;

	if (!c && role == SERVER && !is_answer) {
		c = open_conn(crosses ? SYN_SENT : SYN_RECEIVED,
			      ntohl(p->ip.daddr), port, ntohs(p->tcp.th_sport));
		if (!c)
			return;
		note_syn(c, p);
		c->resend = now_ms() + delay;
		c->rcv_nxt = ntohl(p->tcp.th_seq) + 1;
	} else if (c && c->state == SYN_SENT && is_answer) {
		note_syn(c, p);
		c->rcv_nxt = ntohl(p->tcp.th_seq) + 1;
		c->state = ESTABLISHED;
		c->since = now_ms();
		emit_next(c, 0, NULL, 0);
	} else if (c && c->state == ESTABLISHED) {
		emit_next(c, 0, NULL, 0);
	}
}

/* Data, acknowledgements and the end of an established connection. */
static void take_segment(struct conn *c, const struct packet *p)
{
	size_t len =
		(const unsigned char *)p + ntohs(p->ip.tot_len) - rest_of(p);
	size_t acked = ntohl(p->tcp.th_ack) - c->start;
	size_t known = c->rcv_nxt - ntohl(p->tcp.th_seq);
	bool fin = p->tcp.th_flags & TH_FIN;

	if (acked > c->acked && acked <= c->out_len + c->fin_sent)
		c->acked = acked;
	if (!len && !fin)
		return;
	if (known <= len && !c->fin_got) {
		len -= known;
		if (c->in_len + len > MAX_BYTES)
			wrong("too much to receive");
		memcpy(c->in + c->in_len, rest_of(p) + known, len);
		c->in_len += len;
		c->rcv_nxt += len + fin;
		c->clc_over |= fin; /* no message any more */
		take_bytes(c);
		if (fin)
			note(c, "got fin", "");
		c->fin_got = fin;
	}
	emit_next(c, 0, NULL, 0);
}

static void take_packet(const struct packet *p)
{
	struct conn *c;

	for (c = conns; c < conns_end; c++)
		if (c->state != NONE && c->host == ntohl(p->ip.daddr) &&
		    c->port == ntohs(p->tcp.th_dport) &&
		    c->kernel_port == ntohs(p->tcp.th_sport))
			break;
	if (c == conns_end)
		c = NULL;
	if (p->tcp.th_flags & TH_RST) {
		if (c && c->state == SYN_SENT)
			c->resend = now_ms() + 50; /* nobody listens yet */
		else if (c && c->state != OVER)
			over(c, "got rst");
	} else if (p->tcp.th_flags & TH_SYN) {
		take_syn(c, p);
	} else if (c && p->tcp.th_flags & TH_ACK) {
		if (c->state == SYN_RECEIVED) {
			c->state = ESTABLISHED;
			c->since = now_ms();
		}
		if (c->state == ESTABLISHED)
			take_segment(c, p);
	}
	if (c) /* before the next packet, as it may end here */
		tend(c, 0);
}

static void mirror(struct packet *p)
{
	const char *kind = p->tcp.th_flags & TH_ACK ? "synack" : "syn";
	const unsigned char *at = find_option(p);
	uint32_t addr = p->ip.saddr;

	if (p->tcp.th_flags & TH_SYN) {
		note_syn(conns, p);
		if (at && !strcmp(strip, kind))
			memset(p->rest + (at - p->rest), 1, 6);
	}
	p->ip.saddr = p->ip.daddr;
	p->ip.daddr = addr;
	emit_packet(p);
}

static void receive(void)
{
	struct packet p;
	ssize_t n;

	while ((n = read(tun, &p, sizeof(p))) > 0) {
		if (n < (ssize_t)(sizeof(p.ip) + sizeof(p.tcp)) ||
		    p.ip.version != 4 || p.ip.protocol != IPPROTO_TCP)
			continue;
		if (role == MIRROR)
			mirror(&p);
		else
			take_packet(&p);
	}
}

/*
 * The program
 */
static bool all_over(bool more_to_come)
{
	for (struct conn *c = conns; c < conns_end; c++)
		if (c->state != OVER && (c->state != NONE || more_to_come))
			return false;
	return true;
}

static void run(pid_t command)
{
	struct pollfd fds[2] = {{.fd = tun, .events = POLLIN},
				{.fd = -1, .events = POLLIN}};
	long end = now_ms() + timeout * 1000, next, at;

	if (command)
		fds[1].fd = pidfd_open(command, 0);
	for (;;) {
		next = end;
		for (struct conn *c = conns; c < conns_end; c++) {
			at = tend(c, end);
			next = at < next ? at : next;
		}
		at = now_ms();
		if (at >= end || (fds[1].fd < 0 && all_over(!command)))
			break;
		if (poll(fds, 2, next > at ? (int)(next - at) : 0) < 0)
			die("poll");
		if (fds[0].revents)
			receive();
		if (fds[1].revents)
			fds[1].fd = -1;
	}
	for (struct conn *c = conns; c < conns_end && role != MIRROR; c++)
		if (c->state != OVER)
			note(c, c->state == NONE ? "missing" : "open", "");
}

/* The device, with the kernel's address on it. */
static uint32_t open_tun(void)
{
	uint32_t network = 0x0a580000 + (net << 8);
	struct ifreq ifr = {.ifr_flags = IFF_TUN | IFF_NO_PI};
	struct sockaddr_in *sin = (struct sockaddr_in *)&ifr.ifr_addr;
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	tun = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "clc%ld", net);
	/* It stays: its end holds the lock of all network devices for long, and
	 * handshakes need that.
	 */
	if (tun < 0 || ioctl(tun, TUNSETIFF, &ifr) ||
	    ioctl(tun, TUNSETPERSIST, 1))
		die("/dev/net/tun");
	sin->sin_family = AF_INET;
	sin->sin_addr.s_addr = htonl(network + 1);
	if (ioctl(fd, SIOCSIFADDR, &ifr))
		die("address");
	sin->sin_addr.s_addr = htonl(0xffffff00);
	if (ioctl(fd, SIOCSIFNETMASK, &ifr))
		die("netmask");
	ifr.ifr_flags = IFF_UP;
	if (ioctl(fd, SIOCSIFFLAGS, &ifr))
		die("up");
	close(fd);
	return network;
}

static void parse_options(int argc, char **argv)
{
	enum { PORT, NET, COUNT, DELAY, TIMEOUT, NUMBERS, DO, SAVE, STRIP };
	static long *const numbers[NUMBERS] = {&port, &net, &count, &delay,
					       &timeout};
	static const struct option options[] = {
		{"port", required_argument, NULL, PORT},
		{"net", required_argument, NULL, NET},
		{"count", required_argument, NULL, COUNT},
		{"delay", required_argument, NULL, DELAY},
		{"timeout", required_argument, NULL, TIMEOUT},
		{"do", required_argument, NULL, DO},
		{"save", required_argument, NULL, SAVE},
		{"strip", required_argument, NULL, STRIP},
		{"option", no_argument, &offers, 1},
		{"cross", no_argument, &crosses, 1},
		{0},
	};
	static const char *const roles[] = {"client", "server", "mirror"};
	char *word, *rest;
	int c;

	while (argc > 1 && strcmp(argv[1], roles[role]))
		if (role++ == MIRROR)
			wrong(argv[1]);
	optind = 2;
	while ((c = getopt_long(argc, argv, "+", options, NULL)) != -1) {
		if (c == '?')
			wrong("options");
		else if (c < NUMBERS && optarg)
			*numbers[c] = atol(optarg);
		else if (c == SAVE)
			save = optarg;
		else if (c == STRIP)
			strip = optarg;
		if (c != DO)
			continue;
		for (word = strtok_r(optarg, ",", &rest);
		     word && n_steps < MAX_STEPS;
		     word = strtok_r(NULL, ",", &rest))
			parse_step(&steps[n_steps++], word);
	}
	if (argc < 2 || (!port && role != MIRROR) || count < 1 || count > 250 ||
	    net < 0 || net > 255)
		wrong("arguments");
}

int main(int argc, char **argv)
{
	uint32_t network;
	pid_t command = 0;
	int status = 0;

	parse_options(argc, argv);
	srandom(net + 1);
	network = open_tun();
	conns = calloc(count, sizeof(*conns));
	if (!conns)
		die("calloc");
	conns_end = conns + count;
	for (struct conn *c = conns; c < conns_end; c++)
		c->since = now_ms();
	printf("peer ready\n");
	fflush(stdout);
	if (argv[optind]) {
		command = fork();
		if (!command) {
			execvp(argv[optind], argv + optind);
			die(argv[optind]);
		}
	}
	for (long i = 0; role == CLIENT && i < count; i++)
		open_conn(SYN_SENT, network + 2 + i, 20000 + i, port);
	run(command);
	if (command && !waitpid(command, &status, WNOHANG)) {
		printf("peer: COMMAND did not end\n");
		kill(command, SIGKILL);
		return 1;
	}
	return status != 0;
}
