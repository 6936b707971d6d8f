/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_DISK_LUKS_LUKS_H
#define CVMROOT_DISK_LUKS_LUKS_H

#include "base/codec.h"
#include "base/json.h"
#include "crypto/hash.h"

/*
 * The LUKS2 header (LUKS2 on-disk format specification), made and opened in RAM. The checker is
 * pure; what uses libcryptsetup works on a memfd and never reads a header from the disk.
 */

#define LUKS_DATA_OFFSET     (16 * MIB)
#define LUKS_VOLUME_KEY_SIZE 64
#define LUKS_SLOTS_MAX	     8
#define LUKS_HEADER_SIZE     (8 * MIB) /* metadata and keyslots; zero from there to the data */
#define LUKS_FRONT_SIZE	     MIB       /* as much of it as most headers use */
#define LUKS_LABEL	     "cvmroot"
#define LUKS_TOKEN_TYPE	     "cvmroot"

/* What the cvmroot token's MAC covers, and what the outside memory (TPM NV, broker) remembers. */
struct luks_facts {
	uint8_t uuid[UUID_SIZE];
	uint64_t data_offset; /* bytes */
	uint32_t sector_size;
	uint64_t epoch;
	uint8_t fingerprint[HASH_SHA256_SIZE]; /* volume_key_digest() with SHA-256 */
};

/* Bytes of a passphrase that is not worth guessing; a shorter one is stretched by argon2id. */
#define LUKS_STRONG_PASSPHRASE 32

/* One keyslot to make: its passphrase, and the token that tells how to get it (or NULL). */
struct luks_slot {
	const struct secret *passphrase;
	json_t *token; /* "keyslots" is filled in; borrowed */
	/*
	 * Tokens of which each tells how to get a part of the passphrase. They name no keyslot, so
	 * that other tools do not take a part for the whole. Borrowed.
	 */
	json_t *const *parts;
	size_t parts_count;
};

/*
 * A new header: aes-xts-plain64, keyslots by pbkdf2-sha512 with 1000 iterations (argon2id for a
 * short passphrase), one digest, the slots' tokens, and the cvmroot token with a MAC per slot.
 * facts->fingerprint is the caller's. The LUKS_HEADER_SIZE bytes go to *ret, which the caller
 * frees.
 */
int luks_header_make(const struct luks_facts *facts, const struct secret *volume_key,
		     const struct luks_slot *slots, size_t slots_count, uint8_t **ret,
		     size_t *ret_size);

/* A header that passed the allow-list: RAM only. */
struct luks_header;

/*
 * Strict check of a copy of the header, by the allow-list of check.c. @size bytes as read from the
 * disk; LUKS_HEADER_SIZE are always enough. Pure. -EBADMSG with a sentence that names what was
 * refused; -EMEDIUMTYPE when there is no LUKS2 magic at all; -ENODATA when a keyslot lies behind
 * @size.
 */
int luks_header_check(const uint8_t *data, size_t size, struct luks_header **ret);
/* As far as the header says: uuid, data offset, sector size, epoch; the fingerprint stays zero. */
const struct luks_facts *luks_header_facts(const struct luks_header *header);
/* The next token of @type whose slot is *ret_slot; begin with *cursor = 0. Borrowed. NULL at the
 * end. A token that names several slots is given once for each. */
json_t *luks_header_token(const struct luks_header *header, const char *type, size_t *cursor,
			  int *ret_slot);
/* The first token of @type that names no keyslot: it tells of a part of slot 0's passphrase. */
json_t *luks_header_part(const struct luks_header *header, const char *type);
void luks_header_free(struct luks_header *header);
DEFINE_CLEANUP(struct luks_header *, luks_header_free)

/*
 * Unlock one slot of the RAM copy, check the cvmroot token's MAC with the slot's secret and the
 * volume key's fingerprint against it. -EKEYREJECTED when the slot does not exist or has no MAC,
 * the passphrase opens nothing, or the MAC does not hold. @name is the mapping's, for the
 * fingerprint; *ret_facts is then complete and authenticated.
 */
int luks_header_unlock(const struct luks_header *header, int slot, const struct secret *passphrase,
		       const char *name, struct luks_facts *ret_facts,
		       struct secret **ret_volume_key);

/*
 * Activate @device as /dev/mapper/@name by volume key, from the RAM copy, then read the live table
 * back (mapping.h) and compare it with the one meant; on a difference the mapping is removed and
 * -EKEYREJECTED returned. The node is there on success. -EEXIST when the name is taken;
 * -EMEDIUMTYPE when the device's size is no multiple of the sector size.
 */
int luks_header_activate(const struct luks_header *header, const char *device, const char *name,
			 const struct secret *volume_key);

#endif
