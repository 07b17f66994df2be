// SPDX-License-Identifier: MIT
/*
 * The half of sock_diff that is about connections: how they begin, carry data
 * and end, and what else in the kernel knows of them.
 */
#include "sock_diff.h"

/*
 * Connecting, accepting, events
 */
void test_connect(void)
{
	struct pair pair = pair_open();
	struct timeval tv = {.tv_usec = 100000};
	struct addr addr = {.len = sizeof(addr.ss)};
	const char *a, *b, *c;
	int fd, count = 0, one;

	section = "connect";
	pair_listen(&pair);
	set_nonblock(pair.cli);
	a = res(sock_connect(pair.cli, port_of(pair.lsk)));
	b = poll_then(pair.cli, POLLOUT);
	c = so_error(pair.cli);
	say("nonblock", "%s poll %s error %s again %s", a, b, c,
	    res(sock_connect(pair.cli, port_of(pair.lsk))));
	say("nonblock.listener", "%s", poll_then(pair.lsk, POLLIN));
	pair.acc = accept_soon(pair.lsk);
	say("nonblock.data", "%s", chat(pair.cli, pair.acc));
	say("nonblock.listener_after", "%s", poll_then(pair.lsk, 0));
	pair_close(&pair);

	fd = sock_new(CLIENT);
	say("refused", "%s", res(sock_connect(fd, shut_port)));
	say("refused.error", "%s", so_error(fd));
	say("refused.poll", "%s", poll_now(fd));
	say("refused.again", "%s", res(sock_connect(fd, shut_port)));
	say("refused.other", "%s", res(sock_connect(fd, sink_port)));
	say("refused.data", "%s", put_data(fd, "x", 0));
	close(fd);

	fd = sock_new(CLIENT);
	set_nonblock(fd);
	say("refused_nb", "%s", res(sock_connect(fd, shut_port)));
	say("refused_nb.poll", "%s", poll_then(fd, POLLOUT));
	a = so_error(fd);
	say("refused_nb.error", "%s then %s", a, so_error(fd));
	say("refused_nb.poll_after", "%s", poll_now(fd));
	say("refused_nb.send", "%s", put_data(fd, "x", 0));
	say("refused_nb.again", "%s", res(sock_connect(fd, shut_port)));
	poll_then(fd, POLLOUT);
	a = res(sock_connect(fd, shut_port));
	/* ksoftirqd may have what is on its way. */
	poll_then(fd, POLLOUT);
	b = so_error(fd);
	say("refused_nb.collect", "%s error %s", a, b);
	say("refused_nb.other", "%s", res(sock_connect(fd, sink_port)));
	say("refused_nb.other_poll", "%s", poll_then(fd, POLLOUT));
	say("refused_nb.other_error", "%s", so_error(fd));
	close(fd);

	fd = sock_new(CLIENT);
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
	a = res(sock_connect(fd, deaf_port));
	b = res(sock_connect(fd, deaf_port));
	c = poll_now(fd);
	say("timeout", "%s again %s poll %s error %s", a, b, c, so_error(fd));
	close(fd);

	fd = sock_new(CLIENT);
	set_nonblock(fd);
	sock_connect(fd, deaf_port);
	a = res(unspec(fd));
	b = poll_now(fd);
	c = res(sock_connect(fd, sink_port));
	say("give_up", "%s poll %s other %s poll %s", a, b, c,
	    poll_then(fd, POLLOUT));
	close(fd);

	fd = sock_new(CLIENT);
	set_nonblock(fd);
	sock_connect(fd, deaf_port);
	a = res(shutdown(fd, SHUT_WR));
	b = poll_then(fd, 0);
	say("shut_while", "%s poll %s error %s", a, b, so_error(fd));
	close(fd);

	fd = sock_new(CLIENT);
	sock_bind(fd, CLIENT, 0);
	say("self", "%s", res(sock_connect(fd, port_of(fd))));
	say("self.send", "%s", put_data(fd, "me", 0));
	say("self.recv", "%s", get_data(fd, 9, 0));
	say("self.kind", "%s", do_kind(fd));
	close(fd);

	/* The port is given at connect(), not at bind(). */
	fd = sock_new(CLIENT);
	set_int(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
	sock_bind(fd, CLIENT, 0);
	one = port_of(fd);
	a = res(sock_connect(fd, sink_port));
	say("no_port", "before %s connect %s after %s", one ? "set" : "0", a,
	    port_of(fd) ? "set" : "0");
	close(fd);

	for (int i = 0; i < 4; i++) {
		static const struct {
			const char *name, *device;
		} devices[] = {{"lo", "lo"}, {"none", ""}};

		pair = pair_open();
		setsockopt(i / 2 ? pair.lsk : pair.cli, SOL_SOCKET,
			   SO_BINDTODEVICE, devices[i % 2].device,
			   strlen(devices[i % 2].device));
		pair_listen(&pair);
		a = res(pair_connect(&pair));
		say(text("device.%s.%s", i / 2 ? "listener" : "client",
			 devices[i % 2].name),
		    "%s device %d %d %d %s", a,
		    get_int(pair.lsk, SOL_SOCKET, SO_BINDTOIFINDEX),
		    get_int(pair.cli, SOL_SOCKET, SO_BINDTOIFINDEX),
		    get_int(pair.acc, SOL_SOCKET, SO_BINDTOIFINDEX),
		    chat(pair.cli, pair.acc));
		pair_close(&pair);
	}

	pair = pair_open();
	pair_listen(&pair);
	for (int i = 0; i < 100; i++) {
		fd = sock_new(CLIENT);
		if (!sock_connect(fd, port_of(pair.lsk))) {
			one = accept_soon(pair.lsk);
			count += one >= 0;
			if (one >= 0)
				close(one);
		}
		close(fd);
	}
	say("cycles", "%d", count);
	pair_close(&pair);

	/* Closed before it is accepted. */
	pair = pair_open();
	pair_listen(&pair);
	sock_connect(pair.cli, port_of(pair.lsk));
	put_data(pair.cli, "gone", 0);
	close(pair.cli);
	pair.cli = -1;
	pair.acc = accept_soon(pair.lsk);
	a = get_data(pair.acc, 99, 0);
	b = get_data(pair.acc, 99, 0);
	say("closed_early", "%s %s peer %s", a, b,
	    res(getpeername(pair.acc, &addr.sa, &addr.len)));
	pair_close(&pair);

	/* Reset before it is accepted. */
	pair = pair_open();
	pair_listen(&pair);
	sock_connect(pair.cli, port_of(pair.lsk));
	wait_for(pair.lsk, POLLIN, 1000);
	reset_by(&pair.cli);
	nap(5);
	a = poll_now(pair.lsk);
	pair.acc = accept_soon(pair.lsk);
	addr.len = sizeof(addr.ss);
	b = res(pair.acc < 0 ? -1 : 0);
	c = poll_then(pair.acc, POLLHUP);
	say("reset_early", "listener %s accept %s poll %s recv %s", a, b, c,
	    get_data(pair.acc, 9, 0));
	pair_close(&pair);
}

void test_accept(void)
{
	struct pair pair = pair_open();
	struct addr addr;
	const char *a, *b;
	int fd, cli[4], up = 0;

	section = "accept";
	pair_listen(&pair);
	for (int i = 0; i < 6; i++) {
		static const int flags[] = {0,
					    SOCK_NONBLOCK,
					    SOCK_CLOEXEC,
					    O_APPEND,
					    SOCK_NONBLOCK | SOCK_CLOEXEC,
					    O_ASYNC};

		fd = sock_new(CLIENT);
		sock_connect(fd, port_of(pair.lsk));
		wait_for(pair.lsk, POLLIN, 1000);
		pair.acc = accept4(pair.lsk, NULL, NULL, flags[i]);
		a = pair.acc < 0 ? res(-1) : "ok";
		say(text("flags_%o", flags[i]), "%s flags %o cloexec %d", a,
		    fcntl(pair.acc, F_GETFL), fcntl(pair.acc, F_GETFD));
		close(fd);
		if (pair.acc >= 0)
			close(pair.acc);
	}
	pair_close(&pair);
	for (int i = 0; i < 5; i++) {
		static const int sizes[] = {0, 2, 10, 128, -1};

		pair = pair_open();
		pair_listen(&pair);
		sock_connect(pair.cli, port_of(pair.lsk));
		memset(&addr, 0, sizeof(addr));
		addr.len = sizes[i];
		wait_for(pair.lsk, POLLIN, 1000);
		pair.acc = accept(pair.lsk, &addr.sa, &addr.len);
		say(text("addr_%d", sizes[i]), "%s len %d family %d",
		    pair.acc < 0 ? res(-1) : "ok", (int)addr.len,
		    addr.sa.sa_family);
		pair_close(&pair);
	}

	/* Flags of the listener are not inherited. */
	pair = pair_open();
	pair_listen(&pair);
	set_nonblock(pair.lsk);
	a = res(accept(pair.lsk, NULL, NULL));
	pair_connect(&pair);
	b = text("%o", fcntl(pair.acc, F_GETFL));
	say("nonblock", "%s flags %s name %s", a, b, do_getsockname(pair.acc));
	pair_close(&pair);

	pair = pair_open();
	pair_listen(&pair);
	setsockopt(pair.lsk, SOL_SOCKET, SO_RCVTIMEO,
		   &(struct timeval){.tv_usec = 50000}, sizeof(struct timeval));
	say("rcvtimeo", "%s", res(accept(pair.lsk, NULL, NULL)));
	pair_close(&pair);

	/* What comes after a listener was stopped and started again. */
	pair = pair_open();
	pair_listen(&pair);
	a = res(shutdown(pair.lsk, SHUT_RD));
	b = res(sock_connect(pair.cli, port_of(pair.lsk)));
	say("stopped", "%s connect %s", a, b);
	a = res(listen(pair.lsk, 5));
	b = res(pair_connect(&pair));
	say("restarted", "%s connect %s %s", a, b, chat(pair.cli, pair.acc));
	pair_close(&pair);

	/* Somebody waits to be accepted when the listener goes. */
	pair = pair_open();
	pair_listen(&pair);
	sock_connect(pair.cli, port_of(pair.lsk));
	wait_for(pair.lsk, POLLIN, 1000);
	close(pair.lsk);
	pair.lsk = -1;
	a = poll_then(pair.cli, POLLHUP);
	b = get_data(pair.cli, 9, 0);
	say("listener_closed", "poll %s recv %s send %s", a, b,
	    put_data(pair.cli, "x", 0));
	pair_close(&pair);

	pair = pair_open();
	pair_listen(&pair);
	sock_connect(pair.cli, port_of(pair.lsk));
	wait_for(pair.lsk, POLLIN, 1000);
	a = res(shutdown(pair.lsk, SHUT_RD));
	b = poll_then(pair.cli, POLLHUP);
	say("listener_shut", "%s poll %s recv %s", a, b,
	    get_data(pair.cli, 9, 0));
	pair_close(&pair);

	pair = pair_open();
	sock_bind(pair.lsk, LISTENER, 0);
	listen(pair.lsk, 0);
	for (int i = 0; i < 4; i++) {
		cli[i] = sock_new(CLIENT);
		set_nonblock(cli[i]);
		sock_connect(cli[i], port_of(pair.lsk));
		if (wait_for(cli[i], POLLOUT, 60) & POLLOUT)
			up++;
	}
	say("backlog_0", "connected %d listener %s", up, poll_now(pair.lsk));
	for (int i = 0; i < 4; i++)
		close(cli[i]);
	pair_close(&pair);
}

/* What one epoll set says of one socket, edge after edge. */
static const char *edge(int ep, int wait_ms)
{
	struct epoll_event ev;
	int n = epoll_wait(ep, &ev, 1, wait_ms);

	return n == 1 ? mask(ev.events) : "-";
}

/* Lets edges that come one after the other become one. */
static const char *edge_soon(int ep, int fd, int events)
{
	wait_for(fd, events, 1000);
	nap(5);
	return edge(ep, 0);
}

static int epoll_of(int fd, unsigned int events)
{
	struct epoll_event ev = {.events = events};
	int ep = epoll_create1(EPOLL_CLOEXEC);

	if (ep < 0 || epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev))
		die("%s: epoll: %s", section, strerror(errno));
	return ep;
}

