// SPDX-License-Identifier: MIT
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "cgroup.h"
#include "util.h"

#define CGROUP2_MAGIC 0x63677270

/* The id of the first of all cgroups */
#define ROOT_ID 1

/* How often a cgroup that was just left is tried to be removed, and the pause */
#define REMOVE_TRIES 50
#define REMOVE_PAUSE 20000

static int fail(char error[SMCB_ERROR], int err, const char *path,
		const char *what)
{
	snprintf(error, SMCB_ERROR, "%s: %s", path, what);
	return -err;
}

/*
 * Where the hierarchy is mounted.  Seen from another cgroup namespace the levels are
 * others than the kernel's.
 */
static int find_root(const char **ret_root, char error[SMCB_ERROR])
{
	static const char *const roots[] = {"/sys/fs/cgroup",
					    "/sys/fs/cgroup/unified"};
	struct statfs fs;
	struct stat st;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(roots); i++) {
		if (statfs(roots[i], &fs) || fs.f_type != CGROUP2_MAGIC)
			continue;
		if (stat(roots[i], &st) || st.st_ino != ROOT_ID)
			return fail(error, EINVAL, roots[i],
				    "not the first cgroup namespace");
		*ret_root = roots[i];
		return 0;
	}
	return fail(error, ENOENT, roots[0], "no cgroup v2 is mounted there");
}

static int read_own(const char *root, char path[PATH_MAX])
{
	FILE *file = fopen("/proc/self/cgroup", "re");
	char line[PATH_MAX];
	bool found = false;

	if (!file)
		return -errno;
	while (!found && fgets(line, sizeof(line), file))
		found = !strncmp(line, "0::", 3);
	fclose(file);
	if (!found)
		return -ENOENT;
	line[strcspn(line, "\n")] = '\0';
	return snprintf(path, PATH_MAX, "%s%s", root,
			strcmp(line + 3, "/") ? line + 3 : "") < PATH_MAX
		       ? 0
		       : -ENAMETOOLONG;
}

static int look(const char *root, struct smcb_cgroup *cgroup,
		char error[SMCB_ERROR])
{
	const char *at = cgroup->path + strlen(root);
	struct statfs fs;
	struct stat st;

	if (stat(cgroup->path, &st) || statfs(cgroup->path, &fs))
		return fail(error, errno, cgroup->path, strerror(errno));
	if (!S_ISDIR(st.st_mode) || fs.f_type != CGROUP2_MAGIC)
		return fail(error, ENOTDIR, cgroup->path, "not a cgroup");
	cgroup->id = st.st_ino;
	cgroup->level = 0;
	for (; *at; at++)
		cgroup->level += *at == '/';
	return 0;
}

int smcb_cgroup_find(const char *name, struct smcb_cgroup *ret_cgroup,
		     char ret_error[SMCB_ERROR])
{
	char path[PATH_MAX];
	const char *root;
	size_t len;
	int rc;

	rc = find_root(&root, ret_error);
	if (rc)
		return rc;
	if (!name) {
		rc = read_own(root, ret_cgroup->path);
		if (rc)
			return fail(ret_error, -rc, "/proc/self/cgroup",
				    strerror(-rc));
		return look(root, ret_cgroup, ret_error);
	}
	len = strlen(root);
	if (strncmp(name, root, len) != 0 || (name[len] && name[len] != '/')) {
		if (snprintf(path, sizeof(path), "%s/%s", root, name) >=
		    PATH_MAX)
			return fail(ret_error, ENAMETOOLONG, name,
				    strerror(ENAMETOOLONG));
		name = path;
	}
	/* The level is the number of slashes. */
	if (!realpath(name, ret_cgroup->path))
		return fail(ret_error, errno, name, strerror(errno));
	if (strncmp(ret_cgroup->path, root, len) != 0)
		return fail(ret_error, ENOTDIR, name, "not a cgroup");
	return look(root, ret_cgroup, ret_error);
}

