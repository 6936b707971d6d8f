/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_TEE_CCA_TOKEN_H
#define CVMROOT_TEE_CCA_TOKEN_H

#include "base/macro.h"

/*
 * The attestation token of an Arm CCA realm (Arm Realm Management Monitor specification, chapter
 * A7; CBOR of RFC 8949, definite lengths only): enough of it to tell what the realm's own part
 * says. The signatures are the broker's to check.
 */

#define CCA_CHALLENGE_SIZE   64
#define CCA_MEASUREMENT_SIZE 64 /* at most: by the realm's hash algorithm */

struct cca_token {
	uint8_t challenge[CCA_CHALLENGE_SIZE];
	uint8_t personalization[CCA_CHALLENGE_SIZE];
	uint8_t initial_measurement[CCA_MEASUREMENT_SIZE];
	size_t initial_measurement_size;
};

/* -EBADMSG: not such a token, or one without these claims. */
int cca_token_parse(const void *data, size_t size, struct cca_token *ret);
/* -ESTALE when the token is about another challenge. */
int cca_token_check(const struct cca_token *token,
		    const uint8_t challenge[static CCA_CHALLENGE_SIZE]);
/* 0 when the personalization value is the digest, filled with zeros; else -EKEYREJECTED. */
int cca_token_check_personalization(const struct cca_token *token, const uint8_t *digest,
				    size_t digest_size);

#endif
