// SPDX-License-Identifier: MIT
/*
 * smc_live: data on a live connection, and the options, ioctls and events that
 * are about it.
 */
#include <liburing.h>
#include <linux/errqueue.h>
#include <linux/sockios.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/time.h>
#include <time.h>

#include "smc_live.h"

static char buf[65536];

/*
 * Options that are set when the connection is there
 */
static void test_rcvtimeo(struct pair *p)
{
	long then;

	is(res(set_time(p->me, SO_RCVTIMEO, 300)), "0", "SO_RCVTIMEO");
	then = now_ms();
	is(res(recv(p->me, buf, 9, 0)), "EAGAIN", "recv");
	between(now_ms() - then, 200, WAIT_MS, "ms of recv");
	put(p->peer, "in time", 0);
	is(get(p->me, 99, 0), "in time", "recv");
	/* Taken back: recv() waits again, until there is something. */
	is(res(set_time(p->me, SO_RCVTIMEO, 0)), "0", "SO_RCVTIMEO 0");
	chat(p->me, p->peer);
}

static void test_sndtimeo(struct pair *p)
{
	long then, n;

	is(res(set_time(p->me, SO_SNDTIMEO, 300)), "0", "SO_SNDTIMEO");
	do {
		then = now_ms();
		n = send(p->me, buf, sizeof(buf), 0);
	} while (n > 0);
	is(res(n), "EAGAIN", "send");
	between(now_ms() - then, 200, WAIT_MS, "ms of send");
}

static long send_late(int fd)
{
	nap(2 * QUIET_MS);
	return send(fd, "67890", 5, 0);
}

/* Over SMC it is for recv() alone. */
static void test_rcvlowat(struct pair *p)
{
	struct job job;
	long then;

	is(res(set_int(p->me, SOL_SOCKET, SO_RCVLOWAT, 10)), "0",
	   "SO_RCVLOWAT");
	is(res(get_int(p->me, SOL_SOCKET, SO_RCVLOWAT)), "10", "its value");
	put(p->peer, "12345", 0);
	if (!with_smc)
		is(res(wait_for(p->me, POLLIN, QUIET_MS)), "0", "poll below");
	is(res(set_time(p->me, SO_RCVTIMEO, 300)), "0", "SO_RCVTIMEO");
	then = now_ms();
	is(res(recv(p->me, buf, 99, 0)), "5", "recv below");
	between(now_ms() - then, 200, WAIT_MS, "ms of recv");
	put(p->peer, "12345", 0);
	start(&job, send_late, p->peer);
	is(res(wait_for(p->me, POLLIN, WAIT_MS)), "1", "poll above");
	is(res(set_time(p->me, SO_RCVTIMEO, WAIT_MS)), "0", "SO_RCVTIMEO");
	is(res(recv(p->me, buf, 99, 0)), "10", "recv above");
	is(join(&job), "5", "send");
	is(res(set_int(p->me, SOL_SOCKET, SO_RCVLOWAT, 1)), "0", "back to 1");
	chat(p->me, p->peer);
}

static const char *take_signal(int sig, int ms)
{
	struct timespec limit = {.tv_sec = ms / 1000,
				 .tv_nsec = ms % 1000 * 1000000};
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, sig);
	return sigtimedwait(&set, NULL, &limit) == sig ? "came" : "none";
}

static void block_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGIO);
	sigaddset(&set, SIGURG);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

