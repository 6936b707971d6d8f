/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "disk/manifest/extents.h"

#include <fcntl.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/reader.h"

/*
 * File systems whose allocation we do not read: every byte counts as used. As long as the
 * superblock is not known here either, the file system is as long as its device.
 */

/* btrfs on-disk format: the superblock at 64 KiB. */
#define BTRFS_SUPERBLOCK  65536
#define BTRFS_TOTAL_BYTES 0x70
#define BTRFS_NUM_DEVICES 0x88

static int btrfs_size(const char *path, int fd, uint64_t *ret)
{
	uint8_t superblock[BTRFS_NUM_DEVICES + 8];
	struct reader reader = reader_init(superblock, sizeof(superblock));
	uint64_t total, devices;
	int r = file_pread(fd, superblock, sizeof(superblock), BTRFS_SUPERBLOCK);

	if (r < 0)
		return fail(r, "cannot read %s: %s", path, strerror(-r));
	if (reader_skip(&reader, BTRFS_TOTAL_BYTES) < 0 || reader_le64(&reader, &total) < 0 ||
	    reader_skip(&reader, BTRFS_NUM_DEVICES - BTRFS_TOTAL_BYTES - 8) < 0 ||
	    reader_le64(&reader, &devices) < 0)
		return -EBADMSG;
	if (devices != 1)
		return fail(-EOPNOTSUPP,
			    "%s is one of %llu devices of a btrfs file system; only a file system "
			    "on one device can be the root here",
			    path, (unsigned long long)devices);
	*ret = total;
	return 0;
}

static int extents_read_whole(const char *path, uint64_t device_size, struct manifest *manifest)
{
	cleanup(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	uint64_t size = device_size;
	int r;

	if (fd < 0)
		return fail(-errno, "cannot open \"%s\": %s", path, strerror(errno));
	if (strcmp(manifest->fs_type, "btrfs") == 0) {
		r = btrfs_size(path, fd, &size);
		if (r < 0)
			return r;
	}
	manifest->fs_size = ALIGN_DOWN(size, manifest->block_size);
	r = extents_check_size(path, device_size, manifest);
	if (r < 0)
		return r;
	return extents_add(manifest, 0, manifest->fs_size);
}

const struct extents_ops extents_whole = {.types = NULL, .read = extents_read_whole};
