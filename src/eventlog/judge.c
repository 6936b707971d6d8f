/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "eventlog/judge.h"

#include <string.h>

#define PCR_PHASES 11
/* 10, 16, and 17 to 23. */
#define PCRS_WITHOUT_LOG 0xff0400U

const char *judgement_name(enum judgement judgement)
{
	static const char *const names[JUDGEMENTS] = {
		[JUDGEMENT_UNTOUCHED] = "untouched",
		[JUDGEMENT_AGREES] = "agrees",
		[JUDGEMENT_AGREES_WITH_PHASES] = "agrees-with-phases",
		[JUDGEMENT_UNEXPLAINED] = "unexplained",
		[JUDGEMENT_AHEAD] = "log-ahead",
		[JUDGEMENT_DIFFERS] = "differs",
		[JUDGEMENT_UNKNOWN] = "unknown",
	};

	return names[judgement];
}

/* systemd's boot phases, in their order (systemd-pcrphase.service(8)). */
static const char *const phases[] = {
	"enter-initrd", "leave-initrd", "sysinit", "ready", "shutdown", "final",
};

static int extend_word(enum hash_algorithm bank, uint8_t value[static HASH_MAX_SIZE],
		       const char *word)
{
	uint8_t digest[HASH_MAX_SIZE];
	int r = hash_data(bank, word, strlen(word), digest);

	return r < 0 ? r : hash_extend(bank, value, digest, value);
}

/* 1 when phases that follow on each other, from any one on, lead from @start to @value. */
static int phases_lead_to(enum hash_algorithm bank, const uint8_t *start, const uint8_t *value)
{
	for (size_t first = 0; first < ARRAY_SIZE(phases); first++) {
		uint8_t reached[HASH_MAX_SIZE];

		memcpy(reached, start, HASH_MAX_SIZE);
		for (size_t i = first; i < ARRAY_SIZE(phases); i++) {
			int r = extend_word(bank, reached, phases[i]);

			if (r < 0)
				return r;
			if (memcmp(reached, value, hash_size(bank)) == 0)
				return 1;
		}
	}
	return 0;
}

/* Nothing was extended: a DRTM's registers are then either at their start or reset. */
static bool is_at_start(const struct eventlog_registers *replayed, unsigned int index,
			const uint8_t *value)
{
	static const uint8_t zeros[HASH_MAX_SIZE];
	size_t size = hash_size(replayed->bank);

	return !(replayed->touched & 1U << index) &&
	       (memcmp(value, replayed->values[index], size) == 0 ||
		(index > 0 && memcmp(value, zeros, size) == 0));
}

int judge_register(const struct eventlog *log, const struct eventlog_registers *replayed,
		   unsigned int index, const uint8_t *value, enum judgement *ret, size_t *ret_event)
{
	static const enum judgement judgements[] = {
		[EVENTLOG_AGREES] = JUDGEMENT_AGREES,
		[EVENTLOG_AHEAD] = JUDGEMENT_AHEAD,
		[EVENTLOG_DIFFERS] = JUDGEMENT_DIFFERS,
		[EVENTLOG_UNKNOWN] = JUDGEMENT_UNKNOWN,
	};
	bool is_pcr = replayed->kind == EVENTLOG_PCR;
	struct eventlog_comparison comparison;
	enum judgement judgement;
	int r = eventlog_compare(log, replayed->kind, replayed->bank, index, value, &comparison);

	if (r < 0)
		return r;
	judgement = judgements[comparison.verdict];
	if (is_at_start(replayed, index, value))
		judgement = JUDGEMENT_UNTOUCHED;
	else if (judgement != JUDGEMENT_AGREES && is_pcr && PCRS_WITHOUT_LOG & 1U << index)
		judgement = JUDGEMENT_UNEXPLAINED;
	else if (judgement == JUDGEMENT_DIFFERS && is_pcr && index == PCR_PHASES) {
		r = phases_lead_to(replayed->bank, replayed->values[index], value);
		if (r < 0)
			return r;
		if (r > 0)
			judgement = JUDGEMENT_AGREES_WITH_PHASES;
	}
	*ret = judgement;
	*ret_event = comparison.first;
	return 0;
}
