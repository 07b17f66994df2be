// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "conf_load.h"
#include "util.h"

/* All texts, and what they are called: conf.d, includes, both of /etc, a user's. */
#define POOL_SIZE (SMCP_MAX_SOURCES + SMCP_MAX_SOURCE + 512 * PATH_MAX)

static int include(struct smcp_parser *parser, const struct smcp_error *at,
		   const char *path);

static struct smcp_loader *loader_of(struct smcp_parser *parser)
{
	return (struct smcp_loader *)((char *)parser -
				      offsetof(struct smcp_loader, parser));
}

/* Room in the pool, or NULL */
static char *pool_take(struct smcp_loader *loader, size_t size)
{
	char *memory = loader->pool + loader->pool_used;

	if (size > POOL_SIZE - loader->pool_used)
		return NULL;
	loader->pool_used += size;
	return memory;
}

static const char *pool_path(struct smcp_loader *loader, const char *dir,
			     const char *name)
{
	size_t size = strlen(dir) + strlen(name) + 2;
	char *path = size > PATH_MAX ? NULL : pool_take(loader, size);

	if (path)
		snprintf(path, size, *name ? "%s/%s" : "%s", dir, name);
	return path;
}

/* What is wrong with a file, or NULL */
static const char *why_not(const struct smcp_loader *loader,
			   const struct stat *st)
{
	if (!S_ISREG(st->st_mode))
		return "it is not a regular file";
	if (st->st_uid != 0 &&
	    (loader->inputs->is_secure || st->st_uid != geteuid()))
		return loader->inputs->is_secure
			       ? "it is not root's"
			       : "it is neither root's nor the user's";
	if (st->st_mode & (S_IWGRP | S_IWOTH))
		return "others may write to it (chmod go-w)";
	return NULL;
}

/*
 * Reads a file into the pool.  What is wrong with it is reported, at @at if that
 * is not NULL.  Return: 0; -ENOENT, not reported, if there is none and that is no
 * error; -EINVAL.
 */
static int read_file(struct smcp_loader *loader, const char *path,
		     bool must_exist, const struct smcp_error *at,
		     struct smcp_source *ret_source)
{
	const struct smcp_error file = {.origin = path, .line = 1, .column = 1};
	size_t size = 0, room = SMCP_MAX_SOURCE + 1;
	const char *reason = NULL;
	struct stat st;
	char text[160];
	char *memory;
	ssize_t n = 1;
	int fd;

	/* Without O_NONBLOCK a FIFO would make us wait. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK |
				(loader->inputs->is_secure ? O_NOFOLLOW : 0));
	if (fd < 0 && errno == ENOENT && !must_exist)
		return -ENOENT;
	memory = fd < 0 ? NULL : pool_take(loader, room);
	if (fd < 0 || fstat(fd, &st))
		reason = strerror(errno);
	else if (!memory)
		reason = "there is no memory";
	else
		reason = why_not(loader, &st);
	while (!reason && n > 0 && size < room) {
		n = read(fd, memory + size, room - size);
		if (n > 0)
			size += (size_t)n;
		else if (n < 0 && errno == EINTR)
			n = 1;
		else if (n < 0)
			reason = strerror(errno);
	}
	if (fd >= 0)
		close(fd);
	/* What was not used is for the next. */
	if (memory)
		loader->pool_used -= room - (reason ? 0 : size);
	if (!reason) {
		*ret_source = (struct smcp_source){path, memory, size, include};
		return 0;
	}
	snprintf(text, sizeof(text), "cannot be used%s%.80s: %s",
		 at ? ", " : "", at ? path : "", reason);
	smcp_conf_error(&loader->parser, at ? at : &file, text);
	return -EINVAL;
}

static int include(struct smcp_parser *parser, const struct smcp_error *at,
		   const char *path)
{
	struct smcp_loader *loader = loader_of(parser);
	const char *origin = pool_path(loader, path, "");
	struct smcp_source source;

	if (!origin) {
		smcp_conf_error(parser, at, "there is no memory");
		return -ENOMEM;
	}
	if (read_file(loader, origin, true, at, &source))
		return -EINVAL;
	smcp_conf_parse(parser, &source);
	return 0;
}

static void load_file(struct smcp_loader *loader, const char *path,
		      bool must_exist)
{
	struct smcp_source source;

	if (path && !read_file(loader, path, must_exist, NULL, &source))
		smcp_conf_parse(&loader->parser, &source);
}

