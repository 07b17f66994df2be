// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

#include "init.h"
#include "util.h"

/* NULL until the first policy is complete. */
static _Atomic(const struct smcp_policy *) published;

/*
 * The process that is making a policy on this thread, or 0.  A flag would
 * still be up in the child if somebody below dlsym() forks, and there the
 * making may never be finished.
 *
 * The model keeps access free of calls into the dynamic linker.
 */
static __thread pid_t maker __attribute__((tls_model("initial-exec")));

/* The values that are wrong, with what was expected; at most all of them. */
struct warnings {
	size_t count;
	struct {
		const char *name;
		const char *value;
		const char *expected;
	} entry[3];
};

static void add_warning(struct warnings *warnings, const char *name,
			const char *value, const char *expected)
{
	warnings->entry[warnings->count].name = name;
	warnings->entry[warnings->count].value = value;
	warnings->entry[warnings->count].expected = expected;
	warnings->count++;
}

static void print_warnings(const struct warnings *warnings,
			   const struct smcp_log *log)
{
	struct smcp_line line;
	size_t i;

	if (!smcp_log_wants(log, SMCP_LOG_WARN))
		return;
	for (i = 0; i < warnings->count; i++) {
		smcp_line_begin(&line);
		smcp_line_text(&line, warnings->entry[i].name);
		smcp_line_text(&line, "='");
		smcp_line_text(&line, warnings->entry[i].value);
		smcp_line_text(&line, "' ignored (");
		smcp_line_text(&line, warnings->entry[i].expected);
		smcp_line_text(&line, ")");
		smcp_line_end(&line, log);
	}
}

static void read_size(const char *name, int *ret_bytes,
		      struct warnings *warnings)
{
	const char *value = getenv(name);

	if (value && smcp_conf_parse_size(value, ret_bytes))
		add_warning(warnings, name, value,
			    "decimal bytes, k or m may follow");
}

static void read_environment(struct smcp_conf *conf, struct warnings *warnings)
{
	const char *family = getenv("SMC_SOCK_FAMILY");

	read_size("SMC_SNDBUF", &conf->sndbuf, warnings);
	read_size("SMC_RCVBUF", &conf->rcvbuf, warnings);
	if (family && smcp_conf_parse_family(family, &conf->families))
		add_warning(warnings, "SMC_SOCK_FAMILY", family,
			    "inet, smc or auto");
}

static void make_policy(struct smcp_policy *ret_policy,
			struct warnings *warnings)
{
	/* Of a privileged program the environment is somebody else's. */
	bool secure = getauxval(AT_SECURE);

	smcp_real_resolve(&ret_policy->real);
	ret_policy->conf.families = SMCP_FAMILY_AUTO;
	ret_policy->conf.sndbuf = SMCP_SIZE_UNSET;
	ret_policy->conf.rcvbuf = SMCP_SIZE_UNSET;
	if (!secure)
		read_environment(&ret_policy->conf, warnings);
	smcp_log_open(&ret_policy->log,
		      secure ? SMCP_LOG_SILENT
			     : smcp_log_parse_level(getenv("SMC_DEBUG")));
}

/* Return: the policy that is published in the end, or NULL without memory. */
static const struct smcp_policy *publish_policy(void)
{
	const struct smcp_policy *winner = NULL;
	struct warnings warnings = {0};
	struct smcp_policy *policy;

	/* Whole pages, so that they can be made read-only. */
	policy = mmap(NULL, sizeof(*policy), PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (policy == MAP_FAILED)
		return NULL;
	make_policy(policy, &warnings);
	/* Protects against stray writes only: a failure changes nothing. */
	(void)mprotect(policy, sizeof(*policy), PROT_READ);
	if (!atomic_compare_exchange_strong_explicit(
		    &published, &winner, policy, memory_order_acq_rel,
		    memory_order_acquire)) {
		munmap(policy, sizeof(*policy));
		return winner;
	}
	print_warnings(&warnings, &policy->log);
	return policy;
}

static __attribute__((noinline)) const struct smcp_policy *
make_first_policy(void)
{
	static const struct smcp_policy bypass = {
		.real = SMCP_REAL_RAW,
	};
	const struct smcp_policy *policy = NULL;
	int saved_errno = errno;
	pid_t outer = maker;
	pid_t self = getpid();

	if (outer != self) {
		maker = self;
		policy = publish_policy();
		maker = outer;
	}
	errno = saved_errno;
	return policy ? policy : &bypass;
}

const struct smcp_policy *smcp_init_policy(void)
{
	const struct smcp_policy *policy;

	policy = atomic_load_explicit(&published, memory_order_acquire);
	return __builtin_expect(!!policy, 1) ? policy : make_first_policy();
}
