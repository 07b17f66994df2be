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
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clc_tcp.h"
#include "probe.h"

#define MAX_STEPS 32

enum op { SEND, DRIP, FUZZ, WAIT, ECHO, AGREE, SLEEP, FIN, RST, SILENT };

struct step {
	enum op op;
	long ms;
	unsigned char data[1400];
	size_t len;
};

/* What a connection is at, beside TCP */
struct talk {
	long resume; /* when to go on with steps */
	size_t step, dripped;
	long events, waited;
	unsigned char last[MAX_BYTES];
	size_t last_len, payload_len;
	char payload[32];
};

static enum { CLIENT, SERVER, MIRROR } role;
static struct step steps[MAX_STEPS];
static size_t n_steps;
static struct talk *talks;
static long port, net, count = 1, delay, timeout = 60;
static int crosses;
static const char *save, *strip = "";

__attribute__((noreturn)) static void wrong(const char *what)
{
	fprintf(stderr, "clc_peer: %s: see the top of clc_peer.c\n", what);
	exit(2);
}

static struct talk *talk_of(const struct conn *c)
{
	return &talks[c - conns];
}

/* Payload is told before what follows it: its segments do not matter. */
static void note(struct conn *c, const char *what, const char *more)
{
	struct talk *talk = talk_of(c);
	long ms = now_ms() - c->since;

	if (talk->payload_len)
		printf("peer %zd %ld got data %zu %s\n", c - conns, ms,
		       talk->payload_len, talk->payload);
	talk->payload_len = 0;
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
 * What is done
 */
static bool is_silent(const struct talk *talk)
{
	return talk->step < n_steps && steps[talk->step].op == SILENT;
}

/* Does one step, or false if it has to wait. */
static bool do_step(struct conn *c, const struct step *step)
{
	struct talk *talk = talk_of(c);
	unsigned char data[sizeof(step->data)];

	switch (step->op) {
	case SEND:
		clc_send_bytes(c, step->data, step->len);
		break;
	case DRIP:
		do
			clc_send_bytes(c, step->data + talk->dripped, 1);
		while (++talk->dripped % 16 && talk->dripped < step->len);
		talk->resume = now_ms() + 2;
		if (talk->dripped < step->len)
			return false;
		talk->dripped = 0;
		break;
	case FUZZ:
		/* Not the eyecatcher: without it the rest is valid payload. */
		memcpy(data, step->data, step->len);
		for (long i = 1 + random() % 4; i; i--)
			data[4 + random() % (step->len - 4)] = random();
		clc_send_bytes(c, data, step->len);
		break;
	case WAIT:
		if (talk->events == talk->waited)
			return false;
		talk->waited++;
		break;
	case AGREE:
		talk->last[4] = 3; /* the type */
		/* fall through */
	case ECHO:
		clc_send_bytes(c, talk->last, talk->last_len);
		break;
	case SLEEP:
		talk->resume = now_ms() + step->ms;
		break;
	case FIN:
		clc_send_fin(c);
		break;
	case RST:
		clc_emit_next(c, TH_RST, NULL, 0);
		over(c, "");
		break;
	case SILENT:
		return false;
	}
	talk->step++;
	return true;
}

/* What is due in a connection; returns when the next thing will be. */
static long tend(struct conn *c, long end)
{
	struct talk *talk = talk_of(c);

	while (c->state == ESTABLISHED && talk->step < n_steps &&
	       talk->resume <= now_ms() && do_step(c, &steps[talk->step]))
		;
	if (c->state == ESTABLISHED && c->fin_got) {
		if (talk->step == n_steps && !c->fin_sent)
			clc_send_fin(c);
		if (c->fin_sent ? !clc_is_unacked(c) : is_silent(talk))
			over(c, "");
	}
	if (c->state == NONE || c->state == OVER)
		return end;
	if (clc_is_unacked(c)) {
		if (c->resend <= now_ms())
			clc_send_again(c);
		end = c->resend < end ? c->resend : end;
	}
	return talk->resume > now_ms() && talk->resume < end ? talk->resume
							     : end;
}

/*
 * What is received
 */
static void keep(struct conn *c, size_t len)
{
	struct talk *talk = talk_of(c);

	memcpy(talk->last, c->in, len);
	talk->last_len = len;
	talk->events++;
}

void clc_got_message(struct conn *c, size_t len)
{
	static const char *const names[] = {"proposal", "accept", "confirm"};
	char code[16];
	FILE *f;

	if (c->in[4] == 4) {
		snprintf(code, sizeof(code), "0x%02x%02x%02x%02x", c->in[16],
			 c->in[17], c->in[18], c->in[19]);
		note(c, "got decline ", code);
	} else {
		note(c, "got ",
		     c->in[4] > 0 && c->in[4] < 4 ? names[c->in[4] - 1] : "?");
	}
	if (save) {
		f = fopen(save, "w");
		if (!f || fwrite(c->in, len, 1, f) != 1 || fclose(f))
			clc_die(save);
		save = NULL;
	}
	keep(c, len);
}

void clc_got_payload(struct conn *c)
{
	struct talk *talk = talk_of(c);

	for (size_t i = 0; i < c->in_len; i++, talk->payload_len++) {
		if (talk->payload_len >= sizeof(talk->payload) - 1)
			continue;
		talk->payload[talk->payload_len] = '.';
		if (c->in[i] > ' ' && c->in[i] < 127)
			talk->payload[talk->payload_len] = c->in[i];
		talk->payload[talk->payload_len + 1] = '\0';
	}
	keep(c, c->in_len);
}

void clc_got_syn(struct conn *c, bool is_answer, bool is_smc)
{
	note(c, is_answer ? "got synack " : "got syn ",
	     is_smc ? "smc" : "plain");
}

void clc_got_fin(struct conn *c)
{
	note(c, "got fin", "");
}

void clc_got_rst(struct conn *c)
{
	over(c, "got rst");
}

struct conn *clc_accept(const struct packet *p)
{
	struct conn *c;

	if (role != SERVER)
		return NULL;
	c = clc_open(crosses ? SYN_SENT : SYN_RECEIVED, ntohl(p->ip.daddr),
		     port, ntohs(p->tcp.th_sport));
	if (c)
		c->resend = now_ms() + delay;
	return c;
}

void clc_after_packet(struct conn *c)
{
	tend(c, 0);
}

static void mirror(struct packet *p)
{
	const unsigned char *at = clc_find_option(p);
	bool is_answer = p->tcp.th_flags & TH_ACK;
	uint32_t addr = p->ip.saddr;

	if (p->tcp.th_flags & TH_SYN) {
		clc_got_syn(conns, is_answer, at);
		if (at && !strcmp(strip, is_answer ? "synack" : "syn"))
			memset(p->rest + (at - p->rest), 1, 6);
	}
	p->ip.saddr = p->ip.daddr;
	p->ip.daddr = addr;
	clc_emit_packet(p);
}

static void receive(void)
{
	struct packet p;

	while (clc_read_packet(&p)) {
		if (role == MIRROR)
			mirror(&p);
		else
			clc_take_packet(&p);
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
	struct pollfd fds[2] = {{.fd = clc_tun, .events = POLLIN},
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
			clc_die("poll");
		if (fds[0].revents)
			receive();
		if (fds[1].revents)
			fds[1].fd = -1;
	}
	for (struct conn *c = conns; c < conns_end && role != MIRROR; c++)
		if (c->state != OVER)
			note(c, c->state == NONE ? "missing" : "open", "");
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
		{"option", no_argument, &clc_offers, 1},
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
	network = clc_open_tun(net);
	clc_make_conns(count);
	talks = calloc(count, sizeof(*talks));
	if (!talks)
		clc_die("calloc");
	printf("peer ready\n");
	fflush(stdout);
	if (argv[optind]) {
		command = fork();
		if (!command) {
			execvp(argv[optind], argv + optind);
			clc_die(argv[optind]);
		}
	}
	for (long i = 0; role == CLIENT && i < count; i++)
		clc_open(SYN_SENT, network + 2 + i, 20000 + i, port);
	run(command);
	if (command && !waitpid(command, &status, WNOHANG)) {
		printf("peer: COMMAND did not end\n");
		kill(command, SIGKILL);
		return 1;
	}
	return status != 0;
}
