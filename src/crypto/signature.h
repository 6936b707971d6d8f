/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_CRYPTO_SIGNATURE_H
#define CVMROOT_CRYPTO_SIGNATURE_H

#include "base/macro.h"

/* The signatures that evidence carries. Those of ECDSA are r and s, big-endian, of equal size. */
enum signature_scheme {
	SIGNATURE_RSASSA_SHA256, /* PKCS #1 v1.5, keys of 2048 bits and more */
	SIGNATURE_ECDSA_P256,	 /* with SHA-256 */
	SIGNATURE_ECDSA_P384,	 /* with SHA-384 */
};

struct signature {
	enum signature_scheme scheme;
	const uint8_t *data;
	size_t size;
};

/*
 * Is it @signature by @key, a SubjectPublicKeyInfo (RFC 5280) in DER, over @data? -EKEYREJECTED;
 * -EBADMSG: @key is no key for this scheme. Pure and silent.
 */
int signature_check(const struct signature *signature, const uint8_t *key, size_t key_size,
		    const void *data, size_t size);

/* The SubjectPublicKeyInfo of the point x, y on P-256, both big-endian. */
#define SIGNATURE_POINT_SIZE 64
#define SIGNATURE_P256_SIZE  (27 + SIGNATURE_POINT_SIZE)
void signature_p256_key(const uint8_t point[static SIGNATURE_POINT_SIZE],
			uint8_t ret[static SIGNATURE_P256_SIZE]);

#endif
