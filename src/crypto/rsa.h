/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_CRYPTO_RSA_H
#define CVMROOT_CRYPTO_RSA_H

#include "base/macro.h"

#define RSA_MODULUS_MAX_SIZE 512

/*
 * The SubjectPublicKeyInfo (RFC 5280) in DER of an RSA key with a big-endian @modulus. -EBADMSG when
 * it is no RSA key of 2048 to 4096 bits. The caller frees *ret.
 */
int rsa_public_encode(const uint8_t *modulus, size_t modulus_size, uint32_t exponent, uint8_t **ret,
		      size_t *ret_size);

#endif
