/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "vectors.h"

#include "base/error.h"
#include "tee/snp_certs.h"
#include "tee/snp_ioctl.h"
#include "tee/snp_report.h"

#define TRUSTEE	     "trustee/deps/verifier/test_data/"
#define E2E_REPORT   "trustee/derived/e2e-evidence-report.bin"
#define E2E_EVIDENCE "trustee/attestation-service/tests/e2e/evidence.json"
#define HCL_REPORT   32 /* an Azure HCL report holds the SNP report behind its header */
#define SIGNED_SIZE  0x2a0

/* ---- What a verifier does with the JSON: the binary report again, by a table of its own ---- */

enum kind {
	BYTES,
	INTEGER, /* little-endian */
	TCB,
	FIRMWARE,
	CPUID, /* null is 0 */
};

static const struct {
	const char *name;
	enum kind kind;
	size_t offset, size;
	uint32_t since;
} fields[] = {
	{"version", INTEGER, 0x000, 4, 0},
	{"guest_svn", INTEGER, 0x004, 4, 0},
	{"policy", INTEGER, 0x008, 8, 0},
	{"family_id", BYTES, 0x010, 16, 0},
	{"image_id", BYTES, 0x020, 16, 0},
	{"vmpl", INTEGER, 0x030, 4, 0},
	{"sig_algo", INTEGER, 0x034, 4, 0},
	{"current_tcb", TCB, 0x038, 8, 0},
	{"plat_info", INTEGER, 0x040, 8, 0},
	{"key_info", INTEGER, 0x048, 4, 0},
	{"report_data", BYTES, 0x050, 64, 0},
	{"measurement", BYTES, 0x090, 48, 0},
	{"host_data", BYTES, 0x0c0, 32, 0},
	{"id_key_digest", BYTES, 0x0e0, 48, 0},
	{"author_key_digest", BYTES, 0x110, 48, 0},
	{"report_id", BYTES, 0x140, 32, 0},
	{"report_id_ma", BYTES, 0x160, 32, 0},
	{"reported_tcb", TCB, 0x180, 8, 0},
	{"cpuid_fam_id", CPUID, 0x188, 1, 3},
	{"cpuid_mod_id", CPUID, 0x189, 1, 3},
	{"cpuid_step", CPUID, 0x18a, 1, 3},
	{"chip_id", BYTES, 0x1a0, 64, 0},
	{"committed_tcb", TCB, 0x1e0, 8, 0},
	{"current", FIRMWARE, 0x1e8, 3, 0},
	{"committed", FIRMWARE, 0x1ec, 3, 0},
	{"launch_tcb", TCB, 0x1f0, 8, 0},
	{"launch_mit_vector", INTEGER, 0x1f8, 8, 5},
	{"current_mit_vector", INTEGER, 0x200, 8, 5},
};

static uint8_t number_of(json_t *object, const char *name)
{
	json_t *value = json_object_get(object, name);

	assert_true(json_is_integer(value));
	assert_in_range(json_integer_value(value), 0, 255);
	return (uint8_t)json_integer_value(value);
}

static void put_bytes(json_t *array, size_t size, uint8_t *ret)
{
	assert_true(json_is_array(array));
	assert_int_equal(json_array_size(array), size);
	for (size_t i = 0; i < size; i++) {
		json_t *item = json_array_get(array, i);

		assert_true(json_is_integer(item));
		ret[i] = (uint8_t)json_integer_value(item);
	}
}

static void put_tcb(json_t *tcb, bool turin, uint8_t *ret)
{
	assert_int_equal(json_object_size(tcb), 5);
	ret[turin ? 1 : 0] = number_of(tcb, "bootloader");
	ret[turin ? 2 : 1] = number_of(tcb, "tee");
	ret[turin ? 3 : 6] = number_of(tcb, "snp");
	ret[7] = number_of(tcb, "microcode");
	if (turin)
		ret[0] = number_of(tcb, "fmc");
	else
		assert_true(json_is_null(json_object_get(tcb, "fmc")));
}

static void put_firmware(json_t *firmware, uint8_t *ret)
{
	assert_int_equal(json_object_size(firmware), 3);
	ret[0] = number_of(firmware, "build");
	ret[1] = number_of(firmware, "minor");
	ret[2] = number_of(firmware, "major");
}

