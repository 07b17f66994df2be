// SPDX-License-Identifier: MIT
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "pins.h"
#include "util.h"

#define BPF_FS "/sys/fs/bpf"
#define BPF_FS_MAGIC 0xcafe4a11

#define DIR_PATH BPF_FS "/smc_run"

/* Where it is made: whoever finds DIR_PATH finds all. */
#define NEW_PATH BPF_FS "/smc_run-new"

#define LINK_INHERIT DIR_PATH "/inherit_link"

/* A file system for all may hold a directory that somebody else has made. */
static int check_owner(const char *path, char error[SMCB_ERROR])
{
	struct stat st;

	/* What may not be looked at may not be used either. */
	if (lstat(path, &st) ||
	    (S_ISDIR(st.st_mode) && !st.st_uid && !(st.st_mode & 077)))
		return 0;
	snprintf(error, SMCB_ERROR, "%s is not for root alone; remove it",
		 path);
	return -EINVAL;
}

int smcb_pins_lock(char ret_error[SMCB_ERROR])
{
	struct statfs fs;
	int fd, rc;

	if (statfs(BPF_FS, &fs) || (unsigned int)fs.f_type != BPF_FS_MAGIC) {
		snprintf(ret_error, SMCB_ERROR,
			 "no BPF file system at " BPF_FS
			 " (mount -t bpf bpf " BPF_FS ")");
		return -ENOENT;
	}
	fd = open(BPF_FS, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || flock(fd, LOCK_EX)) {
		snprintf(ret_error, SMCB_ERROR, BPF_FS ": %s", strerror(errno));
		return -errno;
	}
	rc = check_owner(DIR_PATH, ret_error);
	return rc ? rc : check_owner(NEW_PATH, ret_error);
}

/* Links go first: nothing is judged by half of what there was. */
static int remove_dir(const char *path)
{
	static const char *const links[] = {"choose_protocol", "choose_use",
					    "inherit_link"};
	const struct dirent *entry;
	DIR *dir = opendir(path);
	size_t i;

	if (!dir)
		return errno == ENOENT ? 0 : -errno;
	for (i = 0; i < ARRAY_SIZE(links); i++)
		(void)unlinkat(dirfd(dir), links[i], 0);
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			(void)unlinkat(dirfd(dir), entry->d_name, 0);
	closedir(dir);
	return rmdir(path) ? -errno : 0;
}

int smcb_pins_remove(void)
{
	int rc = remove_dir(NEW_PATH);

	return rc ? rc : remove_dir(DIR_PATH);
}

int smcb_pins_make(const struct smcb_table *table, bool is_mixed,
		   char ret_error[SMCB_ERROR])
{
	struct smcb_kernel *kernel = smcb_kernel_load(table, true, ret_error);
	int rc;

	if (!kernel)
		return -EINVAL;
	if (is_mixed && !smcb_kernel_has_choice(kernel))
		return -EXDEV;
	rc = remove_dir(NEW_PATH);
	if (!rc && mkdir(NEW_PATH, 0700))
		rc = -errno;
	if (rc) {
		snprintf(ret_error, SMCB_ERROR, NEW_PATH ": %s", strerror(-rc));
		return rc;
	}
	rc = smcb_kernel_attach(kernel, ret_error);
	if (!rc) {
		rc = smcb_kernel_pin(kernel, NEW_PATH);
		if (!rc && rename(NEW_PATH, DIR_PATH))
			rc = -errno;
		if (rc)
			snprintf(ret_error, SMCB_ERROR, BPF_FS ": %s",
				 strerror(-rc));
	}
	if (rc)
		(void)remove_dir(NEW_PATH);
	return rc;
}

int smcb_pins_open(struct smcb_pins *ret_pins)
{
	const struct {
		const char *path;
		int *fd;
	} maps[] = {
		{DIR_PATH "/config", &ret_pins->config},
		{DIR_PATH "/counts", &ret_pins->counts},
		{DIR_PATH "/rules", &ret_pins->rules},
		{DIR_PATH "/cgroups", &ret_pins->cgroups},
		{DIR_PATH "/netnses", &ret_pins->netnses},
		{DIR_PATH "/users", &ret_pins->users},
		{DIR_PATH "/programs", &ret_pins->programs},
		{DIR_PATH "/processes", &ret_pins->processes},
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(maps); i++) {
		*maps[i].fd = bpf_obj_get(maps[i].path);
		if (*maps[i].fd < 0)
			return -errno;
	}
	return 0;
}

static int get_config(const struct smcb_pins *pins, struct smcb_config *config)
{
	__u32 first = 0;

	return bpf_map_lookup_elem(pins->config, &first, config) ? -errno : 0;
}

static int set_config(const struct smcb_pins *pins,
		      const struct smcb_config *config)
{
	__u32 first = 0;

	return bpf_map_update_elem(pins->config, &first, config, BPF_ANY)
		       ? -errno
		       : 0;
}

