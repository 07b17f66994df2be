// SPDX-License-Identifier: MIT
/* See clc_tcp.h. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "clc_tcp.h"
#include "probe.h"

#define RESEND 1000 /* ms until what is not acknowledged is sent again */

static const unsigned char option[] = {1, 1, 254, 6, 0xe2, 0xd4, 0xc3, 0xd9};
struct conn *conns, *conns_end;
int clc_tun, clc_offers;

void clc_die(const char *what)
{
	fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what,
		strerror(errno));
	exit(1);
}

static void too_much(const char *what)
{
	errno = EMSGSIZE;
	clc_die(what);
}

/*
 * What is sent
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

void clc_emit_packet(struct packet *p)
{
	size_t len = ntohs(p->ip.tot_len), tcp_len = len - sizeof(p->ip);
	uint32_t start = checksum(&p->ip.saddr, 8, IPPROTO_TCP + tcp_len);

	p->ip.check = 0;
	p->ip.check = htons(~checksum(&p->ip, sizeof(p->ip), 0));
	p->tcp.check = 0;
	p->tcp.check = htons(~checksum(&p->tcp, tcp_len, start));
	if (write(clc_tun, p, len) != (ssize_t)len)
		clc_die("tun");
}

static void emit(struct conn *c, int flags, uint32_t seq, const void *data,
		 size_t len)
{
	struct packet p = {.ip = {.version = 4, .ihl = 5, .ttl = 64}};
	size_t opts = flags & TH_SYN && clc_offers ? sizeof(option) : 0;

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
	clc_emit_packet(&p);
}

/* Sends something behind what was sent. */
void clc_emit_next(struct conn *c, int flags, const void *data, size_t len)
{
	emit(c, flags | TH_ACK, c->start + c->out_len + c->fin_sent, data, len);
	c->resend = now_ms() + RESEND;
}

void clc_send_bytes(struct conn *c, const unsigned char *data, size_t len)
{
	if (c->out_len + len > MAX_BYTES)
		too_much("sent");
	clc_emit_next(c, TH_PUSH, data, len);
	memcpy(c->out + c->out_len, data, len);
	c->out_len += len;
}

void clc_send_fin(struct conn *c)
{
	clc_emit_next(c, TH_FIN, NULL, 0);
	c->fin_sent = true;
}

bool clc_is_unacked(const struct conn *c)
{
	return c->state < ESTABLISHED || c->acked < c->out_len + c->fin_sent;
}

void clc_send_again(struct conn *c)
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

/*
 * What is received
 */
static void consume(struct conn *c, size_t len)
{
	c->in_len -= len;
	memmove(c->in, c->in + len, c->in_len);
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
		if (len < 8) {
			c->clc_over = true;
			break;
		}
		c->clc_over = c->in[4] == CLC_DECLINE;
		clc_got_message(c, len);
		consume(c, len);
	}
	if (c->in_len)
		clc_got_payload(c);
	consume(c, c->in_len);
}

static const unsigned char *rest_of(const struct packet *p)
{
	return (const unsigned char *)&p->tcp + p->tcp.th_off * 4;
}

/* The option of SMC, if it is there. */
const unsigned char *clc_find_option(const struct packet *p)
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

bool clc_read_packet(struct packet *p)
{
	ssize_t n;

	while ((n = read(clc_tun, p, sizeof(*p))) > 0)
		if (n >= (ssize_t)(sizeof(p->ip) + sizeof(p->tcp)) &&
		    p->ip.version == 4 && p->ip.protocol == IPPROTO_TCP)
			return true;
	return false;
}

void clc_make_conns(long count)
{
	unsigned char *bytes = calloc(count, 2 * MAX_BYTES);

	conns = calloc(count, sizeof(*conns));
	if (!conns || !bytes)
		clc_die("calloc");
	conns_end = conns + count;
	for (struct conn *c = conns; c < conns_end;
	     c++, bytes += 2 * MAX_BYTES) {
		c->out = bytes;
		c->in = bytes + MAX_BYTES;
		c->since = now_ms();
	}
}

void clc_recycle(struct conn *c)
{
	*c = (struct conn){.state = NONE, .out = c->out, .in = c->in};
}

struct conn *clc_open(int state, uint32_t host, uint16_t own, uint16_t kernel)
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

	if (!c && !is_answer) {
		c = clc_accept(p);
		if (!c)
			return;
		clc_got_syn(c, false, clc_find_option(p));
		c->rcv_nxt = ntohl(p->tcp.th_seq) + 1;
	} else if (c && c->state == SYN_SENT && is_answer) {
		clc_got_syn(c, true, clc_find_option(p));
		c->rcv_nxt = ntohl(p->tcp.th_seq) + 1;
		c->state = ESTABLISHED;
		c->since = now_ms();
		clc_emit_next(c, 0, NULL, 0);
	} else if (c && c->state == ESTABLISHED) {
		clc_emit_next(c, 0, NULL, 0);
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
			too_much("received");
		memcpy(c->in + c->in_len, rest_of(p) + known, len);
		c->in_len += len;
		c->rcv_nxt += len + fin;
		take_bytes(c);
		if (fin && c->in_len) { /* it will not be a message any more */
			c->clc_over = true;
			take_bytes(c);
		}
		if (fin)
			clc_got_fin(c);
		c->fin_got = fin;
	}
	clc_emit_next(c, 0, NULL, 0);
}

void clc_take_packet(const struct packet *p)
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
			clc_got_rst(c);
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
	if (c)
		clc_after_packet(c);
}

/* The device, with the kernel's address on it. */
uint32_t clc_open_tun(unsigned char net)
{
	uint32_t network = 0x0a580000 + (net << 8);
	struct ifreq ifr = {.ifr_flags = IFF_TUN | IFF_NO_PI};
	struct sockaddr_in *sin = (struct sockaddr_in *)&ifr.ifr_addr;
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	clc_tun = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "clc%u", net);
	/* It stays: its end holds the lock of all network devices for long, and
	 * handshakes need that.
	 */
	if (clc_tun < 0 || ioctl(clc_tun, TUNSETIFF, &ifr) ||
	    ioctl(clc_tun, TUNSETPERSIST, 1))
		clc_die("/dev/net/tun");
	sin->sin_family = AF_INET;
	sin->sin_addr.s_addr = htonl(network + 1);
	if (ioctl(fd, SIOCSIFADDR, &ifr))
		clc_die("address");
	sin->sin_addr.s_addr = htonl(0xffffff00);
	if (ioctl(fd, SIOCSIFNETMASK, &ifr))
		clc_die("netmask");
	ifr.ifr_qlen = 5000;
	if (ioctl(fd, SIOCSIFTXQLEN, &ifr))
		clc_die("queue");
	ifr.ifr_flags = IFF_UP;
	if (ioctl(fd, SIOCSIFFLAGS, &ifr))
		clc_die("up");
	close(fd);
	return network;
}
