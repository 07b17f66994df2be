// SPDX-License-Identifier: MIT
/*
 * carry_probe carried connect|listen PORT
 *	For options that a program sets before connect() to PORT or listen(), which
 *	a rule gives to TCP: lines "NAME VALUE: SMC, DEMOTED, TCP", of the socket
 *	the library opened, before and after, and of a TCP socket it does not know.
 *	SMC and DEMOTED are the socket's kinds; TCP is "equal" or what differs.
 * carry_probe all connect|listen PORT
 *	All of them on one socket: "SMC DEMOTED equal", or what differs.
 * carry_probe tcp-only
 *	For options that only TCP honours, set before connect(): lines
 *	"NAME: BEFORE AFTER RESULT, TCP", kinds of the socket and results of
 *	setsockopt().
 * carry_probe short
 *	The same for values that are shorter than an int.
 * carry_probe mark PORT
 *	A user who may not set marks connects with a socket that has one.
 * carry_probe linger PORT, sink PORT
 *	Sends 400 KiB with SO_LINGER and closes; counts what arrives until the end.
 * carry_probe use PORT
 *	SMC_USE.
 * carry_probe levels
 *	Options of IP with the numbers that TCP_FASTOPEN and its kin have, on a socket
 *	with a mark: lines "LEVEL NUMBER: KIND MARK".
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/tcp.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "probe.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

#ifndef SO_BINDTOIFINDEX
#define SO_BINDTOIFINDEX 62
#endif
#ifndef SO_PREFER_BUSY_POLL
#define SO_PREFER_BUSY_POLL 69
#define SO_BUSY_POLL_BUDGET 70
#endif
#ifndef SO_RCVMARK
#define SO_RCVMARK 75
#endif

struct value {
	const char *text;
	socklen_t len; /* 0: the option is not set */
	const void *bytes;
};

