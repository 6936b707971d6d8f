/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "unit.h"

#include "config/config.h"
#include "measure/backend.h"
#include "measure/measure.h"

/* ---- Registers that note what they are given, in the places of the real ones ---- */

enum place {
	AT_PCR,
	AT_RTMR,
	AT_ALONE,
	PLACES,
};
static struct {
	int probe, extend; /* what they answer */
	uint32_t banks;
	unsigned int count;
	struct measure_record last;
	char text[256], content[256];
} places[PLACES];

static int probe(enum place place, uint32_t *ret_banks)
{
	*ret_banks = places[place].banks;
	return places[place].probe;
}

static int extend(enum place place, const struct measure_record *record)
{
	places[place].count++;
	places[place].last = *record;
	snprintf(places[place].text, sizeof(places[place].text), "%s", record->text);
	snprintf(places[place].content, sizeof(places[place].content), "%s",
		 record->content ? record->content : "(none)");
	return places[place].extend;
}

#define DOUBLE(name, place, alone)                                                                 \
	static int name##_probe(struct tpm *tpm, uint32_t *ret_banks)                              \
	{                                                                                          \
		(void)tpm;                                                                         \
		return probe(place, ret_banks);                                                    \
	}                                                                                          \
	static int name##_extend(struct tpm *tpm, const struct measure_record *record)             \
	{                                                                                          \
		(void)tpm;                                                                         \
		return extend(place, record);                                                      \
	}                                                                                          \
	const struct measure_backend measure_##name = {alone, name##_probe, name##_extend}

DOUBLE(pcr, AT_PCR, false);
DOUBLE(rtmr, AT_RTMR, false);
DOUBLE(own_log, AT_ALONE, true);

static int begin(void **state)
{
	(void)state;
	memset(places, 0, sizeof(places));
	places[AT_PCR].banks = 1U << HASH_SHA1 | 1U << HASH_SHA256;
	places[AT_RTMR].banks = places[AT_ALONE].banks = 1U << HASH_SHA384;
	return 0;
}

static struct measure *open_measure(const struct config *config)
{
	struct measure *measure = NULL;

	assert_int_equal(measure_open(NULL, config, &measure), 0);
	return measure;
}

/* ---- What is tested ---- */

static void all_registers_get_it(void **state)
{
	cleanup(measure_freep) struct measure *measure = open_measure(NULL);
	/* printf cvmroot:leave | sha256sum, | sha384sum; by coreutils. */
	HEX(sha256, "1b0ebc202c45f93d3931ccbe7fb966e4ecbb27c7945e72ab8c50dd2eed52df62");
	HEX(sha384, "2f01de62b8920f7ffee7b701573a380789223d7c99fd1b704252da59b2ef1ba5"
		    "912fbe90d91ae715dec84ebecb2c6fef");

	(void)state;
	assert_int_equal(measure_word(measure, WORD_LEAVE, NULL), 0);
	assert_int_equal(places[AT_PCR].count, 1);
	assert_int_equal(places[AT_RTMR].count, 1);
	assert_int_equal(places[AT_ALONE].count, 0);
	assert_string_equal(places[AT_PCR].text, "cvmroot:leave");
	assert_string_equal(places[AT_PCR].last.type, "cvmroot-leave");
	assert_int_equal(places[AT_PCR].last.banks, 1U << HASH_SHA1 | 1U << HASH_SHA256);
	assert_memory_equal(places[AT_PCR].last.digests[HASH_SHA256], sha256, 32);
	assert_int_equal(places[AT_RTMR].last.banks, 1U << HASH_SHA384);
	assert_memory_equal(places[AT_RTMR].last.digests[HASH_SHA384], sha384, 48);
}

static void log_of_our_own_is_for_machines_without(void **state)
{
	cleanup(measure_freep) struct measure *measure = NULL;

	(void)state;
	places[AT_PCR].probe = places[AT_RTMR].probe = -ENODEV;
	measure = open_measure(NULL);
	assert_false(measure_lacks_rtmr(measure));
	assert_int_equal(measure_word(measure, WORD_LEAVE, NULL), 0);
	assert_int_equal(places[AT_ALONE].count, 1);
	assert_int_equal(places[AT_PCR].count + places[AT_RTMR].count, 0);
}

static void old_kernel_is_told(void **state)
{
	cleanup(measure_freep) struct measure *measure = NULL;

	(void)state;
	places[AT_PCR].probe = -ENODEV;
	places[AT_RTMR].probe = -EOPNOTSUPP;
	measure = open_measure(NULL);
	assert_true(measure_lacks_rtmr(measure));
	assert_int_equal(measure_word(measure, WORD_LEAVE, NULL), 0);
	assert_int_equal(places[AT_ALONE].count, 1);
	assert_int_equal(places[AT_RTMR].count, 0);
}

