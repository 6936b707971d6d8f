/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "base/error.h"
#include "tpm/internal.h"

#include <string.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <tss2/tss2_mu.h>

static inline void pkeyp(EVP_PKEY **key)
{
	EVP_PKEY_free(*key);
}

static inline void bignump(BIGNUM **number)
{
	BN_free(*number);
}

static int pem_parse(const char *pem, EVP_PKEY **ret)
{
	/* The password of an encrypted file: without one OpenSSL would ask on the terminal. */
	char no_password[] = "";
	EVP_PKEY *key;
	BIO *text;

	if (strlen(pem) > TPM_PEM_LIMIT)
		return fail(-E2BIG, "the policy's public key is longer than %u bytes",
			    (unsigned int)TPM_PEM_LIMIT);
	text = BIO_new_mem_buf(pem, (int)strlen(pem));
	if (!text)
		return -ENOMEM;
	key = PEM_read_bio_PUBKEY(text, NULL, NULL, no_password);
	BIO_free(text);
	if (!key)
		return fail(-EBADMSG, "the policy's public key is not a public key in PEM");
	*ret = key;
	return 0;
}

/* SHA-256 of the PKCS#1 RSAPublicKey: "pkfp" of the signature file. */
static int key_fingerprint(EVP_PKEY *key, uint8_t ret[static HASH_SHA256_SIZE])
{
	unsigned char *der = NULL;
	int size = i2d_PublicKey(key, &der), r;

	if (size <= 0)
		return -EOPNOTSUPP;
	r = hash_data(HASH_SHA256, der, (size_t)size, ret);
	OPENSSL_free(der);
	return r;
}

/*
 * Written out also where it is 65537, for which a zero may stand: systemd names its keys so, but
 * for one release (systemd#30546).
 */
static int read_exponent(EVP_PKEY *key, uint32_t *ret)
{
	cleanup(bignump) BIGNUM *e = NULL;
	BN_ULONG value;

	if (EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &e) != 1)
		return -EBADMSG;
	value = BN_get_word(e);
	if (value > UINT32_MAX)
		return fail(-EOPNOTSUPP, "the policy's RSA key has an exponent above 32 bits");
	*ret = (uint32_t)value;
	return 0;
}

static int read_modulus(EVP_PKEY *key, TPM2B_PUBLIC_KEY_RSA *ret)
{
	cleanup(bignump) BIGNUM *n = NULL;
	int bits = EVP_PKEY_get_bits(key);

	if (bits != 2048 && bits != 3072 && bits != 4096)
		return fail(-EOPNOTSUPP,
			    "the policy's RSA key has %d bits; 2048, 3072 and 4096 are supported",
			    bits);
	if (EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_N, &n) != 1)
		return -EBADMSG;
	ret->size = (uint16_t)(bits / 8);
	return BN_bn2binpad(n, ret->buffer, ret->size) == ret->size ? 0 : -EBADMSG;
}

/*
 * The object that everybody uses for such keys; its name goes into the policy, so each bit counts.
 */
static int make_area(EVP_PKEY *key, TPMT_PUBLIC *ret)
{
	TPMS_RSA_PARMS *rsa = &ret->parameters.rsaDetail;
	int r;

	if (!EVP_PKEY_is_a(key, "RSA"))
		return fail(-EOPNOTSUPP, "the policy's public key is not an RSA key");
	ret->type = TPM2_ALG_RSA;
	ret->nameAlg = TPM2_ALG_SHA256;
	ret->objectAttributes =
		TPMA_OBJECT_DECRYPT | TPMA_OBJECT_SIGN_ENCRYPT | TPMA_OBJECT_USERWITHAUTH;
	rsa->symmetric.algorithm = TPM2_ALG_NULL;
	rsa->scheme.scheme = TPM2_ALG_NULL;
	rsa->keyBits = (uint16_t)EVP_PKEY_get_bits(key);
	r = read_exponent(key, &rsa->exponent);
	if (r < 0)
		return r;
	return read_modulus(key, &ret->unique.rsa);
}

int tpm_public_name(const TPMT_PUBLIC *area, uint8_t ret[static TPM_NAME_SIZE])
{
	uint8_t data[sizeof(TPMT_PUBLIC)];
	size_t size = 0;
	int r;

	if (area->nameAlg != TPM2_ALG_SHA256 ||
	    Tss2_MU_TPMT_PUBLIC_Marshal(area, data, sizeof(data), &size) != TSS2_RC_SUCCESS)
		return -EBADMSG;
	r = hash_data(HASH_SHA256, data, size, ret + 2);
	if (r < 0)
		return r;
	ret[0] = TPM2_ALG_SHA256 >> 8;
	ret[1] = TPM2_ALG_SHA256 & 0xff;
	return 0;
}

int tpm_public_read(const char *pem, struct tpm_public_key *ret)
{
	cleanup(pkeyp) EVP_PKEY *key = NULL;
	struct tpm_public_key public = {};
	int r = pem_parse(pem, &key);

	if (r < 0)
		return r;
	r = make_area(key, &public.area.publicArea);
	if (r < 0)
		return r;
	r = tpm_public_name(&public.area.publicArea, public.name);
	if (r < 0)
		return r;
	r = key_fingerprint(key, public.fingerprint);
	if (r < 0)
		return r;
	*ret = public;
	return 0;
}

static bool verifies(EVP_PKEY *key, const uint8_t *data, size_t size, const uint8_t *signature,
		     size_t signature_size)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	/* The padding of an RSA key is PKCS#1 v1.5 unless another one is asked for. */
	bool ok = context &&
		  EVP_DigestVerifyInit_ex(context, NULL, hash_name(HASH_SHA256), NULL, NULL, key,
					  NULL) == 1 &&
		  EVP_DigestVerify(context, signature, signature_size, data, size) == 1;

	EVP_MD_CTX_free(context);
	return ok;
}

int tpm_public_verify(const char *pem, const uint8_t policy[static HASH_SHA256_SIZE],
		      const uint8_t *signature, size_t signature_size)
{
	cleanup(pkeyp) EVP_PKEY *key = NULL;
	int r = pem_parse(pem, &key);

	if (r < 0)
		return r;
	if (verifies(key, policy, HASH_SHA256_SIZE, signature, signature_size))
		return 0;
	/* systemd-measure signs with the bank's hash; the TPM wants that of the key's name. */
	return fail(-EKEYREJECTED, "the signature of the PCR policy does not verify with the "
				   "policy's public key and SHA-256 (signatures for another bank "
				   "than sha256 may use another hash, which the TPM refuses)");
}