static void test_events_of(bool edges)
{
	unsigned int all = EPOLLIN | EPOLLPRI | EPOLLOUT | EPOLLRDHUP |
			   (edges ? EPOLLET : 0);
	struct pair pair = pair_open();
	const char *once;
	int lep, cep, aep;

	section = edges ? "epollet" : "epoll";
	lep = epoll_of(pair.lsk, all);
	cep = epoll_of(pair.cli, all);
	say("fresh", "%s %s", edge(lep, 0), edge(cep, 0));
	pair_listen(&pair);
	say("listen", "%s", edge(lep, 0));
	set_nonblock(pair.cli);
	sock_connect(pair.cli, port_of(pair.lsk));
	say("connected", "%s", edge_soon(cep, pair.cli, POLLOUT));
	say("pending", "%s", edge_soon(lep, pair.lsk, POLLIN));
	say("pending.again", "%s", edge(lep, 0));
	pair.acc = accept_soon(pair.lsk);
	aep = epoll_of(pair.acc, all);
	say("accepted", "%s", edge(aep, 0));
	say("listener", "%s", edge(lep, 0));
	say("accepted.again", "%s", edge(aep, 0));
	put_data(pair.cli, "abc", 0);
	say("data", "%s", edge_soon(aep, pair.acc, POLLIN));
	say("data.again", "%s", edge(aep, 0));
	say("read", "%s", get_data(pair.acc, 1, 0));
	say("partly", "%s", edge(aep, 0));
	put_data(pair.cli, "d", 0);
	nap(5);
	say("more", "%s", edge_soon(aep, pair.acc, POLLIN));
	say("read_all", "%s", get_data(pair.acc, 99, 0));
	say("drained", "%s", edge(aep, 0));
	put_data(pair.acc, "!", MSG_OOB);
	say("oob", "%s", edge_soon(cep, pair.cli, POLLPRI));
	shutdown(pair.acc, SHUT_WR);
	say("fin", "%s", edge_soon(cep, pair.cli, POLLRDHUP));
	shutdown(pair.cli, SHUT_WR);
	say("both.acc", "%s", edge_soon(aep, pair.acc, POLLHUP));
	say("both.cli", "%s", edge_soon(cep, pair.cli, POLLHUP));
	close(aep);
	close(cep);
	close(lep);
	pair_close(&pair);

	pair = pair_make();
	cep = epoll_of(pair.cli, all);
	aep = epoll_of(pair.acc, EPOLLIN | EPOLLONESHOT);
	say("client", "%s", edge(cep, 0));
	put_data(pair.cli, "x", 0);
	once = edge_soon(aep, pair.acc, POLLIN);
	say("oneshot", "%s %s", once, edge(aep, 0));
	get_data(pair.acc, 9, 0);
	reset_by(&pair.acc);
	say("reset", "%s", edge_soon(cep, pair.cli, POLLHUP));
	close(aep);
	close(cep);
	pair_close(&pair);
}

void test_events(void)
{
	test_events_of(false);
	test_events_of(true);
}

void test_unspec(void)
{
	struct pair pair = pair_make();
	const char *a, *b, *c;

	section = "unspec";
	a = res(unspec(pair.cli));
	b = poll_then(pair.acc, POLLHUP);
	c = get_data(pair.acc, 9, 0);
	say("connected", "%s peer %s recv %s", a, b, c);
	close(pair.acc);
	a = res(pair_connect(&pair));
	say("reconnect", "%s %s kind %s", a, chat(pair.cli, pair.acc),
	    do_kind(pair.cli));
	close(pair.acc);
	pair.acc = -1;
	close(pair.lsk);
	unspec(pair.cli);
	pair.lsk = pair.cli;
	pair.cli = sock_new(CLIENT);
	a = res(sock_bind(pair.lsk, CLIENT, 0));
	b = res(listen(pair.lsk, 5));
	c = res(pair_connect(&pair));
	say("as_listener", "bind %s listen %s connect %s %s kind %s", a, b, c,
	    chat(pair.cli, pair.acc), do_kind(pair.acc));
	pair_close(&pair);

	pair = pair_open();
	pair_listen(&pair);
	a = res(unspec(pair.lsk));
	b = do_kind(pair.lsk);
	if (family != DUAL) {
		c = res(sock_connect(pair.lsk, sink_port));
		say("listening", "%s %s connect %s kind %s", a, b, c,
		    do_kind(pair.lsk));
	}
	pair_close(&pair);

	pair = pair_make();
	a = res(unspec(pair.acc));
	b = poll_then(pair.cli, POLLHUP);
	say("accepted", "%s self %s peer %s recv %s", a, poll_now(pair.acc), b,
	    get_data(pair.cli, 9, 0));
	pair_close(&pair);

	pair = pair_open();
	set_int(pair.cli, SOL_SOCKET, SO_KEEPALIVE, 1);
	set_linger(pair.cli, 1, 3);
	a = res(unspec(pair.cli));
	pair_listen(&pair);
	b = res(pair_connect(&pair));
	say("fresh", "%s connect %s keepalive %d kind %s", a, b,
	    get_int(pair.cli, SOL_SOCKET, SO_KEEPALIVE), do_kind(pair.cli));
	pair_close(&pair);
}

/*
 * Ends of connections
 */
enum when { BEFORE, AFTER, INHERITED, WHENS };

static const char *const when_names[WHENS] = {"before", "after", "inherited"};

static struct pair linger_pair(enum when when, int seconds)
{
	struct pair pair = pair_open();

	if (when == BEFORE)
		set_linger(pair.cli, 1, seconds);
	if (when == INHERITED)
		set_linger(pair.lsk, 1, seconds);
	if (!pair_listen(&pair) && !pair_connect(&pair))
		pair_limit(&pair);
	if (when == AFTER)
		set_linger(pair.cli, 1, seconds);
	return pair;
}

/* Sends until the peer's window and the own buffer are full. */
static long fill(int fd)
{
	static char block[32768];
	size_t len = sizeof(block);
	long total = 0;
	ssize_t n;

	memset(block, 'x', sizeof(block));
	for (;;) {
		n = send(fd, block, len, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n > 0)
			total += n;
		else if (wait_for(fd, POLLOUT, 50) & POLLOUT)
			continue;
		else if (len > 1)
			len = len > 512 ? 512 : 1;
		else
			return total;
		if (total > 64 << 20)
			return total;
	}
}

/*
 * Sends a byte more than there is room for.  What is acknowledged late makes
 * room on a socket that was full.
 */
static const char *overfill(int fd, int flags)
{
	ssize_t n;
	int tries = 20;

	do {
		fill(fd);
		n = send(fd, "x", 1, flags | MSG_NOSIGNAL);
	} while (n == 1 && --tries);
	return res(n);
}

/* Reads to the end; *@ret_end says what it was. */
static long drain(int fd, const char **ret_end)
{
	static char block[65536];
	long total = 0;
	ssize_t n = -1;

	for (;;) {
		errno = ETIMEDOUT;
		if (!wait_for(fd, POLLIN, 1500))
			break;
		n = recv(fd, block, sizeof(block), MSG_DONTWAIT);
		if (n <= 0)
			break;
		total += n;
	}
	*ret_end = n ? err_name(errno) : "eof";
	return total;
}

static void linger_one(enum when when, int seconds, bool full)
{
	long sent, got, start, took;
	const char *end, *poll_mask;
	struct pair pair;
	int *self, *peer;

	pair = linger_pair(when, seconds);
	self = when == INHERITED ? &pair.acc : &pair.cli;
	peer = when == INHERITED ? &pair.cli : &pair.acc;
	sent = full ? fill(*self) : send(*self, "abc", 3, MSG_NOSIGNAL);
	if (!full)
		wait_for(*peer, POLLIN, 1000);
	start = now_ms();
	close(*self);
	*self = -1;
	took = now_ms() - start;
	poll_mask = poll_then(*peer, POLLIN | POLLHUP);
	got = drain(*peer, &end);
	say(text("linger_1_%d.%s.%s", seconds, full ? "full" : "short",
		 when_names[when]),
	    "blocked %s poll %s all %s end %s", yes(took >= 700), poll_mask,
	    yes(got == sent), end);
	pair_close(&pair);
}

void test_end(void)
{
	const char *a, *b, *c, *d;
	struct pair pair;

	section = "end";
	for (enum when when = 0; when < WHENS; when++) {
		linger_one(when, 0, false);
		linger_one(when, 1, false);
		linger_one(when, 1, true);
	}
	for (int i = 0; i < 2; i++) {
		int *self = i ? &pair.acc : &pair.cli;
		int *peer = i ? &pair.cli : &pair.acc;
		const char *who = i ? "accepted" : "client";
		long sent, got;

		pair = pair_make();
		set_linger(*self, 1, 5);
		set_linger(*self, 0, 0);
		sent = fill(*self);
		close(*self);
		*self = -1;
		got = drain(*peer, &a);
		say(text("%s.full", who), "all %s end %s", yes(got == sent), a);
		pair_close(&pair);

		/* Data that nobody read makes it a reset. */
		pair = pair_make();
		put_data(*peer, "unread", 0);
		wait_for(*self, POLLIN, 1000);
		close(*self);
		*self = -1;
		a = poll_then(*peer, POLLHUP);
		b = get_data(*peer, 9, 0);
		c = put_data(*peer, "x", 0);
		d = so_error(*peer);
		say(text("%s.unread", who), "poll %s recv %s send %s error %s",
		    a, b, c, d);
		pair_close(&pair);

		/* Writing to one that is gone: a reset comes back. */
		pair = pair_make();
		close(*self);
		*self = -1;
		a = get_data(*peer, 9, 0);
		b = put_data(*peer, "x", 0);
		c = poll_then(*peer, POLLHUP);
		d = put_data(*peer, "x", 0);
		say(text("%s.gone", who),
		    "recv %s send %s poll %s send %s recv %s", a, b, c, d,
		    get_data(*peer, 9, 0));
		pair_close(&pair);

		/* A reset: who says what first. */
		pair = pair_make();
		reset_by(self);
		wait_for(*peer, POLLHUP, 1000);
		a = put_data(*peer, "x", 0);
		b = get_data(*peer, 9, 0);
		say(text("%s.reset_send", who), "send %s recv %s send %s", a, b,
		    put_data(*peer, "x", 0));
		pair_close(&pair);
		pair = pair_make();
		reset_by(self);
		wait_for(*peer, POLLHUP, 1000);
		a = so_error(*peer);
		b = get_data(*peer, 9, 0);
		say(text("%s.reset_error", who), "error %s recv %s send %s", a,
		    b, put_data(*peer, "x", 0));
		pair_close(&pair);
		pair = pair_make();
		put_data(*self, "last", 0);
		wait_for(*peer, POLLIN, 1000);
		reset_by(self);
		wait_for(*peer, POLLHUP, 1000);
		a = get_data(*peer, 9, 0);
		b = get_data(*peer, 9, 0);
		say(text("%s.reset_data", who), "%s %s", a, b);
		pair_close(&pair);

		/* Half closed: the other direction goes on. */
		pair = pair_make();
		put_data(*self, "bye", 0);
		shutdown(*self, SHUT_WR);
		a = get_data(*peer, 9, 0);
		b = get_data(*peer, 9, 0);
		put_data(*peer, "still", 0);
		c = get_data(*self, 9, 0);
		d = put_data(*self, "x", 0);
		say(text("%s.half", who), "%s %s back %s send %s", a, b, c, d);
		pair_close(&pair);

		/* Closed for reading: what comes is still taken. */
		pair = pair_make();
		shutdown(*self, SHUT_RD);
		a = get_data(*self, 9, 0);
		b = put_data(*peer, "late", 0);
		nap(5);
		c = get_data(*self, 9, 0);
		d = get_data(*self, 9, 0);
		say(text("%s.shut_rd", who), "recv %s peer %s recv %s %s", a, b,
		    c, d);
		pair_close(&pair);
	}
}