static void put_field(json_t *value, size_t i, bool turin, uint32_t version, uint8_t *ret)
{
	uint8_t *to = ret + fields[i].offset;

	switch (fields[i].kind) {
	case BYTES:
		put_bytes(value, fields[i].size, to);
		break;
	case TCB:
		put_tcb(value, turin, to);
		break;
	case FIRMWARE:
		put_firmware(value, to);
		break;
	case CPUID:
		if (version < fields[i].since) {
			assert_true(json_is_null(value));
			break;
		}
		/* fall through */
	case INTEGER:
		assert_true(json_is_integer(value));
		for (size_t n = 0; n < fields[i].size; n++)
			to[n] = (uint8_t)((uint64_t)json_integer_value(value) >> 8 * n);
		break;
	}
}

static void encode(json_t *json, uint8_t ret[static SNP_REPORT_SIZE])
{
	json_t *signature = json_object_get(json, "signature");
	uint32_t version = (uint32_t)json_integer_value(json_object_get(json, "version"));
	bool turin = json_integer_value(json_object_get(json, "cpuid_fam_id")) == 0x1a;
	size_t members = 1;

	memset(ret, 0, SNP_REPORT_SIZE);
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		json_t *value = json_object_get(json, fields[i].name);

		if (!value && version < fields[i].since)
			continue;
		members++;
		put_field(value, i, turin, version, ret);
	}
	assert_int_equal(json_object_size(json), members);
	assert_int_equal(json_object_size(signature), 2);
	put_bytes(json_object_get(signature, "r"), 72, ret + SIGNED_SIZE);
	put_bytes(json_object_get(signature, "s"), 72, ret + SIGNED_SIZE + 72);
}

/* The report, and that what is signed of it survives the way through JSON. */
static void parse(const uint8_t *data, struct snp_report *ret)
{
	cleanup(json_decrefp) json_t *json = NULL;
	cleanup(freep) uint8_t *exact = exact_copy(data, SNP_REPORT_SIZE);
	uint8_t again[SNP_REPORT_SIZE];

	assert_int_equal(snp_report_parse(exact, SNP_REPORT_SIZE, ret), 0);
	assert_int_equal(snp_report_to_json(ret, &json), 0);
	encode(json, again);
	assert_memory_equal(again, data, SIGNED_SIZE + 144);
}

/* ---- Published reports ---- */

enum container {
	RAW,
	HEX_TEXT,
	HCL,
	AZURE_V0, /* evidence of az-snp-vtpm: an array of bytes */
	AZURE_V1, /* base64url with padding */
};

