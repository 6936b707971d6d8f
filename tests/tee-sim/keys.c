/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
/* The test roots: PEM files of one folder, and signatures in the forms that hardware writes. */
#include "sim.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <stdio.h>

static FILE *file_open(const struct sim *sim, const char *name)
{
	char path[512];
	FILE *file;

	check(sim->keys, "--keys FOLDER is missing");
	snprintf(path, sizeof(path), "%s/%s", sim->keys, name);
	file = fopen(path, "re");
	check(file, "cannot open %s", path);
	return file;
}

void file_put(struct bytes *bytes, const struct sim *sim, const char *name)
{
	FILE *file = file_open(sim, name);
	uint8_t buffer[4096];
	size_t n;

	while ((n = fread(buffer, 1, sizeof(buffer), file)) > 0)
		bytes_put(bytes, buffer, n);
	fclose(file);
}

EVP_PKEY *key_load(const struct sim *sim, const char *name)
{
	FILE *file = file_open(sim, name);
	EVP_PKEY *key = PEM_read_PrivateKey(file, NULL, NULL, NULL);

	fclose(file);
	check(key, "%s is not a private key", name);
	return key;
}

EVP_PKEY *key_generate(const char *curve)
{
	EVP_PKEY *key = EVP_EC_gen(curve);

	check(key, "cannot make a key on %s", curve);
	return key;
}

X509 *certificate_load(const struct sim *sim, const char *name)
{
	FILE *file = file_open(sim, name);
	X509 *certificate = PEM_read_X509(file, NULL, NULL, NULL);

	fclose(file);
	check(certificate, "%s is not a certificate", name);
	return certificate;
}

void certificate_put_der(struct bytes *bytes, X509 *certificate)
{
	uint8_t *der = NULL;
	int size = i2d_X509(certificate, &der);

	check(size > 0, "cannot encode a certificate");
	bytes_put(bytes, der, (size_t)size);
	OPENSSL_free(der);
}

void hash_bytes(const char *hash, const void *data, size_t size, uint8_t *ret)
{
	check(EVP_Q_digest(NULL, hash, NULL, data, size, ret, NULL), "cannot hash by %s", hash);
}

void key_sign(EVP_PKEY *key, const char *hash, const void *data, size_t size, size_t field,
	      uint8_t *ret)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	uint8_t der[256];
	const uint8_t *next = der;
	size_t der_size = sizeof(der);
	ECDSA_SIG *signature;

	check(context && EVP_DigestSignInit_ex(context, NULL, hash, NULL, NULL, key, NULL) == 1 &&
		      EVP_DigestSign(context, der, &der_size, data, size) == 1,
	      "cannot sign");
	signature = d2i_ECDSA_SIG(NULL, &next, (long)der_size);
	check(signature, "not an ECDSA signature");
	check(BN_bn2binpad(ECDSA_SIG_get0_r(signature), ret, (int)field) > 0 &&
		      BN_bn2binpad(ECDSA_SIG_get0_s(signature), ret + field, (int)field) > 0,
	      "a key of another size");
	ECDSA_SIG_free(signature);
	EVP_MD_CTX_free(context);
}

void key_point(EVP_PKEY *key, size_t field, uint8_t *ret)
{
	uint8_t point[1 + 2 * 66];
	size_t size;

	check(EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY, point,
					      sizeof(point), &size) == 1 &&
		      size == 1 + 2 * field && point[0] == 4,
	      "not a point of the curve");
	for (size_t i = 0; i < 2 * field; i++)
		ret[i] = point[1 + i];
}
