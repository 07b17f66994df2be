// SPDX-License-Identifier: MIT
/*
 * Peers that shake hands with the kernel by messages with errors: as clients of
 * its listeners and as servers of its clients, many at the same time. On a tun
 * device as in clc_peer, where the kernel is 10.88.NET.1, and any other host and
 * port is a server.
 *
 *	clc_fuzz --seed S --count N [OPTIONS] -- COMMAND...
 *
 *	--net N		NET (default 0)
 *	--seed S	what is sent follows from S and the handshake's number
 *	--count N	handshakes as a client
 *	--port P	of the kernel's listeners, P and P + 1 (default 7000)
 *	--flight N	as a client at the same time (default 100)
 *	--trace		print each first and second message
 *	COMMAND		hs_flood, which gets SIGTERM when the clients are done
 *
 * Half of the first messages are right, so that the second is read: a PROPOSAL that
 * the kernel made, and an ACCEPT that it gave another connection, with memory
 * that is there.
 *
 * The kernel's program says APP and 8 digits on a connection that is TCP, SMC on
 * one that is SMC, and nothing else. The answer to the former is ECHO, its digits,
 * a letter, and how many bytes came before in 4 digits. c: none of them is for the
 * program, because all were whole messages; f: all are, because the first is none
 * and this is the client; x: unknown.
 *
 * Prints "fuzz KEY NUMBER", for each side the peer was on what it received, and
 * "fuzz violation ...": something that must not be.
 */
#include <arpa/inet.h>
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

#include "clc_mutate.h"
#include "clc_tcp.h"
#include "probe.h"

#define SLOTS 1200
#define POOL 16
#define LIMIT 20000 /* ms: handshakes take 15 s, what follows some more */
#define ASK 15000 /* ms after which the kernel is asked whether it is there */
#define LIFE 30000 /* ms until a connection is left alone */
#define HALF_LIFE 3000 /* ms the same for one that is half closed */
#define SLOW 700 /* ms for an ACCEPT */
#define NARROW 8 /* handshakes at the same time at least */
#define MAX_TOLD 20
#define MAX_CODES 64

struct talk {
	uint64_t random;
	long nr;
	bool is_client;
	int stage; /* messages sent */
	bool is_whole, is_foreign, is_valid;

	/* What is to be sent: pieces, each twice the one before */
	unsigned char plan[2 * CLC_MAX];
	size_t plan_len, plan_sent, piece;
	long gap, due;
	enum { STAY, THEN_FIN, THEN_RST } then;
	bool stays_open;

	char said[16]; /* payload */
	size_t said_len;
	bool echo_due, decided;
	long asked, fin_at, probed;
};

/* What came; the names of these are printed. */
enum what {
	HANDSHAKES,
	VALID, /* of the first messages sent */
	GOT_ACCEPT,
	GOT_CONFIRM,
	GOT_DECLINE,
	GOT_APP,
	GOT_FIN,
	GOT_RST,
	PLAIN, /* SYN-ACK without the option */
	UNDECIDED,
	WHATS
};

static const char *const names[] = {"handshakes", "valid",   "accept",
				    "confirm",	  "decline", "app",
				    "fin",	  "rst",     "plain",
				    "undecided"};
static long counts[2][WHATS];
static struct {
	bool is_client;
	uint32_t code;
	long n;
} codes[MAX_CODES];
static struct talk *talks;
static struct clc_message model, accepts[POOL], confirms[POOL];
static long n_accepts, n_confirms, violations, longest;
static long net, seed = 1, count, flight = 100, port = 7000;
static int trace;
static uint32_t network;
static long now;
static double width; /* of the flight */

__attribute__((noreturn)) static void wrong(const char *what)
{
	fprintf(stderr, "clc_fuzz: %s: see the top of clc_fuzz.c\n", what);
	exit(2);
}

static struct talk *talk_of(const struct conn *c)
{
	return &talks[c - conns];
}

static void note(const struct conn *c, enum what what)
{
	counts[talk_of(c)->is_client][what]++;
}

static void print_bytes(const unsigned char *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		printf("%02x", data[i]);
	putchar('\n');
}

static void violation(const struct conn *c, const char *what)
{
	const struct talk *talk = talk_of(c);

	if (++violations > MAX_TOLD)
		return;
	printf("fuzz violation %s: %s %ld, after %ld ms, sent ", what,
	       talk->is_client ? "client" : "server", talk->nr, now - c->since);
	print_bytes(c->out, c->out_len);
	fflush(stdout);
}

