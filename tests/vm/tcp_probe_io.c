// SPDX-License-Identifier: MIT
/*
 * The streams of tcp_probe and the ways to move them.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/errqueue.h>
#include <liburing.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <unistd.h>

#include "tcp_probe.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define PIECE (1 << 20)
#define WAIT_MS 60000
#define POS(half) ((unsigned long long)(half)->pos)

static atomic_ullong moved;

uint64_t bytes_moved(void)
{
	return moved;
}

static void *must_alloc(size_t len)
{
	void *mem = malloc(len);

	if (!mem)
		fail("malloc: %s", strerror(errno));
	return mem;
}

/*
 * The streams
 */

/* splitmix64: word @i of @stream. */
static uint64_t word(uint64_t stream, uint64_t i)
{
	uint64_t z = (stream << 44) + (i + 1) * 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

/* The bytes [@pos, @pos + @len) of @stream. */
static void pattern(uint64_t stream, uint64_t pos, unsigned char *buf,
		    size_t len)
{
	uint64_t w;

	while (len && pos % 8) {
		w = word(stream, pos / 8);
		*buf++ = ((unsigned char *)&w)[pos % 8];
		pos++;
		len--;
	}
	for (; len >= 8; len -= 8, pos += 8, buf += 8) {
		w = word(stream, pos / 8);
		memcpy(buf, &w, 8);
	}
	if (len) {
		w = word(stream, pos / 8);
		memcpy(buf, &w, len);
	}
}

static int pattern_file(uint64_t stream)
{
	unsigned char *map;
	int fd;

	fd = memfd_create("stream", MFD_CLOEXEC);
	if (fd < 0 || ftruncate(fd, opt_bytes))
		fail("memfd: %s", strerror(errno));
	map = mmap(NULL, opt_bytes, PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		fail("mmap: %s", strerror(errno));
	pattern(stream, 0, map, opt_bytes);
	munmap(map, opt_bytes);
	return fd;
}

static bool complete(const struct half *half)
{
	return half->pos == opt_bytes;
}

static uint64_t draw(struct half *half)
{
	half->rnd = half->rnd * 6364136223846793005 + 1442695040888963407;
	return half->rnd >> 32;
}

/* From 1 byte to PIECE: each power of two is as likely as any other. */
static size_t next_size(struct half *half)
{
	uint64_t bits = draw(half) % 20;

	return 1 + draw(half) % (2ULL << bits);
}

/* The size of the next piece to be sent. */
static size_t next_piece(struct half *tx)
{
	size_t len = next_size(tx);

	return len < opt_bytes - tx->pos ? len : opt_bytes - tx->pos;
}

/* Makes the next piece in buf, once the last one is sent. */
static void fill_piece(struct half *tx)
{
	if (tx->done < tx->len)
		return;
	tx->len = next_piece(tx);
	tx->done = 0;
	pattern(tx->stream, tx->pos, tx->buf, tx->len);
}

/* Takes in what a call that sends said; false if it would block. */
static bool was_sent(struct half *tx, ssize_t n)
{
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n <= 0)
		fail("send at %llu: %s", POS(tx),
		     n ? strerror(errno) : "nothing sent");
	tx->pos += n;
	tx->done += n;
	moved += n;
	return true;
}

/* The same of one that received, to @got; compares. */
static bool was_received(struct half *rx, const unsigned char *got, ssize_t n)
{
	unsigned char want[4096];

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n < 0)
		fail("recv at %llu: %s", POS(rx), strerror(errno));
	if (n == 0)
		fail("stream ended at %llu of %llu", POS(rx),
		     (unsigned long long)opt_bytes);
	if (rx->pos + n > opt_bytes)
		fail("more than %llu bytes", (unsigned long long)opt_bytes);
	moved += n;
	while (n) {
		size_t len =
			n < (ssize_t)sizeof(want) ? (size_t)n : sizeof(want);

		pattern(rx->stream, rx->pos, want, len);
		if (memcmp(got, want, len))
			fail("wrong data in [%llu, %llu)", POS(rx),
			     POS(rx) + len);
		rx->pos += len;
		got += len;
		n -= len;
	}
	return true;
}

/* Sends (of) the next piece; false if the socket would block. */
static bool send_some(struct half *tx)
{
	fill_piece(tx);
	return was_sent(tx, send(tx->fd, tx->buf + tx->done, tx->len - tx->done,
				 0));
}

