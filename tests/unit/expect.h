/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_TESTS_UNIT_EXPECT_H
#define CVMROOT_TESTS_UNIT_EXPECT_H

#include "unit.h"

#include "base/error.h"

/* @r is this error, and its sentence has these words. */
static inline void assert_fails(int r, int error, const char *words)
{
	assert_int_equal(r, error);
	if (!strstr(fail_sentence(error), words))
		fail_msg("'%s' does not say '%s'", fail_sentence(error), words);
}

static inline void assert_works(int r)
{
	if (r < 0)
		fail_msg("%s", fail_sentence(r));
}

#endif
