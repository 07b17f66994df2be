// SPDX-License-Identifier: MIT
/*
 * Tests of live connections, one behaviour each:
 *
 *	smc_live [--proto smc|smcr|tcp] [--family 4|6|mapped] [--only NAME]
 *
 * smc asks for IPPROTO_SMC and expects the connections to use SMC-D, smcr SMC-R;
 * tcp runs those tests that hold for TCP as well, so that the reference is at hand.
 * mapped: AF_INET6 sockets on both sides that use ::ffff:127.0.0.1.
 *
 * A line "ok NAME" or "not ok NAME" for each test, with lines "# TEXT" before
 * it, and in the end "done" and their number.  A test runs in a process of its
 * own and has 60 s.  Needs root, and the environment of a lab guest.
 */
#include <getopt.h>
#include <linux/sockios.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>

#include "smc_live.h"

#define TEST_S 60

enum family family;
bool with_smc = true;
int live_mode = SMC_MODE_SMCD;

static const char *only;
static unsigned int points;

/*
 * Judging
 */
void failed(const char *fmt, ...)
{
	va_list ap;

	printf("# ");
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	fflush(stdout);
	_exit(1);
}

void want(bool is_so, const char *what)
{
	if (!is_so)
		failed("%s: no", what);
}

void is(const char *got, const char *wanted, const char *what)
{
	if (strcmp(got, wanted))
		failed("%s: got %s, want %s", what, got, wanted);
}

void between(long got, long low, long high, const char *what)
{
	if (got < low || got > high)
		failed("%s: got %ld, want %ld to %ld", what, got, low, high);
}

/* One of a ring of buffers. */
static char *scratch(void)
{
	static __thread char bufs[32][256];
	static __thread unsigned int next;

	return bufs[next++ % COUNT(bufs)];
}

const char *err_name(int err)
{
	return strerrorname_np(err) ?: "?";
}

const char *res(long rc)
{
	char *buf;

	if (rc < 0)
		return err_name(errno);
	buf = scratch();
	snprintf(buf, 256, "%ld", rc);
	return buf;
}

/*
 * Sockets
 */
struct addr any_addr(int port)
{
	struct addr addr =
		loopback_addr(family == V4 ? AF_INET : AF_INET6, port);

	if (family == MAPPED)
		inet_pton(AF_INET6, "::ffff:127.0.0.1", &addr.in6.sin6_addr);
	return addr;
}

int socket_of(bool smc, int flags)
{
	int fd = socket(family == V4 ? AF_INET : AF_INET6,
			SOCK_STREAM | SOCK_CLOEXEC | flags,
			smc ? IPPROTO_SMC : 0);

	if (fd < 0)
		failed("socket: %s", err_name(errno));
	return fd;
}

struct addr name_of(int fd, bool of_peer)
{
	struct addr addr = {.len = sizeof(addr.ss)};
	int rc = of_peer ? getpeername(fd, &addr.sa, &addr.len)
			 : getsockname(fd, &addr.sa, &addr.len);

	if (rc)
		failed("get%sname: %s", of_peer ? "peer" : "sock",
		       err_name(errno));
	return addr;
}

/* At the same place in both families. */
unsigned int port_of(const struct addr *addr)
{
	return ntohs(addr->in.sin_port);
}

int listen_at(int lsk, struct addr *ret_addr)
{
	struct addr addr = any_addr(0);

	if (bind(lsk, &addr.sa, addr.len) || listen(lsk, 64))
		failed("listen: %s", err_name(errno));
	*ret_addr = name_of(lsk, false);
	return lsk;
}

/* 0 undecided to 4 listening, or -errno. */
int smc_mode(int fd)
{
	struct smc_status status = {0};
	socklen_t len = sizeof(status);

	if (getsockopt(fd, SOL_SMC, SMC_STATUS, &status, &len))
		return -errno;
	return status.mode;
}

const char *mode_name(void)
{
	return live_mode == SMC_MODE_SMCR ? "SMC-R" : "SMC-D";
}

