// SPDX-License-Identifier: MIT
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <paths.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "target.h"

/* What the kernel reads of a script's first line, and how deep it follows. */
#define SCRIPT_LINE 256
#define SCRIPT_DEPTH 5

/* Where the companions are in a build tree. */
#define TREE_DIR "preload/tools/"

/* The library is built with the same compiler as this program. */
#ifdef __GLIBC__
#define LIBRARY_IS_MUSL false
#else
#define LIBRARY_IS_MUSL true
#endif

const char *smcp_base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static bool read_at(int fd, uint64_t offset, void *buf, size_t len)
{
	return pread(fd, buf, len, (off_t)offset) == (ssize_t)len;
}

static bool is_executable(const char *path)
{
	struct stat st;

	return !stat(path, &st) && S_ISREG(st.st_mode) && !access(path, X_OK);
}

/* The file execvp() would find. */
bool smcp_target_find(const char *name, char ret_path[PATH_MAX])
{
	const char *dir = getenv("PATH");
	const char *end;
	int len;

	if (strchr(name, '/')) {
		len = snprintf(ret_path, PATH_MAX, "%s", name);
		return len < PATH_MAX && is_executable(ret_path);
	}
	if (!dir)
		dir = "/bin:/usr/bin";
	for (;; dir = end + 1) {
		end = strchrnul(dir, ':');
		len = snprintf(ret_path, PATH_MAX, "%.*s%s%s", (int)(end - dir),
			       dir, end > dir ? "/" : "", name);
		if (len < PATH_MAX && is_executable(ret_path))
			return true;
		if (!*end)
			return false;
	}
}

static bool elf_arch(int fd, struct smcp_arch *ret_arch)
{
	unsigned char head[offsetof(Elf64_Ehdr, e_version)];

	if (!read_at(fd, 0, head, sizeof(head)) ||
	    memcmp(head, ELFMAG, SELFMAG))
		return false;
	ret_arch->class = head[EI_CLASS];
	ret_arch->data = head[EI_DATA];
	memcpy(ret_arch->machine, head + offsetof(Elf64_Ehdr, e_machine),
	       sizeof(ret_arch->machine));
	return true;
}

static uint64_t load(bool big, const unsigned char *p, size_t len)
{
	uint64_t value = 0;

	for (size_t i = 0; i < len; i++)
		value = value << 8 | p[big ? i : len - 1 - i];
	return value;
}