static void test_rcvlowat_poll(struct pair *p)
{
	is(res(set_int(p->me, SOL_SOCKET, SO_RCVLOWAT, 4)), "0", "SO_RCVLOWAT");
	put(p->peer, "123", 0);
	nap(QUIET_MS);
	is(res(wait_for(p->me, POLLIN, 0)), "0", "POLLIN, 3 of 4 bytes");
	put(p->peer, "4", 0);
	want(wait_for(p->me, POLLIN, WAIT_MS) & POLLIN, "POLLIN, 4 bytes");
	is(get(p->me, 2, 0), "12", "recv");
	is(res(wait_for(p->me, POLLIN, 0)), "0", "POLLIN, 2 of 4 bytes");
	set_int(p->me, SOL_SOCKET, SO_RCVLOWAT, 2);
	want(wait_for(p->me, POLLIN, 0) & POLLIN, "POLLIN, 2 of 2 bytes");
	/* more than the buffer can hold */
	set_int(p->me, SOL_SOCKET, SO_RCVLOWAT, 1 << 30);
	fill(p->peer);
	want(wait_for(p->me, POLLIN, WAIT_MS) & POLLIN, "POLLIN, all it holds");
}

static void test_more(struct pair *p)
{
	is(res(send(p->peer, "ab", 2, MSG_MORE)), "2", "send");
	is(get(p->me, 9, 0), "ab", "data");
}

static void test_cork(struct pair *p)
{
	is(res(set_int(p->peer, IPPROTO_TCP, TCP_CORK, 1)), "0", "TCP_CORK");
	put(p->peer, "ab", 0);
	is(get(p->me, 9, 0), "ab", "data");
}

static void test_fioasync(struct pair *p)
{
	int on = 1, off = 0;

	block_signals();
	is(res(fcntl(p->me, F_SETOWN, getpid())), "0", "F_SETOWN");
	is(res(ioctl(p->me, FIOASYNC, &on)), "0", "FIOASYNC");
	while (*take_signal(SIGIO, QUIET_MS) == 'c')
		;
	put(p->peer, "x", 0);
	is(take_signal(SIGIO, WAIT_MS), "came", "SIGIO of data");
	is(get(p->me, 9, 0), "x", "recv");
	while (*take_signal(SIGIO, QUIET_MS) == 'c')
		;
	is(res(ioctl(p->me, FIOASYNC, &off)), "0", "FIOASYNC off");
	put(p->peer, "y", 0);
	is(get(p->me, 9, 0), "y", "recv");
	is(take_signal(SIGIO, QUIET_MS), "none", "SIGIO when off");
	is(res(ioctl(p->me, FIOASYNC, &on)), "0", "FIOASYNC on again");
	shutdown(p->peer, SHUT_WR);
	is(take_signal(SIGIO, WAIT_MS), "came", "SIGIO of the end");
}

static void test_sigurg(struct pair *p)
{
	block_signals();
	is(res(fcntl(p->me, F_SETOWN, getpid())), "0", "F_SETOWN");
	put(p->peer, "!", MSG_OOB);
	is(take_signal(SIGURG, WAIT_MS), "came", "SIGURG");
}

/*
 * Urgent data
 */
static void test_oob(struct pair *p)
{
	put(p->peer, "ab", 0);
	put(p->peer, "!", MSG_OOB);
	want(wait_for(p->me, POLLPRI, WAIT_MS) & POLLPRI, "POLLPRI");
	is(get(p->me, 99, 0), "ab", "data up to the mark");
	is(get(p->me, 9, MSG_OOB | MSG_PEEK), "!", "peek urgent");
	is(get(p->me, 9, MSG_OOB), "!", "urgent");
	is(res(recv(p->me, buf, 1, MSG_OOB)), "EINVAL", "urgent again");
	is(res(wait_for(p->me, POLLPRI, 0)), "0", "POLLPRI after");
	chat(p->me, p->peer);
}

/* Urgent data first, then what was sent before it. */
static void test_oob_first(struct pair *p)
{
	put(p->peer, "ab", 0);
	put(p->peer, "!", MSG_OOB);
	is(get(p->me, 9, MSG_OOB), "!", "urgent");
	is(get(p->me, 99, 0), "ab", "data");
	is(res(recv(p->me, buf, 9, MSG_DONTWAIT)), "EAGAIN", "nothing else");
	chat(p->me, p->peer);
}

