/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_TESTS_MEASURE_CUT_LOGS_H
#define CVMROOT_TESTS_MEASURE_CUT_LOGS_H

#include "base/macro.h"

#include <limits.h>

/* A log that is put to the test, and the registers that it is about: a file of 48 bytes for each. */
#define REGISTERS     4
#define REGISTER_SIZE 48

struct files {
	char log[PATH_MAX], journal[PATH_MAX], registers[PATH_MAX];
};

/* What a verifier makes of a log; reads by itself, so that it cannot share a fault. */
struct finding {
	bool incomplete;     /* it is plainly marked so */
	bool whole;	     /* nothing but whole records */
	bool replays;	     /* and they lead to the registers' values */
	unsigned int events; /* that could be read */
};
struct finding read_pcr_log(const struct files *files);
struct finding read_rtmr_log(const struct files *files);

/* Ends the test. */
_Noreturn void broken(const char *format, ...) printf_like(1, 2);

#endif
