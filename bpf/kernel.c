// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "kernel.h"
#include "smc_run.skel.h"

#define HOOK "update_socket_protocol"

struct smcb_kernel {
	struct smc_run_bpf *skeleton;
	struct smcb_config config;
	const struct smcb_counts *counts;
	const struct smcb_entry *entries;
};

/* libbpf's own words are for who looks for a fault. */
static int print_debug(enum libbpf_print_level level, const char *format,
		       va_list args)
{
	const char *debug = getenv("SMC_DEBUG");

	if (level == LIBBPF_DEBUG || !debug || *debug == '0' || !*debug)
		return 0;
	return vdprintf(STDERR_FILENO, format, args);
}

__attribute__((format(printf, 2, 3))) static void say(char error[SMCB_ERROR],
						      const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(error, SMCB_ERROR, format, args);
	va_end(args);
}

/* Return: does the kernel have the function?  If not, that is said. */
static bool has_hook(char error[SMCB_ERROR])
{
	struct btf *btf = btf__load_vmlinux_btf();
	struct utsname name = {0};
	int id;

	(void)uname(&name);
	if (!btf) {
		say(error,
		    "kernel %s does not describe its types "
		    "(CONFIG_DEBUG_INFO_BTF)",
		    name.release);
		return false;
	}
	id = btf__find_by_name_kind(btf, HOOK, BTF_KIND_FUNC);
	btf__free(btf);
	if (id < 0)
		say(error,
		    "kernel %s has no hook for it: Linux 6.6 or later with "
		    "CONFIG_MPTCP is needed",
		    name.release);
	return id >= 0;
}

static void explain(int err, char error[SMCB_ERROR])
{
	switch (err) {
	case EPERM:
	case EACCES:
		say(error, "not permitted: it takes root, or CAP_BPF and "
			   "CAP_PERFMON");
		break;
	case EINVAL:
		say(error, "the kernel refuses the program: it takes "
			   "CONFIG_MPTCP (more with -d)");
		break;
	case E2BIG:
		say(error, "too many programs are at " HOOK "() already");
		break;
	case ENOENT:
		say(error, "the kernel does not tell where it has its "
			   "protocols (CONFIG_KALLSYMS_ALL)");
		break;
	default:
		say(error, "%s", strerror(err));
	}
}

static const void *map(const struct bpf_map *of, size_t size)
{
	long page = sysconf(_SC_PAGESIZE);
	void *memory;

	size = (size + (size_t)page - 1) & ~((size_t)page - 1);
	memory = mmap(NULL, size, PROT_READ, MAP_SHARED, bpf_map__fd(of), 0);
	return memory == MAP_FAILED ? NULL : memory;
}

static int write_table(int fd, const struct smcb_table *table)
{
	__u32 i;

	for (i = 0; i < table->n; i++)
		if (bpf_map_update_elem(fd, &i, &table->entries[i], BPF_ANY))
			return -errno;
	return 0;
}

static int write_config(struct smcb_kernel *kernel)
{
	__u32 first = 0;

	return bpf_map__update_elem(kernel->skeleton->maps.config, &first,
				    sizeof(first), &kernel->config,
				    sizeof(kernel->config), BPF_ANY);
}

/* Return: 0; -errno: not even of IPv4 it is known which protocols there are. */
static int find_protocols(struct smcb_kernel *kernel)
{
	int fd = bpf_program__fd(kernel->skeleton->progs.find_protocols);
	__u32 first = 0;
	int rc;

	LIBBPF_OPTS(bpf_test_run_opts, options);

	rc = bpf_prog_test_run_opts(fd, &options);
	if (!rc)
		rc = bpf_map__lookup_elem(kernel->skeleton->maps.config, &first,
					  sizeof(first), &kernel->config,
					  sizeof(kernel->config), 0);
	if (rc)
		return rc;
	return kernel->config.protocols ? 0 : -ENOENT;
}

/* Other modules do not have the tracepoint. */
static void attach_choice(struct smcb_kernel *kernel)
{
	struct smc_run_bpf *skeleton = kernel->skeleton;

	skeleton->links.choose_use = bpf_program__attach_raw_tracepoint(
		skeleton->progs.choose_use, "smc_inet_choose");
	kernel->config.has_choice = skeleton->links.choose_use != NULL;
}