static const struct {
	const char *name;
	enum container container;
	uint32_t version;
	uint8_t family, model, stepping;
	const char *report_data, *measurement, *chip_id;
	struct snp_tcb tcb;
	uint64_t policy; /* 0: not named in what was published with it */
	uint32_t vmpl;
} reports[] = {
	{"go-sev-guest/verify/testdata/attestation.bin",
	 RAW,
	 2,
	 0,
	 0,
	 0,
	 "0102030405",
	 "b07af9620f3b",
	 "3ac3fe21e13f",
	 {0, 2, 0, 5, 68},
	 0xb0000,
	 0},
	{"virtee-sev/tests/certs_data/report_milan.hex",
	 HEX_TEXT,
	 2,
	 0,
	 0,
	 0,
	 "d447b55d1974",
	 "7a1e5c266c01",
	 "d49554ec717f",
	 {0, 3, 0, 8, 115},
	 0x30000,
	 0},
	{TRUSTEE "snp/test-report.bin",
	 RAW,
	 2,
	 0,
	 0,
	 0,
	 "ec6c52d7533c",
	 "a1f393041324",
	 "c38427a30d4c",
	 {0, 3, 0, 8, 115},
	 0x3001f,
	 0},
	{TRUSTEE "snp/test-vlek-report.bin",
	 RAW,
	 3,
	 25,
	 1,
	 1,
	 "819770b7e6ea",
	 "8922ebbdd00e",
	 "000000000000",
	 {0, 4, 0, 24, 217},
	 0,
	 1},
	{TRUSTEE "az-snp-vtpm/hcl-report.bin",
	 HCL,
	 2,
	 0,
	 0,
	 0,
	 "b3fbad6514c8",
	 "9ac48fcac8a2",
	 "19752a447db5",
	 {0, 3, 0, 8, 115},
	 0,
	 0},
	{"azure-cvm-tooling/az-cvm-vtpm/test/hcl-report-snp.bin",
	 HCL,
	 2,
	 0,
	 0,
	 0,
	 "",
	 "",
	 "3a5d5b1d",
	 {0, 3, 0, 8, 115},
	 0,
	 0},
	{TRUSTEE "az-snp-vtpm/evidence-v0.json",
	 AZURE_V0,
	 3,
	 25,
	 1,
	 1,
	 "af2910341dd8",
	 "6a063be9dd79",
	 "66a5a7b4403a",
	 {0, 4, 0, 24, 219},
	 0,
	 0},
	{TRUSTEE "az-snp-vtpm/evidence-v1.json",
	 AZURE_V1,
	 3,
	 25,
	 1,
	 1,
	 "af2910341dd8",
	 "6a063be9dd79",
	 "66a5a7b4403a",
	 {0, 4, 0, 24, 219},
	 0,
	 0},
	{TRUSTEE "az-snp-vtpm/evidence-v2.json",
	 AZURE_V1,
	 3,
	 25,
	 1,
	 1,
	 "cf7cc0731c50",
	 "5b0ce64ad1c1",
	 "2e0e62a0e6f3",
	 {0, 4, 0, 24, 219},
	 0,
	 0},
	{TRUSTEE "az-snp-vtpm/evidence-genoa.json",
	 AZURE_V0,
	 3,
	 25,
	 17,
	 1,
	 "b581f12e29a2",
	 "f57dc09a507c",
	 "0506ffba875e",
	 {0, 10, 0, 23, 84},
	 0,
	 0},
	{"trustee/derived/az-genoa-hcl-report.bin",
	 HCL,
	 3,
	 25,
	 17,
	 1,
	 "b581f12e29a2",
	 "f57dc09a507c",
	 "0506ffba875e",
	 {0, 10, 0, 23, 84},
	 0,
	 0},
	{E2E_REPORT,
	 RAW,
	 3,
	 25,
	 160,
	 2,
	 "7e7320889600",
	 "6a6519d757e6",
	 "",
	 {0, 10, 0, 23, 25},
	 0x30000,
	 0},
};

static void read_azure_v0(const char *name, uint8_t *ret)
{
	cleanup(json_decrefp) json_t *evidence = vector_read_json(name);
	uint8_t hcl[2600];

	put_bytes(json_object_get(evidence, "report"), sizeof(hcl), hcl);
	memcpy(ret, hcl + HCL_REPORT, SNP_REPORT_SIZE);
}

static void read_azure_v1(const char *name, uint8_t *ret)
{
	cleanup(json_decrefp) json_t *evidence = vector_read_json(name);
	json_t *text = json_object_get(evidence, "hcl_report");
	size_t size = json_string_length(text);
	uint8_t hcl[2600];

	while (size > 0 && json_string_value(text)[size - 1] == '=')
		size--;
	assert_int_equal(base64url_decode(json_string_value(text), size, hcl, sizeof(hcl), &size),
			 0);
	assert_int_equal(size, sizeof(hcl));
	memcpy(ret, hcl + HCL_REPORT, SNP_REPORT_SIZE);
}

static void read_report(const char *name, enum container container, uint8_t *ret)
{
	cleanup(freep) char *data = NULL;
	size_t size, offset = container == HCL ? HCL_REPORT : 0;

	if (container == AZURE_V0) {
		read_azure_v0(name, ret);
		return;
	}
	if (container == AZURE_V1) {
		read_azure_v1(name, ret);
		return;
	}
	data = vector_read(name, &size);
	if (container == HEX_TEXT) {
		assert_int_equal(hex_decode(data, 2 * SNP_REPORT_SIZE, ret, SNP_REPORT_SIZE), 0);
		return;
	}
	assert_true(size >= offset + SNP_REPORT_SIZE);
	memcpy(ret, data + offset, SNP_REPORT_SIZE);
}

