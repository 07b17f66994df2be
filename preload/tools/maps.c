// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "maps.h"
#include "target.h"

int smcp_maps_has_library(pid_t pid)
{
	char path[64];
	char *line = NULL;
	size_t room = 0;
	FILE *file;
	int found = 0;

	snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
	file = fopen(path, "re");
	if (!file)
		return -errno;
	while (!found && getline(&line, &room, file) >= 0)
		found = strstr(line, "/" SMCP_LIBRARY_NAME) != NULL;
	if (!found && ferror(file))
		found = -EIO;
	free(line);
	fclose(file);
	return found;
}
