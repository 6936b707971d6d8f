/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "vectors.h"

#include "base/error.h"
#include "base/reader.h"
#include "eventlog/cc_eventlog.h"

#define TRUSTEE	 "trustee/deps/eventlog/test_data/"
#define GOOGLE	 "go-eventlog/testdata/eventlogs/ccel/"
#define COS	 "go-tdx-guest/testing/testdata/ccel/ccel_data.dat"
#define COS_USED 18101

/* What an independent reader of the same logs found: bytes before the padding. */
static const struct {
	const char *name;
	size_t used;
} logs[] = {
	{COS, COS_USED},
	{GOOGLE "cos-113-intel-tdx-dupe-separator-unpadded.bin", 18101},
	{GOOGLE "CCEL_unpadded.data.bin", 2026},
	{GOOGLE "event_log.bin", 2703},
	{TRUSTEE "CCEL_AAEL_alibabacloud", 11707},
	{TRUSTEE "CCEL_data", 9822},
	{TRUSTEE "CCEL_data_gcp", 20349},
	{TRUSTEE "CCEL_data_grub", 15130},
	{TRUSTEE "CCEL_data_grub_gke", 21897},
	{TRUSTEE "CCEL_data_ovmf", 2120},
};

static int used_size(const void *data, size_t size, size_t *ret)
{
	cleanup(freep) uint8_t *exact = exact_copy(data, size);

	return cc_eventlog_size(exact, size, ret);
}

static void published_logs_end_at_their_padding(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(logs); i++) {
		size_t size, used;
		cleanup(freep) char *data = vector_read(logs[i].name, &size);

		print_message("%s\n", logs[i].name);
		assert_int_equal(used_size(data, size, &used), 0);
		assert_int_equal(used, logs[i].used);
		assert_int_equal(used_size(data, used, &used), 0);
		assert_int_equal(used, logs[i].used);
	}
}

/* An entry as CoCo's agent writes it; text and digest are of its own tests. */
static const char aael_hex[] =
	"04000000" /* register 4: RTMR3 */
	"06000000" /* EV_EVENT_TAG */
	"01000000" /* one digest */
	"0c00dad5f0e226318ffa9839b75a472c6aa7fdb5834949d0a0a22990cf04d5692440fb00f3aa0609db7e49cd8d"
	"793f670d02"
	"20000000" /* 32 bytes: */
	"4c454141" /* the tag AAEL */
	"18000000" /* 24 bytes of text */
	"646f6d61696e206f7065726174696f6e20636f6e74656e74";

static void read_aael(uint8_t ret[static 128], size_t *ret_size)
{
	*ret_size = strlen(aael_hex) / 2;
	assert_true(*ret_size <= 128);
	assert_int_equal(hex_decode(aael_hex, strlen(aael_hex), ret, *ret_size), 0);
}

static void without_logs_there_is_none(void **state)
{
	uint8_t filling[64] = {}, *log = filling;
	size_t size = 1;

	(void)state;
	assert_int_equal(cc_eventlog_make(NULL, 0, NULL, 0, &log, &size), 0);
	assert_null(log);
	/* An area that the firmware did not write to. */
	log = filling;
	assert_int_equal(cc_eventlog_make(filling, sizeof(filling), NULL, 0, &log, &size), 0);
	assert_null(log);
	memset(filling, 0xff, sizeof(filling));
	log = filling;
	assert_int_equal(cc_eventlog_make(filling, sizeof(filling), NULL, 0, &log, &size), 0);
	assert_null(log);
}

static void runtime_log_alone_gets_the_header(void **state)
{
	HEX(header, "00000000"
		    "03000000"
		    "0000000000000000000000000000000000000000"
		    "25000000"
		    "000000000000000000000000000000000000000000000000"
		    "02000000"
		    "0c003000"
		    "12002000"
		    "00");
	uint8_t aael[128], filling[16] = {};
	cleanup(freep) uint8_t *log = NULL;
	cleanup(freep) uint8_t *second = NULL;
	size_t aael_size, size;

	(void)state;
	read_aael(aael, &aael_size);
	assert_int_equal(sizeof(header), 69);
	assert_int_equal(cc_eventlog_make(NULL, 0, aael, aael_size, &log, &size), 0);
	assert_int_equal(size, 69 + aael_size + 8);
	assert_memory_equal(log, header, 69);
	assert_memory_equal(log + 69, aael, aael_size);
	assert_memory_equal(log + size - 8, "\xff\xff\xff\xff\xff\xff\xff\xff", 8);
	/* The whole of it is a log that we read again. */
	assert_int_equal(used_size(log, size, &size), 0);
	assert_int_equal(size, 69 + aael_size);
	assert_int_equal(cc_eventlog_make(filling, 16, aael, aael_size, &second, &size), 0);
	assert_memory_equal(second, log, size);
}