static void published_reports_are_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(reports); i++) {
		uint8_t data[SNP_REPORT_SIZE];
		struct snp_report report;

		read_report(reports[i].name, reports[i].container, data);
		print_message("%s\n", reports[i].name);
		parse(data, &report);
		assert_int_equal(report.version, reports[i].version);
		assert_int_equal(report.cpuid_family, reports[i].family);
		assert_int_equal(report.cpuid_model, reports[i].model);
		assert_int_equal(report.cpuid_stepping, reports[i].stepping);
		assert_true(starts_with(report.report_data, 64, reports[i].report_data));
		assert_true(starts_with(report.measurement, 48, reports[i].measurement));
		assert_true(starts_with(report.chip_id, 64, reports[i].chip_id));
		assert_int_equal(report.vmpl, reports[i].vmpl);
		if (reports[i].policy != 0)
			assert_int_equal(report.policy, reports[i].policy);
		assert_int_equal(report.reported_tcb.bootloader, reports[i].tcb.bootloader);
		assert_int_equal(report.reported_tcb.tee, reports[i].tcb.tee);
		assert_int_equal(report.reported_tcb.snp, reports[i].tcb.snp);
		assert_int_equal(report.reported_tcb.microcode, reports[i].tcb.microcode);
	}
}

/* Evidence that Trustee's verifier takes, from the binary report and certificate in it. */
static void trustee_sample_is_reproduced(void **state)
{
	cleanup(json_decrefp) json_t *expected = vector_read_json(E2E_EVIDENCE);
	cleanup(json_decrefp) json_t *report_json = NULL, *chain = NULL, *made = NULL;
	static uint8_t table[4096];
	uint8_t data[SNP_REPORT_SIZE];
	HEX(vcek_guid, "63da758de6644564adc5f4b93be8accd");
	cleanup(freep) char *vcek = NULL;
	struct snp_report report;
	size_t size;

	(void)state;
	read_report(E2E_REPORT, RAW, data);
	vcek = vector_read("trustee/derived/e2e-evidence-vcek.der", &size);
	memcpy(table, vcek_guid, 16);
	table[16] = 48;
	table[20] = (uint8_t)size;
	table[21] = (uint8_t)(size >> 8);
	memcpy(table + 48, vcek, size);

	assert_int_equal(snp_report_parse(data, sizeof(data), &report), 0);
	assert_int_equal(snp_report_to_json(&report, &report_json), 0);
	assert_int_equal(snp_certs_to_json(table, sizeof(table), &chain), 0);
	made = json_pack("{sOsO}", "attestation_report", report_json, "cert_chain", chain);
	assert_true(json_equal(made, expected));
	/* No member beyond those, in any order. */
	assert_int_equal(json_object_size(report_json),
			 json_object_size(json_object_get(expected, "attestation_report")));
}

/* ---- Reports made here, for what nobody published ---- */

static void make_report(uint32_t version, uint8_t family, uint8_t ret[static SNP_REPORT_SIZE])
{
	memset(ret, 0, SNP_REPORT_SIZE);
	ret[0] = (uint8_t)version;
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		for (size_t n = 0; i > 0 && n < fields[i].size && fields[i].kind != TCB; n++)
			if (fields[i].since <= version)
				ret[fields[i].offset + n] = (uint8_t)(i + n + 1);
	/* Four-byte fields that are checked, and bit 63, which JSON does not carry. */
	ret[0x30] = 0, ret[0x31] = 0, ret[0x32] = 0, ret[0x33] = 0;
	if (version >= 3)
		ret[0x188] = family;
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		if (fields[i].kind == TCB)
			for (uint8_t n = 0; n < 8; n++)
				if (n == 7 || (family == 0x1a ? n < 4 : n < 2 || n == 6))
					ret[fields[i].offset + n] = (uint8_t)(0x50 + n + i);
	memset(ret + SIGNED_SIZE, 0x77, 144);
}

static void every_version_survives_json(void **state)
{
	static const uint8_t families[] = {0x19, 0x1a};
	uint8_t data[SNP_REPORT_SIZE];
	struct snp_report report;

	(void)state;
	for (uint32_t version = 2; version <= 5; version++)
		for (size_t i = 0; i < (version < 3 ? 1 : 2); i++) {
			make_report(version, families[i], data);
			parse(data, &report);
			assert_int_equal(report.version, version);
		}
}

