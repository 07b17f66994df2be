// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "proxy.h"
#include "reasons.h"
#include "smcnl.h"
#include "summarize.h"
#include "summary.h"
#include "util.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8U
#endif

/* Out of the way of programs that count on low numbers, or close them */
#define PAGE_FD 300

#define MAX_REASONS 128
#define MAX_SHOWN 3 /* of rules, and of reasons */

struct reason {
	uint32_t code;
	unsigned int count;
};

/* What the kernel has counted in this network namespace. */
struct numbers {
	int error; /* of the statistics of SMC: -errno */
	struct smcnl_stats smc;
	struct reason reasons[MAX_REASONS];
	unsigned int n_reasons;
	uint64_t ip_in, ip_out; /* bytes of IPv4 and IPv6 */
};

/* Text that is cut if it is too long. */
struct text {
	size_t len;
	char buf[4096];
};

static struct smcp_summary *page;
static const char *core_path;

__attribute__((format(printf, 2, 3))) static void add(struct text *text,
						      const char *format, ...)
{
	size_t room = sizeof(text->buf) - text->len;
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(text->buf + text->len, room, format, args);
	va_end(args);
	if (n > 0)
		text->len += (size_t)n < room ? (size_t)n : room - 1;
}

static int add_reason(const struct smcnl_reason *reason, void *arg)
{
	struct numbers *numbers = arg;
	unsigned int i;

	for (i = 0; i < numbers->n_reasons; i++)
		if (numbers->reasons[i].code == reason->code)
			break;
	if (i == MAX_REASONS)
		return 0;
	if (i == numbers->n_reasons)
		numbers->reasons[numbers->n_reasons++].code = reason->code;
	numbers->reasons[i].count += reason->count;
	return 0;
}

/*
 * In a line behind @prefix, which the line of names has, too: the sum of what
 * columns @in and @out have in a file like netstat, or of lines like those of snmp6.
 */
static void read_octets(struct numbers *numbers, const char *path,
			const char *prefix, const char *in, const char *out)
{
	FILE *file = fopen(path, "re");
	char names[8192], values[8192];
	char *name, *value, *next_name, *next_value;

	if (!file)
		return;
	while (fgets(names, sizeof(names), file)) {
		if (strncmp(names, prefix, strlen(prefix)) != 0)
			continue;
		if (!fgets(values, sizeof(values), file))
			break;
		name = strtok_r(names, " \n", &next_name);
		value = strtok_r(values, " \n", &next_value);
		while (name && value) {
			if (!strcmp(name, in))
				numbers->ip_in += strtoull(value, NULL, 10);
			if (!strcmp(name, out))
				numbers->ip_out += strtoull(value, NULL, 10);
			name = strtok_r(NULL, " \n", &next_name);
			value = strtok_r(NULL, " \n", &next_value);
		}
		break;
	}
	fclose(file);
}

static void read_octets6(struct numbers *numbers)
{
	FILE *file = fopen("/proc/self/net/snmp6", "re");
	unsigned long long value;
	char line[256], name[64];

	if (!file)
		return;
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%63s %llu", name, &value) != 2)
			continue;
		if (!strcmp(name, "Ip6InOctets"))
			numbers->ip_in += value;
		if (!strcmp(name, "Ip6OutOctets"))
			numbers->ip_out += value;
	}
	fclose(file);
}

static void read_numbers(struct numbers *ret_numbers)
{
	struct numbers numbers = {0};

	numbers.error = smcnl_get_stats(&numbers.smc);
	if (!numbers.error)
		numbers.error = smcnl_dump_reasons(add_reason, &numbers);
	read_octets(&numbers, "/proc/self/net/netstat", "IpExt:", "InOctets",
		    "OutOctets");
	read_octets6(&numbers);
	*ret_numbers = numbers;
}

/* A module that was loaded in between has begun at 0. */
static uint64_t more(uint64_t before, uint64_t after)
{
	return after < before ? after : after - before;
}

