// SPDX-License-Identifier: MIT
/*
 * Runs a fuzz target once on each of some files, given by name or as all files
 * of a directory, with any compiler.  Prints TAP; a target that finds something
 * does not come back, so the last line names the file.
 */
#include <dirent.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_SIZE (1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned int points;

static int replay(const char *path)
{
	const char *slash = strrchr(path, '/');
	FILE *f = fopen(path, "rb");
	uint8_t *data = malloc(MAX_SIZE);
	size_t size;

	if (!f || !data) {
		perror(path);
		return -1;
	}
	size = fread(data, 1, MAX_SIZE, f);
	fclose(f);
	printf("# %s\n", path);
	fflush(stdout);
	LLVMFuzzerTestOneInput(data, size);
	printf("ok %u - %s\n", ++points, slash ? slash + 1 : path);
	free(data);
	return 0;
}

static int is_shown(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static int replay_dir(const char *dir, struct dirent **entries, int n)
{
	char path[PATH_MAX];
	int i, rc = 0;

	for (i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, entries[i]->d_name);
		free(entries[i]);
		rc |= replay(path);
	}
	free(entries);
	return rc;
}

int main(int argc, char **argv)
{
	struct dirent **entries;
	int i, n, rc = 0;

	for (i = 1; i < argc; i++) {
		n = scandir(argv[i], &entries, is_shown, alphasort);
		rc |= n < 0 ? replay(argv[i]) : replay_dir(argv[i], entries, n);
	}
	printf("1..%u\n", points);
	if (rc || !points)
		return 1;
	printf("# done\n");
	return 0;
}