/* TCB_VERSION from family 1Ah on: FMC, boot loader, TEE, SNP, three reserved, microcode. */
static void turin_has_another_tcb(void **state)
{
	cleanup(json_decrefp) json_t *json = NULL;
	uint8_t data[SNP_REPORT_SIZE];
	struct snp_report report;
	json_t *tcb;

	(void)state;
	make_report(3, 0x1a, data);
	memcpy(data + 0x180, "\x01\x02\x03\x04\x00\x00\x00\x08", 8);
	assert_int_equal(snp_report_parse(data, sizeof(data), &report), 0);
	assert_int_equal(snp_report_to_json(&report, &json), 0);
	tcb = json_object_get(json, "reported_tcb");
	assert_int_equal(number_of(tcb, "fmc"), 1);
	assert_int_equal(number_of(tcb, "bootloader"), 2);
	assert_int_equal(number_of(tcb, "tee"), 3);
	assert_int_equal(number_of(tcb, "snp"), 4);
	assert_int_equal(number_of(tcb, "microcode"), 8);
}

static void mitigations_begin_with_version_5(void **state)
{
	cleanup(json_decrefp) json_t *older = NULL, *newer = NULL;
	uint8_t data[SNP_REPORT_SIZE];
	struct snp_report report;

	(void)state;
	make_report(4, 0x19, data);
	assert_int_equal(snp_report_parse(data, sizeof(data), &report), 0);
	assert_int_equal(snp_report_to_json(&report, &older), 0);
	assert_null(json_object_get(older, "launch_mit_vector"));
	assert_null(json_object_get(older, "current_mit_vector"));

	make_report(5, 0x19, data);
	memcpy(data + 0x1f8, "\x0b\0\0\0\0\0\0\x01\x0d\0\0\0\0\0\0\x02", 16);
	assert_int_equal(snp_report_parse(data, sizeof(data), &report), 0);
	assert_int_equal(snp_report_to_json(&report, &newer), 0);
	assert_int_equal(json_integer_value(json_object_get(newer, "launch_mit_vector")),
			 0x010000000000000b);
	assert_int_equal(json_integer_value(json_object_get(newer, "current_mit_vector")),
			 0x020000000000000d);
}

static int verdict(const uint8_t *data, size_t size)
{
	cleanup(freep) uint8_t *exact = exact_copy(data, size);
	struct snp_report report;

	return snp_report_parse(exact, size, &report);
}

static void other_sizes_are_refused(void **state)
{
	uint8_t data[SNP_REPORT_SIZE + 1] = {};

	(void)state;
	make_report(3, 0x19, data);
	assert_int_equal(verdict(data, SNP_REPORT_SIZE), 0);
	assert_int_equal(verdict(data, SNP_REPORT_SIZE + 1), -EBADMSG);
	for (size_t size = 0; size < SNP_REPORT_SIZE; size++)
		assert_int_equal(verdict(data, size), -EBADMSG);
	assert_string_equal(fail_sentence(-EBADMSG), "an SNP report has 1184 bytes, not 1183");
}

static void other_versions_are_refused(void **state)
{
	static const uint32_t versions[] = {0, 1, 6, 0x100, 0x01000003};
	uint8_t data[SNP_REPORT_SIZE];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(versions); i++) {
		make_report(3, 0x19, data);
		for (size_t n = 0; n < 4; n++)
			data[n] = (uint8_t)(versions[i] >> 8 * n);
		assert_int_equal(verdict(data, sizeof(data)), -EBADMSG);
		assert_non_null(strstr(fail_sentence(-EBADMSG), "has version"));
	}
}

static bool is_field(size_t offset, uint32_t version, uint8_t family)
{
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		size_t n = offset - fields[i].offset;

		if (offset < fields[i].offset || n >= fields[i].size || version < fields[i].since)
			continue;
		if (fields[i].kind == TCB)
			return n == 7 || (family == 0x1a ? n < 4 : n < 2 || n == 6);
		return true;
	}
	return false;
}

/* A byte that the signature covers and the JSON leaves out must be zero, and only such a one. */
static void reserved_bytes_are_refused(void **state)
{
	uint8_t data[SNP_REPORT_SIZE];
	size_t refused = 0;

	(void)state;
	for (uint32_t version = 2; version <= 5; version++)
		for (uint8_t family = 0x19; family <= (version < 3 ? 0x19 : 0x1a); family++) {
			make_report(version, family, data);
			for (size_t i = 4; i < SIGNED_SIZE; i++) {
				bool field = is_field(i, version, family);

				/* The family decides about others. */
				if (i == 0x188 && version >= 3)
					continue;
				data[i] ^= 0x10;
				assert_int_equal(verdict(data, sizeof(data)), field ? 0 : -EBADMSG);
				data[i] ^= 0x10;
				refused += !field;
			}
		}
	/*
	 * By hand from the layout, version 2: 4 + 24 + 2 + 168 and 4 of each TCB. In version 3 the
	 * 24 are 21, in version 5 the 168 are 152; family 1Ah has 3 in each TCB.
	 */
	assert_int_equal(refused, 214 + 2 * (211 + 207) + 195 + 191);
	assert_non_null(strstr(fail_sentence(-EBADMSG), "bytes set that are reserved"));
}

