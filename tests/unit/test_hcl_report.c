/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "expect.h"
#include "vectors.h"

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "crypto/hash.h"
#include "crypto/rsa.h"
#include "tee/hcl_report.h"

/* ---- Vectors ---- */

/* What is known of each published report: file, type, size of the user data. */
static const struct {
	const char *name;
	enum hcl_type type;
	size_t size, user_data_size;
} published[] = {
	{"trustee/deps/verifier/test_data/az-snp-vtpm/hcl-report.bin", HCL_SNP, 2600, 64},
	{"trustee/deps/verifier/test_data/az-tdx-vtpm/hcl-report.bin", HCL_TDX, 2600, 64},
	{"azure-cvm-tooling/az-cvm-vtpm/test/hcl-report-tdx.bin", HCL_TDX, 2600, 64},
	/* Cut to 2048 bytes, and of a time before user data. */
	{"azure-cvm-tooling/az-cvm-vtpm/test/hcl-report-snp.bin", HCL_SNP, 2048, 0},
};

static void published_reports(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(published); i++) {
		size_t size;
		cleanup(freep) char *data = vector_read(published[i].name, &size);
		cleanup(hcl_report_done) struct hcl_report report = {};
		enum hcl_type other = published[i].type == HCL_SNP ? HCL_TDX : HCL_SNP;
		static const uint8_t zeros[64];

		assert_int_equal(size, published[i].size);
		assert_int_equal(hcl_report_parse(data, size, &report), 0);
		assert_int_equal(report.type, published[i].type);
		assert_ptr_equal(report.hardware, data + 32);
		assert_int_equal(report.hardware_size, report.type == HCL_SNP ? 1184 : 1024);
		assert_int_equal(report.user_data_size, published[i].user_data_size);
		assert_memory_equal(report.user_data, zeros, report.user_data_size);
		/* SubjectPublicKeyInfo of RSA-2048 with exponent 65537. */
		assert_int_equal(report.ak_size, 294);
		assert_int_equal(hcl_report_is(data, size, report.type), 1);
		assert_int_equal(hcl_report_is(data, size, other), 0);
	}
}

/* Each bit that the hardware vouches for. */
static void changed_reports_are_refused(void **state)
{
	size_t size;
	cleanup(freep) char *data =
		vector_read("azure-cvm-tooling/az-cvm-vtpm/test/hcl-report-snp.bin", &size);
	struct hcl_report report = {};

	(void)state;
	for (size_t at = 0x4d4; at < 0x4d4 + 583; at += 97) {
		data[at] ^= 1;
		assert_fails(hcl_report_parse(data, size, &report), -EKEYREJECTED, "vouch");
		data[at] ^= 1;
	}
	data[32 + 0x50] ^= 1;
	assert_fails(hcl_report_parse(data, size, &report), -EKEYREJECTED, "vouch");
	assert_null(report.ak);
}

/* ---- Reports made here ---- */

#define JSON_AT	 0x4d4
#define MAX_SIZE 4096

struct made {
	uint8_t data[MAX_SIZE];
	size_t size;
};

static void put_u32(uint8_t *at, uint32_t value)
{
	for (int i = 0; i < 4; i++)
		at[i] = (uint8_t)(value >> 8 * i);
}

/* A report of @type around @json, vouched for. */
static struct made make(uint32_t type, const char *json)
{
	struct made made = {.data = "HCLA", .size = JSON_AT + strlen(json)};

	assert_true(made.size <= MAX_SIZE);
	put_u32(made.data + 0x4c8, type);
	put_u32(made.data + 0x4cc, 1);
	put_u32(made.data + 0x4d0, (uint32_t)strlen(json));
	memcpy(made.data + JSON_AT, json, strlen(json));
	assert_int_equal(hash_data(HASH_SHA256, json, strlen(json),
				   made.data + 32 + (type == HCL_SNP ? 0x50 : 128)),
			 0);
	return made;
}

static int parse(const struct made *made, struct hcl_report *ret)
{
	return hcl_report_parse(made->data, made->size, ret);
}

/* A 2048-bit number, in base64url. */
#define N64 "tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1"
#define N   N64 N64 N64 N64 N64 "tbW1tbW1tbW1tbW1tbW1tQ"
#define KEY "{\"kid\":\"HCLAkPub\",\"kty\":\"RSA\",\"e\":\"AQAB\",\"n\":\"" N "\"}"

#define ZEROS "0000000000000000000000000000000000000000000000000000000000000000"

