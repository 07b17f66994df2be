// SPDX-License-Identifier: MIT
/* With it the address of connect() is a union of pointers. */
#undef _GNU_SOURCE
#include <errno.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "decide.h"
#include "demote.h"
#include "init.h"
#include "opts.h"
#include "renew.h"
#include "sock.h"
#include "util.h"

#define EXPORT __attribute__((visibility("default")))

__attribute__((noinline)) static int
count_socket(const struct smcp_policy *policy, int domain, int type,
	     int protocol)
{
	int fd = policy->real.socket(domain, type, protocol);

	if (fd >= 0)
		smcp_sock_count(policy, domain, type, protocol);
	return fd;
}

/*
 * What is not ours is a tail call: libc's own result and errno.  Otherwise
 * success leaves errno as it was, whatever was tried on the way.
 */
EXPORT int socket(int domain, int type, int protocol)
{
	const struct smcp_policy *policy = smcp_init_policy();
	int saved_errno;
	int fd;

	if (!smcp_sock_is_ours(policy, domain, type, protocol)) {
		if (domain == AF_SMC)
			smcp_opts_note_af_smc();
		if (policy->summary)
			return count_socket(policy, domain, type, protocol);
		return policy->real.socket(domain, type, protocol);
	}
	saved_errno = errno;
	fd = smcp_sock_open(policy, domain, type, protocol);
	if (fd < 0) {
		errno = -fd;
		return -1;
	}
	errno = saved_errno;
	return fd;
}

/* Return: @result of a libc call that was about TCP, its failure noted. */
static int finish(const struct smcp_policy *policy, int fd, bool is_tcp,
		  int result)
{
	int saved_errno = errno;

	if (result && is_tcp) {
		smcp_demote_note_failure(policy, fd, saved_errno);
		errno = saved_errno;
	}
	return result;
}

EXPORT int connect(int fd, const struct sockaddr *addr, socklen_t size)
{
	const struct smcp_policy *policy = smcp_init_policy();
	int saved_errno = errno;
	bool is_inet;
	int rc;

	if (!policy->rules)
		return policy->real.connect(fd, addr, size);
	rc = smcp_decide_connect(policy, fd, addr, size);
	if (rc) {
		errno = -rc;
		return -1;
	}
	errno = saved_errno;
	/* Others the kernel refuses at once; a short one not before the damage. */
	is_inet = addr && size >= sizeof(addr->sa_family) &&
		  (addr->sa_family == AF_INET || addr->sa_family == AF_INET6);
	return finish(policy, fd, is_inet,
		      policy->real.connect(fd, addr, size));
}

/* Return: 0, @ret_reuse set if the socket is a new one; or -errno. */
static int prepare_listen(const struct smcp_policy *policy, int fd,
			  int *ret_reuse)
{
	int rc = smcp_decide_listen(policy, fd);

	*ret_reuse = -1;
	if (rc || !smcp_renew_is_needed(policy, fd))
		return rc;
	return smcp_renew(policy, fd, ret_reuse);
}

EXPORT int listen(int fd, int backlog)
{
	const struct smcp_policy *policy = smcp_init_policy();
	int saved_errno = errno;
	int reuse, rc;

	if (!policy->rules)
		return policy->real.listen(fd, backlog);
	rc = prepare_listen(policy, fd, &reuse);
	if (rc) {
		errno = -rc;
		return -1;
	}
	errno = saved_errno;
	rc = finish(policy, fd, true, policy->real.listen(fd, backlog));
	saved_errno = errno;
	smcp_renew_finish(policy, fd, reuse);
	errno = saved_errno;
	return rc;
}

EXPORT int setsockopt(int fd, int level, int name, const void *value,
		      socklen_t size)
{
	const struct smcp_policy *policy = smcp_init_policy();
	int saved_errno = errno;
	int rc;

	if (!policy->rules)
		return policy->real.setsockopt(fd, level, name, value, size);
	rc = smcp_opts_before_set(policy, fd, level, name, value, size);
	if (!rc) {
		rc = smcp_result(
			policy->real.setsockopt(fd, level, name, value, size));
		if (rc < 0)
			rc = smcp_opts_after_set(policy, fd, level, name, value,
						 size, -rc);
	}
	errno = rc < 0 ? -rc : saved_errno;
	return rc < 0 ? -1 : rc;
}

EXPORT int getsockopt(int fd, int level, int name, void *value, socklen_t *size)
{
	const struct smcp_policy *policy = smcp_init_policy();
	int saved_errno = errno;
	int rc;

	rc = policy->real.getsockopt(fd, level, name, value, size);
	if (rc || !policy->rules)
		return rc;
	smcp_opts_after_get(policy, fd, level, name, value, size);
	errno = saved_errno;
	return 0;
}

#if defined(__GLIBC__) && __TIMESIZE == 32
/* What programs with a time of 64 bits call; in libc they are the same as well. */
EXPORT extern int __setsockopt64(int fd, int level, int name, const void *value,
				 socklen_t size) __THROW
	__attribute__((alias("setsockopt")));
EXPORT extern int __getsockopt64(int fd, int level, int name, void *value,
				 socklen_t *size) __THROW
	__attribute__((alias("getsockopt")));
#endif

__attribute__((constructor)) static void load(void)
{
	(void)smcp_init_policy();
}
