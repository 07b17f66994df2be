// SPDX-License-Identifier: MIT
/*
 * sockcall [-n COUNT] DOMAIN,TYPE,PROTOCOL...: call socket() and print what
 * came of it, errno included, which is 77 before each call.  The word
 * "secure" prints AT_SECURE; "close2" closes fd 2,
 * "reuse2 FILE" puts another file there.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/socket.h>
#include <unistd.h>

static int get(int fd, int name)
{
	int value = -1;
	socklen_t size = sizeof(value);

	getsockopt(fd, SOL_SOCKET, name, &value, &size);
	return value;
}

static void call(const char *word, long count)
{
	long domain, type, protocol;
	char *end;
	int fd, err;

	domain = strtol(word, &end, 0);
	type = strtol(end + 1, &end, 0);
	protocol = strtol(end + 1, &end, 0);
	while (count--) {
		errno = 77;
		fd = socket((int)domain, (int)type, (int)protocol);
		err = errno;
		printf("%s: ", word);
		if (fd >= 0)
			printf("fd %d (%d,%d,%d) flags %x %x, ", fd,
			       get(fd, SO_DOMAIN), get(fd, SO_TYPE),
			       get(fd, SO_PROTOCOL), fcntl(fd, F_GETFD),
			       fcntl(fd, F_GETFL));
		printf("errno %d\n", err);
		if (fd >= 0)
			close(fd);
	}
}

int main(int argc, char **argv)
{
	long count = 1;
	int i, fd;

	for (i = 1; i < argc; i++) {
		if (strcmp(argv[i], "-n") == 0) {
			count = atol(argv[++i]);
		} else if (strcmp(argv[i], "secure") == 0) {
			printf("secure %lu\n", getauxval(AT_SECURE));
		} else if (strcmp(argv[i], "close2") == 0) {
			close(2);
		} else if (strcmp(argv[i], "reuse2") == 0) {
			fd = open(argv[++i], O_WRONLY | O_CREAT, 0600);
			dup2(fd, 2);
			close(fd);
		} else {
			call(argv[i], count);
		}
	}
	return 0;
}
