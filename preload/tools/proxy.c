// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proxy.h"

/* Longer than any answer of the witness takes, in milliseconds */
#define WITNESS_TIMEOUT 1000

struct proxy {
	pid_t child;
	pid_t witness;
	int ask; /* our end of the witness's socket; -1: it does not answer */
	sigset_t mask; /* what both were started with */
	struct sigaction on_child;
};

static void close_from(unsigned int first)
{
	(void)syscall(SYS_close_range, first, ~0U, 0);
}

/*
 * A process of the group that only waits.  A signal that was sent to the group is
 * pending here, one for the proxy alone is not; siginfo does not tell: a shell that
 * ends a job with kill(-group), and a script that does it with kill(pid), look the
 * same.  The kernel serves a group from its youngest process on, so that the proxy
 * is the last.  Answers whether a signal was there, and forgets it.
 */
static void bear_witness(int fd)
{
	const struct timespec now = {0};
	sigset_t set;
	char answer;
	int sig;

	(void)dup2(fd, 0);
	close_from(1);
	while (read(0, &sig, sizeof(sig)) == sizeof(sig)) {
		sigemptyset(&set);
		sigaddset(&set, sig);
		answer = sigtimedwait(&set, NULL, &now) == sig;
		if (write(0, &answer, 1) != 1)
			break;
	}
	_exit(0);
}

static int start_witness(struct proxy *proxy)
{
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds))
		return -errno;
	proxy->witness = fork();
	if (proxy->witness < 0) {
		int err = errno;

		close(fds[0]);
		close(fds[1]);
		return -err;
	}
	if (!proxy->witness)
		bear_witness(fds[1]);
	close(fds[1]);
	/* Those below are the program's, if only by being closed. */
	proxy->ask = fcntl(fds[0], F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	close(fds[0]);
	return 0;
}

/* Did the witness get it?  Not, if somebody killed that. */
static bool ask_witness(struct proxy *proxy, int sig)
{
	struct pollfd pollfd = {.fd = proxy->ask, .events = POLLIN};
	char answer = 0;

	/* Signals are blocked, and so is SIGPIPE. */
	if (write(proxy->ask, &sig, sizeof(sig)) != sizeof(sig) ||
	    poll(&pollfd, 1, WITNESS_TIMEOUT) != 1 ||
	    read(proxy->ask, &answer, 1) != 1) {
		/* An answer that comes late would be to another question. */
		close(proxy->ask);
		proxy->ask = -1;
		return false;
	}
	return answer;
}

/* Was the witness left stopped?  Then it goes on, without a note of that. */
static bool go_on_witness(struct proxy *proxy)
{
	siginfo_t info = {0};

	if (waitid(P_PID, (id_t)proxy->witness, &info,
		   WSTOPPED | WNOHANG | WNOWAIT) ||
	    !info.si_pid)
		return false;
	(void)kill(proxy->witness, SIGCONT);
	(void)ask_witness(proxy, SIGCONT);
	return true;
}

static bool is_for_group(struct proxy *proxy, int sig)
{
	if (sig == SIGCONT && go_on_witness(proxy))
		return false;
	return ask_witness(proxy, sig);
}

/* What the terminal sends, it sends to the whole group. */
static bool is_of_terminal(const siginfo_t *info)
{
	if (info->si_code <= 0)
		return false;
	switch (info->si_signo) {
	case SIGHUP: /* but this, if the line is gone, to who leads the session */
		return getsid(0) != getpid();
	case SIGINT:
	case SIGQUIT:
	case SIGTSTP:
	case SIGTTIN:
	case SIGTTOU:
	case SIGCONT:
	case SIGWINCH:
		return true;
	default:
		return false;
	}
}

static void forward(struct proxy *proxy, const siginfo_t *info)
{
	int sig = info->si_signo;
	bool is_for_both = is_for_group(proxy, sig);

	/* What the program sends to its parent is not for itself. */
	if (is_for_both || is_of_terminal(info) ||
	    (info->si_code <= 0 && info->si_pid == proxy->child))
		return;
	if (info->si_code == SI_QUEUE)
		(void)sigqueue(proxy->child, sig, info->si_value);
	else
		(void)kill(proxy->child, sig);
}

