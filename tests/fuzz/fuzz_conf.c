// SPDX-License-Identifier: MIT
/*
 * Any bytes as a file of rules.  If they are taken, then what is written of the
 * rules is read to the same rules, and the table says what the rules say, at the
 * edges of every endpoint.  What is SMC while the local address is not known may
 * not turn out to be one of TCP, and scopes hold for each verdict.
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
	if (parser.settings.otherwise >= 0)
		into->otherwise = (enum smcp_verdict)parser.settings.otherwise;
	into->is_strict = parser.settings.is_strict == 1;
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

static struct smcp_answer read_on(const struct smcp_query *query)
{
	struct smcp_answer answer = {list.otherwise, -1};

	for (unsigned int i = 0; i < list.n_rules && answer.rule < 0; i++)
		if (smcp_rules_fits(&list, &list.rules[i], &subject) &&
		    smcp_rules_matches(&list, &list.rules[i], query)) {
			answer.verdict = list.rules[i].verdict;
			answer.rule = (int)i;
		}
	if (answer.verdict == SMCP_SMC && list.is_strict)
		answer.verdict = SMCP_REQUIRE;
	return answer;
}

static enum smcp_verdict check_query(const struct smcp_rules *rules,
				     const struct smcp_query *query)
{
	struct smcp_answer answer = smcp_rules_verdict(rules, query);
	struct smcp_answer want = read_on(query);

	if (answer.rule != want.rule || answer.verdict != want.verdict)
		abort();
	return answer.verdict;
}

static void check_scope(const struct smcp_rules *rules, int family,
			enum smcp_verdict verdict)
{
	enum smcp_scope scope = smcp_rules_scope(rules, family);

	if (scope != SMCP_MIXED &&
	    verdict != (scope == SMCP_ALL_TCP ? SMCP_TCP : SMCP_SMC))
		abort();
}

static void check_verdict(const struct smcp_rules *rules, struct smcp_addr addr,
			  uint16_t port)
{
	enum smcp_verdict known, unknown;
	struct smcp_query query;

	for (int i = 0; i < 8; i++) {
		query = (struct smcp_query){
			.role = i & 1 ? SMCP_LISTEN : SMCP_CONNECT,
			.remote = addr,
			.remote_port = port,
			.has_local = true,
			.local = addr,
			.local_port = port,
		};
		known = check_query(rules, &query);
		if (!smcp_addr_is_any(&addr) && port) {
			check_scope(rules, AF_INET6, known);
			if (addr.is_ipv4)
				check_scope(rules, AF_INET, known);
		}
		if (i & 2)
			query.local.hi = query.local.lo = 0;
		if (i & 4)
			query.local_port = 0;
		if (i < 2)
			query.has_local = false;
		unknown = check_query(rules, &query);
		if (unknown != SMCP_TCP && known == SMCP_TCP &&
		    !smcp_addr_is_any(&addr))
			abort();
	}
}

static void check_verdicts(const struct smcp_rules *rules)
{
	static const struct smcp_addr any[] = {{.is_ipv4 = true}, {0}};
	static const struct smcp_addr elsewhere[] = {
		{.lo = 0xc0000201, .is_ipv4 = true},
		{.hi = 0x20010db800000000, .lo = 1},
	};
	unsigned int n = list.n_endpoints > 40 ? 40 : list.n_endpoints;

	check_verdict(rules, any[0], 0);
	check_verdict(rules, any[1], 80);
	check_verdict(rules, elsewhere[0], 9);
	check_verdict(rules, elsewhere[1], 9);
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
