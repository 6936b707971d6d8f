/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "pki.h"

#include <openssl/pem.h>
#include <openssl/sha.h>
#include <openssl/x509v3.h>

static char *take_text(BIO *bio)
{
	char *data, *text;
	long size = BIO_get_mem_data(bio, &data);

	text = calloc(1, (size_t)size + 1);
	assert_non_null(text);
	memcpy(text, data, (size_t)size);
	BIO_free(bio);
	return text;
}

static void add_extension(X509 *certificate, int nid, const char *value)
{
	X509V3_CTX context;
	X509_EXTENSION *extension;

	X509V3_set_ctx(&context, NULL, certificate, NULL, NULL, 0);
	extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
	assert_non_null(extension);
	assert_int_equal(X509_add_ext(certificate, extension, -1), 1);
	X509_EXTENSION_free(extension);
}

static X509 *make_certificate(const struct identity_options *options, EVP_PKEY *key)
{
	static long serial;
	X509 *certificate = X509_new();
	X509_NAME *name = X509_get_subject_name(certificate);
	const struct identity *issuer = options->issuer;

	X509_set_version(certificate, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(certificate), ++serial);
	X509_time_adj_ex(X509_getm_notBefore(certificate), (int)options->from_days, 0, NULL);
	X509_time_adj_ex(X509_getm_notAfter(certificate), (int)options->to_days, 0, NULL);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const uint8_t *)options->name, -1, -1,
				   0);
	X509_set_issuer_name(certificate,
			     issuer ? X509_get_subject_name(issuer->certificate) : name);
	X509_set_pubkey(certificate, key);
	if (options->alternatives)
		add_extension(certificate, NID_subject_alt_name, options->alternatives);
	else
		add_extension(certificate, NID_basic_constraints, "critical,CA:TRUE");
	assert_true(X509_sign(certificate, issuer ? issuer->key : key, EVP_sha256()) > 0);
	return certificate;
}

struct identity *identity_new(const struct identity_options *options)
{
	struct identity *identity = calloc(1, sizeof(*identity));
	BIO *certificate = BIO_new(BIO_s_mem()), *key = BIO_new(BIO_s_mem());

	assert_non_null(identity);
	identity->key = EVP_EC_gen("P-256");
	assert_non_null(identity->key);
	identity->certificate = make_certificate(options, identity->key);
	assert_int_equal(PEM_write_bio_X509(certificate, identity->certificate), 1);
	assert_int_equal(PEM_write_bio_PrivateKey(key, identity->key, NULL, NULL, 0, NULL, NULL),
			 1);
	identity->certificate_pem = take_text(certificate);
	identity->key_pem = take_text(key);
	return identity;
}

void identity_free(struct identity *identity)
{
	X509_free(identity->certificate);
	EVP_PKEY_free(identity->key);
	free(identity->certificate_pem);
	free(identity->key_pem);
	free(identity);
}

void identity_pin(const struct identity *identity, char ret[static 64])
{
	uint8_t digest[SHA256_DIGEST_LENGTH];
	unsigned char *der = NULL;
	int size = i2d_PUBKEY(identity->key, &der);

	assert_true(size > 0);
	SHA256(der, (size_t)size, digest);
	OPENSSL_free(der);
	strcpy(ret, "sha256//");
	base64_encode(digest, sizeof(digest), ret + strlen(ret));
}

char *identity_locked_key(const struct identity *identity)
{
	BIO *bio = BIO_new(BIO_s_mem());

	assert_int_equal(PEM_write_bio_PKCS8PrivateKey(bio, identity->key, EVP_aes_128_cbc(),
						       "password", 8, NULL, NULL),
			 1);
	return take_text(bio);
}
