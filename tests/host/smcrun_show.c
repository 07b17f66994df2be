// SPDX-License-Identifier: MIT
/*
 * What smc_run.sh looks at in a started program: its arguments, the variables
 * of smc_run, and whether the library is loaded.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[] = {
	"SMC_DEBUG",	   "SMC_RCVBUF", "SMC_SNDBUF",
	"SMC_SOCK_FAMILY", "LD_PRELOAD",
};

int main(int argc, char **argv)
{
	const char *value;
	char line[4352];
	int loaded = 0;
	FILE *maps;

	for (int i = 0; i < argc; i++)
		printf("<%s>", argv[i]);
	putchar('\n');
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		value = getenv(names[i]);
		if (value)
			printf("%s=%s\n", names[i], value);
	}
	maps = fopen("/proc/self/maps", "re");
	if (!maps)
		return 1;
	while (fgets(line, sizeof(line), maps))
		if (strstr(line, "/libsmc-preload.so"))
			loaded = 1;
	fclose(maps);
	puts(loaded ? "loaded" : "not loaded");
	return 0;
}
