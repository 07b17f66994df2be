// SPDX-License-Identifier: MIT
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
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

/*
 * The reader: words of one source, and where they are
 */
struct reader {
	struct smcp_parser *parser;
	const struct smcp_source *source;
	const char *at, *end;
	const char *line_start;
	unsigned int line;
	bool failed; /* this statement */
};

static const char digits[] = "0123456789";

static void begin_reading(struct reader *reader, struct smcp_parser *parser,
			  const struct smcp_source *source)
{
	*reader = (struct reader){
		.parser = parser,
		.source = source,
		.at = source->text,
		.end = source->text + source->size,
		.line_start = source->text,
		.line = 1,
	};
}

static struct smcp_error place(const struct reader *reader, const char *at)
{
	return (struct smcp_error){
		.origin = reader->source->origin,
		.line = reader->line,
		.column = (unsigned int)(at - reader->line_start) + 1,
	};
}

void smcp_conf_error(struct smcp_parser *parser, const struct smcp_error *at,
		     const char *text)
{
	struct smcp_error error = *at;

	snprintf(error.text, sizeof(error.text), "%s", text);
	if (!parser->n_errors)
		parser->first_error = error;
	parser->n_errors++;
	if (parser->report)
		parser->report(parser, &error);
}

/* The first error of a statement counts; the rest of it is skipped. */
__attribute__((format(printf, 3, 4))) static int
fail(struct reader *reader, const char *at, const char *format, ...)
{
	struct smcp_error error = place(reader, at);
	char text[sizeof(error.text)];
	va_list args;

	if (reader->failed)
		return -EINVAL;
	reader->failed = true;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	smcp_conf_error(reader->parser, &error, text);
	return -EINVAL;
}

/* A word as it may be shown: short, and without bytes that do something. */
struct shown {
	char text[44];
};

static struct shown show(struct smcp_text word)
{
	struct shown shown;
	size_t i, n = word.size;

	if (n > 40)
		n = 40;
	for (i = 0; i < n; i++)
		shown.text[i] = word.start[i] > ' ' && word.start[i] < 0x7f
					? word.start[i]
					: '?';
	if (n < word.size)
		memcpy(shown.text + n, "...", 3);
	shown.text[n < word.size ? n + 3 : n] = '\0';
	return shown;
}

