/* SPDX-License-Identifier: MIT */
/*
 * smc_live: what its parts share.  smc_live.c runs the tests and has the
 * helpers, smc_live_data.c and smc_live_conn.c have the tests.
 */
#ifndef SMC_LIVE_H
#define SMC_LIVE_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <unistd.h>

#include "probe.h"
#include "smc_uapi.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
/* What must come comes within it; what must not is awaited for QUIET_MS. */
#define WAIT_MS 5000
#define QUIET_MS 100

enum family { V4, V6, MAPPED };

extern enum family family;
extern bool with_smc; /* else the same is asked of TCP */
extern int live_mode; /* what SMC_STATUS has to say */

/* A connection; @me is the end that the test is about. */
struct pair {
	int me, peer;
	bool me_accepted;
	struct addr listener;
};

/* Bits of test.flags. */
#define BOTH_ENDS 1 /* about the client and the accepted socket */
#define OF_SMC 2 /* not asked of TCP */
#define OF_V6 4 /* about AF_INET6 sockets */
#define NO_PAIR 8 /* makes its connections itself */

struct test {
	const char *name;
	void (*fn)(struct pair *p);
	unsigned int flags;
};

extern const struct test data_tests[], conn_tests[]; /* end with no name */

/* Judge: a failure ends the test. */
__attribute__((format(printf, 1, 2), noreturn)) void failed(const char *fmt,
							    ...);
void want(bool is, const char *what);
void is(const char *got, const char *wanted, const char *what);
void between(long got, long low, long high, const char *what);

/* What a call returned: its value, or the name of errno.  Good for a while. */
const char *res(long rc);
const char *err_name(int err);

/* Sockets */
struct addr any_addr(int port);
int socket_of(bool smc, int flags);
int listen_at(int lsk, struct addr *ret_addr);
void pair_connect(struct pair *p, int lsk, int client);
void pair_make(struct pair *p);
void be_smc(int fd);
int smc_mode(int fd);
const char *mode_name(void); /* of live_mode */
struct addr name_of(int fd, bool of_peer);
unsigned int port_of(const struct addr *addr);
int set_int(int fd, int level, int name, int value);
int get_int(int fd, int level, int name);
int set_time(int fd, int name, int ms);
int set_linger(int fd, int on, int seconds);
int set_nonblock(int fd);
int ioctl_int(int fd, unsigned long req);
const char *so_error(int fd);

/*
 * put() sends text and must take all.  get() waits, then receives: the text,
 * "eof", "timeout" or the name of errno.
 */
void put(int fd, const char *data, int flags);
const char *get(int fd, size_t len, int flags);

/* Both directions of a connection work. */
void chat(int a, int b);

/*
 * fill() sends a known stream until nothing more is taken, and returns how
 * much was.  drain() receives and compares it until its end, or until @len bytes
 * came, and returns how many did.
 */
long fill(int fd);
long drain(int fd, long len);

/* A thread that runs @fn(fd); join() gives what it returned, as res() does. */
struct job {
	pthread_t thread;
	long (*fn)(int fd);
	int fd;
	char result[32];
};

void start(struct job *job, long (*fn)(int fd), int fd);
const char *join(struct job *job);

#define BLOCK 65536

/* For jobs: one call that may wait. */
long recv_byte(int fd);
long send_block(int fd);

/* A line of COMMAND's output that holds all of the words, or none. */
bool output_has(const char *command, const char *const *words);

#endif