static void logs_are_joined(void **state)
{
	uint8_t aael[128];
	cleanup(freep) uint8_t *log = NULL;
	cleanup(freep) uint8_t *alone = NULL;
	size_t ccel_size, aael_size, size;
	cleanup(freep) char *ccel = vector_read(COS, &ccel_size);

	(void)state;
	read_aael(aael, &aael_size);
	assert_int_equal(cc_eventlog_make(ccel, ccel_size, aael, aael_size, &log, &size), 0);
	assert_int_equal(size, COS_USED + aael_size + 8);
	assert_memory_equal(log, ccel, COS_USED);
	assert_memory_equal(log + COS_USED, aael, aael_size);
	assert_memory_equal(log + size - 8, "\xff\xff\xff\xff\xff\xff\xff\xff", 8);
	assert_int_equal(cc_eventlog_make(ccel, ccel_size, NULL, 0, &alone, &size), 0);
	assert_int_equal(size, COS_USED + 8);
	assert_memory_equal(alone, ccel, COS_USED);
}

/* Alibaba's log already has the agent's entries: the two forms are one. */
static void agents_own_log_is_taken(void **state)
{
	cleanup(freep) uint8_t *log = NULL;
	size_t size, made;
	cleanup(freep) char *whole = vector_read(TRUSTEE "CCEL_AAEL_alibabacloud", &size);

	(void)state;
	assert_int_equal(cc_eventlog_make(whole, size, NULL, 0, &log, &made), 0);
	assert_int_equal(made, 11707 + 8);
	assert_memory_equal(log, whole, MIN(made, size));
}

static void cut_firmware_logs_are_refused(void **state)
{
	size_t size, used, whole = 0;
	cleanup(freep) char *ccel = vector_read(GOOGLE "CCEL_unpadded.data.bin", &size);

	(void)state;
	assert_int_equal(size, 2026);
	/* 20 entries, so the log may end at 20 places (the first one is at 0). */
	for (size_t cut = 0; cut < size; cut++) {
		int r = used_size(ccel, cut, &used);

		assert_true(r == -EBADMSG || (r == 0 && used == cut) ||
			    (r == 0 && bytes_are_zero(ccel + used, cut - used)));
		whole += r == 0 && used == cut;
	}
	assert_int_equal(whole, 20);
}

static void bad_entries_are_refused(void **state)
{
	static const struct {
		size_t offset;
		uint8_t value;
	} defects[] = {
		{8, 0},			/* no digest: the rest is out of step */
		{8, 9},			/* nine digests */
		{11, 0x80},		/* 2^31 of them */
		{12, 0x0e},		/* an unknown algorithm */
		{13, 1},    {62, 0x1f}, /* the event: one byte less, one more, 2^31 more */
		{62, 0x21}, {65, 0x80},
	};
	uint8_t aael[128], log[69 + 128];
	size_t size, used;
	uint8_t *made;

	(void)state;
	memset(log, 0, sizeof(log));
	log[4] = 3, log[28] = 37;
	read_aael(aael, &size);
	for (size_t i = 0; i < ARRAY_SIZE(defects); i++) {
		uint8_t saved = aael[defects[i].offset];
		cleanup(freep) uint8_t *exact = NULL;

		aael[defects[i].offset] = defects[i].value;
		exact = exact_copy(aael, size);
		if (cc_eventlog_make(NULL, 0, exact, size, &made, &used) != -EBADMSG)
			fail_msg("AAEL with defect %zu is taken", i);
		memcpy(log + 69, aael, size);
		if (used_size(log, 69 + size, &used) != -EBADMSG)
			fail_msg("CCEL with defect %zu is taken", i);
		aael[defects[i].offset] = saved;
	}
	memcpy(log + 69, aael, size);
	assert_int_equal(used_size(log, 69 + size, &used), 0);
	assert_int_equal(used, 69 + size);
	/* The first entry is EV_NO_ACTION, and whole. */
	log[4] = 1;
	assert_int_equal(used_size(log, 69 + size, &used), -EBADMSG);
	log[4] = 3, log[31] = 0xff;
	assert_int_equal(used_size(log, 69 + size, &used), -EBADMSG);
}

