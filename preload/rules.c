// SPDX-License-Identifier: MIT
/*
 * The rules of one process as a table.  What a verdict is about is an address and
 * a port: of the peer for connect(), of the socket itself for listen().  Each
 * endpoint of each rule that is left is an entry, in the order of the rules.
 *
 * The prefixes of the entries are nodes of a tree: the parent is the next shorter
 * one around it.  A sorted array says for each address which node is the deepest.
 * The entries of a node, which differ in their ports, are painted on a line of
 * ports, the first one on top.  So the first match is the smallest entry on the
 * way from a node to its root, found without looking at any other entry.
 */
#include <fnmatch.h>
#include <stdalign.h>
#include <string.h>
#include <sys/socket.h>

#include "rules.h"
#include "util.h"

#define NONE UINT16_MAX

struct span {
	struct smcp_addr first, last;
	uint16_t first_port, last_port;
	uint16_t rule; /* in table.rules */
	bool is_any; /* any address; else of the family of @first */
};

struct rule {
	uint16_t index; /* in the list */
	uint8_t verdict; /* enum smcp_verdict */
	uint16_t first_local; /* what else is to match, in table.locals */
	uint16_t n_locals;
};

struct node {
	uint16_t parent;
	uint16_t n_ports;
	uint16_t any_port; /* the first entry if the port is not known */
	uint16_t *ports; /* where a range begins */
	uint16_t *owners; /* the first entry in it */
};

/* From here on an address is in @node, or in one within it. */
struct start {
	struct smcp_addr addr;
	uint16_t node;
};

struct family {
	struct start *starts;
	size_t n_starts;
};

struct table {
	struct rule *rules;
	struct span *entries;
	struct span *locals;
	struct node *nodes; /* the first is for addresses that are not known */
	struct family families[2]; /* IPv4, IPv6 */
	uint16_t n_rules;
	uint16_t n_entries;
	uint16_t n_locals;
	uint16_t n_nodes;
};

struct smcp_rules {
	struct table tables[2]; /* connect, listen */
	enum smcp_scope scopes[2]; /* AF_INET, AF_INET6 */
	enum smcp_verdict otherwise;
	bool needs_local;
};

/* Memory is handed out from here, never taken back. */
struct arena {
	unsigned char *next;
};

/* What making a table takes, besides the table; used again for the next. */
struct bench {
	struct arena arena;
	uint16_t *order; /* entries of a family */
	uint16_t *stack; /* open nodes, and their ends */
	struct smcp_addr *lasts;
	uint32_t *ports; /* where ranges begin, of a node */
	uint16_t *owners; /* the entry that a range is painted with */
	uint16_t *skip; /* the next that may be free */
};

static void *take(struct arena *arena, size_t count, size_t size)
{
	void *memory = arena->next;
	size_t bytes = count * size;

	bytes += -bytes % alignof(max_align_t);
	arena->next += bytes;
	return memory;
}

#define TAKE(arena, type, count) ((type *)take(arena, count, sizeof(type)))

/*
 * Who a rule speaks of
 */
static bool prog_matches(const struct smcp_text *glob, const char *exe)
{
	const char *slash = strrchr(exe, '/');
	char pattern[256];

	if (glob->size >= sizeof(pattern))
		return false;
	memcpy(pattern, glob->start, glob->size);
	pattern[glob->size] = '\0';
	if (!strchr(pattern, '/') && slash)
		exe = slash + 1;
	return fnmatch(pattern, exe, 0) == 0;
}

static bool progs_match(const struct smcp_list *list,
			const struct smcp_rule *rule, const char *exe)
{
	const struct smcp_text *word = &list->words[rule->progs.first];
	unsigned int i;

	/* Nobody knows: not over SMC. */
	if (!*exe)
		return rule->verdict == SMCP_TCP;
	for (i = 0; i < rule->progs.count; i++)
		if (prog_matches(&word[i], exe))
			return !rule->prog_is_not;
	return rule->prog_is_not;
}

static bool ids_match(const struct smcp_list *list,
		      const struct smcp_range *range, uint32_t number)
{
	unsigned int i;

	for (i = 0; i < range->count; i++)
		if (list->ids[range->first + i].number == number)
			return true;
	return false;
}