/* A field of a header of either class and byte order. */
#define FIELD(arch, buf, type, member)                          \
	((arch)->class == ELFCLASS64                            \
		 ? load((arch)->data == ELFDATA2MSB,            \
			(buf) + offsetof(Elf64_##type, member), \
			sizeof(((Elf64_##type *)0)->member))    \
		 : load((arch)->data == ELFDATA2MSB,            \
			(buf) + offsetof(Elf32_##type, member), \
			sizeof(((Elf32_##type *)0)->member)))

/* Find the dynamic loader; the file may hold anything. */
static bool elf_loader(int fd, struct smcp_target *t)
{
	const struct smcp_arch *a = &t->arch;
	bool wide = a->class == ELFCLASS64;
	size_t entry = wide ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr);
	unsigned char ehdr[sizeof(Elf64_Ehdr)];
	unsigned char phdr[sizeof(Elf64_Phdr)];
	uint64_t type, num, at, len;

	if (!read_at(fd, 0, ehdr,
		     wide ? sizeof(Elf64_Ehdr) : sizeof(Elf32_Ehdr)))
		return false;
	type = FIELD(a, ehdr, Ehdr, e_type);
	num = FIELD(a, ehdr, Ehdr, e_phnum);
	at = FIELD(a, ehdr, Ehdr, e_phoff);
	if ((type != ET_EXEC && type != ET_DYN) || !num ||
	    FIELD(a, ehdr, Ehdr, e_phentsize) != entry)
		return false;
	for (; num; num--, at += entry) {
		if (!read_at(fd, at, phdr, entry))
			return false;
		if (FIELD(a, phdr, Phdr, p_type) != PT_INTERP)
			continue;
		len = FIELD(a, phdr, Phdr, p_filesz);
		if (len >= PATH_MAX ||
		    !read_at(fd, FIELD(a, phdr, Phdr, p_offset), t->loader,
			     len))
			return false;
		t->loader[len] = '\0';
		return true;
	}
	/* A loader started as a program loads preloads as well. */
	if (type == ET_DYN && !strncmp(smcp_base_name(t->path), "ld", 2) &&
	    strstr(smcp_base_name(t->path), ".so"))
		strcpy(t->loader, t->path);
	return true;
}

/* Of another user's ids nothing is known here; bits and attributes count then. */
static bool is_privileged(int fd, const struct stat *st, bool is_other_user)
{
	if (is_other_user)
		return st->st_mode & (S_ISUID | S_ISGID) ||
		       fgetxattr(fd, "security.capability", NULL, 0) > 0;
	if ((st->st_mode & S_ISUID) && st->st_uid != getuid())
		return true;
	if ((st->st_mode & S_ISGID) && (st->st_mode & S_IXGRP) &&
	    st->st_gid != getgid())
		return true;
	return getuid() && fgetxattr(fd, "security.capability", NULL, 0) > 0;
}

/* The program that will run the script which starts with line. */
static bool script_program(char *line, char ret_path[PATH_MAX])
{
	const char *program, *arg;
	char *next;

	if (strncmp(line, "#!", 2)) {
		strcpy(ret_path, _PATH_BSHELL); /* execvp() on ENOEXEC */
		return true;
	}
	line[strcspn(line, "\n")] = '\0';
	program = strtok_r(line + 2, " \t", &next);
	if (!program)
		return false;
	arg = strtok_r(NULL, " \t", &next);
	if (!strcmp(smcp_base_name(program), "env") && arg) {
		if (strtok_r(NULL, " \t", &next))
			return false;
		program = arg;
	}
	return smcp_target_find(program, ret_path);
}

/* Follow t->path to the ELF program behind it. */
void smcp_target_inspect(struct smcp_target *t)
{
	char line[SCRIPT_LINE];
	struct stat st;
	ssize_t len;
	int fd;

	for (int depth = 0; depth <= SCRIPT_DEPTH; depth++) {
		fd = open(t->path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			return;
		if (elf_arch(fd, &t->arch)) {
			if (!fstat(fd, &st) && elf_loader(fd, t)) {
				t->privileged = is_privileged(fd, &st,
							      t->is_other_user);
				t->known = true;
			}
			close(fd);
			return;
		}
		len = pread(fd, line, sizeof(line) - 1, 0);
		close(fd);
		if (len < 0)
			return;
		line[len] = '\0';
		if (!script_program(line, t->path))
			return;
	}
}

static int library_arch(const char *path, struct smcp_arch *ret_arch)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool is_elf;

	if (fd < 0)
		return -errno;
	is_elf = elf_arch(fd, ret_arch);
	close(fd);
	return is_elf ? 0 : -ENOEXEC;
}

/*
 * Returns 0 if the library at path is for the target, 1 if it is for others,
 * or -errno.
 */
static int check_library(const char *path, const struct smcp_target *t)
{
	struct smcp_arch arch;
	int err = library_arch(path, &arch);

	if (err)
		return err;
	return t->known && memcmp(&arch, &t->arch, sizeof(arch));
}

/*
 * SMC_LIBDIRS holds the directories of all word sizes, relative to that of
 * this program, so that an installation can be moved.  Same result as
 * check_library(), for the most useful one found.
 */
static int find_library(const char *self, const struct smcp_target *t,
			char ret_path[PATH_MAX])
{
	char path[PATH_MAX];
	const char *dir, *end;
	int result = -ENOENT;
	int one;

	for (dir = SMC_LIBDIRS; *dir; dir = end + (*end != '\0')) {
		end = strchrnul(dir, ':');
		if (snprintf(path, sizeof(path), "%.*s%.*s/%s",
			     (int)(smcp_base_name(self) - self), self,
			     (int)(end - dir), dir,
			     SMCP_LIBRARY_NAME) >= PATH_MAX)
			continue;
		one = check_library(path, t);
		if (one == -ENOENT || one == -ENOTDIR ||
		    (one && result != -ENOENT))
			continue;
		strcpy(ret_path, path);
		result = one;
		if (!one)
			break;
	}
	return result;
}

/* The loader looks by itself where the system has the libc of this kind. */
static bool is_system_dir(const char *dir, const char *library)
{
	struct smcp_arch arch, libc_arch;
	char libc[PATH_MAX];

	if (strncmp(dir, "/lib", 4) && strncmp(dir, "/usr/lib", 8))
		return false;
	return snprintf(libc, PATH_MAX, "%s/libc.so.6", dir) < PATH_MAX &&
	       !library_arch(libc, &libc_arch) &&
	       !library_arch(library, &arch) &&
	       !memcmp(&arch, &libc_arch, sizeof(arch));
}

/*
 * An installed library is named bare if the loader finds it, else in full.  The path
 * becomes one without links.
 */
static bool name_library(char path[PATH_MAX], char ret_name[PATH_MAX])
{
	char dir[PATH_MAX], real[PATH_MAX];
	bool is_system;

	snprintf(dir, sizeof(dir), "%.*s", (int)(smcp_base_name(path) - path),
		 path);
	if (!realpath(dir, real) ||
	    strlen(real) + sizeof("/" SMCP_LIBRARY_NAME) > PATH_MAX)
		return false;
	is_system = is_system_dir(real, path);
	strcpy(stpcpy(path, real), "/" SMCP_LIBRARY_NAME);
	strcpy(ret_name, is_system ? SMCP_LIBRARY_NAME : path);
	return true;
}

/* The library in the build tree of this program, if self is in one. */
static bool tree_library(const char *self, char ret_path[PATH_MAX])
{
	char dir[PATH_MAX];
	size_t len = (size_t)(smcp_base_name(self) - self);
	size_t tail = strlen(TREE_DIR);

	if (len < tail || strncmp(self + len - tail, TREE_DIR, tail))
		return false;
	len -= strlen("tools/");
	/* To ask for each part of the path costs a start. */
	if (*self == '/' && len + sizeof(SMCP_LIBRARY_NAME) <= PATH_MAX) {
		memcpy(ret_path, self, len);
		strcpy(ret_path + len, SMCP_LIBRARY_NAME);
		return true;
	}
	return snprintf(dir, sizeof(dir), "%.*s", (int)len, self) < PATH_MAX &&
	       realpath(dir, ret_path) &&
	       strlen(ret_path) + sizeof("/" SMCP_LIBRARY_NAME) <= PATH_MAX &&
	       strcat(ret_path, "/" SMCP_LIBRARY_NAME);
}

static bool is_found(struct smcp_reach *reach, enum smcp_obstacle obstacle,
		     const char *subject, const char *what)
{
	reach->obstacle = obstacle;
	snprintf(reach->text, sizeof(reach->text), "%s: %s", subject, what);
	return false;
}

/* Return: can the library be named in LD_PRELOAD? */
static bool reach_library(const char *self, const struct smcp_target *t,
			  struct smcp_reach *reach, bool *ret_is_other)
{
	int result;

	if (tree_library(self, reach->path)) {
		strcpy(reach->name, reach->path);
		result = check_library(reach->path, t);
	} else {
		strcpy(reach->path, SMCP_LIBRARY_NAME);
		result = find_library(self, t, reach->path);
		if (result >= 0 && !name_library(reach->path, reach->name))
			result = -ENAMETOOLONG;
	}
	if (result < 0)
		return is_found(reach, SMCP_NO_LIBRARY, reach->path,
				result == -ENOENT ? "not found"
						  : strerror(-result));
	if (strpbrk(reach->name, " :"))
		return is_found(
			reach, SMCP_NO_LIBRARY, reach->name,
			"a path with a blank or colon cannot be preloaded");
	*ret_is_other = result;
	return true;
}

bool smcp_target_reach(const char *self, const struct smcp_target *t,
		       struct smcp_reach *ret_reach)
{
	struct smcp_reach *reach = ret_reach;
	bool is_other, is_musl;
	struct stat st;

	/* Not all of it: each page that is touched costs a start. */
	reach->obstacle = SMCP_REACHABLE;
	*reach->text = *reach->path = *reach->name = '\0';
	if (!reach_library(self, t, reach, &is_other))
		return false;
	if (!t->known)
		return true;
	if (!*t->loader) {
		is_found(reach, SMCP_STATIC, t->path, "statically linked");
		return true;
	}
	is_musl = !strncmp(smcp_base_name(t->loader), "ld-musl-", 8);
	if (is_musl != LIBRARY_IS_MUSL)
		return is_found(
			reach, SMCP_OTHER_LIBC, t->path,
			"uses another C library than libsmc-preload.so");
	if (is_other)
		is_found(reach, SMCP_OTHER_ARCH, t->path,
			 t->arch.class == ELFCLASS32
				 ? "no libsmc-preload.so for its architecture "
				   "(32-bit)"
				 : "no libsmc-preload.so for its architecture "
				   "(64-bit)");
	else if (t->privileged &&
		 (strchr(reach->name, '/') || stat(reach->path, &st) ||
		  !(st.st_mode & S_ISUID)))
		is_found(reach, SMCP_PRIVILEGED, t->path,
			 "privileged, so it needs libsmc-preload.so with the "
			 "set-user-ID bit in a system directory");
	return true;
}
