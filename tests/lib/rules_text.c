// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rules_text.h"

static int no_include(struct smcp_parser *parser, const struct smcp_error *at,
		      const char *path)
{
	(void)path;
	smcp_conf_error(parser, at, "no includes here");
	return -EINVAL;
}

struct smcp_list *rules_new(void)
{
	struct {
		struct smcp_list list;
		struct smcp_list_memory memory;
	} *both = calloc(1, sizeof(*both));

	if (!both)
		abort();
	smcp_list_give(&both->list, &both->memory);
	return &both->list;
}

struct smcp_list *rules_read(struct smcp_parser *parser, const char *text,
			     const char *names)
{
	struct smcp_source source = {"test", text, strlen(text), no_include};
	struct smcp_list *list = rules_new();

	smcp_conf_begin(parser, list);
	if (names)
		parser->names = (struct smcp_text){names, strlen(names)};
	smcp_conf_parse(parser, &source);
	return list;
}

struct smcp_rules *rules_make(const struct smcp_list *list, const char *exe)
{
	struct smcp_subject subject = {exe, 1000, 100};
	void *memory = calloc(1, smcp_rules_size(list));

	if (!memory)
		abort();
	return smcp_rules_compile(list, &subject, memory);
}

static void read_end(const char *text, size_t size, struct smcp_addr *addr,
		     uint16_t *port)
{
	const char *colon = memrchr(text, ':', size);
	struct smcp_prefix prefix;

	if (!colon || smcp_prefix_parse(text, (size_t)(colon - text), &prefix))
		abort();
	*addr = prefix.addr;
	*port = (uint16_t)atoi(colon + 1);
}

struct smcp_query rules_query(const char *text)
{
	struct smcp_query query = {.role = *text == 'c' ? SMCP_CONNECT
							: SMCP_LISTEN};
	const char *end = strchr(text, ' ') + 1, *from = strstr(end, " from ");
	size_t size = from ? (size_t)(from - end) : strlen(end);

	if (query.role == SMCP_CONNECT) {
		read_end(end, size, &query.remote, &query.remote_port);
		end = from ? from + 6 : NULL;
	}
	if (end) {
		query.has_local = true;
		read_end(end, strlen(end), &query.local, &query.local_port);
	}
	return query;
}
