// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "names.h"
#include "query.h"
#include "reasons.h"
#include "text.h"
#include "util.h"

#define EXIT_TCP 10
#define EXIT_BAD_LIST 12

/* Columns are as wide as in the manual, or as what is in them needs. */
struct columns {
	int number;
	int origin;
	int text;
};

static int finish(int status)
{
	if (!fflush(stdout) && !ferror(stdout))
		return status;
	dprintf(STDERR_FILENO, "smc_run: standard output: %s\n",
		strerror(errno));
	return 1;
}

static const char *word_of(enum smcp_verdict verdict)
{
	return verdict == SMCP_TCP   ? "tcp"
	       : verdict == SMCP_SMC ? "smc"
				     : "require";
}

static struct columns make_columns(const struct smcp_list *list)
{
	struct columns columns = {.origin = 22, .text = 35};
	unsigned int i;
	int width;

	columns.number = snprintf(NULL, 0, "%u", list->n_rules);
	for (i = 0; i < list->n_rules; i++) {
		width = snprintf(NULL, 0, "%s:%u", list->rules[i].origin,
				 list->rules[i].line);
		if (width > columns.origin)
			columns.origin = width;
	}
	return columns;
}

/* Return: how wide the text is. */
static int print_start(const struct columns *columns, const char *number,
		       const char *origin, const char *text)
{
	printf("%-*s  %-*s  %s", columns->number, number, columns->origin,
	       origin, text);
	return (int)strlen(text);
}

static void print_behind(const struct columns *columns, int width)
{
	int pad = width < columns->text ? columns->text - width : 0;

	printf("%*s", pad + 2, "");
}

/* A rule as text: a line, with a blank behind each comma; and where it is from */
struct rule_text {
	char text[4 * SMCP_MAX_LINE];
	char origin[PATH_MAX + 16];
};

static void format_rule(const struct smcp_list *list, unsigned int i,
			struct rule_text *ret_text)
{
	const struct smcp_rule *rule = &list->rules[i];

	smcp_conf_format_rule(list, rule, ret_text->text,
			      sizeof(ret_text->text));
	snprintf(ret_text->origin, sizeof(ret_text->origin), "%s:%u",
		 rule->origin, rule->line);
}

static int print_rule(const struct columns *columns,
		      const struct smcp_list *list, unsigned int i)
{
	struct rule_text text;
	char number[16];

	format_rule(list, i, &text);
	snprintf(number, sizeof(number), "%u", i + 1);
	return print_start(columns, number, text.origin, text.text);
}

/* The beginning of an object in an array */
static void print_json_rule(const struct smcp_list *list, unsigned int i)
{
	struct rule_text text;

	format_rule(list, i, &text);
	printf("%s{\"number\":%u,\"origin\":", i ? "," : "", i + 1);
	smcp_print_json(text.origin);
	fputs(",\"text\":", stdout);
	smcp_print_json(text.text);
}

/* What the names of a rule mean: "(10.1.2.3, fd00:1::3)"; without columns in JSON */
struct meaning {
	const struct columns *columns;
	const struct smcp_list *list;
	int width; /* of the text before it */
	unsigned int n;
};

static void print_item(struct meaning *meaning, const char *item)
{
	if (!meaning->columns) {
		printf("%s\"%s\"", meaning->n++ ? "," : "", item);
		return;
	}
	if (!meaning->n++)
		print_behind(meaning->columns, meaning->width);
	printf("%s%s", meaning->n > 1 ? ", " : "(", item);
}

static void print_ids(struct meaning *meaning, const struct smcp_range *range)
{
	const struct smcp_id *id = &meaning->list->ids[range->first];
	char text[16];
	unsigned int i;

	for (i = 0; i < range->count; i++) {
		if (!id[i].name.size)
			continue;
		snprintf(text, sizeof(text), "%u", id[i].number);
		print_item(meaning, text);
	}
}