static int fill(struct smcb_kernel *kernel, const struct smcb_table *table)
{
	struct smc_run_bpf *skeleton = kernel->skeleton;
	int rc;

	kernel->counts = map(skeleton->maps.counts, sizeof(*kernel->counts));
	kernel->entries = map(skeleton->maps.first_rules,
			      SMCB_ENTRIES * sizeof(*kernel->entries));
	if (!kernel->counts || !kernel->entries)
		return -errno;
	rc = write_table(bpf_map__fd(skeleton->maps.first_rules), table);
	kernel->config.needs_name = table->needs_name;
	return rc ? rc : write_config(kernel);
}

struct smcb_kernel *smcb_kernel_load(const struct smcb_table *table,
				     bool has_processes,
				     char ret_error[SMCB_ERROR])
{
	struct smcb_kernel *kernel = calloc(1, sizeof(*kernel));
	int rc;

	if (!kernel) {
		explain(ENOMEM, ret_error);
		return NULL;
	}
	libbpf_set_print(print_debug);
	kernel->skeleton = smc_run_bpf__open();
	rc = kernel->skeleton ? 0 : -errno;
	if (!rc)
		rc = bpf_program__set_autoload(kernel->skeleton->progs.inherit,
					       has_processes);
	if (!rc)
		rc = smc_run_bpf__load(kernel->skeleton);
	if (!rc)
		rc = find_protocols(kernel);
	if (!rc)
		attach_choice(kernel);
	if (!rc)
		rc = fill(kernel, table);
	if (!rc)
		return kernel;
	/* What else is missing does not matter then. */
	if (rc == -EPERM || rc == -EACCES || has_hook(ret_error))
		explain(-rc, ret_error);
	smc_run_bpf__destroy(kernel->skeleton);
	free(kernel);
	return NULL;
}

int smcb_kernel_set_cgroup(struct smcb_kernel *kernel,
			   const struct smcb_cgroup *cgroup)
{
	struct smcb_label label = {0};
	int rc;

	label.level = cgroup->level;
	memcpy(label.text, cgroup->path,
	       strnlen(cgroup->path, sizeof(label.text) - 1));
	rc = bpf_map__update_elem(kernel->skeleton->maps.cgroups, &cgroup->id,
				  sizeof(cgroup->id), &label, sizeof(label),
				  BPF_ANY);
	if (rc)
		return rc;
	kernel->config.levels[0] = cgroup->level;
	kernel->config.n_levels = 1;
	kernel->config.kinds = SMCB_CGROUP;
	return write_config(kernel);
}

int smcb_kernel_attach(struct smcb_kernel *kernel, char ret_error[SMCB_ERROR])
{
	struct smc_run_bpf *skeleton = kernel->skeleton;

	skeleton->links.choose_protocol =
		bpf_program__attach(skeleton->progs.choose_protocol);
	if (skeleton->links.choose_protocol)
		return 0;
	explain(errno, ret_error);
	return -errno;
}

int smcb_kernel_pin(const struct smcb_kernel *kernel, const char *dir)
{
	struct smc_run_bpf *skeleton = kernel->skeleton;
	char path[PATH_MAX];
	int rc;

	rc = bpf_object__pin_maps(skeleton->obj, dir);
	/* Not the first rules: they go when others come. */
	if (!rc)
		rc = bpf_map__unpin(skeleton->maps.first_rules, NULL);
	if (rc)
		return rc;
	snprintf(path, sizeof(path), "%s/inherit", dir);
	rc = bpf_program__pin(skeleton->progs.inherit, path);
	if (rc)
		return rc;
	snprintf(path, sizeof(path), "%s/choose_use", dir);
	if (kernel->config.has_choice) {
		rc = bpf_link__pin(skeleton->links.choose_use, path);
		if (rc)
			return rc;
	}
	snprintf(path, sizeof(path), "%s/choose_protocol", dir);
	return bpf_link__pin(skeleton->links.choose_protocol, path);
}

void smcb_kernel_links(const struct smcb_kernel *kernel, int ret_links[2])
{
	const struct smc_run_bpf *skeleton = kernel->skeleton;

	ret_links[0] = bpf_link__fd(skeleton->links.choose_protocol);
	ret_links[1] = kernel->config.has_choice
			       ? bpf_link__fd(skeleton->links.choose_use)
			       : -1;
}

bool smcb_kernel_has_choice(const struct smcb_kernel *kernel)
{
	return kernel->config.has_choice;
}

const struct smcb_counts *smcb_kernel_counts(const struct smcb_kernel *kernel)
{
	return kernel->counts;
}

const struct smcb_entry *smcb_kernel_entries(const struct smcb_kernel *kernel)
{
	return kernel->entries;
}