static const char *plural(uint64_t count)
{
	return count == 1 ? "" : "s";
}

/* The kernel counts reasons in 16 bits. */
static unsigned int take_reason(const struct numbers *before,
				const struct reason *reason)
{
	unsigned int i;

	for (i = 0; i < before->n_reasons; i++)
		if (before->reasons[i].code == reason->code)
			return (uint16_t)(reason->count -
					  before->reasons[i].count);
	return reason->count;
}

static int compare_reasons(const void *a, const void *b)
{
	const struct reason *x = a, *y = b;

	return (x->count < y->count) - (x->count > y->count);
}

static void add_reasons(struct text *text, const struct numbers *before,
			struct numbers *after, uint64_t total)
{
	const struct smcp_reason *known;
	unsigned int i, shown = 0;
	uint64_t rest = total;

	for (i = 0; i < after->n_reasons; i++)
		after->reasons[i].count =
			take_reason(before, &after->reasons[i]);
	qsort(after->reasons, after->n_reasons, sizeof(after->reasons[0]),
	      compare_reasons);
	for (i = 0; i < after->n_reasons && rest; i++) {
		const struct reason *reason = &after->reasons[i];

		if (!reason->count || shown == MAX_SHOWN)
			break;
		known = smcp_reason_find(reason->code);
		add(text, "%s", shown++ ? ", " : " (");
		if (reason->count > 1 || total > 1)
			add(text, "%u x ", reason->count);
		add(text, "0x%08x %s", reason->code,
		    known ? known->text : "unknown");
		rest -= reason->count < rest ? reason->count : rest;
	}
	if (shown)
		add(text, rest ? ", %" PRIu64 " others)" : ")", rest);
}

static void add_tech(struct text *text, const char *name,
		     const struct smcnl_tech *before,
		     const struct smcnl_tech *after)
{
	uint64_t clnt = more(before->clnt, after->clnt);
	uint64_t srv = more(before->srv, after->srv);

	if (!clnt && !srv)
		return;
	add(text, "%s%s: ", text->buf[text->len - 1] == '(' ? "" : "; ", name);
	if (clnt)
		add(text, "%" PRIu64 " as client%s", clnt, srv ? ", " : "");
	if (srv)
		add(text, "%" PRIu64 " as server", srv);
}

static uint64_t handshakes(const struct smcnl_stats *stats)
{
	return stats->smcd.clnt + stats->smcd.srv + stats->smcr.clnt +
	       stats->smcr.srv;
}

static void add_smc(struct text *text, const struct numbers *before,
		    struct numbers *after)
{
	const struct smcnl_stats *b = &before->smc, *a = &after->smc;
	uint64_t count;

	add(text, "smc_run: this network namespace meanwhile: ");
	if (after->error) {
		add(text, "no statistics of SMC in this kernel: %s\n",
		    after->error == -ENOENT ? "module smc is not loaded"
					    : strerror(-after->error));
		return;
	}
	count = more(handshakes(b), handshakes(a));
	add(text, "%" PRIu64 " SMC handshake%s", count, plural(count));
	if (count) {
		add(text, " (");
		add_tech(text, "SMC-D", &b->smcd, &a->smcd);
		add_tech(text, "SMC-R", &b->smcr, &a->smcr);
		add(text, ")");
	}
	count = more(b->clnt_hs_err + b->srv_hs_err,
		     a->clnt_hs_err + a->srv_hs_err);
	if (count)
		add(text, ", %" PRIu64 " failed", count);
	count = more(b->clnt_fallback + b->srv_fallback,
		     a->clnt_fallback + a->srv_fallback);
	add(text, ", %" PRIu64 " fallback%s", count, plural(count));
	add_reasons(text, before, after, count);
	add(text, "\n");
}