static bool recv_some(struct half *rx)
{
	return was_received(rx, rx->buf,
			    recv(rx->fd, rx->buf, next_size(rx), 0));
}

/*
 * A thread for each direction
 */
struct runner {
	pthread_t thread;
	void (*fn)(struct half *half);
	struct half *half;
};

static void *run_one(void *arg)
{
	struct runner *runner = arg;

	runner->fn(runner->half);
	return NULL;
}

static void run_both(void (*sender)(struct half *tx), struct half *tx,
		     void (*receiver)(struct half *rx), struct half *rx)
{
	struct runner runner = {.fn = sender, .half = tx};
	int rc = pthread_create(&runner.thread, NULL, run_one, &runner);

	if (rc)
		fail("pthread_create: %s", strerror(rc));
	receiver(rx);
	pthread_join(runner.thread, NULL);
}

static void send_all(struct half *tx)
{
	while (!complete(tx))
		send_some(tx);
}

static void recv_all(struct half *rx)
{
	while (!complete(rx))
		recv_some(rx);
}

static void run_blocking(struct half *tx, struct half *rx)
{
	run_both(send_all, tx, recv_all, rx);
}

static void send_file(struct half *tx)
{
	int file = pattern_file(tx->stream);

	while (!complete(tx))
		was_sent(tx, sendfile(tx->fd, file, NULL, next_piece(tx)));
	close(file);
}

static void run_sendfile(struct half *tx, struct half *rx)
{
	run_both(send_file, tx, recv_all, rx);
}

/*
 * splice()
 */

/* Pipes of all sizes, so that they are full sometimes. */
static void open_pipe(struct half *half, int fds[2])
{
	if (pipe2(fds, O_CLOEXEC) ||
	    fcntl(fds[1], F_SETPIPE_SZ, 4096 << draw(half) % 9) < 0)
		fail("pipe: %s", strerror(errno));
}

static void send_spliced(struct half *tx)
{
	int file = pattern_file(tx->stream), fds[2];
	unsigned int flags;
	ssize_t n;

	open_pipe(tx, fds);
	while (!complete(tx)) {
		n = splice(file, NULL, fds[1], NULL, next_piece(tx), 0);
		if (n <= 0)
			fail("splice from a file: %s",
			     n ? strerror(errno) : "end");
		/* A promise of more that is kept. */
		flags = tx->pos + n < opt_bytes && draw(tx) % 2 ? SPLICE_F_MORE
								: 0;
		for (tx->len = n, tx->done = 0; tx->done < tx->len;)
			was_sent(tx, splice(fds[0], NULL, tx->fd, NULL,
					    tx->len - tx->done, flags));
	}
	close(fds[0]);
	close(fds[1]);
	close(file);
}

/* Fills the pipe, often by more than one call; the bytes that are in it. */
static size_t splice_in(struct half *rx, int pipe_fd)
{
	struct pollfd pfd[] = {{.fd = rx->fd, .events = POLLIN},
			       {.fd = pipe_fd, .events = POLLOUT}};
	size_t inside = 0, len = next_size(rx);
	ssize_t n;

	do {
		n = splice(rx->fd, NULL, pipe_fd, NULL, len, 0);
		if (n <= 0)
			break;
		inside += n;
		len = 1 + draw(rx) % 6000;
		/* SPLICE_F_NONBLOCK is for the pipe alone. */
	} while (draw(rx) % 4 && poll(pfd, 2, 0) == 2);
	if (!inside)
		was_received(rx, rx->buf, n);
	return inside;
}

static void recv_spliced(struct half *rx)
{
	int file = memfd_create("received", MFD_CLOEXEC), fds[2];
	size_t inside;
	loff_t end, off;
	ssize_t n;

	if (file < 0)
		fail("memfd: %s", strerror(errno));
	open_pipe(rx, fds);
	while (!complete(rx)) {
		inside = splice_in(rx, fds[1]);
		for (end = 0; (size_t)end < inside;) {
			n = splice(fds[0], NULL, file, &end, inside - end, 0);
			if (n <= 0)
				fail("splice to a file: %s",
				     n ? strerror(errno) : "nothing");
		}
		for (off = 0; off < end; off += n) {
			n = pread(file, rx->buf, PIECE, off);
			if (n <= 0)
				fail("pread: %s", strerror(errno));
			if (n > end - off)
				n = end - off;
			was_received(rx, rx->buf, n);
		}
	}
	close(fds[0]);
	close(fds[1]);
	close(file);
}

