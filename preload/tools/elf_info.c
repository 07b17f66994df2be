// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <gelf.h>
#include <libelf.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "elf_info.h"

static void read_needed(struct smcp_elf_info *info, Elf *file, Elf_Scn *section,
			const GElf_Shdr *header)
{
	Elf_Data *data = elf_getdata(section, NULL);
	const char *name;
	GElf_Dyn dyn;
	size_t i;

	if (!data || !header->sh_entsize)
		return;
	for (i = 0; i < header->sh_size / header->sh_entsize; i++) {
		if (!gelf_getdyn(data, (int)i, &dyn) || dyn.d_tag != DT_NEEDED)
			continue;
		name = elf_strptr(file, header->sh_link, dyn.d_un.d_val);
		if (name && !strncmp(name, "liburing", 8))
			info->has_liburing = true;
	}
}

static void read_section(struct smcp_elf_info *info, Elf *file,
			 Elf_Scn *section, size_t names)
{
	GElf_Shdr header;
	const char *name;

	if (!gelf_getshdr(section, &header))
		return;
	name = elf_strptr(file, names, header.sh_name);
	if (name && (!strcmp(name, ".note.go.buildid") ||
		     !strcmp(name, ".go.buildinfo")))
		info->is_go = true;
	if (header.sh_type == SHT_DYNAMIC)
		read_needed(info, file, section, &header);
}

void smcp_elf_info_read(const char *path, struct smcp_elf_info *ret_info)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	Elf_Scn *section = NULL;
	size_t names;
	Elf *file;

	*ret_info = (struct smcp_elf_info){0};
	if (fd < 0)
		return;
	elf_version(EV_CURRENT);
	file = elf_begin(fd, ELF_C_READ, NULL);
	if (file && !elf_getshdrstrndx(file, &names))
		while ((section = elf_nextscn(file, section)))
			read_section(ret_info, file, section, names);
	elf_end(file);
	close(fd);
}

bool smcp_elf_info_reach(const struct smcp_elf_info *info, const char *self,
			 const struct smcp_target *target,
			 struct smcp_reach *ret_reach)
{
	bool is_usable = smcp_target_reach(self, target, ret_reach);

	if (info->is_go && ret_reach->obstacle != SMCP_NO_LIBRARY) {
		ret_reach->obstacle = SMCP_GO;
		snprintf(ret_reach->text, sizeof(ret_reach->text),
			 "%s: a Go program, which makes system calls itself",
			 target->path);
	}
	return is_usable;
}