static bool is_conf(const char *name)
{
	size_t length = strlen(name);

	return name[0] != '.' && length > 5 &&
	       !strcmp(name + length - 5, ".conf");
}

/* The files of a directory. */
struct paths {
	const char *path[SMCP_MAX_FILES];
	unsigned int n;
};

/* In the order of their names. */
static void add_path(struct paths *paths, const char *path)
{
	unsigned int i = paths->n++;

	for (; i && strcmp(paths->path[i - 1], path) > 0; i--)
		paths->path[i] = paths->path[i - 1];
	paths->path[i] = path;
}

/* What getdents64(2) returns. */
struct entry {
	uint64_t ino;
	int64_t offset;
	uint16_t size; /* of all of it */
	uint8_t type;
	char name[];
};

/* What is wrong with a directory, or NULL; opendir() would allocate. */
static const char *read_dir(struct smcp_loader *loader, int fd, const char *dir,
			    struct paths *paths)
{
	char buffer[2048] __attribute__((aligned(8)));
	const struct entry *entry;
	long n, at;
	const char *path;

	while ((n = syscall(SYS_getdents64, fd, buffer, sizeof(buffer))) > 0) {
		for (at = 0; at < n; at += entry->size) {
			entry = (const void *)(buffer + at);
			if (!is_conf(entry->name))
				continue;
			if (paths->n == SMCP_MAX_FILES)
				return "more than 64 files";
			path = pool_path(loader, dir, entry->name);
			if (!path)
				return "a path is too long";
			add_path(paths, path);
		}
	}
	return n < 0 ? strerror(errno) : NULL;
}

static void load_dir(struct smcp_loader *loader, const char *dir)
{
	struct smcp_error at = {.origin = dir, .line = 1, .column = 1};
	struct paths paths = {.n = 0};
	const char *reason;
	char text[160];
	unsigned int i;
	int fd;

	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return;
	reason = fd < 0 ? strerror(errno) : read_dir(loader, fd, dir, &paths);
	if (fd >= 0)
		close(fd);
	if (reason) {
		snprintf(text, sizeof(text), "cannot be used: %s", reason);
		smcp_conf_error(&loader->parser, &at, text);
		return;
	}
	for (i = 0; i < paths.n; i++)
		load_file(loader, paths.path[i], true);
}

static bool is_set(const char *text)
{
	return text && *text;
}

static struct smcp_source source_of(const char *origin, const char *text)
{
	return (struct smcp_source){origin, text, strlen(text), NULL};
}

static void load_endpoints(struct smcp_loader *loader,
			   const struct smcp_input *inputs, unsigned int n,
			   enum smcp_verdict verdict)
{
	struct smcp_source source;
	unsigned int i;

	for (i = 0; i < n; i++) {
		if (!is_set(inputs[i].text))
			continue;
		source = source_of(inputs[i].origin, inputs[i].text);
		smcp_conf_parse_endpoints(&loader->parser, &source, verdict);
	}
}

static void load_progs(struct smcp_loader *loader, const char *origin,
		       const char *text, bool is_not)
{
	struct smcp_source source;

	if (!is_set(text))
		return;
	source = source_of(origin, text);
	smcp_conf_parse_progs(&loader->parser, &source, is_not);
}

static void load_rules(struct smcp_loader *loader)
{
	const struct smcp_inputs *inputs = loader->inputs;
	struct smcp_source source;
	unsigned int i;

	for (i = 0; i < inputs->n_rules; i++) {
		if (!is_set(inputs->rules[i].text))
			continue;
		source = source_of(inputs->rules[i].origin,
				   inputs->rules[i].text);
		smcp_conf_parse(&loader->parser, &source);
	}
}

/* An allowlist is closed: all else is TCP. */
static void load_allows(struct smcp_loader *loader)
{
	const struct smcp_inputs *inputs = loader->inputs;
	const char *last = NULL;
	unsigned int i;

	for (i = 0; i < inputs->n_allows; i++)
		if (is_set(inputs->allows[i].text))
			last = inputs->allows[i].origin;
	if (!last)
		return;
	load_endpoints(loader, inputs->allows, inputs->n_allows, SMCP_SMC);
	smcp_conf_add_tcp(&loader->parser, last);
}