/* It would take these for blocks. */
/* clang-format off */
#define INT(v) {#v, sizeof(int), &(int){v}}
#define BYTES(...) \
	{#__VA_ARGS__, sizeof((uint8_t[]){__VA_ARGS__}), (uint8_t[]){__VA_ARGS__}}
#define TEXT(t) {t, sizeof(t) - 1, t}
/* clang-format on */
#define OPT(level, name) #name, level, name

struct option {
	const char *name;
	int level, number;
	struct value values[3];
	bool demotes; /* already when it is set */
	int reads; /* of SOL_SOCKET, if that is not what is set */
};

static struct sockaddr_in addr = {.sin_family = AF_INET};
static struct sockaddr_in6 addr6 = {.sin6_family = AF_INET6,
				    .sin6_addr = IN6ADDR_LOOPBACK_INIT};

__attribute__((noreturn)) static void die(const char *what)
{
	fprintf(stderr, "carry_probe: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* One that the library does not see being opened. */
static int open_tcp(int family)
{
	int fd = syscall(SYS_socket, family, SOCK_STREAM, 0);

	if (fd < 0)
		die("socket");
	return fd;
}

static int open_any(int family)
{
	int fd = socket(family, SOCK_STREAM, 0);

	if (fd < 0)
		die("socket");
	return fd;
}

static const char *result(long rc)
{
	return rc < 0 ? strerrorname_np(errno) : "0";
}

static const char *set(int fd, const struct option *opt,
		       const struct value *value)
{
	return result(setsockopt(fd, opt->level, opt->number, value->bytes,
				 value->len));
}

/* What is read, as text. */
static void get(int fd, const struct option *opt, char *ret_text, size_t size)
{
	uint8_t bytes[64] = {};
	socklen_t len = sizeof(bytes);
	size_t n;

	if (getsockopt(fd, opt->reads ? SOL_SOCKET : opt->level,
		       opt->reads ?: opt->number, bytes, &len)) {
		snprintf(ret_text, size, "%s", result(-1));
		return;
	}
	n = snprintf(ret_text, size, "%u:", len);
	for (socklen_t i = 0; i < len && n < size; i++)
		n += snprintf(ret_text + n, size - n, "%02x", bytes[i]);
}

/* Options of 2.6 of the interface, then some that survive by themselves. */
static const struct option carried[] = {
	{OPT(SOL_SOCKET, SO_MARK), {INT(1), INT(0x7fff0001)}, false, 0},
	{OPT(SOL_SOCKET, SO_BINDTOIFINDEX), {INT(1)}, false, 0},
	{OPT(SOL_SOCKET, SO_BINDTODEVICE), {TEXT("lo")}, false, 0},
	{OPT(SOL_SOCKET, SO_KEEPALIVE), {INT(1), INT(0)}, false, 0},
	{OPT(SOL_SOCKET, SO_OOBINLINE), {INT(1), INT(0)}, false, 0},
	{OPT(SOL_SOCKET, SO_DONTROUTE), {INT(1), INT(0)}, false, 0},
	{OPT(SOL_SOCKET, SO_REUSEADDR), {INT(1), INT(0)}, false, 0},
	{OPT(SOL_SOCKET, SO_REUSEPORT), {INT(1), INT(0)}, false, 0},
	{OPT(SOL_SOCKET, SO_RCVLOWAT), {INT(1)}, false, 0},
	{OPT(SOL_SOCKET, SO_RCVLOWAT), {INT(1000)}, true, 0},
	{"SO_LINGER",
	 SOL_SOCKET,
	 SO_LINGER,
	 {{"{1, 0}", sizeof(struct linger), &(struct linger){1, 0}},
	  {"{0, 9}", sizeof(struct linger), &(struct linger){0, 9}}},
	 false,
	 0},
	{"SO_LINGER",
	 SOL_SOCKET,
	 SO_LINGER,
	 {{"{1, 9}", sizeof(struct linger), &(struct linger){1, 9}}},
	 true,
	 0},
	{"SO_RCVTIMEO",
	 SOL_SOCKET,
	 SO_RCVTIMEO,
	 {{"7 s", sizeof(struct timeval), &(struct timeval){7, 0}},
	  {"1.5 s", sizeof(struct timeval), &(struct timeval){1, 500000}}},
	 false,
	 0},
	{"SO_SNDTIMEO",
	 SOL_SOCKET,
	 SO_SNDTIMEO,
	 {{"7 s", sizeof(struct timeval), &(struct timeval){7, 0}},
	  {"1.5 s", sizeof(struct timeval), &(struct timeval){1, 500000}}},
	 false,
	 0},
	{OPT(SOL_SOCKET, SO_RCVBUF), {INT(50000), INT(100)}, false, 0},
	{OPT(SOL_SOCKET, SO_SNDBUF), {INT(50000), INT(100)}, false, 0},
	{"SO_RCVBUF by force",
	 SOL_SOCKET,
	 SO_RCVBUFFORCE,
	 {INT(20000000)},
	 false,
	 SO_RCVBUF},
	{"SO_SNDBUF by force",
	 SOL_SOCKET,
	 SO_SNDBUFFORCE,
	 {INT(20000000)},
	 false,
	 SO_SNDBUF},
	{OPT(SOL_SOCKET, SO_TIMESTAMP), {INT(1), INT(0)}, false, 0},
	{OPT(SOL_SOCKET, SO_TIMESTAMPNS), {INT(1), INT(0)}, false, 0},
	{OPT(SOL_SOCKET, SO_TIMESTAMPING), {INT(0x18), INT(0x10)}, false, 0},
	{OPT(SOL_SOCKET, SO_RXQ_OVFL), {INT(1), INT(0)}, false, 0},
	{OPT(SOL_SOCKET, SO_RCVMARK), {INT(1), INT(0)}, false, 0},
	{OPT(SOL_SOCKET, SO_BUSY_POLL), {INT(50), INT(0)}, false, 0},
	{OPT(SOL_SOCKET, SO_PREFER_BUSY_POLL), {INT(1), INT(0)}, false, 0},
	{OPT(SOL_SOCKET, SO_BUSY_POLL_BUDGET), {INT(16), INT(8)}, false, 0},
	{OPT(SOL_SOCKET, SO_INCOMING_CPU), {INT(1), INT(0)}, false, 0},
	{"SO_MAX_PACING_RATE",
	 SOL_SOCKET,
	 SO_MAX_PACING_RATE,
	 {{"8e9", sizeof(uint64_t), &(uint64_t){8000000000}},
	  {"1e6", sizeof(uint64_t), &(uint64_t){1000000}}},
	 false,
	 0},
	{OPT(IPPROTO_TCP, TCP_NODELAY), {INT(1), INT(0)}, false, 0},
	{OPT(IPPROTO_TCP, TCP_CORK), {INT(1), INT(0)}, false, 0},
	{OPT(IPPROTO_TCP, TCP_KEEPIDLE), {INT(100), INT(20)}, false, 0},
	{OPT(IPPROTO_TCP, TCP_KEEPINTVL), {INT(100), INT(20)}, false, 0},
	{OPT(IPPROTO_TCP, TCP_KEEPCNT), {INT(3), INT(7)}, false, 0},
	{OPT(IPPROTO_TCP, TCP_USER_TIMEOUT), {INT(9000), INT(0)}, false, 0},
	{OPT(IPPROTO_TCP, TCP_SYNCNT), {INT(3), INT(2)}, false, 0},
	{OPT(IPPROTO_TCP, TCP_NOTSENT_LOWAT), {INT(9000), INT(1)}, false, 0},
	{OPT(IPPROTO_TCP, TCP_CONGESTION),
	 {TEXT("reno"), TEXT("cubic")},
	 false,
	 0},
	{OPT(IPPROTO_IP, IP_TOS), {INT(0x10), INT(0x88)}, false, 0},
	{"SO_PRIORITY by IP_TOS",
	 IPPROTO_IP,
	 IP_TOS,
	 {INT(0x10), INT(8)},
	 false,
	 SO_PRIORITY},
	{OPT(SOL_SOCKET, SO_PRIORITY), {INT(1), INT(6)}, false, 0},
	{OPT(IPPROTO_IP, IP_TTL), {INT(7), INT(200)}, false, 0},
	{OPT(IPPROTO_IP, IP_MTU_DISCOVER), {INT(0), INT(2)}, false, 0},
	{OPT(IPPROTO_IP, IP_RECVTOS), {INT(1), INT(0)}, false, 0},
	{OPT(IPPROTO_IP, IP_FREEBIND), {INT(1), INT(0)}, false, 0},
	{OPT(IPPROTO_IPV6, IPV6_V6ONLY), {INT(1), INT(0)}, false, 0},
	{OPT(IPPROTO_IPV6, IPV6_TCLASS), {INT(0x10), INT(0x88)}, false, 0},
	{OPT(IPPROTO_IPV6, IPV6_UNICAST_HOPS), {INT(7), INT(200)}, false, 0},
	{OPT(IPPROTO_IPV6, IPV6_RECVTCLASS), {INT(1), INT(0)}, false, 0},
	{OPT(IPPROTO_IPV6, IPV6_RECVPKTINFO), {INT(1), INT(0)}, false, 0},
};

static int connect_to_peer(int fd, int family)
{
	return family == AF_INET6
		       ? connect(fd, (struct sockaddr *)&addr6, sizeof(addr6))
		       : connect(fd, (struct sockaddr *)&addr, sizeof(addr));
}

static void go(int fd, int family, bool is_listen)
{
	if (is_listen ? listen(fd, 1) : connect_to_peer(fd, family))
		die(is_listen ? "listen" : "connect");
}

/* For both families, unknown to the library; nobody accepts. */
static void open_peer(bool is_listen)
{
	struct sockaddr_in6 any = {.sin6_family = AF_INET6};
	int fd, one = 1;

	if (is_listen)
		return;
	fd = open_tcp(AF_INET6);
	any.sin6_port = addr.sin_port;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&any, sizeof(any)) || listen(fd, 1000))
		die("peer");
}

static void compare(const struct option *opt, const struct value *value,
		    bool is_listen)
{
	int family = opt->level == IPPROTO_IPV6 ? AF_INET6 : AF_INET;
	int fd[2] = {open_any(family), open_tcp(family)};
	const char *before;
	char got[2][160];

	for (int i = 0; value && i < 2; i++)
		if (strcmp(set(fd[i], opt, value), "0"))
			die(opt->name);
	before = sock_kind(fd[0]);
	for (int i = 0; i < 2; i++) {
		go(fd[i], family, is_listen);
		get(fd[i], opt, got[i], sizeof(got[i]));
	}
	printf("%s %s: %s, %s, ", opt->name, value ? value->text : "as it is",
	       before, sock_kind(fd[0]));
	if (strcmp(got[0], got[1]))
		printf("%s not %s\n", got[0], got[1]);
	else
		puts("equal");
	close(fd[0]);
	close(fd[1]);
}

static int run_carried(bool is_listen)
{
	open_peer(is_listen);
	for (size_t i = 0; i < COUNT(carried); i++) {
		const struct option *opt = &carried[i];

		if (!i || strcmp(opt[-1].name, opt->name))
			compare(opt, NULL, is_listen);
		for (size_t k = 0; k < COUNT(opt->values); k++)
			if (opt->values[k].len)
				compare(opt, &opt->values[k], is_listen);
	}
	return 0;
}

static int run_all(bool is_listen)
{
	int fd[2] = {open_any(AF_INET6), open_tcp(AF_INET6)};
	char got[2][160], wrong[4000] = "equal";
	const char *before;
	size_t n = 0;

	open_peer(is_listen);
	for (int i = 0; i < 2; i++)
		for (size_t k = 0; k < COUNT(carried); k++)
			if (!carried[k].demotes)
				set(fd[i], &carried[k], &carried[k].values[0]);
	before = sock_kind(fd[0]);
	for (int i = 0; i < 2; i++)
		go(fd[i], AF_INET6, is_listen);
	for (size_t k = 0; k < COUNT(carried) && n < sizeof(wrong); k++) {
		for (int i = 0; i < 2; i++)
			get(fd[i], &carried[k], got[i], sizeof(got[i]));
		if (strcmp(got[0], got[1]))
			n += snprintf(wrong + n, sizeof(wrong) - n,
				      "%s %s not %s; ", carried[k].name, got[0],
				      got[1]);
	}
	printf("%s %s %s\n", before, sock_kind(fd[0]), wrong);
	return 0;
}

static int load_bpf(void)
{
	struct bpf_insn prog[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = -1},
		{.code = BPF_JMP | BPF_EXIT},
	};
	union bpf_attr attr = {
		.prog_type = BPF_PROG_TYPE_SOCKET_FILTER,
		.insn_cnt = COUNT(prog),
		.insns = (uintptr_t)prog,
		.license = (uintptr_t) "MIT",
	};

	return syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr));
}

