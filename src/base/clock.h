/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_BASE_CLOCK_H
#define CVMROOT_BASE_CLOCK_H

#include "base/macro.h"

/* Milliseconds of CLOCK_MONOTONIC, which nobody sets: for deadlines. */
int64_t monotonic_ms(void);

#endif
