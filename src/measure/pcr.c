/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "measure/pcr.h"

#include "base/error.h"
#include "base/log.h"
#include "measure/backend.h"
#include "measure/service.h"
#include "tpm/tpm.h"

#include <string.h>

/* ---- By systemd's service ---- */

/* Of the record's PCR and banks. */
static int read_values(struct tpm *tpm, const struct measure_record *record,
		       uint8_t (*ret)[HASH_MAX_SIZE])
{
	struct tpm_pcr_values values;

	for (size_t i = 0; i < HASH_ALGORITHMS; i++) {
		int r;

		if (!(record->banks & 1U << i))
			continue;
		r = tpm_pcr_read(tpm, (enum hash_algorithm)i, 1U << record->pcr, &values);
		if (r < 0)
			return r;
		memcpy(ret[i], values.values[record->pcr], HASH_MAX_SIZE);
	}
	return 0;
}

/* Take the banks out of @record that hold the event now. */
static int take_done(struct measure_record *record, uint8_t (*before)[HASH_MAX_SIZE],
		     uint8_t (*after)[HASH_MAX_SIZE])
{
	for (size_t i = 0; i < HASH_ALGORITHMS; i++) {
		enum hash_algorithm bank = (enum hash_algorithm)i;
		uint8_t expected[HASH_MAX_SIZE];
		int r;

		if (!(record->banks & 1U << i) || memcmp(before[i], after[i], hash_size(bank)) == 0)
			continue;
		r = hash_extend(bank, before[i], record->digests[i], expected);
		if (r < 0)
			return r;
		if (memcmp(after[i], expected, hash_size(bank)) != 0)
			return fail(
				-EIO,
				"PCR %u of the bank %s was to be extended by systemd's service, "
				"and now holds something else",
				record->pcr, hash_name(bank));
		record->banks &= ~(1U << i);
	}
	return 0;
}

int pcr_extend_by_service(const char *path, struct tpm *tpm, struct measure_record *record)
{
	uint8_t before[HASH_ALGORITHMS][HASH_MAX_SIZE] = {},
		after[HASH_ALGORITHMS][HASH_MAX_SIZE] = {};
	cleanup(closep) int fd = -1;
	int r = service_connect(path, &fd);

	if (r < 0)
		return 0;
	r = read_values(tpm, record, before);
	if (r < 0)
		return r;
	r = service_extend(fd, record->pcr, record->text);
	if (r < 0)
		log_debug("%s does not measure: %s", path, strerror(-r));
	/* Its word is not enough, and a refusal may come after the deed. */
	r = read_values(tpm, record, after);
	return r < 0 ? r : take_done(record, before, after);
}

/* ---- The backend ---- */

static int pcr_probe(struct tpm *tpm, uint32_t *ret_banks)
{
	return tpm ? tpm_pcr_banks(tpm, ret_banks) : -ENODEV;
}

static int extend_banks(void *context, const struct measure_record *record)
{
	struct measure_record copy = *record;

	return tpm_pcr_extend(context, copy.pcr, copy.banks, copy.digests);
}

static int pcr_extend(struct tpm *tpm, const struct measure_record *record)
{
	struct measure_record left = *record;
	int r = 0;

	/* An HMAC is no hash of the text; and poison goes the shortest way. */
	if (record->word != WORD_VOLUME_KEY && record->word != WORD_FAILED)
		r = pcr_extend_by_service(SERVICE_SOCKET, tpm, &left);
	if (r < 0 || left.banks == 0)
		return r;
	return measure_log_extend(MEASURE_LOG_PATH, &left, extend_banks, tpm);
}

const struct measure_backend measure_pcr = {
	.probe = pcr_probe,
	.extend = pcr_extend,
};