static void print_addrs(struct meaning *meaning, const struct smcp_range *range)
{
	const struct smcp_endpoint *endpoint =
		&meaning->list->endpoints[range->first];
	char text[SMCP_PREFIX_TEXT];
	unsigned int i;

	for (i = 0; i < range->count; i++) {
		if (endpoint[i].host != SMCP_HOST_NAME)
			continue;
		smcp_prefix_format(&endpoint[i].prefix, text);
		text[strcspn(text, "]")] = '\0';
		print_item(meaning, text + (*text == '['));
	}
}

static void print_meaning(struct meaning *meaning, const struct smcp_rule *rule)
{
	print_ids(meaning, &rule->users);
	print_ids(meaning, &rule->groups);
	print_addrs(meaning, &rule->to);
	print_addrs(meaning, &rule->on);
}

static void list_rule(const struct columns *columns,
		      const struct smcp_list *list, unsigned int i)
{
	struct meaning meaning = {.columns = columns, .list = list};

	meaning.width = print_rule(columns, list, i);
	print_meaning(&meaning, &list->rules[i]);
	printf(meaning.n ? ")\n" : "\n");
}

static void list_json(const struct smcp_list *list)
{
	unsigned int i;

	fputs("{\"version\":1,\"rules\":[", stdout);
	for (i = 0; i < list->n_rules; i++) {
		struct meaning meaning = {.list = list};

		print_json_rule(list, i);
		fputs(",\"names\":[", stdout);
		print_meaning(&meaning, &list->rules[i]);
		fputs("]}", stdout);
	}
	printf("],\"default\":\"%s\"}\n", word_of(list->otherwise));
}

int smcp_query_list_rules(const struct smcp_run_list *run_list)
{
	const struct smcp_list *list = &run_list->loader.list;
	struct columns columns = make_columns(list);
	unsigned int i;

	if (run_list->has_typed_error)
		return 1;
	if (run_list->loader.parser.n_errors)
		return EXIT_BAD_LIST;
	if (run_list->options->is_json) {
		list_json(list);
		return finish(0);
	}
	for (i = 0; i < list->n_rules; i++)
		list_rule(&columns, list, i);
	print_start(&columns, "-", "default", word_of(list->otherwise));
	putchar('\n');
	return finish(0);
}

/*
 * --explain
 */
static int wrong_endpoint(const char *text, const char *why)
{
	dprintf(STDERR_FILENO, "smc_run: --explain: '%s': %s\n", text, why);
	return -EINVAL;
}

/* All @n endpoints are those of one address or name, and there is one port. */
static bool is_one(const struct smcp_endpoint *endpoint, unsigned int n)
{
	unsigned int full = endpoint->prefix.addr.is_ipv4 ? 32 : 128;

	return (endpoint->host == SMCP_HOST_NAME ||
		(endpoint->host == SMCP_HOST_PREFIX &&
		 endpoint->prefix.len == full)) &&
	       endpoint->more + 1 == n && endpoint->first_port &&
	       endpoint->first_port == endpoint->last_port;
}

/* The rules' parser knows addresses and names. */
static int parse_endpoint(const char *text, struct smcp_endpoint *ret_endpoint)
{
	struct smcp_source source = {"--explain", text, strlen(text), NULL};
	struct smcp_list_memory *memory = calloc(1, sizeof(*memory));
	struct smcp_parser parser;
	struct smcp_list list;
	int rc = 0;

	if (!memory)
		return wrong_endpoint(text, strerror(ENOMEM));
	smcp_list_give(&list, memory);
	smcp_conf_begin(&parser, &list);
	parser.find = smcp_names_find;
	smcp_conf_parse_endpoints(&parser, &source, SMCP_TCP, SMCP_LISTEN);
	if (parser.n_errors) {
		smcp_run_list_print_error(&parser.first_error);
		rc = -EINVAL;
	} else if (!is_one(list.endpoints, list.n_endpoints)) {
		rc = wrong_endpoint(text,
				    "one address and one port are expected");
	} else {
		*ret_endpoint = list.endpoints[0];
	}
	free(memory);
	return rc;
}