bool smcp_rules_fits(const struct smcp_list *list, const struct smcp_rule *rule,
		     const struct smcp_subject *subject)
{
	return (!rule->progs.count || progs_match(list, rule, subject->exe)) &&
	       (!rule->users.count ||
		ids_match(list, &rule->users, subject->user)) &&
	       (!rule->groups.count ||
		ids_match(list, &rule->groups, subject->group));
}

/*
 * One span, one rule
 */
static struct span make_span(const struct smcp_endpoint *endpoint)
{
	struct span span = {
		.first_port = endpoint->first_port,
		.last_port = endpoint->last_port,
		.is_any = endpoint->host == SMCP_HOST_ANY,
	};

	if (!span.is_any) {
		span.first = endpoint->prefix.addr;
		span.last = smcp_prefix_last(&endpoint->prefix);
	}
	return span;
}

static bool has_addr(const struct span *span, const struct smcp_addr *addr)
{
	return span->is_any || (span->first.is_ipv4 == addr->is_ipv4 &&
				smcp_addr_cmp(&span->first, addr) <= 0 &&
				smcp_addr_cmp(addr, &span->last) <= 0);
}

static bool has_port(const struct span *span, uint16_t port)
{
	return span->first_port <= port && port <= span->last_port;
}

static bool has_any_port(const struct span *span)
{
	return has_port(span, 0) && has_port(span, UINT16_MAX);
}

/* Of what is not known a rule for TCP always speaks: it may be that. */
static bool has_local(const struct span *span, enum smcp_verdict verdict,
		      const struct smcp_query *query)
{
	bool is_safe = verdict == SMCP_TCP;
	bool knows_addr = query->has_local && !smcp_addr_is_any(&query->local);
	bool knows_port = query->has_local && query->local_port;

	return (knows_addr ? has_addr(span, &query->local)
			   : is_safe || span->is_any) &&
	       (knows_port ? has_port(span, query->local_port)
			   : is_safe || has_any_port(span));
}

/*
 * connect() takes 0.0.0.0 for the address of its own socket, and if that has none
 * for the loopback address, as it takes ::, of IPv4 if the socket's is IPv4.
 */
static struct smcp_addr remote_of(const struct smcp_query *query)
{
	struct smcp_addr addr = query->remote;

	if (!smcp_addr_is_any(&addr))
		return addr;
	if (query->has_local && query->local.is_ipv4) {
		if (addr.is_ipv4 && !smcp_addr_is_any(&query->local))
			return query->local;
		addr.is_ipv4 = true;
	}
	addr.lo = addr.is_ipv4 ? 0x7f000001 : 1;
	return addr;
}

bool smcp_rules_matches(const struct smcp_list *list,
			const struct smcp_rule *rule,
			const struct smcp_query *query)
{
	struct smcp_addr remote = remote_of(query);
	bool is_match;
	struct span span;
	unsigned int i;

	if (!(rule->roles & query->role))
		return false;
	is_match = !rule->to.count;
	for (i = 0; i < rule->to.count && !is_match; i++) {
		span = make_span(&list->endpoints[rule->to.first + i]);
		is_match = has_addr(&span, &remote) &&
			   has_port(&span, query->remote_port);
	}
	if (!is_match || !rule->on.count)
		return is_match;
	for (i = 0; i < rule->on.count; i++) {
		span = make_span(&list->endpoints[rule->on.first + i]);
		if (has_local(&span, rule->verdict, query))
			return true;
	}
	return false;
}

/*
 * Compilation: nodes
 */
static struct span family_span(const struct span *span, bool is_ipv4)
{
	struct smcp_prefix all = {.addr = {.is_ipv4 = is_ipv4}};
	struct span result = *span;

	if (span->is_any) {
		result.first = all.addr;
		result.last = smcp_prefix_last(&all);
	}
	return result;
}

/* Outer prefixes come before those within, equal ones in the order of rules. */
static bool is_before(const struct span *entries, bool is_ipv4, uint16_t a,
		      uint16_t b)
{
	struct span x = family_span(&entries[a], is_ipv4);
	struct span y = family_span(&entries[b], is_ipv4);
	int cmp = smcp_addr_cmp(&x.first, &y.first);

	if (!cmp)
		cmp = smcp_addr_cmp(&y.last, &x.last);
	return cmp ? cmp < 0 : a < b;
}

