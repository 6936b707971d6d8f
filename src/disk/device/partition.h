/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_DISK_DEVICE_PARTITION_H
#define CVMROOT_DISK_DEVICE_PARTITION_H

#include "base/codec.h"

/* What the root partition holds, by its first bytes; nothing is trusted on this alone. */
enum partition_content {
	PARTITION_FILESYSTEM, /* a superblock of the manifest's type */
	PARTITION_LUKS,	      /* a LUKS magic at one of its places */
	PARTITION_OTHER,
};

/* Of the first and of the second copy of a LUKS2 header. */
#define LUKS_MAGIC_SIZE 6
#define LUKS_MAGIC_1	"LUKS\xba\xbe"
#define LUKS_MAGIC_2	"SKUL\xba\xbe"

/* A LUKS magic at any place where cryptsetup looks for one. Pure. */
bool partition_has_luks(const uint8_t *data, size_t size);

/* Enough of the partition's front for partition_content(). */
#define PARTITION_PROBE_SIZE (128 * KIB)

struct partition {
	char *path;	     /* "/dev/vda2" */
	char *disk;	     /* "/dev/vda", or NULL when the path is a whole disk */
	unsigned int number; /* 1-based in the table; 0 for a whole disk */
	/* Held open by partition_find(): udev has the kernel drop and re-read the partitions of a
	 * disk that was written to, unless one of them is in use. */
	int hold_fd;
};

/*
 * Wait, at most @wait_seconds, for the partition that @spec names (config.partition). Kernel uevents
 * are awaited, nothing is polled, and a partition counts when udev has settled. "auto" is the only
 * partition of this machine's DPS root type (UAPI.2) on all disks; two are -ENOTUNIQ, with both
 * named. -ENODEV at the deadline.
 */
int partition_find(const char *spec, unsigned int wait_seconds, struct partition **ret);
void partition_free(struct partition *partition);
DEFINE_CLEANUP(struct partition *, partition_free)

/*
 * Extend the partition over the free space behind it (libfdisk), tell the kernel, and report the
 * size that it has now, in bytes. Nothing is changed when there is less than 1 MiB to gain, when
 * another partition lies behind it, or when it is a whole disk. Durable, and one of the table's two
 * copies is whole wherever power is cut; firmware restores the other, and the kernel reads the
 * backup alone with its parameter "gpt".
 */
int partition_grow(const struct partition *partition, uint64_t *ret_size);

/*
 * What the first bytes are: PARTITION_PROBE_SIZE or more, fewer are less sure. A LUKS magic counts
 * before a file system. @fs_type is blkid's name; @fs_uuid all zero is any. A file system that has
 * no known magic passes as PARTITION_FILESYSTEM unless another's magic is there. Pure.
 */
enum partition_content partition_content(const uint8_t *data, size_t size, const char *fs_type,
					 const uint8_t fs_uuid[static UUID_SIZE]);

#endif
