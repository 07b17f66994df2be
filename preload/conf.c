// SPDX-License-Identifier: MIT
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "conf.h"
#include "util.h"

int smcp_conf_parse_size(const char *text, int *ret_bytes)
{
	unsigned long long bytes = 0;
	const char *p;

	for (p = text; *p >= '0' && *p <= '9'; p++) {
		bytes = bytes * 10 + (unsigned int)(*p - '0');
		if (bytes > INT_MAX)
			bytes = INT_MAX + 1ULL;
	}
	if (p == text)
		return -EINVAL;
	if (*p == 'k' || *p == 'K') {
		bytes <<= 10;
		p++;
	} else if (*p == 'm' || *p == 'M') {
		bytes <<= 20;
		p++;
	}
	if (*p)
		return -EINVAL;
	if (bytes > INT_MAX)
		return -ERANGE;
	*ret_bytes = (int)bytes;
	return 0;
}

int smcp_conf_parse_family(const char *text, unsigned int *ret_families)
{
	static const struct {
		char name[5];
		unsigned int families;
	} choices[] = {
		{"auto", SMCP_FAMILY_AUTO},
		{"inet", SMCP_FAMILY_INET},
		{"smc", SMCP_FAMILY_SMC},
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(choices); i++) {
		if (strcmp(text, choices[i].name) == 0) {
			*ret_families = choices[i].families;
			return 0;
		}
	}
	return -EINVAL;
}