/* Stock kernels cannot tell, and are asked in the test "status" only. */
void be_smc(int fd)
{
	const char *module = getenv("LAB_SMC");
	int mode = with_smc && module && !strcmp(module, "inet") ? smc_mode(fd)
								 : live_mode;

	if (mode != live_mode)
		failed("not over %s: SMC_STATUS %s", mode_name(),
		       mode < 0 ? err_name(-mode) : res(mode));
}

/* Connects @client to @lsk; p->me_accepted says who is who. */
void pair_connect(struct pair *p, int lsk, int client)
{
	int accepted;

	p->listener = name_of(lsk, false);
	if (connect(client, &p->listener.sa, p->listener.len))
		failed("connect: %s", err_name(errno));
	accepted = accept4(lsk, NULL, NULL, SOCK_CLOEXEC);
	if (accepted < 0)
		failed("accept: %s", err_name(errno));
	be_smc(client);
	be_smc(accepted);
	p->me = p->me_accepted ? accepted : client;
	p->peer = p->me_accepted ? client : accepted;
}

void pair_make(struct pair *p)
{
	int lsk = listen_at(socket_of(with_smc, 0), &p->listener);

	pair_connect(p, lsk, socket_of(with_smc, 0));
	close(lsk);
}

int set_int(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value));
}

int get_int(int fd, int level, int name)
{
	socklen_t len = sizeof(int);
	int value = -1;

	return getsockopt(fd, level, name, &value, &len) ? -1 : value;
}

int set_time(int fd, int name, int ms)
{
	struct timeval tv = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

	return setsockopt(fd, SOL_SOCKET, name, &tv, sizeof(tv));
}

int set_linger(int fd, int on, int seconds)
{
	struct linger linger = {on, seconds};

	return setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
}

