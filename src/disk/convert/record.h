/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_DISK_CONVERT_RECORD_H
#define CVMROOT_DISK_CONVERT_RECORD_H

#include "disk/convert/convert.h"

/*
 * The progress record, as it lies in a slot behind the file system. Pure: makes and reads bytes.
 * Layout in record.c.
 */

#define CONVERT_SLOT_SIZE   4096
#define CONVERT_SLOT_STRIDE (64 * KIB)
#define CONVERT_SLOTS	    2
#define CONVERT_COPY_OFFSET MIB /* of the header copy; all three count from the first slot */

struct convert_record {
	uint64_t sequence; /* from 1; the slot is sequence % CONVERT_SLOTS */
	uint64_t fs_size;  /* bytes */
	uint32_t sector_size;
	uint8_t luks_uuid[UUID_SIZE];
	uint8_t manifest_digest[HASH_SHA256_SIZE];
	/*
	 * Every used chunk >= next_chunk is durable at its new place. 0: only the header is left.
	 */
	uint64_t next_chunk;
	uint64_t header_size; /* bytes, of the header and its copy */
	uint8_t header_digest[HASH_SHA256_SIZE];
};

/* Where on the disk the record with this sequence number goes. */
static inline uint64_t convert_slot_offset(uint64_t fs_size, uint64_t sequence)
{
	return fs_size + CONVERT_SHIFT + sequence % CONVERT_SLOTS * CONVERT_SLOT_STRIDE;
}

/* @ret gets the CONVERT_SLOT_SIZE bytes of the slot, with the MAC. */
int convert_record_serialize(const struct convert_record *record, const struct secret *mac_key,
			     uint8_t ret[static CONVERT_SLOT_SIZE]);

/*
 * Strict reader of a slot. -ENOENT when it does not begin with our magic, -EBADMSG when it does and
 * anything in it is out of range. The MAC is not checked: that is convert_record_authenticate().
 */
int convert_record_parse(const uint8_t *data, size_t size, struct convert_record *ret);

/* -EKEYREJECTED when the MAC of a slot that convert_record_parse() took does not hold. */
int convert_record_authenticate(const uint8_t data[static CONVERT_SLOT_SIZE],
				const struct secret *mac_key);

#endif
