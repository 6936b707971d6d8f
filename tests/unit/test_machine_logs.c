/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "unit.h"

#include "base/error.h"
#include "base/file.h"
#include "measure/aael.h"
#include "measure/log.h"
#include "measure/machine_logs.h"

#include <ftw.h>
#include <libgen.h>
#include <sys/stat.h>

/* A machine's files, below a folder of one test's own. */
static char root[] = "/tmp/cvmroot-test-XXXXXX";

static int set_up(void **state)
{
	(void)state;
	strcpy(root + strlen(root) - 6, "XXXXXX");
	return mkdtemp(root) ? 0 : -1;
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *ftw)
{
	(void)status, (void)type, (void)ftw;
	return remove(path);
}

static int tear_down(void **state)
{
	(void)state;
	return nftw(root, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

static void make_file(const char *name, const void *data, size_t size, mode_t mode)
{
	cleanup(freep) char *path = NULL;
	cleanup(freep) char *folder = NULL;

	assert_true(asprintf(&path, "%s%s", root, name) > 0);
	folder = strdup(path);
	assert_int_equal(directory_make(dirname(folder), 0755), 0);
	assert_int_equal(file_write_volatile(path, data, size, 0600), 0);
	assert_int_equal(chmod(path, mode), 0);
}

#define DIGEST "3838383838383838383838383838383838383838"
#define RECORD(pcr)                                                                                \
	"\x1e{\"pcr\":" pcr ",\"digests\":[{\"hashAlg\":\"sha1\",\"digest\":\"" DIGEST "\"}]}\n"

static void nothing_is_no_error(void **state)
{
	cleanup(machine_logs_done) struct machine_logs logs = {};
	cleanup(eventlog_freep) struct eventlog *log = NULL;

	(void)state;
	assert_int_equal(machine_logs_load_below(root, &logs), 0);
	assert_null(logs.firmware);
	assert_null(logs.ccel);
	assert_null(logs.agent);
	assert_null(logs.user);
	assert_false(logs.user_incomplete || logs.agent_incomplete);
	assert_int_equal(machine_logs_parse(&logs, &log), 0);
	assert_int_equal(eventlog_count(log), 0);
}

/* One event each, and the padding of CCEL. */
static void logs_are_read_in_their_order(void **state)
{
	/* The older form; register 3, EV_SEPARATOR, no data. */
	HEX(firmware, "03000000"
		      "04000000"
		      "0000000000000000000000000000000000000000"
		      "00000000");
	/* CoCo's header, and then register 1. */
	HEX(ccel, "00000000"
		  "03000000"
		  "0000000000000000000000000000000000000000"
		  "10000000"
		  "00000000000000000000000000000000"
		  "01000000"
		  "04000000"
		  "00000000"
		  "00000000"
		  "ffffffffffffffffffff");
	HEX(agent, "04000000"
		   "06000000"
		   "01000000"
		   "0c00"
		   "000000000000000000000000000000000000000000000000"
		   "000000000000000000000000000000000000000000000000"
		   "00000000");
	static const struct {
		enum eventlog_source source;
		enum eventlog_kind kind;
		unsigned int index;
	} wanted[] = {
		{EVENTLOG_FIRMWARE, EVENTLOG_PCR, 3},  {EVENTLOG_FIRMWARE, EVENTLOG_RTMR, 0},
		{EVENTLOG_FIRMWARE, EVENTLOG_RTMR, 0}, {EVENTLOG_AGENT, EVENTLOG_RTMR, 3},
		{EVENTLOG_USER, EVENTLOG_PCR, 15},
	};
	cleanup(machine_logs_done) struct machine_logs logs = {};
	cleanup(eventlog_freep) struct eventlog *log = NULL;

	(void)state;
	make_file(FIRMWARE_LOG_PATH, firmware, sizeof(firmware), 0600);
	make_file(CCEL_PATH, ccel, sizeof(ccel), 0600);
	make_file(AAEL_PATH, agent, sizeof(agent), 0600);
	make_file(MEASURE_LOG_PATH, RECORD("15"), strlen(RECORD("15")), 0600);
	make_file(MEASURE_OWN_LOG_PATH, RECORD("14"), strlen(RECORD("14")), 0600 | S_ISVTX);
	assert_int_equal(machine_logs_load_below(root, &logs), 0);
	assert_int_equal(logs.ccel_size, sizeof(ccel) - 10);
	assert_false(logs.user_incomplete || logs.agent_incomplete);
	assert_int_equal(machine_logs_parse(&logs, &log), 0);
	assert_int_equal(eventlog_count(log), ARRAY_SIZE(wanted));
	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
		assert_int_equal(eventlog_at(log, i)->source, wanted[i].source);
		assert_int_equal(eventlog_at(log, i)->kind, wanted[i].kind);
		assert_int_equal(eventlog_at(log, i)->index, wanted[i].index);
	}
}

static void own_log_stands_in(void **state)
{
	cleanup(machine_logs_done) struct machine_logs logs = {}, other = {};

	(void)state;
	make_file(MEASURE_OWN_LOG_PATH, RECORD("14"), strlen(RECORD("14")), 0600);
	assert_int_equal(machine_logs_load_below(root, &logs), 0);
	assert_string_equal(logs.user, RECORD("14"));
	assert_false(logs.user_incomplete);
	assert_true(logs.alone);
	make_file(MEASURE_LOG_PATH, RECORD("15"), strlen(RECORD("15")), 0600);
	assert_int_equal(machine_logs_load_below(root, &other), 0);
	assert_string_equal(other.user, RECORD("15"));
	assert_false(other.alone);
}

static void cut_measurements_are_told(void **state)
{
	cleanup(machine_logs_done) struct machine_logs user = {}, agent = {}, journal = {};

	(void)state;
	make_file(MEASURE_LOG_PATH, RECORD("15"), strlen(RECORD("15")), 0600 | S_ISVTX);
	make_file(AAEL_PATH, "", 0, 0600);
	assert_int_equal(machine_logs_load_below(root, &user), 0);
	assert_true(user.user_incomplete);
	assert_false(user.agent_incomplete);
	make_file(MEASURE_LOG_PATH, RECORD("15"), strlen(RECORD("15")), 0600);
	make_file(AAEL_PATH, "", 0, 0600 | S_ISVTX);
	assert_int_equal(machine_logs_load_below(root, &agent), 0);
	assert_false(agent.user_incomplete);
	assert_true(agent.agent_incomplete);
	make_file(AAEL_PATH, "", 0, 0600);
	make_file(AAEL_JOURNAL_PATH, "x", 1, 0600);
	assert_int_equal(machine_logs_load_below(root, &journal), 0);
	assert_false(journal.user_incomplete);
	assert_true(journal.agent_incomplete);
}

static void unreadable_logs_are_told(void **state)
{
	cleanup(machine_logs_done) struct machine_logs logs = {}, broken = {}, half = {};
	cleanup(eventlog_freep) struct eventlog *log = NULL, *begun = NULL;
	cleanup(freep) uint8_t *large = calloc(1, EVENTLOG_LIMIT + 1);

	(void)state;
	/* The events before the fault are there. */
	make_file(MEASURE_LOG_PATH, RECORD("15") "\x1e", strlen(RECORD("15")) + 1, 0600);
	assert_int_equal(machine_logs_load_below(root, &half), 0);
	assert_int_equal(machine_logs_parse(&half, &begun), -EBADMSG);
	assert_int_equal(eventlog_count(begun), 1);
	make_file(CCEL_PATH, "none", 4, 0600);
	assert_int_equal(machine_logs_load_below(root, &broken), 0);
	assert_int_equal(broken.ccel_size, 4);
	assert_int_equal(machine_logs_parse(&broken, &log), -EBADMSG);
	make_file(CCEL_PATH, large, EVENTLOG_LIMIT + 1, 0600);
	assert_int_equal(machine_logs_load_below(root, &logs), -E2BIG);
	assert_non_null(strstr(fail_sentence(-E2BIG), CCEL_PATH));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(nothing_is_no_error),	TEST(logs_are_read_in_their_order),
		TEST(own_log_stands_in),	TEST(cut_measurements_are_told),
		TEST(unreadable_logs_are_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
