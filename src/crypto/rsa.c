/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "crypto/rsa.h"

#include <string.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/x509.h>

static inline void pkeyp(EVP_PKEY **key)
{
	EVP_PKEY_free(*key);
}

static inline void contextp(EVP_PKEY_CTX **context)
{
	EVP_PKEY_CTX_free(*context);
}

static inline void bignump(BIGNUM **number)
{
	BN_free(*number);
}

static inline void builderp(OSSL_PARAM_BLD **builder)
{
	OSSL_PARAM_BLD_free(*builder);
}

static inline void paramsp(OSSL_PARAM **params)
{
	OSSL_PARAM_free(*params);
}

static EVP_PKEY *import(OSSL_PARAM *params)
{
	cleanup(contextp) EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
	EVP_PKEY *key = NULL;

	if (!context || EVP_PKEY_fromdata_init(context) != 1 ||
	    EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, params) != 1)
		return NULL;
	return key;
}

static EVP_PKEY *make_key(const uint8_t *modulus, size_t size, uint32_t exponent)
{
	cleanup(bignump) BIGNUM *n = BN_bin2bn(modulus, (int)size, NULL);
	cleanup(builderp) OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
	cleanup(paramsp) OSSL_PARAM *params = NULL;

	if (!n || !builder || OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, n) != 1 ||
	    OSSL_PARAM_BLD_push_uint32(builder, OSSL_PKEY_PARAM_RSA_E, exponent) != 1)
		return NULL;
	params = OSSL_PARAM_BLD_to_param(builder);
	return params ? import(params) : NULL;
}

int rsa_public_encode(const uint8_t *modulus, size_t modulus_size, uint32_t exponent, uint8_t **ret,
		      size_t *ret_size)
{
	cleanup(pkeyp) EVP_PKEY *key = NULL;
	unsigned char *der = NULL;
	uint8_t *copy;
	int size;

	/* A leading zero would be lost, and with it that two texts of one key are the same. */
	if (modulus_size < 256 || modulus_size > RSA_MODULUS_MAX_SIZE || !(modulus[0] & 0x80) ||
	    exponent < 3 || exponent % 2 == 0)
		return -EBADMSG;
	key = make_key(modulus, modulus_size, exponent);
	size = key ? i2d_PUBKEY(key, &der) : 0;
	if (size <= 0)
		return -ENOMEM;
	copy = malloc((size_t)size);
	if (copy)
		memcpy(copy, der, (size_t)size);
	OPENSSL_free(der);
	if (!copy)
		return -ENOMEM;
	*ret = copy;
	*ret_size = (size_t)size;
	return 0;
}
