/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_DISK_MANIFEST_EXTENTS_H
#define CVMROOT_DISK_MANIFEST_EXTENTS_H

#include "disk/manifest/manifest.h"

/*
 * Which bytes of a file system are used. One file per way of asking; a file system
 * is added by one file and one line in the table of extents.c.
 */
struct extents_ops {
	const char *const *types; /* as blkid names them; NULL at the end. NULL: any other */
	/*
	 * Fill in fs_size, block_size and the extents. @manifest already has fs_type, fs_uuid, and
	 * the block size that blkid knows, or 512. @device_size is what is there, in bytes.
	 * -EUCLEAN for a file system that needs recovery first, -EBADMSG for a damaged one,
	 * -EOPNOTSUPP for one whose data is not all on @path; each with its sentence.
	 */
	int (*read)(const char *path, uint64_t device_size, struct manifest *manifest);
};

extern const struct extents_ops extents_ext4;
extern const struct extents_ops extents_xfs;
extern const struct extents_ops extents_whole;

/*
 * Recognise the file system on @path, a block device or an image file, and fill in what describes
 * it in @manifest, which is zeroed. Beside the errors of the table: -EMEDIUMTYPE when there is no
 * file system (or an encrypted one), -ENOTUNIQ when there are signatures of two, -EBUSY while it is
 * mounted writable. Needs CAP_SYS_ADMIN for XFS.
 */
int extents_read(const char *path, struct manifest *manifest);

/* Append [offset, offset + length), joining it to the last extent when they touch. */
int extents_add(struct manifest *manifest, uint64_t offset, uint64_t length);

/* -EBADMSG, with a sentence, when the file system ends behind its device. */
int extents_check_size(const char *path, uint64_t device_size, const struct manifest *manifest);

#endif
