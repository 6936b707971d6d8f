/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_TESTS_BENCH_CLOCK_H
#define CVMROOT_TESTS_BENCH_CLOCK_H

#include <time.h>

static inline long long clock_us(clockid_t clock)
{
	struct timespec time;

	clock_gettime(clock, &time);
	return time.tv_sec * 1000000LL + time.tv_nsec / 1000;
}

/* By the clock that systemd's time stamps have, too. */
static inline long long now_us(void)
{
	return clock_us(CLOCK_MONOTONIC);
}

#endif
