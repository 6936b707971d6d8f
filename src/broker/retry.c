/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "broker/internal.h"

/* An attempt with less time than this would only fail in a way that says nothing. */
#define ATTEMPT_LEAST_MS 2000U

void retry_begin(struct retry *ret, int64_t now_ms, unsigned int deadline_ms, uint32_t place)
{
	*ret = (struct retry){
		.started_ms = now_ms,
		.last_ms = now_ms + deadline_ms - MIN(ATTEMPT_LEAST_MS, deadline_ms / 2),
		.place = place,
	};
}

static int64_t part_of(int64_t whole, uint32_t place)
{
	return (int64_t)((uint64_t)whole * place >> 32);
}

/*
 * In a span that is half as long as what was before, places are even on a logarithmic scale, or
 * they would be twice as dense in front of its end as behind it, as seen by a broker that comes up
 * there: 1.5 to the power of the place, here by a parabola.
 */
static int64_t place_in(int64_t start, int64_t length, uint32_t place)
{
	if (length != start / 2)
		return part_of(length, place);
	return part_of(length * 82 / 100, place) +
	       part_of(part_of(length * 18 / 100, place), place);
}

/*
 * Machines that began together must not come back together, and the broker that comes up late is to
 * see them evenly spread, however late that is. So the time since the start is divided into spans,
 * each half as long as what was before it, within bounds. A machine has one place, the same in each
 * span, and tries there: whenever the broker comes up, each comes once in the time of one span.
 * Attempts that take long, and what the server asks for, only skip spans; a wait that went by the
 * time of the last failure would bring all machines back together after them.
 */
static int64_t next_place_ms(const struct retry *retry, int64_t after_ms)
{
	int64_t start = 0, length = RETRY_FIRST_MS, place = place_in(0, length, retry->place);

	while (retry->started_ms + place <= after_ms) {
		start += length;
		length = MIN(MAX(start / 2, RETRY_FIRST_MS), RETRY_MOST_MS);
		place = start + place_in(start, length, retry->place);
	}
	return retry->started_ms + place;
}

/* Behind the last place there is one attempt more, since up to a whole span is left there. */
int retry_next(struct retry *retry, int64_t now_ms, int64_t not_before_ms, int64_t *ret_until_ms)
{
	int64_t from = MAX(now_ms, not_before_ms), until;

	if (retry->ended || from >= retry->last_ms)
		return -ETIMEDOUT;
	until = next_place_ms(retry, from);
	if (until >= retry->last_ms) {
		until = from + part_of(retry->last_ms - from, retry->place);
		retry->ended = true;
	}
	*ret_until_ms = until;
	return 0;
}
