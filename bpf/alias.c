// SPDX-License-Identifier: MIT
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "alias.h"

/* More than any option becomes, besides COMMAND */
#define WORDS 8

static int print_usage(void)
{
	printf("\nUsage: smc_run.bpf COMMAND\n"
	       "       smc_run.bpf -s load|unload\n"
	       "       smc_run.bpf -p PID\n"
	       "       smc_run.bpf -n 0|1\n\n"
	       "Have the kernel use SMC for the TCP sockets of COMMAND, of the "
	       "process PID and\nwhat it starts, or of this network namespace; "
	       "see smc_run --bpf\n\n"
	       "   -h         display this message\n"
	       "   -v         display version info\n");
	return 0;
}

static int wrong(char **argv)
{
	dprintf(STDERR_FILENO, "%s: wrong options (-h tells which there are)\n",
		argv[0]);
	return 1;
}

static char **become(char **words, char *verb, char *kind, char *name)
{
	int n = 1;

	words[n++] = verb;
	words[n++] = "--";
	if (kind) {
		words[n++] = kind;
		words[n++] = name;
	}
	words[n] = NULL;
	return words;
}

int smcb_alias(char **argv, char ***ret_argv)
{
	static char self[PATH_MAX];
	char **words, *value;
	int opt, n;

	*ret_argv = NULL;
	for (n = 0; argv[n]; n++)
		;
	words = calloc((size_t)n + WORDS, sizeof(*words));
	/* The companions are beside it, not beside the link. */
	if (!words || readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
		return wrong(argv);
	words[0] = self;
	opterr = 0;
	opt = getopt(n, argv, "+hvs:p:n:");
	value = optarg;
	if (opt < 0 && argv[optind]) {
		become(words, "--bpf", NULL, NULL);
		memcpy(words + 3, argv + optind,
		       (size_t)(n - optind) * sizeof(*words));
		*ret_argv = words;
		return 0;
	}
	if (opt < 0 || argv[optind])
		return wrong(argv);
	switch (opt) {
	case 'h':
		return print_usage();
	case 'v':
		printf("smc_run.bpf utility, smc-preload-" SMC_VERSION "\n");
		return 0;
	case 's':
		if (!strcmp(value, "load"))
			*ret_argv = become(words, "--bpf=on", NULL, NULL);
		else if (!strcmp(value, "unload"))
			*ret_argv = become(words, "--bpf=off", NULL, NULL);
		break;
	case 'p':
		*ret_argv = become(words, "--bpf=add", "pid", value);
		break;
	case 'n':
		if (!strcmp(value, "1"))
			*ret_argv = become(words, "--bpf=add", "netns", "self");
		else if (!strcmp(value, "0"))
			*ret_argv = become(words, "--bpf=del", "netns", "self");
		break;
	}
	return *ret_argv ? 0 : wrong(argv);
}