static bool is_word(const struct smcp_text *text, const char *word)
{
	return text->size == strlen(word) &&
	       !memcmp(text->start, word, text->size);
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static void skip_blanks(struct reader *reader)
{
	while (reader->at < reader->end && is_blank(*reader->at))
		reader->at++;
}

static bool at_end(const struct reader *reader)
{
	return reader->at == reader->end || *reader->at == '\n' ||
	       *reader->at == ';' || *reader->at == '#';
}

/* Up to a blank, the end of the statement or one of @also; may be empty. */
static struct smcp_text take_word(struct reader *reader, const char *also)
{
	struct smcp_text word = {.start = reader->at};

	/* A NUL is none of @also: who reads on must get on. */
	while (!at_end(reader) && !is_blank(*reader->at) &&
	       !memchr(also, *reader->at, strlen(also)))
		reader->at++;
	word.size = (size_t)(reader->at - word.start);
	return word;
}

/* A path, or the value of a setting, which may have a '#' */
static struct smcp_text take_value(struct reader *reader)
{
	struct smcp_text value = {.start = reader->at};

	while (reader->at < reader->end && !is_blank(*reader->at) &&
	       *reader->at != '\n' && *reader->at != ';')
		reader->at++;
	value.size = (size_t)(reader->at - value.start);
	return value;
}

/* Can the byte be in no statement, as a NUL, or CR? */
static int check_byte(struct reader *reader, const char *p)
{
	if (*p == '\r')
		return fail(reader, p,
			    "a carriage return (lines end with a newline "
			    "alone)");
	if (((unsigned char)*p < ' ' && *p != '\t') || *p == 0x7f)
		return fail(reader, p, "a byte that is no text (0x%02x)",
			    (unsigned char)*p);
	return 0;
}

/* What is before a comment on this line */
static int check_line(struct reader *reader)
{
	const char *p, *newline;
	size_t size = (size_t)(reader->end - reader->at);

	newline = memchr(reader->at, '\n', size);
	if (newline)
		size = (size_t)(newline - reader->at);
	if (size > SMCP_MAX_LINE)
		return fail(reader, reader->at + SMCP_MAX_LINE,
			    "the line is longer than %d bytes", SMCP_MAX_LINE);
	for (p = reader->at; p < reader->at + size && *p != '#'; p++)
		if (check_byte(reader, p))
			return -EINVAL;
	return 0;
}

static void skip_line(struct reader *reader)
{
	const char *newline =
		memchr(reader->at, '\n', (size_t)(reader->end - reader->at));

	reader->at = newline ? newline : reader->end;
}

/* Is the source within the limits? */
static int begin_source(struct reader *reader, struct smcp_parser *parser,
			const struct smcp_source *source)
{
	begin_reading(reader, parser, source);
	parser->bytes += source->size;
	if (source->size > SMCP_MAX_SOURCE)
		return fail(reader, reader->at, "more than %d bytes",
			    SMCP_MAX_SOURCE);
	if (parser->bytes > SMCP_MAX_SOURCES)
		return fail(reader, reader->at,
			    "more than %d bytes in all sources",
			    SMCP_MAX_SOURCES);
	return 0;
}

/*
 * Names, as SMC_NAMES has them
 */
static bool next_name(struct reader *names, struct smcp_text *ret_kind,
		      struct smcp_text *ret_name)
{
	for (;;) {
		while (names->at < names->end &&
		       (is_blank(*names->at) || at_end(names)))
			names->at++;
		if (names->at == names->end)
			return false;
		*ret_kind = take_word(names, "");
		skip_blanks(names);
		*ret_name = take_word(names, "");
		return true;
	}
}

/* Is the word before @at, in a text from @start on, @word? */
static bool is_after_word(const char *start, const char *at, const char *word)
{
	size_t size = strlen(word);

	while (at > start && is_blank(at[-1]))
		at--;
	if ((size_t)(at - start) < size || memcmp(at - size, word, size))
		return false;
	at -= size;
	return at == start || memchr(" \t\n;#", at[-1], 5);
}

/* With 4000 names, to read all that is before each of them takes a second. */
static bool find_name(struct reader *names, struct smcp_parser *parser,
		      const char *kind, const struct smcp_text *name)
{
	const char *start = parser->names.start;
	struct smcp_source source = {"SMC_NAMES", start, parser->names.size,
				     NULL};
	const char *at = start;

	if (!start)
		return false;
	begin_reading(names, parser, &source);
	names->source = NULL; /* it is gone when we return */
	while ((at = memmem(at, (size_t)(names->end - at), name->start,
			    name->size))) {
		names->at = at + name->size;
		if (at > start && is_blank(at[-1]) &&
		    (at_end(names) || is_blank(*names->at)) &&
		    is_after_word(start, at, kind))
			return true;
		at++;
	}
	return false;
}

/* Leaves @names behind the name, which is reported if there is none. */
static int need_name(struct reader *reader, struct reader *names,
		     const char *kind, const struct smcp_text *name)
{
	struct smcp_parser *parser = reader->parser;
	const char *reason;

	if (find_name(names, parser, kind, name))
		return 0;
	if (!parser->find)
		return fail(reader, name->start,
			    "%s '%s' is not known (smc_run looks names up; "
			    "else write the %s)",
			    kind, show(*name).text,
			    *kind == 'h' ? "address" : "number");
	reason = parser->find(parser, kind, name);
	if (reason)
		return fail(reader, name->start, "%s '%s' %s", kind,
			    show(*name).text, reason);
	find_name(names, parser, kind, name);
	return 0;
}

/* Decimal, without sign or blank, at most @max. */
static int parse_number(const struct smcp_text *word, unsigned long long max,
			unsigned long long *ret_number)
{
	unsigned long long number = 0;
	size_t i;

	if (!word->size)
		return -EINVAL;
	for (i = 0; i < word->size; i++) {
		if (word->start[i] < '0' || word->start[i] > '9')
			return -EINVAL;
		number = number * 10 + (unsigned int)(word->start[i] - '0');
		if (number > max)
			return -ERANGE;
	}
	*ret_number = number;
	return 0;
}

/* An address in SMC_NAMES: IPv6 is without brackets there. */
static int parse_named_addr(const struct smcp_text *word,
			    struct smcp_prefix *ret_prefix)
{
	char text[SMCP_PREFIX_TEXT];
	int n;

	if (memchr(word->start, '/', word->size) ||
	    word->size > sizeof(text) - 3)
		return -EINVAL;
	if (!memchr(word->start, ':', word->size))
		return smcp_prefix_parse(word->start, word->size, ret_prefix);
	n = snprintf(text, sizeof(text), "[%.*s]", (int)word->size,
		     word->start);
	return smcp_prefix_parse(text, (size_t)n, ret_prefix);
}

void smcp_conf_check_names(struct smcp_parser *parser, const char *origin)
{
	struct smcp_source source = {origin, parser->names.start,
				     parser->names.size, NULL};
	struct smcp_text kind, name, word;
	struct smcp_prefix prefix;
	struct reader reader;
	unsigned long long id;
	unsigned int n;

	if (!source.text || begin_source(&reader, parser, &source))
		return;
	while (!reader.failed && next_name(&reader, &kind, &name)) {
		bool is_host = is_word(&kind, "host");

		if (!is_host && !is_word(&kind, "user") &&
		    !is_word(&kind, "group")) {
			fail(&reader, kind.start,
			     "unknown word '%s' (host, user or group)",
			     show(kind).text);
			break;
		}
		if (!name.size)
			fail(&reader, name.start, "a name is missing");
		for (n = 0, skip_blanks(&reader); !at_end(&reader);
		     skip_blanks(&reader), n++) {
			word = take_word(&reader, "");
			if (is_host ? parse_named_addr(&word, &prefix)
				    : parse_number(&word, UINT32_MAX - 1, &id))
				fail(&reader, word.start, "'%s' is not %s",
				     show(word).text,
				     is_host ? "an address" : "an id");
		}
		if (is_host ? n > SMCP_MAX_HOST_ADDRS : n != 1)
			fail(&reader, name.start,
			     is_host ? "more than %d addresses"
				     : "%d number is expected",
			     is_host ? SMCP_MAX_HOST_ADDRS : 1);
	}
}

/*
 * Endpoints
 */
static int add_endpoint(struct reader *reader, const char *at,
			struct smcp_range *range,
			const struct smcp_endpoint *endpoint)
{
	struct smcp_list *list = reader->parser->list;

	if (list->n_endpoints == SMCP_MAX_ENDPOINTS)
		return fail(reader, at, "more than %d addresses",
			    SMCP_MAX_ENDPOINTS);
	list->endpoints[list->n_endpoints++] = *endpoint;
	range->count++;
	return 0;
}

/* A word that stands for prefixes */
static int add_prefixes(struct reader *reader, const char *at,
			struct smcp_range *range, struct smcp_endpoint endpoint,
			const char *const *prefixes, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		endpoint.more = i ? 0 : (unsigned int)n - 1;
		(void)smcp_prefix_parse(prefixes[i], strlen(prefixes[i]),
					&endpoint.prefix);
		if (add_endpoint(reader, at, range, &endpoint))
			return -EINVAL;
	}
	return 0;
}