/*
 * Data
 */
static void oob_one(const char *who, int tx, int rx, bool in_line)
{
	const char *a, *b, *c, *d;
	int before = -1, after = -1;

	a = put_data(tx, "ab", 0);
	b = put_data(tx, "!", MSG_OOB);
	c = poll_then(rx, POLLPRI);
	d = put_data(tx, "cd", 0);
	nap(5);
	say(text("%s.sent", who), "%s %s poll %s more %s", a, b, c, d);
	ioctl(rx, SIOCATMARK, &before);
	a = get_data(rx, 9, 0);
	ioctl(rx, SIOCATMARK, &after);
	b = in_line ? "-" : get_data(rx, 9, MSG_OOB | MSG_PEEK);
	c = in_line ? "-" : get_data(rx, 9, MSG_OOB);
	d = get_data(rx, 9, 0);
	say(text("%s.got", who), "mark %d %s mark %d peek %s oob %s %s poll %s",
	    before, a, after, b, c, d, poll_now(rx));
	say(text("%s.again", who), "%s",
	    res(recv(rx, scratch(), 1, MSG_OOB | MSG_DONTWAIT)));
}

void test_oob(void)
{
	struct pair pair;

	section = "oob";
	pair = pair_make();
	oob_one("to_accepted", pair.cli, pair.acc, false);
	pair_close(&pair);
	pair = pair_make();
	oob_one("to_client", pair.acc, pair.cli, false);
	pair_close(&pair);
	pair = pair_make();
	set_int(pair.acc, SOL_SOCKET, SO_OOBINLINE, 1);
	oob_one("inline.accepted", pair.cli, pair.acc, true);
	pair_close(&pair);
	pair = pair_open();
	set_int(pair.lsk, SOL_SOCKET, SO_OOBINLINE, 1);
	set_int(pair.cli, SOL_SOCKET, SO_OOBINLINE, 1);
	pair_listen(&pair);
	pair_connect(&pair);
	pair_limit(&pair);
	oob_one("inline.inherited", pair.cli, pair.acc, true);
	oob_one("inline.before", pair.acc, pair.cli, true);
	pair_close(&pair);
}

static void peek_one(const char *who, int tx, int rx, const char *set)
{
	const char *a, *b, *c, *d, *e;

	put_data(tx, "0123456789", 0);
	a = get_data(rx, 3, MSG_PEEK);
	b = get_data(rx, 3, MSG_PEEK);
	c = get_data(rx, 2, 0);
	d = get_data(rx, 3, MSG_PEEK);
	set_int(rx, SOL_SOCKET, SO_PEEK_OFF, -1);
	e = get_data(rx, 3, MSG_PEEK);
	say(who, "set %s peek %s %s read %s peek %s off %s rest %s get %d", set,
	    a, b, c, d, e, get_data(rx, 99, 0),
	    get_int(rx, SOL_SOCKET, SO_PEEK_OFF));
}

void test_peek(void)
{
	struct pair pair = pair_make();
	const char *a, *b;

	section = "peek";
	peek_one("plain", pair.cli, pair.acc, "-");
	a = res(set_int(pair.cli, SOL_SOCKET, SO_PEEK_OFF, 1));
	peek_one("client", pair.acc, pair.cli, a);
	a = res(set_int(pair.acc, SOL_SOCKET, SO_PEEK_OFF, 1));
	peek_one("accepted", pair.cli, pair.acc, a);
	pair_close(&pair);
	pair = pair_open();
	a = res(set_int(pair.cli, SOL_SOCKET, SO_PEEK_OFF, 0));
	b = res(set_int(pair.lsk, SOL_SOCKET, SO_PEEK_OFF, 2));
	pair_listen(&pair);
	pair_connect(&pair);
	pair_limit(&pair);
	peek_one("before", pair.acc, pair.cli, a);
	peek_one("inherited", pair.cli, pair.acc, b);
	pair_close(&pair);
}

/*
 * Waits until what was sent has arrived: what waits for more may go as soon as it
 * has.
 */
static void all_sent(int fd)
{
	int left = 0;

	for (int i = 0; i < 20 && !ioctl(fd, SIOCOUTQ, &left) && left; i++)
		nap(5);
}

/*
 * What poll() says in 30 ms of data that waits for more.  On a machine that was
 * busy for so long that it may wait no more (0.2 s), it is done once more.
 */
static const char *held_back(int from, int to, const char *data, int flags,
			     const char **ret_sent)
{
	const char *sent;
	int events = 0;

	for (int i = 0; i < 10; i++) {
		long begin = now_ms();

		sent = put_data(from, data, flags);
		events = wait_for(to, POLLIN, 30);
		if (!events || now_ms() - begin < 150)
			break;
		get_data(to, 9, 0);
		all_sent(from);
	}
	if (ret_sent)
		*ret_sent = sent;
	return mask(events);
}