static void run_splice(struct half *tx, struct half *rx)
{
	run_both(send_spliced, tx, recv_spliced, rx);
}

/*
 * MSG_ZEROCOPY: what was sent stays as it is until the error queue says, once,
 * that the kernel is done with it.
 */
#define SLOTS 8
#define CALLS 65536

struct zerocopy {
	struct half *tx;
	struct slot {
		unsigned char *buf;
		unsigned int pending; /* calls not completed */
	} slots[SLOTS];
	struct slot *owner[CALLS]; /* of the last calls not completed */
	uint32_t calls, completed;
};

/* Waits for a completion, and takes it. */
static void complete_some(struct zerocopy *zc)
{
	struct pollfd pfd = {.fd = zc->tx->fd};
	unsigned char control[256];
	struct msghdr msg = {.msg_control = control,
			     .msg_controllen = sizeof(control)};
	struct sock_extended_err *err;
	struct cmsghdr *cmsg;

	if (poll(&pfd, 1, WAIT_MS) != 1)
		fail("%u of %u sends were completed", zc->completed, zc->calls);
	if (recvmsg(pfd.fd, &msg, MSG_ERRQUEUE) < 0) {
		if (errno == EAGAIN && !(pfd.revents & (POLLHUP | POLLNVAL)))
			return;
		fail("error queue: %s, revents 0x%x", strerror(errno),
		     pfd.revents);
	}
	cmsg = CMSG_FIRSTHDR(&msg);
	if (!cmsg ||
	    !((cmsg->cmsg_level == SOL_IP && cmsg->cmsg_type == IP_RECVERR) ||
	      (cmsg->cmsg_level == SOL_IPV6 &&
	       cmsg->cmsg_type == IPV6_RECVERR)))
		fail("error queue: no IP_RECVERR");
	err = (struct sock_extended_err *)CMSG_DATA(cmsg);
	if (err->ee_origin != SO_EE_ORIGIN_ZEROCOPY || err->ee_errno)
		fail("error queue: origin %u errno %u", err->ee_origin,
		     err->ee_errno);
	for (uint32_t id = err->ee_info;; id++) {
		struct slot **owner = &zc->owner[id % CALLS];

		if (zc->calls - id - 1 >= CALLS || !*owner)
			fail("send %u of %u completed, twice or too early", id,
			     zc->calls);
		(*owner)->pending--;
		*owner = NULL;
		zc->completed++;
		if (id == err->ee_data)
			break;
	}
}

static void send_zerocopy(struct half *tx)
{
	struct zerocopy *zc = must_alloc(sizeof(*zc));
	int on = 1;

	memset(zc, 0, sizeof(*zc));
	zc->tx = tx;
	for (size_t i = 0; i < SLOTS; i++)
		zc->slots[i].buf = must_alloc(PIECE);
	if (setsockopt(tx->fd, SOL_SOCKET, SO_ZEROCOPY, &on, sizeof(on)))
		fail("SO_ZEROCOPY: %s", strerror(errno));
	for (size_t i = 0; !complete(tx); i = (i + 1) % SLOTS) {
		struct slot *slot = &zc->slots[i];

		while (slot->pending)
			complete_some(zc);
		tx->len = next_piece(tx);
		pattern(tx->stream, tx->pos, slot->buf, tx->len);
		for (tx->done = 0; tx->done < tx->len;) {
			ssize_t n = send(tx->fd, slot->buf + tx->done,
					 tx->len - tx->done, MSG_ZEROCOPY);

			if (n < 0 && errno == ENOBUFS) {
				complete_some(zc);
				continue;
			}
			if (!was_sent(tx, n))
				continue;
			slot->pending++;
			zc->owner[zc->calls++ % CALLS] = slot;
		}
	}
	while (zc->completed < zc->calls)
		complete_some(zc);
	for (size_t i = 0; i < SLOTS; i++)
		free(zc->slots[i].buf);
	free(zc);
}

static void run_zerocopy(struct half *tx, struct half *rx)
{
	run_both(send_zerocopy, tx, recv_all, rx);
}

