// SPDX-License-Identifier: MIT
/*
 * sock_diff: what its two halves share.  sock_diff.c has the helpers, the
 * states and the options; sock_diff_conn.c what happens on connections.
 */
#ifndef SOCK_DIFF_H
#define SOCK_DIFF_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <linux/bpf.h>
#include <linux/errqueue.h>
#include <linux/filter.h>
#include <linux/io_uring.h>
#include <linux/sockios.h>
#include <linux/tls.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "probe.h"
#include "smc_uapi.h"

#ifndef SOL_TLS
#define SOL_TLS 282
#endif
#ifndef SO_RESERVE_MEM
#define SO_RESERVE_MEM 73
#endif
#ifndef SO_TXREHASH
#define SO_TXREHASH 74
#endif
#ifndef SO_ATTACH_REUSEPORT_CBPF
#define SO_ATTACH_REUSEPORT_CBPF 51
#endif
#ifndef IP_RECVERR_RFC4884
#define IP_RECVERR_RFC4884 26
#endif
#ifndef IP_LOCAL_PORT_RANGE
#define IP_LOCAL_PORT_RANGE 51
#endif
#ifndef TCP_FASTOPEN_NO_COOKIE
#define TCP_FASTOPEN_NO_COOKIE 34
#endif
#ifndef MSG_ZEROCOPY
#define MSG_ZEROCOPY 0x4000000
#endif

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define WAIT_MS 5000
#define BULK (1 << 20)

enum family { V4, V6, MAPPED, DUAL };
enum side { LISTENER, CLIENT };

extern enum family family;
extern int protos[2]; /* by side */
extern const char *volatile section; /* of the names of lines */

/* Plain TCP, for what the socket under test connects to: */
extern int sink_port; /* accepts */
extern int deaf_port; /* drops each SYN */
extern int shut_port; /* refuses */

extern int tmp_file; /* ten digits */
extern int pipe_fds[2];

struct pair {
	int lsk, cli, acc;
};

enum state {
	L_FRESH,
	L_BOUND,
	L_LISTEN,
	L_SHUT,
	C_FRESH,
	C_BOUND,
	C_CONNECTING,
	C_REFUSED,
	C_CONNECTED,
	C_SHUT_WR,
	C_SHUT_RD,
	C_SHUT_RDWR,
	C_PEER_FIN,
	C_PEER_CLOSED,
	C_ENDED,
	C_RESET,
	C_UNSPEC,
	A_CONNECTED,
	A_PEER_FIN,
	A_RESET,
	STATES
};

__attribute__((format(printf, 1, 2), noreturn)) void die(const char *fmt, ...);
char *scratch(void);
__attribute__((format(printf, 1, 2))) const char *text(const char *fmt, ...);
const char *err_name(int err);
const char *res(long rc);
const char *yes(bool is);
__attribute__((format(printf, 2, 3))) void say(const char *name,
					       const char *fmt, ...);
bool side_is_v4(enum side side);
struct addr side_addr(enum side side, int port);
int side_socket(enum side side, int flags, int proto);
int sock_new(enum side side);
int port_of(int fd);
int sock_bind(int fd, enum side side, int port);
int sock_connect(int fd, int port);
int set_int(int fd, int level, int name, int value);
int get_int(int fd, int level, int name);
int set_linger(int fd, int on, int seconds);
int set_nonblock(int fd);
const char *so_error(int fd);
int tcp_state(int fd);
int accept_soon(int lsk);
struct pair pair_open(void);
int pair_listen(struct pair *pair);
int pair_connect(struct pair *pair);
void pair_limit(struct pair *pair);
struct pair pair_make(void);
void pair_close(struct pair *pair);
const char *get_data(int fd, size_t len, int flags);
const char *put_data(int fd, const char *data, int flags);
const char *chat(int a, int b);
const char *mask(unsigned int events);
const char *poll_now(int fd);
const char *poll_then(int fd, int events);
int unspec(int fd);
void reset_by(int *fd);
const char *do_getsockname(int fd);
const char *do_getpeername(int fd);
const char *do_kind(int fd);
const char *do_ioctls(int fd);
const char *do_inode(int fd);
const char *do_xattr(int fd);
const char *set_ulp(int fd, const char *name);
const char *do_repair(int fd);
const char *do_addrform(int fd);
int bpf(int cmd, union bpf_attr *attr);
int map_set(int map, uint32_t key, uint64_t value);
int map_new(int type, int value_size, int entries);

/* sock_diff_conn.c */
void test_connect(void);
void test_accept(void);
void test_events(void);
void test_unspec(void);
void test_end(void);
void test_oob(void);
void test_peek(void);
void test_flags(void);
void test_messages(void);
void test_move(void);
void test_sharing(void);
void test_ports(void);
void test_fastopen(void);
void test_ktls(void);
void test_filter(void);
void test_tcp(void);
void test_cgroup(void);
void test_maps(void);
void test_uring(void);

#endif
