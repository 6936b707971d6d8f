/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "vectors.h"

#include "base/error.h"
#include "tee/cca_token.h"

#define TRUSTEE_TOKEN  "trustee/deps/verifier/test_data/cca/misc/cca-example-token.cbor"
#define VERAISON_TOKEN "veraison-ccatoken/realm/testvectors/tf-rmm/cca_token.cbor"

static int verdict(const void *data, size_t size, struct cca_token *ret)
{
	cleanup(freep) uint8_t *exact = exact_copy(data, size);

	return cca_token_parse(exact, size, ret);
}

/* Its claims are shown in the repository that published it. */
static void trustee_token_is_read(void **state)
{
	uint8_t zeros[64] = {};
	struct cca_token token;
	size_t size;
	cleanup(freep) char *data = vector_read(TRUSTEE_TOKEN, &size);

	(void)state;
	assert_int_equal(verdict(data, size, &token), 0);
	assert_true(starts_with(token.challenge, 64, "57e979ae2618de0c1ab73144c440d741"));
	assert_memory_equal(token.personalization, zeros, 64);
	assert_int_equal(token.initial_measurement_size, 64);
	assert_true(starts_with(token.initial_measurement, 64, "ae87fbf7f105e71a"));
}

static void veraison_token_is_read(void **state)
{
	static const char personalization[] = "The quick brown fox jumps over 13 lazy dogs.";
	uint8_t challenge[64];
	struct cca_token token;
	size_t size;
	cleanup(freep) char *data = vector_read(VERAISON_TOKEN, &size);

	(void)state;
	memset(challenge, 0xab, sizeof(challenge));
	assert_int_equal(verdict(data, size, &token), 0);
	assert_memory_equal(token.challenge, challenge, 64);
	assert_memory_equal(token.personalization, personalization, strlen(personalization));
	assert_int_equal(token.initial_measurement_size, 32);
	assert_int_equal(cca_token_check(&token, challenge), 0);
	for (size_t i = 0; i < 64; i++) {
		challenge[i] ^= 1;
		assert_int_equal(cca_token_check(&token, challenge), -ESTALE);
		challenge[i] ^= 1;
	}
}

static void cut_and_longer_tokens_are_refused(void **state)
{
	struct cca_token token;
	size_t size;
	cleanup(freep) char *data = vector_read(VERAISON_TOKEN, &size);

	(void)state;
	for (size_t i = 0; i < size; i++)
		assert_int_equal(verdict(data, i, &token), -EBADMSG);
	/* file_read_all() leaves a NUL behind it. */
	assert_int_equal(verdict(data, size + 1, &token), -EBADMSG);
}

/* ---- Tokens made here ---- */

struct cbor {
	uint8_t data[4096];
	size_t size;
};

static void put(struct cbor *cbor, const void *data, size_t size)
{
	assert_true(cbor->size + size <= sizeof(cbor->data));
	memcpy(cbor->data + cbor->size, data, size);
	cbor->size += size;
}

static void put_hex(struct cbor *cbor, const char *hex)
{
	uint8_t data[512];
	size_t size = strlen(hex) / 2;

	assert_true(size <= sizeof(data));
	assert_int_equal(hex_decode(hex, strlen(hex), data, size), 0);
	put(cbor, data, size);
}

/* A byte string, with its size in the shortest form. */
static void put_string(struct cbor *cbor, const struct cbor *inner)
{
	uint8_t head[] = {0x59, (uint8_t)(inner->size >> 8), (uint8_t)inner->size};
	uint8_t short_head[] = {0x58, (uint8_t)inner->size};

	assert_in_range(inner->size, 24, 65535);
	if (inner->size < 256)
		put(cbor, short_head, sizeof(short_head));
	else
		put(cbor, head, sizeof(head));
	put(cbor, inner->data, inner->size);
}

/* What begins 64 bytes under claim 10, 44235 or 44238; and other claims. */
#define NONCE	     "0a5840"
#define PV	     "19accb5840"
#define RIM	     "19acce5840"
#define REM_EMPTY    "19accf80"
#define HASH_NAME    "19accc677368612d323536"
#define REPEAT_4(x)  x x x x
#define REPEAT_64(x) REPEAT_4(REPEAT_4(REPEAT_4(x)))
#define CLAIMS	     NONCE REPEAT_64("11") PV REPEAT_64("22") RIM REPEAT_64("33")

