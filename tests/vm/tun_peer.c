// SPDX-License-Identifier: MIT
/*
 * tun_peer PROTO TEST: what TCP makes of the SMC option. Sockets of PROTO (af_smc
 * or inet) and of TCP talk to a host at the other end of a tun device, which is
 * this program and makes its TCP segments by hand; so it sees, and decides, what
 * is on the wire. A segment that it sends has been processed when write()
 * returns.
 *
 * Exit status: 77 if sockets of PROTO do not offer SMC, or the test is not for
 * them.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "smc_uapi.h"

#ifndef SMC_LIMIT_HS
#define SMC_LIMIT_HS 1
#endif

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define HERE "10.99.0.1"
#define PEER "10.99.0.2"
#define PORT 4000 /* of listeners */

/* A socket that waits for an SMC handshake gives up after 6 s. */
#define SOON 4000
#define NEVER 700

#define SYN 0x02
#define RST 0x04
#define PSH 0x08
#define ACK 0x10

/* What a segment carries besides data. */
#define OPT_SMC 0x1
#define OPT_TIME 0x2
#define OPT_MD5 0x4

static const char magic[] = {'\xe2', '\xd4', '\xc3', '\xd9'};
static const char key[] = "secret";

/* The peer's end of a connection. */
struct end {
	uint16_t port, their_port;
	uint32_t seq, ack;
	int opts; /* of each segment */
};

struct segment {
	uint32_t seq, ack;
	int flags, opts;
	size_t len;
	char data[2048];
};

static bool inet;
static int tun;
static uint16_t next_port;

__attribute__((format(printf, 1, 2), noreturn)) static void
fail(const char *fmt, ...)
{
	va_list ap;

	fputs("tun_peer: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

__attribute__((noreturn)) static void die(const char *what)
{
	fail("%s: %s", what, strerror(errno));
}

__attribute__((noreturn)) static void not_for_it(const char *why)
{
	fprintf(stderr, "tun_peer: %s\n", why);
	exit(77);
}

static void set_sysctl(const char *name, const char *value)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/sys/net/ipv4/%s", name);
	file = fopen(path, "we");
	if (!file || fputs(value, file) < 0 || fclose(file))
		die(path);
}

static struct sockaddr_in address(const char *host, uint16_t port)
{
	struct sockaddr_in addr = {.sin_family = AF_INET,
				   .sin_port = htons(port)};

	inet_pton(AF_INET, host, &addr.sin_addr);
	return addr;
}

/*
 * MD5 (RFC 1321), for the signatures of RFC 2385
 */
static void md5_block(uint32_t state[4], const uint8_t *block)
{
	static const uint32_t sines[64] = {
		0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf,
		0x4787c62a, 0xa8304613, 0xfd469501, 0x698098d8, 0x8b44f7af,
		0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e,
		0x49b40821, 0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa,
		0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8, 0x21e1cde6,
		0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8,
		0x676f02d9, 0x8d2a4c8a, 0xfffa3942, 0x8771f681, 0x6d9d6122,
		0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70,
		0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05, 0xd9d4d039,
		0xe6db99e5, 0x1fa27cf8, 0xc4ac5665, 0xf4292244, 0x432aff97,
		0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d,
		0x85845dd1, 0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1,
		0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391,
	};
	static const uint8_t shifts[4][4] = {{7, 12, 17, 22},
					     {5, 9, 14, 20},
					     {4, 11, 16, 23},
					     {6, 10, 15, 21}};
	uint32_t a = state[0], b = state[1], c = state[2], d = state[3];

	for (int i = 0; i < 64; i++) {
		int shift = shifts[i / 16][i % 4], word;
		uint32_t f, sum;

		switch (i / 16) {
		case 0:
			f = (b & c) | (~b & d);
			word = i;
			break;
		case 1:
			f = (d & b) | (~d & c);
			word = (5 * i + 1) % 16;
			break;
		case 2:
			f = b ^ c ^ d;
			word = (3 * i + 5) % 16;
			break;
		default:
			f = c ^ (b | ~d);
			word = 7 * i % 16;
		}
		memcpy(&sum, block + 4 * word, 4);
		sum += a + f + sines[i];
		a = d;
		d = c;
		c = b;
		b += sum << shift | sum >> (32 - shift);
	}
	state[0] += a;
	state[1] += b;
	state[2] += c;
	state[3] += d;
}

/* On little-endian machines, and of less than 248 bytes. */
static void md5(const void *data, size_t len, uint8_t *digest)
{
	uint32_t state[4] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476};
	uint8_t buf[256] = {0};
	size_t blocks = (len + 8) / 64 + 1;
	uint64_t bits = len * 8;

	memcpy(buf, data, len);
	buf[len] = 0x80;
	memcpy(buf + 64 * blocks - 8, &bits, 8);
	for (size_t i = 0; i < blocks; i++)
		md5_block(state, buf + 64 * i);
	memcpy(digest, state, 16);
}

