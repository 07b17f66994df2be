/* SPDX-License-Identifier: MIT */
#ifndef SMCP_UTIL_H
#define SMCP_UTIL_H

#include <errno.h>

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

/*
 * smcp_result() - the result of a libc call as internal functions return it
 * @result: what the call returned; below zero if it failed and set errno
 *
 * Return: @result, or -errno.  Never 0 for a failure, even if an interposer
 * failed without setting errno: the caller may take 0 for a descriptor.
 */
static inline int smcp_result(int result)
{
	if (result >= 0)
		return result;
	return errno > 0 ? -errno : -EIO;
}

#endif