static int add_host(struct reader *reader, struct smcp_range *range,
		    struct smcp_endpoint endpoint, const struct smcp_text *host)
{
	struct smcp_list *list = reader->parser->list;
	unsigned int first = list->n_endpoints;
	struct reader names;
	struct smcp_text word;

	endpoint.host = SMCP_HOST_NAME;
	endpoint.name = *host;
	if (need_name(reader, &names, "host", host))
		return -EINVAL;
	for (skip_blanks(&names); !at_end(&names); skip_blanks(&names)) {
		word = take_word(&names, "");
		endpoint.more = 0;
		if (parse_named_addr(&word, &endpoint.prefix))
			return fail(reader, host->start,
				    "the address of '%s' cannot be read",
				    show(*host).text);
		if (add_endpoint(reader, host->start, range, &endpoint))
			return -EINVAL;
	}
	if (list->n_endpoints == first)
		return fail(reader, host->start, "host '%s' has no address",
			    show(*host).text);
	list->endpoints[first].more = list->n_endpoints - first - 1;
	return 0;
}

static bool is_hostname(const struct smcp_text *word)
{
	bool has_letter = false;
	size_t i;

	for (i = 0; i < word->size; i++) {
		char c = word->start[i], lower = c | 0x20;
		bool is_letter = lower >= 'a' && lower <= 'z';

		if (!is_letter && !strchr("0123456789-.", c))
			return false;
		has_letter |= is_letter;
	}
	return has_letter;
}

static int add_prefix(struct reader *reader, struct smcp_range *range,
		      struct smcp_endpoint endpoint,
		      const struct smcp_text *host)
{
	char text[SMCP_PREFIX_TEXT];

	endpoint.host = SMCP_HOST_PREFIX;
	switch (smcp_prefix_parse(host->start, host->size, &endpoint.prefix)) {
	case 0:
		return add_endpoint(reader, host->start, range, &endpoint);
	case -EDOM:
		smcp_prefix_format(&endpoint.prefix, text);
		return fail(reader, host->start, "host bits set in '%s' (%s)",
			    show(*host).text, text);
	case -ERANGE:
		return fail(reader, host->start,
			    "'%s' has no length of 0 to %d behind the '/'",
			    show(*host).text, *host->start == '[' ? 128 : 32);
	default:
		return fail(reader, host->start, "'%s' is not an address",
			    show(*host).text);
	}
}