/*
 * The peer
 */
static void tun_open(void)
{
	struct ifreq ifr = {.ifr_flags = IFF_TUN | IFF_NO_PI};
	struct sockaddr_in addr = address(HERE, 0);
	struct sockaddr_in mask = address("255.255.255.0", 0);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	tun = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (tun < 0 || ioctl(tun, TUNSETIFF, &ifr))
		die("tun");
	memcpy(&ifr.ifr_addr, &addr, sizeof(addr));
	if (ioctl(fd, SIOCSIFADDR, &ifr))
		die("SIOCSIFADDR");
	memcpy(&ifr.ifr_netmask, &mask, sizeof(mask));
	if (ioctl(fd, SIOCSIFNETMASK, &ifr))
		die("SIOCSIFNETMASK");
	ifr.ifr_flags = IFF_UP | IFF_RUNNING;
	if (ioctl(fd, SIOCSIFFLAGS, &ifr))
		die("SIOCSIFFLAGS");
	close(fd);
}

static uint32_t sum_words(uint32_t sum, const void *data, size_t len)
{
	const uint8_t *bytes = data;

	for (size_t i = 0; i < len; i++)
		sum += bytes[i] << (i % 2 ? 0 : 8);
	return sum;
}

static uint16_t checksum(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons(~sum);
}

static struct end new_end(uint16_t their_port)
{
	return (struct end){
		.port = next_port++, .their_port = their_port, .seq = 1000000};
}

static void put_segment(struct end *end, int flags, int opts, const char *data)
{
	size_t len = data ? strlen(data) : 0;
	struct {
		struct iphdr ip;
		struct tcphdr tcp;
		uint8_t rest[128];
	} packet = {
		.ip = {.version = 4,
		       .ihl = 5,
		       .ttl = 64,
		       .protocol = IPPROTO_TCP,
		       .saddr = inet_addr(PEER),
		       .daddr = inet_addr(HERE)},
		.tcp = {.source = htons(end->port),
			.dest = htons(end->their_port),
			.seq = htonl(end->seq),
			.ack_seq = htonl(flags & ACK ? end->ack : 0),
			.window = htons(60000)},
	};
	struct {
		uint32_t saddr, daddr;
		uint16_t protocol, len;
		struct tcphdr tcp;
		char rest[128];
	} hashed = {.saddr = packet.ip.saddr,
		    .daddr = packet.ip.daddr,
		    .protocol = htons(IPPROTO_TCP)};
	uint8_t *opt = packet.rest, *digest = NULL;
	size_t size;

	opts |= end->opts;
	if (opts & OPT_MD5) {
		memcpy(opt, "\x01\x01\x13\x12", 4);
		digest = opt + 4;
		opt += 20;
	}
	if (opts & OPT_TIME) {
		memcpy(opt, "\x01\x01\x08\x0a\0\0\0\x01\0\0\0\0", 12);
		opt += 12;
	}
	if (opts & OPT_SMC) {
		memcpy(opt, "\x01\x01\xfe\x06", 4);
		memcpy(opt + 4, magic, 4);
		opt += 8;
	}
	packet.tcp.doff = (sizeof(packet.tcp) + opt - packet.rest) / 4;
	packet.tcp.th_flags = flags;
	if (len)
		memcpy(opt, data, len);
	size = 4 * packet.tcp.doff + len;
	packet.ip.tot_len = htons(sizeof(packet.ip) + size);
	packet.ip.check = checksum(sum_words(0, &packet.ip, sizeof(packet.ip)));
	hashed.len = htons(size);
	if (digest) {
		hashed.tcp = packet.tcp;
		if (len)
			memcpy(hashed.rest, data, len);
		memcpy(hashed.rest + len, key, strlen(key));
		md5(&hashed, offsetof(typeof(hashed), rest) + len + strlen(key),
		    digest);
	}
	packet.tcp.check = checksum(
		sum_words(sum_words(0, &hashed, offsetof(typeof(hashed), tcp)),
			  &packet.tcp, size));
	size += sizeof(packet.ip);
	if (write(tun, &packet, size) != (ssize_t)size)
		die("write to tun");
	end->seq += len + !!(flags & SYN);
}

