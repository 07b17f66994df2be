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

/* Mapped at the first source that is there: most programs find none. */
struct smcp_memory {
	struct smcp_list_memory list;
	struct smcp_list_memory scratch;
	size_t used; /* of the pool */
	char pool[POOL_SIZE];
};

/* What it means if a file is not there. */
enum need {
	MAY_BE, /* nothing */
	MAY_BE_OURS, /* nothing, also if it cannot even be seen */
	MUST_BE,
};

static int include(struct smcp_parser *parser, const struct smcp_error *at,
		   const char *path);

static struct smcp_loader *loader_of(struct smcp_parser *parser)
{
	return (struct smcp_loader *)((char *)parser -
				      offsetof(struct smcp_loader, parser));
}

/* Without memory nothing is parsed, and smcp_conf_load() fails in the end. */
static bool get_memory(struct smcp_loader *loader)
{
	void *memory;

	if (loader->memory)
		return true;
	memory = mmap(NULL, sizeof(*loader->memory), PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED) {
		loader->lacks_memory = true;
		return false;
	}
	loader->memory = memory;
	smcp_list_give(&loader->list, &loader->memory->list);
	return true;
}

/* Room in the pool, or NULL */
static char *pool_take(struct smcp_loader *loader, size_t size)
{
	struct smcp_memory *memory = loader->memory;
	char *room = memory->pool + memory->used;

	if (size > POOL_SIZE - memory->used)
		return NULL;
	memory->used += size;
	return room;
}

static const char *pool_copy(struct smcp_loader *loader, const char *text)
{
	size_t size = strlen(text) + 1;
	char *copy = pool_take(loader, size);

	return copy ? memcpy(copy, text, size) : NULL;
}

/* Return: @ret_path; NULL if it would be too long. */
static const char *join(char ret_path[PATH_MAX], const char *dir,
			const char *name)
{
	size_t length = strlen(dir);

	if (length + 1 + strlen(name) >= PATH_MAX)
		return NULL;
	memcpy(ret_path, dir, length);
	ret_path[length] = '/';
	strcpy(ret_path + length + 1, name);
	return ret_path;
}