static struct sock_filter accept_all[] = {
	BPF_STMT(BPF_RET | BPF_K, 0xffffffff),
};

static struct sock_fprog accept_prog = {1, accept_all};
static int bpf_fd;
static struct tcp_md5sig md5 = {.tcpm_keylen = 3, .tcpm_key = "key"};

#define PROG                                                 \
	{                                                    \
		"program", sizeof(accept_prog), &accept_prog \
	}
#define BPF                                     \
	{                                       \
		"program", sizeof(int), &bpf_fd \
	}
#define KEY "0123456789abcdef"

static const struct option tcp_only[] = {
	{OPT(IPPROTO_TCP, TCP_ULP), {TEXT("tls"), TEXT("nonsense")}, true, 0},
	{OPT(IPPROTO_TCP, TCP_FASTOPEN), {INT(5)}, true, 0},
	{OPT(IPPROTO_TCP, TCP_FASTOPEN_CONNECT), {INT(1), INT(7)}, true, 0},
	{OPT(IPPROTO_TCP, TCP_FASTOPEN_KEY),
	 {TEXT(KEY), TEXT("short")},
	 true,
	 0},
	{OPT(IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE), {INT(1)}, true, 0},
	{OPT(IPPROTO_TCP, TCP_REPAIR), {INT(1)}, true, 0},
	{OPT(IPPROTO_TCP, TCP_MD5SIG), {{"key", sizeof(md5), &md5}}, true, 0},
	{OPT(IPPROTO_TCP, TCP_MD5SIG_EXT),
	 {{"key", sizeof(md5), &md5}},
	 true,
	 0},
	{"TCP_AO_ADD_KEY", IPPROTO_TCP, 38, {INT(1)}, true, 0},
	{OPT(SOL_SOCKET, SO_ZEROCOPY), {INT(1)}, true, 0},
	{OPT(SOL_SOCKET, SO_ZEROCOPY), {INT(0)}, false, 0},
	{OPT(SOL_SOCKET, SO_PEEK_OFF), {INT(0), INT(9)}, true, 0},
	{OPT(SOL_SOCKET, SO_PEEK_OFF), {INT(-1)}, false, 0},
	{OPT(SOL_SOCKET, SO_ATTACH_FILTER), {PROG}, true, 0},
	{OPT(SOL_SOCKET, SO_ATTACH_BPF), {BPF}, true, 0},
	{OPT(SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF), {PROG}, true, 0},
	{OPT(SOL_SOCKET, SO_ATTACH_REUSEPORT_EBPF), {BPF}, true, 0},
	{"SO_LINGER",
	 SOL_SOCKET,
	 SO_LINGER,
	 {{"{1, 9}", sizeof(struct linger), &(struct linger){1, 9}}},
	 true,
	 0},
	{"SO_LINGER",
	 SOL_SOCKET,
	 SO_LINGER,
	 {{"{1, 0}", sizeof(struct linger), &(struct linger){1, 0}},
	  {"{0, 9}", sizeof(struct linger), &(struct linger){0, 9}}},
	 false,
	 0},
	{"SO_LINGER",
	 SOL_SOCKET,
	 SO_LINGER,
	 {{"{1, -1}", sizeof(struct linger), &(struct linger){1, -1}}},
	 true,
	 0},
	{OPT(SOL_SOCKET, SO_RCVLOWAT), {INT(2), INT(100000), INT(-1)}, true, 0},
	{OPT(SOL_SOCKET, SO_RCVLOWAT), {INT(1)}, false, 0},
};

