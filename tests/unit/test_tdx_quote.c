/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "vectors.h"

#include "base/error.h"
#include "base/reader.h"
#include "tee/tdx_quote.h"

#define TRUSTEE "trustee/deps/verifier/test_data/"
#define GOOGLE	"go-tdx-guest/testing/testdata/"

static const struct {
	const char *name;
	uint16_t version, body_type;
	const char *mrtd, *report_data;
	const char *mrconfigid; /* NULL: zero */
	bool debug;
	bool rtmrs_zero;
	bool servicetd;
	size_t trailing; /* bytes behind the signature, where known */
} quotes[] = {
	{GOOGLE "tdx_prod_quote_SPR_E4.dat", 4, 2, "6363b8043668", "6c62dec1b8", .trailing = 39},
	{GOOGLE "quote_v5_sample.dat", 5, 3, "7348651a34b2", "945eaacf5abc", .debug = false},
	{GOOGLE "ccel/cos-113-tdx-quote.dat", 4, 2, "dae67181d3d6", "0000000000000000",
	 .trailing = 3065},
	{TRUSTEE "tdx_quote_4.dat", 4, 2, "705ee9381b86", "7c71fe2c86ef", .debug = true},
	{TRUSTEE "tdx_quote_5.dat", 5, 3, "dfba221b48a2", "6d6ab13b046c", .servicetd = true},
	{TRUSTEE "tdx_quote_6.dat", 4, 2, "21e8dead92d6", "26cae1c77185", .mrconfigid = "889abf47"},
	{TRUSTEE "az-tdx-vtpm/td-quote.bin", 4, 2, "024a32b07038", "9734504f161d",
	 .rtmrs_zero = true},
};

static int verdict(const void *data, size_t size, struct tdx_quote *ret)
{
	cleanup(freep) uint8_t *exact = exact_copy(data, size);

	return tdx_quote_parse(exact, size, ret);
}

static void check_facts(size_t i, const struct tdx_quote *quote)
{
	assert_int_equal(quote->version, quotes[i].version);
	assert_int_equal(quote->body_type, quotes[i].body_type);
	assert_true(starts_with(quote->mrtd, TDX_MR_SIZE, quotes[i].mrtd));
	assert_true(starts_with(quote->report_data, 64, quotes[i].report_data));
	if (quotes[i].mrconfigid)
		assert_true(starts_with(quote->mrconfigid, TDX_MR_SIZE, quotes[i].mrconfigid));
	assert_int_equal(quote->td_attributes[0] & 1, quotes[i].debug);
	assert_int_equal(bytes_are_zero(quote->rtmr, sizeof(quote->rtmr)), quotes[i].rtmrs_zero);
	if (quotes[i].body_type == 2) {
		assert_true(bytes_are_zero(quote->mrservicetd, TDX_MR_SIZE));
		assert_true(bytes_are_zero(quote->tee_tcb_svn2, 16));
	}
	if (quotes[i].servicetd)
		assert_false(bytes_are_zero(quote->mrservicetd, TDX_MR_SIZE));
}

static void published_quotes_are_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(quotes); i++) {
		struct tdx_quote quote;
		size_t size;
		cleanup(freep) char *data = vector_read(quotes[i].name, &size);

		print_message("%s\n", quotes[i].name);
		assert_int_equal(verdict(data, size, &quote), 0);
		check_facts(i, &quote);
	}
}

/* The second of a TDX 1.5 body; its first bytes are published with the sample. */
static void second_tcb_is_read(void **state)
{
	struct tdx_quote quote;
	size_t size;
	cleanup(freep) char *data = vector_read(GOOGLE "quote_v5_sample.dat", &size);

	(void)state;
	assert_int_equal(verdict(data, size, &quote), 0);
	assert_true(starts_with(quote.tee_tcb_svn2, 16, "0d0104"));
}

/* What follows the signature may be cut off, the last byte of the signature may not. */
static void only_whole_quotes_are_taken(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(quotes); i++) {
		struct tdx_quote quote;
		size_t size;
		cleanup(freep) char *data = vector_read(quotes[i].name, &size);

		if (quotes[i].trailing == 0)
			continue;
		assert_int_equal(verdict(data, size - quotes[i].trailing, &quote), 0);
		assert_int_equal(verdict(data, size - quotes[i].trailing - 1, &quote), -EBADMSG);
	}
}

