/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "unit.h"

#include "base/error.h"
#include "broker/internal.h"
#include "transcript.h"

#include <stdio.h>

#include <jose/jwe.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

/* ---- Keys and messages ---- */

/* Of the known answer: made of the algorithms of RFC 7518, not by this program. */
#define VECTOR_D "77899f5ae2c1ee176d4c41da287071619e59c4dd97c2e7ca82c6b97eaf62d955"
#define VECTOR_PROTECTED                                                                           \
	"eyJhbGciOiJFQ0RILUVTK0EyNTZLVyIsImVuYyI6IkEyNTZHQ00iLCJlcGsiOnsiY3J2IjoiUC0yNTYiLCJrdHki" \
	"OiJFQyIsIngiOiJ6VlJLR2xveHB1cnRZNFpBMUEzMVlpdjA1NGZOVXNnWVpRVUNzeUlUZFBBIiwieSI6Ik9LUmdM" \
	"RDV6c0VVQVBuSXZfMFJMZkhnckJkV0d6bHAzYl9fQUZpLUg1QVEifX0"
#define VECTOR_ENCRYPTED_KEY "xnSwRBh3_S8ro7w8XoJudFmbTmjWHmOYqtN2ZVG5WOJO3aytcNS0CA"
#define VECTOR_IV	     "oKGio6Slpqeoqaqr"
#define VECTOR_CIPHERTEXT    "u_ptTM-b_V4KHymM6M9V24pvlKqcA-A"
#define VECTOR_TAG	     "r7Fn1j2j9x62sgQ1v6DNcw"
#define VECTOR_PLAINTEXT     "luks-passphrase-example"

static struct jwe_key *vector_key(void)
{
	struct jwe_key *key = calloc(1, sizeof(*key));
	HEX(d, VECTOR_D);

	assert_non_null(key);
	assert_int_equal(secret_copy(d, sizeof(d), &key->d), 0);
	strcpy(key->x, "LIZp9JGC3ojM-ftBmKOaIKxwxUY5Q4nXOM9JSCKj9f8");
	strcpy(key->y, "VmpVXuPl9DrQmvUouLwnDrkoUkh3xTmz_6Vsdb3ukXs");
	return key;
}

static json_t *vector_jwe(void)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:s}", "protected", VECTOR_PROTECTED,
			 "encrypted_key", VECTOR_ENCRYPTED_KEY, "iv", VECTOR_IV, "ciphertext",
			 VECTOR_CIPHERTEXT, "tag", VECTOR_TAG);
}

static int open_json(json_t *jwe, const struct jwe_key *key, struct secret **ret)
{
	cleanup(freep) char *text = json_dumps(jwe, JSON_COMPACT);

	assert_non_null(text);
	return jwe_open(text, strlen(text), key, ret);
}

static void assert_opens(json_t *jwe, const struct jwe_key *key, const char *plaintext)
{
	cleanup(secret_freep) struct secret *secret = NULL;

	assert_int_equal(open_json(jwe, key, &secret), 0);
	assert_int_equal(secret->size, strlen(plaintext));
	assert_memory_equal(secret->data, plaintext, secret->size);
}

static void assert_refused(json_t *jwe, const struct jwe_key *key, int error, const char *words)
{
	struct secret *secret = NULL;
	int r;

	fail_clear();
	r = open_json(jwe, key, &secret);
	if (r != error || secret || !strstr(fail_sentence(r), words))
		fail_msg("%d instead of %d: %s", r, error, fail_sentence(r));
	json_decref(jwe);
}

/*
 * A JWE by libjose for @key, with these members in its header beside those that every one has; what
 * must be refused is thereby whole and right in all else.
 */
static json_t *seal(const struct jwe_key *key, json_t *members, const char *plaintext)
{
	json_t *jwe = json_pack("{s:o}", "protected", members);
	json_t *jwk = json_pack("{s:s, s:s, s:s, s:s}", "kty", "EC", "crv", "P-256", "x", key->x,
				"y", key->y);
	json_t *content_key = json_object();

	assert_non_null(jwe);
	assert_true(jose_jwe_enc_jwk(NULL, jwe, NULL, jwk, content_key));
	/* libjose leaves its point outside of what is authenticated; brokers do not. */
	assert_int_equal(json_object_update(json_object_get(jwe, "protected"),
					    json_object_get(jwe, "header")),
			 0);
	json_object_del(jwe, "header");
	assert_true(jose_jwe_enc_cek(NULL, jwe, content_key, plaintext, strlen(plaintext)));
	json_decref(jwk);
	json_decref(content_key);
	return jwe;
}

