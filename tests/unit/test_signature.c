/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "unit.h"

#include "crypto/rsa.h"
#include "crypto/signature.h"

/* RFC 6979, A.2.5 and A.2.6: the text "sample", with SHA-256 and with SHA-384. */
#define MESSAGE "sample"
#define P256_POINT                                                                                 \
	"60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6"                         \
	"7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299"
#define P256_SIGNATURE                                                                             \
	"efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716"                         \
	"f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8"
/* SubjectPublicKeyInfo: id-ecPublicKey, secp384r1 (RFC 5480), an uncompressed point. */
#define P384_KEY                                                                                   \
	"3076301006072a8648ce3d020106052b8104002203620004"                                         \
	"ec3a4e415b4e19a4568618029f427fa5da9a8bc4ae92e02e06aae5286b300c64def8f0ea9055866064a25451" \
	"5480bc138015d9b72d7d57244ea8ef9ac0c621896708a59367f9dfb9f54ca84b3f1c9db1288b231c3ae0d4fe" \
	"7344fd2533264720"
#define P384_SIGNATURE                                                                             \
	"94edbb92a5ecb8aad4736e56c691916b3f88140666ce9fa73d64c4ea95ad133c81a648152e44acf96e36dd1e" \
	"80fabe4699ef4aeb15f178cea1fe40db2603138f130e740a19624526203b6351d0a3a94fa329c145786e679e" \
	"7b82c71a38628ac8"

static void refuses_each_bit(const struct signature *good, const uint8_t *key, size_t key_size)
{
	uint8_t data[96];
	struct signature altered = {good->scheme, data, good->size};

	for (size_t i = 0; i < 8 * good->size; i += 5) {
		memcpy(data, good->data, good->size);
		data[i / 8] ^= (uint8_t)(1 << i % 8);
		assert_int_equal(signature_check(&altered, key, key_size, MESSAGE, strlen(MESSAGE)),
				 -EKEYREJECTED);
	}
}

static void check(const struct signature *good, const uint8_t *key, size_t key_size)
{
	struct signature shorter = *good;

	assert_int_equal(signature_check(good, key, key_size, MESSAGE, strlen(MESSAGE)), 0);
	assert_int_equal(signature_check(good, key, key_size, "sampl", 5), -EKEYREJECTED);
	refuses_each_bit(good, key, key_size);
	for (shorter.size = 0; shorter.size < good->size; shorter.size += 2)
		assert_int_equal(signature_check(&shorter, key, key_size, MESSAGE, strlen(MESSAGE)),
				 -EKEYREJECTED);
	assert_int_equal(signature_check(good, key, key_size - 1, MESSAGE, strlen(MESSAGE)),
			 -EBADMSG);
}

static void test_p256(void **state)
{
	HEX(point, P256_POINT);
	HEX(data, P256_SIGNATURE);
	uint8_t key[SIGNATURE_P256_SIZE + 1] = {};
	struct signature signature = {SIGNATURE_ECDSA_P256, data, sizeof(data)};

	(void)state;
	signature_p256_key(point, key);
	check(&signature, key, SIGNATURE_P256_SIZE);
	/* Nothing may follow the key. */
	assert_int_equal(signature_check(&signature, key, sizeof(key), MESSAGE, strlen(MESSAGE)),
			 -EBADMSG);
	/* A point that is not on the curve. */
	key[SIGNATURE_P256_SIZE - 1] ^= 1;
	assert_int_equal(signature_check(&signature, key, SIGNATURE_P256_SIZE, MESSAGE,
					 strlen(MESSAGE)),
			 -EBADMSG);
}

static void test_p384(void **state)
{
	HEX(key, P384_KEY);
	HEX(data, P384_SIGNATURE);
	const struct signature signature = {SIGNATURE_ECDSA_P384, data, sizeof(data)};

	(void)state;
	check(&signature, key, sizeof(key));
}

/* A key counts for its own scheme only. */
static void test_other_keys(void **state)
{
	HEX(p384, P384_KEY);
	HEX(point, P256_POINT);
	uint8_t p256[SIGNATURE_P256_SIZE], modulus[256], data[256] = {1};
	cleanup(freep) uint8_t *rsa = NULL;
	size_t rsa_size;

	(void)state;
	signature_p256_key(point, p256);
	memset(modulus, 0xff, sizeof(modulus));
	assert_int_equal(rsa_public_encode(modulus, sizeof(modulus), 65537, &rsa, &rsa_size), 0);
	for (enum signature_scheme scheme = SIGNATURE_RSASSA_SHA256; scheme <= SIGNATURE_ECDSA_P384;
	     scheme++) {
		const struct signature signature = {scheme, data, sizeof(data)};
		const struct {
			const uint8_t *key;
			size_t size;
			enum signature_scheme scheme;
		} keys[] = {
			{rsa, rsa_size, SIGNATURE_RSASSA_SHA256},
			{p256, sizeof(p256), SIGNATURE_ECDSA_P256},
			{p384, sizeof(p384), SIGNATURE_ECDSA_P384},
		};

		for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
			assert_int_equal(signature_check(&signature, keys[i].key, keys[i].size, "",
							 0),
					 keys[i].scheme == scheme ? -EKEYREJECTED : -EBADMSG);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_p256),
		cmocka_unit_test(test_p384),
		cmocka_unit_test(test_other_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
