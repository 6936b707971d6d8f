/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "measure/measure.h"

#include "base/error.h"
#include "base/file.h"
#include "config/config.h"
#include "crypto/volume_key.h"
#include "measure/backend.h"
#include "tpm/tpm.h"

#include <string.h>
#include <time.h>

#define BOOT_ID_PATH "/proc/sys/kernel/random/boot_id"

/* All that the machine has are used, in this order. */
static const struct measure_backend *const backends[] = {
	&measure_pcr,
	&measure_rtmr,
	&measure_own_log,
};

struct measure {
	struct {
		const struct measure_backend *backend;
		uint32_t banks;
	} targets[ARRAY_SIZE(backends)];
	size_t targets_count;
	struct tpm *tpm;
	unsigned int pcrs[WORDS];
	unsigned int rtmr;
	bool lacks_rtmr;
	char boot_id[33];
};

/*
 * The kernel's UUID without its dashes, as systemd writes it. Zeros when it cannot be had: it only
 * describes the log's record, and must not keep an event from being measured.
 */
static void read_boot_id(char ret[static 33])
{
	cleanup(freep) char *text = NULL;
	uint8_t uuid[UUID_SIZE] = {};
	size_t size;

	if (file_read_all(BOOT_ID_PATH, 64, &text, &size) == 0) {
		text[strcspn(text, "\n")] = '\0';
		(void)uuid_decode(text, uuid);
	}
	hex_encode(uuid, sizeof(uuid), ret);
}

/* The events that close the boot for sealed secrets have no choice. */
static void set_registers(struct measure *measure, const struct config *config)
{
	for (size_t i = 0; i < WORDS; i++)
		measure->pcrs[i] = TPM_PCR_IDENTITY;
	measure->pcrs[WORD_INITDATA] = TPM_PCR_INITDATA;
	measure->rtmr = CONFIG_RTMR_DEFAULT;
	if (!config)
		return;
	measure->pcrs[WORD_CONFIG] = config->measure_config;
	measure->pcrs[WORD_MANIFEST] = config->measure_manifest;
	measure->pcrs[WORD_ROOT] = config->measure_root;
	measure->pcrs[WORD_LEAVE] = config->measure_leave;
	measure->rtmr = config->measure_rtmr;
}

static int find_backends(struct measure *measure)
{
	for (size_t i = 0; i < ARRAY_SIZE(backends); i++) {
		uint32_t banks = 0;
		int r;

		if (backends[i]->only_alone && measure->targets_count > 0)
			continue;
		r = backends[i]->probe(measure->tpm, &banks);
		if (r == -EOPNOTSUPP)
			measure->lacks_rtmr = true;
		if (r == -ENODEV || r == -EOPNOTSUPP)
			continue;
		if (r < 0)
			return r;
		measure->targets[measure->targets_count].backend = backends[i];
		measure->targets[measure->targets_count++].banks = banks;
	}
	return 0;
}

int measure_open(struct tpm *tpm, const struct config *config, struct measure **ret)
{
	cleanup(measure_freep) struct measure *measure = calloc(1, sizeof(*measure));
	int r;

	if (!measure)
		return -ENOMEM;
	measure->tpm = tpm;
	read_boot_id(measure->boot_id);
	set_registers(measure, config);
	r = find_backends(measure);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(measure);
	return 0;
}

void measure_free(struct measure *measure)
{
	free(measure);
}

static uint64_t boottime_microseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

bool measure_lacks_rtmr(const struct measure *measure)
{
	return measure->lacks_rtmr;
}

/* Of a volume key's event the digests are HMACs, since the key cannot stand in a log. */
static int make_digests(struct measure_record *record, const struct secret *key)
{
	size_t size = strlen(record->text);

	for (size_t i = 0; i < HASH_ALGORITHMS; i++) {
		enum hash_algorithm bank = (enum hash_algorithm)i;
		int r = 0;

		if (!(record->banks & 1U << i))
			continue;
		if (key)
			r = hmac_data(bank, key, record->text, size, record->digests[i]);
		else
			r = hash_data(bank, record->text, size, record->digests[i]);
		if (r < 0)
			return fail(r, "cannot compute the %s digest of a measurement",
				    hash_name(bank));
	}
	return 0;
}

static int measure_record(struct measure *measure, struct measure_record *record,
			  const struct secret *key)
{
	int first = 0;
	int r;

	record->type = word_event_type(record->word);
	record->pcr = measure->pcrs[record->word];
	record->rtmr = measure->rtmr;
	record->timestamp = boottime_microseconds();
	memcpy(record->boot_id, measure->boot_id, sizeof(record->boot_id));
	for (size_t i = 0; i < measure->targets_count; i++) {
		record->banks = measure->targets[i].banks;
		r = make_digests(record, key);
		if (r == 0)
			r = measure->targets[i].backend->extend(measure->tpm, record);
		if (first == 0)
			first = r;
	}
	return first;
}

int measure_word(struct measure *measure, enum word word, const char *content)
{
	cleanup(freep) char *text = NULL;
	struct measure_record record = {.word = word, .content = content};
	int r = word_format(word, content, &text);

	if (r < 0)
		return r;
	record.text = text;
	return measure_record(measure, &record, NULL);
}

int measure_digest(struct measure *measure, enum word word, const uint8_t *digest, size_t size)
{
	char hex[2 * HASH_MAX_SIZE + 1];

	if (size > HASH_MAX_SIZE)
		return -EINVAL;
	hex_encode(digest, size, hex);
	return measure_word(measure, word, hex);
}

int measure_initdata(struct measure *measure, const uint8_t *digest, size_t digest_size)
{
	return measure_digest(measure, WORD_INITDATA, digest, digest_size);
}

int measure_volume_key(struct measure *measure, const char *name,
		       const uint8_t uuid[static UUID_SIZE], const struct secret *volume_key)
{
	cleanup(freep) char *text = NULL;
	struct measure_record record = {.word = WORD_VOLUME_KEY};
	int r = volume_key_word(name, uuid, &text);

	if (r < 0)
		return r;
	record.content = record.text = text;
	return measure_record(measure, &record, volume_key);
}