static void bit_63_is_refused(void **state)
{
	static const size_t offsets[] = {0x0f, 0x47, 0x1ff, 0x207};
	json_t *json;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(offsets); i++) {
		uint8_t data[SNP_REPORT_SIZE];
		struct snp_report report;

		make_report(5, 0x19, data);
		data[offsets[i]] = 0x80;
		assert_int_equal(snp_report_parse(data, sizeof(data), &report), 0);
		assert_int_equal(snp_report_to_json(&report, &json), -EOPNOTSUPP);
	}
}

static void answer_must_fit_the_request(void **state)
{
	uint8_t data[SNP_REPORT_SIZE], other[64];
	struct snp_report report;

	(void)state;
	make_report(3, 0x19, data);
	data[0x30] = 1;
	assert_int_equal(snp_report_parse(data, sizeof(data), &report), 0);
	assert_int_equal(snp_report_check(&report, data + 0x50, 1), 0);
	assert_int_equal(snp_report_check(&report, data + 0x50, 0), -ESTALE);
	assert_string_equal(fail_sentence(-ESTALE),
			    "the SNP report is of VMPL 1, not of 0 as asked for");
	for (size_t i = 0; i < sizeof(other); i++) {
		memcpy(other, data + 0x50, sizeof(other));
		other[i] ^= 1;
		assert_int_equal(snp_report_check(&report, other, 1), -ESTALE);
	}
}

static void host_data_binds_initdata(void **state)
{
	struct snp_report report = {};
	uint8_t digest[64];

	(void)state;
	for (size_t i = 0; i < sizeof(digest); i++)
		digest[i] = (uint8_t)(i + 1);
	assert_int_equal(snp_report_check_host_data(&report, digest, 32), -EKEYREJECTED);
	assert_non_null(strstr(fail_sentence(-EKEYREJECTED), "without HOST_DATA"));
	/* SHA-256 fits, SHA-384 and SHA-512 are cut. */
	memcpy(report.host_data, digest, 32);
	assert_int_equal(snp_report_check_host_data(&report, digest, 32), 0);
	assert_int_equal(snp_report_check_host_data(&report, digest, 48), 0);
	assert_int_equal(snp_report_check_host_data(&report, digest, 64), 0);
	assert_int_equal(snp_report_check_host_data(&report, digest, 31), -EKEYREJECTED);
	digest[31] ^= 1;
	assert_int_equal(snp_report_check_host_data(&report, digest, 32), -EKEYREJECTED);
	assert_non_null(strstr(fail_sentence(-EKEYREJECTED), "is not HOST_DATA"));
	/* A shorter digest is filled with zeros. */
	memset(report.host_data + 20, 0, 12);
	assert_int_equal(snp_report_check_host_data(&report, digest, 20), 0);
	assert_int_equal(snp_report_check_host_data(&report, digest, 21), -EKEYREJECTED);
}

/* ---- Certificate table ---- */

static const char ark[] = "c0b406a4a803495297433fb6014cd0ae";
static const char vcek[] = "63da758de6644564adc5f4b93be8accd";
static const char vlek[] = "a8074bc2a25a483eaae639c045a0b8a1";
static const char crl[] = "92f81bc358114d3d97ffd19f88dc67ea";
static const char other[] = "00112233445566778899aabbccddeeff";

static void put_entry(uint8_t *table, size_t i, const char *guid, uint32_t offset, uint32_t length)
{
	uint8_t *entry = table + 24 * i;

	assert_int_equal(hex_decode(guid, 32, entry, 16), 0);
	for (size_t n = 0; n < 4; n++) {
		entry[16 + n] = (uint8_t)(offset >> 8 * n);
		entry[20 + n] = (uint8_t)(length >> 8 * n);
	}
}