static uint32_t pick(struct talk *talk, uint32_t n)
{
	return clc_random(&talk->random, n);
}

/*
 * What is sent
 */
static void append(struct talk *talk, const void *data, size_t len)
{
	if (talk->plan_len + len > sizeof(talk->plan))
		len = sizeof(talk->plan) - talk->plan_len;
	memcpy(talk->plan + talk->plan_len, data, len);
	talk->plan_len += len;
}

/* Has the message sent, in one or several segments, maybe with more behind. */
static void deliver(struct conn *c, const struct clc_message *m)
{
	struct talk *talk = talk_of(c);
	unsigned char junk[64];

	if (trace) {
		printf("trace %s %ld ", talk->is_client ? "client" : "server",
		       talk->nr);
		print_bytes(m->data, m->len);
	}
	if (!talk->stage++) {
		talk->is_whole = true;
		talk->is_foreign = talk->is_client && m->len >= 4 &&
				   memcmp(m->data, "\xe2\xd4\xc3\xd9", 4) &&
				   memcmp(m->data, "\xe2\xd4\xc3\xc4", 4);
	}
	talk->is_whole &= clc_is_whole(m);
	append(talk, m->data, m->len);
	switch (pick(talk, 12)) {
	case 0:
		for (size_t i = 0; i < sizeof(junk); i++)
			junk[i] = pick(talk, 256);
		append(talk, junk, 1 + pick(talk, sizeof(junk)));
		talk->is_whole = false;
		break;
	case 1:
		append(talk, m->data, m->len);
		talk->is_whole = false;
		break;
	}
	talk->piece = talk->plan_len;
	if (!pick(talk, 4)) {
		talk->piece = 1 + (pick(talk, 2) ? 0 : pick(talk, m->len + 1));
		talk->gap = pick(talk, 2) ? 0 : pick(talk, 40);
	}
	talk->due = now;
	switch (pick(talk, 40)) {
	case 0:
		talk->then = THEN_FIN;
		break;
	case 1:
		talk->then = THEN_RST;
		break;
	}
}

static void over(struct conn *c)
{
	c->state = OVER;
}

static void reset(struct conn *c)
{
	clc_emit_next(c, TH_RST, NULL, 0);
	over(c);
}

static void get_from(struct talk *talk, struct clc_message *m,
		     const struct clc_message *pool, long n, enum clc_type type)
{
	if (n)
		*m = pool[pick(talk, n < POOL ? n : POOL)];
	else
		clc_build(&talk->random, m, type, &model);
}

static void mutate(struct talk *talk, struct clc_message *m)
{
	struct clc_message other;

	clc_build(&talk->random, &other, 1 + pick(talk, 4), &model);
	clc_mutate(&talk->random, m, &other);
}

/* A message of any type, or no message at all */
static void make_any(struct talk *talk, struct clc_message *m)
{
	clc_build(&talk->random, m, 1 + pick(talk, 4), &model);
	switch (pick(talk, 3)) {
	case 0:
		mutate(talk, m);
		break;
	case 1:
		m->len = 1 + pick(talk, 200);
		for (size_t i = pick(talk, 2) * 4; i < m->len; i++)
			m->data[i] = pick(talk, 256);
		break;
	}
}

/* Neither: ends the connection, or says nothing. */
static void refuse(struct conn *c)
{
	switch (pick(talk_of(c), 3)) {
	case 0:
		clc_send_fin(c);
		break;
	case 1:
		reset(c);
		break;
	}
}

static void send_first(struct conn *c)
{
	struct talk *talk = talk_of(c);
	struct clc_message m = model;
	uint32_t way = pick(talk, 32);

	if (way == 31) {
		refuse(c);
		return;
	}
	if (way < 16 && model.len)
		talk->is_valid = true;
	else if (way < 26 && model.len)
		mutate(talk, &m);
	else if (way < 29)
		clc_build(&talk->random, &m, PROPOSAL, &model);
	else
		make_any(talk, &m);
	if (way < 29 && pick(talk, 2) && !talk->is_valid)
		mutate(talk, &m);
	if (talk->is_valid)
		note(c, VALID);
	talk->asked = now;
	deliver(c, &m);
}

