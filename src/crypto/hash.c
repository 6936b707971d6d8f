/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "crypto/hash.h"

#include "base/error.h"

#include <limits.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/kdf.h>

static const struct {
	const char *name;
	size_t size;
	const EVP_MD *(*method)(void);
} algorithms[HASH_ALGORITHMS] = {
	[HASH_SHA1] = {"sha1", 20, EVP_sha1},
	[HASH_SHA256] = {"sha256", 32, EVP_sha256},
	[HASH_SHA384] = {"sha384", 48, EVP_sha384},
	[HASH_SHA512] = {"sha512", 64, EVP_sha512},
};

struct hash {
	EVP_MD *method;
	EVP_MD_CTX *context;
};

/* All of them are in OpenSSL's default provider: memory, or a provider that is out of order. */
int openssl_failed(const char *what)
{
	return fail(-EOPNOTSUPP, "OpenSSL failed to compute %s", what);
}

size_t hash_size(enum hash_algorithm algorithm)
{
	return algorithms[algorithm].size;
}

const char *hash_name(enum hash_algorithm algorithm)
{
	return algorithms[algorithm].name;
}

int hash_from_name(const char *name, enum hash_algorithm *ret)
{
	for (size_t i = 0; i < HASH_ALGORITHMS; i++) {
		if (strcmp(algorithms[i].name, name) == 0) {
			*ret = (enum hash_algorithm)i;
			return 0;
		}
	}
	return -EOPNOTSUPP;
}

int hash_data(enum hash_algorithm algorithm, const void *data, size_t size, void *ret)
{
	if (EVP_Digest(data, size, ret, NULL, algorithms[algorithm].method(), NULL) != 1)
		return openssl_failed(algorithms[algorithm].name);
	return 0;
}

int hash_extend(enum hash_algorithm algorithm, const uint8_t *value, const uint8_t *digest,
		uint8_t *ret)
{
	uint8_t both[2 * HASH_MAX_SIZE];
	size_t size = hash_size(algorithm);

	memcpy(both, value, size);
	memcpy(both + size, digest, size);
	return hash_data(algorithm, both, 2 * size, ret);
}

int hmac_data(enum hash_algorithm algorithm, const struct secret *key, const void *data,
	      size_t size, void *ret)
{
	if (key->size > INT_MAX)
		return -EINVAL;
	if (!HMAC(algorithms[algorithm].method(), key->data, (int)key->size, data, size, ret, NULL))
		return openssl_failed("an HMAC");
	return 0;
}

int hash_new(enum hash_algorithm algorithm, struct hash **ret)
{
	cleanup(hash_freep) struct hash *hash = calloc(1, sizeof(*hash));

	if (!hash)
		return -ENOMEM;
	/* Fetched once: an implicit fetch at each start costs more than hashing a small block. */
	hash->method = EVP_MD_fetch(NULL, algorithms[algorithm].name, NULL);
	hash->context = EVP_MD_CTX_new();
	if (!hash->method)
		return openssl_failed(algorithms[algorithm].name);
	if (!hash->context)
		return -ENOMEM;
	if (EVP_DigestInit_ex2(hash->context, hash->method, NULL) != 1)
		return openssl_failed(algorithms[algorithm].name);
	*ret = TAKE_PTR(hash);
	return 0;
}

int hash_update(struct hash *hash, const void *data, size_t size)
{
	return EVP_DigestUpdate(hash->context, data, size) == 1 ? 0 : openssl_failed("a hash");
}

int hash_final(struct hash *hash, void *ret)
{
	if (EVP_DigestFinal_ex(hash->context, ret, NULL) != 1 ||
	    EVP_DigestInit_ex2(hash->context, NULL, NULL) != 1)
		return openssl_failed("a hash");
	return 0;
}

void hash_free(struct hash *hash)
{
	if (!hash)
		return;
	EVP_MD_CTX_free(hash->context);
	EVP_MD_free(hash->method);
	free(hash);
}

static int hkdf_into(const struct secret *secret, const char *label, struct secret *key)
{
	EVP_KDF *method = EVP_KDF_fetch(NULL, "HKDF", NULL);
	EVP_KDF_CTX *context = method ? EVP_KDF_CTX_new(method) : NULL;
	OSSL_PARAM parameters[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char[]){"SHA256"}, 0),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, secret->data, secret->size),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, (void *)(uintptr_t)label,
						  strlen(label)),
		OSSL_PARAM_construct_end(),
	};
	int ok = context && EVP_KDF_derive(context, key->data, key->size, parameters) == 1;

	EVP_KDF_CTX_free(context);
	EVP_KDF_free(method);
	return ok ? 0 : openssl_failed("HKDF");
}

int hkdf_derive(const struct secret *secret, const char *label, size_t size, struct secret **ret)
{
	cleanup(secret_freep) struct secret *key = NULL;
	int r = secret_new(size, &key);

	if (r < 0)
		return r;
	r = hkdf_into(secret, label, key);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(key);
	return 0;
}

bool mac_equal(const void *a, const void *b, size_t size)
{
	return CRYPTO_memcmp(a, b, size) == 0;
}
