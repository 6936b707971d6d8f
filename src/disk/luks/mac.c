/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "disk/luks/format.h"

#include "base/reader.h"

#include <string.h>

#define MAC_KEY_LABEL "cvmroot header v1"

/*
 * What a MAC covers: 128 bytes, every field at a fixed place, integers little-endian.
 *
 *	  0  16  "cvmroot-facts-v1", no NUL
 *	 16   4  keyslot number
 *	 20   4  sector size, bytes
 *	 24   8  data offset, bytes
 *	 32   8  epoch
 *	 40   4  volume key size, bytes
 *	 44   4  zero
 *	 48  16  LUKS UUID, in text order
 *	 64  32  cipher text, zero-padded
 *	 96  32  volume-key fingerprint
 *
 * Another layout gets another first field, and another MAC_KEY_LABEL.
 */
#define FACTS_MAGIC	  "cvmroot-facts-v1"
#define FACTS_SIZE	  128
#define FACTS_CIPHER_SIZE 32

static void write_facts(struct writer *writer, const struct luks_facts *facts, unsigned int slot)
{
	static const char cipher[FACTS_CIPHER_SIZE] = LUKS_CIPHER;

	writer_bytes(writer, FACTS_MAGIC, strlen(FACTS_MAGIC));
	writer_le32(writer, slot);
	writer_le32(writer, facts->sector_size);
	writer_le64(writer, facts->data_offset);
	writer_le64(writer, facts->epoch);
	writer_le32(writer, LUKS_VOLUME_KEY_SIZE);
	writer_le32(writer, 0);
	writer_bytes(writer, facts->uuid, UUID_SIZE);
	writer_bytes(writer, cipher, sizeof(cipher));
	writer_bytes(writer, facts->fingerprint, HASH_SHA256_SIZE);
}

static int derive_key(const struct secret *passphrase, const struct secret *volume_key,
		      struct secret **ret)
{
	cleanup(secret_freep) struct secret *both = NULL;
	int r;

	if (passphrase->size >= LUKS_STRONG_PASSPHRASE)
		return hkdf_derive(passphrase, MAC_KEY_LABEL, MAC_SIZE, ret);
	r = secret_new(passphrase->size + volume_key->size, &both);
	if (r < 0)
		return r;
	memcpy(both->data, passphrase->data, passphrase->size);
	memcpy(both->data + passphrase->size, volume_key->data, volume_key->size);
	return hkdf_derive(both, MAC_KEY_LABEL, MAC_SIZE, ret);
}

int luks_mac(const struct luks_facts *facts, unsigned int slot, const struct secret *passphrase,
	     const struct secret *volume_key, uint8_t ret[static MAC_SIZE])
{
	cleanup(secret_freep) struct secret *key = NULL;
	cleanup(writer_done) struct writer writer = {};
	int r = derive_key(passphrase, volume_key, &key);

	if (r < 0)
		return r;
	write_facts(&writer, facts, slot);
	if (writer.error < 0)
		return writer.error;
	return hmac_data(HASH_SHA256, key, writer.data, writer.size, ret);
}
