// SPDX-License-Identifier: MIT
#include <errno.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "demote.h"
#include "smc_uapi.h"
#include "sock.h"
#include "util.h"

/* Protocols of AF_SMC. */
#define SMCPROTO_SMC 0
#define SMCPROTO_SMC6 1

#define ABSENT_SECONDS 10

/* The ways to ask, in the order they are tried. */
static const struct member {
	enum smcp_family family;
	int domain; /* 0: the one the program named */
	int protocol[2]; /* for AF_INET, AF_INET6 */
	const char *name;
} members[] = {
	{SMCP_FAMILY_INET, 0, {IPPROTO_SMC, IPPROTO_SMC}, "IPPROTO_SMC"},
	{SMCP_FAMILY_SMC, AF_SMC, {SMCPROTO_SMC, SMCPROTO_SMC6}, "AF_SMC"},
};

/*
 * The second at which to ask again, per member and for AF_INET and AF_INET6:
 * a kernel without IPv6 must not spoil SMC for IPv4.
 */
static atomic_uint absent_until[ARRAY_SIZE(members)][2];

/* Why the last try failed, for the summary */
static atomic_int last_error[ARRAY_SIZE(members)][2];

/*
 * Further bits of the type, which some kernel may know, are left alone: to
 * refuse them with EINVAL would look like a kernel without SMC.
 */
static bool is_tcp(int domain, int type, int protocol)
{
	return (domain == AF_INET || domain == AF_INET6) &&
	       (type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC)) == SOCK_STREAM &&
	       (protocol == 0 || protocol == IPPROTO_TCP);
}

/* Errors that say something about the family, and not about this moment. */
static bool means_absent(int err)
{
	switch (err) {
	case EPROTONOSUPPORT:
	case EAFNOSUPPORT:
	case ESOCKTNOSUPPORT:
	case EINVAL: /* protocols above 255, before 5.6 */
	case EPERM: /* seccomp, security modules */
	case EACCES:
		return true;
	default:
		return false;
	}
}

static void set_size(const struct smcp_policy *policy, int fd, int force,
		     int name, int bytes)
{
	const struct smcp_real *real = &policy->real;
	struct smcp_line line;

	if (bytes == SMCP_SIZE_UNSET)
		return;
	/* Above the limit of the system if allowed, else up to it. */
	if (real->setsockopt(fd, SOL_SOCKET, force, &bytes, sizeof(bytes)) &&
	    real->setsockopt(fd, SOL_SOCKET, name, &bytes, sizeof(bytes)))
		return;
	if (!smcp_log_wants(&policy->log, SMCP_LOG_DEBUG1))
		return;
	smcp_line_begin(&line);
	smcp_line_text(&line, "sockopt ");
	smcp_line_int(&line, name);
	smcp_line_text(&line, " set to ");
	smcp_line_int(&line, bytes);
	smcp_line_end(&line, &policy->log);
}

static void log_success(const struct smcp_log *log, const char *name)
{
	struct smcp_line line;

	if (!smcp_log_wants(log, SMCP_LOG_DEBUG1))
		return;
	smcp_line_begin(&line);
	smcp_line_text(&line, "map sock to ");
	smcp_line_text(&line, name);
	smcp_line_end(&line, log);
}

static void log_failure(const struct smcp_log *log, const char *name, int err)
{
	struct smcp_line line;

	if (!smcp_log_wants(log, SMCP_LOG_DEBUG3))
		return;
	smcp_line_begin(&line);
	smcp_line_text(&line, "no ");
	smcp_line_text(&line, name);
	smcp_line_text(&line, ", errno ");
	smcp_line_int(&line, err);
	smcp_line_end(&line, log);
}

/* Return: a descriptor of an SMC socket, or -errno. */
static int open_member(const struct smcp_policy *policy, size_t i, int domain,
		       int type)
{
	const struct member *member = &members[i];
	const struct smcp_real *real = &policy->real;
	int is_v6 = domain == AF_INET6;
	int fd;

	if (member->domain)
		domain = member->domain;
	fd = smcp_result(real->socket(domain, type, member->protocol[is_v6]));
	if (fd < 0) {
		log_failure(&policy->log, member->name, -fd);
		/* Now, because the kernel may have looked for a module. */
		if (means_absent(-fd))
			atomic_store_explicit(&absent_until[i][is_v6],
					      real->seconds() + ABSENT_SECONDS,
					      memory_order_relaxed);
	}
	return fd;
}

/*
 * What rules may want as TCP in the end is SMC only where the kernel can take
 * that back, which a socket that nobody needs is asked for.
 *
 * Return: 0 if a socket may be SMC; or -errno.
 */
