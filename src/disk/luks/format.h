/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_DISK_LUKS_FORMAT_H
#define CVMROOT_DISK_LUKS_FORMAT_H

#include "disk/luks/luks.h"

/*
 * What the files of luks.h share: the on-disk layout of LUKS2 (LUKS2 on-disk format 1.1.1), in the
 * one shape that we make and accept, and the checked header in RAM. Pure.
 *
 *	[0, 16 KiB)       primary: 4 KiB binary header, 12 KiB JSON
 *	[16 KiB, 32 KiB)  secondary: the same
 *	[32 KiB, 8 MiB)   keyslot areas
 */
#define LUKS_METADATA_SIZE   (16 * KIB)
#define LUKS_BINARY_SIZE     (4 * KIB)
#define LUKS_JSON_SIZE	     (LUKS_METADATA_SIZE - LUKS_BINARY_SIZE)
#define LUKS_AREAS_OFFSET    (2 * LUKS_METADATA_SIZE)
#define LUKS_KEYSLOTS_SIZE   (LUKS_HEADER_SIZE - LUKS_AREAS_OFFSET)
#define LUKS_AREA_SIZE	     ((uint64_t)258048) /* 64 bytes in 4000 stripes, in whole 4 KiB */
#define LUKS_NUMBERS	     32			/* keyslots and tokens are numbered 0 to 31 */
#define LUKS_CIPHER	     "aes-xts-plain64"
#define LUKS_CVMROOT_VERSION 1

/* One of the two copies; both are at index * LUKS_METADATA_SIZE. */
struct luks_metadata {
	uint64_t sequence;
	uint8_t uuid[UUID_SIZE];
	const char *json; /* borrowed; NUL-terminated */
	size_t json_size; /* without NUL */
};

/*
 * Check one copy: every field of the binary header, its checksum, and that nothing follows the JSON
 * text. @data holds LUKS_METADATA_SIZE bytes. -EBADMSG with its sentence.
 */
int luks_metadata_parse(const uint8_t *data, unsigned int index, struct luks_metadata *ret);

/* Write a copy. -E2BIG when the JSON text has no room. */
int luks_metadata_write(const struct luks_metadata *metadata, unsigned int index,
			uint8_t ret[static LUKS_METADATA_SIZE]);

struct luks_area {
	uint64_t offset;
	uint8_t *data; /* LUKS_AREA_SIZE bytes, or NULL: no such keyslot */
};

struct luks_header {
	struct luks_facts facts;
	json_t *json;
	uint64_t sequence;
	struct luks_area areas[LUKS_NUMBERS];
	/* From the cvmroot token. */
	bool has_mac[LUKS_NUMBERS];
	uint8_t macs[LUKS_NUMBERS][MAC_SIZE];
};

/*
 * The token's MAC of one slot: HMAC-SHA256 of the facts (layout in mac.c) under HKDF of the slot's
 * passphrase or, when that is short, of passphrase || volume key: else the MAC would be a way to
 * try passphrases without the cost of argon2id.
 */
int luks_mac(const struct luks_facts *facts, unsigned int slot, const struct secret *passphrase,
	     const struct secret *volume_key, uint8_t ret[static MAC_SIZE]);

#endif
