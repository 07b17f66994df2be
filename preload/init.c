// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

#include "conf_load.h"
#include "init.h"
#include "util.h"

#define LIBRARY_NAME "libsmc-preload.so"

/* NULL until the first policy is complete. */
static _Atomic(const struct smcp_policy *) published;

/*
 * The process that is making a policy on this thread, or 0.  A flag would
 * still be up in the child if somebody below dlsym() forks, and there the
 * making may never be finished.
 *
 * The model keeps access free of calls into the dynamic linker.
 */
static __thread pid_t maker __attribute__((tls_model("initial-exec")));

/* The values that are wrong, with what was expected; at most all of them. */
struct warnings {
	size_t count;
	struct {
		const char *name;
		const char *value;
		const char *expected;
	} entry[3];
};

static void add_warning(struct warnings *warnings, const char *name,
			const char *value, const char *expected)
{
	warnings->entry[warnings->count].name = name;
	warnings->entry[warnings->count].value = value;
	warnings->entry[warnings->count].expected = expected;
	warnings->count++;
}

static void print_warnings(const struct warnings *warnings,
			   const struct smcp_log *log)
{
	struct smcp_line line;
	size_t i;

	if (!smcp_log_wants(log, SMCP_LOG_WARN))
		return;
	for (i = 0; i < warnings->count; i++) {
		smcp_line_begin(&line);
		smcp_line_text(&line, warnings->entry[i].name);
		smcp_line_text(&line, "='");
		smcp_line_text(&line, warnings->entry[i].value);
		smcp_line_text(&line, "' ignored (");
		smcp_line_text(&line, warnings->entry[i].expected);
		smcp_line_text(&line, ")");
		smcp_line_end(&line, log);
	}
}

/* The environment is above the files; what is wrong in it counts as unset. */
static void read_size(const char *name, int *ret_bytes,
		      struct warnings *warnings)
{
	const char *value = getenv(name);

	if (value && smcp_conf_parse_size(value, ret_bytes))
		add_warning(warnings, name, value,
			    "decimal bytes, k or m may follow");
}

static void read_environment(struct smcp_conf *conf, struct warnings *warnings)
{
	const char *family = getenv("SMC_SOCK_FAMILY");

	read_size("SMC_SNDBUF", &conf->sndbuf, warnings);
	read_size("SMC_RCVBUF", &conf->rcvbuf, warnings);
	if (family && smcp_conf_parse_family(family, &conf->families))
		add_warning(warnings, "SMC_SOCK_FAMILY", family,
			    "inet, smc or auto");
}

/* What a program is started with; of a privileged one that is somebody else's. */
struct start {
	bool is_secure;
	struct smcp_input deny, rules, allow;
	struct smcp_inputs inputs;
};

static void read_start(struct start *start)
{
	start->is_secure = getauxval(AT_SECURE);
	if (start->is_secure) {
		start->inputs = (struct smcp_inputs){.is_secure = true};
		return;
	}
	start->deny = (struct smcp_input){"SMC_DENY", getenv("SMC_DENY")};
	start->rules = (struct smcp_input){"SMC_RULES", getenv("SMC_RULES")};
	start->allow = (struct smcp_input){"SMC_ALLOW", getenv("SMC_ALLOW")};
	start->inputs = (struct smcp_inputs){
		.exclude = getenv("SMC_EXCLUDE"),
		.progs = getenv("SMC_PROGS"),
		.denies = &start->deny,
		.n_denies = 1,
		.rules = &start->rules,
		.n_rules = 1,
		.allows = &start->allow,
		.n_allows = 1,
		.config = {"SMC_CONFIG", getenv("SMC_CONFIG")},
		.strict = getenv("SMC_STRICT"),
		.names = getenv("SMC_NAMES"),
		.xdg_config_home = getenv("XDG_CONFIG_HOME"),
		.home = getenv("HOME"),
	};
}

/*
 * Is the library in every program, and not because of who started this one?  Then
 * SMC is for those alone that the rules name.
 */
static bool is_for_all(bool is_secure)
{
	const char *preload = is_secure ? NULL : getenv("LD_PRELOAD");
	char text[4096];
	ssize_t n;
	int fd;

	if (preload && strstr(preload, LIBRARY_NAME))
		return false;
	fd = open("/etc/ld.so.preload", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, text, sizeof(text) - 1);
	(void)close(fd);
	text[n > 0 ? n : 0] = '\0';
	return strstr(text, LIBRARY_NAME);
}