static int check_mixed(const struct smcp_policy *policy, size_t i, int domain)
{
	int fd;

	if (smcp_rules_scope(policy->rules, domain) != SMCP_MIXED)
		return 0;
	if (!smcp_demote_is_known()) {
		fd = open_member(policy, i, domain, SOCK_STREAM | SOCK_CLOEXEC);
		if (fd < 0)
			return fd;
		smcp_demote_probe(policy, fd);
		(void)policy->real.close(fd);
	}
	return smcp_demote_is_possible() ? 0 : -EOPNOTSUPP;
}

/* Return: a descriptor ready for use, or -errno. */
static int try_member(const struct smcp_policy *policy, size_t i, int domain,
		      int type)
{
	int fd = check_mixed(policy, i, domain);

	if (!fd)
		fd = open_member(policy, i, domain, type);
	if (fd < 0) {
		atomic_store_explicit(&last_error[i][domain == AF_INET6], -fd,
				      memory_order_relaxed);
		return fd;
	}
	log_success(&policy->log, members[i].name);
	set_size(policy, fd, SO_SNDBUFFORCE, SO_SNDBUF, policy->conf.sndbuf);
	set_size(policy, fd, SO_RCVBUFFORCE, SO_RCVBUF, policy->conf.rcvbuf);
	return fd;
}

static bool is_due(const struct smcp_policy *policy, size_t i, bool is_v6,
		   unsigned int now)
{
	return (policy->conf.families & members[i].family) &&
	       now >= atomic_load_explicit(&absent_until[i][is_v6],
					   memory_order_relaxed);
}

bool smcp_sock_is_ours(const struct smcp_policy *policy, int domain, int type,
		       int protocol)
{
	unsigned int now;
	size_t i;

	if (!is_tcp(domain, type, protocol) || !policy->rules ||
	    smcp_rules_scope(policy->rules, domain) == SMCP_ALL_TCP)
		return false;
	now = policy->real.seconds();
	for (i = 0; i < ARRAY_SIZE(members); i++)
		if (is_due(policy, i, domain == AF_INET6, now))
			return true;
	return false;
}

int smcp_sock_open(const struct smcp_policy *policy, int domain, int type,
		   int protocol)
{
	const struct smcp_real *real = &policy->real;
	unsigned int now = real->seconds();
	size_t i;
	int fd;

	for (i = 0; i < ARRAY_SIZE(members); i++) {
		if (!is_due(policy, i, domain == AF_INET6, now))
			continue;
		fd = try_member(policy, i, domain, type);
		if (fd >= 0 && policy->summary)
			smcp_summary_add(&policy->summary->sockets);
		if (fd >= 0 || fd == -EMFILE || fd == -ENFILE)
			return fd;
	}
	fd = smcp_result(real->socket(domain, type, protocol));
	if (fd >= 0 && policy->summary)
		smcp_sock_count(policy, domain, type, protocol);
	return fd;
}

static bool is_smc(int domain, int type, int protocol)
{
	return (type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC)) == SOCK_STREAM &&
	       (domain == AF_SMC ||
		((domain == AF_INET || domain == AF_INET6) &&
		 protocol == IPPROTO_SMC));
}

/*
 * Where all is TCP no rule is asked, since the peer does not matter.  The one for
 * an address that nobody has is mostly the one that leaves no choice.
 */
static int rule_for_all(const struct smcp_policy *policy, int domain)
{
	bool is_ipv4 = domain == AF_INET;
	const struct smcp_query query = {
		.role = SMCP_CONNECT,
		.remote = {.hi = is_ipv4 ? 0 : UINT64_MAX,
			   .lo = is_ipv4 ? UINT32_MAX : UINT64_MAX,
			   .is_ipv4 = is_ipv4},
	};

	return smcp_rules_verdict(policy->rules, &query).rule;
}

void smcp_sock_count(const struct smcp_policy *policy, int domain, int type,
		     int protocol)
{
	struct smcp_summary *summary = policy->summary;
	size_t i;
	int err;

	if (is_smc(domain, type, protocol)) {
		smcp_summary_add(&summary->sockets);
		return;
	}
	if (!is_tcp(domain, type, protocol))
		return;
	smcp_summary_add(&summary->sockets);
	if (smcp_rules_scope(policy->rules, domain) == SMCP_ALL_TCP) {
		smcp_summary_rule(
			summary, smcp_policy_place(
					 policy, rule_for_all(policy, domain)));
		return;
	}
	for (i = 0; i < ARRAY_SIZE(members); i++) {
		err = atomic_load_explicit(&last_error[i][domain == AF_INET6],
					   memory_order_relaxed);
		if (err && (policy->conf.families & members[i].family)) {
			smcp_summary_absent(summary, err);
			return;
		}
	}
}
