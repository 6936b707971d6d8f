/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_DISK_PARTITION_H
#define CVMROOT_DISK_PARTITION_H

#include "base/macro.h"

/* What the root partition holds, by its first bytes; nothing is trusted on this alone. */
enum partition_content {
	PARTITION_FILESYSTEM, /* a superblock of the manifest's type */
	PARTITION_LUKS,	      /* a LUKS magic at one of its places */
	PARTITION_OTHER,
};

struct partition {
	char *path;	     /* "/dev/vda2" */
	char *disk;	     /* "/dev/vda", or NULL when the path is a whole disk */
	unsigned int number; /* 1-based in the table; 0 for a whole disk */
};

/*
 * Wait, at most @wait_seconds, for the partition that @spec names (config.partition): kernel
 * uevents are awaited, nothing is polled. "auto" is the only partition of this machine's DPS root
 * type (UAPI.2) on all disks; two are -ENOTUNIQ, with both named. -ENODEV at the deadline.
 */
int partition_find(const char *spec, unsigned int wait_seconds, struct partition **ret);
void partition_free(struct partition *partition);
DEFINE_CLEANUP(struct partition *, partition_free)

/*
 * Extend the partition over the free space behind it (libfdisk), tell the kernel, and report the
 * new size in bytes. Nothing is changed, and 0 returned, when there is less than 1 MiB to gain.
 */
int partition_grow(const struct partition *partition, uint64_t *ret_size);

#endif