static void register_that_cannot_be_asked_fails(void **state)
{
	struct measure *measure = NULL;

	(void)state;
	places[AT_PCR].probe = -EIO;
	assert_int_equal(measure_open(NULL, NULL, &measure), -EIO);
	assert_null(measure);
}

/* What closes the boot must reach every register that still takes it. */
static void one_failure_does_not_stop_the_others(void **state)
{
	cleanup(measure_freep) struct measure *measure = open_measure(NULL);

	(void)state;
	places[AT_PCR].extend = -EIO;
	assert_int_equal(measure_word(measure, WORD_FAILED, NULL), -EIO);
	assert_int_equal(places[AT_RTMR].count, 1);
	places[AT_PCR].extend = 0;
	places[AT_RTMR].extend = -EBUSY;
	assert_int_equal(measure_word(measure, WORD_FAILED, NULL), -EBUSY);
}

static void measure_in(struct measure *measure, enum word word, unsigned int pcr)
{
	assert_int_equal(measure_word(measure, word, "x"), 0);
	if (places[AT_PCR].last.pcr != pcr)
		fail_msg("%s went into PCR %u", word_name(word), places[AT_PCR].last.pcr);
}

static void registers_are_configured(void **state)
{
	cleanup(config_freep) struct config *config = NULL;
	static const char text[] = "[measure]\nconfig=9\nmanifest=12\nroot=13\nleave=14\nrtmr=3";
	cleanup(measure_freep) struct measure *measure = NULL;

	(void)state;
	assert_int_equal(config_parse(text, strlen(text), "c.toml", &config), 0);
	measure = open_measure(config);
	measure_in(measure, WORD_CONFIG, 9);
	measure_in(measure, WORD_MANIFEST, 12);
	measure_in(measure, WORD_ROOT, 13);
	measure_in(measure, WORD_LEAVE, 14);
	assert_int_equal(places[AT_RTMR].last.rtmr, 3);
	/* These close the boot for what is sealed to PCR 15. */
	measure_in(measure, WORD_VOLUME, 15);
	measure_in(measure, WORD_FAILED, 15);
}

static void registers_have_defaults(void **state)
{
	cleanup(measure_freep) struct measure *measure = open_measure(NULL);

	(void)state;
	for (unsigned int word = 0; word < WORDS; word++)
		measure_in(measure, (enum word)word, word == WORD_INITDATA ? 8 : 15);
	assert_int_equal(places[AT_RTMR].last.rtmr, 2);
}

static void digest_is_written_in_hex(void **state)
{
	cleanup(measure_freep) struct measure *measure = open_measure(NULL);
	static const uint8_t digest[] = {0x00, 0xab, 0xff};

	(void)state;
	assert_int_equal(measure_digest(measure, WORD_CONFIG, digest, sizeof(digest)), 0);
	assert_string_equal(places[AT_PCR].text, "cvmroot:config:00abff");
	assert_string_equal(places[AT_RTMR].content, "00abff");
	assert_int_equal(measure_initdata(measure, digest, sizeof(digest)), 0);
	assert_string_equal(places[AT_PCR].text, "cvmroot:initdata:00abff");
	assert_int_equal(measure_digest(measure, WORD_CONFIG, digest, HASH_MAX_SIZE + 1), -EINVAL);
}

/* The word and HMAC of systemd-cryptsetup(8); the HMAC by Python's hmac, key "0123...". */
static void volume_key_is_an_hmac(void **state)
{
	static const uint8_t uuid[UUID_SIZE] = {0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88,
						0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff, 0x00};
	HEX(expected, "2adce274dc848dc7a5a1ecfb4de99e50f8983df798b8fbac4dace9b155c1f768");
	cleanup(measure_freep) struct measure *measure = open_measure(NULL);
	cleanup(secret_freep) struct secret *key = NULL;

	(void)state;
	assert_int_equal(secret_new(16, &key), 0);
	memcpy(key->data, "0123456789abcdef", 16);
	assert_int_equal(measure_volume_key(measure, "root", uuid, key), 0);
	assert_string_equal(places[AT_PCR].text,
			    "cryptsetup:root:11223344-5566-7788-99aa-bbccddeeff00");
	assert_string_equal(places[AT_PCR].last.type, "volume-key");
	assert_int_equal(places[AT_PCR].last.pcr, 15);
	assert_memory_equal(places[AT_PCR].last.digests[HASH_SHA256], expected, 32);
	assert_string_equal(places[AT_RTMR].content, places[AT_PCR].text);
}

#define CASE(function) cmocka_unit_test_setup(function, begin)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(all_registers_get_it),
		CASE(log_of_our_own_is_for_machines_without),
		CASE(old_kernel_is_told),
		CASE(register_that_cannot_be_asked_fails),
		CASE(one_failure_does_not_stop_the_others),
		CASE(registers_are_configured),
		CASE(registers_have_defaults),
		CASE(digest_is_written_in_hex),
		CASE(volume_key_is_an_hmac),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
