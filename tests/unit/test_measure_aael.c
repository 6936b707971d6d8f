/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "unit.h"

#include "base/file.h"
#include "expect.h"
#include "crypto/hash.h"
#include "measure/aael.h"

#include <sys/stat.h>

/* ---- Four registers in memory, and a folder for the log ---- */

static struct {
	uint8_t values[RTMR_COUNT][RTMR_SIZE];
	bool lies;		 /* does nothing, and says that it did */
	bool mute;		 /* cannot be read ... */
	unsigned int reads_left; /* ... any more after so many times */
	unsigned int extended;
} registers;

static char folder[64], log_path[96], journal_path[96];

static int read_register(void *context, unsigned int rtmr, uint8_t ret[static RTMR_SIZE])
{
	(void)context;
	if (registers.mute && registers.reads_left == 0)
		return -EIO;
	if (registers.mute)
		registers.reads_left--;
	memcpy(ret, registers.values[rtmr], RTMR_SIZE);
	return 0;
}

static int extend_register(void *context, unsigned int rtmr, const uint8_t digest[static RTMR_SIZE])
{
	(void)context;
	registers.extended++;
	return registers.lies ? 0
			      : hash_extend(HASH_SHA384, registers.values[rtmr], digest,
					    registers.values[rtmr]);
}

static const struct aael aael = {
	.log = log_path,
	.journal = journal_path,
	.read = read_register,
	.extend = extend_register,
};

static int begin(void **state)
{
	(void)state;
	memset(&registers, 0, sizeof(registers));
	snprintf(folder, sizeof(folder), "/tmp/cvmroot-aael-XXXXXX");
	assert_non_null(mkdtemp(folder));
	snprintf(log_path, sizeof(log_path), "%s/eventlog", folder);
	snprintf(journal_path, sizeof(journal_path), "%s/.wal_event_entry", folder);
	return 0;
}

static int end(void **state)
{
	(void)state;
	(void)unlink(log_path);
	(void)unlink(journal_path);
	return rmdir(folder);
}

static bool log_is_marked(void)
{
	struct stat status;

	assert_int_equal(stat(log_path, &status), 0);
	return status.st_mode & S_ISVTX;
}

static void assert_log_is(const struct writer *expected)
{
	cleanup(freep) char *log = NULL;
	size_t size;

	assert_int_equal(file_read_all(log_path, MIB, &log, &size), 0);
	assert_int_equal(size, expected->size);
	assert_memory_equal(log, expected->data, size);
	assert_int_equal(access(journal_path, F_OK), -1);
}

static void expect_entry(struct writer *log, unsigned int rtmr, const char *text)
{
	uint8_t digest[RTMR_SIZE];

	assert_int_equal(aael_digest(text, strlen(text), digest), 0);
	aael_entry_write(log, rtmr, digest, text, strlen(text));
}

/* A journal as the agent writes it, about an event that @rtmr now has or has not. */
static void leave_journal(unsigned int rtmr, const char *text, uint64_t offset, bool extended)
{
	struct aael_journal journal = {.offset = offset, .text = text, .text_size = strlen(text)};
	cleanup(writer_done) struct writer writer = {};
	uint8_t digest[RTMR_SIZE];

	assert_int_equal(aael_digest(text, strlen(text), digest), 0);
	assert_int_equal(hash_extend(HASH_SHA384, registers.values[rtmr], digest, journal.expected),
			 0);
	if (extended)
		memcpy(registers.values[rtmr], journal.expected, RTMR_SIZE);
	aael_journal_write(&writer, &journal);
	assert_int_equal(file_write_volatile(journal_path, writer.data, writer.size, 0600), 0);
}

/* ---- What is tested ---- */