static int parse_ports(struct reader *reader, struct smcp_text word,
		       struct smcp_endpoint *endpoint)
{
	struct smcp_text first = word, last;
	const char *dash = memchr(word.start, '-', word.size);
	unsigned long long from, to;

	last = first;
	if (dash) {
		first.size = (size_t)(dash - word.start);
		last.start = dash + 1;
		last.size = word.size - first.size - 1;
	}
	if (parse_number(&first, UINT16_MAX, &from) || !from ||
	    parse_number(&last, UINT16_MAX, &to) || !to)
		return fail(reader, word.start,
			    "'%s' is not a port or a range (1 to 65535)",
			    show(word).text);
	if (from > to)
		return fail(reader, word.start,
			    "the range '%s' ends before it begins",
			    show(word).text);
	endpoint->first_port = (uint16_t)from;
	endpoint->last_port = (uint16_t)to;
	return 0;
}

static int parse_endpoint(struct reader *reader, struct smcp_text word,
			  struct smcp_range *range)
{
	static const char *const loopback[] = {"127.0.0.0/8", "[::1]"};
	static const char *const private[] = {"10.0.0.0/8", "172.16.0.0/12",
					      "192.168.0.0/16", "[fc00::/7]"};
	struct smcp_endpoint endpoint = {.last_port = UINT16_MAX};
	struct smcp_text host = word, ports;
	const char *colon, *bracket;

	bracket = word.size && *word.start == '['
			  ? memchr(word.start, ']', word.size)
			  : NULL;
	if (word.size && *word.start == '[' && !bracket)
		return fail(reader, word.start, "'%s' has no ']'",
			    show(word).text);
	if (bracket)
		host.size = (size_t)(bracket - word.start) + 1;
	colon = memchr(word.start + (bracket ? host.size : 0), ':',
		       word.size - (bracket ? host.size : 0));
	if (bracket && host.size < word.size && *(bracket + 1) != ':')
		return fail(reader, bracket + 1,
			    "a ':' and ports can follow the ']'");
	if (colon) {
		host.size = (size_t)(colon - word.start);
		ports.start = colon + 1;
		ports.size = word.size - host.size - 1;
		if (memchr(ports.start, ':', ports.size))
			return fail(reader, word.start,
				    "'%s' has many ':' (an IPv6 address is "
				    "written in [ ])",
				    show(word).text);
		if (parse_ports(reader, ports, &endpoint))
			return -EINVAL;
	}
	if (!host.size && !colon)
		return fail(reader, word.start,
			    "an address or ':PORT' is missing");
	if (!host.size || is_word(&host, "*"))
		return add_endpoint(reader, word.start, range, &endpoint);
	if (is_word(&host, "loopback")) {
		endpoint.host = SMCP_HOST_LOOPBACK;
		return add_prefixes(reader, word.start, range, endpoint,
				    loopback, ARRAY_SIZE(loopback));
	}
	if (is_word(&host, "private")) {
		endpoint.host = SMCP_HOST_PRIVATE;
		return add_prefixes(reader, word.start, range, endpoint,
				    private, ARRAY_SIZE(private));
	}
	return is_hostname(&host) ? add_host(reader, range, endpoint, &host)
				  : add_prefix(reader, range, endpoint, &host);
}

/*
 * Lists, with commas, that selectors have
 */
enum what { PROGS, USERS, GROUPS, TO, ON };

static int add_word(struct reader *reader, struct smcp_text word,
		    struct smcp_range *range)
{
	struct smcp_list *list = reader->parser->list;

	if (!word.size || word.size > 255)
		return fail(reader, word.start,
			    word.size ? "the name is longer than 255 bytes"
				      : "a program is missing");
	if (memchr(word.start, '/', word.size) &&
	    !strchr("/*?[\\", *word.start))
		return fail(reader, word.start,
			    "'%s' fits no program (a path begins with '/')",
			    show(word).text);
	if (list->n_words == SMCP_MAX_WORDS)
		return fail(reader, word.start, "more than %d programs",
			    SMCP_MAX_WORDS);
	list->words[list->n_words++] = word;
	range->count++;
	return 0;
}

static int add_id(struct reader *reader, struct smcp_text word,
		  struct smcp_range *range, const char *kind)
{
	struct smcp_list *list = reader->parser->list;
	struct smcp_id id = {0};
	unsigned long long number;
	struct smcp_text found;
	struct reader names;

