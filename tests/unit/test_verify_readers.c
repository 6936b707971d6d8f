/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "vectors.h"

#include "crypto/hash.h"
#include "verify/internal.h"
#include "verify/quote_signature.h"
#include "verify/snp_json.h"

#define TRUSTEE "trustee/deps/verifier/test_data/"
#define QUOTE	TRUSTEE "tdx_quote_5.dat"

/* Cut anywhere, a quote is not read; nor with something behind a part of its signature. */
static void test_quote_cut(void **state)
{
	size_t size, at;
	cleanup(freep) char *quote = vector_read(QUOTE, &size);
	struct quote_signature parts;

	(void)state;
	assert_int_equal(quote_signature_parse(quote, size, &parts), 0);
	assert_int_equal(parts.body, 54);
	assert_int_equal(parts.signed_size, 54 + 648);
	assert_int_equal(parts.authentication_size, 32);
	assert_memory_equal(parts.certificates, "-----BEGIN", 10);
	for (at = 0; at < size; at++) {
		cleanup(freep) uint8_t *exact = exact_copy(quote, at);

		assert_int_equal(quote_signature_parse(exact, at, &parts), -EBADMSG);
	}
	/* The size of the whole signature, one more or less than that of what is in it. */
	for (int change = -1; change <= 1; change += 2) {
		cleanup(freep) uint8_t *longer = malloc(size + 1);

		assert_non_null(longer);
		memcpy(longer, quote, size + 1);
		longer[54 + 648] = (uint8_t)(longer[54 + 648] + change);
		assert_int_equal(quote_signature_parse(longer, size + 1, &parts), -EBADMSG);
	}
}

/* The bytes of a report come back from the JSON that is made of it. */
static void test_snp_json(void **state)
{
	static const char *const names[] = {
		"go-sev-guest/verify/testdata/attestation.bin",
		TRUSTEE "snp/test-report.bin",
		TRUSTEE "snp/test-vlek-report.bin",
		"trustee/derived/e2e-evidence-report.bin",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		size_t size;
		cleanup(freep) char *data = vector_read(names[i], &size);
		cleanup(json_decrefp) json_t *json = NULL;
		uint8_t back[SNP_REPORT_SIZE];
		struct snp_report report;

		assert_int_equal(snp_report_parse(data, size, &report), 0);
		assert_int_equal(snp_report_to_json(&report, &json), 0);
		assert_int_equal(snp_report_from_json(json, back), 0);
		assert_memory_equal(back, data, 0x330);
	}
}

/* The two forms of TCB versions: bytes 0, 1, 6, 7, and from family 0x1a on 0, 1, 2, 3, 7. */
static void test_turin(void **state)
{
	uint8_t data[SNP_REPORT_SIZE] = {5}, back[SNP_REPORT_SIZE];
	cleanup(json_decrefp) json_t *json = NULL;
	struct snp_report report;
	json_t *tcb;

	(void)state;
	data[0x188] = 0x1a;
	memcpy(data + 0x180, "\x01\x02\x03\x04\x00\x00\x00\x05", 8);
	memcpy(data + 0x1f8, "\x11\x00\x00\x00\x00\x00\x00\x22\x33", 9);
	assert_int_equal(snp_report_parse(data, sizeof(data), &report), 0);
	assert_int_equal(snp_report_to_json(&report, &json), 0);
	assert_int_equal(snp_report_from_json(json, back), 0);
	assert_memory_equal(back, data, sizeof(back));
	tcb = json_object_get(json, "reported_tcb");
	assert_int_equal(json_object_set_new(tcb, "fmc", json_null()), 0);
	assert_int_equal(snp_report_from_json(json, back), -EBADMSG);
}