static void cut_quotes_are_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct tdx_quote quote;
		size_t size;
		cleanup(freep) char *data = vector_read(quotes[i].name, &size);

		for (size_t length = 0; length < 800; length++)
			assert_int_equal(verdict(data, length, &quote), -EBADMSG);
	}
}

/* A quote made here: byte N of the body is N, so that each field shows where it was read. */
static size_t make_quote(uint16_t version, uint16_t type, uint8_t *ret)
{
	size_t size = version == 5 ? 54 : 48, body = type == 3 ? 648 : 584;

	memset(ret, 0, 800);
	ret[0] = (uint8_t)version, ret[2] = 2, ret[4] = 0x81;
	if (version == 5) {
		ret[48] = (uint8_t)type;
		ret[50] = (uint8_t)body, ret[51] = (uint8_t)(body >> 8);
	}
	for (size_t i = 0; i < body; i++)
		ret[size + i] = (uint8_t)(i * 7 % 251);
	size += body;
	ret[size] = 5;
	return size + 4 + 5;
}

static void expect_field(const void *field, size_t offset, size_t size)
{
	const uint8_t *bytes = field;

	for (size_t i = 0; i < size; i++)
		assert_int_equal(bytes[i], (uint8_t)((offset + i) * 7 % 251));
}

/* Offsets of Intel's TD quote body. */
static void fields_are_where_they_belong(void **state)
{
	static const uint16_t kinds[][2] = {{4, 2}, {5, 2}, {5, 3}};
	struct tdx_quote quote;
	uint8_t data[800];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		size_t size = make_quote(kinds[i][0], kinds[i][1], data);

		assert_int_equal(verdict(data, size, &quote), 0);
		assert_int_equal(quote.body_type, kinds[i][1]);
		expect_field(quote.tee_tcb_svn, 0, 16);
		expect_field(quote.mrseam, 16, 48);
		expect_field(quote.td_attributes, 120, 8);
		expect_field(quote.xfam, 128, 8);
		expect_field(quote.mrtd, 136, 48);
		expect_field(quote.mrconfigid, 184, 48);
		expect_field(quote.mrowner, 232, 48);
		expect_field(quote.mrownerconfig, 280, 48);
		expect_field(quote.rtmr, 328, 192);
		expect_field(quote.report_data, 520, 64);
		if (kinds[i][1] == 3) {
			expect_field(quote.tee_tcb_svn2, 584, 16);
			expect_field(quote.mrservicetd, 600, 48);
		}
		for (size_t cut = 1; cut <= size; cut++)
			assert_int_equal(verdict(data, size - cut, &quote), -EBADMSG);
	}
}

static void other_headers_are_refused(void **state)
{
	static const struct {
		uint16_t version, type;
		size_t offset;
		uint8_t value;
	} defects[] = {
		{4, 2, 0, 3},	     /* version 3: SGX */
		{4, 2, 0, 6},	     /* a version to come */
		{4, 2, 1, 1},	     /* the upper byte of the version */
		{4, 2, 4, 0},	     /* TEE type: SGX */
		{4, 2, 7, 1},	     /* the upper byte of the TEE type */
		{5, 3, 48, 1},	     /* body type 1: SGX */
		{5, 3, 48, 2},	     /* size of the other type */
		{5, 2, 48, 3},	     /* the same */
		{5, 2, 50, 0},	     /* size of the body */
		{5, 3, 49, 1},	     /* upper byte of the type */
		{5, 3, 50, 0},	     /* the same */
		{5, 3, 53, 1},	     /* its upper byte */
		{4, 2, 48 + 584, 0}, /* no signature */
		{4, 2, 48 + 584, 6}, /* a longer one */
		{4, 2, 48 + 587, 0xff},
	};
	struct tdx_quote quote;
	uint8_t data[800];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(defects); i++) {
		size_t size = make_quote(defects[i].version, defects[i].type, data);

		assert_int_equal(verdict(data, size, &quote), 0);
		data[defects[i].offset] = defects[i].value;
		assert_int_equal(verdict(data, size, &quote), -EBADMSG);
	}
}

