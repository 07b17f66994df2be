// SPDX-License-Identifier: MIT
#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "conf.h"
#include "table.h"

static int refuse(struct smcb_refusal *refusal, int rule, const char *text)
{
	refusal->rule = rule;
	snprintf(refusal->text, sizeof(refusal->text), "%s", text);
	return -EINVAL;
}

int smcb_name(const char *name, size_t size, __u64 ret_name[SMCB_WORDS])
{
	/* What is longer is cut in the kernel, and must not look like this. */
	if (size > SMCB_NAME - 2)
		return -ENAMETOOLONG;
	memset(ret_name, 0, SMCB_NAME);
	memcpy(ret_name, name, size);
	return 0;
}

/* A word with nothing special in it, but for a star at its end */
static int make_pattern(const struct smcp_text *word,
			struct smcb_pattern *pattern, int rule,
			struct smcb_refusal *refusal)
{
	bool is_start = word->size && word->start[word->size - 1] == '*';
	size_t size = word->size - is_start, i;

	for (i = 0; i < size; i++) {
		if (word->start[i] == '/')
			return refuse(refusal, rule,
				      "--bpf does not know the directory of a "
				      "program (write its name)");
		if (strchr("*?[]\\", word->start[i]))
			return refuse(refusal, rule,
				      "--bpf knows '*' at the end of a "
				      "program's name alone");
	}
	if (smcb_name(word->start, size, pattern->text))
		return refuse(refusal, rule,
			      "--bpf does not know so long a name of a "
			      "program");
	memset(pattern->mask, 0, sizeof(pattern->mask));
	memset(pattern->mask, 0xff, is_start ? size : SMCB_NAME);
	return 0;
}

/* The first @len bits of 32 */
static uint32_t mask_of(int len)
{
	return len <= 0 ? 0 : len >= 32 ? UINT32_MAX : UINT32_MAX << (32 - len);
}

static void make_endpoint(const struct smcp_endpoint *from,
			  struct smcb_endpoint *endpoint)
{
	const struct smcp_addr *addr = &from->prefix.addr;
	int len = (int)from->prefix.len + (addr->is_ipv4 ? 96 : 0), i;
	uint64_t lo = addr->lo | (addr->is_ipv4 ? 0xffffULL << 32 : 0);

	endpoint->first_port = from->first_port;
	endpoint->last_port = from->last_port;
	if (from->host == SMCP_HOST_ANY)
		return;
	endpoint->addrs = addr->is_ipv4 ? SMCB_IPV4 : SMCB_IPV6;
	if (!addr->is_ipv4) {
		endpoint->addr[0] = htobe32((uint32_t)(addr->hi >> 32));
		endpoint->addr[1] = htobe32((uint32_t)addr->hi);
	}
	endpoint->addr[2] = htobe32((uint32_t)(lo >> 32));
	endpoint->addr[3] = htobe32((uint32_t)lo);
	for (i = 0; i < 4; i++)
		endpoint->mask[i] = htobe32(mask_of(len - 32 * i));
}

static bool asks_for_address(const struct smcp_rule *rule)
{
	return rule->to.count || rule->on.count;
}

/* What is printed behind "TCP by ": of a path the end tells most. */
static void write_place(const struct smcp_rule *rule, char place[SMCB_PLACE])
{
	static const char head[] = "rule ";
	size_t room = SMCB_PLACE - sizeof(head);
	char text[SMCP_MAX_LINE + 32];
	size_t size;

	if (rule->name.size)
		snprintf(text, sizeof(text), "%.*s", (int)rule->name.size,
			 rule->name.start);
	else
		snprintf(text, sizeof(text), "%s:%u", rule->origin, rule->line);
	size = strlen(text);
	snprintf(place, SMCB_PLACE, "%s%s", head,
		 text + (size > room ? size - room : 0));
}

static struct smcb_entry *add(struct smcb_table *table, int rule)
{
	struct smcb_entry *entry = &table->entries[table->n];

	/* The last one is for the default. */
	if (table->n == SMCB_ENTRIES - 1 && rule >= 0)
		return NULL;
	memset(entry, 0, sizeof(*entry));
	table->rules[table->n++] = rule;
	return entry;
}

static int too_many(struct smcb_refusal *refusal, int rule)
{
	return refuse(refusal, rule,
		      "--bpf has no room for so many programs, users, "
		      "groups and addresses");
}

