// SPDX-License-Identifier: MIT
/*
 * Any bytes as a file of rules.  If they are taken, then what is written of the
 * rules is read to the same rules, and the table says what the rules say, at the
 * edges of every endpoint.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char names[] =
	"host db1 10.1.2.3 fd00:1::3;user batch 1003;group wheel 10";
static const struct smcp_subject subject = {"/usr/bin/app", 1000, 10};
static struct smcp_list list, again;
static struct smcp_list_memory memories[2];

static int include(struct smcp_parser *parser, const struct smcp_error *at,
		   const char *path)
{
	(void)parser;
	(void)at;
	(void)path;
	return 0;
}

static unsigned int read_text(struct smcp_list *into, const char *text,
			      size_t size)
{
	struct smcp_source source = {"fuzz", text, size, include};
	struct smcp_parser parser;

	smcp_list_give(into, &memories[into == &again]);
	smcp_conf_begin(&parser, into);
	parser.names = (struct smcp_text){names, sizeof(names) - 1};
	smcp_conf_parse(&parser, &source);
	if (parser.n_errors &&
	    (!parser.first_error.line || !parser.first_error.column ||
	     !parser.first_error.text[0]))
		abort();
	return parser.n_errors;
}

static void check_text(void)
{
	static char text[SMCP_MAX_LINE * 8], other[sizeof(text)];

	for (unsigned int i = 0; i < list.n_rules; i++) {
		size_t size = smcp_conf_format_rule(&list, &list.rules[i], text,
						    SMCP_MAX_LINE);

		/* "loopback" and the role may make it longer than a line. */
		if (size >= SMCP_MAX_LINE)
			continue;
		if (read_text(&again, text, size) || again.n_rules != 1)
			abort();
		smcp_conf_format_rule(&again, again.rules, other,
				      sizeof(other));
		if (strcmp(text, other))
			abort();
	}
}

static int read_on(const struct smcp_query *query)
{
	for (unsigned int i = 0; i < list.n_rules; i++)
		if (smcp_rules_fits(&list, &list.rules[i], &subject) &&
		    smcp_rules_matches(&list, &list.rules[i], query))
			return (int)i;
	return -1;
}

static void check_verdict(const struct smcp_rules *rules, struct smcp_addr addr,
			  uint16_t port)
{
	struct smcp_query query = {
		.role = SMCP_CONNECT,
		.remote = addr,
		.remote_port = port,
		.local = addr,
		.local_port = port,
	};

	for (int i = 0; i < 4; i++) {
		query.role = i & 1 ? SMCP_LISTEN : SMCP_CONNECT;
		query.has_local = i & 2;
		if (smcp_rules_verdict(rules, &query).rule != read_on(&query))
			abort();
	}
}

static void check_verdicts(const struct smcp_rules *rules)
{
	static const struct smcp_addr any[] = {{.is_ipv4 = true}, {0}};
	unsigned int n = list.n_endpoints > 40 ? 40 : list.n_endpoints;

	check_verdict(rules, any[0], 0);
	check_verdict(rules, any[1], 80);
	for (unsigned int i = 0; i < n; i++) {
		const struct smcp_endpoint *endpoint = &list.endpoints[i];
		struct smcp_addr addrs[4];
		const uint16_t ports[] = {endpoint->first_port,
					  endpoint->last_port,
					  (uint16_t)(endpoint->first_port - 1),
					  (uint16_t)(endpoint->last_port + 1)};

		if (endpoint->host == SMCP_HOST_ANY)
			continue;
		addrs[0] = endpoint->prefix.addr;
		addrs[1] = smcp_prefix_last(&endpoint->prefix);
		addrs[2] = addrs[0];
		addrs[3] = addrs[1];
		addrs[2].lo--;
		addrs[3].lo++;
		if (addrs[0].is_ipv4) {
			addrs[2].lo &= 0xffffffff;
			addrs[3].lo &= 0xffffffff;
		}
		for (int j = 0; j < 16; j++)
			check_verdict(rules, addrs[j % 4], ports[j / 4]);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + !size);
	struct smcp_rules *rules;
	void *memory;

	if (!text)
		return 0;
	/* Exactly that much, so that a byte too far is seen. */
	memcpy(text, data, size);
	if (!read_text(&list, text, size)) {
		memory = calloc(1, smcp_rules_size(&list));
		if (memory) {
			rules = smcp_rules_compile(&list, &subject, memory);
			check_verdicts(rules);
			check_text();
		}
		free(memory);
	}
	free(text);
	return 0;
}