/*
 * Fewer at the same time if the kernel is slow: what ends by a timeout is not to
 * wait for others, too.
 */
static void adapt(long ms)
{
	static long narrowed;

	if (ms < SLOW) {
		width = width + 0.5 < flight ? width + 0.5 : flight;
	} else if (now - narrowed > SLOW) {
		narrowed = now;
		width = width / 2 > NARROW ? width / 2 : NARROW;
	}
}

/* What came is an ACCEPT, for which there is a CONFIRM. */
static void send_second(struct conn *c, const struct clc_message *accept)
{
	struct talk *talk = talk_of(c);
	struct clc_message m = *accept;
	uint32_t way = pick(talk, 16);

	m.data[4] = CONFIRM;
	if (way == 15) {
		refuse(c);
		return;
	}
	if (way >= 4 && way < 10)
		mutate(talk, &m);
	else if (way == 10)
		get_from(talk, &m, confirms, n_confirms, CONFIRM);
	else if (way == 11 || way == 12)
		clc_build(&talk->random, &m, CONFIRM, &model);
	else if (way == 13)
		clc_build(&talk->random, &m, DECLINE, &model);
	else if (way == 14)
		make_any(talk, &m);
	if (way >= 10 && way < 14 && pick(talk, 2))
		mutate(talk, &m);
	deliver(c, &m);
}

/* What came is a PROPOSAL. */
static void send_answer(struct conn *c)
{
	struct talk *talk = talk_of(c);
	struct clc_message m;
	uint32_t way = pick(talk, 32);

	if (way == 31) {
		refuse(c);
		return;
	}
	if (way < 16)
		get_from(talk, &m, accepts, n_accepts, ACCEPT);
	else if (way < 26)
		clc_build(&talk->random, &m, ACCEPT, &model);
	else if (way < 29)
		clc_build(&talk->random, &m, DECLINE, &model);
	else
		make_any(talk, &m);
	talk->is_valid = way < 8;
	if (talk->is_valid)
		note(c, VALID);
	else if (way < 29 && pick(talk, 4))
		mutate(talk, &m);
	deliver(c, &m);
}

static void send_echo(struct conn *c)
{
	struct talk *talk = talk_of(c);
	char kind = talk->is_foreign ? 'f' : talk->is_whole ? 'c' : 'x';
	char text[32];
	int len;

	talk->echo_due = false;
	if (c->fin_sent)
		return;
	if (!talk->stage)
		kind = 'c';
	len = snprintf(text, sizeof(text), "ECHO%.8s%c%04zx", talk->said + 3,
		       kind, c->out_len);
	clc_send_bytes(c, (unsigned char *)text, len);
}

static void send_plan(struct conn *c)
{
	struct talk *talk = talk_of(c);
	size_t len;

	while (talk->plan_sent < talk->plan_len && talk->due <= now) {
		len = talk->plan_len - talk->plan_sent;
		len = talk->piece < len ? talk->piece : len;
		len = len < CLC_MAX ? len : CLC_MAX;
		clc_send_bytes(c, talk->plan + talk->plan_sent, len);
		talk->plan_sent += len;
		talk->piece *= 2;
		talk->due = now + talk->gap;
	}
	if (talk->plan_sent < talk->plan_len)
		return;
	talk->plan_len = talk->plan_sent = 0;
	if (talk->then == THEN_FIN && !c->fin_sent)
		clc_send_fin(c);
	else if (talk->then == THEN_RST)
		reset(c);
	talk->then = STAY;
}

static void check_decided(struct conn *c)
{
	struct talk *talk = talk_of(c);

	if (!talk->decided && now - c->since > longest)
		longest = now - c->since;
	talk->decided = true;
}

/*
 * A reset is not repeated, and may be lost if there is no room in the device's
 * queue. An empty segment is answered by one if the connection is gone.
 */
static void ask_again(struct conn *c)
{
	struct talk *talk = talk_of(c);

	if (talk->decided || now - c->since < ASK || now - talk->probed < 500)
		return;
	talk->probed = now;
	clc_emit_next(c, 0, NULL, 0);
}

/* A connection that the peer does not end is left alone after a time. */
static bool is_forgotten(const struct conn *c)
{
	const struct talk *talk = talk_of(c);
	long age = now - c->since;

	return age > LIFE || (talk->fin_at && now - talk->fin_at > HALF_LIFE);
}