static void make_token(const char *claims, const char *head, const char *tail, struct cbor *ret)
{
	static struct cbor payload, sign1;

	payload.size = sign1.size = 0;
	put_hex(&payload, claims);
	put_hex(&sign1, head);
	put_string(&sign1, &payload);
	put_hex(&sign1, tail);
	*ret = (struct cbor){};
	/* Tag 399, a map of two; the platform's token is not looked into. */
	put_hex(ret, "d9018fa2"
		     "19acca41ff"
		     "19acd1");
	put_string(ret, &sign1);
}

#define HEAD "d28444a1013822a0" /* COSE_Sign1, protected {1: -35}, unprotected {} */
#define TAIL "43010203"		/* the signature */

static void made_token_is_read(void **state)
{
	struct cca_token token;
	struct cbor cbor;

	(void)state;
	make_token("a3" CLAIMS, HEAD, TAIL, &cbor);
	assert_int_equal(verdict(cbor.data, cbor.size, &token), 0);
	assert_int_equal(token.challenge[0], 0x11);
	assert_int_equal(token.personalization[63], 0x22);
	assert_int_equal(token.initial_measurement[63], 0x33);
}

/* What stands beside our claims is passed over, however it is nested. */
static void other_claims_are_passed_over(void **state)
{
	static const char *const claims[] = {
		"a4" HASH_NAME CLAIMS,
		"a4" REM_EMPTY CLAIMS,
		"a4" CLAIMS HASH_NAME,
		"a42001" CLAIMS,		    /* key -1 */
		"a4617801" CLAIMS,		    /* key "x" */
		"a4818001" CLAIMS,		    /* key [[]] */
		"a40182a10102820304" CLAIMS,	    /* [{1: 2}, [3, 4]] */
		"a401c1c2c343000000" CLAIMS,	    /* tags */
		"a401f6" CLAIMS,		    /* null */
		"a401fb3ff0000000000000" CLAIMS,    /* 1.0 */
		"a4011bffffffffffffffff" CLAIMS,    /* 2^64 - 1 */
		"a401" REPEAT_64("81") "80" CLAIMS, /* 64 arrays in one another */
	};
	struct cca_token token;
	struct cbor cbor;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(claims); i++) {
		make_token(claims[i], HEAD, TAIL, &cbor);
		if (verdict(cbor.data, cbor.size, &token) != 0)
			fail_msg("claims %zu are refused", i);
	}
}

static void bad_claims_are_refused(void **state)
{
	static const char *const claims[] = {
		"a2" NONCE REPEAT_64("11") PV REPEAT_64("22") HASH_NAME,  /* more than it says */
		"a3" NONCE REPEAT_64("11") PV REPEAT_64("22") HASH_NAME,  /* no RIM */
		"a3" NONCE REPEAT_64("11") HASH_NAME RIM REPEAT_64("33"), /* no PV */
		"a3" HASH_NAME PV REPEAT_64("22") RIM REPEAT_64("33"),	  /* no nonce */
		"a4" CLAIMS NONCE REPEAT_64("44"),			  /* two nonces */
		"a4" NONCE REPEAT_64("44") CLAIMS, "a4" CLAIMS PV REPEAT_64("44"),
		"a4" CLAIMS,	  /* less than it says */
		"a3" CLAIMS "00", /* something behind it */
		"b803" CLAIMS,	  /* not the shortest form */
		"b90003" CLAIMS, "bb0000000000000003" CLAIMS,
		"bf" CLAIMS "ff",			  /* indefinite length */
		"bbffffffffffffffff" CLAIMS, "83" CLAIMS, /* an array */
		/* 63 bytes of nonce, 65, text instead of bytes, a number */
		"a40a583f" REPEAT_64("11") PV REPEAT_64("22") RIM REPEAT_64("33"),
		"a30a584111" REPEAT_64("11") PV REPEAT_64("22") RIM REPEAT_64("33"),
		"a30a7840" REPEAT_64("11") PV REPEAT_64("22") RIM REPEAT_64("33"),
		"a4" HASH_NAME "0a01" PV REPEAT_64("22") RIM REPEAT_64("33"),
		/* an empty measurement, one of 65 bytes */
		"a4" HASH_NAME NONCE REPEAT_64("11") PV REPEAT_64("22") "19acce40",
		"a3" NONCE REPEAT_64("11") PV REPEAT_64("22") "19acce584133" REPEAT_64("33"),
		/* sizes beyond the end, and beyond what a size can be */
		"a4015bffffffffffffffff" CLAIMS, "a4019bffffffffffffffff" CLAIMS,
		"a401bbffffffffffffffff" CLAIMS, "a401bb8000000000000000" CLAIMS,
		"a4019f0102ff" CLAIMS,		    /* an array of indefinite length */
		"a4015f4101ff" CLAIMS,		    /* a byte string of that */
		"a401ff" CLAIMS,		    /* a break without a beginning */
		"a4011c" CLAIMS,		    /* reserved forms */
		"a401fc" CLAIMS, "a401f818" CLAIMS, /* simple value 24 */
		"a4011817" CLAIMS,		    /* 23 in two bytes */
		"a4" CLAIMS "01c1",		    /* a tag of nothing */
	};
	struct cca_token token;
	struct cbor cbor;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(claims); i++) {
		make_token(claims[i], HEAD, TAIL, &cbor);
		if (verdict(cbor.data, cbor.size, &token) != -EBADMSG)
			fail_msg("claims %zu are taken", i);
	}
}