void test_flags(void)
{
	struct pair pair = pair_make();
	struct timeval tv = {.tv_usec = 100000};
	const char *a, *b, *c, *d;
	char buf[64];

	section = "flags";
	put_data(pair.cli, "abc", 0);
	wait_for(pair.acc, POLLIN, 1000);
	setsockopt(pair.acc, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	say("waitall.short", "%s", res(recv(pair.acc, buf, 6, MSG_WAITALL)));
	say("waitall.none", "%s", res(recv(pair.acc, buf, 6, MSG_WAITALL)));
	put_data(pair.cli, "abcdef", 0);
	wait_for(pair.acc, POLLIN, 1000);
	a = res(recv(pair.acc, buf, 6, MSG_WAITALL | MSG_PEEK));
	say("waitall.full", "peek %s %s", a,
	    res(recv(pair.acc, buf, 6, MSG_WAITALL)));
	put_data(pair.cli, "abcdef", 0);
	wait_for(pair.acc, POLLIN, 1000);
	memset(buf, 'z', sizeof(buf));
	a = res(recv(pair.acc, buf, 4, MSG_TRUNC));
	say("trunc", "%s untouched %s rest %s", a, yes(buf[0] == 'z'),
	    get_data(pair.acc, 9, 0));
	put_data(pair.cli, "abcdef", 0);
	wait_for(pair.acc, POLLIN, 1000);
	a = res(recv(pair.acc, NULL, 4, MSG_TRUNC));
	b = res(recv(pair.acc, NULL, 2, MSG_DONTWAIT));
	say("null", "trunc %s plain %s rest %s", a, b,
	    get_data(pair.acc, 9, 0));
	a = res(send(pair.cli, NULL, 4, MSG_NOSIGNAL));
	say("send_null", "%s zero %s", a,
	    res(send(pair.cli, NULL, 0, MSG_NOSIGNAL)));
	say("errqueue", "%s",
	    res(recv(pair.acc, buf, 4, MSG_ERRQUEUE | MSG_DONTWAIT)));
	a = put_data(pair.cli, "e", MSG_EOR);
	say("eor", "%s %s", a, get_data(pair.acc, 9, 0));
	a = put_data(pair.cli, "u", 0x100000);
	say("unknown_flag", "%s %s", a, get_data(pair.acc, 9, 0));

	all_sent(pair.cli);
	b = held_back(pair.cli, pair.acc, "mo", MSG_MORE, &a);
	c = put_data(pair.cli, "re", 0);
	say("more", "%s poll %s %s %s", a, b, c, get_data(pair.acc, 9, 0));
	all_sent(pair.cli);
	set_int(pair.cli, IPPROTO_TCP, TCP_CORK, 1);
	b = held_back(pair.cli, pair.acc, "co", 0, &a);
	c = put_data(pair.cli, "rk", 0);
	set_int(pair.cli, IPPROTO_TCP, TCP_CORK, 0);
	say("cork", "%s poll %s %s %s", a, b, c, get_data(pair.acc, 9, 0));
	a = held_back(pair.acc, pair.cli, "mo", MSG_MORE, NULL);
	set_int(pair.acc, IPPROTO_TCP, TCP_NODELAY, 1);
	say("nodelay_pushes", "poll %s then %s", a, get_data(pair.cli, 9, 0));

	a = res(recv(pair.acc, buf, 4, 0)); /* SO_RCVTIMEO is 0.1 s */
	setsockopt(pair.cli, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
	b = overfill(pair.cli, 0);
	c = overfill(pair.cli, MSG_DONTWAIT);
	say("timeouts", "recv %s send %s dontwait %s poll %s", a, b, c,
	    poll_now(pair.cli));
	pair_close(&pair);

	for (int i = 0; i < 4; i++) {
		static const char *const names[] = {"client_before", "client",
						    "inherited", "accepted"};
		int tx, rx;

		pair = pair_open();
		a = b = "-";
		if (i % 2 == 0)
			a = res(set_int(i ? pair.lsk : pair.cli, SOL_SOCKET,
					SO_RCVLOWAT, 10));
		pair_listen(&pair);
		pair_connect(&pair);
		rx = i < 2 ? pair.cli : pair.acc;
		tx = i < 2 ? pair.acc : pair.cli;
		if (i % 2)
			a = res(set_int(rx, SOL_SOCKET, SO_RCVLOWAT, 10));
		put_data(tx, "12345", 0);
		nap(20);
		b = poll_now(rx);
		put_data(tx, "67890", 0);
		c = poll_then(rx, POLLIN);
		d = get_data(rx, 4, 0);
		say(text("rcvlowat.%s", names[i]), "%s %s %s %s %s", a, b, c, d,
		    poll_now(rx));
		pair_close(&pair);
	}
}

static const char *cmsgs_of(struct msghdr *msg)
{
	char *buf = scratch();

	*buf = '\0';
	for (struct cmsghdr *cmsg = CMSG_FIRSTHDR(msg); cmsg;
	     cmsg = CMSG_NXTHDR(msg, cmsg))
		sprintf(buf + strlen(buf), " %d/%d/%zu", cmsg->cmsg_level,
			cmsg->cmsg_type, (size_t)cmsg->cmsg_len);
	return *buf ? buf : " none";
}

static void messages_one(const char *who, int tx, int rx)
{
	struct iovec out[100], in[30];
	char bytes[200], got[200] = "", control[512];
	struct msghdr msg = {.msg_iov = out, .msg_iovlen = COUNT(out)};
	struct mmsghdr many[3] = {0};
	struct addr addr;
	const char *a, *b, *c;

	for (size_t i = 0; i < COUNT(out); i++) {
		bytes[2 * i] = 'a' + i % 26;
		bytes[2 * i + 1] = 'A' + i % 26;
		out[i] = (struct iovec){bytes + 2 * i, 2};
	}
	for (size_t i = 0; i < COUNT(in); i++)
		in[i] = (struct iovec){got + 7 * i, i == 28 ? 4 : 7};
	a = res(sendmsg(tx, &msg, MSG_NOSIGNAL));
	wait_for(rx, POLLIN, 1000);
	memset(&addr, 0, sizeof(addr));
	msg = (struct msghdr){.msg_iov = in,
			      .msg_iovlen = 29,
			      .msg_name = &addr.ss,
			      .msg_namelen = sizeof(addr.ss),
			      .msg_control = control,
			      .msg_controllen = sizeof(control)};
	b = res(recvmsg(rx, &msg, MSG_DONTWAIT));
	say(text("%s.iovecs", who), "%s %s same %s flags %x name %u cmsg%s", a,
	    b, yes(!memcmp(bytes, got, 200)), msg.msg_flags, msg.msg_namelen,
	    cmsgs_of(&msg));
	for (size_t i = 0; i < COUNT(many); i++) {
		many[i].msg_hdr.msg_iov = out + i;
		many[i].msg_hdr.msg_iovlen = 1;
	}
	a = res(sendmmsg(tx, many, COUNT(many), MSG_NOSIGNAL));
	nap(5);
	many[1].msg_len = 0;
	b = res(recvmmsg(rx, many, COUNT(many), MSG_DONTWAIT, NULL));
	say(text("%s.mmsg", who), "%s %s %u %u %u", a, b, many[0].msg_len,
	    many[1].msg_len, many[2].msg_len);
	msg = (struct msghdr){.msg_iov = out, .msg_iovlen = 2000};
	a = res(sendmsg(tx, &msg, MSG_NOSIGNAL));
	msg = (struct msghdr){.msg_iov = NULL, .msg_iovlen = 0};
	b = res(sendmsg(tx, &msg, MSG_NOSIGNAL));
	say(text("%s.odd", who), "%s %s", a, b);

	set_int(rx, SOL_SOCKET, SO_TIMESTAMP, 1);
	set_int(rx, IPPROTO_TCP, TCP_INQ, 1);
	put_data(tx, "t", 0);
	wait_for(rx, POLLIN, 1000);
	msg = (struct msghdr){.msg_iov = in,
			      .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = sizeof(control)};
	a = res(recvmsg(rx, &msg, MSG_DONTWAIT));
	say(text("%s.timestamp", who), "%s cmsg%s flags %x", a, cmsgs_of(&msg),
	    msg.msg_flags);
	/* SOF_TIMESTAMPING_TX_SOFTWARE | SOFTWARE | OPT_ID */
	a = res(set_int(tx, SOL_SOCKET, SO_TIMESTAMPING, 2 | 16 | 128));
	put_data(tx, "t", 0);
	b = mask(wait_for(tx, POLLERR, 500));
	msg = (struct msghdr){.msg_iov = in,
			      .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = sizeof(control)};
	c = res(recvmsg(tx, &msg, MSG_ERRQUEUE | MSG_DONTWAIT));
	say(text("%s.tx_timestamp", who), "%s poll %s recv %s cmsg%s", a, b, c,
	    *c == 'E' ? " none" : cmsgs_of(&msg));
	get_data(rx, 9, 0);
}

void test_messages(void)
{
	struct pair pair = pair_make();

	section = "msg";
	messages_one("to_accepted", pair.cli, pair.acc);
	pair_close(&pair);
	pair = pair_make();
	messages_one("to_client", pair.acc, pair.cli);
	pair_close(&pair);
}

/* BULK bytes each way at the same time; says how it went. */
static const char *bulk(int a, int b)
{
	static unsigned char block[65536];
	struct pollfd pfd[2] = {{.fd = a}, {.fd = b}};
	long sent[2] = {0}, got[2] = {0};
	ssize_t n;

	while (got[0] < BULK || got[1] < BULK) {
		for (int i = 0; i < 2; i++)
			pfd[i].events = POLLIN | (sent[i] < BULK ? POLLOUT : 0);
		if (poll(pfd, 2, WAIT_MS) <= 0)
			return "timeout";
		for (int i = 0; i < 2; i++) {
			if (pfd[i].revents & POLLOUT && sent[i] < BULK) {
				size_t len = BULK - sent[i];

				if (len > sizeof(block))
					len = sizeof(block);
				for (size_t j = 0; j < len; j++)
					block[j] = (sent[i] + j) * 7 / 5 + i;
				n = send(pfd[i].fd, block, len, MSG_DONTWAIT);
				if (n < 0 && errno != EAGAIN)
					return err_name(errno);
				sent[i] += n > 0 ? n : 0;
			}
			if (!(pfd[i].revents & (POLLIN | POLLHUP)))
				continue;
			n = recv(pfd[i].fd, block, sizeof(block), MSG_DONTWAIT);
			if (n < 0 && errno == EAGAIN)
				continue;
			if (n <= 0)
				return n ? err_name(errno) : "eof";
			for (ssize_t j = 0; j < n; j++)
				if (block[j] !=
				    (unsigned char)((got[i] + j) * 7 / 5 + !i))
					return "wrong data";
			got[i] += n;
		}
	}
	return "ok";
}

static void move_one(const char *who, int tx, int rx)
{
	struct iovec iov = {"gifted", 6};
	off_t off = 2;
	const char *a, *b, *c;
	char buf[32] = "";

	a = res(sendfile(tx, tmp_file, &off, 6));
	say(text("%s.sendfile", who), "%s %s", a, get_data(rx, 9, 0));
	a = res(vmsplice(pipe_fds[1], &iov, 1, 0));
	b = res(splice(pipe_fds[0], NULL, tx, NULL, 6, SPLICE_F_MORE));
	say(text("%s.splice_out", who), "%s %s %s", a, b, get_data(rx, 9, 0));
	put_data(tx, "spliced", 0);
	wait_for(rx, POLLIN, 1000);
	a = res(splice(rx, NULL, pipe_fds[1], NULL, 4, SPLICE_F_NONBLOCK));
	b = res(splice(rx, NULL, pipe_fds[1], NULL, 9, SPLICE_F_NONBLOCK));
	c = wait_for(pipe_fds[0], POLLIN, 0)
		    ? res(read(pipe_fds[0], buf, sizeof(buf) - 1))
		    : "empty";
	say(text("%s.splice_in", who), "%s %s %s '%s'", a, b, c, buf);
	put_data(tx, "queue", 0);
	wait_for(rx, POLLIN, 1000);
	say(text("%s.queued", who), "%s", do_ioctls(rx));
	get_data(rx, 3, 0);
	say(text("%s.queued_less", who), "%s", do_ioctls(rx));
	get_data(rx, 9, 0);
	say(text("%s.zerocopy_set", who), "%s",
	    res(set_int(tx, SOL_SOCKET, SO_ZEROCOPY, 1)));
	for (int i = 0; i < 2; i++) {
		static char page[8192];
		char control[256], end[1];
		struct msghdr msg = {.msg_control = control,
				     .msg_controllen = sizeof(control)};
		struct sock_extended_err *err = NULL;
		long n;

		n = send(tx, page, sizeof(page), MSG_ZEROCOPY | MSG_NOSIGNAL);
		a = res(n);
		while (n > 0 && wait_for(rx, POLLIN, 1000)) {
			ssize_t m = recv(rx, page, n, MSG_DONTWAIT);

			if (m <= 0)
				break;
			n -= m;
		}
		b = mask(wait_for(tx, POLLERR, 500) & POLLERR);
		msg.msg_iov = &(struct iovec){end, 1};
		msg.msg_iovlen = 1;
		c = res(recvmsg(tx, &msg, MSG_ERRQUEUE | MSG_DONTWAIT));
		if (msg.msg_controllen && CMSG_FIRSTHDR(&msg))
			err = (void *)CMSG_DATA(CMSG_FIRSTHDR(&msg));
		say(text("%s.zerocopy_%d", who, i),
		    "%s poll %s %s origin %d code %d range %d-%d", a, b, c,
		    err ? err->ee_origin : -1, err ? err->ee_code : -1,
		    err ? (int)err->ee_info : -1, err ? (int)err->ee_data : -1);
	}
}

void test_move(void)
{
	struct pair pair = pair_make();

	section = "move";
	say("bulk", "%s", bulk(pair.cli, pair.acc));
	move_one("to_accepted", pair.cli, pair.acc);
	move_one("to_client", pair.acc, pair.cli);
	say("bulk_after", "%s", bulk(pair.acc, pair.cli));
	pair_close(&pair);
}

/*
 * Files and processes
 */
static const char *take_signal(int sig)
{
	struct timespec wait = {.tv_sec = 1}, none = {0};
	siginfo_t info = {0};
	sigset_t set;
	int rc;

	sigemptyset(&set);
	sigaddset(&set, sig);
	rc = sigtimedwait(&set, &info, &wait);
	while (sigtimedwait(&set, NULL, &none) > 0)
		;
	return rc == sig ? "came" : "none";
}

void test_sharing(void)
{
	struct pair pair = pair_make();
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = {"f", 1};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = control.buf,
			     .msg_controllen = sizeof(control)};
	const char *a, *b, *c;
	int fds[2], fd, status = -1;
	sigset_t set;
	char byte;
	pid_t pid;

	section = "share";
	fd = dup(pair.cli);
	close(pair.cli);
	pair.cli = fd;
	a = chat(pair.cli, pair.acc);
	say("dup", "%s poll %s", a, poll_now(pair.cli));

	for (int i = 0; i < 2; i++) {
		int *end = i ? &pair.acc : &pair.cli;

		if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds))
			die("socketpair: %s", strerror(errno));
		memset(&control, 0, sizeof(control));
		control.align.cmsg_level = SOL_SOCKET;
		control.align.cmsg_type = SCM_RIGHTS;
		control.align.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.align), end, sizeof(int));
		iov.iov_base = &byte;
		byte = 'f';
		a = res(sendmsg(fds[0], &msg, 0));
		close(*end);
		*end = -1;
		if (wait_for(fds[1], POLLIN, 1000) &&
		    recvmsg(fds[1], &msg, 0) == 1)
			memcpy(end, CMSG_DATA(&control.align), sizeof(int));
		close(fds[0]);
		close(fds[1]);
		say(i ? "rights.accepted" : "rights.client", "%s %s kind %s", a,
		    chat(pair.cli, pair.acc), do_kind(*end));
	}

	fflush(stdout);
	pid = fork();
	if (!pid) {
		put_data(pair.cli, "from child", 0);
		a = get_data(pair.acc, 99, 0);
		put_data(pair.acc, a, 0);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	a = get_data(pair.cli, 99, 0);
	say("fork", "status %d %s %s", status, a, chat(pair.cli, pair.acc));
	pair_close(&pair);

	pair = pair_open();
	pair_listen(&pair);
	fd = port_of(pair.lsk);
	fflush(stdout);
	pid = fork();
	if (!pid) {
		pair.acc = accept_soon(pair.lsk);
		put_data(pair.acc, get_data(pair.acc, 99, 0), 0);
		_exit(pair.acc < 0);
	}
	close(pair.lsk);
	pair.lsk = -1;
	a = res(sock_connect(pair.cli, fd));
	put_data(pair.cli, "to child", 0);
	b = get_data(pair.cli, 99, 0);
	waitpid(pid, &status, 0);
	c = get_data(pair.cli, 99, 0);
	say("fork_listener", "%s %s end %s status %d", a, b, c, status);
	pair_close(&pair);

	sigemptyset(&set);
	sigaddset(&set, SIGIO);
	sigaddset(&set, SIGURG);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	pair = pair_open();
	pair_listen(&pair);
	fcntl(pair.lsk, F_SETOWN, getpid());
	fcntl(pair.lsk, F_SETFL, O_ASYNC);
	pair_connect(&pair);
	say("sigio.listener", "%s", take_signal(SIGIO));
	say("sigio.inherited", "owner %d flags %o", fcntl(pair.acc, F_GETOWN),
	    fcntl(pair.acc, F_GETFL));
	for (int i = 0; i < 2; i++) {
		int rx = i ? pair.acc : pair.cli;
		int tx = i ? pair.cli : pair.acc;
		const char *who = i ? "accepted" : "client";

		a = res(fcntl(rx, F_SETOWN, getpid()));
		b = yes(fcntl(rx, F_GETOWN) == getpid());
		fcntl(rx, F_SETFL, O_ASYNC);
		put_data(tx, "s", 0);
		c = take_signal(SIGIO);
		say(text("sigio.%s", who), "%s own %s %s", a, b, c);
		put_data(tx, "u", MSG_OOB);
		say(text("sigurg.%s", who), "%s", take_signal(SIGURG));
		fcntl(rx, F_SETSIG, SIGUSR1);
		put_data(tx, "s", 0);
		say(text("setsig.%s", who), "%s", take_signal(SIGUSR1));
		fcntl(rx, F_SETSIG, 0);
		shutdown(tx, SHUT_WR);
		say(text("sigio_fin.%s", who), "%s", take_signal(SIGIO));
		fcntl(rx, F_SETFL, 0);
	}
	pair_close(&pair);

	/* Set before connect(). */
	pair = pair_open();
	fcntl(pair.cli, F_SETOWN, getpid());
	fcntl(pair.cli, F_SETFL, O_ASYNC);
	pair_listen(&pair);
	pair_connect(&pair);
	a = take_signal(SIGIO);
	put_data(pair.acc, "s", 0);
	say("sigio.before", "connect %s data %s", a, take_signal(SIGIO));
	pair_close(&pair);
	nap(5);
	sigemptyset(&set);
	for (int sigs[] = {SIGIO, SIGURG, SIGUSR1}, i = 0; i < 3; i++) {
		struct timespec none = {0};

		sigaddset(&set, sigs[i]);
		while (sigtimedwait(&set, NULL, &none) > 0)
			;
	}
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

/*
 * Ports
 */
static void reuse_one(const char *title, int first_proto, int second_proto,
		      bool listening)
{
	static const char *const opts[] = {"none", "addr", "port"};

	for (int i = 0; i < 9; i++) {
		int one = side_socket(LISTENER, 0, first_proto);
		int two = side_socket(LISTENER, 0, second_proto);
		const char *a, *b, *c;

		if (i / 3)
			set_int(one, SOL_SOCKET,
				i / 3 == 1 ? SO_REUSEADDR : SO_REUSEPORT, 1);
		if (i % 3)
			set_int(two, SOL_SOCKET,
				i % 3 == 1 ? SO_REUSEADDR : SO_REUSEPORT, 1);
		a = res(sock_bind(one, LISTENER, 0));
		if (listening)
			a = res(listen(one, 5));
		b = res(sock_bind(two, LISTENER, port_of(one)));
		c = res(listen(two, 5));
		say(text("%s.%s.%s.%s", title, listening ? "listen" : "bound",
			 opts[i / 3], opts[i % 3]),
		    "%s bind %s listen %s", a, b, c);
		close(one);
		close(two);
	}
}

void test_ports(void)
{
	struct pair pair = pair_make();
	const char *a, *b, *c;
	int fd, port;

	section = "port";
	port = port_of(pair.lsk);
	for (int i = 0; i < 3; i++) {
		/* A connection of the port is left, a listener not. */
		if (i == 1) {
			close(pair.lsk);
			pair.lsk = -1;
		}
		if (i == 2) {
			reset_by(&pair.cli);
			wait_for(pair.acc, POLLHUP, 1000);
		}
		fd = sock_new(LISTENER);
		a = res(sock_bind(fd, LISTENER, port));
		set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);
		b = res(sock_bind(fd, LISTENER, port));
		c = res(listen(fd, 5));
		say(text("left_%d", i), "%s reuse %s listen %s", a, b, c);
		close(fd);
	}
	pair_close(&pair);

	for (int i = 0; i < 2; i++) {
		reuse_one("same", protos[LISTENER], protos[LISTENER], i);
		reuse_one("tcp_first", IPPROTO_TCP, protos[LISTENER], i);
		reuse_one("tcp_second", protos[LISTENER], IPPROTO_TCP, i);
	}

	/* A client's port is a client's. */
	fd = sock_new(CLIENT);
	sock_bind(fd, CLIENT, 0);
	port = port_of(fd);
	pair = pair_open();
	a = res(sock_bind(pair.cli, CLIENT, port));
	set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	set_int(pair.cli, SOL_SOCKET, SO_REUSEADDR, 1);
	b = res(sock_bind(pair.cli, CLIENT, port));
	c = res(sock_connect(fd, sink_port));
	say("client", "%s reuse %s connect %s same %s", a, b, c,
	    res(sock_connect(pair.cli, sink_port)));
	close(fd);
	pair_close(&pair);

	/* Low ports, foreign addresses. */
	fd = sock_new(LISTENER);
	a = res(sock_bind(fd, LISTENER, 7));
	say("low", "%s same %s", a, yes(port_of(fd) == 7));
	close(fd);
	fd = sock_new(CLIENT);
	if (side_is_v4(CLIENT)) {
		struct addr addr = side_addr(CLIENT, 0);

		addr.in.sin_addr.s_addr = htonl(0xc0000201); /* 192.0.2.1 */
		a = res(bind(fd, &addr.sa, addr.len));
		set_int(fd, IPPROTO_IP, IP_FREEBIND, 1);
		b = res(bind(fd, &addr.sa, addr.len));
		addr.in.sin_addr.s_addr = INADDR_BROADCAST;
		c = res(connect(fd, &addr.sa, addr.len));
	} else {
		struct addr addr = side_addr(CLIENT, 0);

		inet_pton(AF_INET6, "2001:db8::1", &addr.in6.sin6_addr);
		a = res(bind(fd, &addr.sa, addr.len));
		set_int(fd, IPPROTO_IP, IP_FREEBIND, 1);
		b = res(bind(fd, &addr.sa, addr.len));
		inet_pton(AF_INET6, "ff02::1", &addr.in6.sin6_addr);
		c = res(connect(fd, &addr.sa, addr.len));
	}
	say("foreign", "%s freebind %s connect %s", a, b, c);
	close(fd);

	fd = sock_new(LISTENER);
	a = res(set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1));
	b = res(sock_bind(fd, LISTENER, 0));
	c = res(set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0));
	say("v6only", "%s bind %s after %s listen %s", a, b, c,
	    res(listen(fd, 5)));
	close(fd);

	/* Which listener of a group is a program's choice. */
	for (int i = 0; i < 2; i++) {
		struct sock_filter code = BPF_STMT(BPF_RET | BPF_K, i);
		struct sock_fprog prog = {.len = 1, .filter = &code};
		int group[2], hits[2] = {0}, cli[6];

		group[0] = sock_new(LISTENER);
		group[1] = sock_new(LISTENER);
		set_int(group[0], SOL_SOCKET, SO_REUSEPORT, 1);
		set_int(group[1], SOL_SOCKET, SO_REUSEPORT, 1);
		sock_bind(group[0], LISTENER, 0);
		listen(group[0], 16);
		sock_bind(group[1], LISTENER, port_of(group[0]));
		listen(group[1], 16);
		a = res(setsockopt(group[0], SOL_SOCKET,
				   SO_ATTACH_REUSEPORT_CBPF, &prog,
				   sizeof(prog)));
		for (size_t j = 0; j < COUNT(cli); j++) {
			cli[j] = sock_new(CLIENT);
			sock_connect(cli[j], port_of(group[0]));
		}
		nap(5);
		for (int j = 0; j < 2; j++) {
			set_nonblock(group[j]);
			while ((fd = accept(group[j], NULL, NULL)) >= 0) {
				hits[j]++;
				close(fd);
			}
			close(group[j]);
		}
		for (size_t j = 0; j < COUNT(cli); j++)
			close(cli[j]);
		say(text("group_%d", i), "%s %d %d", a, hits[0], hits[1]);
	}
}

