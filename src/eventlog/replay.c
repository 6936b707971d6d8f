/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "eventlog/tcg.h"

#include <string.h>

#define DRTM_FIRST 17
#define DRTM_LAST  22

/* Data of the EV_NO_ACTION, before the locality. */
#define STARTUP_LOCALITY "StartupLocality"
#define HCRTM_LOCALITY	 4

static bool is_for(const struct eventlog_event *event, enum eventlog_kind kind)
{
	return event->kind == kind && event->type != EVENTLOG_EV_NO_ACTION;
}

/*
 * The locality from which the TPM was started is what PCR 0 begins with. A hardware root of trust
 * that measured before says so by its event, where the firmware does not.
 */
static uint8_t start_of_pcr0(const struct eventlog *log)
{
	uint8_t locality = 0;
	bool extended = false;

	for (size_t i = 0; i < eventlog_count(log); i++) {
		const struct eventlog_event *event = eventlog_at(log, i);

		if (event->kind != EVENTLOG_PCR || event->source != EVENTLOG_FIRMWARE)
			continue;
		if (event->type == EVENTLOG_EV_NO_ACTION &&
		    event->data_size == sizeof(STARTUP_LOCALITY) + 1 &&
		    memcmp(event->data, STARTUP_LOCALITY, sizeof(STARTUP_LOCALITY)) == 0)
			return event->data[sizeof(STARTUP_LOCALITY)];
		if (event->type == TCG_EFI_HCRTM_EVENT && event->index == 0 && !extended)
			locality = HCRTM_LOCALITY;
		extended |= is_for(event, EVENTLOG_PCR) && event->index == 0;
	}
	return locality;
}

static void start_value(const struct eventlog *log, enum eventlog_kind kind,
			enum hash_algorithm bank, unsigned int index,
			uint8_t ret[static HASH_MAX_SIZE])
{
	size_t size = hash_size(bank);
	bool ones = kind == EVENTLOG_PCR && index >= DRTM_FIRST && index <= DRTM_LAST;

	memset(ret, 0, HASH_MAX_SIZE);
	memset(ret, ones ? 0xff : 0, size);
	if (kind == EVENTLOG_PCR && index == 0)
		ret[size - 1] = start_of_pcr0(log);
}

int eventlog_replay(const struct eventlog *log, enum eventlog_kind kind, enum hash_algorithm bank,
		    size_t count, struct eventlog_registers *ret)
{
	struct eventlog_registers registers = {.kind = kind, .bank = bank};

	for (unsigned int i = 0; i < EVENTLOG_REGISTERS; i++)
		start_value(log, kind, bank, i, registers.values[i]);
	for (size_t i = 0; i < MIN(count, eventlog_count(log)); i++) {
		const struct eventlog_event *event = eventlog_at(log, i);
		int r = 0;

		if (!is_for(event, kind))
			continue;
		registers.touched |= 1U << event->index;
		if (event->banks & 1U << bank)
			r = hash_extend(bank, registers.values[event->index], event->digests[bank],
					registers.values[event->index]);
		else
			registers.unknown |= 1U << event->index;
		if (r < 0)
			return r;
	}
	*ret = registers;
	return 0;
}

static size_t first_unsound(const struct eventlog *log, enum eventlog_kind kind, unsigned int index)
{
	for (size_t i = 0; i < eventlog_count(log); i++) {
		const struct eventlog_event *event = eventlog_at(log, i);

		if (is_for(event, kind) && event->index == index && !eventlog_event_is_sound(event))
			return i;
	}
	return SIZE_MAX;
}

int eventlog_compare(const struct eventlog *log, enum eventlog_kind kind, enum hash_algorithm bank,
		     unsigned int index, const uint8_t *value, struct eventlog_comparison *ret)
{
	struct eventlog_comparison result = {.verdict = EVENTLOG_AGREES, .first = SIZE_MAX};
	uint8_t replayed[HASH_MAX_SIZE];
	bool equal;

	start_value(log, kind, bank, index, replayed);
	equal = memcmp(replayed, value, hash_size(bank)) == 0;
	for (size_t i = 0; i < eventlog_count(log); i++) {
		const struct eventlog_event *event = eventlog_at(log, i);
		int r;

		if (!is_for(event, kind) || event->index != index)
			continue;
		if (!(event->banks & 1U << bank)) {
			*ret = (struct eventlog_comparison){EVENTLOG_UNKNOWN, SIZE_MAX};
			return 0;
		}
		if (equal)
			result.first = i;
		r = hash_extend(bank, replayed, event->digests[bank], replayed);
		if (r < 0)
			return r;
		equal = memcmp(replayed, value, hash_size(bank)) == 0;
	}
	if (!equal) {
		result.verdict = result.first < SIZE_MAX ? EVENTLOG_AHEAD : EVENTLOG_DIFFERS;
		if (result.verdict == EVENTLOG_DIFFERS)
			result.first = first_unsound(log, kind, index);
	}
	*ret = result;
	return 0;
}
