// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake_real.h"

static int answers[64];
static unsigned int answer_count, answer_next;
static char calls[4096];
static size_t calls_len;
static unsigned int clock_now, clock_reads;

__attribute__((format(printf, 1, 2))) static int answer(const char *format, ...)
{
	va_list args;
	int result = -EIO;
	int n;

	if (calls_len)
		calls[calls_len++] = ' ';
	va_start(args, format);
	n = vsnprintf(calls + calls_len, sizeof(calls) - calls_len - 1, format,
		      args);
	va_end(args);
	if (n < 0 || (size_t)n >= sizeof(calls) - calls_len - 1)
		abort();
	calls_len += (size_t)n;

	if (answer_next < answer_count)
		result = answers[answer_next++];
	if (result >= 0)
		return result;
	errno = -result;
	return -1;
}

static int fake_socket(int domain, int type, int protocol)
{
	return answer("socket(%d,%d,%d)", domain, type, protocol);
}

static int fake_setsockopt(int fd, int level, int name, const void *value,
			   socklen_t size)
{
	if (size < sizeof(int))
		abort();
	return answer("setsockopt(%d,%d,%d,%d)", fd, level, name,
		      *(const int *)value);
}

static int fake_connect(int fd, const struct sockaddr *addr, socklen_t size)
{
	(void)addr;
	return answer("connect(%d,%u)", fd, size);
}

static int fake_listen(int fd, int backlog)
{
	return answer("listen(%d,%d)", fd, backlog);
}

static int fake_getsockopt(int fd, int level, int name, void *value,
			   socklen_t *size)
{
	int result = answer("getsockopt(%d,%d,%d)", fd, level, name);

	if (result < 0)
		return result;
	memset(value, 0, *size);
	memcpy(value, &result, *size < sizeof(result) ? *size : sizeof(result));
	return 0;
}

static int fake_getsockname(int fd, struct sockaddr *addr, socklen_t *size)
{
	int result = answer("getsockname(%d)", fd);

	if (result < 0)
		return result;
	memset(addr, 0, *size);
	addr->sa_family = (sa_family_t)result;
	return 0;
}

static int fake_bind(int fd, const struct sockaddr *addr, socklen_t size)
{
	(void)addr;
	return answer("bind(%d,%u)", fd, size);
}

static int fake_fcntl(int fd, int command, long value)
{
	return answer("fcntl(%d,%d,%ld)", fd, command, value);
}

static int fake_dup3(int old, int fd, int flags)
{
	return answer("dup3(%d,%d,%d)", old, fd, flags);
}

static int fake_close(int fd)
{
	return answer("close(%d)", fd);
}

static unsigned int fake_seconds(void)
{
	clock_reads++;
	return clock_now;
}

const struct smcp_real fake_real = {
	.socket = fake_socket,
	.connect = fake_connect,
	.listen = fake_listen,
	.setsockopt = fake_setsockopt,
	.getsockopt = fake_getsockopt,
	.getsockname = fake_getsockname,
	.bind = fake_bind,
	.fcntl = fake_fcntl,
	.dup3 = fake_dup3,
	.close = fake_close,
	.seconds = fake_seconds,
};

void fake_real_reset(void)
{
	answer_count = 0;
	answer_next = 0;
	calls_len = 0;
	calls[0] = '\0';
	clock_now += 3600;
	clock_reads = 0;
}

void fake_real_answer(int result)
{
	if (answer_count == sizeof(answers) / sizeof(answers[0]))
		abort();
	answers[answer_count++] = result;
}

const char *fake_real_calls(void)
{
	return calls;
}

void fake_real_pass(unsigned int seconds)
{
	clock_now += seconds;
}

unsigned int fake_real_clock_reads(void)
{
	return clock_reads;
}