static int parse_options(const uint8_t *opt, const uint8_t *stop)
{
	int opts = 0;

	while (opt < stop && *opt) {
		if (*opt == TCPOPT_NOP) {
			opt++;
			continue;
		}
		if (stop - opt < 2 || opt[1] < 2 || opt[1] > stop - opt)
			fail("bad TCP options");
		if (opt[0] == 254 && opt[1] == 6 && !memcmp(opt + 2, magic, 4))
			opts |= OPT_SMC;
		if (opt[0] == TCPOPT_TIMESTAMP)
			opts |= OPT_TIME;
		if (opt[0] == 19)
			opts |= OPT_MD5;
		opt += opt[1];
	}
	return opts;
}

/* The next segment for @end in @ms, of a port that is still to be known if
 * @end has none.
 */
static bool get_segment(struct end *end, struct segment *segment, int ms)
{
	struct pollfd pfd = {.fd = tun, .events = POLLIN};
	struct {
		struct iphdr ip;
		struct tcphdr tcp;
		uint8_t rest[2000];
	} packet;
	ssize_t size;
	size_t header;

	for (;;) {
		size = read(tun, &packet, sizeof(packet));
		if (size < 0) {
			if (errno != EAGAIN)
				die("read from tun");
			if (poll(&pfd, 1, ms) == 0)
				return false;
			continue;
		}
		/* The kernel says this and that on a new device. */
		if (packet.ip.version != 4 || packet.ip.ihl != 5 ||
		    packet.ip.protocol != IPPROTO_TCP ||
		    ntohs(packet.tcp.dest) != end->port)
			continue;
		if (!end->their_port)
			end->their_port = ntohs(packet.tcp.source);
		if (ntohs(packet.tcp.source) == end->their_port)
			break;
	}
	header = 4 * packet.tcp.doff;
	*segment = (struct segment){
		.seq = ntohl(packet.tcp.seq),
		.ack = ntohl(packet.tcp.ack_seq),
		.flags = packet.tcp.th_flags,
		.opts = parse_options(packet.rest,
				      (uint8_t *)&packet.tcp + header),
		.len = size - sizeof(packet.ip) - header,
	};
	memcpy(segment->data, (char *)&packet.tcp + header, segment->len);
	return true;
}

static void want_segment(struct end *end, struct segment *segment, int flags)
{
	if (!get_segment(end, segment, SOON))
		fail("no segment with flags %#x", flags);
	if ((segment->flags & ~PSH) != flags)
		fail("a segment with flags %#x, not %#x", segment->flags,
		     flags);
}

static void want_reset(struct end *end)
{
	struct segment segment;

	while (get_segment(end, &segment, SOON)) {
		if (segment.flags & RST)
			return;
	}
	fail("no reset");
}

static void want_silence(struct end *end, int ms)
{
	struct segment segment;

	if (get_segment(end, &segment, ms))
		fail("a segment with flags %#x, %zu bytes", segment.flags,
		     segment.len);
}

/* Sends a SYN, with @data if not NULL; what options the SYN-ACK has. */
static int ask(struct end *end, int opts, const char *data)
{
	struct segment segment;

	put_segment(end, SYN, opts, data);
	want_segment(end, &segment, SYN | ACK);
	if (segment.ack != end->seq)
		fail("%u bytes of the SYN not acknowledged",
		     end->seq - segment.ack);
	end->ack = segment.seq + 1;
	return segment.opts;
}

/*
 * Sockets
 */
static int new_socket(bool smc)
{
	int fd, on = 1;

	if (!smc)
		fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	else if (inet)
		fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_SMC);
	else
		fd = socket(AF_SMC, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)))
		die("socket");
	return fd;
}

static void bind_here(int fd)
{
	struct sockaddr_in addr = address(HERE, PORT);

	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)))
		die("bind");
}

static int connect_to(int fd, const char *host, uint16_t port)
{
	struct sockaddr_in addr = address(host, port);

	return connect(fd, (struct sockaddr *)&addr, sizeof(addr));
}

static void disconnect(int fd)
{
	struct sockaddr addr = {.sa_family = AF_UNSPEC};

	if (connect(fd, &addr, sizeof(addr)))
		die("connect to AF_UNSPEC");
}

