/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "storm.h"

#include "broker/internal.h"

#include <string.h>

uint32_t storm_random(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return (uint32_t)(*seed >> 32);
}

static int full_jitter(int64_t last_ms, unsigned int failures, int64_t now, uint64_t *seed,
		       int64_t *ret_until)
{
	int64_t window = MIN(RETRY_FIRST_MS << MIN(failures, 5U), RETRY_MOST_MS);

	*ret_until = now + (window * storm_random(seed) >> 32);
	return *ret_until < last_ms ? 0 : -ETIMEDOUT;
}

/* One machine, until it is served or gives up. */
static void run_guest(const struct storm_options *options, uint64_t *seed, struct storm *ret)
{
	int64_t when = (int64_t)options->boot_ms * storm_random(seed) >> 32;
	struct retry retry;
	int r = 0;

	retry_begin(&retry, when, options->deadline_ms, storm_random(seed));
	for (unsigned int failures = 0; r == 0 && when < options->outage_ms; failures++) {
		int64_t failed = when + options->attempt_ms;

		ret->away[when / 1000]++;
		r = options->full_jitter ? full_jitter(retry.last_ms, failures, failed, seed, &when)
					 : retry_next(&retry, failed, 0, &when);
	}
	if (r < 0)
		return;
	when -= options->outage_ms;
	ret->served++;
	ret->came[when / 1000]++;
	ret->peak = MAX(ret->peak, ret->came[when / 1000]);
	ret->last_ms = MAX(ret->last_ms, when);
}

void storm_run(const struct storm_options *options, uint64_t *seed, struct storm *ret)
{
	memset(ret, 0, sizeof(*ret));
	for (unsigned int i = 0; i < options->guests; i++)
		run_guest(options, seed, ret);
}