/* ---- Tests ---- */

static void known_answer(void **state)
{
	cleanup(jwe_key_freep) struct jwe_key *key = vector_key();
	cleanup(json_decrefp) json_t *jwe = vector_jwe();

	(void)state;
	assert_opens(jwe, key, VECTOR_PLAINTEXT);
}

static bool is_padded(const char *coordinate)
{
	uint8_t raw[JWK_P256_SIZE];
	size_t size;

	assert_int_equal(base64url_decode(coordinate, strlen(coordinate), raw, sizeof(raw), &size),
			 0);
	assert_int_equal(size, sizeof(raw));
	return raw[0] == 0;
}

static void assert_usable(const struct jwe_key *key)
{
	cleanup(json_decrefp) json_t *jwe = seal(
		key, json_pack("{s:s, s:s}", "alg", "ECDH-ES+A256KW", "enc", "A256GCM"), "plain");

	assert_opens(jwe, key, "plain");
}

/* Fresh, and of full length: one coordinate in 256 is shorter by nature, so there are some here. */
static void keys_are_fresh(void **state)
{
	char last[JWK_P256_TEXT_MAX] = "";
	size_t padded = 0;

	(void)state;
	for (size_t i = 0; i < 3000; i++) {
		cleanup(jwe_key_freep) struct jwe_key *key = NULL;

		assert_int_equal(jwe_key_new(&key), 0);
		assert_int_equal(key->d->size, 32);
		assert_string_not_equal(key->x, last);
		strcpy(last, key->x);
		if (is_padded(key->x) || is_padded(key->y)) {
			assert_usable(key);
			padded++;
		} else if (i == 0) {
			assert_usable(key);
		}
	}
	assert_true(padded > 0);
}

/* Answers for another key: replayed ones, and all that a host could record. */
static void other_key_is_refused(void **state)
{
	cleanup(jwe_key_freep) struct jwe_key *key = NULL;

	(void)state;
	assert_int_equal(jwe_key_new(&key), 0);
	assert_refused(vector_jwe(), key, -EKEYREJECTED, "another key than the one");
}

static void replace(json_t *jwe, const char *member, const char *value)
{
	assert_int_equal(json_object_set_new(jwe, member, json_string(value)), 0);
}

/* Change the character at @at of a member to another one of the alphabet. */
static json_t *with_flip(const char *member, size_t at)
{
	json_t *jwe = vector_jwe();
	cleanup(freep) char *text = strdup(json_string_value(json_object_get(jwe, member)));

	assert_non_null(text);
	text[at] = text[at] == 'A' ? 'B' : 'A';
	replace(jwe, member, text);
	return jwe;
}

static void changes_are_refused(void **state)
{
	cleanup(jwe_key_freep) struct jwe_key *key = vector_key();
	const size_t size = strlen(VECTOR_CIPHERTEXT);

	(void)state;
	assert_refused(with_flip("tag", 0), key, -EKEYREJECTED, "tag is wrong");
	assert_refused(with_flip("tag", 20), key, -EKEYREJECTED, "tag is wrong");
	assert_refused(with_flip("iv", 0), key, -EKEYREJECTED, "tag is wrong");
	for (size_t i = 0; i < size - 1; i++)
		assert_refused(with_flip("ciphertext", i), key, -EKEYREJECTED, "tag is wrong");
	assert_refused(with_flip("encrypted_key", 5), key, -EKEYREJECTED, "another key");
}

static json_t *with_value(const char *member, json_t *value)
{
	json_t *jwe = vector_jwe();

	assert_int_equal(json_object_set_new(jwe, member, value), 0);
	return jwe;
}

static json_t *without(const char *member)
{
	json_t *jwe = vector_jwe();

	assert_int_equal(json_object_del(jwe, member), 0);
	return jwe;
}