static void start_listening(int fd)
{
	int on = 1;

	/* AF_SMC cannot. */
	setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
	bind_here(fd);
	if (listen(fd, 64))
		die("listen");
}

static int new_listener(bool smc)
{
	int fd = new_socket(smc);

	start_listening(fd);
	return fd;
}

static bool wait_for(int fd, short events, int ms)
{
	struct pollfd pfd = {.fd = fd, .events = events};

	return poll(&pfd, 1, ms) == 1;
}

static int accept_soon(int listener)
{
	int fd;

	if (!wait_for(listener, POLLIN, SOON))
		fail("nothing to accept");
	fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (fd < 0)
		die("accept");
	return fd;
}

static void want_none(int listener)
{
	if (wait_for(listener, POLLIN, NEVER))
		fail("the other listener got the connection");
}

static void want_hello(int fd)
{
	char buf[64] = "";
	ssize_t n;

	if (!wait_for(fd, POLLIN, SOON))
		fail("no data");
	n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
	if (n != 5 || memcmp(buf, "hello", 5))
		fail("%zd bytes that are not \"hello\"", n);
}

/* Decided, and not for SMC? */
static bool is_tcp(int fd)
{
	struct smc_status status;
	socklen_t len = sizeof(int);
	int protocol = 0;

	getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &len);
	len = sizeof(status);
	if (!getsockopt(fd, SOL_SMC, SMC_STATUS, &status, &len) &&
	    status.mode != SMC_MODE_TCP)
		return false;
	return protocol == IPPROTO_TCP;
}

/* No worker runs on this processor until we sleep. */
static void hold_workers(bool hold)
{
	struct sched_param param = {.sched_priority = hold};
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(0, &set);
	if (sched_setaffinity(0, sizeof(set), &set) ||
	    sched_setscheduler(0, hold ? SCHED_FIFO : SCHED_OTHER, &param))
		die("sched_setscheduler");
}

/* A reuseport group, and a request with the option that is one's of them. */
struct group {
	int smc, tcp;
	struct end end;
};

static struct group new_group(bool of_smc)
{
	struct group group;
	bool offered = false;
	int on = 1;

	set_sysctl("tcp_migrate_req", "1");
	group.tcp = new_listener(false);
	group.smc = new_socket(true);
	/* There is a callback then that says whether to offer SMC. */
	if (setsockopt(group.smc, SOL_SMC, SMC_LIMIT_HS, &on, sizeof(on)))
		die("SMC_LIMIT_HS");
	start_listening(group.smc);
	for (int i = 0; i < 100; i++) {
		bool smc;

		group.end = new_end(PORT);
		smc = ask(&group.end, OPT_SMC, NULL) & OPT_SMC;
		offered |= smc;
		if (offered && smc == of_smc)
			return group;
		put_segment(&group.end, RST, 0, NULL);
	}
	not_for_it("no SYN-ACK has the option");
}

/* Asks again, without the option; the same listener answers. */
static void ask_for_tcp(struct group *group)
{
	put_segment(&group->end, RST, 0, NULL);
	if (ask(&group->end, 0, NULL) & OPT_SMC)
		fail("the SYN-ACK has an option that the SYN had not");
}

/*
 * Requests: does the server know what its SYN-ACK said?
 */

/* That of a TCP listener has no option, so the connection is TCP also with the
 * SMC listener that gets it.
 */
static void test_request_of_tcp(void)
{
	struct group group = new_group(false);

	close(group.tcp);
	put_segment(&group.end, ACK | PSH, 0, "hello");
	want_hello(accept_soon(group.smc));
}

/* This one had no room for it. */
static void test_no_room(void)
{
	struct tcp_md5sig sig = {.tcpm_keylen = strlen(key)};
	int listener = new_listener(true);
	struct end end = new_end(PORT), first = end;
	struct sockaddr_in addr = address(PEER, 0);
	int opts;

	if (!(ask(&first, OPT_SMC, NULL) & OPT_SMC))
		not_for_it("no SYN-ACK has the option");
	put_segment(&first, RST, 0, NULL);
	memcpy(&sig.tcpm_addr, &addr, sizeof(addr));
	memcpy(sig.tcpm_key, key, strlen(key));
	if (setsockopt(listener, SOL_TCP, TCP_MD5SIG, &sig, sizeof(sig)))
		die("TCP_MD5SIG");
	end.opts = OPT_MD5;
	opts = ask(&end, OPT_SMC | OPT_TIME, NULL);
	if (opts != (OPT_MD5 | OPT_TIME))
		fail("the SYN-ACK has options %#x", opts);
	put_segment(&end, ACK | PSH, 0, "hello");
	want_hello(accept_soon(listener));
}

