// SPDX-License-Identifier: MIT
/*
 * Any bytes as an address, as a size, and as names.  An address that is taken is
 * written to text that is read to the same address.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct smcp_list list;

static void check_prefix(const char *text, size_t size)
{
	struct smcp_prefix prefix, again;
	char written[SMCP_PREFIX_TEXT];
	struct smcp_addr last;
	int rc = smcp_prefix_parse(text, size, &prefix);

	if (rc && rc != -EDOM)
		return;
	smcp_prefix_format(&prefix, written);
	if (smcp_prefix_parse(written, strlen(written), &again) ||
	    smcp_addr_cmp(&prefix.addr, &again.addr) ||
	    prefix.addr.is_ipv4 != again.addr.is_ipv4 ||
	    prefix.len != again.len)
		abort();
	last = smcp_prefix_last(&prefix);
	if (!smcp_prefix_contains(&prefix, &prefix.addr) ||
	    !smcp_prefix_contains(&prefix, &last))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	struct smcp_parser parser;
	unsigned int families;
	int bytes = -1;

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	check_prefix(text, size);
	if (!smcp_conf_parse_size(text, &bytes) && bytes < 0)
		abort();
	if (!smcp_conf_parse_family(text, &families) &&
	    !(families & SMCP_FAMILY_AUTO))
		abort();
	smcp_conf_begin(&parser, &list);
	parser.names = (struct smcp_text){text, size};
	smcp_conf_check_names(&parser, "SMC_NAMES");
	free(text);
	return 0;
}