static void members_are_checked(void **state)
{
	static const char *const members[] = {"protected", "encrypted_key", "iv", "ciphertext",
					      "tag"};
	static const char *const others[] = {"aad", "header", "unprotected", "recipients", "x"};
	cleanup(jwe_key_freep) struct jwe_key *key = vector_key();

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
		assert_refused(without(members[i]), key, -EBADMSG, "flattened JWE");
		assert_refused(with_value(members[i], json_integer(1)), key, -EBADMSG,
			       "flattened JWE");
		assert_refused(with_value(members[i], json_string("=")), key, -EBADMSG, "");
		assert_refused(with_value(members[i], json_string("A")), key, -EBADMSG, "");
	}
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		assert_refused(with_value(others[i], json_object()), key, -EBADMSG,
			       "flattened JWE");
	assert_refused(with_value("iv", json_string("oKGio6Slpqeoqaqroqs")), key, -EBADMSG,
		       "wrong size");
	assert_refused(with_value("tag", json_string("r7Fn1j2j9x62sgQ1v6A")), key, -EBADMSG,
		       "wrong size");
	assert_refused(with_value("tag", json_string("")), key, -EBADMSG, "wrong size");
	assert_refused(with_value("encrypted_key", json_string("")), key, -EBADMSG, "wrong size");
	assert_refused(with_value("ciphertext", json_string("")), key, -ENOKEY, "is empty");
}

/* Each is a JWE that libjose itself opens. */
static void algorithms_are_few(void **state)
{
	static const struct {
		const char *alg, *enc;
	} others[] = {
		{"ECDH-ES+A128KW", "A256GCM"},
		{"ECDH-ES+A192KW", "A256GCM"},
		{"ECDH-ES", "A256GCM"},
		{"ECDH-ES+A256KW", "A128GCM"},
		{"ECDH-ES+A256KW", "A192GCM"},
		{"ECDH-ES+A256KW", "A128CBC-HS256"},
		{"ECDH-ES+A256KW", "A256CBC-HS512"},
	};
	cleanup(jwe_key_freep) struct jwe_key *key = vector_key();

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		json_t *jwe =
			seal(key,
			     json_pack("{s:s, s:s}", "alg", others[i].alg, "enc", others[i].enc),
			     "plain");

		/* Without a wrapped key it is no five members: say so of the algorithm first. */
		if (!json_object_get(jwe, "encrypted_key"))
			replace(jwe, "encrypted_key", "");
		assert_refused(jwe, key, -EOPNOTSUPP, "the only one accepted");
	}
}

static void extensions_are_refused(void **state)
{
	cleanup(jwe_key_freep) struct jwe_key *key = vector_key();
	json_t *more[] = {
		json_pack("{s:s}", "zip", "DEF"),
		json_pack("{s:[s], s:i}", "crit", "exp", "exp", 1),
		json_pack("{s:[]}", "crit"),
		json_pack("{s:i}", "p2c", 100000000),
		json_pack("{s:s}", "apu", "QWxpY2U"),
		json_pack("{s:s}", "kid", "1"),
		json_pack("{s:s}", "cty", "JWE"),
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(more); i++) {
		json_t *members =
			json_pack("{s:s, s:s}", "alg", "ECDH-ES+A256KW", "enc", "A256GCM");

		assert_non_null(more[i]);
		assert_int_equal(json_object_update(members, more[i]), 0);
		json_decref(more[i]);
		assert_refused(seal(key, members, "plain"), key, -EOPNOTSUPP, "is not accepted");
	}
}

static json_t *with_header(const char *text)
{
	json_t *jwe = vector_jwe();
	cleanup(freep) char *encoded = malloc(base64_size(strlen(text)));

	assert_non_null(encoded);
	base64url_encode(text, strlen(text), encoded);
	replace(jwe, "protected", encoded);
	return jwe;
}

#define POINT "\"kty\":\"EC\",\"crv\":\"P-256\""
#define X     "\"x\":\"zVRKGloxpurtY4ZA1A31Yiv054fNUsgYZQUCsyITdPA\""
#define Y     "\"y\":\"OKRgLD5zsEUAPnIv_0RLfHgrBdWGzlp3b__AFi-H5AQ\""
#define X2    "\"y\":\"zVRKGloxpurtY4ZA1A31Yiv054fNUsgYZQUCsyITdPA\""
#define HEAD  "{\"alg\":\"ECDH-ES+A256KW\",\"enc\":\"A256GCM\",\"epk\":"