static void test_atmark(struct pair *p)
{
	is(res(ioctl_int(p->me, SIOCATMARK)), "0", "at first");
	put(p->peer, "ab", 0);
	put(p->peer, "!", MSG_OOB);
	want(wait_for(p->me, POLLPRI, WAIT_MS) & POLLPRI, "POLLPRI");
	is(res(ioctl_int(p->me, SIOCATMARK)), "0", "before the mark");
	is(get(p->me, 99, 0), "ab", "data up to the mark");
	is(res(ioctl_int(p->me, SIOCATMARK)), "1", "at the mark");
	is(get(p->me, 9, MSG_OOB), "!", "urgent");
	chat(p->me, p->peer);
	is(res(ioctl_int(p->me, SIOCATMARK)), "0", "behind the mark");
}

/* With SMC a sender waits until the urgent byte and all before it are read. */
static long send_more(int fd)
{
	return send(fd, "cd", 2, 0);
}

static void test_oob_then_data(struct pair *p)
{
	struct job job;

	put(p->peer, "ab", 0);
	put(p->peer, "!", MSG_OOB);
	want(wait_for(p->me, POLLPRI, WAIT_MS) & POLLPRI, "POLLPRI");
	start(&job, send_more, p->peer);
	nap(QUIET_MS);
	is(get(p->me, 99, 0), "ab", "data up to the mark");
	is(get(p->me, 9, MSG_OOB), "!", "urgent");
	is(get(p->me, 99, 0), "cd", "data after it");
	is(join(&job), "2", "send");
	chat(p->me, p->peer);
}

/* With SMC it waits in the sender's buffer until the urgent byte is read. */
static void test_oob_dontwait(struct pair *p)
{
	put(p->peer, "!", MSG_OOB);
	want(wait_for(p->me, POLLPRI, WAIT_MS) & POLLPRI, "POLLPRI");
	want(wait_for(p->peer, POLLOUT, 0) & POLLOUT, "POLLOUT");
	is(res(send(p->peer, "cd", 2, MSG_DONTWAIT)), "2", "send");
	is(get(p->me, 9, MSG_OOB), "!", "urgent");
	is(get(p->me, 99, 0), "cd", "data after it");
	put(p->peer, "?", MSG_OOB);
	is(get(p->me, 9, MSG_OOB), "?", "urgent once more");
	chat(p->me, p->peer);
}

static void test_oobinline(struct pair *p)
{
	is(res(set_int(p->me, SOL_SOCKET, SO_OOBINLINE, 1)), "0",
	   "SO_OOBINLINE");
	put(p->peer, "ab", 0);
	put(p->peer, "!", MSG_OOB);
	want(wait_for(p->me, POLLPRI, WAIT_MS) & POLLPRI, "POLLPRI");
	is(res(recv(p->me, buf, 1, MSG_OOB)), "EINVAL", "MSG_OOB");
	is(res(ioctl_int(p->me, SIOCATMARK)), "0", "before the mark");
	is(get(p->me, 99, 0), "ab", "data up to the mark");
	is(res(ioctl_int(p->me, SIOCATMARK)), "1", "at the mark");
	is(get(p->me, 99, 0), "!", "urgent in line");
	chat(p->me, p->peer);
}

/* A read ends at the mark, with less than it is to wait for. */
static void test_oobinline_lowat(struct pair *p)
{
	set_int(p->me, SOL_SOCKET, SO_OOBINLINE, 1);
	set_int(p->me, SOL_SOCKET, SO_RCVLOWAT, 9);
	put(p->peer, "ab", 0);
	put(p->peer, "!", MSG_OOB);
	want(wait_for(p->me, POLLPRI, WAIT_MS) & POLLPRI, "POLLPRI");
	is(res(recv(p->me, buf, 9, 0)), "2", "up to the mark");
	is(res(ioctl_int(p->me, SIOCATMARK)), "1", "at the mark");
}

/*
 * Queues
 */
