// SPDX-License-Identifier: MIT
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "preload_list.h"
#include "target.h"

static bool is_ours(const char *path)
{
	return !strcmp(smcp_base_name(path), SMCP_LIBRARY_NAME);
}

void smcp_preload_set(const char *name)
{
	const char *list = getenv("LD_PRELOAD");
	size_t len = 0, n;
	char *preload;

	if (!list)
		list = "";
	preload = malloc(strlen(list) + 1 + PATH_MAX);
	if (!preload)
		return;
	for (; *list; list += n + (list[n] != '\0')) {
		n = strcspn(list, ": ");
		memcpy(preload + len, list, n);
		preload[len + n] = '\0';
		if (!n || is_ours(preload + len))
			continue;
		len += n;
		preload[len++] = ':';
	}
	if (name)
		len += (size_t)sprintf(preload + len, "%s:", name);
	if (len) {
		preload[len - 1] = '\0';
		setenv("LD_PRELOAD", preload, 1);
	} else {
		unsetenv("LD_PRELOAD");
	}
	free(preload);
}
