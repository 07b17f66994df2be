/* SPDX-License-Identifier: MIT */
#ifndef SMCP_CONF_H
#define SMCP_CONF_H

/* The ways to ask for SMC.  They are tried in this order. */
enum smcp_family {
	SMCP_FAMILY_INET = 1 << 0, /* IPPROTO_SMC */
	SMCP_FAMILY_SMC = 1 << 1, /* AF_SMC */
	SMCP_FAMILY_AUTO = SMCP_FAMILY_INET | SMCP_FAMILY_SMC,
};

#define SMCP_SIZE_UNSET (-1)

/* What the user chose.  Without any family every socket stays as it is. */
struct smcp_conf {
	unsigned int families; /* enum smcp_family, or-ed */
	int sndbuf; /* bytes, or SMCP_SIZE_UNSET */
	int rcvbuf;
};

/*
 * smcp_conf_parse_size() - read the size of a buffer
 * @text: decimal digits; one of kKmM may follow (1024, 1048576)
 * @ret_bytes: the size in bytes, 0 to 2147483647; untouched on failure
 *
 * Neither sign nor blank is accepted; leading zeros do not mean octal.
 *
 * Return: 0; -EINVAL if @text is not a size; -ERANGE if it is too large.
 */
int smcp_conf_parse_size(const char *text, int *ret_bytes);

/*
 * smcp_conf_parse_family() - read the choice of a family
 * @text: "auto", "inet" or "smc"
 * @ret_families: enum smcp_family, or-ed; untouched on failure
 *
 * Return: 0; -EINVAL if @text is none of these.
 */
int smcp_conf_parse_family(const char *text, unsigned int *ret_families);

#endif