	if (!word.size)
		return fail(reader, word.start, "a %s is missing", kind);
	if (list->n_ids == SMCP_MAX_WORDS)
		return fail(reader, word.start, "more than %d users and groups",
			    SMCP_MAX_WORDS);
	if (strchr(digits, *word.start)) {
		if (parse_number(&word, UINT32_MAX - 1, &number))
			return fail(reader, word.start, "'%s' is not a %s id",
				    show(word).text, kind);
	} else {
		if (need_name(reader, &names, kind, &word))
			return -EINVAL;
		skip_blanks(&names);
		found = take_word(&names, "");
		if (parse_number(&found, UINT32_MAX - 1, &number))
			return fail(reader, word.start,
				    "the number of '%s' cannot be read",
				    show(word).text);
		id.name = word;
	}
	id.number = (uint32_t)number;
	list->ids[list->n_ids++] = id;
	range->count++;
	return 0;
}

/* Is the endpoint just added one that a connection can be to? */
static int check_peer(struct reader *reader, struct smcp_text word)
{
	const struct smcp_list *list = reader->parser->list;
	const struct smcp_endpoint *last =
		&list->endpoints[list->n_endpoints - 1];

	if (last->host == SMCP_HOST_PREFIX && last->prefix.len >= 32 &&
	    smcp_addr_is_any(&last->prefix.addr) &&
	    (last->prefix.addr.is_ipv4 || last->prefix.len == 128))
		return fail(reader, word.start,
			    "no connection is to '%s' (the kernel takes it for "
			    "loopback; any address is '*')",
			    show(word).text);
	return 0;
}

static int parse_items(struct reader *reader, enum what what,
		       struct smcp_range *range)
{
	struct smcp_list *list = reader->parser->list;
	struct smcp_text word;
	int rc;

	range->first = (uint16_t)(what == TO || what == ON ? list->n_endpoints
				  : what == PROGS	   ? list->n_words
							   : list->n_ids);
	for (;;) {
		skip_blanks(reader);
		word = take_word(reader, ",");
		switch (what) {
		case TO:
		case ON:
			rc = parse_endpoint(reader, word, range);
			if (!rc && what == TO)
				rc = check_peer(reader, word);
			break;
		case PROGS:
			rc = add_word(reader, word, range);
			break;
		default:
			rc = add_id(reader, word, range,
				    what == USERS ? "user" : "group");
		}
		if (rc)
			return rc;
		skip_blanks(reader);
		if (at_end(reader) || *reader->at != ',')
			return 0;
		reader->at++;
	}
}

/*
 * Statements
 */
static struct smcp_rule *new_rule(struct reader *reader, const char *at)
{
	struct smcp_list *list = reader->parser->list;
	struct smcp_rule *rule;

	if (list->n_rules == SMCP_MAX_RULES) {
		fail(reader, at, "more than %d rules", SMCP_MAX_RULES);
		return NULL;
	}
	rule = &list->rules[list->n_rules];
	*rule = (struct smcp_rule){
		.roles = SMCP_BOTH,
		.origin = reader->source->origin,
		.line = reader->line,
	};
	return rule;
}

static int parse_verdict(struct reader *reader, const struct smcp_text *word,
			 enum smcp_verdict *ret_verdict)
{
	static const char *const names[] = {"tcp", "smc", "require"};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		if (is_word(word, names[i])) {
			*ret_verdict = (enum smcp_verdict)i;
			return 0;
		}
	}
	return fail(reader, word->start,
		    word->size ? "unknown word '%s' (smc, tcp or require)"
			       : "smc, tcp or require is missing%s",
		    show(*word).text);
}

static int parse_name(struct reader *reader, struct smcp_text *ret_name)
{
	struct smcp_text word;
	size_t i;

	skip_blanks(reader);
	word = take_word(reader, "");
	for (i = 0; i < word.size; i++)
		if (!is_hostname(&(struct smcp_text){&word.start[i], 1}) &&
		    !strchr("0123456789_.-", word.start[i]))
			break;
	if (!word.size || word.size > 32 || i < word.size)
		return fail(reader, word.start,
			    "'%s' is not a name (1 to 32 of A-Z a-z 0-9 _ . -)",
			    show(word).text);
	*ret_name = word;
	skip_blanks(reader);
	if (!at_end(reader))
		return fail(reader, reader->at,
			    "nothing can follow the rule's name");
	return 0;
}

