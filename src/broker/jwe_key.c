/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "base/codec.h"
#include "base/error.h"
#include "broker/internal.h"

#include <string.h>

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>

void jwe_key_free(struct jwe_key *key)
{
	if (!key)
		return;
	secret_free(key->d);
	free(key);
}

/* OpenSSL wipes a private number when it frees the key that holds it; so do we with our copy. */
static int take_private(EVP_PKEY *pair, struct jwe_key *key)
{
	BIGNUM *d = NULL;
	int r = -EOPNOTSUPP;

	if (EVP_PKEY_get_bn_param(pair, OSSL_PKEY_PARAM_PRIV_KEY, &d) == 1)
		r = secret_new(JWK_P256_SIZE, &key->d);
	if (r == 0 && BN_bn2binpad(d, key->d->data, JWK_P256_SIZE) != JWK_P256_SIZE)
		r = -EOPNOTSUPP;
	BN_clear_free(d);
	return r;
}

/* Padded to the full length (RFC 7518 §6.2.1.2): brokers refuse less. */
static int take_coordinate(EVP_PKEY *pair, const char *name, char ret[JWK_P256_TEXT_MAX])
{
	uint8_t raw[JWK_P256_SIZE];
	BIGNUM *number = NULL;
	int r = -EOPNOTSUPP;

	if (EVP_PKEY_get_bn_param(pair, name, &number) == 1 &&
	    BN_bn2binpad(number, raw, sizeof(raw)) == (int)sizeof(raw)) {
		base64url_encode(raw, sizeof(raw), ret);
		r = 0;
	}
	BN_free(number);
	return r;
}

static int take_parts(EVP_PKEY *pair, struct jwe_key *key)
{
	int r = take_private(pair, key);

	if (r == 0)
		r = take_coordinate(pair, OSSL_PKEY_PARAM_EC_PUB_X, key->x);
	if (r == 0)
		r = take_coordinate(pair, OSSL_PKEY_PARAM_EC_PUB_Y, key->y);
	return r;
}

int jwe_key_new(struct jwe_key **ret)
{
	cleanup(jwe_key_freep) struct jwe_key *key = calloc(1, sizeof(*key));
	EVP_PKEY *pair;
	int r;

	if (!key)
		return -ENOMEM;
	pair = EVP_EC_gen("P-256");
	r = pair ? take_parts(pair, key) : -EOPNOTSUPP;
	EVP_PKEY_free(pair);
	if (r == -ENOMEM)
		return r;
	if (r < 0)
		return fail(r, "cannot make a key for the broker's answer");
	*ret = TAKE_PTR(key);
	return 0;
}
