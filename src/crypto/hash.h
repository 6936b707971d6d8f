/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_CRYPTO_HASH_H
#define CVMROOT_CRYPTO_HASH_H

#include "base/secret.h"

enum hash_algorithm {
	HASH_SHA1, /* PCR banks only */
	HASH_SHA256,
	HASH_SHA384,
	HASH_SHA512,
	HASH_ALGORITHMS,
};

#define HASH_MAX_SIZE	 64
#define HASH_SHA256_SIZE 32

/* Bytes of a digest; its name ("sha256"), as systemd and the TCG logs write it. */
size_t hash_size(enum hash_algorithm algorithm);
const char *hash_name(enum hash_algorithm algorithm);
/* -EOPNOTSUPP for a name that is not in the table. */
int hash_from_name(const char *name, enum hash_algorithm *ret);

/* @ret has room for hash_size(). -ENOMEM or -EOPNOTSUPP when the crypto library refuses. */
int hash_data(enum hash_algorithm algorithm, const void *data, size_t size, void *ret);
/* What a register (PCR, RTMR) that holds @value has after @digest: the hash of both. */
int hash_extend(enum hash_algorithm algorithm, const uint8_t *value, const uint8_t *digest,
		uint8_t *ret);
int hmac_data(enum hash_algorithm algorithm, const struct secret *key, const void *data,
	      size_t size, void *ret);

/* A running hash, for data that comes in pieces. One thread at a time; reusable after _final. */
struct hash;
int hash_new(enum hash_algorithm algorithm, struct hash **ret);
int hash_update(struct hash *hash, const void *data, size_t size);
/* Write the digest and start again. */
int hash_final(struct hash *hash, void *ret);
void hash_free(struct hash *hash);
DEFINE_CLEANUP(struct hash *, hash_free)

/*
 * HKDF-SHA256 (RFC 5869) without salt: a key of @size bytes from a secret with high entropy. @label
 * is the info text and says what the key is for; no two uses share one.
 */
int hkdf_derive(const struct secret *secret, const char *label, size_t size, struct secret **ret);

/* The 32-byte key that authenticates one kind of state under a slot's secret: HMAC-SHA256 key. */
#define MAC_SIZE HASH_SHA256_SIZE

/* Compare two MACs or digests in constant time. */
bool mac_equal(const void *a, const void *b, size_t size);

/* -EOPNOTSUPP, with the sentence that OpenSSL failed to compute @what. */
int openssl_failed(const char *what);

#endif