static int certs(const uint8_t *table, size_t size, json_t **ret)
{
	cleanup(freep) uint8_t *exact = exact_copy(table, size);

	return snp_certs_to_json(exact, size, ret);
}

static void expect_type(json_t *chain, size_t i, const char *type, uint8_t first, size_t size)
{
	json_t *certificate = json_array_get(chain, i);
	json_t *data = json_object_get(certificate, "data");

	assert_string_equal(json_string_value(json_object_get(certificate, "cert_type")), type);
	assert_int_equal(json_array_size(data), size);
	assert_int_equal(json_integer_value(json_array_get(data, 0)), first);
}

static void certificates_become_a_chain(void **state)
{
	cleanup(json_decrefp) json_t *chain = NULL;
	uint8_t table[256] = {};
	json_t *type;

	(void)state;
	for (size_t i = 0; i < sizeof(table); i++)
		table[i] = (uint8_t)i;
	memset(table, 0, 24 * 6);
	put_entry(table, 0, ark, 200, 3);
	put_entry(table, 1, vcek, 203, 5);
	put_entry(table, 2, vlek, 208, 1);
	put_entry(table, 3, crl, 255, 1);
	put_entry(table, 4, other, 150, 2);
	assert_int_equal(certs(table, sizeof(table), &chain), 0);
	assert_int_equal(json_array_size(chain), 5);
	expect_type(chain, 0, "ARK", 200, 3);
	expect_type(chain, 1, "VCEK", 203, 5);
	expect_type(chain, 2, "VLEK", 208, 1);
	expect_type(chain, 3, "CRL", 255, 1);
	type = json_object_get(json_array_get(chain, 4), "cert_type");
	assert_string_equal(json_string_value(json_object_get(type, "OTHER")),
			    "00112233-4455-6677-8899-aabbccddeeff");
}

/* An array without the signer would be refused; null makes the broker look for it. */
static void chain_without_signer_is_null(void **state)
{
	cleanup(json_decrefp) json_t *none = NULL, *empty = NULL, *others = NULL;
	uint8_t table[128] = {};

	(void)state;
	assert_int_equal(certs(table, 0, &none), 0);
	assert_true(json_is_null(none));
	assert_int_equal(certs(table, sizeof(table), &empty), 0);
	assert_true(json_is_null(empty));
	put_entry(table, 0, ark, 100, 8);
	assert_int_equal(certs(table, sizeof(table), &others), 0);
	assert_true(json_is_null(others));
}

static void bad_tables_are_refused(void **state)
{
	static const struct {
		uint32_t offset, length;
	} places[] = {{100, 0},
		      {100, 29},
		      {129, 1},
		      {128, 1},
		      {UINT32_MAX, 1},
		      {1, UINT32_MAX},
		      {UINT32_MAX, UINT32_MAX}};
	uint8_t table[128] = {};
	json_t *chain;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		put_entry(table, 0, vcek, places[i].offset, places[i].length);
		assert_int_equal(certs(table, sizeof(table), &chain), -EBADMSG);
	}
	/* No end of the list. */
	put_entry(table, 0, vcek, 0, 1);
	assert_int_equal(certs(table, 24, &chain), -EBADMSG);
	assert_int_equal(certs(table, 30, &chain), -EBADMSG);
}

static void large_tables_are_refused(void **state)
{
	size_t size = SNP_CERTS_LIMIT + 1;
	cleanup(freep) uint8_t *table = calloc(1, size);
	json_t *chain = NULL;

	(void)state;
	assert_int_equal(certs(table, size, &chain), -E2BIG);
	for (size_t i = 0; i < 32; i++)
		put_entry(table, i, vcek, 1000, 1);
	assert_int_equal(certs(table, size - 1, &chain), -E2BIG);
	/* The same bytes twice are more than all bytes once. */
	memset(table, 0, size);
	put_entry(table, 0, vcek, 0, (uint32_t)SNP_CERTS_LIMIT - 100);
	put_entry(table, 1, vcek, 0, 101);
	assert_int_equal(certs(table, size - 1, &chain), -E2BIG);
}

/* ---- /dev/sev-guest ---- */

