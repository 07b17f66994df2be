// SPDX-License-Identifier: MIT
/* Two calls of the kernel's are no reason for a library. */
#include <linux/bpf.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../../bpf/scope.h"
#include "bpf_counts.h"

#define PINNED "/sys/fs/bpf/smc_run/counts"

bool smcp_bpf_counts_read(struct smcp_bpf_counts *ret_counts)
{
	struct smcb_counts counts;
	union bpf_attr attr;
	uint32_t first = 0;
	int fd, rc;

	memset(&attr, 0, sizeof(attr));
	attr.pathname = (uintptr_t)PINNED;
	fd = (int)syscall(SYS_bpf, BPF_OBJ_GET, &attr, sizeof(attr));
	if (fd < 0)
		return false;
	memset(&attr, 0, sizeof(attr));
	attr.map_fd = (uint32_t)fd;
	attr.key = (uintptr_t)&first;
	attr.value = (uintptr_t)&counts;
	rc = (int)syscall(SYS_bpf, BPF_MAP_LOOKUP_ELEM, &attr, sizeof(attr));
	close(fd);
	if (rc)
		return false;
	if (counts.late > counts.smc)
		counts.late = counts.smc;
	*ret_counts = (struct smcp_bpf_counts){
		.sockets = counts.sockets,
		.smc = counts.smc - counts.late,
		.mixed = counts.mixed,
		.absent = counts.absent,
	};
	/* The kernel goes on counting while these are read. */
	if (counts.sockets > counts.smc + counts.mixed + counts.absent)
		ret_counts->by_rules = counts.sockets - counts.smc -
				       counts.mixed - counts.absent;
	ret_counts->by_rules += counts.late;
	return true;
}