/* The data of a SYN comes before any handshake. */
static void test_fast_open(void)
{
	struct end end = new_end(PORT);
	int listener, opts;

	set_sysctl("tcp_fastopen", "0x602"); /* servers, without cookie */
	listener = new_listener(true);
	opts = ask(&end, OPT_SMC, "hello");
	put_segment(&end, ACK, 0, NULL);
	want_hello(accept_soon(listener));
	if (opts & OPT_SMC)
		fail("the SYN-ACK has the option");
}

/* A TCP listener that was a child of an SMC listener must not ask a module that
 * is not there any more. Prints "ready" and waits for a line.
 */
static void test_outlive(void)
{
	struct group group = new_group(true);
	char line[16];
	int fd;

	ask_for_tcp(&group);
	hold_workers(true);
	put_segment(&group.end, ACK, 0, NULL);
	close(group.smc);
	hold_workers(false);
	fd = accept_soon(group.tcp);
	close(group.tcp);
	disconnect(fd);
	start_listening(fd);
	puts("ready");
	fflush(stdout);
	if (!fgets(line, sizeof(line), stdin))
		fail("no line");
	group.end = new_end(PORT);
	if (ask(&group.end, OPT_SMC, NULL) & OPT_SMC)
		fail("the SYN-ACK has the option");
}

/*
 * Migration: who was told that it can use SMC does not end with a TCP listener.
 */

static void test_request_of_smc(void)
{
	struct group group = new_group(true);

	close(group.smc);
	put_segment(&group.end, ACK | PSH, 0, "hello");
	want_reset(&group.end);
	want_none(group.tcp);
}

/* Its client was not told, or it would not ask again. */
static void test_request_again(void)
{
	struct group group = new_group(true);

	close(group.smc);
	group.end.seq--;
	if (ask(&group.end, OPT_SMC, NULL) & OPT_SMC)
		fail("the SYN-ACK has the option");
	put_segment(&group.end, ACK | PSH, 0, "hello");
	want_hello(accept_soon(group.tcp));
}

static void test_request_timer(void)
{
	struct group group = new_group(true);

	close(group.smc);
	want_silence(&group.end, 3000); /* no SYN-ACK of the TCP listener */
	put_segment(&group.end, ACK | PSH, 0, "hello");
	want_reset(&group.end);
	want_none(group.tcp);
}

static void test_child_of_smc(void)
{
	struct group group = new_group(true);

	hold_workers(true);
	put_segment(&group.end, ACK, 0, NULL);
	close(group.smc);
	hold_workers(false);
	want_reset(&group.end);
	want_none(group.tcp);
}

static void test_plain_child_of_smc(void)
{
	struct group group = new_group(true);

	ask_for_tcp(&group);
	hold_workers(true);
	put_segment(&group.end, ACK, 0, NULL);
	put_segment(&group.end, ACK | PSH, 0, "hello");
	close(group.smc);
	hold_workers(false);
	want_hello(accept_soon(group.tcp));
}

/* The same listener, which has become one of TCP */
static void test_listen_again(void)
{
	struct end end = new_end(PORT);
	int listener, use = SMC_USE_TCP;

	if (!inet)
		not_for_it("AF_SMC cannot do that");
	listener = new_listener(true);
	if (!(ask(&end, OPT_SMC, NULL) & OPT_SMC))
		not_for_it("no SYN-ACK has the option");
	disconnect(listener);
	if (setsockopt(listener, SOL_SMC, SMC_USE, &use, sizeof(use)))
		die("SMC_USE");
	if (listen(listener, 64))
		die("listen");
	put_segment(&end, ACK | PSH, 0, "hello");
	want_reset(&end);
	want_none(listener);
}

/*
 * Clients: no SMC if the peer has not offered it.
 */

/* What @end gets of a client that connects; its SYN has to offer SMC. */
static struct segment want_syn(struct end *end)
{
	struct segment segment;

	want_segment(end, &segment, SYN);
	end->ack = segment.seq + 1;
	return segment;
}

