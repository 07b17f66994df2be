// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "names.h"
#include "process.h"

/* More than the answer for a host of SMCP_MAX_HOST_ADDRS addresses. */
#define ANSWER_SIZE 65536

/* A statement as in SMC_NAMES: each address in it has at most 46 bytes. */
#define STATEMENT_SIZE (SMCP_MAX_LINE + SMCP_MAX_HOST_ADDRS * 48)

/* Fills in what getent prints, with a NUL: nothing if it fails. */
static void ask(char *const *argv, char ret_answer[ANSWER_SIZE])
{
	(void)smcp_process_read(argv, false, ret_answer, ANSWER_SIZE);
}

static int parse_addr(const char *word, struct smcp_addr *ret_addr)
{
	char text[SMCP_PREFIX_TEXT];
	struct smcp_prefix prefix;
	int n = snprintf(text, sizeof(text), strchr(word, ':') ? "[%s]" : "%s",
			 word);

	if (n >= (int)sizeof(text) || strchr(word, '/') ||
	    smcp_prefix_parse(text, (size_t)n, &prefix))
		return -EINVAL;
	*ret_addr = prefix.addr;
	return 0;
}

/* The order of the answer depends on routes and chance: IPv4 first, ascending. */
struct addrs {
	struct smcp_addr all[SMCP_MAX_HOST_ADDRS];
	unsigned int n;
};

static int cmp(const struct smcp_addr *a, const struct smcp_addr *b)
{
	return a->is_ipv4 != b->is_ipv4 ? b->is_ipv4 - a->is_ipv4
					: smcp_addr_cmp(a, b);
}

/* Return: 0; -E2BIG if there is no room. */
static int insert(struct addrs *addrs, const struct smcp_addr *addr)
{
	unsigned int at = addrs->n;

	while (at && cmp(addr, &addrs->all[at - 1]) < 0)
		at--;
	if (at && !cmp(addr, &addrs->all[at - 1]))
		return 0;
	if (addrs->n == SMCP_MAX_HOST_ADDRS)
		return -E2BIG;
	memmove(&addrs->all[at + 1], &addrs->all[at],
		(addrs->n++ - at) * sizeof(*addr));
	addrs->all[at] = *addr;
	return 0;
}

/* Without brackets and length */
static void add_addr(char *statement, const struct smcp_addr *addr)
{
	const struct smcp_prefix prefix = {*addr, addr->is_ipv4 ? 32 : 128};
	char text[SMCP_PREFIX_TEXT];

	smcp_prefix_format(&prefix, text);
	text[strcspn(text, "]")] = '\0';
	strcat(strcat(statement, " "), text + (*text == '['));
}

/* Lines of the answer begin with an address; each is there for some types. */
static const char *add_addrs(char *statement, char *answer)
{
	struct addrs addrs = {.n = 0};
	struct smcp_addr addr;
	char *line, *lines;
	unsigned int i;

	for (line = strtok_r(answer, "\n", &lines); line;
	     line = strtok_r(NULL, "\n", &lines)) {
		line[strcspn(line, " \t%")] = '\0';
		if (!parse_addr(line, &addr) && insert(&addrs, &addr))
			return "has more than 64 addresses";
	}
	for (i = 0; i < addrs.n; i++)
		add_addr(statement, &addrs.all[i]);
	return addrs.n ? NULL : "cannot be resolved (write the address)";
}

/* The answer is NAME:PASSWORD:NUMBER. */
static const char *add_id(char *statement, const char *answer)
{
	const char *number = strchr(answer, ':');
	size_t length;

	if (number)
		number = strchr(number + 1, ':');
	length = number ? strspn(++number, "0123456789") : 0;
	if (!length || length > 10)
		return "cannot be resolved (write the number)";
	strcat(statement, " ");
	strncat(statement, number, length);
	return NULL;
}

static const char *add_statement(struct smcp_parser *parser,
				 const char *statement)
{
	size_t size = parser->names.size, length = strlen(statement);
	char *names = realloc((char *)parser->names.start, size + length + 2);

	if (!names)
		return "cannot be remembered (there is no memory)";
	if (size)
		names[size++] = ';';
	memcpy(names + size, statement, length + 1);
	parser->names = (struct smcp_text){names, size + length};
	return NULL;
}

const char *smcp_names_find(struct smcp_parser *parser, const char *kind,
			    const struct smcp_text *name)
{
	static char answer[ANSWER_SIZE], statement[STATEMENT_SIZE];
	bool is_host = !strcmp(kind, "host");
	char word[SMCP_MAX_LINE + 1];
	char *database = is_host		 ? "ahosts"
			 : !strcmp(kind, "user") ? "passwd"
						 : "group";
	/* Whatever addresses this machine has now. */
	char *all[] = {"getent", "--no-addrconfig", "--", database, word, NULL};
	char *plain[] = {"getent", "--", database, word, NULL};
	const char *reason;

	snprintf(word, sizeof(word), "%.*s", (int)name->size, name->start);
	snprintf(statement, sizeof(statement), "%s %s", kind, word);
	*answer = '\0';
	if (is_host)
		ask(all, answer);
	/* It takes a signed number for an id.  An old one has no such option. */
	if (!*answer && !strchr("+-", *word))
		ask(plain, answer);
	reason = is_host ? add_addrs(statement, answer)
			 : add_id(statement, answer);
	return reason ? reason : add_statement(parser, statement);
}