static void test_inq(struct pair *p)
{
	is(res(ioctl_int(p->me, SIOCINQ)), "0", "empty");
	put(p->peer, "1234567", 0);
	want(wait_for(p->me, POLLIN, WAIT_MS), "POLLIN");
	is(res(ioctl_int(p->me, SIOCINQ)), "7", "7 bytes");
	is(get(p->me, 3, 0), "123", "recv");
	is(res(ioctl_int(p->me, SIOCINQ)), "4", "4 of them");
	is(get(p->me, 3, MSG_PEEK), "456", "peek");
	is(res(ioctl_int(p->me, SIOCINQ)), "4", "as many after a peek");
	is(get(p->me, 9, 0), "4567", "recv");
	is(res(ioctl_int(p->me, SIOCINQ)), "0", "none left");
}

/* SMC announces what was read a tenth of the buffer late. */
static void test_outq(struct pair *p)
{
	int out, not_sent, i;
	long sent;

	is(res(ioctl_int(p->me, SIOCOUTQ)), "0", "empty");
	is(res(ioctl_int(p->me, SIOCOUTQNSD)), "0", "nothing to send");
	sent = fill(p->me);
	out = ioctl_int(p->me, SIOCOUTQ);
	not_sent = ioctl_int(p->me, SIOCOUTQNSD);
	between(out, 1, sent, "queued");
	between(not_sent, 0, out, "of them not sent");
	between(drain(p->peer, sent), sent, sent, "received");
	for (i = 0; i < WAIT_MS / 20; i++) {
		if (ioctl_int(p->me, SIOCOUTQ) <= (with_smc ? out / 8 : 0) &&
		    !ioctl_int(p->me, SIOCOUTQNSD))
			break;
		nap(20);
	}
	between(ioctl_int(p->me, SIOCOUTQ), 0, with_smc ? out / 8 : 0,
		"queued when all was read");
	is(res(ioctl_int(p->me, SIOCOUTQNSD)), "0", "nothing left to send");
}

/* A send() that may wait takes everything, however large. */
static long drain_megabyte(int fd)
{
	return drain(fd, 1 << 20);
}

static void test_send_all(struct pair *p)
{
	static char large[1 << 20];
	struct job job;

	for (long i = 0; i < (long)sizeof(large); i++)
		large[i] = (unsigned char)(i * 7 + i / 251);
	start(&job, drain_megabyte, p->peer);
	is(res(send(p->me, large, sizeof(large), 0)), "1048576", "send");
	is(join(&job), "1048576", "received");
}

static void test_waitall(struct pair *p)
{
	put(p->peer, "abc", 0);
	want(wait_for(p->me, POLLIN, WAIT_MS), "POLLIN");
	is(res(set_time(p->me, SO_RCVTIMEO, 300)), "0", "SO_RCVTIMEO");
	is(res(recv(p->me, buf, 6, MSG_WAITALL)), "3", "less than asked for");
	put(p->peer, "abcdef", 0);
	is(res(recv(p->me, buf, 6, MSG_WAITALL)), "6", "all");
}

/*
 * MSG_PEEK
 */
static void test_peek(struct pair *p)
{
	static char out[6000], in[6000];
	unsigned int rnd = 1;

	put(p->peer, "0123456789", 0);
	is(get(p->me, 3, MSG_PEEK), "012", "peek");
	is(get(p->me, 5, MSG_PEEK), "01234", "peek again");
	is(get(p->me, 2, 0), "01", "recv");
	is(get(p->me, 99, MSG_PEEK), "23456789", "peek the rest");
	is(get(p->me, 99, 0), "23456789", "recv the rest");
	is(res(recv(p->me, buf, 9, MSG_PEEK | MSG_DONTWAIT)), "EAGAIN",
	   "peek at nothing");
	/* Round the ring buffer, a few times. */
	for (int i = 0; i < 200; i++) {
		long len = 1000 + (rnd = rnd * 1103515245 + 12345) % 5000;
		long got = 0;

		for (long j = 0; j < len; j++)
			out[j] = rnd + j;
		is(res(send(p->peer, out, len, 0)), res(len), "send");
		for (int tries = 0; got < len && tries < WAIT_MS; tries++) {
			got = recv(p->me, in, sizeof(in), MSG_PEEK);
			if (got < len)
				nap(1);
		}
		between(got, len, len, "peeked");
		want(!memcmp(in, out, len), "peeked what was sent");
		memset(in, 0, len);
		is(res(recv(p->me, in, len, MSG_WAITALL)), res(len), "recv");
		want(!memcmp(in, out, len), "received what was sent");
	}
}