/* The other side is TCP's. */
static void test_crossed_syns(void)
{
	struct end end = new_end(0);
	struct segment segment;
	int fd = new_socket(true), opts;

	fcntl(fd, F_SETFL, O_NONBLOCK);
	if (connect_to(fd, PEER, end.port) == 0 || errno != EINPROGRESS)
		die("connect");
	if (!(want_syn(&end).opts & OPT_SMC))
		not_for_it("the SYN has no option");
	put_segment(&end, SYN, 0, NULL);
	want_segment(&end, &segment, SYN | ACK);
	opts = segment.opts;
	put_segment(&end, ACK, 0, NULL);
	if (get_segment(&end, &segment, NEVER))
		fail("%zu bytes that nobody has sent", segment.len);
	if (!wait_for(fd, POLLOUT, SOON))
		fail("not connected");
	if (connect_to(fd, PEER, end.port) && errno != EISCONN)
		die("connect");
	if (send(fd, "hello", 5, 0) != 5)
		die("send");
	want_segment(&end, &segment, ACK);
	if (segment.len != 5 || memcmp(segment.data, "hello", 5))
		fail("%zu bytes that are not \"hello\"", segment.len);
	if (opts & OPT_SMC)
		fail("the SYN-ACK has the option");
}

/* With TCP_REPAIR there is no SYN at all. */
static void test_repair(void)
{
	struct end end = new_end(PORT);
	int fd = new_socket(true), on = 1;

	if (setsockopt(fd, SOL_TCP, TCP_REPAIR, &on, sizeof(on)))
		die("TCP_REPAIR");
	bind_here(fd);
	if (connect_to(fd, PEER, end.port))
		die("connect");
	if (!is_tcp(fd))
		fail("not TCP");
	want_silence(&end, 0);
}

/* SMC was offered to the first server, and declined: not to the next. */
static void test_disconnect(void)
{
	int listener = new_listener(true), fd = new_socket(true);
	struct end end = new_end(0);

	if (connect_to(fd, HERE, PORT))
		die("connect");
	if (!is_tcp(fd))
		not_for_it("not declined");
	close(listener);
	disconnect(fd);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	if (connect_to(fd, PEER, end.port) == 0 || errno != EINPROGRESS)
		die("connect again");
	if (want_syn(&end).opts & OPT_SMC)
		fail("the SYN has the option");
}

/*
 * sockmap, with instructions made by hand
 */
#define INSN(c, d, s, o, i)                \
	((struct bpf_insn){.code = (c),    \
			   .dst_reg = (d), \
			   .src_reg = (s), \
			   .off = (o),     \
			   .imm = (i)})

static int bpf(int cmd, union bpf_attr *attr)
{
	int fd = syscall(__NR_bpf, cmd, attr, sizeof(*attr));

	if (fd < 0)
		die("bpf");
	return fd;
}

static int new_map(int type)
{
	union bpf_attr attr = {.map_type = type,
			       .key_size = 4,
			       .value_size = 8,
			       .max_entries = 2};

	return bpf(BPF_MAP_CREATE, &attr);
}

/* Puts each end of a connection into @map as soon as there is one, 0 the client
 * and 1 the server, and the result into @results.
 */
