/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_DISK_DEVICE_MAPPING_H
#define CVMROOT_DISK_DEVICE_MAPPING_H

#include "base/codec.h"
#include "base/secret.h"

/*
 * The live device-mapper table: after activation it is read back from the kernel and compared with
 * the one that we meant, whatever libcryptsetup read in the header. Sectors are of 512 bytes.
 */

/* One target line, as the kernel reports it; texts are borrowed. */
struct mapping_target {
	uint64_t start;	 /* sectors */
	uint64_t length; /* sectors */
	const char *type;
	const char *parameters;
};

/* The parameters of a dm-crypt target; texts are borrowed from them and not NUL-terminated. */
struct mapping_crypt {
	const char *cipher;
	size_t cipher_size;
	const char *key; /* hex digits, or ":SIZE:TYPE:DESCRIPTION" */
	size_t key_size;
	uint64_t iv_offset; /* sectors */
	unsigned int major;
	unsigned int minor;
	uint64_t offset;      /* sectors */
	uint32_t sector_size; /* bytes */
};

/*
 * Strict parse: single spaces, canonical decimal numbers, and no optional argument but
 * "sector_size". -EBADMSG. Pure.
 */
int mapping_crypt_parse(const char *parameters, struct mapping_crypt *ret);

/* What the mapping must be. The volume key is borrowed. */
struct mapping_expected {
	uint8_t uuid[UUID_SIZE]; /* of the LUKS2 header, which names the key in the keyring */
	const struct secret *volume_key;
	uint64_t length; /* sectors */
	uint64_t offset; /* sectors */
	uint32_t sector_size;
	unsigned int major;
	unsigned int minor;
};

/* -EKEYREJECTED, with a sentence that says what differs. Pure. */
int mapping_check(const struct mapping_target *targets, size_t targets_count,
		  const struct mapping_expected *expected);

/* Read the live table of /dev/mapper/@name and check it. */
int mapping_verify(const char *name, const struct mapping_expected *expected);

/* Wait until /dev/mapper/@name is there and is the active mapping of that name. -ETIMEDOUT. */
int mapping_wait(const char *name, unsigned int wait_seconds);

/* Remove it; waits for udev where it runs. */
int mapping_remove(const char *name);

#endif