/* The user's own file.  Return: is it instead of the machine's? */
static bool load_config(struct smcp_loader *loader)
{
	const struct smcp_inputs *inputs = loader->inputs;
	const struct smcp_error at = {inputs->config.origin, 1, 1, ""};
	const char *path = NULL;
	struct stat st;

	if (is_set(inputs->config.text)) {
		if (*inputs->config.text == '/')
			load_file(loader, inputs->config.text, true);
		else if (strcmp(inputs->config.text, "none") != 0)
			smcp_conf_error(
				&loader->parser, &at,
				"an absolute path or 'none' is expected");
		return true;
	}
	if (is_set(inputs->xdg_config_home) && *inputs->xdg_config_home == '/')
		path = pool_path(loader, inputs->xdg_config_home,
				 "smc/smc.conf");
	else if (is_set(inputs->home) && *inputs->home == '/')
		path = pool_path(loader, inputs->home, ".config/smc/smc.conf");
	/* Of who has another's HOME: what cannot even be seen is not his. */
	if (path && stat(path, &st) && errno == EACCES)
		path = NULL;
	load_file(loader, path, false);
	return false;
}

/* Does the machine's file say that it comes first? */
static bool is_locked(const struct smcp_loader *loader,
		      const struct smcp_source *source)
{
	struct smcp_list *scratch;
	struct smcp_parser parser;
	bool locked;

	scratch = mmap(NULL, sizeof(*scratch), PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (scratch == MAP_FAILED)
		return true;
	smcp_conf_begin(&parser, scratch);
	parser.names = loader->parser.names;
	parser.depth = 4; /* what it includes is not asked */
	smcp_conf_parse(&parser, source);
	locked = parser.settings.is_locked == 1;
	munmap(scratch, sizeof(*scratch));
	return locked;
}

static void load_all(struct smcp_loader *loader)
{
	const struct smcp_inputs *inputs = loader->inputs;
	struct smcp_parser *parser = &loader->parser;
	const char *etc = inputs->etc ? inputs->etc : "/etc/smc";
	const char *dir = pool_path(loader, etc, "conf.d");
	const char *file = pool_path(loader, etc, "smc.conf");
	struct smcp_source source;
	bool has_file, locked, is_instead;

	if (is_set(inputs->names)) {
		parser->names = (struct smcp_text){inputs->names,
						   strlen(inputs->names)};
		smcp_conf_check_names(parser, "SMC_NAMES");
	}
	has_file = !read_file(loader, file, false, NULL, &source);
	locked = has_file && is_locked(loader, &source);
	if (locked) {
		smcp_conf_parse(parser, &source);
		load_dir(loader, dir);
	}
	load_progs(loader, "SMC_EXCLUDE", inputs->exclude, false);
	load_progs(loader, "SMC_PROGS", inputs->progs, true);
	load_endpoints(loader, inputs->denies, inputs->n_denies, SMCP_TCP);
	load_rules(loader);
	load_allows(loader);
	is_instead = load_config(loader);
	if (!locked && !is_instead) {
		load_dir(loader, dir);
		if (has_file)
			smcp_conf_parse(parser, &source);
	}

	if (parser->settings.otherwise >= 0)
		loader->list->otherwise =
			(enum smcp_verdict)parser->settings.otherwise;
	loader->list->is_strict = parser->settings.is_strict == 1;
	if (is_set(inputs->strict)) {
		const struct smcp_error at = {"SMC_STRICT", 1, 1, ""};

		if (strcmp(inputs->strict, "0") && strcmp(inputs->strict, "1"))
			smcp_conf_error(parser, &at, "0 or 1 is expected");
		loader->list->is_strict = *inputs->strict != '0';
	}
}

int smcp_conf_load(struct smcp_loader *loader, const struct smcp_inputs *inputs)
{
	void (*report)(struct smcp_parser * parser,
		       const struct smcp_error *error) = loader->parser.report;
	void *arg = loader->parser.arg;

	loader->inputs = inputs;
	loader->pool_used = 0;
	loader->list = mmap(NULL, sizeof(*loader->list), PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	loader->pool = mmap(NULL, POOL_SIZE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (loader->list == MAP_FAILED || loader->pool == MAP_FAILED) {
		smcp_conf_unload(loader);
		return -ENOMEM;
	}
	smcp_conf_begin(&loader->parser, loader->list);
	loader->parser.report = report;
	loader->parser.arg = arg;
	load_all(loader);
	return 0;
}

void smcp_conf_unload(struct smcp_loader *loader)
{
	if (loader->list != MAP_FAILED)
		munmap(loader->list, sizeof(*loader->list));
	if (loader->pool != MAP_FAILED)
		munmap(loader->pool, POOL_SIZE);
}
