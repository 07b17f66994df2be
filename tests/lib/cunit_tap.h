/* SPDX-License-Identifier: MIT */
#ifndef CUNIT_TAP_H
#define CUNIT_TAP_H

#include <stddef.h>

#include <CUnit/CUnit.h>

/*
 * UNIT_TEST() - define a test; the main() of this library runs all there are
 * @name: identifier; the name of the TAP point, with blanks for underscores
 *
 * The body uses CUnit's assertions.
 */
#define UNIT_TEST(name)                                                \
	static void name(void);                                        \
	__attribute__((constructor)) static void register_##name(void) \
	{                                                              \
		unit_test_register(#name, name);                       \
	}                                                              \
	static void name(void)

void unit_test_register(const char *name, CU_TestFunc func);

/* As CU_ASSERT_STRING_EQUAL(), but shows both strings if they differ. */
#define ASSERT_STR(got, want) unit_test_str((got), (want), __FILE__, __LINE__)
void unit_test_str(const char *got, const char *want, const char *file,
		   unsigned int line);

/*
 * unit_test_in_child() - run a function in a forked process
 * @func: fails through CUnit's assertions; these count for this process
 * @ret_stderr: what it wrote to fd 2, cut to @size - 1 bytes; NULL: not caught
 *
 * For what happens once per process, as initialisation does.
 */
void unit_test_in_child(void (*func)(void), char *ret_stderr, size_t size);

#endif