static void test_peek_off(struct pair *p)
{
	int tcp = socket_of(false, 0);

	if (set_int(tcp, SOL_SOCKET, SO_PEEK_OFF, 1) && errno == EOPNOTSUPP) {
		is(res(set_int(p->me, SOL_SOCKET, SO_PEEK_OFF, 1)),
		   "EOPNOTSUPP", "SO_PEEK_OFF where TCP has none");
		return;
	}
	close(tcp);
	between(get_int(p->me, SOL_SOCKET, SO_PEEK_OFF), -1, -1, "at first");
	is(res(set_int(p->me, SOL_SOCKET, SO_PEEK_OFF, 1)), "0",
	   "SO_PEEK_OFF 1");
	put(p->peer, "0123456789", 0);
	is(get(p->me, 3, MSG_PEEK), "123", "peek");
	is(res(get_int(p->me, SOL_SOCKET, SO_PEEK_OFF)), "4", "offset");
	is(get(p->me, 3, MSG_PEEK), "456", "peek goes on");
	is(get(p->me, 2, 0), "01", "recv from the start");
	is(res(get_int(p->me, SOL_SOCKET, SO_PEEK_OFF)), "5", "offset moved");
	is(get(p->me, 2, MSG_PEEK), "78", "peek at the same place");
	is(get(p->me, 9, MSG_PEEK), "9", "peek up to the end");
	is(res(recv(p->me, buf, 9, MSG_PEEK | MSG_DONTWAIT)), "EAGAIN",
	   "peek behind the end");
	put(p->peer, "ab", 0);
	/* There was data before, so poll() does not say when it came. */
	for (long end = now_ms() + WAIT_MS;
	     ioctl_int(p->me, SIOCINQ) < 10 && now_ms() < end;)
		nap(1);
	is(get(p->me, 9, MSG_PEEK), "ab", "peek at what came");
	is(res(set_int(p->me, SOL_SOCKET, SO_PEEK_OFF, 0)), "0",
	   "SO_PEEK_OFF 0");
	is(get(p->me, 3, MSG_PEEK), "234", "peek from the start");
	is(res(set_int(p->me, SOL_SOCKET, SO_PEEK_OFF, -1)), "0",
	   "SO_PEEK_OFF -1");
	is(get(p->me, 3, MSG_PEEK), "234", "peek without");
	is(get(p->me, 3, MSG_PEEK), "234", "peek without, again");
	is(get(p->me, 99, 0), "23456789ab", "recv all");
}

/*
 * Zerocopy
 */