static int parse_selector(struct reader *reader, const struct smcp_text *word,
			  struct smcp_rule *rule)
{
	const struct {
		const char *name;
		enum what what;
		struct smcp_range *range;
	} selectors[] = {
		{"prog", PROGS, &rule->progs},
		{"user", USERS, &rule->users},
		{"group", GROUPS, &rule->groups},
		{"to", TO, &rule->to},
		{"on", ON, &rule->on},
	};
	const char *before;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(selectors); i++) {
		if (!is_word(word, selectors[i].name))
			continue;
		if (selectors[i].range->count)
			return fail(reader, word->start,
				    "'%s' is there twice (write a list with "
				    "commas)",
				    selectors[i].name);
		if (selectors[i].what == PROGS) {
			struct smcp_text not ;

			skip_blanks(reader);
			before = reader->at;
			not = take_word(reader, ",");
			rule->prog_is_not = is_word(&not, "not");
			if (!rule->prog_is_not)
				reader->at = before;
		}
		return parse_items(reader, selectors[i].what,
				   selectors[i].range);
	}
	if (is_word(word, "from") || is_word(word, "cgroup") ||
	    is_word(word, "netns"))
		return fail(reader, word->start,
			    "'%s' is reserved; no program can know it",
			    show(*word).text);
	return fail(reader, word->start,
		    "unknown word '%s' (connect, listen, prog, user, group, "
		    "to, on or as)",
		    show(*word).text);
}

static int parse_rule(struct reader *reader)
{
	struct smcp_text word;
	struct smcp_rule *rule;
	const char *role = NULL, *to = NULL, *on = NULL;

	rule = new_rule(reader, reader->at);
	if (!rule)
		return -EINVAL;
	skip_blanks(reader);
	word = take_word(reader, "");
	if (parse_verdict(reader, &word, &rule->verdict))
		return -EINVAL;
	for (skip_blanks(reader); !at_end(reader); skip_blanks(reader)) {
		word = take_word(reader, ",");
		if (is_word(&word, "as")) {
			if (parse_name(reader, &rule->name))
				return -EINVAL;
		} else if (!role && !rule->progs.count && !rule->users.count &&
			   !rule->groups.count && !to && !on &&
			   (is_word(&word, "connect") ||
			    is_word(&word, "listen"))) {
			role = word.start;
			rule->roles = *role == 'c' ? SMCP_CONNECT : SMCP_LISTEN;
		} else {
			if (is_word(&word, "to"))
				to = word.start;
			if (is_word(&word, "on"))
				on = word.start;
			if (parse_selector(reader, &word, rule))
				return -EINVAL;
		}
	}
	if (to && role && rule->roles == SMCP_LISTEN)
		return fail(reader, to,
			    "'to' is for connect (a listener cannot choose its "
			    "clients)");
	if (to && on && !role)
		return fail(
			reader, on,
			"'on' beside 'to' needs the word connect before them");
	if (to)
		rule->roles = SMCP_CONNECT;
	else if (on && !role)
		rule->roles = SMCP_LISTEN;
	reader->parser->list->n_rules++;
	return 0;
}

/* One of some words: its number, or -1. */
static int which(const struct smcp_text *word, const char *const *words,
		 size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (is_word(word, words[i]))
			return (int)i;
	return -1;
}

static int parse_setting(struct reader *reader, const struct smcp_text *key)
{
	static const char *const keys[] = {"family", "default", "strict",
					   "locked", "rcvbuf",	"sndbuf",
					   "debug"};
	static const char *const verdicts[] = {"tcp", "smc"};
	static const char *const answers[] = {"no", "yes"};
	static const char *const levels[] = {"0", "1", "2", "3"};
	struct smcp_settings *settings = &reader->parser->settings;
	int k = which(key, keys, ARRAY_SIZE(keys)), value, size;
	struct smcp_text word;
	unsigned int families;
	char text[32];

	if (k < 0)
		return fail(
			reader, key->start,
			"unknown word '%s' (use, include or a setting: family, "
			"default, strict, locked, rcvbuf, sndbuf, debug)",
			show(*key).text);
	skip_blanks(reader);
	if (at_end(reader) || *reader->at != '=')
		return fail(reader, reader->at, "'=' is expected after '%s'",
			    keys[k]);
	reader->at++;
	skip_blanks(reader);
	word = take_value(reader);
	skip_blanks(reader);
	if (!at_end(reader))
		return fail(reader, reader->at,
			    "one value is expected, without blanks");
	snprintf(text, sizeof(text), "%.*s",
		 (int)(word.size < sizeof(text) ? word.size : 0), word.start);
	switch (k) {
	case 0:
		if (smcp_conf_parse_family(text, &families))
			break;
		if (!settings->conf.families)
			settings->conf.families = families;
		return 0;
	case 1:
		value = which(&word, verdicts, ARRAY_SIZE(verdicts));
		if (value < 0)
			break;
		if (settings->otherwise < 0)
			settings->otherwise = value ? SMCP_SMC : SMCP_TCP;
		return 0;
	case 2:
	case 3:
		value = which(&word, answers, ARRAY_SIZE(answers));
		if (value < 0)
			break;
		if (k == 2 && settings->is_strict < 0)
			settings->is_strict = value;
		if (k == 3 && settings->is_locked < 0)
			settings->is_locked = value;
		return 0;
	case 6:
		value = which(&word, levels, ARRAY_SIZE(levels));
		if (value < 0)
			break;
		if (settings->debug < 0)
			settings->debug = value;
		return 0;
	default:
		if (smcp_conf_parse_size(text, &size))
			break;
		if (k == 4 && settings->conf.rcvbuf == SMCP_SIZE_UNSET)
			settings->conf.rcvbuf = size;
		if (k == 5 && settings->conf.sndbuf == SMCP_SIZE_UNSET)
			settings->conf.sndbuf = size;
		return 0;
	}
	return fail(reader, word.start, "'%s' is not a value of %s (%s)",
		    show(word).text, keys[k],
		    k == 0   ? "inet, smc or auto"
		    : k == 1 ? "smc or tcp"
		    : k < 4  ? "yes or no"
		    : k == 6 ? "0 to 3"
			     : "decimal bytes, k or m may follow");
}

