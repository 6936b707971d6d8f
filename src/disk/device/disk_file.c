/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "disk/device/disk_file.h"

#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include <linux/falloc.h>
#include <linux/fs.h>

#include "base/error.h"
#include "base/file.h"

struct disk_file {
	int fd;
	bool block_device;
	uint64_t size; /* bytes */
};

int disk_buffer_new(size_t size, uint8_t **ret)
{
	uint8_t *data = aligned_alloc(4096, size);

	if (!data)
		return -ENOMEM;
	*ret = data;
	return 0;
}

/* Where the kernel can do no better, zeros are written from here. */
#define ZEROS_SIZE (256 * KIB)
static _Alignas(4096) uint8_t zeros[ZEROS_SIZE];

/*
 * Direct I/O: the page cache would hold every byte twice, and a flush would have to find what is
 * dirty in it. Some file systems refuse it at open, others at the first transfer that is not
 * aligned to their blocks.
 */
static bool fall_back_to_buffered(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	return flags >= 0 && (flags & O_DIRECT) && fcntl(fd, F_SETFL, flags & ~O_DIRECT) == 0;
}

static int disk_read(void *context, void *ret, size_t size, uint64_t offset)
{
	struct disk_file *file = context;
	int r = file_pread(file->fd, ret, size, offset);

	if (r == -EINVAL && fall_back_to_buffered(file->fd))
		r = file_pread(file->fd, ret, size, offset);
	return r;
}

static int disk_write(void *context, const void *data, size_t size, uint64_t offset)
{
	struct disk_file *file = context;
	int r = file_pwrite(file->fd, data, size, offset);

	if (r == -EINVAL && fall_back_to_buffered(file->fd))
		r = file_pwrite(file->fd, data, size, offset);
	return r;
}

static int write_zeros(struct disk_file *file, uint64_t size, uint64_t offset)
{
	while (size > 0) {
		size_t part = MIN(size, ZEROS_SIZE);
		int r = disk_write(file, zeros, part, offset);

		if (r < 0)
			return r;
		offset += part;
		size -= part;
	}
	return 0;
}

static int disk_zero(void *context, uint64_t size, uint64_t offset)
{
	struct disk_file *file = context;
	uint64_t range[2] = {offset, size};
	int mode = (file->block_device ? FALLOC_FL_ZERO_RANGE : FALLOC_FL_PUNCH_HOLE) |
		   FALLOC_FL_KEEP_SIZE;

	if (fallocate(file->fd, mode, (off_t)offset, (off_t)size) == 0)
		return 0;
	if (file->block_device && ioctl(file->fd, BLKZEROOUT, range) == 0)
		return 0;
	return write_zeros(file, size, offset);
}

static int disk_flush(void *context)
{
	struct disk_file *file = context;

	return fdatasync(file->fd) < 0 ? -errno : 0;
}

static int open_failed(const char *path, int error)
{
	switch (error) {
	case -EBUSY:
		return fail(error, "%s is in use: it is mounted, or another program has it", path);
	case -EROFS:
		return fail(error, "%s is read-only: attach the disk writable", path);
	default:
		return fail(error, "%s cannot be opened: %s", path, strerror(-error));
	}
}

static bool is_read_only_device(const char *path)
{
	cleanup(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
	int read_only = 0;

	return fd >= 0 && ioctl(fd, BLKROGET, &read_only) == 0 && read_only;
}

static int open_fd(const char *path, bool writable, int *ret)
{
	int flags = (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NOCTTY;
	struct stat status;
	int fd;

	if (stat(path, &status) < 0)
		return -errno;
	/* O_EXCL on a block device: nothing has it mounted, mapped or open like this. */
	if (S_ISBLK(status.st_mode) && writable) {
		if (is_read_only_device(path))
			return -EROFS;
		flags |= O_EXCL;
	}
	fd = open(path, flags | O_DIRECT);
	if (fd < 0 && errno == EINVAL)
		fd = open(path, flags);
	if (fd < 0)
		return -errno;
	*ret = fd;
	return 0;
}

int disk_file_open(const char *path, bool writable, struct disk_file **ret)
{
	cleanup(disk_file_freep) struct disk_file *file = calloc(1, sizeof(*file));
	struct stat status;
	int r;

	if (!file)
		return -ENOMEM;
	file->fd = -1;
	r = open_fd(path, writable, &file->fd);
	if (r < 0)
		return open_failed(path, r);
	r = file_size(file->fd, &file->size);
	if (r == -EMEDIUMTYPE)
		return fail(r, "%s is neither a block device nor a regular file", path);
	if (r < 0 || fstat(file->fd, &status) < 0)
		return open_failed(path, r < 0 ? r : -errno);
	file->block_device = S_ISBLK(status.st_mode);
	*ret = TAKE_PTR(file);
	return 0;
}

struct disk_io disk_file_io(struct disk_file *file)
{
	return (struct disk_io){
		.read = disk_read,
		.write = disk_write,
		.zero = disk_zero,
		.flush = disk_flush,
		.context = file,
	};
}

uint64_t disk_file_size(const struct disk_file *file)
{
	return file->size;
}

void disk_file_free(struct disk_file *file)
{
	if (!file)
		return;
	if (file->fd >= 0)
		close(file->fd);
	free(file);
}