/* Programs the rule is not for: past it */
static int add_exceptions(struct smcb_table *table,
			  const struct smcp_list *list, int at,
			  struct smcb_refusal *refusal)
{
	const struct smcp_rule *rule = &list->rules[at];
	struct smcb_entry *entry;
	unsigned int i;

	for (i = 0; i < rule->progs.count; i++) {
		entry = add(table, at);
		if (!entry)
			return too_many(refusal, at);
		entry->flags = SMCB_SKIP | SMCB_HAS_PROGRAM;
		entry->families = SMCB_INET | SMCB_INET6;
		entry->roles = SMCB_BOTH;
		if (make_pattern(&list->words[rule->progs.first + i],
				 &entry->program, at, refusal))
			return -EINVAL;
	}
	return 0;
}

/* The @n-th of a range, with the ranges behind it in the higher digits of @n */
static unsigned int take(const struct smcp_range *range, unsigned int *n)
{
	unsigned int count = range->count ? range->count : 1;
	unsigned int at = *n % count;

	*n /= count;
	return range->first + at;
}

/* An entry for each program, user, group and address that it is for. */
static int add_product(struct smcb_table *table, const struct smcp_list *list,
		       int at, const struct smcb_entry *model,
		       struct smcb_refusal *refusal)
{
	static const struct smcp_range none;
	const struct smcp_rule *rule = &list->rules[at];
	const struct smcp_range *progs =
		rule->prog_is_not ? &none : &rule->progs;
	struct smcb_entry *entry;
	unsigned int i, n, prog, user, group, to, on;

	for (i = 0;; i++) {
		n = i;
		prog = take(progs, &n);
		user = take(&rule->users, &n);
		group = take(&rule->groups, &n);
		to = take(&rule->to, &n);
		on = take(&rule->on, &n);
		if (n)
			return 0;
		entry = add(table, at);
		if (!entry)
			return too_many(refusal, at);
		*entry = *model;
		if (rule->users.count)
			entry->user = list->ids[user].number;
		if (rule->groups.count)
			entry->group = list->ids[group].number;
		if (rule->to.count)
			make_endpoint(&list->endpoints[to], &entry->to);
		if (rule->on.count)
			make_endpoint(&list->endpoints[on], &entry->on);
		/* A socket of AF_INET6 has v4-mapped peers, too. */
		if (entry->to.addrs != SMCB_IPV6 &&
		    entry->on.addrs != SMCB_IPV6)
			entry->families |= SMCB_INET;
		if (progs->count && make_pattern(&list->words[prog],
						 &entry->program, at, refusal))
			return -EINVAL;
	}
}

static int add_rule(struct smcb_table *table, const struct smcp_list *list,
		    int at, struct smcb_refusal *refusal)
{
	const struct smcp_rule *rule = &list->rules[at];
	struct smcb_entry model = {.families = SMCB_INET6};
	unsigned int first = table->n;
	int rc = 0;

	if (rule->verdict == SMCP_REQUIRE)
		return refuse(refusal, at,
			      "--bpf cannot hold 'require', which needs a look "
			      "at each connect()");
	model.outcome = rule->verdict == SMCP_TCP ? SMCB_TCP : SMCB_SMC;
	model.flags = (rule->to.count ? SMCB_HAS_TO : 0) |
		      (rule->on.count ? SMCB_HAS_ON : 0) |
		      (rule->users.count ? SMCB_HAS_USER : 0) |
		      (rule->groups.count ? SMCB_HAS_GROUP : 0);
	if (rule->progs.count && !rule->prog_is_not)
		model.flags |= SMCB_HAS_PROGRAM;
	if (rule->roles & SMCP_CONNECT)
		model.roles |= SMCB_CONNECT;
	if (rule->roles & SMCP_LISTEN)
		model.roles |= SMCB_LISTEN;
	write_place(rule, model.place);
	table->needs_name |= rule->progs.count > 0;
	if (rule->prog_is_not)
		rc = add_exceptions(table, list, at, refusal);
	if (!rc)
		rc = add_product(table, list, at, &model, refusal);
	for (; first < table->n; first++)
		if (table->entries[first].flags & SMCB_SKIP)
			table->entries[first].next = (__u16)table->n;
	return rc;
}

int smcb_table_make(const struct smcp_list *list, struct smcb_table *ret_table,
		    struct smcb_refusal *ret_refusal)
{
	struct smcb_entry *entry;
	unsigned int i;
	int rc;

