// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdatomic.h>

#include "carry.h"
#include "demote.h"
#include "sockopt_uapi.h"
#include "util.h"

/*
 * What the kernel could do when it was asked last.  The module may have been
 * changed since, so that no socket is taken for TCP because of this alone.
 */
enum level { UNKNOWN, OPTION, TRICK, NOTHING };
static atomic_int level;

static int set_int(const struct smcp_policy *policy, int fd, int at, int name,
		   int value)
{
	return smcp_result(
		policy->real.setsockopt(fd, at, name, &value, sizeof(value)));
}

static bool get_status(const struct smcp_policy *policy, int fd,
		       struct smc_status *ret_status)
{
	socklen_t size = sizeof(*ret_status);

	return !policy->real.getsockopt(fd, SOL_SMC, SMC_STATUS, ret_status,
					&size);
}

/* Never inlined, as its line is half of the stack that a hook may take. */
__attribute__((noinline)) static void say(const struct smcp_policy *policy,
					  enum smcp_log_level at,
					  const char *text, int number)
{
	struct smcp_line line;

	if (!smcp_log_wants(&policy->log, at))
		return;
	smcp_line_begin(&line);
	smcp_line_text(&line, text);
	if (number)
		smcp_line_int(&line, number);
	smcp_line_end(&line, &policy->log);
}

static enum smcp_kind kind_by_status(const struct smcp_policy *policy, int fd,
				     int *ret_use)
{
	struct smc_status status;

	if (!get_status(policy, fd, &status))
		return SMCP_NOT_SMC;
	atomic_store_explicit(&level, OPTION, memory_order_relaxed);
	*ret_use = status.use;
	return status.mode == SMC_MODE_UNDECIDED ? SMCP_BY_OPTION
						 : SMCP_NOT_SMC;
}

enum smcp_kind smcp_demote_kind(const struct smcp_policy *policy, int fd,
				int *ret_use)
{
	bool is_stock =
		atomic_load_explicit(&level, memory_order_relaxed) == TRICK;

	/* First what is probably the answer. */
	if (!is_stock && kind_by_status(policy, fd, ret_use) == SMCP_BY_OPTION)
		return SMCP_BY_OPTION;
	switch (smcp_real_get_int(&policy->real, fd, SO_PROTOCOL)) {
	case IPPROTO_SMC:
		return SMCP_BY_TRICK;
	case IPPROTO_TCP: /* of all sockets where there is SMC_STATUS */
		return is_stock ? kind_by_status(policy, fd, ret_use)
				: SMCP_NOT_SMC;
	case 0: /* the protocols of AF_SMC */
	case 1:
		return smcp_real_get_int(&policy->real, fd, SO_DOMAIN) == AF_SMC
			       ? SMCP_BY_TRICK
			       : SMCP_NOT_SMC;
	default:
		return SMCP_NOT_SMC;
	}
}

bool smcp_demote_is_known(void)
{
	return atomic_load_explicit(&level, memory_order_relaxed) != UNKNOWN;
}

bool smcp_demote_is_possible(void)
{
	int known = atomic_load_explicit(&level, memory_order_relaxed);

	return known == OPTION || known == TRICK;
}

/*
 * Only TCP has this option, so that SMC gives way to it.  Its value 0 is what
 * every socket has.
 */
static int do_trick(const struct smcp_policy *policy, int fd)
{
	int rc = set_int(policy, fd, IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, 0);

	if (rc)
		return rc;
	return smcp_real_get_int(&policy->real, fd, SO_PROTOCOL) == IPPROTO_TCP
		       ? 0
		       : -EOPNOTSUPP;
}

void smcp_demote_probe(const struct smcp_policy *policy, int fd)
{
	struct smc_status status;
	int found = OPTION, before, rc;

	if (!get_status(policy, fd, &status)) {
		rc = do_trick(policy, fd);
		/* Not what passes, as lack of memory does. */
		if (rc && rc != -EINVAL && rc != -ENOPROTOOPT &&
		    rc != -EOPNOTSUPP)
			return;
		found = rc ? NOTHING : TRICK;
	}
	before = atomic_exchange_explicit(&level, found, memory_order_relaxed);
	if (found == OPTION)
		say(policy, SMCP_LOG_DEBUG3, "SMC_USE makes a socket TCP", 0);
	else if (found == TRICK)
		say(policy, SMCP_LOG_DEBUG3,
		    "TCP_FASTOPEN_NO_COOKIE makes a socket TCP", 0);
	else if (before != NOTHING)
		say(policy, SMCP_LOG_WARN,
		    "this kernel cannot make an SMC socket TCP again: with "
		    "these rules all is TCP",
		    0);
}

bool smcp_demote_is_idle(const struct smcp_policy *policy, int fd)
{
	unsigned char state = 0; /* the first byte of struct tcp_info */
	socklen_t size = sizeof(state);

	return !policy->real.getsockopt(fd, IPPROTO_TCP, TCP_INFO, &state,
					&size) &&
	       state == TCP_CLOSE;
}

__attribute__((noinline)) static int
demote_by_trick(const struct smcp_policy *policy, int fd, int *ret_lost)
{
	struct smcp_carried carried;
	int rc;

	/* A later call may have succeeded. */
	if (smcp_real_get_int(&policy->real, fd, SO_NO_CHECK) == 1)
		return smcp_demote_is_idle(policy, fd) ? -ECONNABORTED
						       : -EINVAL;
	rc = smcp_carry_read(&policy->real, fd, &carried);
	if (rc)
		return rc;
	rc = do_trick(policy, fd);
	if (rc)
		return rc == -EINVAL ? rc : -EPERM;
	/* TCP has no use for it: a note for renew.c, that this was an SMC socket. */
	(void)set_int(policy, fd, SOL_SOCKET, SO_NO_CHECK, 1);
	return smcp_carry_write(&policy->real, fd, &carried, ret_lost);
}

int smcp_demote(const struct smcp_policy *policy, int fd, enum smcp_kind kind)
{
	int lost = 0, rc;

	if (kind == SMCP_BY_TRICK) {
		rc = demote_by_trick(policy, fd, &lost);
		if (lost)
			say(policy, SMCP_LOG_DEBUG3, "lost with SMC: sockopt ",
			    lost);
		return rc;
	}
	rc = set_int(policy, fd, SOL_SMC, SMC_USE, SMC_USE_TCP);
	return !rc || rc == -EINVAL ? rc : -EPERM;
}

void smcp_demote_note_failure(const struct smcp_policy *policy, int fd, int err)
{
	int use;

	/*
	 * After EINPROGRESS the kernel knows.  After EINTR it does not, and the
	 * connection may fail yet.
	 */
	if (err == EINPROGRESS || err == EISCONN || err == EBADF ||
	    err == ENOTSOCK || err == EFAULT)
		return;
	/* TCP has no use for that option. */
	if (smcp_demote_kind(policy, fd, &use) == SMCP_BY_TRICK)
		(void)set_int(policy, fd, SOL_SOCKET, SO_NO_CHECK, 1);
}
