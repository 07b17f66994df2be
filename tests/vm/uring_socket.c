// SPDX-License-Identifier: MIT
/*
 * uring_socket uring|call PORT: connects to 127.0.0.1:PORT by io_uring, with a socket
 * that io_uring or socket(2) made.  Exit status 2 if the kernel has no such
 * operation.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <liburing.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static struct io_uring ring;

static int finish(const char *what)
{
	struct io_uring_cqe *cqe;
	int rc;

	if (io_uring_submit(&ring) != 1 || io_uring_wait_cqe(&ring, &cqe))
		exit(1);
	rc = cqe->res;
	io_uring_cqe_seen(&ring, cqe);
	if (rc < 0) {
		fprintf(stderr, "uring_socket: %s: %s\n", what, strerror(-rc));
		exit(rc == -EINVAL ? 2 : 1);
	}
	return rc;
}

int main(int argc, char **argv)
{
	struct sockaddr_in addr = {.sin_family = AF_INET};
	int fd;

	if (argc != 3 || io_uring_queue_init(4, &ring, 0))
		return 1;
	addr.sin_port = htons((uint16_t)atoi(argv[2]));
	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (!strcmp(argv[1], "uring")) {
		io_uring_prep_socket(io_uring_get_sqe(&ring), AF_INET,
				     SOCK_STREAM, 0, 0);
		fd = finish("socket");
	} else {
		fd = socket(AF_INET, SOCK_STREAM, 0);
	}
	io_uring_prep_connect(io_uring_get_sqe(&ring), fd,
			      (struct sockaddr *)&addr, sizeof(addr));
	finish("connect");
	return 0;
}