static void add_bytes(struct text *text, const struct numbers *before,
		      const struct numbers *after)
{
	const struct smcnl_stats *b = &before->smc, *a = &after->smc;

	add(text, "smc_run: bytes received, sent there:");
	if (!after->error)
		add(text, " SMC %" PRIu64 ", %" PRIu64 ";",
		    more(b->smcd.rx_bytes + b->smcr.rx_bytes,
			 a->smcd.rx_bytes + a->smcr.rx_bytes),
		    more(b->smcd.tx_bytes + b->smcr.tx_bytes,
			 a->smcd.tx_bytes + a->smcr.tx_bytes));
	add(text,
	    " IP %" PRIu64 ", %" PRIu64 " (TCP and all else, with headers)\n",
	    more(before->ip_in, after->ip_in),
	    more(before->ip_out, after->ip_out));
}

static unsigned int get(atomic_uint *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

struct rule {
	char text[sizeof(page->rules[0].text)];
	unsigned int count;
};

static int compare_rules(const void *a, const void *b)
{
	const struct rule *x = a, *y = b;

	return (x->count < y->count) - (x->count > y->count);
}

/* Return: how many @ret_rules there are, the most frequent first. */
static unsigned int read_rules(struct rule ret_rules[SMCP_SUMMARY_RULES])
{
	unsigned int i, k, n = 0;
	char *c;

	for (i = 0; i < SMCP_SUMMARY_RULES; i++) {
		struct rule *rule = &ret_rules[n];

		if (atomic_load_explicit(&page->rules[i].state,
					 memory_order_acquire) !=
		    SMCP_SUMMARY_READY)
			continue;
		memcpy(rule->text, page->rules[i].text, sizeof(rule->text));
		rule->text[sizeof(rule->text) - 1] = '\0';
		for (c = rule->text; *c; c++)
			if ((unsigned char)*c < ' ' || *c == 0x7f)
				*c = '?';
		rule->count = get(&page->rules[i].count);
		for (k = 0; k < n; k++)
			if (!strcmp(ret_rules[k].text, rule->text))
				break;
		if (k < n)
			ret_rules[k].count += rule->count;
		else if (rule->count)
			n++;
	}
	qsort(ret_rules, n, sizeof(ret_rules[0]), compare_rules);
	return n;
}

/* Return: how many sockets are TCP by rules. */
static unsigned int add_rules(struct text *text)
{
	struct rule rules[SMCP_SUMMARY_RULES];
	unsigned int i, n = read_rules(rules), others = get(&page->by_others);
	unsigned int total = 0;

	for (i = 0; i < n; i++) {
		total += rules[i].count;
		if (i < MAX_SHOWN)
			add(text, ", %u TCP by %s", rules[i].count,
			    rules[i].text);
		else
			others += rules[i].count;
	}
	if (others)
		add(text, ", %u TCP by other rules", others);
	return total + get(&page->by_others);
}

/* Return: how many sockets are TCP as SMC could not be had. */
static unsigned int add_absent(struct text *text)
{
	unsigned int i, count, total = 0;
	const char *name;

	for (i = 0; i < SMCP_SUMMARY_ERRORS; i++) {
		count = get(&page->absent[i].count);
		if (!count)
			continue;
		name = strerrorname_np((int)get(&page->absent[i].error));
		add(text, ", %u TCP because SMC was unavailable (%s)", count,
		    name ? name : "unknown");
		total += count;
	}
	return total;
}

static void add_sockets(struct text *text)
{
	unsigned int sockets = get(&page->sockets), tcp, count;
	struct text causes = {0};

	add(text, "smc_run: ");
	if (!get(&page->programs)) {
		add(text, "sockets were not counted, as no program loaded "
			  "libsmc-preload.so\n");
		return;
	}
	tcp = add_rules(&causes) + add_absent(&causes);
	count = get(&page->by_option);
	if (count)
		add(&causes, ", %u TCP for an option that SMC does not have",
		    count);
	tcp += count;
	/* Sockets that others made were never counted as made. */
	if (sockets < tcp)
		sockets = tcp;
	add(text, "%u TCP socket%s", sockets, plural(sockets));
	if (sockets)
		add(text, ": %u left to SMC%s", sockets - tcp, causes.buf);
	count = get(&page->required);
	if (count)
		add(text, "; %u call%s failed as SMC is required", count,
		    plural(count));
	count = get(&page->refused);
	if (count)
		add(text, "; %u call%s failed as TCP was not possible", count,
		    plural(count));
	add(text, "\n");
}

/* A memfd that a program cannot take away from another; its number, or -errno */
static int make_page(void)
{
	int low, fd;

	low = memfd_create("smc_run-summary",
			   MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
	if (low < 0 && errno == EINVAL) /* before 6.3 */
		low = memfd_create("smc_run-summary", MFD_ALLOW_SEALING);
	if (low < 0)
		return -errno;
	fd = fcntl(low, F_DUPFD, PAGE_FD);
	if (fd < 0) /* RLIMIT_NOFILE */
		fd = fcntl(low, F_DUPFD, STDERR_FILENO + 1);
	close(low);
	if (fd < 0 || ftruncate(fd, sizeof(*page)) ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) ||
	    pwrite(fd, SMCP_SUMMARY_MAGIC, sizeof(page->magic), 0) !=
		    sizeof(page->magic))
		return -errno;
	return fd;
}

static void core_failed(int err)
{
	smcp_summary_add(&page->is_not_started);
	dprintf(STDERR_FILENO, "smc_run: %s: %s\n", core_path, strerror(err));
}

/* What starts COMMAND is beside this program; NULL without memory */
static char **core_arguments(char **argv, const struct smcp_summarized *how,
			     int fd)
{
	const char *slash = strrchr(argv[0], '/');
	char **args, *path, *option;
	int i, n = 0;

	while (argv[n])
		n++;
	args = calloc((size_t)n + 2, sizeof(*args));
	if (!args ||
	    asprintf(&path, "%.*s%s", slash ? (int)(slash - argv[0]) + 1 : 0,
		     argv[0], how->companion) < 0 ||
	    asprintf(&option, "--summary=%d", fd) < 0)
		return NULL;
	n = 0;
	args[n++] = path;
	args[n++] = option;
	for (i = 1; strcmp(argv[i], "--") != 0; i++)
		if (how->has_options && strcmp(argv[i], "--summary") != 0)
			args[n++] = argv[i];
	while (argv[i])
		args[n++] = argv[i++];
	core_path = path;
	return args;
}

/* Sets the page up.  Return: a descriptor for it; or -errno. */
static int open_page(void)
{
	char number[16];
	int fd = make_page();

	if (fd < 0)
		return fd;
	snprintf(number, sizeof(number), "%d", fd);
	page = smcp_summary_map(number);
	if (!page)
		return -EIO;
	return setenv(SMCP_SUMMARY_VARIABLE, number, 1) ? -ENOMEM : fd;
}

static int cannot(int err)
{
	dprintf(STDERR_FILENO, "smc_run: --summary: %s\n", strerror(err));
	return 125;
}

int smcp_summarize(char **argv, const struct smcp_summarized *how)
{
	static struct numbers before, after;
	static struct text text;
	bool has_stderr = fcntl(STDERR_FILENO, F_GETFD) >= 0;
	int fd = open_page();
	int status, rc;
	char **args;

	if (fd < 0)
		return cannot(-fd);
	args = core_arguments(argv, how, fd);
	if (!args)
		return cannot(ENOMEM);
	read_numbers(&before);
	rc = smcp_proxy_run(args, core_failed, &status);
	if (rc)
		return cannot(-rc);
	if (has_stderr && !get(&page->is_not_started)) {
		if (how->fill)
			how->fill(page);
		add_sockets(&text);
		read_numbers(&after);
		add_smc(&text, &before, &after);
		add_bytes(&text, &before, &after);
		/* What becomes of it is nothing to the program. */
		(void)!write(STDERR_FILENO, text.buf, text.len);
	}
	return smcp_proxy_end(status);
}