/*
 * Things between a socket and TCP
 */
static void write_sysctl(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd >= 0) {
		if (write(fd, value, strlen(value)) < 0)
			say("sysctl", "%s", err_name(errno));
		close(fd);
	}
}

static int tcp_options(int fd)
{
	struct tcp_info info = {0};
	socklen_t len = sizeof(info);

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len))
		return -1;
	return info.tcpi_options;
}

static void fastopen_one(const char *mode)
{
	static const char *const ways[] = {"sendto", "nonblock", "connect",
					   "no_cookie", "listener"};
	const char *a, *b, *c;
	struct pair pair;

	for (size_t i = 0; i < COUNT(ways); i++) {
		struct addr addr;

		pair = pair_open();
		a = b = "-";
		if (i == 4)
			a = res(set_int(pair.lsk, IPPROTO_TCP, TCP_FASTOPEN,
					5));
		pair_listen(&pair);
		addr = side_addr(CLIENT, port_of(pair.lsk));
		if (i == 1)
			set_nonblock(pair.cli);
		if (i == 2)
			a = res(set_int(pair.cli, IPPROTO_TCP,
					TCP_FASTOPEN_CONNECT, 1));
		if (i == 3)
			a = res(set_int(pair.cli, IPPROTO_TCP,
					TCP_FASTOPEN_NO_COOKIE, 1));
		if (i == 2) {
			b = res(connect(pair.cli, &addr.sa, addr.len));
			c = put_data(pair.cli, "hello", 0);
		} else {
			c = res(sendto(pair.cli, "hello", 5,
				       MSG_FASTOPEN | MSG_NOSIGNAL, &addr.sa,
				       addr.len));
		}
		if (!strcmp(c, "EOPNOTSUPP")) {
			say(text("%s.%s", mode, ways[i]), "set %s sent %s", a,
			    c);
			pair_close(&pair);
			continue;
		}
		wait_for(pair.cli, POLLOUT, 1000);
		if (i == 1 && *c == 'E')
			put_data(pair.cli, "hello", 0);
		pair.acc = accept_soon(pair.lsk);
		/* With an old cookie or none: the modes make it the same. */
		say(text("%s.%s", mode, ways[i]),
		    "set %s connect %s sent %s got %s syn_data %d %d kind %s",
		    a, b, c, get_data(pair.acc, 9, 0),
		    tcp_options(pair.cli) & TCPI_OPT_SYN_DATA,
		    tcp_options(pair.acc) & TCPI_OPT_SYN_DATA,
		    do_kind(pair.cli));
		say(text("%s.%s.chat", mode, ways[i]), "%s",
		    chat(pair.cli, pair.acc));
		pair_close(&pair);
	}
}

