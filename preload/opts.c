// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include "demote.h"
#include "opts.h"
#include "renew.h"
#include "sockopt_uapi.h"
#include "util.h"

static atomic_bool knows_af_smc;

static bool is_tcp_only(int name)
{
	switch (name) {
	case TCP_ULP:
	case TCP_FASTOPEN:
	case TCP_FASTOPEN_CONNECT:
	case TCP_FASTOPEN_KEY:
	case TCP_FASTOPEN_NO_COOKIE:
	case TCP_REPAIR:
	case TCP_MD5SIG:
	case TCP_MD5SIG_EXT:
	case TCP_AO_ADD_KEY:
		return true;
	default:
		return false;
	}
}

/* Options of SOL_SOCKET with values that SMC honours and others. */
static bool is_tcp_value(int name, const void *value, socklen_t size)
{
	struct linger linger;
	int number;

	switch (name) {
	case SO_ATTACH_FILTER:
	case SO_ATTACH_BPF:
	case SO_ATTACH_REUSEPORT_CBPF:
	case SO_ATTACH_REUSEPORT_EBPF:
		return true;
	case SO_LINGER:
		if (!value || size < sizeof(linger))
			return false;
		memcpy(&linger, value, sizeof(linger));
		/* The flag alone would be copied, and cut off what is sent. */
		return linger.l_onoff && linger.l_linger != 0;
	case SO_ZEROCOPY:
	case SO_PEEK_OFF:
	case SO_RCVLOWAT:
		break;
	default:
		return false;
	}
	if (!value || size < sizeof(number))
		return false;
	memcpy(&number, value, sizeof(number));
	return name == SO_PEEK_OFF   ? number >= 0
	       : name == SO_RCVLOWAT ? number > 1 || number < 0 /* INT_MAX */
				     : number != 0;
}

/* Of these numbers a stock kernel takes each for TCP's, whatever the level. */
static bool is_taken_for_fastopen(int level, int name)
{
	return level != SOL_SOCKET && level != SOL_SMC &&
	       (name == TCP_FASTOPEN || name == TCP_FASTOPEN_CONNECT ||
		name == TCP_FASTOPEN_KEY || name == TCP_FASTOPEN_NO_COOKIE);
}

/* Nobody can read it, so that listen() could not take it to a new socket. */
static bool is_lost_in_listen(int level, int name)
{
	if (level == SOL_SOCKET)
		return name == SO_ATTACH_FILTER || name == SO_ATTACH_BPF ||
		       name == SO_ATTACH_REUSEPORT_CBPF ||
		       name == SO_ATTACH_REUSEPORT_EBPF;
	return level == IPPROTO_TCP &&
	       (name == TCP_MD5SIG || name == TCP_MD5SIG_EXT ||
		name == TCP_AO_ADD_KEY || name == TCP_REPAIR ||
		name == TCP_FASTOPEN_KEY);
}

static int demote(const struct smcp_policy *policy, int fd)
{
	int rc = smcp_demote(policy, fd, SMCP_BY_TRICK);

	if (!rc && policy->summary)
		smcp_summary_add(&policy->summary->by_option);
	return rc;
}

int smcp_opts_before_set(const struct smcp_policy *policy, int fd, int level,
			 int name, const void *value, socklen_t size)
{
	bool is_fastopen = is_taken_for_fastopen(level, name);
	int use, reuse, rc;

	if (!is_fastopen && !(level == IPPROTO_TCP && is_tcp_only(name)) &&
	    !(level == SOL_SOCKET && is_tcp_value(name, value, size)))
		return 0;
	/* Where there is SMC_USE the kernel decides, and later. */
	if (smcp_demote_kind(policy, fd, &use) != SMCP_BY_TRICK)
		return 0;
	rc = demote(policy, fd);
	/* Too late: the kernel answers as it likes. */
	if (rc == -EINVAL || (rc == -ECONNABORTED && !is_fastopen))
		return 0;
	if (rc || !is_lost_in_listen(level, name))
		return rc;
	rc = smcp_renew(policy, fd, &reuse);
	smcp_renew_finish(policy, fd, reuse);
	return rc;
}

/* Options of SOL_IP that TCP takes as one byte, too. */
static bool is_byte_option(int name)
{
	switch (name) {
	case IP_TOS:
	case IP_TTL:
	case IP_PKTINFO:
	case IP_RECVOPTS:
	case IP_RETOPTS:
	case IP_RECVERR:
	case IP_RECVTTL:
	case IP_RECVTOS:
	case IP_RECVORIGDSTADDR:
	case IP_RECVFRAGSIZE:
	case IP_BIND_ADDRESS_NO_PORT:
	case IP_NODEFRAG:
	case IP_MTU_DISCOVER:
	case IP_FREEBIND:
	case IP_TRANSPARENT:
	case IP_MINTTL:
		return true;
	default:
		return false;
	}
}

int smcp_opts_after_set(const struct smcp_policy *policy, int fd, int level,
			int name, const void *value, socklen_t size, int err)
{
	bool is_short =
		err == EINVAL && value && size > 0 && size < sizeof(int);
	char congestion[16] = "";
	int number = 0, use;

	if (level == SOL_SMC && name == SMC_USE &&
	    (err == EOPNOTSUPP || err == ENOPROTOOPT) && value &&
	    size >= sizeof(number)) {
		memcpy(&number, value, sizeof(number));
		if (number != SMC_USE_TCP ||
		    smcp_demote_kind(policy, fd, &use) != SMCP_BY_TRICK)
			return -err;
		return demote(policy, fd);
	}
	if (!is_short || !(level == IPPROTO_TCP	 ? name == TCP_CONGESTION
			   : level == IPPROTO_IP ? is_byte_option(name)
						 : false))
		return -err;
	if (smcp_demote_kind(policy, fd, &use) != SMCP_BY_TRICK)
		return -err;
	if (level == IPPROTO_TCP) {
		memcpy(congestion, value, size);
		return smcp_result(policy->real.setsockopt(
			fd, level, name, congestion, sizeof(congestion)));
	}
	number = *(const unsigned char *)value;
	return smcp_result(policy->real.setsockopt(fd, level, name, &number,
						   sizeof(number)));
}

void smcp_opts_note_af_smc(void)
{
	atomic_store_explicit(&knows_af_smc, true, memory_order_relaxed);
}

void smcp_opts_after_get(const struct smcp_policy *policy, int fd, int level,
			 int name, void *value, const socklen_t *size)
{
	struct sockaddr_in6 addr;
	socklen_t length = sizeof(addr);
	int domain;

	if (level != SOL_SOCKET || name != SO_DOMAIN || *size < sizeof(domain))
		return;
	memcpy(&domain, value, sizeof(domain));
	if (domain != AF_SMC ||
	    atomic_load_explicit(&knows_af_smc, memory_order_relaxed) ||
	    policy->real.getsockname(fd, (struct sockaddr *)&addr, &length))
		return;
	domain = addr.sin6_family;
	memcpy(value, &domain, sizeof(domain));
}
