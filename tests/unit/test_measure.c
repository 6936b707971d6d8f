/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "unit.h"

#include "base/file.h"
#include "measure/log.h"

#include <fcntl.h>
#include <ftw.h>
#include <sys/file.h>
#include <sys/stat.h>

/* What the extend callback saw, and what it is told to do. */
struct register_double {
	const char *log;
	int result;
	int calls;
	bool marked; /* the log was marked incomplete at that moment */
};

static int extend(void *context, const struct measure_record *record)
{
	struct register_double *seen = context;
	struct stat status;

	(void)record;
	seen->calls++;
	seen->marked = stat(seen->log, &status) == 0 && status.st_mode & S_ISVTX;
	return seen->result;
}

static void set_record(struct measure_record *record)
{
	*record = (struct measure_record){
		.pcr = 7,
		.banks = 1U << HASH_SHA256,
		.type = "os-separator",
		.text = "os-separator",
		.boot_id = "189c18dd7ba245f38cf49d9ac154b525",
		.timestamp = 1515761,
	};
	assert_int_equal(hash_data(HASH_SHA256, record->text, strlen(record->text),
				   record->digests[HASH_SHA256]),
			 0);
}

/* A record that systemd wrote, made again from its parts. */
static void record_is_systemds(void **state)
{
	cleanup(freep) char *path = NULL, *expected = NULL, *text = NULL;
	struct measure_record record;
	size_t expected_size, size;

	(void)state;
	if (!vectors_folder())
		skip();
	assert_true(asprintf(&path, "%s/systemd/tpm2-measure-log-record.json-seq",
			     vectors_folder()) > 0);
	assert_int_equal(file_read_all(path, 4096, &expected, &expected_size), 0);
	set_record(&record);
	assert_int_equal(measure_log_format(&record, &text, &size), 0);
	assert_int_equal(size, expected_size);
	assert_memory_equal(text, expected, size);
}

static char *make_folder(void)
{
	char *folder = strdup("/tmp/cvmroot-measure-XXXXXX");

	assert_non_null(mkdtemp(folder));
	return folder;
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *walk)
{
	(void)status;
	(void)type;
	(void)walk;
	return remove(path);
}

static void folder_removep(char **folder)
{
	if (*folder)
		(void)nftw(*folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
	free(*folder);
}

static unsigned int mode_of(const char *path)
{
	struct stat status;

	assert_int_equal(stat(path, &status), 0);
	return status.st_mode & 07777;
}

static void extend_is_logged_and_marked(void **state)
{
	cleanup(folder_removep) char *folder = make_folder();
	cleanup(freep) char *path = NULL, *text = NULL;
	struct register_double seen = {};
	struct measure_record record;
	size_t size;

	(void)state;
	assert_true(asprintf(&path, "%s/deeper/log", folder) > 0);
	seen.log = path;
	set_record(&record);
	assert_int_equal(measure_log_extend(path, &record, extend, &seen), 0);
	assert_int_equal(measure_log_extend(path, &record, extend, &seen), 0);
	assert_int_equal(seen.calls, 2);
	assert_true(seen.marked);
	assert_int_equal(mode_of(path), 0600);
	assert_int_equal(file_read_all(path, 4096, &text, &size), 0);
	assert_int_equal(text[0], 0x1e);
	assert_int_equal(text[size / 2], 0x1e);
	assert_int_equal(text[size - 1], '\n');
}

static void failed_extend_leaves_the_mark(void **state)
{
	cleanup(folder_removep) char *folder = make_folder();
	cleanup(freep) char *path = NULL, *text = NULL;
	struct register_double seen = {.result = -EIO};
	struct measure_record record;
	size_t size;

	(void)state;
	assert_true(asprintf(&path, "%s/log", folder) > 0);
	seen.log = path;
	set_record(&record);
	assert_int_equal(measure_log_extend(path, &record, extend, &seen), -EIO);
	assert_true(seen.marked);
	assert_int_equal(mode_of(path), 0600 | S_ISVTX);
	assert_int_equal(file_read_all(path, 4096, &text, &size), 0);
	assert_int_equal(size, 0);
}

static void foreign_mark_stays(void **state)
{
	cleanup(folder_removep) char *folder = make_folder();
	cleanup(freep) char *path = NULL;
	struct register_double seen = {};
	struct measure_record record;

	(void)state;
	assert_true(asprintf(&path, "%s/log", folder) > 0);
	seen.log = path;
	set_record(&record);
	assert_int_equal(measure_log_extend(path, &record, extend, &seen), 0);
	assert_int_equal(chmod(path, 0600 | S_ISVTX), 0);
	assert_int_equal(measure_log_extend(path, &record, extend, &seen), 0);
	assert_int_equal(mode_of(path), 0600 | S_ISVTX);
}

static void unwritable_log_still_extends(void **state)
{
	struct register_double seen = {.log = "/proc/no/such/log"};
	struct measure_record record;

	(void)state;
	set_record(&record);
	assert_true(measure_log_extend(seen.log, &record, extend, &seen) < 0);
	assert_int_equal(seen.calls, 1);
}

/* What is left at the path from an earlier time, by whoever it was. */
static void strange_log_is_refused(void **state)
{
	cleanup(folder_removep) char *folder = make_folder();
	cleanup(freep) char *other = NULL, *link = NULL, *fifo = NULL, *theirs = NULL;
	struct register_double seen = {};
	struct measure_record record;
	struct stat status;

	(void)state;
	set_record(&record);
	assert_true(asprintf(&other, "%s/other", folder) > 0);
	assert_true(asprintf(&link, "%s/link", folder) > 0);
	assert_true(asprintf(&fifo, "%s/fifo", folder) > 0);
	assert_true(asprintf(&theirs, "%s/theirs", folder) > 0);
	assert_int_equal(file_write_volatile(other, "x", 1, 0644), 0);
	assert_int_equal(symlink(other, link), 0);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	seen.log = other;
	assert_int_equal(measure_log_extend(link, &record, extend, &seen), -ELOOP);
	assert_int_equal(measure_log_extend(fifo, &record, extend, &seen), -EPERM);
	assert_int_equal(measure_log_extend(folder, &record, extend, &seen), -EISDIR);
	assert_int_equal(seen.calls, 3);
	assert_int_equal(mode_of(other), 0644);
	assert_int_equal(stat(other, &status), 0);
	assert_int_equal(status.st_size, 1);
	/* Only root can give a file away. */
	if (geteuid() != 0)
		return;
	assert_int_equal(file_write_volatile(theirs, "", 0, 0600), 0);
	assert_int_equal(chown(theirs, 65534, 65534), 0);
	assert_int_equal(measure_log_extend(theirs, &record, extend, &seen), -EPERM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(record_is_systemds),
		cmocka_unit_test(extend_is_logged_and_marked),
		cmocka_unit_test(failed_extend_leaves_the_mark),
		cmocka_unit_test(foreign_mark_stays),
		cmocka_unit_test(unwritable_log_still_extends),
		cmocka_unit_test(strange_log_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