/* One defect each. */
static void test_snp_json_malformed(void **state)
{
	static const struct {
		const char *name, *value;
	} defects[] = {
		{"version", "\"3\""},
		{"version", "-1"},
		{"version", "4294967296"},
		{"policy", "null"},
		{"vmpl", "0.0"},
		{"report_data", "[]"},
		{"chip_id", "null"},
		{"family_id", "[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,256]"},
		{"family_id", "[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]"},
		{"cpuid_step", "256"},
		{"current_tcb", "{}"},
		{"current_tcb", "{\"bootloader\":3,\"tee\":0,\"snp\":8,\"microcode\":256}"},
		{"current_tcb", "{\"bootloader\":3,\"tee\":0,\"snp\":8,\"microcode\":1,\"x\":0}"},
		{"current_tcb", "{\"fmc\":1,\"bootloader\":3,\"tee\":0,\"snp\":8,\"microcode\":1}"},
		{"current", "{\"major\":1,\"minor\":2}"},
		{"signature", "{\"r\":[],\"s\":[]}"},
		{"more", "0"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(defects); i++) {
		cleanup(json_decrefp) json_t *json =
			vector_read_json("trustee/attestation-service/tests/e2e/evidence.json");
		json_t *report = json_object_get(json, "attestation_report");
		json_t *value = json_loads(defects[i].value, JSON_DECODE_ANY, NULL);
		uint8_t data[SNP_REPORT_SIZE];

		assert_int_equal(snp_report_from_json(report, data), 0);
		assert_int_equal(json_object_set_new(report, defects[i].name, value), 0);
		assert_int_equal(snp_report_from_json(report, data), -EBADMSG);
	}
}

static void test_forms(void **state)
{
	static const struct {
		const char *json;
		enum form form;
		int result;
	} cases[] = {
		{"[1,2,255]", FORM_HEX, 0},
		{"\"0102ff\"", FORM_HEX, 0},
		{"\"AQL/\"", FORM_BASE64, 0},
		{"\"AQL_\"", FORM_BASE64URL, 0},
		{"\"AQL/\"", FORM_BASE64URL, -EBADMSG},
		{"\"AQL_\"", FORM_BASE64, -EBADMSG},
		{"\"0102f\"", FORM_HEX, -EBADMSG},
		{"[256]", FORM_HEX, -EBADMSG},
		{"1", FORM_HEX, -EBADMSG},
		{"[1,2,3,4]", FORM_HEX, -E2BIG},
		{"\"01020304\"", FORM_HEX, -E2BIG},
		{"\"AQIDBA==\"", FORM_BASE64, -E2BIG},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		json_t *value = json_loads(cases[i].json, JSON_DECODE_ANY, NULL);
		cleanup(freep) uint8_t *data = NULL;
		size_t size;

		assert_non_null(value);
		assert_int_equal(form_read(value, cases[i].form, 3, &data, &size), cases[i].result);
		if (cases[i].result == 0) {
			assert_int_equal(size, 3);
			assert_memory_equal(data, "\x01\x02\xff", 3);
		}
		json_decref(value);
	}
	/* Padded or not. */
	for (int padded = 0; padded < 2; padded++) {
		json_t *value = json_string(padded ? "_w==" : "_w");
		cleanup(freep) uint8_t *data = NULL;
		size_t size;

		assert_int_equal(form_read(value, FORM_BASE64URL, 1, &data, &size), 0);
		assert_int_equal(size, 1);
		assert_int_equal(data[0], 0xff);
		json_decref(value);
	}
}

/* As cvmroot(8) says it. */
static void test_report_data(void **state)
{
	static const char label[] = "cvmroot evidence 1";
	uint8_t data[TEE_REPORT_DATA_SIZE], expected[TEE_REPORT_DATA_SIZE];
	uint8_t text[sizeof(label) + 48 + 5];
	size_t size = 0;

	(void)state;
	memcpy(text, label, sizeof(label));
	assert_int_equal(hash_data(HASH_SHA384, "log", 3, text + sizeof(label)), 0);
	memcpy(text + sizeof(label) + 48, "nonce", 5);
	assert_int_equal(hash_data(HASH_SHA512, text, sizeof(text), expected), 0);
	assert_int_equal(
		verify_report_data(false, "log", 3, (const uint8_t *)"nonce", 5, data, &size), 0);
	assert_int_equal(size, 64);
	assert_memory_equal(data, expected, 64);
	assert_int_equal(
		verify_report_data(true, "log", 3, (const uint8_t *)"nonce", 5, data, &size), 0);
	assert_int_equal(size, 5);
	assert_memory_equal(data, "nonce", 5);
	assert_int_equal(verify_report_data(true, NULL, 0, expected, 65, data, &size), -EINVAL);
	assert_int_equal(verify_has_registers("tdx"), 1);
	assert_int_equal(verify_has_registers("tpm"), 1);
	assert_int_equal(verify_has_registers("snp"), 0);
	assert_int_equal(verify_has_registers("cca"), 0);
	assert_int_equal(verify_has_registers("se"), -EOPNOTSUPP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_quote_cut), cmocka_unit_test(test_snp_json),
		cmocka_unit_test(test_turin),	  cmocka_unit_test(test_snp_json_malformed),
		cmocka_unit_test(test_forms),	  cmocka_unit_test(test_report_data),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