/* The next completion: the calls [*first, *last]. */
static void take_completion(int fd, unsigned int *first, unsigned int *last)
{
	char control[256];
	struct msghdr msg = {.msg_control = control,
			     .msg_controllen = sizeof(control)};
	struct sock_extended_err *err;
	struct cmsghdr *cmsg;

	want(wait_for(fd, 0, WAIT_MS) & POLLERR, "POLLERR");
	is(res(recvmsg(fd, &msg, MSG_ERRQUEUE)), "0", "MSG_ERRQUEUE");
	want(msg.msg_flags & MSG_ERRQUEUE, "its flag");
	cmsg = CMSG_FIRSTHDR(&msg);
	want(cmsg, "control message");
	is(res(cmsg->cmsg_level), res(family == V4 ? SOL_IP : SOL_IPV6),
	   "level");
	is(res(cmsg->cmsg_type), res(family == V4 ? IP_RECVERR : IPV6_RECVERR),
	   "type");
	err = (struct sock_extended_err *)CMSG_DATA(cmsg);
	is(res(err->ee_errno), "0", "ee_errno");
	is(res(err->ee_origin), res(SO_EE_ORIGIN_ZEROCOPY), "ee_origin");
	is(res(err->ee_code), res(SO_EE_CODE_ZEROCOPY_COPIED), "ee_code");
	*first = err->ee_info;
	*last = err->ee_data;
}

static void test_zerocopy(struct pair *p)
{
	unsigned int first, last, next = 0;

	memset(buf, 'z', sizeof(buf));
	is(res(send(p->me, buf, 8192, MSG_ZEROCOPY)), "8192",
	   "MSG_ZEROCOPY without SO_ZEROCOPY");
	is(res(recv(p->peer, buf, 8192, MSG_WAITALL)), "8192", "recv");
	is(res(wait_for(p->me, 0, QUIET_MS)), "0", "no completion");
	is(res(set_int(p->me, SOL_SOCKET, SO_ZEROCOPY, 1)), "0", "SO_ZEROCOPY");
	for (int i = 0; i < 2; i++) {
		is(res(send(p->me, buf, 8192, MSG_ZEROCOPY)), "8192", "send");
		is(res(recv(p->peer, buf, 8192, MSG_WAITALL)), "8192", "recv");
		want(buf[0] == 'z' && !memcmp(buf, buf + 1, 8191), "the data");
		take_completion(p->me, &first, &last);
		between(first, next, next, "first");
		between(last, next, next, "last");
		next++;
	}
	/* What nobody has taken yet may become one range. */
	for (int i = 0; i < 3; i++) {
		is(res(send(p->me, buf, 8192, MSG_ZEROCOPY)), "8192", "send");
		is(res(recv(p->peer, buf, 8192, MSG_WAITALL)), "8192", "recv");
	}
	while (next < 5) {
		take_completion(p->me, &first, &last);
		between(first, next, next, "first of the rest");
		between(last, next, 4, "last of the rest");
		next = last + 1;
	}
	is(res(wait_for(p->me, 0, QUIET_MS)), "0", "no more completions");
	put(p->me, "plain", 0);
	is(get(p->peer, 9, 0), "plain", "send without MSG_ZEROCOPY");
	is(res(wait_for(p->me, 0, QUIET_MS)), "0", "which is not completed");
	is(so_error(p->me), "0", "SO_ERROR");
	chat(p->me, p->peer);
}

/* io_uring asks the socket whether it may. */
static void test_uring_send_zc(struct pair *p)
{
	struct io_uring_cqe *cqe;
	struct io_uring ring;

	memset(buf, 'u', 8192);
	is(res(io_uring_queue_init(4, &ring, 0)), "0", "io_uring");
	io_uring_prep_send_zc(io_uring_get_sqe(&ring), p->me, buf, 8192, 0, 0);
	io_uring_submit(&ring);
	is(res(io_uring_wait_cqe(&ring, &cqe)), "0", "first event");
	is(cqe->res < 0 ? err_name(-cqe->res) : res(cqe->res), "8192",
	   "SEND_ZC");
	want(cqe->flags & IORING_CQE_F_MORE, "a second event to come");
	io_uring_cqe_seen(&ring, cqe);
	is(res(recv(p->peer, buf + 8192, 8192, MSG_WAITALL)), "8192", "recv");
	is(res(io_uring_wait_cqe(&ring, &cqe)), "0", "second event");
	want(cqe->flags & IORING_CQE_F_NOTIF, "the second is a notification");
	want(!memcmp(buf, buf + 8192, 8192), "the data");
	io_uring_queue_exit(&ring);
	chat(p->me, p->peer);
}

