// SPDX-License-Identifier: MIT
/*
 * bpf BATCHES open|cycle: nanoseconds per socket() + close() of a TCP socket, or per
 * connection over loopback with one byte and its echo; the median of batches that
 * take turns, in one process: "off" without the program of smc_run --bpf, "on" with
 * it.  It has to be on at the start, and is off at the end.
 */
#include <linux/bpf.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define PINNED "/sys/fs/bpf/smc_run/choose_protocol"

static struct sockaddr_in addr = {.sin_family = AF_INET};

static _Noreturn void die(const char *what)
{
	perror(what);
	exit(1);
}

static int bpf(int cmd, union bpf_attr *attr, const char *what)
{
	int fd = (int)syscall(SYS_bpf, cmd, attr, sizeof(*attr));

	if (fd < 0)
		die(what);
	return fd;
}

/* The program behind the pinned link, which keeps it when that is gone. */
static int get_program(void)
{
	struct bpf_link_info info = {0};
	union bpf_attr attr;
	int link;

	memset(&attr, 0, sizeof(attr));
	attr.pathname = (uintptr_t)PINNED;
	link = bpf(BPF_OBJ_GET, &attr, PINNED);
	memset(&attr, 0, sizeof(attr));
	attr.info.bpf_fd = (uint32_t)link;
	attr.info.info = (uintptr_t)&info;
	attr.info.info_len = sizeof(info);
	bpf(BPF_OBJ_GET_INFO_BY_FD, &attr, "the link");
	close(link);
	memset(&attr, 0, sizeof(attr));
	attr.prog_id = info.prog_id;
	link = bpf(BPF_PROG_GET_FD_BY_ID, &attr, "the program");
	if (unlink(PINNED))
		die(PINNED);
	return link;
}

static int attach(int program)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.raw_tracepoint.prog_fd = (uint32_t)program;
	return bpf(BPF_RAW_TRACEPOINT_OPEN, &attr, "attach");
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static void serve(int listener)
{
	char byte;
	int fd;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		fd = accept(listener, NULL, NULL);
		if (fd < 0 || read(fd, &byte, 1) != 1 ||
		    write(fd, &byte, 1) != 1)
			_exit(1);
		close(fd);
	}
}

static void start_server(void)
{
	socklen_t size = sizeof(addr);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) ||
	    listen(fd, 100) || getsockname(fd, (struct sockaddr *)&addr, &size))
		die("server");
	if (!fork())
		serve(fd);
	close(fd);
}

static void one(int is_cycle)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	char byte = 0;

	if (fd < 0)
		die("socket");
	if (is_cycle && (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) ||
			 write(fd, &byte, 1) != 1 || read(fd, &byte, 1) != 1))
		die("client");
	close(fd);
}

static double batch(int is_cycle)
{
	int n = is_cycle ? 100 : 500, i;
	double start;

	for (i = 0; i < 5; i++)
		one(is_cycle);
	start = now();
	for (i = 0; i < n; i++)
		one(is_cycle);
	return (now() - start) / n;
}

static int compare(const void *a, const void *b)
{
	double d = *(const double *)a - *(const double *)b;

	return (d > 0) - (d < 0);
}

int main(int argc, char **argv)
{
	long count = argc == 3 ? atol(argv[1]) : 0, i;
	int is_cycle = argc == 3 && !strcmp(argv[2], "cycle");
	double *off, *on;
	int program, link;

	if (count < 1)
		return 2;
	off = calloc((size_t)count, sizeof(*off));
	on = calloc((size_t)count, sizeof(*on));
	if (!off || !on)
		return 1;
	program = get_program();
	start_server();
	/* The first ones warm up. */
	for (i = -2; i < count; i++) {
		double without = batch(is_cycle), with;

		link = attach(program);
		with = batch(is_cycle);
		close(link);
		if (i >= 0) {
			off[i] = without;
			on[i] = with;
		}
	}
	qsort(off, (size_t)count, sizeof(*off), compare);
	qsort(on, (size_t)count, sizeof(*on), compare);
	printf("off %.1f\non %.1f\n", off[count / 2], on[count / 2]);
	return 0;
}