static void bad_envelopes_are_refused(void **state)
{
	static const char *const envelopes[][2] = {
		{"8444a1013822a0", TAIL},	 /* without tag 18 */
		{"d18444a1013822a0", TAIL},	 /* tag 17 */
		{"d28344a1013822a0", TAIL},	 /* three items */
		{"d28544a1013822a0", TAIL "00"}, /* five */
		{HEAD, TAIL "00"},		 /* something behind it */
		{HEAD, ""},			 /* no signature */
		{HEAD, "f6"},			 /* null instead of one */
		{HEAD, "440102"},		 /* a cut one */
		{"d28464a1013822a0", TAIL},	 /* text as the protected header */
		{"d29f44a1013822a0", TAIL "ff"}, /* indefinite length */
	};
	struct cca_token token;
	struct cbor cbor;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(envelopes); i++) {
		make_token("a3" CLAIMS, envelopes[i][0], envelopes[i][1], &cbor);
		if (verdict(cbor.data, cbor.size, &token) != -EBADMSG)
			fail_msg("envelope %zu is taken", i);
	}
}

/* The collection around it: other tags, other keys, more or less than two parts. */
static void bad_collections_are_refused(void **state)
{
	static const struct {
		size_t offset;
		uint8_t value;
	} defects[] = {{0, 0xd8}, {1, 0x02}, {2, 0x8e}, {3, 0xa1},  {3, 0xa3},
		       {3, 0xbf}, {6, 0xcb}, {7, 0x61}, {11, 0xd0}, {12, 0x78}};
	struct cca_token token;
	struct cbor cbor;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(defects); i++) {
		make_token("a3" CLAIMS, HEAD, TAIL, &cbor);
		cbor.data[defects[i].offset] = defects[i].value;
		if (verdict(cbor.data, cbor.size, &token) != -EBADMSG)
			fail_msg("collection %zu is taken", i);
	}
}

static void personalization_binds_initdata(void **state)
{
	struct cca_token token = {};
	uint8_t digest[64];

	(void)state;
	for (size_t i = 0; i < sizeof(digest); i++)
		digest[i] = (uint8_t)(i + 1);
	assert_int_equal(cca_token_check_personalization(&token, digest, 64), -EKEYREJECTED);
	assert_non_null(strstr(fail_sentence(-EKEYREJECTED), "without a personalization value"));
	memcpy(token.personalization, digest, 64);
	assert_int_equal(cca_token_check_personalization(&token, digest, 64), 0);
	assert_int_equal(cca_token_check_personalization(&token, digest, 48), -EKEYREJECTED);
	memset(token.personalization + 48, 0, 16);
	assert_int_equal(cca_token_check_personalization(&token, digest, 48), 0);
	assert_int_equal(cca_token_check_personalization(&token, digest, 64), -EKEYREJECTED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(trustee_token_is_read),
		cmocka_unit_test(veraison_token_is_read),
		cmocka_unit_test(cut_and_longer_tokens_are_refused),
		cmocka_unit_test(made_token_is_read),
		cmocka_unit_test(other_claims_are_passed_over),
		cmocka_unit_test(bad_claims_are_refused),
		cmocka_unit_test(bad_envelopes_are_refused),
		cmocka_unit_test(bad_collections_are_refused),
		cmocka_unit_test(personalization_binds_initdata),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