static int parse_include(struct reader *reader)
{
	struct smcp_error at;
	struct smcp_text word;
	char path[SMCP_MAX_LINE + 1];
	size_t i;

	skip_blanks(reader);
	word = take_value(reader);
	at = place(reader, word.start);
	skip_blanks(reader);
	if (!word.size || *word.start != '/' || !at_end(reader))
		return fail(reader, word.start,
			    "include wants one absolute path");
	/* Behind a '#' nobody has looked yet. */
	for (i = 0; i < word.size; i++)
		if (check_byte(reader, word.start + i))
			return -EINVAL;
	memcpy(path, word.start, word.size);
	path[word.size] = '\0';
	if (reader->parser->depth == 4)
		return fail(reader, word.start,
			    "more than 4 files include each other");
	reader->parser->depth++;
	reader->source->include(reader->parser, &at, path);
	reader->parser->depth--;
	return 0;
}

static void parse_statement(struct reader *reader)
{
	struct smcp_text word = take_word(reader, "=");

	if (is_word(&word, "use")) {
		parse_rule(reader);
	} else if (!reader->source->include) {
		fail(reader, word.start, "unknown word '%s' (use)",
		     show(word).text);
	} else if (is_word(&word, "include")) {
		parse_include(reader);
	} else {
		parse_setting(reader, &word);
	}
}

void smcp_conf_parse(struct smcp_parser *parser,
		     const struct smcp_source *source)
{
	struct reader reader;
	bool is_new = true;

	if (begin_source(&reader, parser, source))
		return;
	while (reader.at < reader.end) {
		reader.failed = false;
		if (is_new && check_line(&reader))
			skip_line(&reader);
		is_new = false;
		skip_blanks(&reader);
		reader.failed = false;
		if (!at_end(&reader))
			parse_statement(&reader);
		while (reader.failed && !at_end(&reader))
			reader.at++;
		if (reader.at == reader.end)
			break;
		if (*reader.at == '#')
			skip_line(&reader);
		if (reader.at < reader.end && *reader.at++ == '\n') {
			reader.line++;
			reader.line_start = reader.at;
			is_new = true;
		}
	}
}

/* A source that is one list. */
static void parse_list(struct smcp_parser *parser,
		       const struct smcp_source *source, enum what what,
		       const struct smcp_rule *model)
{
	struct smcp_rule *rule;
	struct reader reader;

	if (begin_source(&reader, parser, source) || check_line(&reader))
		return;
	rule = new_rule(&reader, reader.at);
	if (!rule)
		return;
	rule->verdict = model->verdict;
	rule->roles = model->roles;
	rule->prog_is_not = model->prog_is_not;
	if (parse_items(&reader, what,
			what == PROGS ? &rule->progs
			: what == TO  ? &rule->to
				      : &rule->on))
		return;
	if (reader.at < reader.end)
		fail(&reader, reader.at, "a list has commas and nothing else");
	else
		parser->list->n_rules++;
}

void smcp_conf_parse_endpoints(struct smcp_parser *parser,
			       const struct smcp_source *source,
			       enum smcp_verdict verdict, enum smcp_role role)
{
	parse_list(parser, source, role == SMCP_CONNECT ? TO : ON,
		   &(struct smcp_rule){.verdict = verdict, .roles = role});
}

void smcp_conf_parse_progs(struct smcp_parser *parser,
			   const struct smcp_source *source, bool is_not)
{
	parse_list(parser, source, PROGS,
		   &(struct smcp_rule){.verdict = SMCP_TCP,
				       .roles = SMCP_BOTH,
				       .prog_is_not = is_not});
}