int smcb_pins_has_choice(const struct smcb_pins *pins)
{
	struct smcb_config config;
	int rc = get_config(pins, &config);

	return rc ? rc : config.has_choice != 0;
}

int smcb_pins_set_rules(const struct smcb_pins *pins,
			const struct smcb_table *table)
{
	struct smcb_config config;
	__u32 i, first = 0;
	int fd, rc;

	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_MMAPABLE);

	fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "first_rules", sizeof(i),
			    sizeof(struct smcb_entry), SMCB_ENTRIES, &options);
	if (fd < 0)
		return -errno;
	for (i = 0; i < table->n; i++)
		if (bpf_map_update_elem(fd, &i, &table->entries[i], BPF_ANY))
			return -errno;
	/* Names are there before somebody asks for them. */
	rc = get_config(pins, &config);
	if (rc)
		return rc;
	config.needs_name |= table->needs_name;
	rc = set_config(pins, &config);
	if (rc)
		return rc;
	if (bpf_map_update_elem(pins->rules, &first, &fd, BPF_ANY))
		return -errno;
	close(fd);
	return 0;
}

/* Return: 0; -E2BIG if there is no room for one more level. */
static int add_level(struct smcb_config *config, unsigned int level)
{
	unsigned int i;

	for (i = 0; i < config->n_levels; i++)
		if (config->levels[i] == level)
			return 0;
	if (i == SMCB_LEVELS)
		return -E2BIG;
	config->levels[config->n_levels++] = level;
	return 0;
}

static int collect_cgroups(const struct smcb_pins *pins,
			   struct smcb_config *config)
{
	__u64 key, *at = NULL, last = 0;
	struct smcb_label label;
	struct stat st;
	int rc = 0;

	while (!rc && !bpf_map_get_next_key(pins->cgroups, at, &key)) {
		if (bpf_map_lookup_elem(pins->cgroups, &key, &label))
			break;
		if (stat(label.text, &st) || st.st_ino != key) {
			/* What follows what is gone is the first again. */
			if (bpf_map_delete_elem(pins->cgroups, &key))
				break;
			config->n_levels = 0;
			config->kinds &= ~(__u32)SMCB_CGROUP;
			at = NULL;
			continue;
		}
		config->kinds |= SMCB_CGROUP;
		rc = add_level(config, label.level);
		last = key;
		at = &last;
	}
	return rc;
}

static bool is_empty(int map)
{
	__u64 key[SMCB_WORDS];

	return bpf_map_get_next_key(map, NULL, key) != 0;
}

int smcb_pins_refresh(const struct smcb_pins *pins)
{
	struct smcb_config old, config = {0};
	int rc = get_config(pins, &old);

	if (rc)
		return rc;
	config.needs_name = old.needs_name;
	config.has_choice = old.has_choice;
	config.protocols = old.protocols;
	config.protocols6 = old.protocols6;
	rc = collect_cgroups(pins, &config);
	if (rc)
		return rc;
	if (!is_empty(pins->netnses))
		config.kinds |= SMCB_NETNS;
	if (!is_empty(pins->users))
		config.kinds |= SMCB_USER;
	if (!is_empty(pins->programs))
		config.kinds |= SMCB_PROGRAM;
	if (!access(LINK_INHERIT, F_OK))
		config.kinds |= SMCB_PROCESS;
	return set_config(pins, &config);
}

static int open_pidfd(pid_t pid)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0U);

	return fd < 0 ? -errno : fd;
}

/* From the first process on, those it makes have to be seen. */
static int start_inheriting(void)
{
	int program, link, rc = 0;

	if (!access(LINK_INHERIT, F_OK))
		return 0;
	program = bpf_obj_get(DIR_PATH "/inherit");
	if (program < 0)
		return -errno;
	link = bpf_raw_tracepoint_open(NULL, program);
	if (link < 0 || bpf_obj_pin(link, LINK_INHERIT))
		rc = -errno;
	if (link >= 0)
		close(link);
	close(program);
	return rc;
}

int smcb_pins_add_process(const struct smcb_pins *pins, pid_t pid)
{
	int fd, rc = start_inheriting();
	__u32 one = 1;

	if (rc)
		return rc;
	fd = open_pidfd(pid);
	if (fd < 0)
		return fd;
	if (bpf_map_update_elem(pins->processes, &fd, &one, BPF_ANY))
		rc = -errno;
	close(fd);
	return rc;
}

int smcb_pins_del_process(const struct smcb_pins *pins, pid_t pid)
{
	int fd = open_pidfd(pid), rc = 0;

	if (fd < 0)
		return fd;
	if (bpf_map_delete_elem(pins->processes, &fd))
		rc = -errno;
	close(fd);
	return rc;
}

bool smcb_pins_has_process(const struct smcb_pins *pins, pid_t pid)
{
	int fd = open_pidfd(pid);
	__u32 value;
	bool found;

	if (fd < 0)
		return false;
	found = !bpf_map_lookup_elem(pins->processes, &fd, &value);
	close(fd);
	return found;
}
