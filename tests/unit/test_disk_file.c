/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
/* Before cmocka, which has a macro fail(). */
#include "base/error.h"

#include "unit.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include <linux/loop.h>

#include "base/file.h"
#include "disk/convert/convert.h"

#define FILE_SIZE (4 * MIB)

static char path[256];

static int make_file(void **state)
{
	const char *folder = getenv("TMPDIR");
	cleanup(closep) int fd = -1;

	(void)state;
	snprintf(path, sizeof(path), "%s/cvmroot-disk-XXXXXX", folder ? folder : "/var/tmp");
	fd = mkostemp(path, O_CLOEXEC);
	return fd >= 0 && ftruncate(fd, FILE_SIZE) == 0 ? 0 : -1;
}

static int remove_file(void **state)
{
	(void)state;
	return unlink(path);
}

static void use(const struct disk_io *io)
{
	cleanup(freep) uint8_t *data = aligned_alloc(4096, MIB);
	cleanup(freep) uint8_t *back = aligned_alloc(4096, MIB);

	memset(data, 0x5a, MIB);
	for (uint64_t at = 0; at < FILE_SIZE; at += MIB)
		assert_int_equal(io->write(io->context, data, MIB, at), 0);
	assert_int_equal(io->zero(io->context, 64 * KIB, MIB + 512), 0);
	assert_int_equal(io->flush(io->context), 0);
	assert_int_equal(io->read(io->context, back, MIB, MIB), 0);
	memset(data + 512, 0, 64 * KIB);
	assert_memory_equal(data, back, MIB);
	/* Behind the end there is nothing. */
	assert_int_equal(io->read(io->context, back, MIB, FILE_SIZE - 4096), -EIO);
	/* Less than a block, as file systems with small blocks need it. */
	assert_int_equal(io->write(io->context, data + 4096, 512, 3 * 512), 0);
	assert_int_equal(io->read(io->context, back, 1024, 2 * 512), 0);
	assert_int_equal(back[0], 0x5a);
	assert_int_equal(back[512], 0);
}

static void regular_file(void **state)
{
	cleanup(disk_file_freep) struct disk_file *file = NULL;
	struct stat status;
	struct disk_io io;

	(void)state;
	assert_int_equal(disk_file_open(path, true, &file), 0);
	assert_int_equal(disk_file_size(file), FILE_SIZE);
	io = disk_file_io(file);
	use(&io);
	/* Zeroing does not change the size. */
	assert_int_equal(io.zero(io.context, MIB, FILE_SIZE - MIB), 0);
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_size, FILE_SIZE);
}

static void read_only_file(void **state)
{
	cleanup(disk_file_freep) struct disk_file *file = NULL;
	cleanup(freep) uint8_t *data = aligned_alloc(4096, 4096);
	struct disk_io io;

	(void)state;
	assert_int_equal(disk_file_open(path, false, &file), 0);
	io = disk_file_io(file);
	assert_int_equal(io.read(io.context, data, 4096, 0), 0);
	assert_true(io.write(io.context, data, 4096, 0) < 0);
	assert_true(io.zero(io.context, 4096, 0) < 0);
}

static void other_things_are_refused(void **state)
{
	struct disk_file *file = NULL;

	(void)state;
	assert_int_equal(disk_file_open("/nonexistent/disk", true, &file), -ENOENT);
	assert_non_null(strstr(fail_sentence(-ENOENT), "/nonexistent/disk"));
	assert_int_equal(disk_file_open("/dev/null", true, &file), -EMEDIUMTYPE);
	assert_non_null(strstr(fail_sentence(-EMEDIUMTYPE), "/dev/null"));
	assert_null(file);
}

/* A loop device over the file; the caller closes it, and with it the device goes. -1: no loop. */
static int loop_new(uint32_t flags, char ret[static 64])
{
	cleanup(closep) int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	cleanup(closep) int backing = open(path, O_RDWR | O_CLOEXEC);
	cleanup(closep) int loop = -1;
	struct loop_config config = {.info = {.lo_flags = flags | LO_FLAGS_AUTOCLEAR}};
	int number = control < 0 ? -1 : ioctl(control, LOOP_CTL_GET_FREE);

	if (number < 0 || backing < 0)
		return -1;
	snprintf(ret, 64, "/dev/loop%d", number);
	/* Opened for reading only, it would be a read-only device. */
	loop = open(ret, O_RDWR | O_CLOEXEC);
	config.fd = (uint32_t)backing;
	if (loop < 0 || ioctl(loop, LOOP_CONFIGURE, &config) < 0)
		return -1;
	return TAKE_FD(loop);
}

static void block_device(void **state)
{
	cleanup(disk_file_freep) struct disk_file *file = NULL, *second = NULL;
	char device[64];
	cleanup(closep) int loop = loop_new(0, device);
	struct disk_io io;

	(void)state;
	if (loop < 0) {
		print_message("skipped: no loop device can be made here\n");
		skip();
	}
	assert_int_equal(disk_file_open(device, true, &file), 0);
	assert_int_equal(disk_file_size(file), FILE_SIZE);
	io = disk_file_io(file);
	use(&io);
	/* Exclusive: whoever has it mounted holds it in the same way. */
	assert_int_equal(disk_file_open(device, true, &second), -EBUSY);
	assert_non_null(strstr(fail_sentence(-EBUSY), device));
}

static void read_only_device(void **state)
{
	cleanup(disk_file_freep) struct disk_file *file = NULL;
	char device[64];
	cleanup(closep) int loop = loop_new(LO_FLAGS_READ_ONLY, device);

	(void)state;
	if (loop < 0) {
		print_message("skipped: no loop device can be made here\n");
		skip();
	}
	assert_int_equal(disk_file_open(device, true, &file), -EROFS);
	assert_non_null(strstr(fail_sentence(-EROFS), "read-only"));
	assert_int_equal(disk_file_open(device, false, &file), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(regular_file, make_file, remove_file),
		cmocka_unit_test_setup_teardown(read_only_file, make_file, remove_file),
		cmocka_unit_test(other_things_are_refused),
		cmocka_unit_test_setup_teardown(block_device, make_file, remove_file),
		cmocka_unit_test_setup_teardown(read_only_device, make_file, remove_file),
	};

	lock_loop_devices();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