static void quote_must_be_about_the_request(void **state)
{
	uint8_t data[800], wanted[64];
	struct tdx_quote quote;
	size_t size = make_quote(4, 2, data);

	(void)state;
	memcpy(wanted, data + 48 + 520, sizeof(wanted));
	assert_int_equal(verdict(data, size, &quote), 0);
	assert_int_equal(tdx_quote_check(&quote, wanted), 0);
	for (size_t i = 0; i < sizeof(wanted); i++) {
		wanted[i] ^= 1;
		assert_int_equal(tdx_quote_check(&quote, wanted), -ESTALE);
		wanted[i] ^= 1;
	}
}

/* ---- The TDX module's report ---- */

static int report_verdict(const void *data, size_t size, struct tdx_report *ret)
{
	cleanup(freep) uint8_t *exact = exact_copy(data, size);

	return tdx_report_parse(exact, size, ret);
}

/* Azure keeps the TD's report in front of its own data. */
static void published_report_is_read(void **state)
{
	struct tdx_report report;
	size_t size;
	cleanup(freep) char *hcl = vector_read(TRUSTEE "az-tdx-vtpm/hcl-report.bin", &size);

	(void)state;
	assert_int_equal(report_verdict(hcl + 32, 1024, &report), 0);
	assert_true(starts_with(report.report_data, 64, "9734504f161d"));
	assert_true(bytes_are_zero(report.mrconfigid, sizeof(report.mrconfigid)));
}

static void second_published_report_is_read(void **state)
{
	struct tdx_report report;
	size_t size;
	cleanup(freep) char *data = vector_read(
		"guest-components/attestation-agent/attester/test/tdx_report_1.bin", &size);

	(void)state;
	assert_int_equal(report_verdict(data, size, &report), 0);
	for (size_t i = 0; i < size; i++)
		assert_int_equal(report_verdict(data, i, &report), -EBADMSG);
}

static void report_fields_are_where_they_belong(void **state)
{
	struct tdx_report report;
	uint8_t data[1025];

	(void)state;
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7 % 251);
	assert_int_equal(report_verdict(data, 1024, &report), -EBADMSG);
	data[0] = 0x81;
	assert_int_equal(report_verdict(data, 1024, &report), 0);
	assert_int_equal(report_verdict(data, 1025, &report), -EBADMSG);
	expect_field(report.report_data, 128, 64);
	/* TDINFO_STRUCT at 512: ATTRIBUTES 8, XFAM 8, MRTD 48. */
	expect_field(report.mrconfigid, 576, 48);
}

static void mrconfigid_binds_initdata(void **state)
{
	struct tdx_report report = {};
	uint8_t digest[64];

	(void)state;
	for (size_t i = 0; i < sizeof(digest); i++)
		digest[i] = (uint8_t)(i + 1);
	assert_int_equal(tdx_report_check_config_id(&report, digest, 48), -EKEYREJECTED);
	assert_non_null(strstr(fail_sentence(-EKEYREJECTED), "without MRCONFIGID"));
	memcpy(report.mrconfigid, digest, 48);
	assert_int_equal(tdx_report_check_config_id(&report, digest, 48), 0);
	assert_int_equal(tdx_report_check_config_id(&report, digest, 64), 0);
	assert_int_equal(tdx_report_check_config_id(&report, digest, 47), -EKEYREJECTED);
	digest[47] ^= 1;
	assert_int_equal(tdx_report_check_config_id(&report, digest, 48), -EKEYREJECTED);
	assert_non_null(strstr(fail_sentence(-EKEYREJECTED), "is not MRCONFIGID"));
	memset(report.mrconfigid + 32, 0, 16);
	assert_int_equal(tdx_report_check_config_id(&report, digest, 32), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(published_quotes_are_read),
		cmocka_unit_test(second_tcb_is_read),
		cmocka_unit_test(only_whole_quotes_are_taken),
		cmocka_unit_test(cut_quotes_are_refused),
		cmocka_unit_test(fields_are_where_they_belong),
		cmocka_unit_test(other_headers_are_refused),
		cmocka_unit_test(quote_must_be_about_the_request),
		cmocka_unit_test(published_report_is_read),
		cmocka_unit_test(second_published_report_is_read),
		cmocka_unit_test(report_fields_are_where_they_belong),
		cmocka_unit_test(mrconfigid_binds_initdata),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
