// SPDX-License-Identifier: MIT
/* Counts the calls that a signal handler must not make; see life.c. */
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
extern char **environ;

EXPORT extern atomic_long count_of_calls;
atomic_long count_of_calls;

EXPORT void *malloc(size_t size)
{
	count_of_calls++;
	return __libc_malloc(size);
}

EXPORT void *calloc(size_t count, size_t size)
{
	count_of_calls++;
	return __libc_calloc(count, size);
}

EXPORT void *realloc(void *old, size_t size)
{
	count_of_calls++;
	return __libc_realloc(old, size);
}

EXPORT char *getenv(const char *name)
{
	size_t len = strlen(name);
	char **env;

	count_of_calls++;
	for (env = environ; env && *env; env++)
		if (strncmp(*env, name, len) == 0 && (*env)[len] == '=')
			return *env + len + 1;
	return NULL;
}
