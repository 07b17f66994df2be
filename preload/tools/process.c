// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "process.h"

int smcp_process_execute(char **command)
{
	int err;

	execvp(command[0], command);
	err = errno;
	dprintf(STDERR_FILENO, "smc_run: %s: %s\n", command[0],
		err == ENOENT || err == ENOTDIR ? "not found" : strerror(err));
	switch (err) {
	case ENOENT:
	case ENOTDIR:
	case ELOOP:
	case ENAMETOOLONG:
		return 127;
	default:
		return 126;
	}
}

static void execute(char *const *argv, bool shows_errors, int out)
{
	int null = open("/dev/null", O_RDWR);
	sigset_t none;

	if (null < 0 || dup2(null, STDIN_FILENO) < 0 ||
	    (!shows_errors && dup2(null, STDERR_FILENO) < 0) ||
	    dup2(out, STDOUT_FILENO) < 0)
		_exit(127);
	/* Whatever the caller must not be disturbed by ends this program. */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	unsetenv("LD_PRELOAD");
	execvp(argv[0], argv);
	_exit(127);
}

/* A pipe that is none of the three streams, which may be closed */
static int make_pipe(int fds[2])
{
	int low[2];

	if (pipe(low))
		return -errno;
	fds[0] = fcntl(low[0], F_DUPFD_CLOEXEC, 3);
	fds[1] = fcntl(low[1], F_DUPFD_CLOEXEC, 3);
	close(low[0]);
	close(low[1]);
	if (fds[0] >= 0 && fds[1] >= 0)
		return 0;
	if (fds[0] >= 0)
		close(fds[0]);
	return -EMFILE;
}

static void read_all(int fd, char *ret_text, size_t size)
{
	char rest[512];
	size_t at = 0;
	ssize_t n = 1;

	while (n) {
		n = at < size - 1 ? read(fd, ret_text + at, size - 1 - at)
				  : read(fd, rest, sizeof(rest));
		if (n < 0 && errno != EINTR)
			break;
		if (n > 0 && at < size - 1)
			at += (size_t)n;
	}
	ret_text[at] = '\0';
}

int smcp_process_read(char *const *argv, bool shows_errors, char *ret_text,
		      size_t size)
{
	int fds[2] = {-1, -1};
	int status;
	pid_t pid;
	int rc;

	*ret_text = '\0';
	/* With SIG_IGN, which may be inherited, there would be no status. */
	signal(SIGCHLD, SIG_DFL);
	rc = make_pipe(fds);
	if (rc)
		return rc;
	pid = fork();
	if (!pid)
		execute(argv, shows_errors, fds[1]);
	rc = -errno;
	close(fds[1]);
	if (pid > 0)
		read_all(fds[0], ret_text, size);
	close(fds[0]);
	if (pid < 0)
		return rc;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}