static void headers_are_checked(void **state)
{
	static const char *const malformed[] = {
		"",
		"x",
		"[]",
		"\"alg\"",
		HEAD "{" POINT "," X "," Y "}",
		HEAD "{" POINT "," X "," Y "}}}",
		HEAD "{" POINT "," X "," Y "},\"alg\":\"ECDH-ES+A256KW\"}",
		HEAD "{" POINT "," X "," Y "},\"epk\":{" POINT "," X "," Y "}}",
		HEAD "{" POINT "," X "," X "," Y "}}",
	};
	static const char *const points[] = {
		HEAD "1}",
		HEAD "{}}",
		HEAD "{" POINT "," X "}}",
		HEAD "{" POINT "," X ",\"y\":\"OKRgLD5zsEUAPnIv_0RLfHgrBdWGzlp3b__AFi-H5A\"}}",
		HEAD "{" POINT "," X "," Y ",\"d\":\"x\"}}",
		HEAD "{\"kty\":\"EC\",\"crv\":\"P-384\"," X "," Y "}}",
		HEAD "{\"kty\":\"OKP\",\"crv\":\"P-256\"," X "," Y "}}",
	};
	cleanup(jwe_key_freep) struct jwe_key *key = vector_key();
	cleanup(freep) char *large = calloc(1, 4096);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(malformed); i++)
		assert_refused(with_header(malformed[i]), key, -EBADMSG, "header");
	for (size_t i = 0; i < ARRAY_SIZE(points); i++)
		assert_refused(with_header(points[i]), key, -EBADMSG, "ephemeral");
	assert_refused(with_header("{\"alg\":\"dir\",\"enc\":\"A256GCM\"}"), key, -EOPNOTSUPP,
		       "\"alg\"");
	assert_refused(with_header("{\"alg\":1,\"enc\":\"A256GCM\"}"), key, -EOPNOTSUPP, "\"alg\"");
	assert_refused(with_header("{\"enc\":\"A256GCM\"}"), key, -EOPNOTSUPP, "\"alg\"");
	/* A point that is not on the curve: the attack that learns private keys by pieces. */
	assert_refused(with_header(HEAD "{" POINT "," X "," X2 "}}"), key, -EKEYREJECTED,
		       "another key");
	memset(large, ' ', 2000);
	assert_refused(with_header(large), key, -EBADMSG, "header");
}

/* Bytes that are not JSON, twice the same member, cut at every place, too long. */
static void texts_are_checked(void **state)
{
	cleanup(jwe_key_freep) struct jwe_key *key = vector_key();
	cleanup(json_decrefp) json_t *jwe = vector_jwe();
	cleanup(freep) char *text = json_dumps(jwe, JSON_COMPACT);
	cleanup(freep) char *twice = NULL, *large = NULL;
	struct secret *secret = NULL;
	const size_t size = strlen(text);

	(void)state;
	for (size_t i = 0; i < size; i++)
		assert_int_equal(jwe_open(text, i, key, &secret), -EBADMSG);
	assert_true(asprintf(&twice, "%.*s,\"tag\":\"" VECTOR_TAG "\"}", (int)size - 1, text) > 0);
	assert_int_equal(jwe_open(twice, strlen(twice), key, &secret), -EBADMSG);

	large = calloc(1, JWE_SIZE_LIMIT + 1);
	memset(large, ' ', JWE_SIZE_LIMIT + 1);
	memcpy(large, text, size);
	assert_int_equal(jwe_open(large, JWE_SIZE_LIMIT + 1, key, &secret), -E2BIG);
	assert_null(secret);
	assert_int_equal(jwe_open(large, JWE_SIZE_LIMIT, key, &secret), 0);
	secret_free(secret);
}

static void secret_is_bounded(void **state)
{
	cleanup(jwe_key_freep) struct jwe_key *key = vector_key();
	cleanup(freep) char *plaintext = calloc(1, JWE_SECRET_LIMIT + 2);
	json_t *jwe;

	(void)state;
	memset(plaintext, 'x', JWE_SECRET_LIMIT);
	jwe = seal(key, json_pack("{s:s, s:s}", "alg", "ECDH-ES+A256KW", "enc", "A256GCM"),
		   plaintext);
	assert_opens(jwe, key, plaintext);
	json_decref(jwe);
	plaintext[JWE_SECRET_LIMIT] = 'x';
	assert_refused(seal(key, json_pack("{s:s, s:s}", "alg", "ECDH-ES+A256KW", "enc", "A256GCM"),
			    plaintext),
		       key, -E2BIG, "larger than 256 KiB");
}

/* ---- What remains in memory ---- */

