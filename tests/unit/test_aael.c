/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "unit.h"

#include "base/file.h"
#include "eventlog/aael.h"

/* As published with CoCo's attestation agent. */
static void digest_is_the_agents(void **state)
{
	static const char text[] = "domain operation content";
	HEX(expected, "dad5f0e226318ffa9839b75a472c6aa7fdb5834949d0a0a22990cf04d5692440"
		      "fb00f3aa0609db7e49cd8d793f670d02");
	uint8_t digest[RTMR_SIZE];

	(void)state;
	assert_int_equal(aael_digest(text, strlen(text), digest), 0);
	assert_memory_equal(digest, expected, RTMR_SIZE);
}

/* The two entries for RTMR 3 at the end of a log that an agent wrote, made again. */
static void entries_are_the_agents(void **state)
{
	static const char *const texts[] = {
		"coco.com some-operation some-content",
		"coco.com some-operation "
		"{\"key\": \"value\", \"nested-key\": {\"sub-key\": \"value\"}}",
	};
	const size_t begin = 11447, end = 11707;
	cleanup(writer_done) struct writer made = {};
	cleanup(freep) char *path = NULL, *log = NULL;
	size_t size;

	(void)state;
	if (!vectors_folder())
		skip();
	assert_true(asprintf(&path, "%s/trustee/deps/eventlog/test_data/CCEL_AAEL_alibabacloud",
			     vectors_folder()) > 0);
	assert_int_equal(file_read_all(path, 64 * KIB, &log, &size), 0);
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		uint8_t digest[RTMR_SIZE];

		assert_int_equal(aael_digest(texts[i], strlen(texts[i]), digest), 0);
		aael_entry_write(&made, 3, digest, texts[i], strlen(texts[i]));
	}
	assert_int_equal(made.error, 0);
	assert_int_equal(made.size, end - begin);
	assert_true(size > end);
	assert_memory_equal(made.data, log + begin, made.size);
}

static void journal_is_read_back(void **state)
{
	struct aael_journal journal = {
		.offset = 0x0102030405060708, .text = "a b c", .text_size = 5};
	cleanup(writer_done) struct writer writer = {};
	struct aael_journal read;
	static const uint8_t offset[] = {1, 2, 3, 4, 5, 6, 7, 8};

	(void)state;
	memset(journal.expected, 0xab, sizeof(journal.expected));
	aael_journal_write(&writer, &journal);
	assert_int_equal(writer.size, 8 + RTMR_SIZE + 5);
	assert_memory_equal(writer.data, offset, 8);
	assert_int_equal(aael_journal_parse(writer.data, writer.size, &read), 0);
	assert_true(read.offset == journal.offset);
	assert_memory_equal(read.expected, journal.expected, RTMR_SIZE);
	assert_int_equal(read.text_size, 5);
	assert_memory_equal(read.text, "a b c", 5);
	/* Without a text it is not whole. */
	for (size_t size = 0; size <= 8 + RTMR_SIZE; size++)
		assert_int_equal(aael_journal_parse(writer.data, size, &read), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(digest_is_the_agents),
		cmocka_unit_test(entries_are_the_agents),
		cmocka_unit_test(journal_is_read_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