static void fail_at(struct smcp_loader *loader, const char *path,
		    const char *text)
{
	const struct smcp_error at = {.origin = path, .line = 1, .column = 1};

	smcp_conf_error(&loader->parser, &at, text);
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

/* Return: a descriptor, or -errno; -ENOENT if nobody needs to care. */
static int open_file(const struct smcp_loader *loader, const char *path,
		     enum need need)
{
	struct stat st;
	/* Without O_NONBLOCK a FIFO would make us wait. */
	int fd = open(path,
		      O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK |
			      (loader->inputs->is_secure ? O_NOFOLLOW : 0));

	if (fd >= 0)
		return fd;
	/* Of who has another's HOME: what cannot even be seen is not his. */
	if (errno == EACCES && need == MAY_BE_OURS && stat(path, &st))
		return -ENOENT;
	/* $HOME of a user that has none may be /dev/null. */
	if (need != MUST_BE && errno == ENOTDIR)
		return -ENOENT;
	/* No file and a file that has to be are two things. */
	return errno == ENOENT && need == MUST_BE ? -ESRCH : -errno;
}

/* As far as stat() tells: a part of what was written may be another list. */
static bool is_changed(const struct stat *a, const struct stat *b)
{
	return a->st_size != b->st_size ||
	       a->st_mtim.tv_sec != b->st_mtim.tv_sec ||
	       a->st_mtim.tv_nsec != b->st_mtim.tv_nsec ||
	       a->st_ctim.tv_sec != b->st_ctim.tv_sec ||
	       a->st_ctim.tv_nsec != b->st_ctim.tv_nsec;
}

/* What is wrong, or NULL */
static const char *read_text(struct smcp_loader *loader, int fd,
			     struct smcp_source *ret_source)
{
	size_t size = 0, room = SMCP_MAX_SOURCE + 1;
	struct stat st, after;
	const char *reason;
	char *memory;
	ssize_t n = 1;

	memory = pool_take(loader, room);
	if (!memory)
		return "there is no memory";
	reason = fstat(fd, &st) ? strerror(errno) : why_not(loader, &st);
	while (!reason && n > 0 && size < room) {
		n = read(fd, memory + size, room - size);
		if (n > 0)
			size += (size_t)n;
		else if (n < 0 && errno == EINTR)
			n = 1;
		else if (n < 0)
			reason = strerror(errno);
	}
	if (!reason && (fstat(fd, &after) || is_changed(&st, &after)))
		reason = "it was changed while it was read";
	/* What was not used is for the next. */
	loader->memory->used -= room - (reason ? 0 : size);
	ret_source->text = memory;
	ret_source->size = size;
	return reason;
}

/*
 * Reads a file into the pool.  What is wrong with it is reported, at @at if that
 * is not NULL.  Return: 0; -ENOENT, not reported, if there is none and that is no
 * error; -EINVAL.
 */
static int read_file(struct smcp_loader *loader, const char *path,
		     enum need need, const struct smcp_error *at,
		     struct smcp_source *ret_source)
{
	int fd = open_file(loader, path, need);
	const char *reason = NULL;
	char text[160];

	if (fd == -ENOENT)
		return fd;
	if (!get_memory(loader)) {
		if (fd >= 0)
			close(fd);
		return -EINVAL;
	}
	path = pool_copy(loader, path);
	if (!path)
		path = "a file";
	*ret_source = (struct smcp_source){.origin = path, .include = include};
	if (fd >= 0) {
		reason = read_text(loader, fd, ret_source);
		close(fd);
		if (!reason)
			return 0;
	} else {
		reason = strerror(fd == -ESRCH ? ENOENT : -fd);
	}
	snprintf(text, sizeof(text), "cannot be used%s%.80s: %s",
		 at ? ", " : "", at ? path : "", reason);
	if (at)
		smcp_conf_error(&loader->parser, at, text);
	else
		fail_at(loader, path, text);
	return -EINVAL;
}

static int include(struct smcp_parser *parser, const struct smcp_error *at,
		   const char *path)
{
	struct smcp_source source;

	if (read_file(loader_of(parser), path, MUST_BE, at, &source))
		return -EINVAL;
	smcp_conf_parse(parser, &source);
	return 0;
}

static void load_file(struct smcp_loader *loader, const char *path,
		      enum need need)
{
	struct smcp_source source;

	if (!read_file(loader, path, need, NULL, &source))
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
	char joined[PATH_MAX];
	const char *path;
	long n, at;

	while ((n = syscall(SYS_getdents64, fd, buffer, sizeof(buffer))) > 0) {
		for (at = 0; at < n; at += entry->size) {
			entry = (const void *)(buffer + at);
			if (!is_conf(entry->name))
				continue;
			if (paths->n == SMCP_MAX_FILES)
				return "more than 64 files";
			path = join(joined, dir, entry->name);
			path = path ? pool_copy(loader, path) : NULL;
			if (!path)
				return "a path is too long";
			add_path(paths, path);
		}
	}
	return n < 0 ? strerror(errno) : NULL;
}

static void load_dir(struct smcp_loader *loader, const char *dir)
{
	struct paths paths = {.n = 0};
	const char *reason;
	char text[160];
	unsigned int i;
	int fd;

	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return;
	reason = fd < 0 ? strerror(errno) : NULL;
	if (get_memory(loader)) {
		dir = pool_copy(loader, dir);
		if (!dir)
			dir = "conf.d";
		if (!reason)
			reason = read_dir(loader, fd, dir, &paths);
	}
	if (fd >= 0)
		close(fd);
	if (reason) {
		snprintf(text, sizeof(text), "cannot be used: %s", reason);
		fail_at(loader, dir, text);
		return;
	}
	for (i = 0; i < paths.n; i++)
		load_file(loader, paths.path[i], MUST_BE);
}

/* Is there something to parse, and can it be? */
static bool is_set(struct smcp_loader *loader, const char *text)
{
	return text && *text && get_memory(loader);
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
		if (!is_set(loader, inputs[i].text))
			continue;
		source = source_of(inputs[i].origin, inputs[i].text);
		smcp_conf_parse_endpoints(&loader->parser, &source, verdict,
					  SMCP_CONNECT);
	}
}

static void load_progs(struct smcp_loader *loader, const char *origin,
		       const char *text, bool is_not)
{
	struct smcp_source source;

	if (!is_set(loader, text))
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
		if (!is_set(loader, inputs->rules[i].text))
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
		if (is_set(loader, inputs->allows[i].text))
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
	const char *xdg = inputs->xdg_config_home, *home = inputs->home;
	const char *config = inputs->config.text, *path = NULL;
	char joined[PATH_MAX];

	if (is_set(loader, config)) {
		if (*config == '/')
			load_file(loader, config, MUST_BE);
		else if (strcmp(config, "none") != 0)
			fail_at(loader, inputs->config.origin,
				"an absolute path or 'none' is expected");
		return true;
	}
	if (xdg && *xdg == '/')
		path = join(joined, xdg, "smc/smc.conf");
	else if (home && *home == '/')
		path = join(joined, home, ".config/smc/smc.conf");
	if (path)
		load_file(loader, path, MAY_BE_OURS);
	return false;
}