static const struct option short_ones[] = {
	{OPT(IPPROTO_TCP, TCP_CONGESTION), {TEXT("lp"), TEXT("bbr")}, false, 0},
	{OPT(IPPROTO_TCP, TCP_CONGESTION),
	 {TEXT("xyz"), TEXT("reno")},
	 false,
	 0},
	{OPT(IPPROTO_TCP, TCP_CONGESTION), {TEXT("xyzzy")}, false, 0},
	{OPT(IPPROTO_TCP, TCP_NODELAY), {BYTES(1), BYTES(1, 0, 0)}, false, 0},
	{OPT(IPPROTO_IP, IP_TOS),
	 {BYTES(16), BYTES(16, 255), BYTES(16, 255, 255)},
	 false,
	 0},
	{OPT(IPPROTO_IP, IP_TTL), {BYTES(9), BYTES(9, 1), BYTES(0)}, false, 0},
	{OPT(IPPROTO_IP, IP_MINTTL), {BYTES(9), BYTES(9, 9, 9)}, false, 0},
	{OPT(IPPROTO_IP, IP_RECVTTL), {BYTES(1), BYTES(0, 1)}, false, 0},
	{OPT(IPPROTO_IP, IP_RECVTOS), {BYTES(1), BYTES(0, 1)}, false, 0},
	{OPT(IPPROTO_IP, IP_RECVOPTS), {BYTES(1)}, false, 0},
	{OPT(IPPROTO_IP, IP_FREEBIND), {BYTES(1), BYTES(0, 1)}, false, 0},
	{OPT(IPPROTO_IP, IP_TRANSPARENT), {BYTES(1), BYTES(0, 1)}, false, 0},
	{OPT(SOL_SOCKET, SO_KEEPALIVE), {BYTES(1)}, false, 0},
};