/* Those whose keeper was killed, and whose processes are gone */
static void sweep(const char *path)
{
	const struct dirent *entry;
	DIR *dir = opendir(path);
	int pid;

	while (dir && (entry = readdir(dir)))
		/* One that has no process yet is of somebody who runs. */
		if (sscanf(entry->d_name, "smc_run-%d", &pid) == 1 &&
		    kill(pid, 0) && errno == ESRCH)
			(void)unlinkat(dirfd(dir), entry->d_name, AT_REMOVEDIR);
	if (dir)
		closedir(dir);
}

int smcb_cgroup_make(struct smcb_cgroup *ret_cgroup, char ret_error[SMCB_ERROR])
{
	struct smcb_cgroup own;
	const char *root;
	int rc;

	rc = find_root(&root, ret_error);
	if (!rc)
		rc = smcb_cgroup_find(NULL, &own, ret_error);
	if (rc)
		return rc;
	if (snprintf(ret_cgroup->path, PATH_MAX, "%s/smc_run-%d", own.path,
		     (int)getpid()) >= PATH_MAX)
		return fail(ret_error, ENAMETOOLONG, own.path,
			    strerror(ENAMETOOLONG));
	sweep(own.path);
	/* Left by another process of this number? */
	(void)rmdir(ret_cgroup->path);
	if (mkdir(ret_cgroup->path, 0755))
		return fail(ret_error, errno, ret_cgroup->path,
			    strerror(errno));
	return look(root, ret_cgroup, ret_error);
}

static int open_file(const struct smcb_cgroup *cgroup, const char *name,
		     int flags)
{
	char path[PATH_MAX + 32];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", cgroup->path, name);
	fd = open(path, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int smcb_cgroup_join(const struct smcb_cgroup *cgroup)
{
	int fd = open_file(cgroup, "cgroup.procs", O_WRONLY);
	int rc = 0;

	if (fd < 0)
		return fd;
	if (write(fd, "0\n", 2) != 2)
		rc = errno ? -errno : -EIO;
	close(fd);
	return rc;
}

int smcb_cgroup_wait(const struct smcb_cgroup *cgroup)
{
	int fd = open_file(cgroup, "cgroup.events", O_RDONLY);
	struct pollfd pollfd = {.fd = fd, .events = POLLPRI};
	char text[256];
	ssize_t n;

	if (fd < 0)
		return fd;
	for (;;) {
		/* Reading is what makes the next change wake poll(). */
		n = pread(fd, text, sizeof(text) - 1, 0);
		if (n <= 0)
			break; /* it is gone */
		text[n] = '\0';
		if (strstr(text, "populated 0"))
			break;
		(void)poll(&pollfd, 1, -1);
	}
	close(fd);
	return 0;
}

static void remove_below(int dir)
{
	const struct dirent *entry;
	DIR *list;
	int fd;

	fd = dup(dir);
	list = fd < 0 ? NULL : fdopendir(fd);
	if (!list) {
		close(fd);
		return;
	}
	while ((entry = readdir(list))) {
		if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
			continue;
		fd = openat(dir, entry->d_name,
			    O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0)
			continue;
		remove_below(fd);
		close(fd);
		(void)unlinkat(dir, entry->d_name, AT_REMOVEDIR);
	}
	closedir(list);
}

void smcb_cgroup_remove(const struct smcb_cgroup *cgroup)
{
	unsigned int tries;
	int fd;

	/* The kernel may still be busy with its last process. */
	for (tries = 0; tries < REMOVE_TRIES; tries++) {
		if (!rmdir(cgroup->path) || errno != EBUSY)
			return;
		fd = open(cgroup->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd >= 0) {
			remove_below(fd);
			close(fd);
		}
		if (!rmdir(cgroup->path))
			return;
		usleep(REMOVE_PAUSE);
	}
}