static void tend(struct conn *c)
{
	struct talk *talk = talk_of(c);

	if (c->state == ESTABLISHED && talk->plan_len)
		send_plan(c);
	if (c->state == ESTABLISHED && talk->echo_due && !talk->plan_len)
		send_echo(c);
	if (c->state == ESTABLISHED && c->fin_got && !talk->stays_open) {
		if (!c->fin_sent)
			clc_send_fin(c);
		else if (!clc_is_unacked(c))
			over(c);
	}
	if (c->state == NONE || c->state == OVER)
		return;
	if (clc_is_unacked(c) && c->resend <= now)
		clc_send_again(c);
	if (c->state == ESTABLISHED)
		ask_again(c);
	if (c->state == ESTABLISHED && !talk->decided &&
	    now - c->since > LIMIT) {
		violation(c, "undecided");
		note(c, UNDECIDED);
		talk->decided = true;
	}
	if (is_forgotten(c))
		over(c);
}

/*
 * What is received
 */
static void start(struct conn *c, bool is_client)
{
	struct talk *talk = talk_of(c);
	long nr = ++counts[is_client][HANDSHAKES];

	*talk = (struct talk){
		.random = (uint64_t)seed << 32 ^ (uint64_t)nr << 1 ^ is_client,
		.nr = nr,
		.is_client = is_client,
	};
	pick(talk, 1);
	talk->stays_open = !pick(talk, 16);
	c->since = now;
}

struct conn *clc_accept(const struct packet *p)
{
	struct conn *c;

	c = clc_open(SYN_RECEIVED, ntohl(p->ip.daddr), ntohs(p->tcp.th_dport),
		     ntohs(p->tcp.th_sport));
	if (c)
		start(c, false);
	return c;
}

void clc_got_syn(struct conn *c, bool is_answer, bool is_smc)
{
	if (!is_smc)
		note(c, PLAIN);
	if (is_answer)
		talk_of(c)->due = 1; /* for the first message */
}

static void count_code(bool is_client, uint32_t code)
{
	int i;

	for (i = 0; i < MAX_CODES - 1 && codes[i].n; i++)
		if (codes[i].is_client == is_client && codes[i].code == code)
			break;
	codes[i].is_client = is_client;
	codes[i].code = code;
	codes[i].n++;
}

void clc_got_message(struct conn *c, size_t len)
{
	struct talk *talk = talk_of(c);
	struct clc_message m = {.len = len < CLC_MAX ? len : CLC_MAX};

	memcpy(m.data, c->in, m.len);
	if (!clc_is_whole(&m))
		violation(c, "a wrong message came");
	switch (m.data[4]) {
	case PROPOSAL:
		if (talk->is_client || talk->stage)
			violation(c, "a PROPOSAL came");
		model = m;
		send_answer(c);
		break;
	case ACCEPT:
		if (!talk->is_client || talk->stage != 1)
			violation(c, "an ACCEPT came");
		note(c, GOT_ACCEPT);
		adapt(now - talk->asked);
		accepts[n_accepts++ % POOL] = m;
		send_second(c, &m);
		break;
	case CONFIRM:
		if (talk->is_client || talk->stage != 1)
			violation(c, "a CONFIRM came");
		note(c, GOT_CONFIRM);
		confirms[n_confirms++ % POOL] = m;
		break;
	case DECLINE:
		check_decided(c);
		note(c, GOT_DECLINE);
		count_code(talk->is_client,
			   (uint32_t)m.data[16] << 24 | m.data[17] << 16 |
				   m.data[18] << 8 | m.data[19]);
		break;
	default:
		violation(c, "an unknown message came");
	}
}

/* APP and digits, once */
void clc_got_payload(struct conn *c)
{
	struct talk *talk = talk_of(c);
	size_t room = sizeof(talk->said) - 1 - talk->said_len;
	size_t len = c->in_len < room ? c->in_len : room;

	memcpy(talk->said + talk->said_len, c->in, len);
	talk->said_len += len;
	if (c->in_len > len || talk->said_len > 11 ||
	    strncmp(talk->said, "APP",
		    talk->said_len < 3 ? talk->said_len : 3)) {
		violation(c, "what came is not for TCP");
		printf("fuzz received ");
		print_bytes(c->in, c->in_len);
		return;
	}
	check_decided(c);
	if (talk->said_len < 11)
		return;
	note(c, GOT_APP);
	talk->echo_due = true;
}

