/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "unit.h"

#include "crypto/hash.h"
#include "crypto/volume_key.h"
#include "crypto/xts.h"

static void hash_known_answers(void **state)
{
	cleanup(hash_freep) struct hash *hash = NULL;
	uint8_t digest[HASH_MAX_SIZE];

	(void)state;
	/* FIPS 180-2, "abc". */
	HEX(sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	HEX(sha1, "a9993e364706816aba3e25717850c26c9cd0d89d");

	assert_int_equal(hash_data(HASH_SHA1, "abc", 3, digest), 0);
	assert_memory_equal(digest, sha1, sizeof(sha1));
	assert_int_equal(hash_new(HASH_SHA256, &hash), 0);
	for (int round = 0; round < 2; round++) {
		assert_int_equal(hash_update(hash, "a", 1), 0);
		assert_int_equal(hash_update(hash, "bc", 2), 0);
		assert_int_equal(hash_final(hash, digest), 0);
		assert_memory_equal(digest, sha256, sizeof(sha256));
	}
}

/* hashlib.sha384(bytes(48) + bytes(48)), and hashlib.sha1(20 * b"\1" + 20 * b"\2"), by Python. */
static void registers_are_extended(void **state)
{
	uint8_t value[HASH_MAX_SIZE] = {}, one[20], two[20];
	static const uint8_t zero[48];

	(void)state;
	HEX(sha384, "f57bb7ed82c6ae4a29e6c9879338c592c7d42a39135583e8ccbe3940f2344b0e"
		    "b6eb8503db0ffd6a39ddd00cd07d8317");
	HEX(sha1, "b26845963c2b15cb3a2f97ba8e865c508ab2569b");
	assert_int_equal(hash_extend(HASH_SHA384, zero, zero, value), 0);
	assert_memory_equal(value, sha384, sizeof(sha384));
	memset(one, 1, sizeof(one));
	memset(two, 2, sizeof(two));
	/* In place, and in this order. */
	assert_int_equal(hash_extend(HASH_SHA1, one, two, one), 0);
	assert_memory_equal(one, sha1, sizeof(sha1));
}

static void hmac_known_answer(void **state)
{
	cleanup(secret_freep) struct secret *key = NULL;
	uint8_t mac[HASH_MAX_SIZE];

	(void)state;
	/* RFC 4231, test case 2. */
	HEX(expected, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
	assert_int_equal(secret_copy("Jefe", 4, &key), 0);
	assert_int_equal(hmac_data(HASH_SHA256, key, "what do ya want for nothing?", 28, mac), 0);
	assert_memory_equal(mac, expected, sizeof(expected));
}

static void hkdf_known_answer(void **state)
{
	cleanup(secret_freep) struct secret *secret = NULL, *key = NULL, *other = NULL;

	(void)state;
	/* RFC 5869, test case 3: no salt, no info. */
	HEX(ikm, "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b");
	HEX(okm,
	    "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96"
	    "c8");
	assert_int_equal(secret_copy(ikm, sizeof(ikm), &secret), 0);
	assert_int_equal(hkdf_derive(secret, "", sizeof(okm), &key), 0);
	assert_memory_equal(key->data, okm, sizeof(okm));
	assert_int_equal(hkdf_derive(secret, "label", sizeof(okm), &other), 0);
	assert_false(secret_equal(key, other));
}

static void xts_known_answer(void **state)
{
	cleanup(secret_freep) struct secret *key = NULL;
	cleanup(xts_freep) struct xts *xts = NULL;
	uint8_t data[512], plain[512];

	(void)state;
	/* IEEE 1619-2007, vector 10: XTS-AES-256, data unit 0xff, 512 bytes. */
	HEX(key_bytes, "2718281828459045235360287471352662497757247093699959574966967627"
		       "3141592653589793238462643383279502884197169399375105820974944592");
	HEX(first, "1c3b3a102f770386e4836c99e370cf9bea00803f5e482357a4ae12d414a3e63b");

	for (size_t i = 0; i < sizeof(plain); i++)
		plain[i] = (uint8_t)i;
	memcpy(data, plain, sizeof(data));
	assert_int_equal(secret_copy(key_bytes, sizeof(key_bytes), &key), 0);
	assert_int_equal(xts_new(key, 512, &xts), 0);
	assert_int_equal(xts_encrypt(xts, 0xff * 512, data, sizeof(data)), 0);
	assert_memory_equal(data, first, sizeof(first));
	assert_int_equal(xts_decrypt(xts, 0xff * 512, data, sizeof(data)), 0);
	assert_memory_equal(data, plain, sizeof(plain));
}

static void xts_refuses(void **state)
{
	cleanup(secret_freep) struct secret *key = NULL, *equal = NULL;
	cleanup(xts_freep) struct xts *xts = NULL;
	uint8_t data[4096] = {};

	(void)state;
	assert_int_equal(secret_new(XTS_KEY_SIZE, &equal), 0);
	assert_int_equal(xts_new(equal, 512, &xts), -EINVAL);
	assert_int_equal(secret_random(XTS_KEY_SIZE, &key), 0);
	assert_int_equal(xts_new(key, 1024, &xts), -EINVAL);
	assert_int_equal(xts_new(key, 4096, &xts), 0);
	assert_int_equal(xts_encrypt(xts, 512, data, 4096), -EINVAL);
	assert_int_equal(xts_encrypt(xts, 4096, data, 512), -EINVAL);
}

/* Expected value: Python's hmac over the word written out by hand. */
static void volume_key_word_is_escaped(void **state)
{
	cleanup(freep) char *word = NULL;
	uint8_t uuid[UUID_SIZE];

	(void)state;
	for (uint8_t i = 0; i < UUID_SIZE; i++)
		uuid[i] = i;
	assert_int_equal(volume_key_word("a:b\\\x01\xc3\xa4", uuid, &word), 0);
	assert_string_equal(word, "cryptsetup:a\\x3ab\\x5c\\x01\\xc3\\xa4:"
				  "00010203-0405-0607-0809-0a0b0c0d0e0f");
}

static void volume_key_known_answer(void **state)
{
	cleanup(secret_freep) struct secret *key = NULL;
	cleanup(freep) char *word = NULL;
	uint8_t uuid[UUID_SIZE], digest[HASH_SHA256_SIZE];

	(void)state;
	HEX(expected, "9edc8bd22a4bb2b8485b78291a7136edb39669a84463dce01f8faab9a2b766b7");
	assert_int_equal(uuid_decode("0fc63daf-8483-4772-8e79-3d69d8477de4", uuid), 0);
	assert_int_equal(volume_key_word("ro:ot", uuid, &word), 0);
	assert_string_equal(word, "cryptsetup:ro\\x3aot:0fc63daf-8483-4772-8e79-3d69d8477de4");
	assert_int_equal(secret_new(64, &key), 0);
	for (size_t i = 0; i < key->size; i++)
		key->data[i] = (uint8_t)i;
	assert_int_equal(volume_key_digest(HASH_SHA256, key, "ro:ot", uuid, digest), 0);
	assert_memory_equal(digest, expected, sizeof(expected));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hash_known_answers),
		cmocka_unit_test(registers_are_extended),
		cmocka_unit_test(hmac_known_answer),
		cmocka_unit_test(hkdf_known_answer),
		cmocka_unit_test(xts_known_answer),
		cmocka_unit_test(xts_refuses),
		cmocka_unit_test(volume_key_known_answer),
		cmocka_unit_test(volume_key_word_is_escaped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