void test_fastopen(void)
{
	static const char path[] = "/proc/sys/net/ipv4/tcp_fastopen";
	char old[16] = "1";
	int fd;

	section = "fastopen";
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, old, sizeof(old) - 1) < 0)
		say("sysctl_read", "%s", err_name(errno));
	close(fd);
	write_sysctl(path, "0");
	fastopen_one("off");
	write_sysctl(path, "1543"); /* 0x607: both sides, no cookies */
	fastopen_one("on");
	write_sysctl(path, old);
}

/* kTLS both ways over a plain pair, which the sockets above left alone. */
static void ktls_pair(const char *name, struct pair *pair)
{
	struct tls12_crypto_info_aes_gcm_128 info = {
		.info = {TLS_1_2_VERSION, TLS_CIPHER_AES_GCM_128},
		.iv = "12345678",
		.key = "0123456789abcde",
		.salt = "abc",
		.rec_seq = "\0\0\0\0\0\0\0",
	};
	char name_buf[16] = "";
	socklen_t len = sizeof(name_buf);
	const char *a, *b, *c, *d;

	a = set_ulp(pair->cli, "tls");
	b = set_ulp(pair->acc, "tls");
	c = res(setsockopt(pair->cli, SOL_TLS, TLS_TX, &info, sizeof(info)));
	d = res(setsockopt(pair->acc, SOL_TLS, TLS_RX, &info, sizeof(info)));
	getsockopt(pair->cli, IPPROTO_TCP, TCP_ULP, name_buf, &len);
	say(text("%s.setup", name), "%s %s tx %s rx %s name %s", a, b, c, d,
	    name_buf);
	a = put_data(pair->cli, "secret", 0);
	b = get_data(pair->acc, 99, 0);
	say(text("%s.data", name), "%s %s", a, b);
	info.key[0] ^= 1;
	c = res(setsockopt(pair->acc, SOL_TLS, TLS_TX, &info, sizeof(info)));
	d = res(setsockopt(pair->cli, SOL_TLS, TLS_RX, &info, sizeof(info)));
	a = put_data(pair->acc, "answer", 0);
	b = get_data(pair->cli, 99, 0);
	say(text("%s.back", name), "%s %s %s %s", c, d, a, b);
	a = res(shutdown(pair->cli, SHUT_WR));
	say(text("%s.end", name), "%s %s", a, get_data(pair->acc, 9, 0));
}

static void plain_pair_make(struct pair *pair)
{
	int saved[2] = {protos[0], protos[1]};

	protos[0] = protos[1] = IPPROTO_TCP;
	*pair = pair_make();
	memcpy(protos, saved, sizeof(saved));
}

void test_ktls(void)
{
	struct pair pair, other;
	const char *a, *b, *c;

	section = "ktls";
	/* A fresh socket that was refused still connects.  It comes first: the
	 * kernel makes tables from the first socket that asks.
	 */
	pair = pair_open();
	a = set_ulp(pair.cli, "tls");
	b = set_ulp(pair.lsk, "tls");
	pair_listen(&pair);
	pair_connect(&pair);
	say("refused", "%s %s %s kind %s", a, b, chat(pair.cli, pair.acc),
	    do_kind(pair.cli));
	pair_close(&pair);

	pair = pair_make();
	plain_pair_make(&other);
	a = set_ulp(pair.cli, "tls");
	b = set_ulp(pair.acc, "tls");
	c = set_ulp(pair.lsk, "tls");
	say("attempt", "%s %s listener %s chat %s", a, b, c,
	    chat(pair.cli, pair.acc));
	ktls_pair("unrelated", &other);
	pair_close(&other);
	pair_close(&pair);
	pair = pair_make();
	ktls_pair("self", &pair);
	pair_close(&pair);
	plain_pair_make(&pair);
	ktls_pair("after", &pair);
	pair_close(&pair);
}

void test_filter(void)
{
	struct sock_filter drop = BPF_STMT(BPF_RET | BPF_K, 0);
	struct sock_fprog prog = {.len = 1, .filter = &drop};
	const char *a, *b, *c, *d;
	struct pair pair;

	section = "filter";
	for (int i = 0; i < 2; i++) {
		int *rx = i ? &pair.acc : &pair.cli;
		int *tx = i ? &pair.cli : &pair.acc;
		int queued = -1;

		pair = pair_make();
		a = res(setsockopt(*rx, SOL_SOCKET, SO_ATTACH_FILTER, &prog,
				   sizeof(prog)));
		b = put_data(*tx, "dropped", 0);
		c = mask(wait_for(*rx, POLLIN, 50));
		ioctl(*tx, SIOCOUTQ, &queued);
		d = res(set_int(*rx, SOL_SOCKET, SO_DETACH_FILTER, 0));
		say(i ? "accepted" : "client",
		    "attach %s send %s poll %s outq %d detach %s then %s", a, b,
		    c, queued, d, get_data(*rx, 9, 0));
		pair_close(&pair);
	}

	/* On a listener it drops each SYN. */
	pair = pair_open();
	a = res(setsockopt(pair.lsk, SOL_SOCKET, SO_ATTACH_FILTER, &prog,
			   sizeof(prog)));
	pair_listen(&pair);
	set_nonblock(pair.cli);
	sock_connect(pair.cli, port_of(pair.lsk));
	b = mask(wait_for(pair.cli, POLLOUT, 50));
	c = res(set_int(pair.lsk, SOL_SOCKET, SO_DETACH_FILTER, 0));
	pair.acc = accept_soon(pair.lsk);
	say("listener", "%s poll %s detach %s then %s", a, b, c,
	    chat(pair.cli, pair.acc));
	pair_close(&pair);

	/* Inherited, and locked. */
	drop.k = 0xffffffff;
	pair = pair_open();
	setsockopt(pair.lsk, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog));
	a = res(set_int(pair.lsk, SOL_SOCKET, SO_LOCK_FILTER, 1));
	b = res(set_int(pair.lsk, SOL_SOCKET, SO_DETACH_FILTER, 0));
	pair_listen(&pair);
	pair_connect(&pair);
	c = res(set_int(pair.acc, SOL_SOCKET, SO_DETACH_FILTER, 0));
	say("locked", "%s detach %s accepted %s %d %s", a, b, c,
	    get_int(pair.acc, SOL_SOCKET, SO_LOCK_FILTER),
	    chat(pair.cli, pair.acc));
	pair_close(&pair);
}

void test_tcp(void)
{
	struct tcp_md5sig sig = {.tcpm_keylen = 4, .tcpm_key = "salt"};
	unsigned char syn[256];
	struct pair pair;
	const char *a, *b, *c, *d;
	socklen_t len = sizeof(syn);
	char name[16] = "";

	section = "tcp";
	/* Signed segments, both ways. */
	for (int i = 0; i < 2; i++) {
		struct addr from = side_addr(CLIENT, 0);

		if (family == DUAL) {
			from = (struct addr){.len = sizeof(from.in6)};
			from.in6.sin6_family = AF_INET6;
			inet_pton(AF_INET6, "::ffff:127.0.0.1",
				  &from.in6.sin6_addr);
		}
		pair = pair_open();
		sig.tcpm_addr = from.ss;
		a = res(setsockopt(pair.lsk, IPPROTO_TCP, TCP_MD5SIG, &sig,
				   sizeof(sig)));
		sig.tcpm_addr = side_addr(CLIENT, 0).ss;
		b = i ? "-"
		      : res(setsockopt(pair.cli, IPPROTO_TCP, TCP_MD5SIG, &sig,
				       sizeof(sig)));
		pair_listen(&pair);
		setsockopt(pair.cli, SOL_SOCKET, SO_SNDTIMEO,
			   &(struct timeval){.tv_usec = 100000},
			   sizeof(struct timeval));
		c = res(sock_connect(pair.cli, port_of(pair.lsk)));
		if (*c == '0')
			pair.acc = accept_soon(pair.lsk);
		say(i ? "md5_missing" : "md5", "%s %s %s %s", a, b, c,
		    *c == '0' ? chat(pair.cli, pair.acc) : "-");
		pair_close(&pair);
	}

	pair = pair_open();
	set_int(pair.lsk, IPPROTO_TCP, TCP_SAVE_SYN, 1);
	pair_listen(&pair);
	pair_connect(&pair);
	a = getsockopt(pair.acc, IPPROTO_TCP, TCP_SAVED_SYN, syn, &len)
		    ? res(-1)
		    : text("%u bytes", len);
	len = sizeof(syn);
	getsockopt(pair.acc, IPPROTO_TCP, TCP_SAVED_SYN, syn, &len);
	say("saved_syn", "%s then %u", a, len);
	pair_close(&pair);

	pair = pair_open();
	a = res(set_int(pair.lsk, IPPROTO_TCP, TCP_DEFER_ACCEPT, 5));
	pair_listen(&pair);
	b = res(sock_connect(pair.cli, port_of(pair.lsk)));
	c = mask(wait_for(pair.lsk, POLLIN, 50));
	put_data(pair.cli, "data", 0);
	pair.acc = accept_soon(pair.lsk);
	say("defer_accept", "%s %s poll %s then %s", a, b, c,
	    get_data(pair.acc, 9, 0));
	pair_close(&pair);

	/* Repair: sequence numbers, queues, silent close. */
	pair = pair_make();
	a = do_repair(pair.cli);
	say("repair", "%s %s", a, chat(pair.cli, pair.acc));
	set_int(pair.cli, IPPROTO_TCP, TCP_REPAIR, 1);
	close(pair.cli);
	pair.cli = -1;
	say("repair_close", "%s", mask(wait_for(pair.acc, POLLIN, 50)));
	reset_by(&pair.acc);
	pair_close(&pair);

	pair = pair_make();
	len = sizeof(name);
	a = res(setsockopt(pair.cli, IPPROTO_TCP, TCP_CONGESTION, "reno", 4));
	getsockopt(pair.cli, IPPROTO_TCP, TCP_CONGESTION, name, &len);
	say("congestion", "%s %s %u %s", a, name, len,
	    chat(pair.cli, pair.acc));
	d = text("%d %d", tcp_state(pair.cli), tcp_state(pair.acc));
	a = text("%d", tcp_options(pair.cli) & 7);
	b = text("%d", tcp_options(pair.acc) & 7);
	say("info", "states %s options %s %s", d, a, b);
	pair_close(&pair);

	for (int i = 0; i < 4; i++) {
		static const char *const names[] = {"fresh", "connected",
						    "accepted", "listener"};
		int fd;

		pair = i ? pair_make() : pair_open();
		fd = i < 2 ? pair.cli : i == 2 ? pair.acc : pair.lsk;
		a = do_addrform(fd);
		b = do_kind(fd);
		c = do_inode(fd);
		d = do_xattr(fd);
		say(text("addrform.%s", names[i]), "%s kind %s", a, b);
		say(text("addrform.%s.file", names[i]), "%s xattr %s", c, d);
		if (!i)
			a = res(sock_connect(fd, sink_port));
		else if (i < 3)
			a = chat(pair.cli, pair.acc);
		else
			a = "-";
		say(text("addrform.%s.use", names[i]), "%s name %s", a,
		    do_getpeername(fd));
		pair_close(&pair);
	}
}

/*
 * BPF, with instructions made by hand
 */