/* "rule pg, /etc/smc/smc.conf:6"; all of them in @memory, if that is not NULL. */
static size_t write_places(const struct smcp_list *list, char *memory)
{
	const char **places = (const char **)memory;
	size_t used = list->n_rules * sizeof(*places);
	struct smcp_line line;
	unsigned int i;

	for (i = 0; i < list->n_rules; i++) {
		const struct smcp_rule *rule = &list->rules[i];

		line.len = 0;
		if (rule->name.size) {
			smcp_line_text(&line, "rule ");
			smcp_line_bytes(&line, rule->name.start,
					rule->name.size);
			smcp_line_text(&line, ", ");
		}
		smcp_line_text(&line, rule->origin);
		smcp_line_text(&line, ":");
		smcp_line_int(&line, (int)rule->line);
		if (memory) {
			places[i] = memory + used;
			memcpy(memory + used, line.text, line.len);
		}
		used += line.len + 1;
	}
	return used;
}

static size_t padded(size_t size)
{
	return size + -size % alignof(max_align_t);
}

/* Reads the settings; the files' first, which the environment overrides. */
static void read_settings(struct smcp_policy *policy,
			  const struct smcp_loader *loader, bool is_secure,
			  struct warnings *warnings)
{
	const struct smcp_settings *settings = &loader->parser.settings;
	const char *debug = is_secure ? NULL : getenv("SMC_DEBUG");
	enum smcp_log_level level = smcp_log_parse_level(debug);

	policy->conf = settings->conf;
	if (!policy->conf.families)
		policy->conf.families = SMCP_FAMILY_AUTO;
	if (!is_secure)
		read_environment(&policy->conf, warnings);
	if (!debug && settings->debug >= 0)
		level = settings->debug ? SMCP_LOG_WARN + settings->debug
					: SMCP_LOG_SILENT;
	smcp_log_open(&policy->log, is_secure ? SMCP_LOG_SILENT : level);
}

/* What the kernel adds to the path of a program that has been replaced */
#define DELETED " (deleted)"

/* Who this is, as far as the rules ask. */
static void read_subject(const struct smcp_list *list, char exe[PATH_MAX],
			 struct smcp_subject *ret_subject)
{
	ssize_t n = 0;

	if (list->n_words)
		n = readlink("/proc/self/exe", exe, PATH_MAX - 1);
	if (n > (ssize_t)strlen(DELETED) &&
	    !memcmp(exe + n - strlen(DELETED), DELETED, strlen(DELETED)))
		n -= (ssize_t)strlen(DELETED);
	exe[n > 0 ? n : 0] = '\0';
	ret_subject->exe = exe;
	ret_subject->user = list->n_ids ? geteuid() : 0;
	ret_subject->group = list->n_ids ? getegid() : 0;
}

/* Whatever was read of a list with an error, it is not in force. */
static void finish_list(struct smcp_loader *loader)
{
	struct smcp_list *list = &loader->list;

	if (loader->parser.n_errors) {
		list->n_rules = 0;
		list->n_endpoints = 0;
		list->otherwise = SMCP_TCP;
	} else if (loader->parser.settings.otherwise < 0 &&
		   is_for_all(loader->inputs->is_secure)) {
		list->otherwise = SMCP_TCP;
	}
}

/* Return: a policy, and @ret_size of its mapping; NULL without memory. */
static struct smcp_policy *make_policy(const struct start *start,
				       const struct smcp_loader *loader,
				       struct warnings *warnings,
				       size_t *ret_size)
{
	size_t rules_at = padded(sizeof(struct smcp_policy));
	size_t places_at = rules_at + padded(smcp_rules_size(&loader->list));
	/* Whole pages, so that they can be made read-only. */
	size_t size = places_at + write_places(&loader->list, NULL);
	struct smcp_subject subject;
	struct smcp_policy *policy;
	char exe[PATH_MAX];
	char *memory;

	memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		return NULL;
	policy = (struct smcp_policy *)memory;
	smcp_real_resolve(&policy->real);
	read_settings(policy, loader, start->is_secure, warnings);
	policy->is_bad = loader->parser.n_errors;
	read_subject(&loader->list, exe, &subject);
	policy->rules =
		smcp_rules_compile(&loader->list, &subject, memory + rules_at);
	if (!start->is_secure)
		policy->summary =
			smcp_summary_map(getenv(SMCP_SUMMARY_VARIABLE));
	if (smcp_log_wants(&policy->log, SMCP_LOG_DEBUG2) || policy->summary) {
		(void)write_places(&loader->list, memory + places_at);
		policy->places = (const char *const *)(memory + places_at);
	}
	*ret_size = size;
	return policy;
}