static void sift(const struct span *entries, bool is_ipv4, uint16_t *heap,
		 size_t top, size_t n)
{
	uint16_t item = heap[top];
	size_t child;

	while ((child = 2 * top + 1) < n) {
		if (child + 1 < n &&
		    is_before(entries, is_ipv4, heap[child], heap[child + 1]))
			child++;
		if (!is_before(entries, is_ipv4, item, heap[child]))
			break;
		heap[top] = heap[child];
		top = child;
	}
	heap[top] = item;
}

/* Heap sort: libc's may allocate. */
static void sort(const struct span *entries, bool is_ipv4, uint16_t *order,
		 size_t n)
{
	size_t i;
	uint16_t last;

	for (i = n / 2; i-- > 0;)
		sift(entries, is_ipv4, order, i, n);
	for (i = n; i-- > 1;) {
		last = order[i];
		order[i] = order[0];
		order[0] = last;
		sift(entries, is_ipv4, order, 0, i);
	}
}

/* Sorts ports, and leaves each once.  Returns how many are left. */
static size_t sort_ports(uint32_t *ports, size_t n)
{
	size_t gap, i, j, kept = 0;
	uint32_t port;

	/* These gaps have no order of ports that takes the square of time. */
	for (gap = 1; gap < n / 3;)
		gap = 3 * gap + 1;
	for (; gap > 0; gap /= 3)
		for (i = gap; i < n; i++) {
			port = ports[i];
			for (j = i; j >= gap && ports[j - gap] > port; j -= gap)
				ports[j] = ports[j - gap];
			ports[j] = port;
		}
	for (i = 0; i < n; i++)
		if (!kept || ports[kept - 1] != ports[i])
			ports[kept++] = ports[i];
	return kept;
}

/* The last of sorted ports that is not above one; the first is 0. */
static size_t find_port(const uint32_t *ports, size_t n, uint32_t port)
{
	size_t low = 0;

	while (n > 1) {
		size_t half = n / 2;

		if (ports[low + half] <= port)
			low += half;
		n -= half;
	}
	return low;
}

/* The first range from @at on that is not painted */
static uint16_t next_free(uint16_t *skip, uint16_t at)
{
	while (skip[at] != at) {
		skip[at] = skip[skip[at]];
		at = skip[at];
	}
	return at;
}

/*
 * Makes a node: paints the ports of its entries, those that count for an address
 * that is not known if @is_unknown, on a line.  What is painted stays.
 */
static uint16_t add_node(struct bench *bench, struct table *table,
			 uint16_t parent, const uint16_t *order, size_t n,
			 bool is_unknown)
{
	struct node *node = &table->nodes[table->n_nodes];
	const struct span *span;
	size_t n_ports = 0, kept = 0, i;
	uint16_t at;
	bool is_safe;

	bench->ports[n_ports++] = 0;
	for (i = 0; i < n; i++) {
		span = &table->entries[order[i]];
		bench->ports[n_ports++] = span->first_port;
		if (span->last_port < UINT16_MAX)
			bench->ports[n_ports++] = span->last_port + 1U;
	}
	n_ports = sort_ports(bench->ports, n_ports);
	for (i = 0; i <= n_ports; i++) {
		bench->skip[i] = (uint16_t)i;
		bench->owners[i] = NONE;
	}

	node->parent = parent;
	node->any_port = NONE;
	for (i = 0; i < n; i++) {
		span = &table->entries[order[i]];
		is_safe = table->rules[span->rule].verdict == SMCP_TCP;
		if (is_unknown && !is_safe && !span->is_any)
			continue;
		if (node->any_port == NONE && (is_safe || has_any_port(span)))
			node->any_port = order[i];
		at = (uint16_t)find_port(bench->ports, n_ports,
					 span->first_port);
		for (at = next_free(bench->skip, at);
		     at < n_ports && bench->ports[at] <= span->last_port;
		     at = next_free(bench->skip, at)) {
			bench->owners[at] = order[i];
			bench->skip[at] = at + 1;
		}
	}

	node->ports = TAKE(&bench->arena, uint16_t, n_ports);
	node->owners = TAKE(&bench->arena, uint16_t, n_ports);
	for (i = 0; i < n_ports; i++) {
		if (kept && node->owners[kept - 1] == bench->owners[i])
			continue;
		node->ports[kept] = (uint16_t)bench->ports[i];
		node->owners[kept++] = bench->owners[i];
	}
	node->n_ports = (uint16_t)kept;
	return table->n_nodes++;
}

