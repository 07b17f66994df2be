// SPDX-License-Identifier: MIT
/* Runs a fuzz target once on each of some files, with any compiler. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		FILE *f = fopen(argv[i], "rb");
		uint8_t *data = malloc(1 << 20);
		size_t size;

		if (!f || !data) {
			perror(argv[i]);
			return 1;
		}
		size = fread(data, 1, 1 << 20, f);
		fclose(f);
		fprintf(stderr, "%s\n", argv[i]);
		LLVMFuzzerTestOneInput(data, size);
		free(data);
	}
	printf("replayed %d files\n", argc - 1);
	return 0;
}