/* Stop as the program was stopped, so that who waits for us is told. */
static void stop_too(struct proxy *proxy, int sig)
{
	const struct sigaction standard = {.sa_handler = SIG_DFL};
	const struct timespec now = {0};
	struct sigaction before;
	sigset_t set;

	/* Stopped with the group, and then sent on alone: it is next to be read. */
	if (!sigpending(&set) && sigismember(&set, SIGCONT))
		return;
	sigemptyset(&set);
	sigaddset(&set, sig);
	(void)sigaction(sig, &standard, &before);
	(void)raise(sig);
	(void)sigprocmask(SIG_UNBLOCK, &set, NULL);
	/* Here it stops. */
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	(void)sigaction(sig, &before, NULL);
	sigemptyset(&set);
	sigaddset(&set, SIGCONT);
	(void)sigtimedwait(&set, NULL, &now);
	if (!is_for_group(proxy, SIGCONT))
		(void)kill(proxy->child, SIGCONT);
}

static int wait_for(struct proxy *proxy)
{
	siginfo_t info;
	sigset_t all;
	int status;
	pid_t pid;

	sigfillset(&all);
	for (;;) {
		if (sigwaitinfo(&all, &info) < 0)
			continue;
		if (info.si_signo != SIGCHLD) {
			forward(proxy, &info);
			continue;
		}
		for (;;) {
			pid = waitpid(proxy->child, &status,
				      WNOHANG | WUNTRACED);
			if (pid != proxy->child)
				break;
			if (!WIFSTOPPED(status))
				return status;
			stop_too(proxy, WSTOPSIG(status));
		}
	}
}

/* All but standard error: nobody is to wait for the end of what we hold open. */
static void keep_stderr(struct proxy *proxy)
{
	(void)dup2(proxy->ask, 0);
	proxy->ask = 0;
	close(1);
	close_from(3);
}

static int start_child(struct proxy *proxy, char **argv,
		       void (*on_failure)(int err))
{
	proxy->child = fork();
	if (proxy->child < 0)
		return -errno;
	if (proxy->child)
		return 0;
	(void)sigaction(SIGCHLD, &proxy->on_child, NULL);
	(void)sigprocmask(SIG_SETMASK, &proxy->mask, NULL);
	execv(argv[0], argv);
	on_failure(errno);
	_exit(125);
}

int smcp_proxy_run(char **argv, void (*on_failure)(int err), int *ret_status)
{
	/* With SIG_IGN there would be no status. */
	const struct sigaction standard = {.sa_handler = SIG_DFL};
	struct proxy proxy;
	sigset_t all;
	int rc;

	sigfillset(&all);
	if (sigprocmask(SIG_SETMASK, &all, &proxy.mask) ||
	    sigaction(SIGCHLD, &standard, &proxy.on_child))
		return -errno;
	rc = start_witness(&proxy);
	if (rc)
		return rc;
	rc = start_child(&proxy, argv, on_failure);
	if (!rc) {
		keep_stderr(&proxy);
		*ret_status = wait_for(&proxy);
	}
	close(proxy.ask);
	(void)waitpid(proxy.witness, NULL, 0);
	return rc;
}

int smcp_proxy_end(int status)
{
	const struct sigaction standard = {.sa_handler = SIG_DFL};
	const struct rlimit none = {0};
	sigset_t set;
	int sig;

	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	sig = WTERMSIG(status);
	/* The program has left its core; for a pipe the limit does not count. */
	(void)setrlimit(RLIMIT_CORE, &none);
	(void)prctl(PR_SET_DUMPABLE, 0);
	(void)sigaction(sig, &standard, NULL);
	(void)raise(sig);
	sigemptyset(&set);
	sigaddset(&set, sig);
	(void)sigprocmask(SIG_UNBLOCK, &set, NULL);
	return 128 + sig;
}