/* One digest of each known algorithm, and then a second one of one. */
static void second_digests_are_refused(void **state)
{
	static const uint16_t algorithms[][2] = {{0x04, 20}, {0x0b, 32}, {0x0c, 48}, {0x0d, 64},
						 {0x12, 32}, {0x27, 32}, {0x28, 48}, {0x29, 64}};
	uint8_t aael[12 + 8 * 2 + 340 + 22 + 4] = {4, 0, 0, 0, 6};
	size_t made, at = 12;
	uint8_t *log;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(algorithms); i++) {
		aael[at] = (uint8_t)algorithms[i][0];
		at += 2U + algorithms[i][1];
	}
	aael[8] = 8;
	assert_int_equal(at + 22 + 4, sizeof(aael));
	assert_int_equal(cc_eventlog_make(NULL, 0, aael, at + 4, &log, &made), 0);
	free(log);
	aael[at] = 4; /* SHA-1 again */
	aael[8] = 9;
	assert_int_equal(cc_eventlog_make(NULL, 0, aael, sizeof(aael), &log, &made), -EBADMSG);
}

/* No padding is looked for in the runtime log: nobody puts any there. */
static void cut_runtime_logs_are_refused(void **state)
{
	uint8_t aael[128], *log;
	size_t size, made;

	(void)state;
	read_aael(aael, &size);
	for (size_t cut = 1; cut < size; cut++) {
		cleanup(freep) uint8_t *exact = exact_copy(aael, cut);

		assert_int_equal(cc_eventlog_make(NULL, 0, exact, cut, &log, &made), -EBADMSG);
	}
	memset(aael + size, 0, 8);
	assert_int_equal(cc_eventlog_make(NULL, 0, aael, size + 8, &log, &made), -EBADMSG);
}

static void large_logs_are_refused(void **state)
{
	size_t size = CC_EVENTLOG_FILE_LIMIT + 1, used;
	cleanup(freep) uint8_t *ccel = calloc(1, size);
	uint8_t *log;

	(void)state;
	ccel[4] = 3;
	/* One event that fills what we send, one byte too many. */
	for (size_t n = 0; n < 4; n++)
		ccel[28 + n] = (uint8_t)((CC_EVENTLOG_LIMIT - 32 + 1) >> 8 * n);
	assert_int_equal(cc_eventlog_make(ccel, size - 1, NULL, 0, &log, &used), -E2BIG);
	assert_int_equal(cc_eventlog_make(ccel, size, NULL, 0, &log, &used), -E2BIG);
	assert_int_equal(cc_eventlog_make(NULL, 0, ccel, size, &log, &used), -E2BIG);
	for (size_t n = 0; n < 4; n++)
		ccel[28 + n] = (uint8_t)((CC_EVENTLOG_LIMIT - 32) >> 8 * n);
	assert_int_equal(cc_eventlog_make(ccel, size - 1, NULL, 0, &log, &used), 0);
	assert_int_equal(used, CC_EVENTLOG_LIMIT + 8);
	free(log);
	/* So much padding is nothing that firmware leaves. */
	memset(ccel + 28, 0, 4);
	assert_int_equal(cc_eventlog_make(ccel, size, NULL, 0, &log, &used), -E2BIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(published_logs_end_at_their_padding),
		cmocka_unit_test(without_logs_there_is_none),
		cmocka_unit_test(runtime_log_alone_gets_the_header),
		cmocka_unit_test(logs_are_joined),
		cmocka_unit_test(agents_own_log_is_taken),
		cmocka_unit_test(cut_firmware_logs_are_refused),
		cmocka_unit_test(bad_entries_are_refused),
		cmocka_unit_test(second_digests_are_refused),
		cmocka_unit_test(cut_runtime_logs_are_refused),
		cmocka_unit_test(large_logs_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