/* Keys of the known answer, none of which this program is told: only d, and d is not looked for. */
static const char *const derived[] = {
	"a33c151a9b75a7a0edbf3c0364ada889b44291635804f2e45e49ddc401648b1c", /* shared secret */
	"5c3fd8faee3b7e754c16c93135f8851f11e50e2545450e59866ed19b8e1cf813", /* wraps the next */
	"404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f", /* of the content */
	VECTOR_D,
};

static size_t count_in(const uint8_t *area, size_t size, const void *what, size_t what_size)
{
	const uint8_t *end = area + size, *found = area;
	size_t count = 0;

	while ((found = memmem(found, (size_t)(end - found), what, what_size))) {
		count++;
		found++;
	}
	return count;
}

static void heap_area(const uint8_t **ret, size_t *ret_size)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	unsigned long from, to;
	char line[512];

	*ret = NULL;
	assert_non_null(maps);
	while (!*ret && fgets(line, sizeof(line), maps)) {
		if (!strstr(line, "[heap]") || sscanf(line, "%lx-%lx", &from, &to) != 2)
			continue;
		*ret = (const uint8_t *)from;
		*ret_size = to - from;
	}
	fclose(maps);
}

/* Nothing here may put on the heap what is looked for. */
static void assert_not_on_heap(const char *hex)
{
	static uint8_t raw[32];
	static char text[64];
	const uint8_t *heap;
	size_t size = 0;

	assert_int_equal(hex_decode(hex, strlen(hex), raw, sizeof(raw)), 0);
	base64url_encode(raw, sizeof(raw), text);
	heap_area(&heap, &size);
	if (!heap) {
		print_message("skipped: there is no heap to be seen\n");
		return;
	}
	/* What malloc() writes over the first words of a free block must not hide the rest. */
	if (count_in(heap, size, raw + 16, 16) > 0)
		fail_msg("%s is on the heap", hex);
	if (count_in(heap, size, text + 22, 21) > 0)
		fail_msg("the base64url of %s is on the heap", hex);
}

static void keys_are_wiped(void **state)
{
	cleanup(jwe_key_freep) struct jwe_key *key = vector_key();
	cleanup(secret_freep) struct secret *secret = NULL;
	cleanup(json_decrefp) json_t *jwe = vector_jwe();
	const uint8_t *heap;
	size_t size = 0;

	(void)state;
	assert_int_equal(open_json(jwe, key, &secret), 0);
	for (size_t i = 0; i < ARRAY_SIZE(derived); i++)
		assert_not_on_heap(derived[i]);
	heap_area(&heap, &size);
	if (heap)
		assert_int_equal(count_in(heap, size, secret->data, secret->size), 0);
}

/* ---- Recorded answers ---- */

/* The key of a record; NULL: not of P-256. */
static struct jwe_key *key_of(json_t *pem)
{
	BIO *bio = BIO_new_mem_buf(json_string_value(pem), -1);
	EVP_PKEY *pair = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
	struct jwe_key *key = calloc(1, sizeof(*key));
	BIGNUM *d = NULL, *x = NULL, *y = NULL;
	uint8_t raw[JWK_P256_SIZE];

	BIO_free(bio);
	assert_non_null(pair);
	assert_non_null(key);
	if (EVP_PKEY_is_a(pair, "EC") && EVP_PKEY_get_bits(pair) == 256) {
		assert_int_equal(secret_new(JWK_P256_SIZE, &key->d), 0);
		EVP_PKEY_get_bn_param(pair, OSSL_PKEY_PARAM_PRIV_KEY, &d);
		EVP_PKEY_get_bn_param(pair, OSSL_PKEY_PARAM_EC_PUB_X, &x);
		EVP_PKEY_get_bn_param(pair, OSSL_PKEY_PARAM_EC_PUB_Y, &y);
		BN_bn2binpad(d, key->d->data, JWK_P256_SIZE);
		BN_bn2binpad(x, raw, sizeof(raw));
		base64url_encode(raw, sizeof(raw), key->x);
		BN_bn2binpad(y, raw, sizeof(raw));
		base64url_encode(raw, sizeof(raw), key->y);
	} else {
		jwe_key_free(TAKE_PTR(key));
	}
	BN_free(d);
	BN_free(x);
	BN_free(y);
	EVP_PKEY_free(pair);
	return key;
}

static void check_opened(const char *name, const struct secret *secret, json_t *plaintext)
{
	const char *text = json_string_value(plaintext);
	uint8_t wanted[4096];
	size_t size;

	assert_int_equal(base64_decode(text, strlen(text), wanted, sizeof(wanted), &size), 0);
	if (secret->size != size || memcmp(secret->data, wanted, size) != 0)
		fail_msg("%s: another plaintext", name);
}