/*
 * From before the connection is there: what it refuses is tried again at once,
 * and what poll() promises must be so.
 */
static bool poll_early(struct half *half, int events)
{
	struct pollfd pfd = {.fd = half->fd, .events = events};

	if (poll(&pfd, 1, half->pos ? WAIT_MS : 0) < 0 && errno != EINTR)
		fail("poll: %s", strerror(errno));
	if (pfd.revents & (POLLERR | POLLNVAL))
		fail("poll at %llu: revents 0x%x, %s", POS(half), pfd.revents,
		     strerror(get_int(half->fd, SO_ERROR)));
	return pfd.revents & events;
}

static void send_early(struct half *tx)
{
	bool promised = false;

	while (!complete(tx)) {
		if (!send_some(tx)) {
			if (promised && !tx->pos)
				fail("poll: POLLOUT, but send: EAGAIN");
			promised = poll_early(tx, POLLOUT);
		}
	}
}

static void recv_early(struct half *rx)
{
	bool promised = false;

	while (!complete(rx)) {
		if (!recv_some(rx)) {
			if (promised)
				fail("poll: POLLIN, but recv at %llu: EAGAIN",
				     POS(rx));
			promised = poll_early(rx, POLLIN);
		} else {
			promised = false;
		}
	}
}

static void run_early(struct half *tx, struct half *rx)
{
	run_both(send_early, tx, recv_early, rx);
}

/*
 * One thread for both directions
 */
static void run_poll(struct half *tx, struct half *rx)
{
	struct pollfd pfd = {.fd = tx->fd};

	while (!complete(tx) || !complete(rx)) {
		pfd.events = (complete(tx) ? 0 : POLLOUT) |
			     (complete(rx) ? 0 : POLLIN);
		if (poll(&pfd, 1, WAIT_MS) <= 0)
			fail("poll: no event in 60 s (sent %llu, received "
			     "%llu)",
			     POS(tx), POS(rx));
		if (pfd.revents & (POLLERR | POLLNVAL))
			fail("poll: revents 0x%x", pfd.revents);
		if (pfd.revents & POLLOUT && !complete(tx))
			send_some(tx);
		if (pfd.revents & (POLLIN | POLLHUP) && !complete(rx))
			recv_some(rx);
	}
}

/* Edge-triggered: an edge that is lost shows as a time-out. */
static void run_epoll(struct half *tx, struct half *rx)
{
	struct epoll_event ev = {.events = EPOLLIN | EPOLLOUT | EPOLLET};
	int ep;

	ep = epoll_create1(EPOLL_CLOEXEC);
	if (ep < 0 || epoll_ctl(ep, EPOLL_CTL_ADD, tx->fd, &ev))
		fail("epoll: %s", strerror(errno));
	for (;;) {
		/* In turns: neither direction may starve the other. */
		bool sent = !complete(tx) && send_some(tx);
		bool received = !complete(rx) && recv_some(rx);

		if (complete(tx) && complete(rx))
			break;
		if (!sent && !received && epoll_wait(ep, &ev, 1, WAIT_MS) <= 0)
			fail("epoll: no event in 60 s (sent %llu, received "
			     "%llu)",
			     POS(tx), POS(rx));
	}
	close(ep);
}

/*
 * io_uring
 */
static void open_ring(struct io_uring *ring)
{
	int rc = io_uring_queue_init(8, ring, 0);

	if (rc)
		fail("io_uring: %s", strerror(-rc));
}

/* Waits for one request; its result, as if it were a call. */
static int ring_take(struct io_uring *ring, void **ret_data)
{
	struct io_uring_cqe *cqe;
	int rc;

	do {
		rc = io_uring_wait_cqe(ring, &cqe);
	} while (rc == -EINTR);
	if (rc)
		fail("io_uring: %s", strerror(-rc));
	rc = cqe->res;
	*ret_data = io_uring_cqe_get_data(cqe);
	io_uring_cqe_seen(ring, cqe);
	if (rc < 0) {
		errno = -rc;
		return -1;
	}
	return rc;
}

