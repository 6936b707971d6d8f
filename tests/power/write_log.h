/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_TESTS_POWER_WRITE_LOG_H
#define CVMROOT_TESTS_POWER_WRITE_LOG_H

#include "base/macro.h"

/*
 * All writes and flushes of a disk, in the format of Linux's dm-log-writes, which QEMU's driver
 * blklogwrites writes, too:
 *
 *	sector 0   u64 magic, u64 version (1), u64 number of entries, u32 bytes in a sector
 *	then each  u64 sector, u64 number of sectors, u64 flags, u64 unused; to the sector's end
 *		   zeros; the data, but for a discard
 *
 * Integers are little-endian. An entry is written when the disk has done it.
 */
struct write_step {
	bool flush;
	uint64_t offset; /* bytes */
	uint64_t size;
	const uint8_t *data; /* NULL: zeros */
	uint64_t end;	     /* bytes that the log had then */
};

struct write_log {
	void *mapping;
	size_t mapping_size;
	struct write_step *steps;
	size_t count;
};

/* -EBADMSG for what is no such log. */
int write_log_open(const char *path, struct write_log *ret);
void write_log_close(struct write_log *log);

#endif
