/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_TESTS_FUZZ_FUZZ_EVENTLOG_H
#define CVMROOT_TESTS_FUZZ_FUZZ_EVENTLOG_H

#include "fuzz.h"

#include "eventlog/eventlog.h"
#include "eventlog/word.h"

#include <string.h>

/* One line of printable characters, within its bounds and however short these are. */
static inline void fuzz_description(const struct eventlog_event *event, size_t size)
{
	char text[200];

	memset(text, 'x', sizeof(text));
	eventlog_describe(event, text, size);
	if (strnlen(text, size) >= size)
		abort();
	for (const char *c = text; *c != '\0'; c++)
		if (*c < ' ' || *c > '~')
			abort();
}

/* What the whole log replays to must agree with it; any other value must not. */
static inline void fuzz_registers(const struct eventlog *log, enum eventlog_kind kind)
{
	struct eventlog_comparison comparison;
	struct eventlog_registers registers;

	if (eventlog_replay(log, kind, HASH_SHA256, SIZE_MAX, &registers) < 0)
		abort();
	for (unsigned int i = 0; i < EVENTLOG_REGISTERS; i++) {
		bool unknown = registers.unknown & 1U << i;

		if (eventlog_compare(log, kind, HASH_SHA256, i, registers.values[i], &comparison) <
			    0 ||
		    comparison.verdict != (unknown ? EVENTLOG_UNKNOWN : EVENTLOG_AGREES))
			abort();
		registers.values[i][3] ^= 0x40;
		if (eventlog_compare(log, kind, HASH_SHA256, i, registers.values[i], &comparison) <
			    0 ||
		    comparison.verdict != (unknown ? EVENTLOG_UNKNOWN : EVENTLOG_DIFFERS))
			abort();
	}
}

static inline void fuzz_events(const struct eventlog *log)
{
	for (size_t i = 0; i < eventlog_count(log); i++) {
		const struct eventlog_event *event = eventlog_at(log, i);
		const char *content;
		enum word word;
		size_t size;
		char name[11];

		(void)eventlog_event_is_sound(event);
		if (eventlog_word(event, &word, &content, &size) == 0 &&
		    (word >= WORDS || !word_name(word)))
			abort();
		(void)eventlog_type_name(event->type, name);
		fuzz_description(event, 200);
		fuzz_description(event, 1);
	}
	fuzz_registers(log, EVENTLOG_PCR);
	fuzz_registers(log, EVENTLOG_RTMR);
}

#endif