void smcp_conf_add_tcp(struct smcp_parser *parser, const char *origin)
{
	smcp_conf_parse(parser,
			&(struct smcp_source){origin, "use tcp", 7, NULL});
}

void smcp_conf_begin(struct smcp_parser *parser, struct smcp_list *list)
{
	memset(parser, 0, sizeof(*parser));
	parser->list = list;
	parser->settings = (struct smcp_settings){
		.conf = {.sndbuf = SMCP_SIZE_UNSET, .rcvbuf = SMCP_SIZE_UNSET},
		.otherwise = -1,
		.is_strict = -1,
		.is_locked = -1,
		.debug = -1,
	};
	list->n_rules = 0;
	list->n_endpoints = 0;
	list->n_words = 0;
	list->n_ids = 0;
	list->otherwise = SMCP_SMC;
	list->is_strict = false;
}

/*
 * The other way round
 */
struct writer {
	char *text;
	size_t size;
	size_t length; /* of the whole text */
};

__attribute__((format(printf, 2, 3))) static void put(struct writer *writer,
						      const char *format, ...)
{
	size_t left = writer->length < writer->size
			      ? writer->size - writer->length
			      : 0;
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(left ? writer->text + writer->length : NULL, left, format,
		      args);
	va_end(args);
	if (n > 0)
		writer->length += (size_t)n;
}

static void put_text(struct writer *writer, const struct smcp_text *text)
{
	put(writer, "%.*s", (int)text->size, text->start);
}

static void put_endpoint(struct writer *writer,
			 const struct smcp_endpoint *endpoint)
{
	bool has_ports = endpoint->first_port > 0;
	char text[SMCP_PREFIX_TEXT];

	switch (endpoint->host) {
	case SMCP_HOST_ANY:
		put(writer, has_ports ? "" : "*");
		break;
	case SMCP_HOST_LOOPBACK:
		put(writer, "loopback");
		break;
	case SMCP_HOST_PRIVATE:
		put(writer, "private");
		break;
	case SMCP_HOST_NAME:
		put_text(writer, &endpoint->name);
		break;
	case SMCP_HOST_PREFIX:
		smcp_prefix_format(&endpoint->prefix, text);
		put(writer, "%s", text);
	}
	if (has_ports)
		put(writer, ":%u", endpoint->first_port);
	if (has_ports && endpoint->last_port != endpoint->first_port)
		put(writer, "-%u", endpoint->last_port);
}

static void put_endpoints(struct writer *writer, const struct smcp_list *list,
			  const char *word, const struct smcp_range *range)
{
	const struct smcp_endpoint *endpoint = &list->endpoints[range->first];
	const struct smcp_endpoint *end = endpoint + range->count;

	if (!range->count)
		return;
	put(writer, " %s ", word);
	for (; endpoint < end; endpoint += endpoint->more + 1) {
		put_endpoint(writer, endpoint);
		if (endpoint + endpoint->more + 1 < end)
			put(writer, ", ");
	}
}

static void put_ids(struct writer *writer, const struct smcp_list *list,
		    const char *word, const struct smcp_range *range)
{
	unsigned int i;

	for (i = 0; i < range->count; i++) {
		const struct smcp_id *id = &list->ids[range->first + i];

		put(writer, i ? ", " : " %s ", word);
		if (id->name.size)
			put_text(writer, &id->name);
		else
			put(writer, "%u", id->number);
	}
}

size_t smcp_conf_format_rule(const struct smcp_list *list,
			     const struct smcp_rule *rule, char *ret_text,
			     size_t size)
{
	static const char *const verdicts[] = {"tcp", "smc", "require"};
	struct writer writer = {ret_text, size, 0};
	unsigned int i;

	put(&writer, "use %s", verdicts[rule->verdict]);
	if (rule->roles != SMCP_BOTH)
		put(&writer,
		    rule->roles == SMCP_CONNECT ? " connect" : " listen");
	for (i = 0; i < rule->progs.count; i++) {
		put(&writer, i			 ? ", "
			     : rule->prog_is_not ? " prog not "
						 : " prog ");
		put_text(&writer, &list->words[rule->progs.first + i]);
	}
	put_ids(&writer, list, "user", &rule->users);
	put_ids(&writer, list, "group", &rule->groups);
	put_endpoints(&writer, list, "to", &rule->to);
	put_endpoints(&writer, list, "on", &rule->on);
	if (rule->name.size) {
		put(&writer, " as ");
		put_text(&writer, &rule->name);
	}
	return writer.length;
}