#define INSN(c, d, s, o, i)                \
	((struct bpf_insn){.code = (c),    \
			   .dst_reg = (d), \
			   .src_reg = (s), \
			   .off = (o),     \
			   .imm = (i)})
#define SLOTS 3 /* protocol 6, 256, other */

static int load_prog(int type, int attach, const struct bpf_insn *insns,
		     size_t count)
{
	union bpf_attr attr = {
		.prog_type = type,
		.insns = (uintptr_t)insns,
		.insn_cnt = count,
		.license = (uintptr_t) "Dual MIT/GPL",
		.expected_attach_type = attach,
	};

	return bpf(BPF_PROG_LOAD, &attr);
}

/* Counts by protocol, which is at @offset of the context, and says yes. */
static int counting_prog(int type, int attach, int map, int base, int offset)
{
	const struct bpf_insn insns[] = {
		INSN(BPF_LDX | BPF_MEM | BPF_W, 2, 1, offset, 0),
		INSN(BPF_ALU64 | BPF_MOV | BPF_K, 3, 0, 0, base + 2),
		INSN(BPF_JMP | BPF_JEQ | BPF_K, 2, 0, 2, IPPROTO_TCP),
		INSN(BPF_JMP | BPF_JEQ | BPF_K, 2, 0, 3, IPPROTO_SMC),
		INSN(BPF_JMP | BPF_JA, 0, 0, 3, 0),
		INSN(BPF_ALU64 | BPF_MOV | BPF_K, 3, 0, 0, base),
		INSN(BPF_JMP | BPF_JA, 0, 0, 1, 0),
		INSN(BPF_ALU64 | BPF_MOV | BPF_K, 3, 0, 0, base + 1),
		INSN(BPF_STX | BPF_MEM | BPF_W, 10, 3, -4, 0),
		INSN(BPF_ALU64 | BPF_MOV | BPF_X, 2, 10, 0, 0),
		INSN(BPF_ALU64 | BPF_ADD | BPF_K, 2, 0, 0, -4),
		INSN(BPF_LD | BPF_IMM | BPF_DW, 1, BPF_PSEUDO_MAP_FD, 0, map),
		INSN(0, 0, 0, 0, 0),
		INSN(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_map_lookup_elem),
		INSN(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 2, 0),
		INSN(BPF_ALU64 | BPF_MOV | BPF_K, 1, 0, 0, 1),
		INSN(BPF_STX | BPF_ATOMIC | BPF_DW, 0, 1, 0, BPF_ADD),
		INSN(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 1),
		INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
	};

	return load_prog(type, attach, insns, COUNT(insns));
}

static const struct hook {
	const char *name;
	int type, attach;
} hooks[] = {
	{"create", BPF_PROG_TYPE_CGROUP_SOCK, BPF_CGROUP_INET_SOCK_CREATE},
	{"release", BPF_PROG_TYPE_CGROUP_SOCK, BPF_CGROUP_INET_SOCK_RELEASE},
	{"post_bind4", BPF_PROG_TYPE_CGROUP_SOCK, BPF_CGROUP_INET4_POST_BIND},
	{"post_bind6", BPF_PROG_TYPE_CGROUP_SOCK, BPF_CGROUP_INET6_POST_BIND},
	{"bind4", BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_CGROUP_INET4_BIND},
	{"bind6", BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_CGROUP_INET6_BIND},
	{"connect4", BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_CGROUP_INET4_CONNECT},
	{"connect6", BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_CGROUP_INET6_CONNECT},
	{"peer4", BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_CGROUP_INET4_GETPEERNAME},
	{"peer6", BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_CGROUP_INET6_GETPEERNAME},
	{"name4", BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_CGROUP_INET4_GETSOCKNAME},
	{"name6", BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_CGROUP_INET6_GETSOCKNAME},
};

static void say_counts(const char *when, int map)
{
	uint64_t zero = 0;

	for (uint32_t i = 0; i < COUNT(hooks); i++) {
		uint64_t counts[SLOTS] = {0};

		for (uint32_t j = 0; j < SLOTS; j++) {
			uint32_t key = i * SLOTS + j;
			union bpf_attr attr = {.map_fd = map,
					       .key = (uintptr_t)&key,
					       .value = (uintptr_t)&counts[j]};

			bpf(BPF_MAP_LOOKUP_ELEM, &attr);
			map_set(map, key, zero);
		}
		say(text("%s.%s", when, hooks[i].name),
		    "tcp %d smc %d other %d", (int)counts[0], (int)counts[1],
		    (int)counts[2]);
	}
}

static bool write_file(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool ok = fd >= 0 && write(fd, value, strlen(value)) > 0;

	if (fd >= 0)
		close(fd);
	return ok;
}

/* Creates, connects, accepts, names and closes, and says what was counted. */
static void count_in_cgroup(int map)
{
	struct addr addr = {.len = sizeof(addr.ss)};
	struct pair pair;

	for (int i = 0; i < 3; i++) {
		close(sock_new(LISTENER));
		close(sock_new(CLIENT));
	}
	nap(5);
	say_counts("fresh", map);
	pair = pair_open();
	pair_listen(&pair);
	pair_connect(&pair);
	getpeername(pair.cli, &addr.sa, &addr.len);
	addr.len = sizeof(addr.ss);
	getpeername(pair.acc, &addr.sa, &addr.len);
	addr.len = sizeof(addr.ss);
	getsockname(pair.acc, &addr.sa, &addr.len);
	say_counts("open", map);
	pair_close(&pair);
	nap(5);
	say_counts("closed", map);
	for (int i = 0; i < 5; i++) {
		pair = pair_make();
		reset_by(&pair.cli);
		wait_for(pair.acc, POLLHUP, 1000);
		pair_close(&pair);
	}
	nap(5);
	say_counts("five", map);
}

/* Puts both ends of a connection into a sockmap when it is established. */
static int sockops_prog(int map)
{
	const struct bpf_insn insns[] = {
		INSN(BPF_LDX | BPF_MEM | BPF_W, 2, 1,
		     offsetof(struct bpf_sock_ops, op), 0),
		INSN(BPF_ALU64 | BPF_MOV | BPF_K, 3, 0, 0, 0),
		INSN(BPF_JMP | BPF_JEQ | BPF_K, 2, 0, 2,
		     BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB),
		INSN(BPF_ALU64 | BPF_MOV | BPF_K, 3, 0, 0, 1),
		INSN(BPF_JMP | BPF_JNE | BPF_K, 2, 0, 7,
		     BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB),
		INSN(BPF_STX | BPF_MEM | BPF_W, 10, 3, -4, 0),
		INSN(BPF_ALU64 | BPF_MOV | BPF_X, 3, 10, 0, 0),
		INSN(BPF_ALU64 | BPF_ADD | BPF_K, 3, 0, 0, -4),
		INSN(BPF_LD | BPF_IMM | BPF_DW, 2, BPF_PSEUDO_MAP_FD, 0, map),
		INSN(0, 0, 0, 0, 0),
		INSN(BPF_ALU64 | BPF_MOV | BPF_K, 4, 0, 0, 0),
		INSN(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_sock_map_update),
		INSN(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 1),
		INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
	};

	return load_prog(BPF_PROG_TYPE_SOCK_OPS, BPF_CGROUP_SOCK_OPS, insns,
			 COUNT(insns));
}

static const char *map_has(int map, uint32_t key)
{
	uint64_t value;
	union bpf_attr attr = {.map_fd = map,
			       .key = (uintptr_t)&key,
			       .value = (uintptr_t)&value};

	return res(bpf(BPF_MAP_LOOKUP_ELEM, &attr));
}

static void sockops_in_cgroup(int cgroup)
{
	int map = map_new(BPF_MAP_TYPE_SOCKMAP, 8, 4);
	int prog = sockops_prog(map);
	union bpf_attr attr = {.target_fd = cgroup,
			       .attach_bpf_fd = prog,
			       .attach_type = BPF_CGROUP_SOCK_OPS};
	const char *attached = res(bpf(BPF_PROG_ATTACH, &attr));

	/* Then with the listener in it, whose children are special. */
	for (int i = 0; i < 2; i++) {
		struct pair pair = pair_open();
		const char *a, *b, *c;

		pair_listen(&pair);
		a = i ? res(map_set(map, 2, pair.lsk)) : "-";
		pair_connect(&pair);
		b = map_has(map, 0);
		c = map_has(map, 1);
		say(i ? "sockops.listener" : "sockops",
		    "%s %s has %s %s %s kind %s", attached, a, b, c,
		    chat(pair.cli, pair.acc), do_kind(pair.acc));
		for (uint32_t key = 0; key < 3; key++) {
			union bpf_attr del = {.map_fd = map,
					      .key = (uintptr_t)&key};

			bpf(BPF_MAP_DELETE_ELEM, &del);
		}
		say(i ? "sockops.listener.out" : "sockops.out", "%s",
		    chat(pair.cli, pair.acc));
		pair_close(&pair);
	}
	bpf(BPF_PROG_DETACH, &attr);
	close(prog);
	close(map);
}

void test_cgroup(void)
{
	char root[] = "/tmp/sock_diff.XXXXXX", dir[96], procs[128], line[256];
	char home[400] = "", pid[16];
	union bpf_attr attr;
	int map, cgroup = -1;
	FILE *file;

	section = "cgroup";
	map = map_new(BPF_MAP_TYPE_ARRAY, 8, COUNT(hooks) * SLOTS);
	if (map < 0 || !mkdtemp(root)) {
		say("map", "%s", err_name(errno));
		return;
	}
	/* Nobody else is to see the mount. */
	if (unshare(CLONE_NEWNS) ||
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("none", root, "cgroup2", 0, NULL)) {
		say("mount", "%s", err_name(errno));
		goto out;
	}
	file = fopen("/proc/self/cgroup", "re");
	while (file && fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = '\0';
		if (!strncmp(line, "0::", 3))
			snprintf(home, sizeof(home), "%s%s/cgroup.procs", root,
				 line + 3);
	}
	if (file)
		fclose(file);
	snprintf(dir, sizeof(dir), "%s/sock_diff.%d", root, getpid());
	snprintf(procs, sizeof(procs), "%s/cgroup.procs", dir);
	snprintf(pid, sizeof(pid), "%d", getpid());
	if (mkdir(dir, 0755) || !write_file(procs, pid)) {
		say("join", "%s", err_name(errno));
		goto unmount;
	}
	cgroup = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (size_t i = 0; i < COUNT(hooks); i++) {
		bool sock = hooks[i].type == BPF_PROG_TYPE_CGROUP_SOCK;
		int prog = counting_prog(
			hooks[i].type, hooks[i].attach, map, i * SLOTS,
			sock ? offsetof(struct bpf_sock, protocol)
			     : offsetof(struct bpf_sock_addr, protocol));
		const char *loaded = prog < 0 ? res(prog) : "ok";

		attr = (union bpf_attr){.target_fd = cgroup,
					.attach_bpf_fd = prog,
					.attach_type = hooks[i].attach};
		say(text("attach.%s", hooks[i].name), "%s %s", loaded,
		    res(bpf(BPF_PROG_ATTACH, &attr)));
		if (prog >= 0)
			close(prog);
	}
	count_in_cgroup(map);
	sockops_in_cgroup(cgroup);
	close(cgroup);
	if (!write_file(home, pid))
		say("leave", "%s", err_name(errno));
unmount:
	if (rmdir(dir))
		say("rmdir", "%s", err_name(errno));
	umount2(root, MNT_DETACH);
out:
	rmdir(root);
	close(map);
}