static void put_into_map(int map, int results)
{
	const struct bpf_insn insns[] = {
		INSN(BPF_LDX | BPF_MEM | BPF_W, 2, 1,
		     offsetof(struct bpf_sock_ops, op), 0),
		INSN(BPF_ALU64 | BPF_MOV | BPF_K, 3, 0, 0, 0),
		INSN(BPF_JMP | BPF_JEQ | BPF_K, 2, 0, 2,
		     BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB),
		INSN(BPF_ALU64 | BPF_MOV | BPF_K, 3, 0, 0, 1),
		INSN(BPF_JMP | BPF_JNE | BPF_K, 2, 0, 15,
		     BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB),
		INSN(BPF_STX | BPF_MEM | BPF_W, 10, 3, -4, 0),
		INSN(BPF_ALU64 | BPF_MOV | BPF_X, 3, 10, 0, 0),
		INSN(BPF_ALU64 | BPF_ADD | BPF_K, 3, 0, 0, -4),
		INSN(BPF_LD | BPF_IMM | BPF_DW, 2, BPF_PSEUDO_MAP_FD, 0, map),
		INSN(0, 0, 0, 0, 0),
		INSN(BPF_ALU64 | BPF_MOV | BPF_K, 4, 0, 0, 0),
		INSN(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_sock_map_update),
		INSN(BPF_ALU64 | BPF_MOV | BPF_X, 6, 0, 0, 0),
		INSN(BPF_ALU64 | BPF_MOV | BPF_X, 2, 10, 0, 0),
		INSN(BPF_ALU64 | BPF_ADD | BPF_K, 2, 0, 0, -4),
		INSN(BPF_LD | BPF_IMM | BPF_DW, 1, BPF_PSEUDO_MAP_FD, 0,
		     results),
		INSN(0, 0, 0, 0, 0),
		INSN(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_map_lookup_elem),
		INSN(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1, 0),
		INSN(BPF_STX | BPF_MEM | BPF_DW, 0, 6, 0, 0),
		INSN(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 1),
		INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
	};
	union bpf_attr load = {.prog_type = BPF_PROG_TYPE_SOCK_OPS,
			       .expected_attach_type = BPF_CGROUP_SOCK_OPS,
			       .insns = (uintptr_t)insns,
			       .insn_cnt = COUNT(insns),
			       .license = (uintptr_t) "Dual MIT/GPL"};
	union bpf_attr attach = {
		.link_create.prog_fd = bpf(BPF_PROG_LOAD, &load),
		.link_create.target_fd =
			open("/sys/fs/cgroup", O_RDONLY | O_CLOEXEC),
		.link_create.attach_type = BPF_CGROUP_SOCK_OPS,
	};

	bpf(BPF_LINK_CREATE, &attach);
}

/* The result for @end; there is none then any more. */
static long take_result(int results, uint32_t end)
{
	int64_t value, none = 1;
	union bpf_attr attr = {.map_fd = results,
			       .key = (uintptr_t)&end,
			       .value = (uintptr_t)&value};

	bpf(BPF_MAP_LOOKUP_ELEM, &attr);
	attr.value = (uintptr_t)&none;
	bpf(BPF_MAP_UPDATE_ELEM, &attr);
	return value;
}

/* The handshake of SMC is not for BPF; a connection of TCP is. */
static void test_sockmap(void)
{
	int map = new_map(BPF_MAP_TYPE_SOCKMAP);
	int results = new_map(BPF_MAP_TYPE_ARRAY);
	int listener = new_listener(true);

	put_into_map(map, results);
	take_result(results, 0);
	take_result(results, 1);
	for (int smc = 0; smc < 2; smc++) {
		int client = new_socket(smc), server;

		if (connect_to(client, HERE, PORT))
			die("connect");
		server = accept_soon(listener);
		if (smc && is_tcp(client))
			not_for_it("no SMC");
		for (int end = 0; end < 2; end++) {
			long rc = take_result(results, end);

			if (rc != (smc ? -EBUSY : 0))
				fail("%s, %s: %ld", smc ? "SMC" : "TCP",
				     end ? "server" : "client", rc);
		}
		if (send(client, "hello", 5, 0) != 5)
			die("send");
		want_hello(server);
		close(client);
		close(server);
	}
}

static const struct test {
	const char *name;
	void (*run)(void);
} tests[] = {
	{"request_of_tcp", test_request_of_tcp},
	{"no_room", test_no_room},
	{"fast_open", test_fast_open},
	{"outlive", test_outlive},
	{"request_of_smc", test_request_of_smc},
	{"request_again", test_request_again},
	{"request_timer", test_request_timer},
	{"child_of_smc", test_child_of_smc},
	{"plain_child_of_smc", test_plain_child_of_smc},
	{"listen_again", test_listen_again},
	{"crossed_syns", test_crossed_syns},
	{"repair", test_repair},
	{"disconnect", test_disconnect},
	{"sockmap", test_sockmap},
};

int main(int argc, char **argv)
{
	if (argc != 3 || (strcmp(argv[1], "af_smc") && strcmp(argv[1], "inet")))
		goto usage;
	inet = !strcmp(argv[1], "inet");
	for (size_t i = 0; i < COUNT(tests); i++) {
		if (!strcmp(argv[2], tests[i].name)) {
			/* What is left of the last test may still be alive. */
			next_port = 1024 + getpid() % 400 * 128;
			set_sysctl("tcp_migrate_req", "0");
			set_sysctl("tcp_fastopen", "1");
			tun_open();
			tests[i].run();
			return 0;
		}
	}
usage:
	fprintf(stderr, "usage: tun_peer af_smc|inet TEST\n");
	return 2;
}
