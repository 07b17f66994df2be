// SPDX-License-Identifier: MIT
#include <errno.h>

#include "decide.h"
#include "demote.h"
#include "sockopt_uapi.h"
#include "util.h"

static const char *const verdicts[] = {"tcp", "smc", "require"};

/* Never inlined, as its line is half of the stack that a hook may take. */
__attribute__((noinline)) static void
log_verdict(const struct smcp_policy *policy, const struct smcp_query *query,
	    const struct smcp_answer *answer, int rc)
{
	bool is_connect = query->role == SMCP_CONNECT;
	struct smcp_line line;

	smcp_line_begin(&line);
	smcp_line_text(&line, is_connect ? "connect " : "listen ");
	smcp_line_endpoint(&line, is_connect ? &query->remote : &query->local,
			   is_connect ? query->remote_port : query->local_port);
	smcp_line_text(&line, " -> ");
	smcp_line_text(&line, verdicts[answer->verdict]);
	smcp_line_text(&line, " (");
	smcp_line_text(&line, smcp_policy_place(policy, answer->rule));
	smcp_line_text(&line, ")");
	if (rc) {
		smcp_line_text(&line, ", errno ");
		smcp_line_int(&line, -rc);
	}
	smcp_line_end(&line, &policy->log);
}

/* Is it a TCP socket that is neither connected, connecting nor listening? */
static bool is_idle_tcp(const struct smcp_policy *policy, int fd)
{
	return smcp_real_get_int(&policy->real, fd, SO_PROTOCOL) ==
		       IPPROTO_TCP &&
	       smcp_demote_is_idle(policy, fd);
}

static int obey(const struct smcp_policy *policy, int fd,
		struct smcp_answer *answer)
{
	int use = SMC_USE_UNSET;
	enum smcp_kind kind;
	int rc;

	if (answer->verdict == SMCP_SMC)
		return 0;
	kind = smcp_demote_kind(policy, fd, &use);
	if (answer->verdict == SMCP_REQUIRE)
		return kind == SMCP_NOT_SMC && is_idle_tcp(policy, fd)
			       ? -EPROTONOSUPPORT
			       : 0;
	if (kind == SMCP_NOT_SMC)
		return 0;
	/* The program's own wish is above the default, below any rule. */
	if (answer->rule < 0 && !policy->is_bad && use == SMC_USE_SMC) {
		answer->verdict = SMCP_SMC;
		return 0;
	}
	rc = smcp_demote(policy, fd, kind);
	if (!rc && policy->summary)
		smcp_summary_rule(policy->summary,
				  smcp_policy_place(policy, answer->rule));
	/* Too late: the kernel has the answer to such a call. */
	return rc == -EINVAL ? 0 : rc;
}

static int decide(const struct smcp_policy *policy, int fd, int family,
		  const struct smcp_query *query)
{
	/* Of UDP there is nothing to tell. */
	bool is_logged =
		smcp_log_wants(&policy->log, SMCP_LOG_DEBUG2) &&
		smcp_real_get_int(&policy->real, fd, SO_TYPE) == SOCK_STREAM;
	struct smcp_answer answer;
	int rc;

	if (!is_logged &&
	    smcp_rules_scope(policy->rules, family) == SMCP_ALL_SMC)
		return 0;
	answer = smcp_rules_verdict(policy->rules, query);
	rc = obey(policy, fd, &answer);
	if (rc && policy->summary)
		smcp_summary_add(rc == -EPROTONOSUPPORT
					 ? &policy->summary->required
					 : &policy->summary->refused);
	if (is_logged)
		log_verdict(policy, query, &answer, rc);
	return rc;
}

/* Return: the family of a socket's address; 0 if it is none of IP; -errno. */
static int get_local(const struct smcp_policy *policy, int fd,
		     struct smcp_query *query)
{
	struct sockaddr_in6 addr; /* the larger one of those that count */
	struct sockaddr *sa = (struct sockaddr *)&addr;
	socklen_t size = sizeof(addr);
	int rc = smcp_result(policy->real.getsockname(fd, sa, &size));

	if (rc)
		return rc;
	if (size > sizeof(addr))
		size = sizeof(addr);
	if (smcp_addr_from_sockaddr(sa, size, &query->local,
				    &query->local_port))
		return 0;
	query->has_local = true;
	return sa->sa_family;
}

int smcp_decide_connect(const struct smcp_policy *policy, int fd,
			const struct sockaddr *addr, socklen_t size)
{
	struct smcp_query query = {.role = SMCP_CONNECT};

	if (!addr || smcp_addr_from_sockaddr(addr, size, &query.remote,
					     &query.remote_port))
		return 0;
	if (smcp_rules_needs_local(policy->rules) ||
	    smcp_addr_is_any(&query.remote))
		(void)get_local(policy, fd, &query);
	return decide(policy, fd, addr->sa_family, &query);
}

int smcp_decide_listen(const struct smcp_policy *policy, int fd)
{
	struct smcp_query query = {.role = SMCP_LISTEN};
	int family;

	/* Most programs have no rules: not even the address is asked for. */
	if (!smcp_log_wants(&policy->log, SMCP_LOG_DEBUG2) &&
	    smcp_rules_scope(policy->rules, AF_INET) == SMCP_ALL_SMC &&
	    smcp_rules_scope(policy->rules, AF_INET6) == SMCP_ALL_SMC)
		return 0;
	family = get_local(policy, fd, &query);
	if (!family || family == -EBADF || family == -ENOTSOCK)
		return 0;
	/* Where asking is forbidden the address is one that is not known. */
	return decide(policy, fd, family < 0 ? AF_INET6 : family, &query);
}
