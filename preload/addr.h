/* SPDX-License-Identifier: MIT */
#ifndef SMCP_ADDR_H
#define SMCP_ADDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/*
 * An address as a number, so that addresses have an order.  IPv4 has its 32 bits
 * in @lo.  There is no v4-mapped IPv6 address: such a one is IPv4.
 */
struct smcp_addr {
	uint64_t hi;
	uint64_t lo;
	bool is_ipv4;
};

/* No bit of @addr is set behind the first @len, of 32 or 128. */
struct smcp_prefix {
	struct smcp_addr addr;
	unsigned int len;
};

/* Enough for any prefix with brackets and length, and a NUL. */
#define SMCP_PREFIX_TEXT 56

/*
 * smcp_addr_from_sockaddr() - what a socket address names
 * @sa: as connect() or getsockname() have it
 * @len: how much of it is there, in bytes
 * @ret_addr: the address, without scope; untouched on failure
 * @ret_port: the port, in host byte order; untouched on failure
 *
 * Return: 0; -EINVAL if @len is too short for the family; -EAFNOSUPPORT if that is
 * neither AF_INET nor AF_INET6.
 */
int smcp_addr_from_sockaddr(const struct sockaddr *sa, socklen_t len,
			    struct smcp_addr *ret_addr, uint16_t *ret_port);

/* smcp_addr_is_any() - is it 0.0.0.0 or ::? */
static inline bool smcp_addr_is_any(const struct smcp_addr *addr)
{
	return !(addr->hi | addr->lo);
}

/* smcp_addr_cmp() - as memcmp(), of two addresses of one family */
static inline int smcp_addr_cmp(const struct smcp_addr *a,
				const struct smcp_addr *b)
{
	if (a->hi != b->hi)
		return a->hi < b->hi ? -1 : 1;
	return a->lo < b->lo ? -1 : a->lo > b->lo;
}

/*
 * smcp_prefix_parse() - read an address, perhaps with a length
 * @text: "10.0.0.0/8", "10.1.2.3", "[fd00::/8]", "[fd00::1]"; no NUL is needed
 * @size: bytes of @text
 * @ret_prefix: the prefix; of a v4-mapped one the IPv4 prefix.  With -EDOM the one
 *	that has the bits cleared; untouched on other failures.
 *
 * Return: 0; -EINVAL if it is not an address; -ERANGE if the length is none;
 * -EDOM if bits are set behind it.
 */
int smcp_prefix_parse(const char *text, size_t size,
		      struct smcp_prefix *ret_prefix);

/*
 * smcp_prefix_format() - the text that smcp_prefix_parse() reads
 * @prefix: the length is left out if it is all of the address
 * @ret_text: ends with a NUL
 */
void smcp_prefix_format(const struct smcp_prefix *prefix,
			char ret_text[SMCP_PREFIX_TEXT]);

/* smcp_prefix_last() - the last of its addresses; the first is @prefix->addr */
struct smcp_addr smcp_prefix_last(const struct smcp_prefix *prefix);

/* smcp_prefix_contains() - is the address one of the prefix? */
bool smcp_prefix_contains(const struct smcp_prefix *prefix,
			  const struct smcp_addr *addr);

#endif