	ret_table->n = 0;
	ret_table->needs_name = false;
	for (i = 0; i < list->n_rules; i++) {
		rc = add_rule(ret_table, list, (int)i, ret_refusal);
		if (rc)
			return rc;
	}
	entry = add(ret_table, -1);
	entry->families = SMCB_INET | SMCB_INET6;
	entry->roles = SMCB_BOTH;
	entry->outcome = list->otherwise == SMCP_TCP ? SMCB_TCP : SMCB_SMC;
	strcpy(entry->place, "default");
	return 0;
}

/* Is there no process that both are for?  Not sure of names with stars. */
static bool are_apart(const struct smcb_entry *a, const struct smcb_entry *b)
{
	unsigned int both = a->flags & b->flags, i;

	if (!(a->families & b->families))
		return true;
	if ((both & SMCB_HAS_USER && a->user != b->user) ||
	    (both & SMCB_HAS_GROUP && a->group != b->group))
		return true;
	if (!(both & SMCB_HAS_PROGRAM))
		return false;
	for (i = 0; i < SMCB_WORDS; i++)
		if ((a->program.text[i] ^ b->program.text[i]) &
		    a->program.mask[i] & b->program.mask[i])
			return true;
	return false;
}

/* Is @b for each process that @a is for? */
static bool is_covered(const struct smcb_entry *a, const struct smcb_entry *b)
{
	unsigned int asked =
		b->flags & (SMCB_HAS_PROGRAM | SMCB_HAS_USER | SMCB_HAS_GROUP);

	if (a->families & ~b->families || asked & ~a->flags ||
	    (asked & SMCB_HAS_USER && a->user != b->user) ||
	    (asked & SMCB_HAS_GROUP && a->group != b->group))
		return false;
	return !(asked & SMCB_HAS_PROGRAM) ||
	       !memcmp(&a->program, &b->program, sizeof(a->program));
}

/* Who is settled by @other, if @entry is for them?  Return: enum smcb_role, or-ed. */
static unsigned int settled(const struct smcb_entry *entry,
			    const struct smcb_entry *other, bool has_exceptions)
{
	return other->flags & SMCB_PARTIAL || has_exceptions ||
			       !is_covered(entry, other)
		       ? 0
		       : other->roles;
}

/* Can who @at is for come to another outcome further on? */
static bool is_cause(const struct smcb_table *table, unsigned int at)
{
	const struct smcb_entry *entry = &table->entries[at], *other;
	unsigned int open = SMCB_BOTH, i;
	int with_exceptions = -2;
	bool has_exceptions;

	for (i = 0; i < table->n && open; i++) {
		other = &table->entries[i];
		if (other->flags & SMCB_SKIP) {
			with_exceptions = table->rules[i];
			continue;
		}
		if (!(other->roles & open) || are_apart(entry, other))
			continue;
		if (i > at && other->outcome != entry->outcome)
			return true;
		/* What it settles itself it does for all it is for. */
		has_exceptions = i != at && table->rules[i] == with_exceptions;
		open &= ~settled(entry, other, has_exceptions);
	}
	return false;
}

int smcb_table_find_mixed(const struct smcb_table *table)
{
	unsigned int i;

	for (i = 0; i < table->n; i++)
		if (!(table->entries[i].flags & SMCB_SKIP) &&
		    is_cause(table, i))
			return table->rules[i];
	return -1;
}

static bool has_ipv4(const struct smcp_list *list,
		     const struct smcp_range *range)
{
	const struct smcp_endpoint *endpoint = &list->endpoints[range->first];
	unsigned int i;

	for (i = 0; i < range->count; i++)
		if (endpoint[i].host == SMCP_HOST_ANY ||
		    endpoint[i].prefix.addr.is_ipv4)
			return true;
	return !range->count;
}

int smcb_find_cause(const struct smcp_list *list,
		    const struct smcp_subject *subject, int family)
{
	const struct smcp_rule *rule;
	unsigned int i;

	for (i = 0; i < list->n_rules; i++) {
		rule = &list->rules[i];
		if ((rule->roles != SMCP_BOTH || asks_for_address(rule)) &&
		    smcp_rules_fits(list, rule, subject) &&
		    (family == AF_INET6 ||
		     (has_ipv4(list, &rule->to) && has_ipv4(list, &rule->on))))
			return (int)i;
	}
	return -1;
}