enum fate { OPENED, WRONG_ALGORITHM, EMPTY, DROPPED };

/* What must become of a record that has a key. */
static enum fate fate_of(const char *name)
{
	if (strcmp(name, "sample/rsa/resource") == 0 || strcmp(name, "sample/p521/resource") == 0)
		return WRONG_ALGORITHM;
	if (strcmp(name, "shape/empty/resource") == 0)
		return EMPTY;
	/* Its body was left out of the recording. */
	return strcmp(name, "shape/big/resource") == 0 ? DROPPED : OPENED;
}

static void check_record(json_t *record, const char *name, size_t *opened)
{
	cleanup(jwe_key_freep) struct jwe_key *key = key_of(json_object_get(record, "key_pem"));
	cleanup(jwe_key_freep) struct jwe_key *other = vector_key();
	cleanup(secret_freep) struct secret *secret = NULL;
	json_t *body = json_object_get(json_object_get(record, "response"), "body");
	/* Where the key is of a kind that we do not make, the answer is refused before it counts. */
	int r = jwe_open(json_string_value(body), json_string_length(body), key ? key : other,
			 &secret);

	switch (fate_of(name)) {
	case OPENED:
		if (r < 0)
			fail_msg("%s: %s", name, fail_sentence(r));
		check_opened(name, secret, json_object_get(record, "plaintext_b64"));
		(*opened)++;
		break;
	case WRONG_ALGORITHM:
		/* P-521 has the algorithm of P-256: there the point tells. */
		if (strstr(name, "rsa"))
			assert_true(r == -EOPNOTSUPP && strstr(fail_sentence(r), "\"alg\""));
		else
			assert_true(r == -EBADMSG && strstr(fail_sentence(r), "P-256"));
		break;
	case EMPTY:
		assert_true(r == -ENOKEY && strstr(fail_sentence(r), "is empty"));
		break;
	case DROPPED:
		assert_int_equal(r, -EBADMSG);
		break;
	}
}

static void open_transcript(const char *name, size_t wanted)
{
	json_t *records = transcript_load(name), *record;
	size_t i, opened = 0;

	json_array_foreach (records, i, record)
		if (json_object_get(record, "key_pem"))
			check_record(record, json_string_value(json_object_get(record, "case")),
				     &opened);
	json_decref(records);
	assert_int_equal(opened, wanted);
}

static void recorded_answers(void **state)
{
	(void)state;
	open_transcript("exchange.json", 6);
	open_transcript("provisioner-policy-expiry.json", 2);
}

/* The key that the provisioner made, by way of both readers. */
static void recorded_provisioner(void **state)
{
	json_t *records = transcript_load("provisioner-policy-expiry.json"), *record;
	size_t i, seen = 0;

	(void)state;
	json_array_foreach (records, i, record) {
		cleanup(jwe_key_freep) struct jwe_key *key = NULL;
		cleanup(secret_freep) struct secret *plaintext = NULL, *secret = NULL;
		json_t *body = json_object_get(json_object_get(record, "response"), "body");

		if (strcmp(json_string_value(json_object_get(record, "case")),
			   "provisioner/good/resource") != 0)
			continue;
		key = key_of(json_object_get(record, "key_pem"));
		assert_int_equal(jwe_open(json_string_value(body), json_string_length(body), key,
					  &plaintext),
				 0);
		assert_int_equal(payload_read(plaintext, true, &secret), 0);
		/* 32 letters and digits, between the quotes of the recorded document. */
		assert_int_equal(secret->size, 32);
		assert_non_null(memmem(plaintext->data, plaintext->size, secret->data, 32));
		seen++;
	}
	json_decref(records);
	assert_int_equal(seen, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_answer),		  cmocka_unit_test(keys_are_fresh),
		cmocka_unit_test(other_key_is_refused),	  cmocka_unit_test(changes_are_refused),
		cmocka_unit_test(members_are_checked),	  cmocka_unit_test(algorithms_are_few),
		cmocka_unit_test(extensions_are_refused), cmocka_unit_test(headers_are_checked),
		cmocka_unit_test(texts_are_checked),	  cmocka_unit_test(secret_is_bounded),
		cmocka_unit_test(keys_are_wiped),	  cmocka_unit_test(recorded_answers),
		cmocka_unit_test(recorded_provisioner),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