/* The results on a socket that the library made SMC and on a TCP socket. */
static void try_both(const struct option *opt, const struct value *value)
{
	char rc[2][32], got[2][160];
	const char *before;
	int fd[2] = {open_any(AF_INET), open_tcp(AF_INET)}, one = 1;

	before = sock_kind(fd[0]);
	for (int i = 0; i < 2; i++) {
		if (opt->number == SO_ATTACH_REUSEPORT_CBPF ||
		    opt->number == SO_ATTACH_REUSEPORT_EBPF)
			setsockopt(fd[i], SOL_SOCKET, SO_REUSEPORT, &one,
				   sizeof(one));
		snprintf(rc[i], sizeof(rc[i]), "%s", set(fd[i], opt, value));
		get(fd[i], opt, got[i], sizeof(got[i]));
	}
	printf("%s %s: %s %s, ", opt->name, value->text, before,
	       sock_kind(fd[0]));
	if (strcmp(rc[0], rc[1]))
		printf("%s not %s\n", rc[0], rc[1]);
	else if (strcmp(got[0], got[1]))
		printf("%s, but reads %s not %s\n", rc[0], got[0], got[1]);
	else
		printf("%s equal\n", rc[0]);
	close(fd[0]);
	close(fd[1]);
}

static int run_options(const struct option *opts, size_t n)
{
	struct sockaddr_in peer = {.sin_family = AF_INET};

	peer.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	memcpy(&md5.tcpm_addr, &peer, sizeof(peer));
	bpf_fd = load_bpf();
	if (bpf_fd < 0)
		die("bpf");
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < COUNT(opts[i].values); k++)
			if (opts[i].values[k].len)
				try_both(&opts[i], &opts[i].values[k]);
	return 0;
}

static int mark_of(int fd)
{
	int val = -1;
	socklen_t len = sizeof(val);

	getsockopt(fd, SOL_SOCKET, SO_MARK, &val, &len);
	return val;
}

