// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "keeper.h"

/* fork() for a parent that is not to get a signal, nor to be asked for a status. */
static pid_t fork_silently(void)
{
	struct clone_args args = {0};

	return (pid_t)syscall(SYS_clone3, &args, sizeof(args));
}

/* The pipe is closed when the process on its other end executes, or ends. */
static void keep(const struct smcb_cgroup *cgroup, const int links[2], int pipe)
{
	sigset_t all;
	char byte;

	sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, NULL);
	/* Nobody is to wait for the end of what we hold open, or of our directory. */
	if (dup2(links[0], 0) != 0 || dup2(pipe, 1) != 1 || chdir("/") ||
	    (links[1] >= 0 && dup2(links[1], 2) != 2))
		_exit(1);
	(void)syscall(SYS_close_range, links[1] >= 0 ? 3U : 2U, ~0U, 0);
	(void)prctl(PR_SET_NAME, "smc_run_keeper");
	while (read(1, &byte, 1) < 0 && errno == EINTR)
		;
	(void)smcb_cgroup_wait(cgroup);
	smcb_cgroup_remove(cgroup);
	_exit(0);
}

static int above_streams(int fd)
{
	int high = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	int err = errno;

	close(fd);
	errno = err;
	return high;
}

int smcb_keeper_start(const struct smcb_cgroup *cgroup, const int links[2])
{
	int fds[2], status;
	pid_t pid;

	if (pipe(fds))
		return -errno;
	fds[0] = above_streams(fds[0]);
	fds[1] = above_streams(fds[1]);
	if (fds[0] < 0 || fds[1] < 0)
		return -errno;
	pid = fork_silently();
	if (pid < 0)
		return -errno;
	if (!pid) {
		close(fds[1]);
		(void)setsid();
		/* Of two, the second is not the child of who executes COMMAND. */
		pid = fork_silently();
		if (!pid)
			keep(cgroup, links, fds[0]);
		_exit(pid < 0);
	}
	close(fds[0]);
	while (waitpid(pid, &status, __WALL) < 0)
		if (errno != EINTR)
			return -errno;
	return status ? -EAGAIN : 0;
}
