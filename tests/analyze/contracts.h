/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
/*
 * Included before each file that is analyzed, and in no program: what an analyzer, which looks at
 * one file at a time, cannot know of the others. Each of these is stated in its own header.
 */
#include "base/error.h"
#include "base/toml_scan.h"
#include "disk/luks/json.h"
#include "base/toml.h"

#ifndef SETS_ERRNO
/* It is positive where it is read: after a call that failed. Like this gcc sees that -errno is below
 * zero. */
static inline int negative_errno(void)
{
	int number = -*__errno_location();

	if (number >= 0)
		__builtin_unreachable();
	return number;
}

#undef errno
#define errno (-negative_errno())
#endif

#ifndef DEFINES_CONTRACTS
/* What records a sentence returns its error. */
#define fail(error, ...)	    ((fail)(error, __VA_ARGS__), (error))
#define scan_fail(scan, error, ...) ((scan_fail)(scan, error, __VA_ARGS__), (error))
#define toml_fail(...)		    ((toml_fail)(__VA_ARGS__), -EBADMSG)
#define luks_refuse(...)	    ((luks_refuse)(__VA_ARGS__), -EBADMSG)
#define luks_refuse_header(reason)  ((luks_refuse_header)(reason), -EBADMSG)

#endif

#ifdef ANALYZED_BY_CPPCHECK
/* It reads no header of the C library, and not every statement expression. */
#define NULL ((void *)0)
#undef TAKE_PTR
#define TAKE_PTR(p) (p)
#undef TAKE_FD
#define TAKE_FD(fd) (fd)
#endif