static void events_are_appended(void **state)
{
	cleanup(writer_done) struct writer log = {};
	struct stat status;

	(void)state;
	assert_works(measure_aael_extend(&aael, 2, "cvmroot config 00"));
	assert_works(measure_aael_extend(&aael, 3, "cvmroot leave -"));
	expect_entry(&log, 2, "cvmroot config 00");
	expect_entry(&log, 3, "cvmroot leave -");
	assert_log_is(&log);
	assert_int_equal(stat(log_path, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0600);
}

/* The agent's register need not be ours. */
static void agents_cut_is_finished(void **state)
{
	cleanup(writer_done) struct writer log = {};

	(void)state;
	assert_works(measure_aael_extend(&aael, 2, "cvmroot config 00"));
	expect_entry(&log, 2, "cvmroot config 00");
	leave_journal(3, "coco.com pull image", log.size, true);
	assert_works(measure_aael_extend(&aael, 2, "cvmroot leave -"));
	expect_entry(&log, 3, "coco.com pull image");
	expect_entry(&log, 2, "cvmroot leave -");
	assert_log_is(&log);
	assert_false(log_is_marked());
}

static void cut_before_the_register_is_dropped(void **state)
{
	cleanup(writer_done) struct writer log = {};

	(void)state;
	assert_works(measure_aael_extend(&aael, 2, "cvmroot config 00"));
	expect_entry(&log, 2, "cvmroot config 00");
	leave_journal(3, "coco.com pull image", log.size, false);
	assert_works(measure_aael_extend(&aael, 2, "cvmroot leave -"));
	expect_entry(&log, 2, "cvmroot leave -");
	assert_log_is(&log);
	assert_false(log_is_marked());
}

/* Nothing tells what happened: that is said, and events go on. */
static void check_hopeless_journal(void)
{
	cleanup(writer_done) struct writer log = {};

	assert_works(measure_aael_extend(&aael, 2, "cvmroot leave -"));
	expect_entry(&log, 2, "cvmroot leave -");
	assert_log_is(&log);
	assert_true(log_is_marked());
	assert_works(measure_aael_extend(&aael, 2, "cvmroot failed -"));
	assert_true(log_is_marked());
}

static void journal_of_another_value_marks(void **state)
{
	(void)state;
	leave_journal(3, "coco.com pull image", 0, true);
	for (unsigned int rtmr = 0; rtmr < RTMR_COUNT; rtmr++)
		memset(registers.values[rtmr], 0x77, RTMR_SIZE);
	check_hopeless_journal();
}

static void journal_behind_the_log_marks(void **state)
{
	(void)state;
	leave_journal(3, "coco.com pull image", 1, true);
	check_hopeless_journal();
}

static void half_a_journal_marks(void **state)
{
	(void)state;
	assert_int_equal(file_write_volatile(journal_path, "half", 4, 0600), 0);
	check_hopeless_journal();
}

static void endless_journal_marks(void **state)
{
	cleanup(freep) char *text = calloc(1, MIB);

	(void)state;
	assert_int_equal(file_write_volatile(journal_path, text, MIB, 0600), 0);
	check_hopeless_journal();
}

/* The register gets the event all the same: it may be the one that closes the boot. */
static void strange_journal_is_not_followed(void **state)
{
	(void)state;
	assert_int_equal(symlink("/etc/hostname", journal_path), 0);
	assert_fails(measure_aael_extend(&aael, 2, "cvmroot failed -"), -ELOOP, "cannot write");
	assert_int_equal(registers.extended, 1);
	assert_true(log_is_marked());
}

static void strange_log_is_not_followed(void **state)
{
	(void)state;
	assert_int_equal(symlink("/etc/hostname", log_path), 0);
	assert_fails(measure_aael_extend(&aael, 2, "cvmroot failed -"), -ELOOP, "cannot write");
	assert_int_equal(registers.extended, 1);
}

static void register_that_lies_is_found_out(void **state)
{
	(void)state;
	registers.lies = true;
	assert_fails(measure_aael_extend(&aael, 2, "cvmroot leave -"), -EIO,
		     "RTMR 2 does not hold");
	assert_int_equal(access(journal_path, F_OK), 0);
}

static void register_that_cannot_be_read_is_extended(void **state)
{
	(void)state;
	registers.mute = true;
	assert_int_equal(measure_aael_extend(&aael, 2, "cvmroot failed -"), -EIO);
	assert_int_equal(registers.extended, 1);
	assert_true(log_is_marked());
}

/* What was made good is not done again by a journal that tells of the past. */
static void used_journal_is_gone(void **state)
{
	cleanup(writer_done) struct writer log = {};

	(void)state;
	assert_works(measure_aael_extend(&aael, 2, "cvmroot config 00"));
	expect_entry(&log, 2, "cvmroot config 00");
	leave_journal(3, "coco.com pull image", log.size, true);
	expect_entry(&log, 3, "coco.com pull image");
	registers.mute = true;
	registers.reads_left = RTMR_COUNT;
	assert_int_equal(measure_aael_extend(&aael, 2, "cvmroot failed -"), -EIO);
	assert_log_is(&log);
	assert_true(log_is_marked());
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(events_are_appended),
		CASE(agents_cut_is_finished),
		CASE(cut_before_the_register_is_dropped),
		CASE(journal_of_another_value_marks),
		CASE(journal_behind_the_log_marks),
		CASE(half_a_journal_marks),
		CASE(endless_journal_marks),
		CASE(strange_journal_is_not_followed),
		CASE(strange_log_is_not_followed),
		CASE(register_that_lies_is_found_out),
		CASE(register_that_cannot_be_read_is_extended),
		CASE(used_journal_is_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