/* From @addr on it is @node; where something was said before, that is over. */
static void add_start(struct family *family, const struct smcp_addr *addr,
		      uint16_t node)
{
	struct start *start = &family->starts[family->n_starts];

	if (family->n_starts && !smcp_addr_cmp(&start[-1].addr, addr))
		start--;
	else
		family->n_starts++;
	start->addr = *addr;
	start->node = node;
}

/* Behind a node it is the one around it. */
static void close_node(struct bench *bench, struct family *family, size_t depth)
{
	struct smcp_addr next = bench->lasts[depth];

	next.lo++;
	if (!next.lo)
		next.hi++;
	/* unless it went to the last address of all */
	if (next.is_ipv4 ? !(next.lo >> 32) : next.hi | next.lo)
		add_start(family, &next, bench->stack[depth - 1]);
}

static void build_family(struct bench *bench, struct table *table, bool is_ipv4)
{
	struct family *family = &table->families[is_ipv4 ? 0 : 1];
	struct span all = family_span(&(struct span){.is_any = true}, is_ipv4);
	struct span span = all;
	size_t n = 0, i, end = 0, depth = 0;

	for (i = 0; i < table->n_entries; i++)
		if (table->entries[i].is_any ||
		    table->entries[i].first.is_ipv4 == is_ipv4)
			bench->order[n++] = (uint16_t)i;
	sort(table->entries, is_ipv4, bench->order, n);

	/* The root first, which may have no entries. */
	family->starts = TAKE(&bench->arena, struct start, 2 * n + 1);
	do {
		i = end;
		if (depth || i)
			span = family_span(&table->entries[bench->order[i]],
					   is_ipv4);
		while (end < n) {
			struct span next = family_span(
				&table->entries[bench->order[end]], is_ipv4);

			if (smcp_addr_cmp(&next.first, &span.first) ||
			    smcp_addr_cmp(&next.last, &span.last))
				break;
			end++;
		}
		while (depth && smcp_addr_cmp(&bench->lasts[depth - 1],
					      &span.first) < 0) {
			depth--;
			close_node(bench, family, depth);
		}
		bench->lasts[depth] = span.last;
		bench->stack[depth] =
			add_node(bench, table,
				 depth ? bench->stack[depth - 1] : NONE,
				 bench->order + i, end - i, false);
		add_start(family, &span.first, bench->stack[depth]);
		depth++;
	} while (end < n);
	while (--depth)
		close_node(bench, family, depth);
}

/*
 * Compilation: rules
 */
static bool is_of_family(const struct smcp_list *list,
			 const struct smcp_range *range, bool is_ipv4)
{
	unsigned int i;

	/* A socket of AF_INET6 has v4-mapped peers, too. */
	if (!range->count || !is_ipv4)
		return true;
	for (i = 0; i < range->count; i++) {
		const struct smcp_endpoint *endpoint =
			&list->endpoints[range->first + i];

		if (endpoint->host == SMCP_HOST_ANY ||
		    endpoint->prefix.addr.is_ipv4)
			return true;
	}
	return false;
}

static void add_entries(struct table *table, const struct smcp_list *list,
			const struct smcp_range *range)
{
	const struct smcp_endpoint any = {.last_port = UINT16_MAX};
	unsigned int i;

	for (i = 0; i < range->count || !i; i++) {
		struct span *span = &table->entries[table->n_entries++];

		*span = make_span(range->count
					  ? &list->endpoints[range->first + i]
					  : &any);
		span->rule = table->n_rules;
	}
}

static enum smcp_verdict otherwise_of(const struct smcp_list *list)
{
	return list->otherwise == SMCP_SMC && list->is_strict ? SMCP_REQUIRE
							      : list->otherwise;
}

