/* SPDX-License-Identifier: MIT */
#ifndef SMCP_ELF_INFO_H
#define SMCP_ELF_INFO_H

#include <stdbool.h>

#include "target.h"

/* What the sections of a program tell of how it makes its sockets */
struct smcp_elf_info {
	bool is_go; /* it makes system calls itself */
	bool has_liburing;
};

/*
 * smcp_elf_info_read() - read the sections of a program
 * @path: the file, which may hold anything
 * @ret_info: all false if it cannot be read or has no sections
 */
void smcp_elf_info_read(const char *path, struct smcp_elf_info *ret_info);

/*
 * smcp_elf_info_reach() - smcp_target_reach(), that knows Go programs, too
 * @info: of the target
 *
 * All of Go's sockets are made without libc, also in programs that use it.
 */
bool smcp_elf_info_reach(const struct smcp_elf_info *info, const char *self,
			 const struct smcp_target *target,
			 struct smcp_reach *ret_reach);

#endif
