/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "crypto/signature.h"

#include "crypto/hash.h"

#include <string.h>

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#define RSA_BITS_MIN 2048

static const struct {
	const char *type;
	int bits; /* of the curve; of RSA 0 */
	enum hash_algorithm hash;
} schemes[] = {
	[SIGNATURE_RSASSA_SHA256] = {"RSA", 0, HASH_SHA256},
	[SIGNATURE_ECDSA_P256] = {"EC", 256, HASH_SHA256},
	[SIGNATURE_ECDSA_P384] = {"EC", 384, HASH_SHA384},
};

static inline void pkeyp(EVP_PKEY **key)
{
	EVP_PKEY_free(*key);
}

static inline void md_contextp(EVP_MD_CTX **context)
{
	EVP_MD_CTX_free(*context);
}

static EVP_PKEY *read_key(enum signature_scheme scheme, const uint8_t *data, size_t size)
{
	const unsigned char *at = data;
	EVP_PKEY *key = d2i_PUBKEY(NULL, &at, (long)size);
	int bits = key ? EVP_PKEY_get_bits(key) : 0, wanted = schemes[scheme].bits;

	if (key && at == data + size && EVP_PKEY_is_a(key, schemes[scheme].type) &&
	    (wanted > 0 ? bits == wanted : bits >= RSA_BITS_MIN))
		return key;
	EVP_PKEY_free(key);
	return NULL;
}

/* Ecdsa-Sig-Value (RFC 3279) in DER of r and s; NULL without memory. */
static unsigned char *ecdsa_der(const struct signature *signature, int *ret_size)
{
	int half = (int)signature->size / 2;
	ECDSA_SIG *value = ECDSA_SIG_new();
	BIGNUM *r = BN_bin2bn(signature->data, half, NULL);
	BIGNUM *s = BN_bin2bn(signature->data + half, half, NULL);
	unsigned char *der = NULL;

	if (value && r && s && ECDSA_SIG_set0(value, r, s) == 1) {
		r = s = NULL;
		*ret_size = i2d_ECDSA_SIG(value, &der);
	}
	BN_free(r);
	BN_free(s);
	ECDSA_SIG_free(value);
	return der;
}

static int check(EVP_PKEY *key, enum hash_algorithm hash, const uint8_t *signature,
		 size_t signature_size, const void *data, size_t size)
{
	cleanup(md_contextp) EVP_MD_CTX *context = EVP_MD_CTX_new();

	if (!context ||
	    EVP_DigestVerifyInit_ex(context, NULL, hash_name(hash), NULL, NULL, key, NULL) != 1)
		return -ENOMEM;
	return EVP_DigestVerify(context, signature, signature_size, data, size) == 1
		       ? 0
		       : -EKEYREJECTED;
}

static int check_ecdsa(EVP_PKEY *key, const struct signature *signature, const void *data,
		       size_t size)
{
	enum signature_scheme scheme = signature->scheme;
	unsigned char *der;
	int der_size = 0, r;

	if (signature->size != (size_t)schemes[scheme].bits / 8 * 2)
		return -EKEYREJECTED;
	der = ecdsa_der(signature, &der_size);
	r = der ? check(key, schemes[scheme].hash, der, (size_t)der_size, data, size) : -ENOMEM;
	OPENSSL_free(der);
	return r;
}

int signature_check(const struct signature *signature, const uint8_t *key_data, size_t key_size,
		    const void *data, size_t size)
{
	enum signature_scheme scheme = signature->scheme;
	cleanup(pkeyp) EVP_PKEY *key = read_key(scheme, key_data, key_size);

	if (!key)
		return -EBADMSG;
	if (schemes[scheme].bits > 0)
		return check_ecdsa(key, signature, data, size);
	return check(key, schemes[scheme].hash, signature->data, signature->size, data, size);
}

void signature_p256_key(const uint8_t point[static SIGNATURE_POINT_SIZE],
			uint8_t ret[static SIGNATURE_P256_SIZE])
{
	/* id-ecPublicKey, prime256v1, an uncompressed point. */
	static const uint8_t head[SIGNATURE_P256_SIZE - SIGNATURE_POINT_SIZE] = {
		0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06,
		0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04,
	};

	memcpy(ret, head, sizeof(head));
	memcpy(ret + sizeof(head), point, SIGNATURE_POINT_SIZE);
}
