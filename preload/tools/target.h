/* SPDX-License-Identifier: MIT */
#ifndef SMCP_TARGET_H
#define SMCP_TARGET_H

#include <limits.h>
#include <stdbool.h>

#define SMCP_LIBRARY_NAME "libsmc-preload.so"

/* Equal for a program and the libraries it can load. */
struct smcp_arch {
	unsigned char class;
	unsigned char data;
	unsigned char machine[2];
};

/* A program that is to use the library */
struct smcp_target {
	char path[PATH_MAX];
	bool is_other_user; /* will execute it, than that of this process */
	bool known; /* path is an ELF program, all below is valid */
	struct smcp_arch arch;
	char loader[PATH_MAX]; /* empty if statically linked */
	bool privileged; /* the loader will be in secure mode */
};

/* What keeps the library from a program */
enum smcp_obstacle {
	SMCP_REACHABLE,
	SMCP_NO_LIBRARY, /* it is not there or cannot be preloaded at all */
	SMCP_STATIC,
	SMCP_OTHER_LIBC,
	SMCP_OTHER_ARCH,
	SMCP_PRIVILEGED,
	SMCP_GO, /* told by smcp_elf_info_reach() alone */
};

struct smcp_reach {
	enum smcp_obstacle obstacle;
	char text[PATH_MAX + 128]; /* "SUBJECT: WHAT"; empty if reachable */
	char path[PATH_MAX]; /* of the library, if there is one */
	char name[PATH_MAX]; /* by which the loader is to be told */
};

/* smcp_base_name() - the part of a path behind its last slash */
const char *smcp_base_name(const char *path);

/*
 * smcp_target_find() - the file that execvp() would take
 * @name: of a command
 * @ret_path: its path
 *
 * Return: is there one?
 */
bool smcp_target_find(const char *name, char ret_path[PATH_MAX]);

/*
 * smcp_target_inspect() - follow a path to the ELF program behind it
 * @target: .path is that of a script or program, and the program's then;
 *	.is_other_user is set; the rest was zeroed, and is filled in
 *
 * The file may hold anything.  What cannot be read is not known.
 */
void smcp_target_inspect(struct smcp_target *target);

/*
 * smcp_target_reach() - what stands between the library and a program?
 * @self: the path of the running companion, from which the library is found
 * @target: the program; if it is not known, only the library is looked for
 * @ret_reach: the answer
 *
 * A target the library cannot reach may still have children it can.
 *
 * Return: may the library be named in LD_PRELOAD?  If not, the loader would only
 * complain, or die.
 */
bool smcp_target_reach(const char *self, const struct smcp_target *target,
		       struct smcp_reach *ret_reach);

#endif