static int run_mark(void)
{
	int fd = open_any(AF_INET), mark = 77, rc, err;

	if (setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)))
		die("SO_MARK");
	if (setgid(65534) || setuid(65534))
		die("setuid");
	for (int i = 0; i < 2; i++) {
		rc = connect(fd, (struct sockaddr *)&addr, sizeof(addr));
		err = errno;
		printf("%s %s %d\n", rc ? strerrorname_np(err) : "0",
		       sock_kind(fd), mark_of(fd));
	}
	return 0;
}

static int run_linger(void)
{
	static char data[400 * 1024];
	struct linger linger = {1, 9};
	int fd = open_any(AF_INET);
	ssize_t n;

	printf("%s ", sock_kind(fd));
	if (setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)) ||
	    connect(fd, (struct sockaddr *)&addr, sizeof(addr)))
		die("connect");
	for (size_t sent = 0; sent < sizeof(data); sent += n) {
		n = send(fd, data + sent, sizeof(data) - sent, MSG_NOSIGNAL);
		if (n < 0)
			die("send");
	}
	printf("%s\n", result(close(fd)));
	return 0;
}

/* Reads slowly at first, so that the sender closes before all is read. */
static int run_sink(void)
{
	int lsk = open_any(AF_INET), fd, one = 1;
	static char buf[65536];
	size_t got = 0;
	ssize_t n;

	setsockopt(lsk, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(lsk, (struct sockaddr *)&addr, sizeof(addr)) || listen(lsk, 1))
		die("listen");
	fd = accept(lsk, NULL, NULL);
	nap(1000);
	while ((n = recv(fd, buf, sizeof(buf), 0)) > 0)
		got += n;
	printf("%zu %s\n", got, result(n));
	return 0;
}

static int run_use(void)
{
	int fd = open_any(AF_INET), val = SMC_USE_SMC;

	printf("%s", sock_kind(fd));
	printf(" %s %s",
	       result(setsockopt(fd, SOL_SMC, SMC_USE, &val, sizeof(val))),
	       sock_kind(fd));
	val = SMC_USE_TCP;
	printf(" %s",
	       result(setsockopt(fd, SOL_SMC, SMC_USE, &val, sizeof(val))));
	printf(" %s", sock_kind(fd));
	printf(" %s",
	       result(connect(fd, (struct sockaddr *)&addr, sizeof(addr))));
	printf(" %s\n", sock_kind(fd));
	return 0;
}

static int run_levels(void)
{
	static const struct {
		const char *text;
		int level, name;
	} rows[] = {
		{"IPPROTO_IP 23", IPPROTO_IP, 23},
		{"IPPROTO_IP 34", IPPROTO_IP, 34},
		{"IPPROTO_IPV6 23", IPPROTO_IPV6, 23},
		{"IPPROTO_IPV6 30", IPPROTO_IPV6, 30},
		{"IPPROTO_IPV6 33", IPPROTO_IPV6, 33},
	};
	const int mark = 77, one = 1;

	for (size_t i = 0; i < COUNT(rows); i++) {
		int fd = socket(AF_INET6, SOCK_STREAM, 0), got = -1;
		socklen_t len = sizeof(got);

		setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark));
		setsockopt(fd, rows[i].level, rows[i].name, &one, sizeof(one));
		getsockopt(fd, SOL_SOCKET, SO_MARK, &got, &len);
		printf("%s: %s %d\n", rows[i].text, sock_kind(fd), got);
		close(fd);
	}
	return 0;
}

int main(int argc, char **argv)
{
	const char *verb = argc > 1 ? argv[1] : "";

	setlinebuf(stdout);
	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (argc > 2)
		addr.sin_port = htons(atoi(argv[argc - 1]));
	addr6.sin6_port = addr.sin_port;
	if (!strcmp(verb, "carried") && argc == 4)
		return run_carried(!strcmp(argv[2], "listen"));
	if (!strcmp(verb, "all") && argc == 4)
		return run_all(!strcmp(argv[2], "listen"));
	if (!strcmp(verb, "tcp-only"))
		return run_options(tcp_only, COUNT(tcp_only));
	if (!strcmp(verb, "short"))
		return run_options(short_ones, COUNT(short_ones));
	if (!strcmp(verb, "mark"))
		return run_mark();
	if (!strcmp(verb, "linger"))
		return run_linger();
	if (!strcmp(verb, "sink"))
		return run_sink();
	if (!strcmp(verb, "use"))
		return run_use();
	if (!strcmp(verb, "levels"))
		return run_levels();
	fprintf(stderr, "carry_probe: wrong usage, see its source\n");
	return 2;
}
