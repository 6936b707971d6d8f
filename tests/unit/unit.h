/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_TESTS_UNIT_UNIT_H
#define CVMROOT_TESTS_UNIT_UNIT_H

/* cmocka wants these before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* cmocka's fail() would hide the one of base/error.h, and its fail_msg() needs it. */
#undef fail
#undef fail_msg
#define fail_msg(...)                                                                              \
	do {                                                                                       \
		print_error(__VA_ARGS__);                                                          \
		print_error("\n");                                                                 \
		_fail(__FILE__, __LINE__);                                                         \
	} while (0)

#include <stdlib.h>
#include <string.h>

#include "base/codec.h"

/* The folder of shared test vectors, or NULL: the caller then skips, saying so. */
static inline const char *vectors_folder(void)
{
	return getenv("CVMROOT_VECTORS");
}

/* Bytes of a hex literal, for known answers. */
#define HEX(name, literal)                                                                         \
	uint8_t name[(sizeof(literal) - 1) / 2];                                                   \
	assert_int_equal(hex_decode(literal, sizeof(literal) - 1, name, sizeof(name)), 0)

#endif