static struct smcp_query make_query(enum smcp_role role,
				    const struct smcp_endpoint *endpoint)
{
	if (role == SMCP_CONNECT)
		return (struct smcp_query){
			.role = role,
			.remote = endpoint->prefix.addr,
			.remote_port = endpoint->first_port,
		};
	return (struct smcp_query){
		.role = role,
		.has_local = true,
		.local = endpoint->prefix.addr,
		.local_port = endpoint->first_port,
	};
}

static void print_json_head(enum smcp_role role,
			    const struct smcp_endpoint *endpoint,
			    const struct smcp_subject *subject)
{
	char text[SMCP_PREFIX_TEXT];

	smcp_prefix_format(&endpoint->prefix, text);
	printf("{\"version\":1,\"role\":\"%s\",\"address\":\"%s:%u\","
	       "\"program\":",
	       role == SMCP_CONNECT ? "connect" : "listen", text,
	       endpoint->first_port);
	if (*subject->exe)
		smcp_print_json(subject->exe);
	else
		fputs("null", stdout);
	printf(",\"uid\":%u,\"rules\":[", (unsigned int)subject->user);
}

static void print_head(enum smcp_role role,
		       const struct smcp_endpoint *endpoint,
		       const struct smcp_subject *subject)
{
	char text[SMCP_PREFIX_TEXT];

	smcp_prefix_format(&endpoint->prefix, text);
	printf("%s %s:%u", role == SMCP_CONNECT ? "connect" : "listen", text,
	       endpoint->first_port);
	if (endpoint->more)
		printf(" (%.*s, the first of %u addresses)",
		       (int)endpoint->name.size, endpoint->name.start,
		       endpoint->more + 1);
	else if (endpoint->host == SMCP_HOST_NAME)
		printf(" (%.*s)", (int)endpoint->name.size,
		       endpoint->name.start);
	printf(", program %s, uid %u\n",
	       *subject->exe ? subject->exe : "(not given)",
	       (unsigned int)subject->user);
}

/* Why a rule is not the one, in a word or two */
static const char *why_not(const struct smcp_list *list,
			   const struct smcp_rule *rule,
			   const struct smcp_subject *subject,
			   const struct smcp_query *query)
{
	struct smcp_rule part = *rule;

	if (!(rule->roles & query->role))
		return "no: role";
	part.users.count = 0;
	part.groups.count = 0;
	if (!smcp_rules_fits(list, &part, subject))
		return "no: program";
	part.users = rule->users;
	if (!smcp_rules_fits(list, &part, subject))
		return "no: user";
	if (!smcp_rules_fits(list, rule, subject))
		return "no: group";
	return smcp_rules_matches(list, rule, query) ? ""
						     : "no: address or port";
}

static void print_lines(const struct smcp_list *list,
			const struct smcp_subject *subject,
			const struct smcp_query *query,
			const struct smcp_answer *answer)
{
	struct columns columns = make_columns(list);
	int i, width;

	for (i = 0; i < (int)list->n_rules; i++) {
		width = print_rule(&columns, list, (unsigned int)i);
		print_behind(&columns, width);
		if (i == answer->rule) {
			puts("match");
			break;
		}
		puts(why_not(list, &list->rules[i], subject, query));
	}
	if (answer->rule < 0) {
		width = print_start(&columns, "-", "default",
				    word_of(list->otherwise));
		print_behind(&columns, width);
		puts("match");
	}
	printf("verdict: %s\n", word_of(answer->verdict));
}

