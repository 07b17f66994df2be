// SPDX-License-Identifier: MIT
/* opened LIBRARY: dlopen() it and call the socket() it exports. */
#include <dlfcn.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	int (*func)(int, int, int);
	void *handle;
	int plain, fd;

	if (argc != 2)
		return 1;
	handle = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
	if (!handle) {
		fprintf(stderr, "%s\n", dlerror());
		return 1;
	}
	func = (int (*)(int, int, int))dlsym(handle, "socket");
	if (!func)
		return 1;
	plain = socket(AF_INET, SOCK_STREAM, 0);
	fd = func(AF_INET, SOCK_STREAM, 0);
	printf("%s\n", plain >= 0 && fd >= 0 ? "ok" : "failed");
	dlclose(handle);
	/* Still mapped: code of the library may be on some stack. */
	close(func(AF_INET, SOCK_STREAM, 0));
	return 0;
}
