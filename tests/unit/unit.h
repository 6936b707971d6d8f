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

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>

#include "base/codec.h"

/* The folder of shared test vectors, or NULL: the caller then skips, saying so. */
static inline const char *vectors_folder(void)
{
	return getenv("CVMROOT_VECTORS");
}

/*
 * For cases that ask the kernel for what qemu-user does not pass on; @what it lacks. skip() jumps:
 * nothing may be owned here.
 */
static inline void skip_when_emulated(const char *what)
{
	if (!getenv("CVMROOT_EMULATED"))
		return;
	print_message("skipped: qemu-user %s\n", what);
	skip();
}

/*
 * Held until the program ends: loop devices are one pool for the whole machine, and "the first free
 * one" of mount(8) and losetup(8) is a race between programs that run side by side.
 */
static inline void lock_loop_devices(void)
{
	int fd = open("/run/lock/cvmroot-unit-loop", O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd >= 0)
		while (flock(fd, LOCK_EX) < 0 && errno == EINTR)
			;
}

/* Bytes of a hex literal, for known answers. */
#define HEX(name, literal)                                                                         \
	uint8_t name[(sizeof(literal) - 1) / 2];                                                   \
	assert_int_equal(hex_decode(literal, sizeof(literal) - 1, name, sizeof(name)), 0)

#endif
