/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_DISK_DEVICE_DISK_FILE_H
#define CVMROOT_DISK_DEVICE_DISK_FILE_H

#include "base/macro.h"

/*
 * What the converter does to a disk. All return 0 or negative errno; sizes and offsets are in
 * bytes, multiples of the disk's logical block size, and buffers are aligned to 4096.
 */
struct disk_io {
	int (*read)(void *context, void *ret, size_t size, uint64_t offset);
	int (*write)(void *context, const void *data, size_t size, uint64_t offset);
	/* Make the range read as zeros. */
	int (*zero)(void *context, uint64_t size, uint64_t offset);
	/* Everything written before is durable when this returns. */
	int (*flush)(void *context);
	void *context;
};

/* A buffer as disk_io wants it: @size is a multiple of 4096. The caller frees it. */
int disk_buffer_new(size_t size, uint8_t **ret);

/* A disk_io over a file or block device, with direct I/O where it is possible. */
struct disk_file;
/* Writable block devices are opened for this program alone: -EBUSY when in use, -EROFS. */
int disk_file_open(const char *path, bool writable, struct disk_file **ret);
struct disk_io disk_file_io(struct disk_file *file);
/* Bytes. */
uint64_t disk_file_size(const struct disk_file *file);
void disk_file_free(struct disk_file *file);
DEFINE_CLEANUP(struct disk_file *, disk_file_free)

#endif