static void print_scope(struct smcp_line *line,
			const struct smcp_policy *policy, int family)
{
	static const char *const scopes[] = {"all-tcp", "all-smc", "mixed"};

	smcp_line_text(line, scopes[smcp_rules_scope(policy->rules, family)]);
}

/* What the rules come to; without any, nothing. */
static void print_result(const struct smcp_policy *policy,
			 const struct smcp_loader *loader)
{
	const struct smcp_error *error = &loader->parser.first_error;
	struct smcp_line line;

	smcp_line_begin(&line);
	if (policy->is_bad && smcp_log_wants(&policy->log, SMCP_LOG_WARN)) {
		smcp_line_text(&line, error->origin);
		smcp_line_text(&line, ":");
		smcp_line_int(&line, (int)error->line);
		smcp_line_text(&line, ":");
		smcp_line_int(&line, (int)error->column);
		smcp_line_text(&line, ": ");
		smcp_line_text(&line, error->text);
		smcp_line_text(&line, ", running on TCP");
		smcp_line_end(&line, &policy->log);
	} else if (!policy->is_bad &&
		   (loader->list.n_rules ||
		    loader->list.otherwise == SMCP_TCP) &&
		   smcp_log_wants(&policy->log, SMCP_LOG_DEBUG1)) {
		smcp_line_int(&line, (int)loader->list.n_rules);
		smcp_line_text(&line, loader->list.n_rules == 1
					      ? " rule; AF_INET "
					      : " rules; AF_INET ");
		print_scope(&line, policy, AF_INET);
		smcp_line_text(&line, ", AF_INET6 ");
		print_scope(&line, policy, AF_INET6);
		smcp_line_end(&line, &policy->log);
	}
}

/* Return: the policy that is published in the end, or NULL without memory. */
static const struct smcp_policy *publish_policy(void)
{
	const struct smcp_policy *winner = NULL;
	struct warnings warnings = {0};
	struct smcp_loader loader = {0};
	struct smcp_policy *policy;
	struct start start;
	size_t size;

	read_start(&start);
	if (smcp_conf_load(&loader, &start.inputs))
		return NULL;
	finish_list(&loader);
	policy = make_policy(&start, &loader, &warnings, &size);
	if (policy) {
		/* Protects against stray writes only: a failure is nothing. */
		(void)mprotect(policy, size, PROT_READ);
		if (atomic_compare_exchange_strong_explicit(
			    &published, &winner, policy, memory_order_acq_rel,
			    memory_order_acquire)) {
			winner = policy;
			if (policy->summary)
				smcp_summary_add(&policy->summary->programs);
			print_warnings(&warnings, &policy->log);
			print_result(policy, &loader);
		} else {
			if (policy->summary)
				munmap(policy->summary,
				       sizeof(*policy->summary));
			munmap(policy, size);
		}
	}
	smcp_conf_unload(&loader);
	return winner;
}

static __attribute__((noinline)) const struct smcp_policy *
make_first_policy(void)
{
	static const struct smcp_policy bypass = {
		.real = SMCP_REAL_RAW,
	};
	const struct smcp_policy *policy = NULL;
	int saved_errno = errno;
	pid_t outer = maker;
	pid_t self = getpid();

	if (outer != self) {
		maker = self;
		policy = publish_policy();
		maker = outer;
	}
	errno = saved_errno;
	return policy ? policy : &bypass;
}

const struct smcp_policy *smcp_init_policy(void)
{
	const struct smcp_policy *policy;

	policy = atomic_load_explicit(&published, memory_order_acquire);
	return __builtin_expect(!!policy, 1) ? policy : make_first_policy();
}
