/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "unit.h"

#include <dirent.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/file.h"
#include "tee/tsm.h"

/*
 * Stands in for the kernel: the folder of a request is a real one with real files, which the calls
 * below (linked in with --wrap) fill as configfs-tsm does. Nothing runs beside the test.
 */

static struct {
	const char *provider;
	const char *generation;	     /* instead of the true one */
	const char *privlevel_floor; /* NULL: no such attribute */
	const char *auxblob;	     /* NULL: no such attribute */
	size_t outblob_size;	     /* instead of the usual content */
	size_t auxblob_size;
	int mkdir_error;
	int read_error;		  /* of outblob */
	unsigned int read_errors; /* how often */
	unsigned int foreign;	  /* how many requests somebody else writes to */
	/* What happened. */
	unsigned int requests, removed, writes;
	char names[8][64];
	char privlevel[16];
} fake;

static char base[64];

int __real_mkdirat(int fd, const char *name, mode_t mode);
int __real_openat64(int fd, const char *name, int flags, ...);
int __real_unlinkat(int fd, const char *name, int flags);
int __wrap_mkdirat(int fd, const char *name, mode_t mode);
int __wrap_openat64(int fd, const char *name, int flags, ...);
int __wrap_unlinkat(int fd, const char *name, int flags);

static void write_file(int folder, const char *name, const void *data, size_t size)
{
	int fd = __real_openat64(folder, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(file_write(fd, data, size), 0);
	close(fd);
}

static void write_text(int folder, const char *name, const char *text)
{
	if (text)
		write_file(folder, name, text, strlen(text));
}

int __wrap_mkdirat(int fd, const char *name, mode_t mode)
{
	int folder;

	if (fake.mkdir_error) {
		errno = fake.mkdir_error;
		return -1;
	}
	assert_int_equal(__real_mkdirat(fd, name, mode), 0);
	assert_true(fake.requests < ARRAY_SIZE(fake.names));
	snprintf(fake.names[fake.requests++], sizeof(fake.names[0]), "%s", name);
	folder = __real_openat64(fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(folder >= 0);
	fake.writes = 0;
	fake.privlevel[0] = '\0';
	write_text(folder, "provider", fake.provider);
	write_text(folder, "inblob", "");
	write_text(folder, "outblob", "");
	write_text(folder, "generation", "");
	write_text(folder, "privlevel_floor", fake.privlevel_floor);
	write_text(folder, "privlevel", fake.privlevel_floor ? "" : NULL);
	write_text(folder, "auxblob", fake.auxblob);
	close(folder);
	return 0;
}

static size_t read_file(int folder, const char *name, char *ret, size_t size)
{
	int fd = __real_openat64(folder, name, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, ret, size);

	assert_true(n >= 0);
	close(fd);
	return (size_t)n;
}

/* The content is about inblob as it is when the report is made. */
static void make_report(int folder)
{
	char report[TSM_INBLOB_SIZE + 16] = "report: ";
	size_t size = read_file(folder, "inblob", report + 8, TSM_INBLOB_SIZE + 8);
	char privlevel[16] = {};

	assert_int_equal(size, TSM_INBLOB_SIZE);
	write_file(folder, "outblob", report, 8 + size);
	if (fake.privlevel_floor) {
		read_file(folder, "privlevel", privlevel, sizeof(privlevel) - 1);
		snprintf(fake.privlevel, sizeof(fake.privlevel), "%s", privlevel);
	}
	if (fake.outblob_size != SIZE_MAX) {
		int fd = __real_openat64(folder, "outblob", O_WRONLY | O_CLOEXEC);

		assert_int_equal(ftruncate(fd, (off_t)fake.outblob_size), 0);
		close(fd);
	}
	if (fake.auxblob_size > 0) {
		int fd = __real_openat64(folder, "auxblob", O_WRONLY | O_CLOEXEC);

		assert_int_equal(ftruncate(fd, (off_t)fake.auxblob_size), 0);
		close(fd);
	}
	/* Somebody else, right before generation is looked at again. */
	if (fake.foreign > 0) {
		fake.foreign--;
		fake.writes++;
	}
}

static void show_generation(int folder)
{
	char text[32];

	snprintf(text, sizeof(text), "%u\n", 7 + fake.writes);
	write_text(folder, "generation", fake.generation ? fake.generation : text);
}

int __wrap_openat64(int fd, const char *name, int flags, ...)
{
	if (strcmp(name, "inblob") == 0 || strcmp(name, "privlevel") == 0)
		fake.writes++;
	else if (strcmp(name, "generation") == 0)
		show_generation(fd);
	else if (strcmp(name, "outblob") == 0) {
		if (fake.read_errors > 0) {
			fake.read_errors--;
			errno = fake.read_error;
			return -1;
		}
		make_report(fd);
	}
	return __real_openat64(fd, name, flags, 0);
}

/* rmdir() of a configfs folder takes its attributes with it. */
int __wrap_unlinkat(int fd, const char *name, int flags)
{
	int folder = __real_openat64(fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *directory = fdopendir(folder);
	struct dirent *entry;

	assert_int_equal(flags, AT_REMOVEDIR);
	assert_non_null(directory);
	while ((entry = readdir(directory)))
		if (entry->d_name[0] != '.')
			__real_unlinkat(dirfd(directory), entry->d_name, 0);
	closedir(directory);
	fake.removed++;
	return __real_unlinkat(fd, name, flags);
}

static unsigned int open_files(void)
{
	DIR *directory = opendir("/proc/self/fd");
	unsigned int count = 0;

	assert_non_null(directory);
	while (readdir(directory))
		count++;
	closedir(directory);
	return count;
}

static int setup(void **state)
{
	(void)state;
	memset(&fake, 0, sizeof(fake));
	fake.provider = "sev_guest\n";
	fake.outblob_size = SIZE_MAX;
	snprintf(base, sizeof(base), "/tmp/cvmroot-tsm-XXXXXX");
	return mkdtemp(base) ? 0 : -1;
}

/* Whatever happened, every request is gone: rmdir() refuses a folder that is not empty. */
static int teardown(void **state)
{
	(void)state;
	return rmdir(base);
}

static const uint8_t *inblob(void)
{
	static uint8_t data[TSM_INBLOB_SIZE];

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i + 1);
	return data;
}

static int get(struct tsm_report *ret)
{
	unsigned int before = open_files();
	int r = tsm_report_get(base, "sev_guest", inblob(), ret);

	assert_int_equal(open_files(), before);
	assert_int_equal(fake.removed, fake.requests);
	return r;
}

static void expect_failure(int error, unsigned int requests, const char *words)
{
	struct tsm_report report = {.privlevel = 77};

	assert_int_equal(get(&report), error);
	assert_int_equal(fake.requests, requests);
	assert_int_equal(report.privlevel, 77);
	assert_null(report.outblob);
	if (!strstr(fail_sentence(error), words))
		fail_msg("\"%s\" is not in \"%s\"", words, fail_sentence(error));
}

static void report_is_about_what_was_written(void **state)
{
	cleanup(tsm_report_done) struct tsm_report report = {};

	(void)state;
	assert_int_equal(get(&report), 0);
	assert_int_equal(report.outblob_size, 8 + TSM_INBLOB_SIZE);
	assert_memory_equal(report.outblob, "report: ", 8);
	assert_memory_equal(report.outblob + 8, inblob(), TSM_INBLOB_SIZE);
	assert_null(report.auxblob);
	assert_int_equal(report.privlevel, 0);
	assert_int_equal(fake.requests, 1);
	assert_int_equal(fake.writes, 1);
	assert_int_equal(strncmp(fake.names[0], "cvmroot-", 8), 0);
	assert_int_equal(strlen(fake.names[0]), 8 + 16);
}

static void auxblob_is_read(void **state)
{
	cleanup(tsm_report_done) struct tsm_report report = {};
	cleanup(tsm_report_done) struct tsm_report none = {};

	(void)state;
	fake.auxblob = "certificates";
	assert_int_equal(get(&report), 0);
	assert_int_equal(report.auxblob_size, 12);
	assert_memory_equal(report.auxblob, "certificates", 12);
	/* An attribute may be there and empty. */
	fake.auxblob = "";
	assert_int_equal(get(&none), 0);
	assert_int_equal(none.auxblob_size, 0);
	assert_string_not_equal(fake.names[0], fake.names[1]);
}

static void limits_are_kept(void **state)
{
	cleanup(tsm_report_done) struct tsm_report report = {};

	(void)state;
	fake.auxblob = "";
	fake.outblob_size = TSM_OUTBLOB_LIMIT;
	fake.auxblob_size = TSM_AUXBLOB_LIMIT;
	assert_int_equal(get(&report), 0);
	assert_int_equal(report.outblob_size, TSM_OUTBLOB_LIMIT);
	assert_int_equal(report.auxblob_size, TSM_AUXBLOB_LIMIT);
	fake.requests = fake.removed = 0;
	fake.outblob_size++;
	expect_failure(-E2BIG, 1, "cannot read outblob");
	fake.outblob_size = 100;
	fake.auxblob_size++;
	expect_failure(-E2BIG, 2, "cannot read auxblob");
	fake.auxblob_size = 0;
	fake.outblob_size = 0;
	expect_failure(-EBADMSG, 3, "empty report");
}

static void privilege_floor_is_asked_for(void **state)
{
	cleanup(tsm_report_done) struct tsm_report highest = {};
	cleanup(tsm_report_done) struct tsm_report lower = {};

	(void)state;
	fake.privlevel_floor = "0\n";
	assert_int_equal(get(&highest), 0);
	assert_int_equal(highest.privlevel, 0);
	assert_string_equal(fake.privlevel, "");
	fake.privlevel_floor = "2\n";
	assert_int_equal(get(&lower), 0);
	assert_int_equal(lower.privlevel, 2);
	assert_string_equal(fake.privlevel, "2");
	assert_int_equal(fake.writes, 2);
	fake.requests = fake.removed = 0;
	fake.privlevel_floor = "4\n";
	expect_failure(-EBADMSG, 1, "privilege level 4");
	fake.privlevel_floor = "none\n";
	expect_failure(-EBADMSG, 2, "is not a number");
}

static void missing_interface_is_told(void **state)
{
	struct tsm_report report;

	(void)state;
	assert_int_equal(tsm_report_get("/nonexistent/tsm", "sev_guest", inblob(), &report),
			 -ENODEV);
	assert_non_null(strstr(fail_sentence(-ENODEV), "/nonexistent/tsm is not there"));
	assert_int_equal(tsm_has_provider("/nonexistent/tsm", "sev_guest"), 0);
	fake.mkdir_error = ENXIO;
	expect_failure(-ENODEV, 0, "has no provider");
	assert_int_equal(tsm_has_provider(base, "sev_guest"), 0);
	fake.mkdir_error = EACCES;
	expect_failure(-EACCES, 0, "Permission denied");
	assert_int_equal(tsm_has_provider(base, "sev_guest"), -EACCES);
}

static void other_providers_are_refused(void **state)
{
	static const char *const providers[] = {"tdx_guest\n", "", "\n", "sev_guest2\n",
						"sev_gues"};

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(providers); i++) {
		fake.provider = providers[i];
		expect_failure(-ENODEV, i + 1, "not of \"sev_guest\"");
	}
	fake.requests = fake.removed = 0;
	assert_int_equal(tsm_has_provider(base, "sev_guest"), 0);
	fake.provider = "sev_guest\n";
	assert_int_equal(tsm_has_provider(base, "sev_guest"), 1);
	assert_int_equal(tsm_has_provider(base, "tdx_guest"), 0);
	assert_int_equal(fake.removed, 3);
}

/* Somebody else wrote to our request: what was read may be about his data. */
static void foreign_writes_are_seen(void **state)
{
	cleanup(tsm_report_done) struct tsm_report report = {};

	(void)state;
	fake.foreign = 2;
	assert_int_equal(get(&report), 0);
	assert_int_equal(fake.requests, 3);
	memset(fake.names, 0, sizeof(fake.names));
	fake.requests = fake.removed = 0;
	fake.foreign = 100;
	expect_failure(-EBUSY, 5, "took 2 writes instead of our 1");
}

static void busy_providers_are_asked_again(void **state)
{
	static const int errors[] = {EBUSY, EAGAIN, EINTR, ETIMEDOUT};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
		cleanup(tsm_report_done) struct tsm_report report = {};

		fake.requests = fake.removed = 0;
		fake.read_error = errors[i];
		fake.read_errors = 2;
		assert_int_equal(get(&report), 0);
		assert_int_equal(fake.requests, 3);
	}
	fake.requests = fake.removed = 0;
	fake.read_errors = 100;
	expect_failure(-EBUSY, 5, "5 requests for a TEE report failed");
}