int set_nonblock(int fd)
{
	return fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

int ioctl_int(int fd, unsigned long req)
{
	int value = -1;

	return ioctl(fd, req, &value) ? -1 : value;
}

const char *so_error(int fd)
{
	int err = get_int(fd, SOL_SOCKET, SO_ERROR);

	return err ? err_name(err < 0 ? errno : err) : "0";
}

/*
 * Data
 */
void put(int fd, const char *data, int flags)
{
	long len = strlen(data);

	if (send(fd, data, len, flags) != len)
		failed("send '%s': %s", data, err_name(errno));
}

const char *get(int fd, size_t len, int flags)
{
	char *buf = scratch();
	ssize_t n;

	if (!wait_for(fd, flags & MSG_OOB ? POLLPRI : POLLIN, WAIT_MS))
		return "timeout";
	n = recv(fd, buf, len < 255 ? len : 255, flags | MSG_DONTWAIT);
	if (n <= 0)
		return n ? err_name(errno) : "eof";
	buf[n] = '\0';
	return buf;
}

void chat(int a, int b)
{
	put(a, "ping", 0);
	put(b, "pong", 0);
	is(get(b, 99, 0), "ping", "one way");
	is(get(a, 99, 0), "pong", "the other way");
}

static unsigned char byte_at(long pos)
{
	return pos * 7 + pos / 251;
}

/* TCP takes a little more when its peer has moved things. */
long fill(int fd)
{
	/* SMC-R's sender learns only after a while that there is room again. */
	int quiet_ms = live_mode == SMC_MODE_SMCR ? 3 * QUIET_MS : QUIET_MS;
	static unsigned char buf[BLOCK];
	long sent = 0, before = -1;
	ssize_t n;

	while (sent != before) {
		before = sent;
		do {
			for (long i = 0; i < BLOCK; i++)
				buf[i] = byte_at(sent + i);
			n = send(fd, buf, BLOCK, MSG_DONTWAIT);
			sent += n > 0 ? n : 0;
		} while (n > 0);
		if (errno != EAGAIN)
			failed("fill: %s", err_name(errno));
		nap(quiet_ms);
	}
	return sent;
}

long drain(int fd, long len)
{
	unsigned char buf[BLOCK];
	long pos = 0;
	ssize_t n;

	while (len < 0 || pos < len) {
		if (!wait_for(fd, POLLIN, WAIT_MS))
			failed("nothing after %ld bytes", pos);
		n = recv(fd, buf,
			 len < 0 || len - pos > BLOCK ? BLOCK : len - pos,
			 MSG_DONTWAIT);
		if (n == 0)
			break;
		if (n < 0)
			failed("recv after %ld bytes: %s", pos,
			       err_name(errno));
		for (ssize_t i = 0; i < n; i++)
			if (buf[i] != byte_at(pos + i))
				failed("wrong byte at %ld", pos + (long)i);
		pos += n;
	}
	return pos;
}

static void *run_job(void *arg)
{
	struct job *job = arg;

	snprintf(job->result, sizeof(job->result), "%s", res(job->fn(job->fd)));
	return NULL;
}

void start(struct job *job, long (*fn)(int fd), int fd)
{
	int rc;

	*job = (struct job){.fn = fn, .fd = fd};
	rc = pthread_create(&job->thread, NULL, run_job, job);
	if (rc)
		failed("pthread_create: %s", err_name(rc));
}

const char *join(struct job *job)
{
	pthread_join(job->thread, NULL);
	return job->result;
}

long recv_byte(int fd)
{
	char byte;

	return recv(fd, &byte, 1, 0);
}

long send_block(int fd)
{
	static char block[BLOCK];

	return send(fd, block, BLOCK, 0);
}

bool output_has(const char *command, const char *const *words)
{
	const char *const *word;
	char line[1024];
	bool found = false;
	FILE *file;

	file = popen(command, "r");
	if (!file)
		failed("popen: %s", err_name(errno));
	while (fgets(line, sizeof(line), file)) {
		for (word = words; *word && strstr(line, *word); word++)
			;
		if (!*word)
			found = true;
	}
	if (pclose(file))
		failed("failed: %s", command);
	return found;
}

/*
 * Running
 */
static void run_test(const struct test *test, bool me_accepted)
{
	struct pair p = {.me = -1, .peer = -1, .me_accepted = me_accepted};
	const char *end = me_accepted ? ", accepted" : ", client";
	int status;
	pid_t pid;

	if (only && strcmp(only, test->name))
		return;
	fflush(stdout);
	pid = fork();
	if (!pid) {
		alarm(TEST_S);
		if (!(test->flags & NO_PAIR))
			pair_make(&p);
		test->fn(&p);
		exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid) {
		perror("smc_live");
		exit(1);
	}
	if (WIFSIGNALED(status))
		printf("# killed: %s\n", strsignal(WTERMSIG(status)));
	printf("%sok %s%s\n", status ? "not " : "", test->name,
	       test->flags & BOTH_ENDS ? end : "");
	points++;
}

static void run_tests(const struct test *test)
{
	for (; test->name; test++) {
		if ((test->flags & OF_SMC && !with_smc) ||
		    (test->flags & OF_V6 && family == V4))
			continue;
		run_test(test, false);
		if (test->flags & BOTH_ENDS)
			run_test(test, true);
	}
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"proto", required_argument, NULL, 'p'},
		{"family", required_argument, NULL, 'f'},
		{"only", required_argument, NULL, 'o'},
		{0},
	};
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'p':
			with_smc = strcmp(optarg, "tcp");
			live_mode = strcmp(optarg, "smcr") ? SMC_MODE_SMCD
							   : SMC_MODE_SMCR;
			break;
		case 'f':
			family = !strcmp(optarg, "6")	     ? V6
				 : !strcmp(optarg, "mapped") ? MAPPED
							     : V4;
			break;
		case 'o':
			only = optarg;
			break;
		default:
			return 2;
		}
	}
	signal(SIGPIPE, SIG_IGN);
	run_tests(data_tests);
	run_tests(conn_tests);
	printf("done %u\n", points);
	return 0;
}