static void made_report_is_read(void **state)
{
	cleanup(hcl_report_done) struct hcl_report report = {};
	struct made made = make(HCL_TDX, "{\"keys\":[{},7,{\"kid\":\"HCLEkPub\"}," KEY "],"
					 "\"user-data\":\"00aBFf\",\"new\":{}}");
	cleanup(freep) uint8_t *der = NULL;
	uint8_t modulus[256];
	size_t size;

	(void)state;
	assert_int_equal(parse(&made, &report), 0);
	assert_int_equal(report.user_data_size, 3);
	assert_memory_equal(report.user_data, "\x00\xab\xff", 3);
	memset(modulus, 0xb5, sizeof(modulus));
	assert_int_equal(rsa_public_encode(modulus, sizeof(modulus), 65537, &der, &size), 0);
	assert_int_equal(size, report.ak_size);
	assert_memory_equal(der, report.ak, size);
}

/* Up to the end of the JSON, and not a byte less. */
static void cut_reports_are_refused(void **state)
{
	struct made made = make(HCL_SNP, "{\"keys\":[" KEY "]}");
	struct hcl_report report = {};

	(void)state;
	for (size_t cut = 0; cut < made.size; cut++) {
		cleanup(freep) uint8_t *part = malloc(cut + 1);

		memcpy(part, made.data, cut);
		assert_fails(hcl_report_parse(part, cut, &report), -EBADMSG, "malformed");
		assert_int_equal(hcl_report_is(part, cut, HCL_SNP), cut >= JSON_AT);
	}
	assert_int_equal(parse(&made, &report), 0);
	hcl_report_done(&report);
	put_u32(made.data + 0x4d0, UINT32_MAX);
	assert_fails(parse(&made, &report), -EBADMSG, "malformed");
}

static void other_headers_are_refused(void **state)
{
	struct made made = make(HCL_SNP, "{\"keys\":[" KEY "]}");
	struct hcl_report report = {};

	(void)state;
	made.data[3] = 'B';
	assert_fails(parse(&made, &report), -EBADMSG, "malformed");
	made.data[3] = 'A';
	put_u32(made.data + 0x4cc, 2);
	assert_fails(parse(&made, &report), -EOPNOTSUPP, "hash 2");
	put_u32(made.data + 0x4cc, 1);
	put_u32(made.data + 0x4c8, 3);
	assert_fails(parse(&made, &report), -EOPNOTSUPP, "kind 3");
	/* The hash is where the other kind has it. */
	put_u32(made.data + 0x4c8, HCL_TDX);
	assert_fails(parse(&made, &report), -EKEYREJECTED, "vouch");
}

static void other_json_is_refused(void **state)
{
	static const struct {
		const char *name, *json;
	} cases[] = {
		{"empty", ""},
		{"no object", "[]"},
		{"no keys", "{}"},
		{"keys are none", "{\"keys\":7}"},
		{"no such key", "{\"keys\":[{\"kid\":\"HCLEkPub\"}]}"},
		{"key twice", "{\"keys\":[" KEY "],\"keys\":[]}"},
		{"not RSA", "{\"keys\":[{\"kid\":\"HCLAkPub\",\"kty\":\"EC\",\"e\":\"AQAB\","
			    "\"n\":\"" N "\"}]}"},
		{"no modulus",
		 "{\"keys\":[{\"kid\":\"HCLAkPub\",\"kty\":\"RSA\",\"e\":\"AQAB\"}]}"},
		{"short modulus", "{\"keys\":[{\"kid\":\"HCLAkPub\",\"kty\":\"RSA\",\"e\":\"AQAB\","
				  "\"n\":\"" N64 "\"}]}"},
		{"long modulus", "{\"keys\":[{\"kid\":\"HCLAkPub\",\"kty\":\"RSA\",\"e\":\"AQAB\","
				 "\"n\":\"" N64 N64 N64 N64 N64 N64 N64 N64 N64 N64 N64 "\"}]}"},
		{"even exponent", "{\"keys\":[{\"kid\":\"HCLAkPub\",\"kty\":\"RSA\",\"e\":\"AQAA\","
				  "\"n\":\"" N "\"}]}"},
		{"long exponent",
		 "{\"keys\":[{\"kid\":\"HCLAkPub\",\"kty\":\"RSA\",\"e\":\"AQAAAAE\","
		 "\"n\":\"" N "\"}]}"},
		{"user data too long", "{\"keys\":[" KEY "],\"user-data\":\"" ZEROS ZEROS "00\"}"},
		{"odd user data", "{\"keys\":[" KEY "],\"user-data\":\"000\"}"},
		{"user data no hex", "{\"keys\":[" KEY "],\"user-data\":\"0g\"}"},
		{"user data no text", "{\"keys\":[" KEY "],\"user-data\":7}"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct made made = make(HCL_SNP, cases[i].json);
		struct hcl_report report = {};
		int r = parse(&made, &report);

		if (r != -EBADMSG)
			fail_msg("%s: %d", cases[i].name, r);
		assert_null(report.ak);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(published_reports),
		cmocka_unit_test(changed_reports_are_refused),
		cmocka_unit_test(made_report_is_read),
		cmocka_unit_test(cut_reports_are_refused),
		cmocka_unit_test(other_headers_are_refused),
		cmocka_unit_test(other_json_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
