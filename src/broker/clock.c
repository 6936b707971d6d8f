/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "base/clock.h"
#include "broker/exchange.h"

#include <time.h>

int64_t broker_clock_ms(void)
{
	return monotonic_ms();
}

/* There is nothing to be told of when a server is ready: only time passes. */
void broker_clock_wait(int64_t until_ms)
{
	const struct timespec until = {
		.tv_sec = until_ms / 1000,
		.tv_nsec = until_ms % 1000 * 1000000,
	};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
		;
}
