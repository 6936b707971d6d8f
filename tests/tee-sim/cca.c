/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
/*
 * Arm CCA: the attestation token of a realm (RMM specification, section A7.2;
 * draft-ffm-rats-cca-token): a CBOR collection of two COSE_Sign1, each ES384.
 */
#include "sim.h"

#include <openssl/evp.h>
#include <string.h>

#define FIELD 48 /* P-384 */

/* ---- CBOR, RFC 8949 ---- */

enum major {
	CBOR_UNSIGNED,
	CBOR_NEGATIVE,
	CBOR_BYTES,
	CBOR_TEXT,
	CBOR_ARRAY,
	CBOR_MAP,
	CBOR_TAG,
};

static void put_head(struct bytes *bytes, enum major major, uint64_t value)
{
	size_t size = value < 24 ? 0 : value <= 0xff ? 1 : value <= 0xffff ? 2 : 4;
	uint64_t low = size == 0 ? value : size == 4 ? 26 : 23 + size;

	bytes_put_be(bytes, (uint64_t)major << 5 | low, 1);
	bytes_put_be(bytes, value, size);
}

static void put_int(struct bytes *bytes, int64_t value)
{
	if (value >= 0)
		put_head(bytes, CBOR_UNSIGNED, (uint64_t)value);
	else
		put_head(bytes, CBOR_NEGATIVE, (uint64_t)(-1 - value));
}

static void put_string(struct bytes *bytes, const void *data, size_t size)
{
	put_head(bytes, CBOR_BYTES, size);
	bytes_put(bytes, data, size);
}

static void put_text(struct bytes *bytes, const char *text)
{
	put_head(bytes, CBOR_TEXT, strlen(text));
	bytes_put_text(bytes, text);
}

static void put_int_text(struct bytes *bytes, int64_t key, const char *text)
{
	put_int(bytes, key);
	put_text(bytes, text);
}

static void put_int_string(struct bytes *bytes, int64_t key, const void *data, size_t size)
{
	put_int(bytes, key);
	put_string(bytes, data, size);
}

/* ---- COSE, RFC 9052 ---- */

/* {1: -35}: ES384. */
static const uint8_t protected_header[] = {0xa1, 0x01, 0x38, 0x22};

static void put_sign1(struct bytes *ret, EVP_PKEY *key, const struct bytes *payload, bool bad)
{
	struct bytes structure = {0};
	uint8_t signature[2 * FIELD];

	put_head(&structure, CBOR_ARRAY, 4);
	put_text(&structure, "Signature1");
	put_string(&structure, protected_header, sizeof(protected_header));
	put_string(&structure, NULL, 0);
	put_string(&structure, payload->data, payload->size);
	key_sign(key, "SHA384", structure.data, structure.size, FIELD, signature);
	bytes_free(&structure);
	if (bad)
		signature[8] ^= 1;
	put_head(ret, CBOR_TAG, 18);
	put_head(ret, CBOR_ARRAY, 4);
	put_string(ret, protected_header, sizeof(protected_header));
	put_head(ret, CBOR_MAP, 0);
	put_string(ret, payload->data, payload->size);
	put_string(ret, signature, sizeof(signature));
}

/* ---- Claims ---- */

static void put_realm_key(struct bytes *ret, EVP_PKEY *key)
{
	uint8_t point[2 * FIELD];

	key_point(key, FIELD, point);
	put_head(ret, CBOR_MAP, 4);
	put_int(ret, 1);  /* kty */
	put_int(ret, 2);  /* EC2 */
	put_int(ret, -1); /* crv */
	put_int(ret, 2);  /* P-384 */
	put_int_string(ret, -2, point, FIELD);
	put_int_string(ret, -3, point + FIELD, FIELD);
}

static void put_realm(const struct sim *sim, const uint8_t *challenge, const struct bytes *key,
		      struct bytes *ret)
{
	put_head(ret, CBOR_MAP, 8);
	put_int_text(ret, 265, "tag:arm.com,2023:realm#1.0.0");
	put_int_string(ret, 10, challenge, REPORT_DATA_SIZE);
	put_int_string(ret, 44235, sim->initdata, sizeof(sim->initdata)); /* personalization */
	put_int_text(ret, 44236, "sha-256");
	put_int_string(ret, 44237, key->data, key->size);
	put_int_string(ret, 44238, sim->measurement, 32); /* initial measurement */
	put_int(ret, 44239);				  /* extensible measurements */
	put_head(ret, CBOR_ARRAY, RTMR_COUNT);
	for (size_t i = 0; i < RTMR_COUNT; i++)
		put_string(ret, sim->rtmr[i], 32);
	put_int_text(ret, 44240, "sha-256"); /* of the key in the platform's challenge */
}

static void put_component(struct bytes *ret, const char *type, uint8_t value)
{
	uint8_t measurement[32], signer[32];

	memset(measurement, value, sizeof(measurement));
	memset(signer, 0x53, sizeof(signer));
	put_head(ret, CBOR_MAP, 4);
	put_int_text(ret, 1, type);
	put_int_string(ret, 2, measurement, sizeof(measurement));
	put_int_string(ret, 5, signer, sizeof(signer));
	put_int_text(ret, 6, "sha-256");
}

static void put_platform(const struct bytes *realm_key, struct bytes *ret)
{
	uint8_t challenge[32], implementation[32], instance[33];

	hash_bytes("SHA256", realm_key->data, realm_key->size, challenge);
	memset(implementation, 0x1A, sizeof(implementation));
	memset(instance, 0x1B, sizeof(instance));
	instance[0] = 0x01; /* a universal entity identifier of the kind RAND */
	put_head(ret, CBOR_MAP, 8);
	put_int_text(ret, 265, "tag:arm.com,2023:cca_platform#1.0.0");
	put_int_string(ret, 10, challenge, sizeof(challenge));
	put_int_string(ret, 2396, implementation, sizeof(implementation));
	put_int_string(ret, 256, instance, sizeof(instance));
	put_int_string(ret, 2401, "\xCF\xCF\xCF\xCF", 4); /* configuration */
	put_int(ret, 2395);				  /* lifecycle */
	put_int(ret, 0x3003);				  /* secured */
	put_int_text(ret, 2402, "sha-256");
	put_int(ret, 2399);
	put_head(ret, CBOR_ARRAY, 2);
	put_component(ret, "BL1", 0xB1);
	put_component(ret, "RMM", 0xB2);
}

void cca_make_token(const struct sim *sim, const uint8_t *challenge, struct bytes *ret)
{
	EVP_PKEY *realm_key = key_generate("P-384"), *platform_key = key_load(sim, "cca-cpak.key");
	struct bytes key = {0}, claims = {0}, realm = {0}, platform = {0};

	put_realm_key(&key, realm_key);
	put_platform(&key, &claims);
	put_sign1(&platform, platform_key, &claims, false);
	bytes_free(&claims);
	put_realm(sim, challenge, &key, &claims);
	put_sign1(&realm, realm_key, &claims, sim->bad_signature);
	put_head(ret, CBOR_TAG, 399);
	put_head(ret, CBOR_MAP, 2);
	put_int_string(ret, 44234, platform.data, platform.size);
	put_int_string(ret, 44241, realm.data, realm.size);
	bytes_free(&key);
	bytes_free(&claims);
	bytes_free(&realm);
	bytes_free(&platform);
	EVP_PKEY_free(realm_key);
	EVP_PKEY_free(platform_key);
}