/* Sends what is for the port that nobody listens on to sockmap's entry 0. */
static int lookup_prog(int map, int port)
{
	const struct bpf_insn insns[] = {
		INSN(BPF_ALU64 | BPF_MOV | BPF_X, 6, 1, 0, 0),
		INSN(BPF_LDX | BPF_MEM | BPF_W, 2, 1,
		     offsetof(struct bpf_sk_lookup, local_port), 0),
		INSN(BPF_JMP | BPF_JNE | BPF_K, 2, 0, 14, port),
		INSN(BPF_ST | BPF_MEM | BPF_W, 10, 0, -4, 0),
		INSN(BPF_ALU64 | BPF_MOV | BPF_X, 2, 10, 0, 0),
		INSN(BPF_ALU64 | BPF_ADD | BPF_K, 2, 0, 0, -4),
		INSN(BPF_LD | BPF_IMM | BPF_DW, 1, BPF_PSEUDO_MAP_FD, 0, map),
		INSN(0, 0, 0, 0, 0),
		INSN(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_map_lookup_elem),
		INSN(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 7, 0),
		INSN(BPF_ALU64 | BPF_MOV | BPF_X, 7, 0, 0, 0),
		INSN(BPF_ALU64 | BPF_MOV | BPF_X, 1, 6, 0, 0),
		INSN(BPF_ALU64 | BPF_MOV | BPF_X, 2, 7, 0, 0),
		INSN(BPF_ALU64 | BPF_MOV | BPF_K, 3, 0, 0, 0),
		INSN(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_sk_assign),
		INSN(BPF_ALU64 | BPF_MOV | BPF_X, 1, 7, 0, 0),
		INSN(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_sk_release),
		INSN(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, SK_PASS),
		INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
	};

	return load_prog(BPF_PROG_TYPE_SK_LOOKUP, BPF_SK_LOOKUP, insns,
			 COUNT(insns));
}

void test_maps(void)
{
	const char *a, *b, *c, *d;
	struct pair pair;
	union bpf_attr attr;
	int map, prog, net, link;

	section = "maps";
	/* Sockets of a map work on, and are closed while they are in it. */
	for (int i = 0; i < 2; i++) {
		map = map_new(i ? BPF_MAP_TYPE_SOCKHASH : BPF_MAP_TYPE_SOCKMAP,
			      4, 4);
		pair = pair_make();
		a = res(map_set(map, 0, pair.cli));
		b = res(map_set(map, 1, pair.acc));
		c = res(map_set(map, 2, pair.lsk));
		d = chat(pair.cli, pair.acc);
		say(i ? "sockhash" : "sockmap", "%s %s %s %s ulp %s", a, b, c,
		    d, set_ulp(pair.cli, "tls"));
		close(pair.acc);
		close(pair.cli);
		pair.acc = -1;
		pair.cli = sock_new(CLIENT);
		a = res(pair_connect(&pair));
		say(i ? "sockhash.child" : "sockmap.child", "%s %s %s", a,
		    chat(pair.cli, pair.acc), do_kind(pair.acc));
		pair_close(&pair);
		close(map);
	}

	map = map_new(BPF_MAP_TYPE_REUSEPORT_SOCKARRAY, 8, 4);
	pair = pair_open();
	a = res(map_set(map, 0, pair.lsk));
	set_int(pair.lsk, SOL_SOCKET, SO_REUSEPORT, 1);
	sock_bind(pair.lsk, LISTENER, 0);
	b = res(map_set(map, 0, pair.lsk));
	listen(pair.lsk, 16);
	c = res(map_set(map, 0, pair.lsk));
	d = res(map_set(map, 1, pair.lsk));
	pair_connect(&pair);
	say("sockarray", "fresh %s bound %s listening %s twice %s accepted %s",
	    a, b, c, d, res(map_set(map, 2, pair.acc)));
	say("sockarray.use", "%s", chat(pair.cli, pair.acc));
	pair_close(&pair);
	close(map);

	map = map_new(BPF_MAP_TYPE_SOCKMAP, 8, 1);
	pair = pair_open();
	pair_listen(&pair);
	a = res(map_set(map, 0, pair.lsk));
	prog = lookup_prog(map, shut_port);
	b = prog < 0 ? res(prog) : "ok";
	net = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	attr = (union bpf_attr){0};
	attr.link_create.prog_fd = prog;
	attr.link_create.target_fd = net;
	attr.link_create.attach_type = BPF_SK_LOOKUP;
	link = bpf(BPF_LINK_CREATE, &attr);
	c = link < 0 ? res(link) : "ok";
	d = res(sock_connect(pair.cli, shut_port));
	if (*d == '0')
		pair.acc = accept_soon(pair.lsk);
	say("sk_lookup", "map %s load %s link %s connect %s %s", a, b, c, d,
	    *d == '0' ? chat(pair.cli, pair.acc) : "-");
	close(link);
	close(net);
	close(prog);
	close(map);
	pair_close(&pair);
}

/*
 * io_uring: one request at a time
 */
struct ring {
	int fd;
	struct io_uring_params params;
	unsigned char *sq, *cq;
	struct io_uring_sqe *sqes;
	uint64_t last; /* request */
};

static bool ring_open(struct ring *ring)
{
	size_t len = 65536;

	memset(ring, 0, sizeof(*ring));
	ring->fd = syscall(__NR_io_uring_setup, 4, &ring->params);
	if (ring->fd < 0)
		return false;
	ring->sq =
		mmap(NULL, len / 16, PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_POPULATE, ring->fd, IORING_OFF_SQ_RING);
	ring->cq =
		mmap(NULL, len / 16, PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_POPULATE, ring->fd, IORING_OFF_CQ_RING);
	ring->sqes = mmap(NULL, ring->params.sq_entries * sizeof(*ring->sqes),
			  PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
			  ring->fd, IORING_OFF_SQES);
	return ring->sq != MAP_FAILED && ring->cq != MAP_FAILED &&
	       ring->sqes != MAP_FAILED;
}

/* The result of one request, as text. */
static const char *ring_do(struct ring *ring, const struct io_uring_sqe *sqe)
{
	struct io_sqring_offsets *sq = &ring->params.sq_off;
	struct io_cqring_offsets *cq = &ring->params.cq_off;
	unsigned int *sq_tail = (unsigned int *)(ring->sq + sq->tail);
	unsigned int *cq_head = (unsigned int *)(ring->cq + cq->head);
	unsigned int *cq_tail = (unsigned int *)(ring->cq + cq->tail);
	unsigned int *array = (unsigned int *)(ring->sq + sq->array);
	struct io_uring_cqe *cqes = (void *)(ring->cq + cq->cqes);
	unsigned int slot = *sq_tail & (ring->params.sq_entries - 1);
	uint64_t done;
	int result;

	ring->sqes[slot] = *sqe;
	ring->sqes[slot].user_data = ++ring->last;
	array[slot] = slot;
	__atomic_store_n(sq_tail, *sq_tail + 1, __ATOMIC_RELEASE);
	if (syscall(__NR_io_uring_enter, ring->fd, 1, 0, 0, NULL, 0) < 0)
		return err_name(errno);
	/* One that timed out may still come. */
	do {
		if (*cq_head == __atomic_load_n(cq_tail, __ATOMIC_ACQUIRE) &&
		    !wait_for(ring->fd, POLLIN, 1000))
			return "timeout";
		slot = *cq_head & (ring->params.cq_entries - 1);
		done = cqes[slot].user_data;
		result = cqes[slot].res;
		__atomic_store_n(cq_head, *cq_head + 1, __ATOMIC_RELEASE);
	} while (done != ring->last);
	return result < 0 ? err_name(-result) : text("%d", result);
}

static const char *ring_call(struct ring *ring, int op, int fd, const void *buf,
			     unsigned long len, unsigned int flags)
{
	struct io_uring_sqe sqe = {.opcode = op, .fd = fd};

	sqe.addr = (uintptr_t)buf;
	if (op == IORING_OP_CONNECT)
		sqe.off = len;
	else
		sqe.len = len;
	sqe.msg_flags = flags;
	return ring_do(ring, &sqe);
}

void test_uring(void)
{
	struct pair pair = pair_open();
	const char *a, *b, *c, *d;
	struct addr addr;
	struct ring ring;
	char buf[16];

	section = "uring";
	if (!ring_open(&ring)) {
		say("setup", "%s", err_name(errno));
		pair_close(&pair);
		return;
	}
	a = ring_call(&ring, IORING_OP_SEND, pair.cli, "x", 1, MSG_NOSIGNAL);
	b = ring_call(&ring, IORING_OP_RECV, pair.cli, buf, 4, MSG_DONTWAIT);
	c = ring_call(&ring, IORING_OP_POLL_ADD, pair.cli, NULL, 0, POLLIN);
	d = ring_call(&ring, IORING_OP_ACCEPT, pair.lsk, NULL, 0, 0);
	say("fresh", "send %s recv %s poll %s accept %s", a, b, c, d);
	pair_listen(&pair);
	addr = side_addr(CLIENT, port_of(pair.lsk));
	a = ring_call(&ring, IORING_OP_CONNECT, pair.cli, &addr.sa, addr.len,
		      0);
	b = ring_call(&ring, IORING_OP_CONNECT, pair.cli, &addr.sa, addr.len,
		      0);
	c = ring_call(&ring, IORING_OP_POLL_ADD, pair.lsk, NULL, 0, POLLIN);
	d = ring_call(&ring, IORING_OP_ACCEPT, pair.lsk, NULL, 0, 0);
	say("connect", "%s again %s poll %s accept %s", a, b, c,
	    *d >= '0' && *d <= '9' ? "ok" : d);
	pair.acc = *d >= '0' && *d <= '9' ? atoi(d) : -1;
	for (int i = 0; i < 2; i++) {
		int tx = i ? pair.acc : pair.cli, rx = i ? pair.cli : pair.acc;

		a = ring_call(&ring, IORING_OP_POLL_ADD, tx, NULL, 0, POLLOUT);
		b = ring_call(&ring, IORING_OP_SEND, tx, "uring", 5,
			      MSG_NOSIGNAL);
		c = ring_call(&ring, IORING_OP_POLL_ADD, rx, NULL, 0, POLLIN);
		d = ring_call(&ring, IORING_OP_RECV, rx, buf, sizeof(buf), 0);
		say(i ? "to_client" : "to_accepted",
		    "poll %s send %s poll %s recv %s", a, b, c, d);
		a = ring_call(&ring, IORING_OP_WRITE, tx, "write", 5, 0);
		wait_for(rx, POLLIN, 1000);
		b = ring_call(&ring, IORING_OP_READ, rx, buf, sizeof(buf), 0);
		say(i ? "to_client.rw" : "to_accepted.rw", "%s %s", a, b);
	}
	a = ring_call(&ring, IORING_OP_SHUTDOWN, pair.cli, NULL, SHUT_WR, 0);
	b = get_data(pair.acc, 9, 0);
	say("shutdown", "%s peer %s", a, b);
	close(pair.cli);
	pair.cli = sock_new(CLIENT);
	addr = side_addr(CLIENT, shut_port);
	a = ring_call(&ring, IORING_OP_CONNECT, pair.cli, &addr.sa, addr.len,
		      0);
	say("refused", "%s error %s", a, so_error(pair.cli));
	close(ring.fd);
	pair_close(&pair);
}