/* Returns what may come of it for AF_INET and AF_INET6: bits of verdicts. */
static void add_rules(struct table *table, const struct smcp_list *list,
		      const struct smcp_subject *subject, enum smcp_role role,
		      unsigned int outcomes[2])
{
	const struct smcp_rule *from;
	unsigned int i, j;

	for (i = 0; i < list->n_rules; i++) {
		struct rule *rule = &table->rules[table->n_rules];
		const struct smcp_range *asked;

		from = &list->rules[i];
		if (!(from->roles & role) ||
		    !smcp_rules_fits(list, from, subject))
			continue;
		rule->index = (uint16_t)i;
		rule->verdict = from->verdict;
		if (rule->verdict == SMCP_SMC && list->is_strict)
			rule->verdict = SMCP_REQUIRE;
		asked = role == SMCP_CONNECT ? &from->to : &from->on;
		add_entries(table, list, asked);
		if (role == SMCP_CONNECT && from->on.count) {
			rule->first_local = table->n_locals;
			rule->n_locals = from->on.count;
			for (j = 0; j < from->on.count; j++)
				table->locals[table->n_locals++] = make_span(
					&list->endpoints[from->on.first + j]);
		}
		table->n_rules++;
		for (j = 0; j < 2; j++)
			if (is_of_family(list, &from->to, !j) &&
			    is_of_family(list, &from->on, !j))
				outcomes[j] |= 1U << rule->verdict;
		if (!from->to.count && !from->on.count)
			return;
	}
	for (j = 0; j < 2; j++)
		outcomes[j] |= 1U << otherwise_of(list);
}

static void build_table(struct bench *bench, struct table *table,
			const struct smcp_list *list,
			const struct smcp_subject *subject, enum smcp_role role,
			unsigned int outcomes[2])
{
	size_t n = list->n_endpoints + list->n_rules, i;

	table->rules = TAKE(&bench->arena, struct rule, list->n_rules);
	table->entries = TAKE(&bench->arena, struct span, n);
	table->locals = TAKE(&bench->arena, struct span, list->n_endpoints);
	table->nodes = TAKE(&bench->arena, struct node, 2 * n + 3);
	add_rules(table, list, subject, role, outcomes);

	for (i = 0; i < table->n_entries; i++)
		bench->order[i] = (uint16_t)i;
	(void)add_node(bench, table, NONE, bench->order, table->n_entries,
		       true);
	build_family(bench, table, true);
	build_family(bench, table, false);
}

/* Rounds up as take() does. */
static size_t padded(size_t count, size_t size)
{
	return count * size + alignof(max_align_t);
}

size_t smcp_rules_size(const struct smcp_list *list)
{
	size_t rules = list->n_rules, endpoints = list->n_endpoints;
	size_t n = rules + endpoints; /* entries of a table */
	size_t table = padded(rules, sizeof(struct rule)) +
		       padded(n, sizeof(struct span)) +
		       padded(endpoints, sizeof(struct span)) +
		       padded(2 * n + 3, sizeof(struct node)) +
		       2 * padded(2 * n + 1, sizeof(struct start)) +
		       /* Each entry is in up to three nodes. */
		       2 * padded(3 * 2 * n + 2 * n + 3, sizeof(uint16_t)) +
		       2 * (2 * n + 3) * alignof(max_align_t);
	size_t bench = padded(n, sizeof(uint16_t)) +
		       padded(n + 1, sizeof(uint16_t)) +
		       padded(n + 1, sizeof(struct smcp_addr)) +
		       padded(2 * n + 1, sizeof(uint32_t)) +
		       2 * padded(2 * n + 2, sizeof(uint16_t));

	return padded(1, sizeof(struct smcp_rules)) + 2 * table + bench;
}

struct smcp_rules *smcp_rules_compile(const struct smcp_list *list,
				      const struct smcp_subject *subject,
				      void *memory)
{
	size_t n = list->n_rules + list->n_endpoints, i;
	struct bench bench = {.arena = {memory}};
	unsigned int outcomes[2] = {0};
	struct smcp_rules *rules;

	rules = TAKE(&bench.arena, struct smcp_rules, 1);
	bench.order = TAKE(&bench.arena, uint16_t, n);
	bench.stack = TAKE(&bench.arena, uint16_t, n + 1);
	bench.lasts = TAKE(&bench.arena, struct smcp_addr, n + 1);
	bench.ports = TAKE(&bench.arena, uint32_t, 2 * n + 1);
	bench.owners = TAKE(&bench.arena, uint16_t, 2 * n + 2);
	bench.skip = TAKE(&bench.arena, uint16_t, 2 * n + 2);

	rules->otherwise = otherwise_of(list);
	build_table(&bench, &rules->tables[0], list, subject, SMCP_CONNECT,
		    outcomes);
	build_table(&bench, &rules->tables[1], list, subject, SMCP_LISTEN,
		    outcomes);
	for (i = 0; i < ARRAY_SIZE(outcomes); i++)
		rules->scopes[i] = outcomes[i] == 1U << SMCP_TCP ? SMCP_ALL_TCP
				   : outcomes[i] == 1U << SMCP_SMC
					   ? SMCP_ALL_SMC
					   : SMCP_MIXED;
	rules->needs_local = rules->tables[0].n_locals;
	return rules;
}