/*
 * epoll
 */
static int epoll_of(int fd, unsigned int events)
{
	struct epoll_event ev = {.events = events};
	int ep = epoll_create1(EPOLL_CLOEXEC);

	if (ep < 0 || epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev))
		failed("epoll: %s", err_name(errno));
	return ep;
}

static unsigned int event(int ep, int ms)
{
	struct epoll_event ev;

	return epoll_wait(ep, &ev, 1, ms) == 1 ? ev.events : 0;
}

/* Events until one of @wanted is there. */
static void event_of(int ep, unsigned int wanted, const char *what)
{
	long end = now_ms() + WAIT_MS;

	while (!(event(ep, QUIET_MS) & wanted))
		if (now_ms() > end)
			failed("%s: no such event", what);
}

static void test_epoll_level(struct pair *p)
{
	int ep = epoll_of(p->me, EPOLLIN | EPOLLOUT | EPOLLRDHUP);
	long sent;

	is(res(event(ep, 0)), res(EPOLLOUT), "at first");
	put(p->peer, "abc", 0);
	event_of(ep, EPOLLIN, "data");
	is(res(event(ep, 0)), res(EPOLLIN | EPOLLOUT), "still there");
	is(get(p->me, 1, 0), "a", "recv");
	is(res(event(ep, 0)), res(EPOLLIN | EPOLLOUT), "partly there");
	is(get(p->me, 9, 0), "bc", "recv the rest");
	is(res(event(ep, 0)), res(EPOLLOUT), "drained");
	sent = fill(p->me);
	is(res(event(ep, 0)), "0", "full");
	between(drain(p->peer, sent), sent, sent, "received");
	event_of(ep, EPOLLOUT, "not full");
	shutdown(p->peer, SHUT_WR);
	event_of(ep, EPOLLRDHUP, "peer shut down");
	is(res(event(ep, 0)), res(EPOLLIN | EPOLLOUT | EPOLLRDHUP),
	   "after the peer's shutdown");
	shutdown(p->me, SHUT_WR);
	event_of(ep, EPOLLHUP, "both shut down");
}