static void print_json_lines(const struct smcp_list *list,
			     const struct smcp_subject *subject,
			     const struct smcp_query *query,
			     const struct smcp_answer *answer)
{
	int i;

	for (i = 0; i < (int)list->n_rules; i++) {
		print_json_rule(list, (unsigned int)i);
		printf(",\"result\":\"%s\"}",
		       i == answer->rule ? "match"
					 : why_not(list, &list->rules[i],
						   subject, query));
		if (i == answer->rule)
			break;
	}
	printf("],\"verdict\":\"%s\",\"is_default\":%s}\n",
	       word_of(answer->verdict), answer->rule < 0 ? "true" : "false");
}

/* The verdict is the table's, as in the library. */
static int print_trace(const struct smcp_run_list *run_list,
		       const struct smcp_subject *subject,
		       const struct smcp_query *query)
{
	const struct smcp_list *list = &run_list->loader.list;
	void *memory = calloc(1, smcp_rules_size(list));
	struct smcp_answer answer;

	if (!memory) {
		dprintf(STDERR_FILENO, "smc_run: %s\n", strerror(ENOMEM));
		return 1;
	}
	answer = smcp_rules_verdict(smcp_rules_compile(list, subject, memory),
				    query);
	if (run_list->options->is_json)
		print_json_lines(list, subject, query, &answer);
	else
		print_lines(list, subject, query, &answer);
	free(memory);
	return answer.verdict == SMCP_TCP ? EXIT_TCP : 0;
}

int smcp_query_explain(const struct smcp_run_list *list, enum smcp_role role,
		       const char *text, const struct smcp_subject *subject)
{
	struct smcp_endpoint endpoint;
	struct smcp_query query;

	if (parse_endpoint(text, &endpoint))
		return 1;
	if (list->loader.parser.n_errors && list->options->is_json)
		return EXIT_BAD_LIST;
	if (list->options->is_json)
		print_json_head(role, &endpoint, subject);
	else
		print_head(role, &endpoint, subject);
	if (list->loader.parser.n_errors) {
		puts("verdict: tcp (bad list)");
		return finish(EXIT_BAD_LIST);
	}
	query = make_query(role, &endpoint);
	return finish(print_trace(list, subject, &query));
}

/*
 * --reason
 */
int smcp_query_reason(const char *text)
{
	bool is_hex = text[0] == '0' && (text[1] | 32) == 'x';
	const char *digits = is_hex ? "0123456789abcdefABCDEF" : "0123456789";
	const char *number = text + 2 * is_hex;
	const struct smcp_reason *reason;
	unsigned long code;

	errno = 0;
	code = strtoul(number, NULL, is_hex ? 16 : 10);
	if (!*number || number[strspn(number, digits)] || errno ||
	    code > UINT32_MAX) {
		dprintf(STDERR_FILENO,
			"smc_run: --reason: '%s' is no code (0x03030008 is "
			"one)\n",
			text);
		return 1;
	}
	reason = smcp_reason_find((uint32_t)code);
	if (!reason) {
		dprintf(STDERR_FILENO, "smc_run: --reason: 0x%08lx: unknown\n",
			code);
		return 1;
	}
	printf("0x%08lx %s\ncure: %s\n", code, reason->text, reason->cure);
	return finish(0);
}

/*
 * --print-env
 */
static void print_variable(const char *name)
{
	const char *value = getenv(name);

	if (!value)
		return;
	printf("export %s='", name);
	for (; *value; value++) {
		if (*value == '\'')
			printf("'\\''");
		else
			putchar(*value);
	}
	puts("'");
}

int smcp_query_print_env(void)
{
	static const char *const names[] = {
		"LD_PRELOAD", "SMC_DEBUG",   "SMC_SOCK_FAMILY", "SMC_RCVBUF",
		"SMC_SNDBUF", "SMC_EXCLUDE", "SMC_PROGS",	"SMC_DENY",
		"SMC_RULES",  "SMC_ALLOW",   "SMC_CONFIG",	"SMC_STRICT",
		"SMC_NAMES",
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(names); i++)
		print_variable(names[i]);
	return finish(0);
}