/* One request of either kind: as for a socket, or as for any file. */
static void ring_move(struct io_uring *ring, struct half *half, bool is_tx)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
	bool as_file = draw(half) % 2;

	if (!sqe)
		fail("io_uring: no entry");
	if (is_tx) {
		unsigned char *buf;
		size_t len;

		fill_piece(half);
		buf = half->buf + half->done;
		len = half->len - half->done;
		if (as_file)
			io_uring_prep_write(sqe, half->fd, buf, len, 0);
		else
			io_uring_prep_send(sqe, half->fd, buf, len, 0);
	} else if (as_file) {
		io_uring_prep_read(sqe, half->fd, half->buf, next_size(half),
				   0);
	} else {
		io_uring_prep_recv(sqe, half->fd, half->buf, next_size(half),
				   0);
	}
	io_uring_sqe_set_data(sqe, half);
	io_uring_submit(ring);
}

static void run_uring(struct half *tx, struct half *rx)
{
	struct io_uring ring;
	void *which;
	int n;

	open_ring(&ring);
	ring_move(&ring, tx, true);
	ring_move(&ring, rx, false);
	while (!complete(tx) || !complete(rx)) {
		n = ring_take(&ring, &which);
		if (which == tx)
			was_sent(tx, n);
		else
			was_received(rx, rx->buf, n);
		if (!complete(which))
			ring_move(&ring, which, which == tx);
	}
	io_uring_queue_exit(&ring);
}

static int connect_uring(int fd, const struct sockaddr *addr, socklen_t len)
{
	struct io_uring ring;
	void *data;
	int rc;

	open_ring(&ring);
	io_uring_prep_connect(io_uring_get_sqe(&ring), fd, addr, len);
	io_uring_submit(&ring);
	rc = ring_take(&ring, &data);
	io_uring_queue_exit(&ring);
	return rc;
}

static int accept_uring(int lsk, int flags)
{
	struct io_uring ring;
	void *data;
	int fd;

	open_ring(&ring);
	io_uring_prep_accept(io_uring_get_sqe(&ring), lsk, NULL, NULL, flags);
	io_uring_submit(&ring);
	fd = ring_take(&ring, &data);
	io_uring_queue_exit(&ring);
	return fd;
}

/*
 * Connections
 */
static int accept_plain(int lsk, int flags)
{
	return accept4(lsk, NULL, NULL, flags);
}

/* A listener that is readable has a connection. */
static int accept_polled(int lsk, int flags)
{
	struct pollfd pfd = {.fd = lsk, .events = POLLIN};

	while (poll(&pfd, 1, -1) != 1)
		;
	return accept4(lsk, NULL, NULL, flags);
}

static int connect_early(int fd, const struct sockaddr *addr, socklen_t len)
{
	return connect(fd, addr, len) && errno != EINPROGRESS ? -1 : 0;
}

static int connect_polled(int fd, const struct sockaddr *addr, socklen_t len)
{
	struct pollfd pfd = {.fd = fd, .events = POLLOUT};

	if (connect_early(fd, addr, len))
		return -1;
	if (poll(&pfd, 1, WAIT_MS) != 1)
		fail("connect: no event in 60 s");
	errno = get_int(fd, SO_ERROR);
	return errno ? -1 : 0;
}

static const struct way ways[] = {
	{"blocking", false, connect, accept_plain, run_blocking},
	{"poll", true, connect_polled, accept_polled, run_poll},
	{"epoll", true, connect_polled, accept_polled, run_epoll},
	{"sendfile", false, connect, accept_plain, run_sendfile},
	{"splice", false, connect, accept_plain, run_splice},
	{"uring", false, connect_uring, accept_uring, run_uring},
	{"zerocopy", false, connect, accept_plain, run_zerocopy},
	{"nonblock-early", true, connect_early, accept_polled, run_early},
};

const struct way *find_way(const char *name)
{
	for (size_t i = 0; i < COUNT(ways); i++)
		if (!strcmp(ways[i].name, name))
			return &ways[i];
	return NULL;
}

/* Each connection of a moment has streams of its own, by the client's port. */
void move_streams(const struct way *way, int fd, bool is_server,
		  unsigned int client_port)
{
	struct half halves[2]; /* sent and received */

	for (int i = 0; i < 2; i++) {
		halves[i] = (struct half){.fd = fd, .buf = must_alloc(PIECE)};
		halves[i].stream =
			client_port * 2 + (i ? is_server : !is_server);
		halves[i].rnd = word(opt_seed, halves[i].stream);
	}
	way->run(&halves[0], &halves[1]);
	free(halves[0].buf);
	free(halves[1].buf);
}
