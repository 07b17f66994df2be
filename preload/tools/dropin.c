// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dropin.h"
#include "util.h"

#define NAME "50-smc.conf"

int smcp_dropin_init(struct smcp_dropin *ret_dropin, bool is_user,
		     const char *name)
{
	const char *base = "/etc", *below = "/systemd/system";
	int n;

	if (is_user) {
		base = getenv("XDG_CONFIG_HOME");
		below = "/systemd/user";
		if (!base || *base != '/') {
			base = getenv("HOME");
			below = "/.config/systemd/user";
		}
		if (!base || *base != '/')
			return -ENOENT;
	}
	ret_dropin->made_dir = false;
	n = snprintf(ret_dropin->dir, PATH_MAX, "%s%s/%s.d", base, below, name);
	if (n + (int)sizeof("/." NAME ".XXXXXX") > PATH_MAX)
		return -ENAMETOOLONG;
	strcat(strcpy(ret_dropin->path, ret_dropin->dir), "/" NAME);
	strcat(strcpy(ret_dropin->aside, ret_dropin->dir), "/." NAME ".old");
	return 0;
}

/* The directory and those above it */
static int make_dirs(const char *dir)
{
	char path[PATH_MAX];
	char *slash = strcpy(path, dir);

	while ((slash = strchr(slash + 1, '/'))) {
		*slash = '\0';
		if (mkdir(path, 0755) && errno != EEXIST)
			return -errno;
		*slash = '/';
	}
	return mkdir(path, 0755) && errno != EEXIST ? -errno : 0;
}

int smcp_dropin_prepare(const struct smcp_dropin *dropin)
{
	char units[PATH_MAX];
	int rc;

	strcpy(units, dropin->dir);
	*strrchr(units, '/') = '\0';
	rc = make_dirs(units);
	if (rc)
		return rc;
	if (access(units, W_OK))
		return -errno;
	if (access(dropin->dir, W_OK) && errno != ENOENT)
		return -errno;
	if (access(dropin->path, F_OK) && !access(dropin->aside, F_OK))
		return smcp_dropin_put_back(dropin);
	return 0;
}

/* On the heap, with a NUL; NULL with errno */
static char *read_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t size = 0, room = 0;
	char *text = NULL, *more;
	ssize_t n = 1;

	if (fd < 0)
		return NULL;
	while (n > 0) {
		if (room - size < 2) {
			room += 65536;
			more = realloc(text, room);
			if (!more)
				break;
			text = more;
		}
		n = read(fd, text + size, room - size - 1);
		if (n > 0)
			size += (size_t)n;
	}
	if (n) {
		free(text);
		text = NULL;
	} else {
		text[size] = '\0';
	}
	close(fd);
	return text;
}

int smcp_dropin_state(const struct smcp_dropin *dropin)
{
	char *text = read_file(dropin->path);
	bool is_ours;

	if (!text)
		return errno == ENOENT || errno == ENOTDIR ? SMCP_DROPIN_ABSENT
							   : -errno;
	is_ours = !strncmp(text, SMCP_DROPIN_FIRST,
			   sizeof(SMCP_DROPIN_FIRST) - 1);
	free(text);
	return is_ours ? SMCP_DROPIN_OURS : SMCP_DROPIN_FOREIGN;
}

static void sync_dir(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return;
	fsync(fd);
	close(fd);
}

int smcp_dropin_set_aside(const struct smcp_dropin *dropin)
{
	return smcp_result(rename(dropin->path, dropin->aside));
}

int smcp_dropin_put_back(const struct smcp_dropin *dropin)
{
	return smcp_result(rename(dropin->aside, dropin->path));
}

static int write_all(int fd, const char *text)
{
	ssize_t n;

	for (; *text; text += n) {
		n = write(fd, text, strlen(text));
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n < 0)
			n = 0;
	}
	return 0;
}

static int write_new(const struct smcp_dropin *dropin, const char *text)
{
	char path[PATH_MAX];
	int fd, rc;

	strcat(strcpy(path, dropin->dir), "/." NAME ".XXXXXX");
	fd = mkostemp(path, O_CLOEXEC);
	if (fd < 0)
		return -errno;
	rc = write_all(fd, text);
	/* The umask is not for what others than its owner have to read. */
	if (!rc && (fchmod(fd, 0644) || fsync(fd)))
		rc = -errno;
	if (close(fd) && !rc)
		rc = -errno;
	/* One that an administrator has made meanwhile is kept. */
	if (!rc &&
	    renameat2(AT_FDCWD, path, AT_FDCWD, dropin->path, RENAME_NOREPLACE))
		rc = -errno;
	if (rc)
		unlink(path);
	else
		sync_dir(dropin->dir);
	return rc;
}

int smcp_dropin_write(struct smcp_dropin *dropin, const char *text)
{
	char *old = read_file(dropin->aside);
	bool is_same = old && !strcmp(old, text);
	int rc;

	free(old);
	if (is_same)
		return smcp_dropin_put_back(dropin);
	dropin->made_dir = !mkdir(dropin->dir, 0755);
	if (!dropin->made_dir && errno != EEXIST)
		return -errno;
	rc = write_new(dropin, text);
	if (rc && dropin->made_dir)
		rmdir(dropin->dir);
	return rc;
}

void smcp_dropin_commit(const struct smcp_dropin *dropin)
{
	unlink(dropin->aside);
}

int smcp_dropin_remove(const struct smcp_dropin *dropin)
{
	if (unlink(dropin->path))
		return -errno;
	/* of an enable that was killed */
	unlink(dropin->aside);
	/* Other drop-ins may be there. */
	if (rmdir(dropin->dir))
		sync_dir(dropin->dir);
	return 0;
}

char *smcp_dropin_quote(const char *word)
{
	char *text = malloc(4 * strlen(word) + 3);
	char *to = text;

	if (!text)
		return NULL;
	*to++ = '"';
	for (; *word; word++) {
		if (*word == '"' || *word == '\\')
			*to++ = '\\';
		else if (*word == '%') /* specifiers */
			*to++ = '%';
		if ((unsigned char)*word < ' ' || *word == 0x7f)
			to += sprintf(to, "\\x%02x", (unsigned char)*word);
		else
			*to++ = *word;
	}
	strcpy(to, "\"");
	return text;
}
