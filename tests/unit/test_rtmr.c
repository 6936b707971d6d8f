/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "unit.h"

#include "base/error.h"
#include "expect.h"
#include "measure/aael.h"
#include "measure/backend.h"

#define MEASUREMENTS "/sys/devices/virtual/misc/tdx_guest/measurements"
#define PRETENDED_FD 1000

/* ---- The kernel of a TDX guest, and the log that the backend writes to ---- */

static bool has_device, has_measurements;
static ssize_t transferred; /* what reads and writes of a register come to */
static int opened;	    /* register, by its file; -1: none yet */
static uint8_t written[RTMR_SIZE];

static struct {
	unsigned int rtmr;
	char text[512];
} events[4];
static unsigned int events_count;
static int result;

int __wrap_access(const char *path, int mode);
int __wrap_access(const char *path, int mode)
{
	assert_int_equal(mode, F_OK);
	errno = ENOENT;
	if (strcmp(path, MEASUREMENTS) == 0)
		return has_measurements ? 0 : -1;
	assert_string_equal(path, "/dev/tdx_guest");
	return has_device ? 0 : -1;
}

static int open_register(const char *path, int flags)
{
	unsigned int rtmr = 0;
	char whole[128];

	assert_int_equal(sscanf(path, MEASUREMENTS "/rtmr%u:", &rtmr), 1);
	snprintf(whole, sizeof(whole), MEASUREMENTS "/rtmr%u:sha384", rtmr);
	assert_string_equal(path, whole);
	assert_int_equal(flags & O_CREAT, 0);
	opened = (int)rtmr;
	return PRETENDED_FD;
}

int __wrap_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...)
{
	return open_register(path, flags);
}

int __wrap_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...)
{
	return open_register(path, flags);
}

static ssize_t write_register(int fd, const void *data, size_t size, off_t offset)
{
	assert_int_equal(fd, PRETENDED_FD);
	assert_int_equal(size, RTMR_SIZE);
	assert_int_equal(offset, 0);
	memcpy(written, data, size);
	errno = EIO;
	return transferred;
}

ssize_t __wrap_pwrite(int fd, const void *data, size_t size, off_t offset);
ssize_t __wrap_pwrite(int fd, const void *data, size_t size, off_t offset)
{
	return write_register(fd, data, size, offset);
}

ssize_t __wrap_pwrite64(int fd, const void *data, size_t size, off_t offset);
ssize_t __wrap_pwrite64(int fd, const void *data, size_t size, off_t offset)
{
	return write_register(fd, data, size, offset);
}

int __wrap_measure_aael_extend(const struct aael *aael, unsigned int rtmr, const char *text);
int __wrap_measure_aael_extend(const struct aael *aael, unsigned int rtmr, const char *text)
{
	uint8_t digest[RTMR_SIZE];

	assert_string_equal(aael->log, "/run/attestation-agent/eventlog");
	assert_string_equal(aael->journal, "/run/attestation-agent/.wal_event_entry");
	assert_in_range(events_count, 0, ARRAY_SIZE(events) - 1);
	events[events_count].rtmr = rtmr;
	snprintf(events[events_count++].text, sizeof(events[0].text), "%s", text);
	memset(digest, 0x5a, sizeof(digest));
	if (result == 0)
		result = aael->extend(aael->context, rtmr, digest);
	return result;
}

static int begin(void **state)
{
	(void)state;
	has_device = has_measurements = true;
	transferred = RTMR_SIZE;
	opened = -1;
	events_count = 0;
	result = 0;
	memset(written, 0, sizeof(written));
	return 0;
}

/* ---- What is tested ---- */

static int measure(enum word word, const char *content)
{
	struct measure_record record = {.word = word, .content = content, .rtmr = 2};

	memset(record.digests[HASH_SHA384], 0xc3, RTMR_SIZE);
	return measure_rtmr.extend(NULL, &record);
}

static void machines_are_told_apart(void **state)
{
	uint32_t banks = 0;

	(void)state;
	assert_int_equal(measure_rtmr.probe(NULL, &banks), 0);
	assert_int_equal(banks, 1U << HASH_SHA384);
	has_measurements = false;
	assert_int_equal(measure_rtmr.probe(NULL, &banks), -EOPNOTSUPP);
	has_device = false;
	assert_int_equal(measure_rtmr.probe(NULL, &banks), -ENODEV);
}

static void event_goes_to_its_register(void **state)
{
	uint8_t expected[RTMR_SIZE];

	(void)state;
	memset(expected, 0x5a, sizeof(expected));
	assert_int_equal(measure(WORD_ROOT, "fresh:epoch=1:provider=tpm2"), 0);
	assert_int_equal(events_count, 1);
	assert_int_equal(events[0].rtmr, 2);
	assert_string_equal(events[0].text, "cvmroot root fresh:epoch=1:provider=tpm2");
	assert_int_equal(opened, 2);
	assert_memory_equal(written, expected, RTMR_SIZE);
	assert_int_equal(measure(WORD_LEAVE, NULL), 0);
	assert_string_equal(events[1].text, "cvmroot leave -");
}

/* Whoever replays the log has no key, so the HMAC has to stand in the text. */
static void volume_key_has_its_hmac(void **state)
{
	static const char prefix[] = "cvmroot volume-key cryptsetup:root:U:sha384:c3c3";

	(void)state;
	assert_int_equal(measure(WORD_VOLUME_KEY, "cryptsetup:root:U"), 0);
	assert_memory_equal(events[0].text, prefix, strlen(prefix));
	assert_int_equal(strlen(events[0].text), strlen(prefix) - 4 + 2 * RTMR_SIZE);
}

static void failure_goes_to_both(void **state)
{
	(void)state;
	assert_int_equal(measure(WORD_FAILED, NULL), 0);
	assert_int_equal(events_count, 2);
	assert_int_equal(events[0].rtmr, 2);
	assert_int_equal(events[1].rtmr, 3);
	assert_string_equal(events[1].text, "cvmroot failed -");
}

static void failure_of_one_does_not_keep_it_from_the_other(void **state)
{
	(void)state;
	result = -EIO;
	assert_int_equal(measure(WORD_FAILED, NULL), -EIO);
	assert_int_equal(events_count, 2);
}

static void initdata_does_not(void **state)
{
	(void)state;
	assert_int_equal(measure(WORD_INITDATA, "00"), 0);
	assert_int_equal(events_count, 0);
}

static void kernel_that_refuses_is_told(void **state)
{
	(void)state;
	transferred = -1;
	assert_fails(measure(WORD_LEAVE, NULL), -EIO, "cannot extend RTMR 2");
	result = 0;
	transferred = RTMR_SIZE - 1;
	assert_fails(measure(WORD_LEAVE, NULL), -EIO, "cannot extend RTMR 2");
}

#define CASE(function) cmocka_unit_test_setup(function, begin)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(machines_are_told_apart),
		CASE(event_goes_to_its_register),
		CASE(volume_key_has_its_hmac),
		CASE(failure_goes_to_both),
		CASE(failure_of_one_does_not_keep_it_from_the_other),
		CASE(initdata_does_not),
		CASE(kernel_that_refuses_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
