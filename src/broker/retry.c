/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "broker/internal.h"

/* The window that the wait is drawn from: 1, 2, 4 ... seconds, up to the most. */
static int64_t window_ms(unsigned int failures)
{
	int64_t window = RETRY_FIRST_MS;

	while (failures-- > 0 && window < RETRY_MOST_MS)
		window *= 2;
	return MIN(window, (int64_t)RETRY_MOST_MS);
}

/*
 * Near the end the windows would shrink with what is left, and waits with them: many attempts in
 * the last seconds, of all machines at once. So only one is fitted in there.
 */
int retry_next(struct retry *retry, int64_t now_ms, int64_t not_before_ms, uint32_t random,
	       int64_t *ret_until_ms)
{
	int64_t from = MAX(now_ms, not_before_ms), wait;

	if (retry->ended || from >= retry->last_ms)
		return -ETIMEDOUT;
	wait = (int64_t)((uint64_t)window_ms(retry->failures) * random >> 32);
	if (wait >= retry->last_ms - from) {
		wait = (int64_t)((uint64_t)(retry->last_ms - from) * random >> 32);
		retry->ended = true;
	}
	retry->failures++;
	*ret_until_ms = from + wait;
	return 0;
}