/*
 * Verdicts
 */
enum smcp_scope smcp_rules_scope(const struct smcp_rules *rules, int family)
{
	return rules->scopes[family == AF_INET ? 0 : 1];
}

bool smcp_rules_needs_local(const struct smcp_rules *rules)
{
	return rules->needs_local;
}

/* The last start that is not after an address; of IPv4 all that counts is low. */
static const struct start *find_ipv4(const struct start *start, size_t n,
				     uint64_t low)
{
	while (n > 1) {
		size_t half = n / 2;

		start += start[half].addr.lo <= low ? half : 0;
		n -= half;
	}
	return start;
}

static const struct start *find_ipv6(const struct start *start, size_t n,
				     const struct smcp_addr *addr)
{
	while (n > 1) {
		size_t half = n / 2;

		start += smcp_addr_cmp(&start[half].addr, addr) <= 0 ? half : 0;
		n -= half;
	}
	return start;
}

/* The deepest node around an address */
static uint16_t find_node(const struct table *table,
			  const struct smcp_addr *addr)
{
	const struct family *family = &table->families[addr->is_ipv4 ? 0 : 1];

	if (addr->is_ipv4)
		return find_ipv4(family->starts, family->n_starts, addr->lo)
			->node;
	return find_ipv6(family->starts, family->n_starts, addr)->node;
}

static uint16_t find_owner(const struct node *node, uint16_t port)
{
	const uint16_t *start = node->ports;
	size_t n = node->n_ports;

	while (n > 1) {
		size_t half = n / 2;

		start += start[half] <= port ? half : 0;
		n -= half;
	}
	return node->owners[start - node->ports];
}

/* The first entry for an address and a port, which may not be known */
static uint16_t find_entry(const struct table *table,
			   const struct smcp_addr *addr, bool knows_port,
			   uint16_t port)
{
	uint16_t best = NONE, owner, at = addr ? find_node(table, addr) : 0;
	const struct node *node;

	for (; at != NONE; at = node->parent) {
		node = &table->nodes[at];
		owner = knows_port ? find_owner(node, port) : node->any_port;
		if (owner < best)
			best = owner;
	}
	return best;
}

static bool locals_match(const struct table *table, const struct rule *rule,
			 const struct smcp_query *query)
{
	unsigned int i;

	for (i = 0; i < rule->n_locals; i++)
		if (has_local(&table->locals[rule->first_local + i],
			      rule->verdict, query))
			return true;
	return !rule->n_locals;
}

static uint16_t find_connect(const struct table *table,
			     const struct smcp_query *query)
{
	struct smcp_addr remote = remote_of(query);
	uint16_t at = find_entry(table, &remote, true, query->remote_port);

	/* Few rules ask for both ends: look on one by one. */
	for (; at < table->n_entries; at++) {
		const struct span *span = &table->entries[at];

		if (has_addr(span, &remote) &&
		    has_port(span, query->remote_port) &&
		    locals_match(table, &table->rules[span->rule], query))
			return at;
	}
	return NONE;
}

static uint16_t find_listen(const struct table *table,
			    const struct smcp_query *query)
{
	bool knows_addr = query->has_local && !smcp_addr_is_any(&query->local);
	bool knows_port = query->has_local && query->local_port;

	return find_entry(table, knows_addr ? &query->local : NULL, knows_port,
			  query->local_port);
}

struct smcp_answer smcp_rules_verdict(const struct smcp_rules *rules,
				      const struct smcp_query *query)
{
	const struct table *table =
		&rules->tables[query->role == SMCP_CONNECT ? 0 : 1];
	uint16_t at = query->role == SMCP_CONNECT ? find_connect(table, query)
						  : find_listen(table, query);
	const struct rule *rule;

	if (at == NONE)
		return (struct smcp_answer){rules->otherwise, -1};
	rule = &table->rules[table->entries[at].rule];
	return (struct smcp_answer){rule->verdict, rule->index};
}
