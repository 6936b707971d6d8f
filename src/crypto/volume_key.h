/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_CRYPTO_VOLUME_KEY_H
#define CVMROOT_CRYPTO_VOLUME_KEY_H

#include "base/codec.h"
#include "crypto/hash.h"

/*
 * systemd's word for a volume (tpm2-measure-pcr= of crypttab(5)): "cryptsetup:NAME:UUID", with ':',
 * '\' and what is not printable ASCII in the name escaped as \xNN. The caller frees *ret.
 */
int volume_key_word(const char *name, const uint8_t uuid[static UUID_SIZE], char **ret);

/*
 * The HMAC of the word under the volume key: what goes into PCR 15 and, with SHA-256, what
 * fixate-volume-key= checks. It tells which key it was, and nothing about it.
 */
int volume_key_digest(enum hash_algorithm algorithm, const struct secret *volume_key,
		      const char *name, const uint8_t uuid[static UUID_SIZE], void *ret);

#endif