/* Does the machine's file say that it comes first? */
static bool is_locked(const struct smcp_loader *loader,
		      const struct smcp_source *source)
{
	struct smcp_list list;
	struct smcp_parser parser;

	smcp_list_give(&list, &loader->memory->scratch);
	smcp_conf_begin(&parser, &list);
	parser.names = loader->parser.names;
	parser.depth = 4; /* what it includes is not asked */
	smcp_conf_parse(&parser, source);
	return parser.settings.is_locked == 1;
}

static void load_strict(struct smcp_loader *loader)
{
	const char *strict = loader->inputs->strict;

	loader->list.is_strict = loader->parser.settings.is_strict == 1;
	if (!is_set(loader, strict))
		return;
	if (strcmp(strict, "0") && strcmp(strict, "1"))
		fail_at(loader, "SMC_STRICT", "0 or 1 is expected");
	loader->list.is_strict = *strict != '0';
}

/* The machine's rules, where they are. */
struct machine {
	char file[PATH_MAX], dir[PATH_MAX];
	struct smcp_source source;
	bool has_file;
};

/* What is for this program alone.  Return: is it instead of the machine's? */
static bool load_own(struct smcp_loader *loader)
{
	const struct smcp_inputs *inputs = loader->inputs;

	load_progs(loader, "SMC_EXCLUDE", inputs->exclude, false);
	load_progs(loader, "SMC_PROGS", inputs->progs, true);
	load_endpoints(loader, inputs->denies, inputs->n_denies, SMCP_TCP);
	load_rules(loader);
	load_allows(loader);
	return load_config(loader);
}

/* Not inlined, as most machines have none: its paths are two pages of stack. */
__attribute__((noinline)) static void load_both(struct smcp_loader *loader,
						const char *etc)
{
	struct smcp_parser *parser = &loader->parser;
	struct machine machine;

	if (!join(machine.file, etc, "smc.conf") ||
	    !join(machine.dir, etc, "conf.d")) {
		fail_at(loader, etc, "the path is too long");
		return;
	}
	machine.has_file =
		!read_file(loader, machine.file, MAY_BE, NULL, &machine.source);
	if (machine.has_file && is_locked(loader, &machine.source)) {
		smcp_conf_parse(parser, &machine.source);
		load_dir(loader, machine.dir);
		(void)load_own(loader);
	} else if (!load_own(loader)) {
		load_dir(loader, machine.dir);
		if (machine.has_file)
			smcp_conf_parse(parser, &machine.source);
	}
}

static void load_all(struct smcp_loader *loader)
{
	const struct smcp_inputs *inputs = loader->inputs;
	struct smcp_parser *parser = &loader->parser;
	const char *etc = inputs->etc ? inputs->etc : "/etc/smc";

	if (is_set(loader, inputs->names)) {
		parser->names = (struct smcp_text){inputs->names,
						   strlen(inputs->names)};
		smcp_conf_check_names(parser, "SMC_NAMES");
	}
	if (access(etc, F_OK) && errno == ENOENT)
		(void)load_own(loader);
	else
		load_both(loader, etc);
	if (parser->settings.otherwise >= 0)
		loader->list.otherwise =
			(enum smcp_verdict)parser->settings.otherwise;
	load_strict(loader);
}

int smcp_conf_load(struct smcp_loader *loader, const struct smcp_inputs *inputs)
{
	const struct smcp_parser given = loader->parser;

	loader->inputs = inputs;
	loader->memory = NULL;
	loader->lacks_memory = false;
	smcp_conf_begin(&loader->parser, &loader->list);
	loader->parser.report = given.report;
	loader->parser.arg = given.arg;
	loader->parser.find = given.find;
	load_all(loader);
	if (!loader->lacks_memory)
		return 0;
	smcp_conf_unload(loader);
	return -ENOMEM;
}

void smcp_conf_unload(struct smcp_loader *loader)
{
	if (loader->memory)
		munmap(loader->memory, sizeof(*loader->memory));
	loader->memory = NULL;
}