static void other_errors_end_it(void **state)
{
	(void)state;
	fake.read_error = EIO;
	fake.read_errors = 1;
	expect_failure(-EIO, 1, "cannot read outblob");
	fake.read_error = ENOENT;
	fake.read_errors = 1;
	expect_failure(-ENOENT, 2, "has no outblob");
}

static void generation_must_be_a_number(void **state)
{
	static const char *const texts[] = {"",
					    "\n",
					    "7x\n",
					    "-1\n",
					    " 7\n",
					    "0x7\n",
					    "18446744073709551616\n",
					    "99999999999999999999\n"};

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(texts); i++) {
		fake.generation = texts[i];
		expect_failure(-EBADMSG, i + 1, "is not a number");
	}
	/* One that stands still: our own write did not arrive. */
	fake.requests = fake.removed = 0;
	fake.generation = "7\n";
	expect_failure(-EBUSY, 5, "took 0 writes instead of our 1");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(report_is_about_what_was_written),
		TEST(auxblob_is_read),
		TEST(limits_are_kept),
		TEST(privilege_floor_is_asked_for),
		TEST(missing_interface_is_told),
		TEST(other_providers_are_refused),
		TEST(foreign_writes_are_seen),
		TEST(busy_providers_are_asked_again),
		TEST(other_errors_end_it),
		TEST(generation_must_be_a_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