static void test_epoll_edge(struct pair *p)
{
	int ep = epoll_of(p->me, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
	long sent;

	is(res(event(ep, 0)), res(EPOLLOUT), "at first");
	is(res(event(ep, 0)), "0", "once");
	put(p->peer, "abc", 0);
	event_of(ep, EPOLLIN, "data");
	is(res(event(ep, QUIET_MS)), "0", "once for the data");
	put(p->peer, "d", 0);
	event_of(ep, EPOLLIN, "more data");
	is(get(p->me, 9, 0), "abcd", "recv");
	sent = fill(p->me);
	/* Of what happened meanwhile. */
	while (event(ep, QUIET_MS))
		;
	between(drain(p->peer, sent), sent, sent, "received");
	event_of(ep, EPOLLOUT, "not full");
	shutdown(p->peer, SHUT_WR);
	event_of(ep, EPOLLRDHUP, "peer shut down");
	shutdown(p->me, SHUT_WR);
	event_of(ep, EPOLLHUP, "both shut down");
}

/* Somebody who waits is woken. */
static long poll_in(int fd)
{
	return wait_for(fd, POLLIN, WAIT_MS);
}

static void test_wake(struct pair *p)
{
	static char block[BLOCK];
	struct job a, b;
	long sent;

	start(&a, poll_in, p->me);
	start(&b, recv_byte, p->me);
	nap(QUIET_MS);
	put(p->peer, "xy", 0);
	is(join(&a), "1", "poll was woken");
	is(join(&b), "1", "recv was woken");
	is(get(p->me, 9, 0), "y", "the rest");
	sent = fill(p->me);
	start(&a, send_block, p->me);
	nap(QUIET_MS);
	between(drain(p->peer, sent), sent, sent, "received");
	is(res(recv(p->peer, block, BLOCK, MSG_WAITALL)), res(BLOCK), "recv");
	is(join(&a), res(BLOCK), "send was woken");
}

/* What a peer takes that does not read, if nobody has asked for a size. */
static void test_window(struct pair *p)
{
	between(fill(p->me), 250000, 20000000, "bytes");
}

/* SO_RCVBUF at an end, or at its listener, is what the other may send. */
static void test_window_size(struct pair *p)
{
	int lsk = socket_of(true, 0), client = socket_of(true, 0);
	/* That of SMC-D's sender is the other's, but for 6.1. */
	const char *base = getenv("LAB_BASE");
	bool is_61 = base && !strcmp(base, "6.1");
	bool is_smcr = live_mode == SMC_MODE_SMCR;
	int own = is_smcr || is_61 ? 1 << 18 : 0;
	/* SMC-R of 6.1 has no larger ones. */
	int size = is_smcr && is_61 ? 1 << 19 : 1 << 20;

	is(res(set_int(lsk, SOL_SOCKET, SO_RCVBUFFORCE, 1 << 20)), "0",
	   "SO_RCVBUFFORCE");
	is(res(set_int(client, SOL_SOCKET, SO_RCVBUF, 16384)), "0",
	   "SO_RCVBUF");
	pair_connect(p, listen_at(lsk, &p->listener), client);
	between(fill(p->me), own + size - size / 20, own + size,
		"bytes of the client");
	between(fill(p->peer), own + 16000, own + 16384, "bytes of the server");
}

const struct test data_tests[] = {
	{"SO_RCVTIMEO", test_rcvtimeo, BOTH_ENDS},
	{"SO_SNDTIMEO", test_sndtimeo, BOTH_ENDS},
	{"SO_RCVLOWAT", test_rcvlowat, BOTH_ENDS},
	{"SO_RCVLOWAT and poll", test_rcvlowat_poll, BOTH_ENDS},
	{"MSG_MORE is sent after a while", test_more, BOTH_ENDS},
	{"TCP_CORK is sent after a while", test_cork, BOTH_ENDS},
	{"FIOASYNC and SIGIO", test_fioasync, BOTH_ENDS},
	{"SIGURG", test_sigurg, BOTH_ENDS},
	{"MSG_OOB", test_oob, BOTH_ENDS},
	{"MSG_OOB, read first", test_oob_first, BOTH_ENDS},
	{"SIOCATMARK", test_atmark, BOTH_ENDS},
	{"MSG_OOB, then data", test_oob_then_data, BOTH_ENDS},
	{"MSG_OOB, then data without waiting", test_oob_dontwait, BOTH_ENDS},
	{"SO_OOBINLINE", test_oobinline, BOTH_ENDS},
	{"SO_OOBINLINE and SO_RCVLOWAT", test_oobinline_lowat, BOTH_ENDS},
	{"SIOCINQ", test_inq, BOTH_ENDS},
	{"SIOCOUTQ and SIOCOUTQNSD", test_outq, BOTH_ENDS},
	{"the default window", test_window, BOTH_ENDS},
	{"SO_RCVBUF is the window", test_window_size, OF_SMC | NO_PAIR},
	{"blocking send takes all", test_send_all, BOTH_ENDS},
	{"MSG_WAITALL", test_waitall, BOTH_ENDS},
	{"MSG_PEEK", test_peek, BOTH_ENDS},
	{"SO_PEEK_OFF", test_peek_off, BOTH_ENDS},
	{"MSG_ZEROCOPY", test_zerocopy, BOTH_ENDS},
	{"io_uring SEND_ZC", test_uring_send_zc, BOTH_ENDS},
	{"epoll, level", test_epoll_level, BOTH_ENDS},
	{"epoll, edge", test_epoll_edge, BOTH_ENDS},
	{"waiting calls are woken", test_wake, BOTH_ENDS},
	{0},
};