void clc_got_fin(struct conn *c)
{
	check_decided(c);
	note(c, GOT_FIN);
	talk_of(c)->fin_at = now;
}

void clc_got_rst(struct conn *c)
{
	check_decided(c);
	note(c, GOT_RST);
	over(c);
}

void clc_after_packet(struct conn *c)
{
	struct talk *talk = talk_of(c);

	if (c->state == ESTABLISHED && talk->is_client && talk->due == 1) {
		talk->due = 0;
		send_first(c);
	}
	tend(c);
}

/*
 * The program
 */
static void connect_more(void)
{
	long active = 0, nr;
	struct conn *c;

	if (!model.len)
		return;
	for (c = conns; c < conns_end; c++)
		active += c->state != NONE && talk_of(c)->is_client &&
			  !talk_of(c)->fin_at;
	for (; active < width && counts[true][HANDSHAKES] < count; active++) {
		nr = counts[true][HANDSHAKES];
		c = clc_open(SYN_SENT, network + 2 + nr % 250,
			     1024 + nr / 250 % 60000, port + !(nr % 6));
		if (!c)
			return;
		start(c, true);
		c->resend = now;
	}
}

/* Tends all connections; returns how many there are of clients. */
static long tend_all(void)
{
	long clients = 0;

	for (struct conn *c = conns; c < conns_end; c++) {
		if (c->state == NONE)
			continue;
		tend(c);
		if (c->state == OVER)
			clc_recycle(c);
		else
			clients += talk_of(c)->is_client;
	}
	return clients;
}

static void receive(void)
{
	struct packet p;

	for (int n = 0; n < 64 && clc_read_packet(&p); n++) {
		now = now_ms();
		clc_take_packet(&p);
	}
}

static void run(pid_t command)
{
	struct pollfd fds[2] = {{.fd = clc_tun, .events = POLLIN},
				{.fd = pidfd_open(command, 0),
				 .events = POLLIN}};
	long swept = 0, clients = 1;
	bool told = false;

	while (!(fds[1].revents & POLLIN)) {
		now = now_ms();
		if (now - swept >= 10) {
			swept = now;
			connect_more();
			clients = tend_all();
		}
		if (!told && !clients && counts[true][HANDSHAKES] >= count) {
			told = true;
			kill(command, SIGTERM);
		}
		if (poll(fds, 2, 10) < 0)
			clc_die("poll");
		if (fds[0].revents)
			receive();
	}
}

static void print_counts(void)
{
	static const char *const sides[] = {"server", "client"};

	for (int side = 0; side < 2; side++)
		for (int i = 0; i < WHATS; i++)
			printf("fuzz %s.%s %ld\n", sides[side], names[i],
			       counts[side][i]);
	for (int i = 0; i < MAX_CODES && codes[i].n; i++)
		printf("fuzz %s.decline.0x%08x %ld\n",
		       sides[codes[i].is_client], codes[i].code, codes[i].n);
	printf("fuzz wait_ms %ld\nfuzz violations %ld\n", longest, violations);
}

static void parse_options(int argc, char **argv)
{
	static const struct option options[] = {
		{"net", required_argument, NULL, 0},
		{"seed", required_argument, NULL, 1},
		{"count", required_argument, NULL, 2},
		{"flight", required_argument, NULL, 3},
		{"port", required_argument, NULL, 4},
		{"trace", no_argument, &trace, 1},
		{0},
	};
	static long *const numbers[] = {&net, &seed, &count, &flight, &port};
	int c, which;

	while ((c = getopt_long(argc, argv, "+", options, &which)) != -1) {
		if (c == '?')
			wrong("options");
		if (optarg)
			*numbers[c] = atol(optarg);
	}
	if (!argv[optind] || net < 0 || net > 255)
		wrong("arguments");
}

int main(int argc, char **argv)
{
	pid_t command;
	int status = 0;

	parse_options(argc, argv);
	clc_offers = 1;
	width = NARROW;
	network = clc_open_tun(net);
	clc_make_conns(SLOTS);
	talks = calloc(SLOTS, sizeof(*talks));
	if (!talks)
		clc_die("calloc");
	fflush(stdout);
	command = fork();
	if (!command) {
		execvp(argv[optind], argv + optind);
		clc_die(argv[optind]);
	}
	run(command);
	waitpid(command, &status, 0);
	print_counts();
	return status != 0;
}