static void requests_have_the_kernels_layout(void **state)
{
	uint8_t report_data[64], plain[SNP_REQUEST_SIZE], extended[SNP_EXT_REQUEST_SIZE];
	uint8_t zeros[32] = {};

	(void)state;
	memset(report_data, 0xa5, sizeof(report_data));
	snp_request_encode(report_data, 0x01020304, plain);
	assert_memory_equal(plain, report_data, 64);
	assert_memory_equal(plain + 64, "\x04\x03\x02\x01", 4);
	assert_memory_equal(plain + 68, zeros, 28);
	snp_ext_request_encode(report_data, 2, 0x1122334455667788, 0x4000, extended);
	assert_memory_equal(extended, report_data, 64);
	assert_memory_equal(extended + 64, "\x02\0\0\0", 4);
	assert_memory_equal(extended + 68, zeros, 28);
	assert_memory_equal(extended + 96, "\x88\x77\x66\x55\x44\x33\x22\x11", 8);
	assert_memory_equal(extended + 104, "\x00\x40\0\0", 4);
	assert_memory_equal(extended + 108, zeros, 4);
	/* What the ioctl numbers of the kernel's header say of it. */
	assert_int_equal(sizeof(struct snp_guest_request), 32);
	assert_int_equal(offsetof(struct snp_guest_request, request), 8);
	assert_int_equal(offsetof(struct snp_guest_request, exit_info), 24);
}

static void responses_are_checked(void **state)
{
	uint8_t response[SNP_RESPONSE_SIZE] = {};
	const uint8_t *report;
	size_t size = 0;

	(void)state;
	response[4] = 0xa0, response[5] = 0x04;
	assert_int_equal(snp_response_decode(response, &report, &size), 0);
	assert_int_equal(size, SNP_REPORT_SIZE);
	assert_ptr_equal(report, response + 32);
	response[4] = 0x9f;
	assert_int_equal(snp_response_decode(response, &report, &size), -EBADMSG);
	response[4] = 0xa0, response[7] = 1;
	assert_int_equal(snp_response_decode(response, &report, &size), -EBADMSG);
	response[7] = 0, response[0] = 0x16;
	assert_int_equal(snp_response_decode(response, &report, &size), -EIO);
	assert_non_null(strstr(fail_sentence(-EIO), "status 0x16"));
}

static void exit_codes_are_told_apart(void **state)
{
	uint8_t request[SNP_EXT_REQUEST_SIZE] = {};
	uint32_t room = 7;

	(void)state;
	request[105] = 0x30;
	assert_int_equal(snp_exit_decode(UINT64_C(1) << 32, request, &room), -E2BIG);
	assert_int_equal(room, 0x3000);
	/* Not whole pages, nothing, and more than we take. */
	request[104] = 1;
	assert_int_equal(snp_exit_decode(UINT64_C(1) << 32, request, &room), -EIO);
	request[104] = 0, request[105] = 0;
	assert_int_equal(snp_exit_decode(UINT64_C(1) << 32, request, &room), -EIO);
	request[106] = 2;
	assert_int_equal(snp_exit_decode(UINT64_C(1) << 32, request, &room), -EIO);
	assert_int_equal(room, 0x3000);
	assert_int_equal(snp_exit_decode(UINT64_C(2) << 32, request, &room), -EBUSY);
	assert_int_equal(snp_exit_decode(0x17, request, &room), -EIO);
	assert_non_null(strstr(fail_sentence(-EIO), "error 0x17 of the firmware, 0x0 of the host"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(published_reports_are_read),
		cmocka_unit_test(trustee_sample_is_reproduced),
		cmocka_unit_test(every_version_survives_json),
		cmocka_unit_test(turin_has_another_tcb),
		cmocka_unit_test(mitigations_begin_with_version_5),
		cmocka_unit_test(other_sizes_are_refused),
		cmocka_unit_test(other_versions_are_refused),
		cmocka_unit_test(reserved_bytes_are_refused),
		cmocka_unit_test(bit_63_is_refused),
		cmocka_unit_test(answer_must_fit_the_request),
		cmocka_unit_test(host_data_binds_initdata),
		cmocka_unit_test(certificates_become_a_chain),
		cmocka_unit_test(chain_without_signer_is_null),
		cmocka_unit_test(bad_tables_are_refused),
		cmocka_unit_test(large_tables_are_refused),
		cmocka_unit_test(requests_have_the_kernels_layout),
		cmocka_unit_test(responses_are_checked),
		cmocka_unit_test(exit_codes_are_told_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
