// SPDX-License-Identifier: MIT
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "addr.h"

static struct smcp_addr from_ipv4(const void *bytes)
{
	uint32_t be;

	memcpy(&be, bytes, sizeof(be));
	return (struct smcp_addr){.lo = be32toh(be), .is_ipv4 = true};
}

static struct smcp_addr from_ipv6(const void *bytes)
{
	uint64_t be[2];

	memcpy(be, bytes, sizeof(be));
	return (struct smcp_addr){.hi = be64toh(be[0]), .lo = be64toh(be[1])};
}

static bool is_mapped(const struct smcp_addr *addr)
{
	return !addr->hi && addr->lo >> 32 == 0xffff;
}

static struct smcp_addr unmapped(struct smcp_addr addr)
{
	if (is_mapped(&addr)) {
		addr.lo &= 0xffffffff;
		addr.is_ipv4 = true;
	}
	return addr;
}

int smcp_addr_from_sockaddr(const struct sockaddr *sa, socklen_t len,
			    struct smcp_addr *ret_addr, uint16_t *ret_port)
{
	const struct sockaddr_in6 *in6 = (const void *)sa;
	const struct sockaddr_in *in = (const void *)sa;

	if (len < offsetof(struct sockaddr, sa_data))
		return -EINVAL;
	switch (sa->sa_family) {
	case AF_INET:
		if (len < sizeof(*in))
			return -EINVAL;
		*ret_addr = from_ipv4(&in->sin_addr);
		*ret_port = ntohs(in->sin_port);
		return 0;
	case AF_INET6:
		/* the kernel takes one without scope, too */
		if (len < offsetof(struct sockaddr_in6, sin6_scope_id))
			return -EINVAL;
		*ret_addr = unmapped(from_ipv6(&in6->sin6_addr));
		*ret_port = ntohs(in6->sin6_port);
		return 0;
	default:
		return -EAFNOSUPPORT;
	}
}

/* The bits of an address behind the first @len */
static struct smcp_addr host_bits(const struct smcp_addr *addr,
				  unsigned int len)
{
	struct smcp_addr mask = {0};

	if (addr->is_ipv4)
		len += 96;
	if (len < 64)
		mask.hi = UINT64_MAX >> len;
	if (len < 128)
		mask.lo = len <= 64 ? UINT64_MAX : UINT64_MAX >> (len - 64);
	if (addr->is_ipv4) {
		mask.hi = 0;
		mask.lo &= 0xffffffff;
	}
	return mask;
}

/* Digits to the end, without a useless 0 in front. */
static int parse_len(const char *text, size_t size, unsigned int max,
		     unsigned int *ret_len)
{
	unsigned int len = 0;
	size_t i;

	if (size < 1 || size > 3 || (size > 1 && text[0] == '0'))
		return -ERANGE;
	for (i = 0; i < size; i++) {
		if (text[i] < '0' || text[i] > '9')
			return -ERANGE;
		len = len * 10 + (unsigned int)(text[i] - '0');
	}
	if (len > max)
		return -ERANGE;
	*ret_len = len;
	return 0;
}

int smcp_prefix_parse(const char *text, size_t size,
		      struct smcp_prefix *ret_prefix)
{
	bool is_ipv6 = size >= 2 && text[0] == '[' && text[size - 1] == ']';
	char copy[INET6_ADDRSTRLEN];
	unsigned char bytes[16];
	struct smcp_prefix prefix;
	struct smcp_addr mask;
	const char *slash;
	size_t length;
	bool has_bits;

	if (is_ipv6) {
		text++;
		size -= 2;
	}
	slash = memchr(text, '/', size);
	length = slash ? (size_t)(slash - text) : size;
	if (length >= sizeof(copy) || memchr(text, '\0', length))
		return -EINVAL;
	memcpy(copy, text, length);
	copy[length] = '\0';
	if (inet_pton(is_ipv6 ? AF_INET6 : AF_INET, copy, bytes) != 1)
		return -EINVAL;
	prefix.addr = is_ipv6 ? from_ipv6(bytes) : from_ipv4(bytes);
	prefix.len = is_ipv6 ? 128 : 32;
	if (slash &&
	    parse_len(slash + 1, size - length - 1, prefix.len, &prefix.len))
		return -ERANGE;

	if (is_ipv6 && is_mapped(&prefix.addr) && prefix.len >= 96) {
		prefix.addr = unmapped(prefix.addr);
		prefix.len -= 96;
	}
	mask = host_bits(&prefix.addr, prefix.len);
	has_bits = (prefix.addr.hi & mask.hi) || (prefix.addr.lo & mask.lo);
	prefix.addr.hi &= ~mask.hi;
	prefix.addr.lo &= ~mask.lo;
	*ret_prefix = prefix;
	return has_bits ? -EDOM : 0;
}

void smcp_prefix_format(const struct smcp_prefix *prefix,
			char ret_text[SMCP_PREFIX_TEXT])
{
	bool is_ipv4 = prefix->addr.is_ipv4;
	unsigned int full = is_ipv4 ? 32 : 128;
	uint64_t be[2] = {htobe64(prefix->addr.hi), htobe64(prefix->addr.lo)};
	uint32_t be_ipv4 = htobe32((uint32_t)prefix->addr.lo);
	char addr[INET6_ADDRSTRLEN] = "", len[8] = "";

	inet_ntop(is_ipv4 ? AF_INET : AF_INET6,
		  is_ipv4 ? (const void *)&be_ipv4 : be, addr, sizeof(addr));
	if (prefix->len < full)
		snprintf(len, sizeof(len), "/%u", prefix->len & 0xff);
	snprintf(ret_text, SMCP_PREFIX_TEXT, is_ipv4 ? "%s%s" : "[%s%s]", addr,
		 len);
}

struct smcp_addr smcp_prefix_last(const struct smcp_prefix *prefix)
{
	struct smcp_addr mask = host_bits(&prefix->addr, prefix->len);
	struct smcp_addr last = prefix->addr;

	last.hi |= mask.hi;
	last.lo |= mask.lo;
	return last;
}

bool smcp_prefix_contains(const struct smcp_prefix *prefix,
			  const struct smcp_addr *addr)
{
	struct smcp_addr last = smcp_prefix_last(prefix);

	return addr->is_ipv4 == prefix->addr.is_ipv4 &&
	       smcp_addr_cmp(addr, &prefix->addr) >= 0 &&
	       smcp_addr_cmp(addr, &last) <= 0;
}
