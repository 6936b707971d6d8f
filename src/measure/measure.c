/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "measure/measure.h"

#include "base/error.h"
#include "base/file.h"
#include "measure/backend.h"
#include "crypto/volume_key.h"
#include "tpm/tpm.h"

#include <string.h>
#include <time.h>

#define BOOT_ID_PATH "/proc/sys/kernel/random/boot_id"

/* In order of preference. */
static const struct measure_backend *const backends[] = {
	&measure_pcr,
};

struct measure {
	const struct measure_backend *backend; /* NULL: this machine has no register */
	struct tpm *tpm;
	uint32_t banks;
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

int measure_open(struct tpm *tpm, struct measure **ret)
{
	cleanup(measure_freep) struct measure *measure = calloc(1, sizeof(*measure));
	int r;

	if (!measure)
		return -ENOMEM;
	measure->tpm = tpm;
	read_boot_id(measure->boot_id);
	for (size_t i = 0; i < ARRAY_SIZE(backends) && !measure->backend; i++) {
		r = backends[i]->probe(tpm, &measure->banks);
		if (r == 0)
			measure->backend = backends[i];
		else if (r != -ENODEV || tpm)
			return r;
	}
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

/* Digest each bank by @digest, then extend and log. */
static int measure_record(struct measure *measure, struct measure_record *record,
			  int (*digest)(enum hash_algorithm, const struct measure_record *,
					const struct secret *, uint8_t *),
			  const struct secret *key)
{
	if (!measure->backend)
		return 0;
	record->banks = measure->banks;
	record->timestamp = boottime_microseconds();
	memcpy(record->boot_id, measure->boot_id, sizeof(record->boot_id));
	for (size_t i = 0; i < HASH_ALGORITHMS; i++) {
		int r;

		if (!(record->banks & 1U << i))
			continue;
		r = digest((enum hash_algorithm)i, record, key, record->digests[i]);
		if (r < 0)
			return fail(r, "cannot compute the %s digest of a measurement",
				    hash_name((enum hash_algorithm)i));
	}
	return measure->backend->extend(measure->tpm, record);
}

static int digest_text(enum hash_algorithm algorithm, const struct measure_record *record,
		       const struct secret *key, uint8_t *ret)
{
	(void)key;
	return hash_data(algorithm, record->text, strlen(record->text), ret);
}

static int digest_hmac(enum hash_algorithm algorithm, const struct measure_record *record,
		       const struct secret *key, uint8_t *ret)
{
	return hmac_data(algorithm, key, record->text, strlen(record->text), ret);
}

int measure_event(struct measure *measure, const char *type, const char *text)
{
	struct measure_record record = {.pcr = TPM_PCR_IDENTITY, .type = type, .text = text};

	return measure_record(measure, &record, digest_text, NULL);
}

int measure_initdata(struct measure *measure, const uint8_t *digest, size_t digest_size)
{
	static const char word[] = "cvmroot:initdata:";
	char text[sizeof(word) + 2 * HASH_MAX_SIZE];
	struct measure_record record = {
		.pcr = TPM_PCR_INITDATA, .type = "cvmroot-initdata", .text = text};

	if (digest_size > HASH_MAX_SIZE)
		return -EINVAL;
	memcpy(text, word, sizeof(word));
	hex_encode(digest, digest_size, text + strlen(word));
	return measure_record(measure, &record, digest_text, NULL);
}

int measure_volume_key(struct measure *measure, const char *name,
		       const uint8_t uuid[static UUID_SIZE], const struct secret *volume_key)
{
	cleanup(freep) char *word = NULL;
	struct measure_record record = {.pcr = TPM_PCR_IDENTITY, .type = "volume-key"};
	int r = volume_key_word(name, uuid, &word);

	if (r < 0)
		return r;
	record.text = word;
	return measure_record(measure, &record, digest_hmac, volume_key);
}
