// SPDX-License-Identifier: MIT
#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bpf_side.h"

#ifndef CAP_PERFMON
#define CAP_PERFMON 38
#define CAP_BPF 39
#endif

bool smcp_bpf_is_wanted(void)
{
	const char *value = getenv("SMC_RUN_BPF");

	return value && *value && *value != '0';
}

static bool is_permitted(void)
{
	struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
	unsigned int high = CAP_TO_MASK(CAP_BPF) | CAP_TO_MASK(CAP_PERFMON);

	if (syscall(SYS_capget, &head, data))
		return false;
	return data[CAP_TO_INDEX(CAP_SYS_ADMIN)].effective &
		       CAP_TO_MASK(CAP_SYS_ADMIN) ||
	       (data[CAP_TO_INDEX(CAP_BPF)].effective & high) == high;
}

bool smcp_bpf_would_be_for(const struct smcp_reach *reach)
{
	const char *value = getenv("SMC_RUN_BPF");

	return reach->obstacle && reach->obstacle != SMCP_NO_LIBRARY &&
	       !(value && *value == '0');
}

bool smcp_bpf_is_for(const struct smcp_reach *reach)
{
	return smcp_bpf_would_be_for(reach) && is_permitted();
}

int smcp_bpf_execute(char **argv, const char *obstacle)
{
	size_t dir = (size_t)(smcp_base_name(argv[0]) - argv[0]), n = 1, i;
	bool has_options = argv[1] && *argv[1] == '-';
	char **args, *path, *option;

	while (argv[n])
		n++;
	args = calloc(n + 3, sizeof(*args));
	if (!args ||
	    asprintf(&path, "%.*ssmc_run_bpf", (int)dir, argv[0]) < 0 ||
	    asprintf(&option, "--bpf%s%s", obstacle ? "-for=" : "",
		     obstacle ? obstacle : "") < 0)
		return -ENOMEM;
	args[0] = path;
	args[1] = option;
	n = 2;
	if (!has_options)
		args[n++] = "--";
	for (i = 1; argv[i]; i++)
		args[n++] = argv[i];
	execv(path, args);
	return -errno;
}
