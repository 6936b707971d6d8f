/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "unit.h"

#include "base/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* ---- System calls that transfer less than asked, or are interrupted: this program takes the place
 * of libc's. Every other call is interrupted, the next gives at most three bytes. ---- */

static bool troubled;
static unsigned int calls;

static bool interrupt(size_t *size)
{
	if (!troubled)
		return false;
	*size = MIN(*size, (size_t)3);
	return calls++ % 2 == 0;
}

#define TROUBLE(size)                                                                              \
	if (interrupt(&(size))) {                                                                  \
		errno = EINTR;                                                                     \
		return -1;                                                                         \
	}

ssize_t pread(int fd, void *data, size_t size, off_t offset)
{
	TROUBLE(size)
	return syscall(SYS_pread64, fd, data, size, offset);
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset)
{
	TROUBLE(size)
	return syscall(SYS_pwrite64, fd, data, size, offset);
}

ssize_t read(int fd, void *data, size_t size)
{
	TROUBLE(size)
	return syscall(SYS_read, fd, data, size);
}

ssize_t write(int fd, const void *data, size_t size)
{
	TROUBLE(size)
	return syscall(SYS_write, fd, data, size);
}

/* ---- Tests ---- */

static int setup(void **state)
{
	(void)state;
	troubled = true;
	calls = 0;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	troubled = false;
	return 0;
}

static void short_transfers_are_continued(void **state)
{
	cleanup(closep) int fd = memfd_create("test", MFD_CLOEXEC);
	char back[20] = "";

	(void)state;
	assert_int_equal(file_pwrite(fd, "0123456789", 10, 5), 0);
	assert_true(calls > 6);
	assert_int_equal(file_pread(fd, back, 10, 5), 0);
	assert_string_equal(back, "0123456789");
	assert_int_equal(file_pread(fd, back, 11, 5), -EIO);
	assert_int_equal(file_pread(-1, back, 1, 0), -EBADF);
	assert_int_equal(file_pwrite(-1, back, 1, 0), -EBADF);
}

static void whole_file_through_short_reads(void **state)
{
	cleanup(closep) int fd = memfd_create("test", MFD_CLOEXEC);
	cleanup(freep) char *text = NULL;
	size_t size = 77;

	(void)state;
	assert_int_equal(file_write(fd, "0123456789", 10), 0);
	assert_true(calls > 6);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	calls = 0;
	assert_int_equal(file_read_all_fd(fd, 9, &text, &size), -E2BIG);
	assert_null(text);
	assert_int_equal(size, 77);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	assert_int_equal(file_read_all_fd(fd, 10, &text, &size), 0);
	assert_int_equal(size, 10);
	assert_true(calls > 12);
	assert_string_equal(text, "0123456789");
}

static void large_file_is_whole(void **state)
{
	cleanup(closep) int fd = memfd_create("test", MFD_CLOEXEC);
	cleanup(freep) char *data = malloc(100000), *text = NULL;
	size_t size;

	(void)state;
	for (size_t i = 0; i < 100000; i++)
		data[i] = (char)(i * 7 >> 3);
	assert_int_equal(file_write(fd, data, 100000), 0);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	assert_int_equal(file_read_all_fd(fd, 100000, &text, &size), 0);
	assert_int_equal(size, 100000);
	assert_memory_equal(text, data, 100000);
}

/* proc tells size 0, and an endless file must end at the limit. */
static void size_is_not_asked_for(void **state)
{
	cleanup(freep) char *text = NULL, *endless = NULL;
	size_t size;

	(void)state;
	assert_int_equal(file_read_all("/proc/self/stat", 4096, &text, &size), 0);
	assert_true(size > 10);
	assert_int_equal(file_read_all("/dev/zero", 10000, &endless, &size), -E2BIG);
	assert_int_equal(file_read_all("/nonexistent", 10, &endless, &size), -ENOENT);
	assert_int_equal(file_read_all("/proc", 10, &endless, &size), -EISDIR);
}

static size_t entries(const char *folder)
{
	DIR *directory = opendir(folder);
	size_t count = 0;

	assert_non_null(directory);
	while (readdir(directory))
		count++;
	closedir(directory);
	return count - 2;
}

static void check_replace(int (*replace)(const char *, const void *, size_t, mode_t))
{
	char folder[] = "/tmp/test_file.XXXXXX";
	cleanup(freep) char *path = NULL, *text = NULL, *blocked = NULL;
	struct stat status;
	size_t size;

	assert_non_null(mkdtemp(folder));
	assert_true(asprintf(&path, "%s/file", folder) > 0);
	assert_true(asprintf(&blocked, "%s/folder", folder) > 0);
	assert_int_equal(replace(path, "a longer text", 13, 0600), 0);
	assert_int_equal(replace(path, "short", 5, 0640), 0);
	assert_int_equal(file_read_all(path, 100, &text, &size), 0);
	assert_string_equal(text, "short");
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0640);
	/* What cannot be put in place leaves nothing behind. */
	assert_int_equal(mkdir(blocked, 0700), 0);
	assert_int_equal(replace(blocked, "x", 1, 0600), -EISDIR);
	assert_int_equal(entries(folder), 2);
	unlink(path);
	rmdir(blocked);
	rmdir(folder);
}

static void files_are_replaced(void **state)
{
	(void)state;
	check_replace(file_write_atomic);
	check_replace(file_write_volatile);
}

static void size_of_files_and_others(void **state)
{
	cleanup(closep) int fd = memfd_create("test", MFD_CLOEXEC);
	cleanup(closep) int device = open("/dev/null", O_RDONLY | O_CLOEXEC);
	uint64_t size = 0;

	(void)state;
	assert_int_equal(ftruncate(fd, 12345), 0);
	assert_int_equal(file_size(fd, &size), 0);
	assert_int_equal(size, 12345);
	assert_int_equal(file_size(device, &size), -EMEDIUMTYPE);
	assert_int_equal(file_size(-1, &size), -EBADF);
	assert_int_equal(size, 12345);
}

static void folders_are_made(void **state)
{
	char folder[] = "/tmp/test_file.XXXXXX";
	cleanup(freep) char *deep = NULL, *middle = NULL, *file = NULL;
	struct stat status;

	(void)state;
	assert_non_null(mkdtemp(folder));
	assert_true(asprintf(&middle, "%s/a", folder) > 0);
	assert_true(asprintf(&deep, "%s/a/b", folder) > 0);
	assert_int_equal(directory_make(deep, 0755), 0);
	assert_int_equal(directory_make(deep, 0755), 0);
	assert_int_equal(stat(deep, &status), 0);
	assert_true(S_ISDIR(status.st_mode));
	assert_true(asprintf(&file, "%s/f", deep) > 0);
	assert_int_equal(file_write_volatile(file, "", 0, 0600), 0);
	free(deep);
	assert_true(asprintf(&deep, "%s/c", file) > 0);
	assert_int_equal(directory_make(deep, 0755), -ENOTDIR);
	unlink(file);
	*strrchr(deep, '/') = '\0';
	*strrchr(deep, '/') = '\0';
	rmdir(deep);
	rmdir(middle);
	rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(short_transfers_are_continued, setup, teardown),
		cmocka_unit_test_setup_teardown(whole_file_through_short_reads, setup, teardown),
		cmocka_unit_test(large_file_is_whole),
		cmocka_unit_test(size_is_not_asked_for),
		cmocka_unit_test(files_are_replaced),
		cmocka_unit_test(size_of_files_and_others),
		cmocka_unit_test(folders_are_made),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
