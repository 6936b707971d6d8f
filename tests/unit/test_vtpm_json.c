/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "expect.h"
#include "vectors.h"

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/reader.h"
#include "tee/hcl_report.h"
#include "tee/vtpm_json.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#define SNP_DATA "trustee/deps/verifier/test_data/az-snp-vtpm/"
#define CVM_DATA "azure-cvm-tooling/az-cvm-vtpm/test/"
#define TDX_DATA "trustee/deps/verifier/test_data/az-tdx-vtpm/"

static void assert_json_equal(json_t *made, json_t *published)
{
	if (!json_equal(made, published))
		fail_msg("not the same JSON: made %s", json_dumps(made, JSON_SORT_KEYS));
}

/* ---- Vectors ---- */

static json_t *vector_json(const char *name)
{
	size_t size;
	cleanup(freep) char *text = vector_read(name, &size);
	/* Recorded answers may hold NULs. */
	json_t *json = json_loadb(text, size, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);

	assert_non_null(json);
	return json;
}

/*
 * Bytes of a member, in whichever form it is: numbers, hex, base64 or base64url with padding. They
 * stay until the program ends.
 */
struct bytes {
	uint8_t *data;
	size_t size;
};

static struct bytes new_bytes(size_t size)
{
	static uint8_t arena[256 * KIB];
	static size_t used;
	struct bytes bytes = {.data = arena + used, .size = size};

	assert_true(size <= sizeof(arena) - used);
	used += size;
	return bytes;
}

static struct bytes vector_bytes(const char *name)
{
	size_t size;
	cleanup(freep) char *text = vector_read(name, &size);
	struct bytes bytes = new_bytes(size);

	memcpy(bytes.data, text, size);
	return bytes;
}

static struct bytes from_numbers(json_t *array)
{
	struct bytes bytes = new_bytes(json_array_size(array));

	for (size_t i = 0; i < bytes.size; i++)
		bytes.data[i] = (uint8_t)json_integer_value(json_array_get(array, i));
	return bytes;
}

static struct bytes from_hex(json_t *hex)
{
	struct bytes bytes = new_bytes(json_string_length(hex) / 2);

	assert_int_equal(hex_decode(json_string_value(hex), 2 * bytes.size, bytes.data, bytes.size),
			 0);
	return bytes;
}

static struct bytes from_base64(json_t *value)
{
	cleanup(freep) char *text = strdup(json_string_value(value));
	struct bytes bytes = new_bytes(strlen(text));

	for (char *c = text; *c != '\0'; c++)
		*c = *c == '-' ? '+' : *c == '_' ? '/' : *c;
	assert_int_equal(base64_decode(text, strlen(text), bytes.data, bytes.size, &bytes.size), 0);
	return bytes;
}

/* What a TPM would have given, of what stands in published evidence. */
static struct tpm_quote to_quote(const struct bytes *signature, const struct bytes *message,
				 json_t *pcrs, struct bytes (*from)(json_t *))
{
	struct tpm_quote quote = {.message_size = message->size,
				  .pcrs = {.bank = HASH_SHA256, .mask = TPM_QUOTE_PCRS}};

	memcpy(quote.message, message->data, message->size);
	if (signature->size == 256) {
		memcpy(quote.signature, "\x00\x14\x00\x0b\x01\x00", 6);
		quote.signature_size = 6;
	}
	memcpy(quote.signature + quote.signature_size, signature->data, signature->size);
	quote.signature_size += signature->size;
	assert_int_equal(json_array_size(pcrs), TPM_PCR_COUNT);
	for (unsigned int pcr = 0; pcr < TPM_PCR_COUNT; pcr++) {
		struct bytes value = from(json_array_get(pcrs, pcr));

		assert_int_equal(value.size, 32);
		memcpy(quote.pcrs.values[pcr], value.data, 32);
	}
	return quote;
}

static struct tpm_quote read_quote(json_t *quote, struct bytes (*from)(json_t *),
				   struct bytes (*from_pcr)(json_t *))
{
	struct bytes signature = from(json_object_get(quote, "signature"));
	struct bytes message = from(json_object_get(quote, "message"));

	return to_quote(&signature, &message, json_object_get(quote, "pcrs"), from_pcr);
}

/* By OpenSSL alone: did this key sign the quote? */
static void assert_signed(const struct tpm_quote *quote, const uint8_t *der, size_t der_size)
{
	EVP_PKEY *key = d2i_PUBKEY(NULL, &der, (long)der_size);
	EVP_MD_CTX *context = EVP_MD_CTX_new();

	assert_non_null(key);
	assert_int_equal(EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, key), 1);
	assert_int_equal(EVP_DigestVerify(context, quote->signature + 6, quote->signature_size - 6,
					  quote->message, quote->message_size),
			 1);
	EVP_MD_CTX_free(context);
	EVP_PKEY_free(key);
}

/* The quote is about the nonce that it holds itself, and the report's key made it. */
static size_t assert_az_consistent(const struct tpm_quote *quote, const struct bytes *report,
				   enum hcl_type type)
{
	cleanup(hcl_report_done) struct hcl_report hcl = {};
	struct tpm_attest attest;

	assert_int_equal(tpm_attest_parse(quote->message, quote->message_size, &attest), 0);
	assert_int_equal(tpm_quote_check(quote, attest.nonce, attest.nonce_size), 0);
	assert_int_equal(hcl_report_parse(report->data, report->size, &hcl), 0);
	assert_int_equal(hcl.type, type);
	assert_signed(quote, hcl.ak, hcl.ak_size);
	if (attest.nonce_size == 48 && hcl.user_data[0] != 0)
		assert_memory_equal(hcl.user_data, attest.nonce, 48);
	return attest.nonce_size;
}

/* ---- Azure, SEV-SNP ---- */

static void az_snp_v2(void **state)
{
	cleanup(json_decrefp) json_t *published = vector_json(SNP_DATA "evidence-v2.json");
	struct tpm_quote quote =
		read_quote(json_object_get(published, "tpm_quote"), from_hex, from_hex);
	struct bytes report = from_base64(json_object_get(published, "hcl_report"));
	struct bytes vcek_der = from_base64(json_object_get(published, "vcek"));
	struct az_vcek vcek = {.der = vcek_der.data, .der_size = vcek_der.size};
	struct vtpm_json_az az = {&quote, report.data, report.size, false};
	cleanup(json_decrefp) json_t *made = NULL;

	(void)state;
	assert_int_equal(assert_az_consistent(&quote, &report, HCL_SNP), 48);
	assert_int_equal(vtpm_json_az_snp(&az, &vcek, &made), 0);
	assert_json_equal(made, published);
}

/* The same shape but for the number. */
static void az_snp_v1(void **state)
{
	cleanup(json_decrefp) json_t *published = vector_json(SNP_DATA "evidence-v1.json");
	struct tpm_quote quote =
		read_quote(json_object_get(published, "tpm_quote"), from_hex, from_hex);
	struct bytes report = from_base64(json_object_get(published, "hcl_report"));
	struct bytes vcek_der = from_base64(json_object_get(published, "vcek"));
	struct az_vcek vcek = {.der = vcek_der.data, .der_size = vcek_der.size};
	struct vtpm_json_az az = {&quote, report.data, report.size, false};
	cleanup(json_decrefp) json_t *made = NULL;

	(void)state;
	assert_int_equal(assert_az_consistent(&quote, &report, HCL_SNP), 9);
	assert_int_equal(vtpm_json_az_snp(&az, &vcek, &made), 0);
	assert_int_equal(json_integer_value(json_object_get(made, "version")), 2);
	json_object_set_new(made, "version", json_integer(1));
	assert_json_equal(made, published);
}

/* From the certificate as the metadata service gives it, PEM in JSON. */
static void az_snp_legacy(void **state)
{
	static const char *const names[] = {SNP_DATA "evidence-v0.json",
					    SNP_DATA "evidence-genoa.json"};
	static const size_t nonces[] = {9, 48};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		cleanup(json_decrefp) json_t *published = vector_json(names[i]);
		struct tpm_quote quote =
			read_quote(json_object_get(published, "quote"), from_numbers, from_numbers);
		struct bytes report = from_numbers(json_object_get(published, "report"));
		struct vtpm_json_az az = {&quote, report.data, report.size, true};
		cleanup(json_decrefp) json_t *made = NULL, *imds = NULL;
		cleanup(az_vcek_done) struct az_vcek vcek = {};
		cleanup(freep) char *answer = NULL;

		assert_int_equal(assert_az_consistent(&quote, &report, HCL_SNP), nonces[i]);
		imds = json_pack("{s:s, s:O, s:s}", "tcbm", "DB18000000000004", "vcekCert",
				 json_object_get(published, "vcek"), "cacheControl", "86400");
		answer = json_dumps(imds, 0);
		assert_int_equal(az_vcek_read(answer, strlen(answer), &vcek), 0);
		assert_int_equal(vtpm_json_az_snp(&az, &vcek, &made), 0);
		assert_json_equal(made, published);
	}
}

/* ---- Azure, TDX ---- */

static void az_tdx_v1(void **state)
{
	cleanup(json_decrefp) json_t *published = vector_json(TDX_DATA "evidence-v1.json");
	struct tpm_quote quote =
		read_quote(json_object_get(published, "tpm_quote"), from_hex, from_hex);
	struct bytes report = from_base64(json_object_get(published, "hcl_report"));
	struct vtpm_json_az az = {&quote, report.data, report.size, false};
	cleanup(json_decrefp) json_t *made = NULL, *imds = NULL;
	cleanup(freep) char *answer = NULL;
	cleanup(freep) uint8_t *td_quote = NULL;
	size_t size;

	(void)state;
	assert_int_equal(assert_az_consistent(&quote, &report, HCL_TDX), 9);
	/* The metadata service's form is the evidence's. */
	imds = json_pack("{s:O}", "quote", json_object_get(published, "td_quote"));
	answer = json_dumps(imds, 0);
	assert_int_equal(az_td_quote_read(answer, strlen(answer), &td_quote, &size), 0);
	assert_int_equal(size, 5006);
	assert_int_equal(vtpm_json_az_tdx(&az, td_quote, size, &made), 0);
	assert_int_equal(json_integer_value(json_object_get(made, "version")), 2);
	json_object_set_new(made, "version", json_integer(1));
	assert_json_equal(made, published);
}

static void az_tdx_legacy(void **state)
{
	cleanup(json_decrefp) json_t *published = vector_json(TDX_DATA "evidence-v0.json");
	struct tpm_quote quote =
		read_quote(json_object_get(published, "tpm_quote"), from_numbers, from_numbers);
	struct bytes report = from_numbers(json_object_get(published, "hcl_report"));
	struct bytes td_quote = from_numbers(json_object_get(published, "td_quote"));
	struct vtpm_json_az az = {&quote, report.data, report.size, true};
	cleanup(json_decrefp) json_t *made = NULL;

	(void)state;
	assert_int_equal(assert_az_consistent(&quote, &report, HCL_TDX), 9);
	assert_int_equal(vtpm_json_az_tdx(&az, td_quote.data, td_quote.size, &made), 0);
	assert_json_equal(made, published);
}

/* ---- Quotes without evidence around them ---- */

/* The key that a report beside the quote names. */
static void assert_signed_by_report(const struct tpm_quote *quote, const char *name)
{
	struct bytes report = vector_bytes(name);
	cleanup(hcl_report_done) struct hcl_report hcl = {};

	assert_int_equal(hcl_report_parse(report.data, report.size, &hcl), 0);
	assert_signed(quote, hcl.ak, hcl.ak_size);
}

static void assert_signed_by_pem(const struct tpm_quote *quote, const char *name)
{
	struct bytes pem = vector_bytes(name);
	BIO *bio = BIO_new_mem_buf(pem.data, (int)pem.size);
	EVP_PKEY *key = PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL);
	unsigned char *der = NULL;
	int size = i2d_PUBKEY(key, &der);

	assert_true(size > 0);
	assert_signed(quote, der, (size_t)size);
	OPENSSL_free(der);
	EVP_PKEY_free(key);
	BIO_free(bio);
}

static struct bytes take_bytes(struct reader *reader, size_t size)
{
	struct bytes bytes = new_bytes(size);

	assert_int_equal(reader_bytes(reader, bytes.data, size), 0);
	return bytes;
}

/* Rust's bincode: a 64-bit length before signature, message and PCRs. */
static struct tpm_quote read_bincode(const char *name)
{
	struct bytes file = vector_bytes(name);
	struct reader reader = reader_init(file.data, file.size);
	struct tpm_quote quote = {.pcrs = {.bank = HASH_SHA256, .mask = TPM_QUOTE_PCRS}};
	struct bytes signature, message;
	uint64_t size;

	assert_int_equal(reader_le64(&reader, &size), 0);
	signature = take_bytes(&reader, size);
	assert_int_equal(reader_le64(&reader, &size), 0);
	message = take_bytes(&reader, size);
	memcpy(quote.signature, "\x00\x14\x00\x0b\x01\x00", 6);
	assert_int_equal(signature.size, 256);
	memcpy(quote.signature + 6, signature.data, 256);
	quote.signature_size = 6 + 256;
	memcpy(quote.message, message.data, message.size);
	quote.message_size = message.size;
	assert_int_equal(reader_le64(&reader, &size), 0);
	assert_int_equal(size, TPM_PCR_COUNT);
	for (unsigned int pcr = 0; pcr < TPM_PCR_COUNT; pcr++)
		assert_int_equal(reader_bytes(&reader, quote.pcrs.values[pcr], 32), 0);
	assert_int_equal(reader_end(&reader), 0);
	return quote;
}

static void bincode_quotes(void **state)
{
	struct tpm_quote quote = read_bincode(SNP_DATA "quote.bin");

	(void)state;
	assert_int_equal(tpm_quote_check(&quote, "challenge", 9), 0);
	assert_signed_by_report(&quote, SNP_DATA "hcl-report.bin");
	quote = read_bincode(TDX_DATA "quote.bin");
	assert_int_equal(tpm_quote_check(&quote, "challenge", 9), 0);
	assert_signed_by_report(&quote, TDX_DATA "hcl-report.bin");
	quote = read_bincode(CVM_DATA "quote.bin");
	assert_int_equal(tpm_quote_check(&quote, "challenge", 9), 0);
	assert_signed_by_pem(&quote, CVM_DATA "akpub.pem");
	quote.pcrs.values[4][0] ^= 1;
	assert_fails(tpm_quote_check(&quote, "challenge", 9), -EREMCHG, "other values");
}

static void json_quotes(void **state)
{
	cleanup(json_decrefp) json_t *snp = vector_json(SNP_DATA "tpm-quote-v1.json");
	cleanup(json_decrefp) json_t *tdx = vector_json(TDX_DATA "tpm-quote-v1.json");
	struct tpm_quote quote = read_quote(snp, from_hex, from_hex);

	(void)state;
	assert_int_equal(tpm_quote_check(&quote, "challenge", 9), 0);
	assert_signed_by_report(&quote, SNP_DATA "hcl-report.bin");
	quote = read_quote(tdx, from_hex, from_hex);
	assert_int_equal(tpm_quote_check(&quote, "challenge", 9), 0);
	assert_signed_by_report(&quote, TDX_DATA "hcl-report.bin");
}

/* Of three PCRs: only its signature can be looked at. */
static void quote_of_keylime(void **state)
{
	struct bytes message = vector_bytes("keylime/test-data/files/quote.out");
	struct bytes signature = vector_bytes("keylime/test-data/files/quotesig.out");
	struct tpm_quote quote = {.message_size = message.size, .signature_size = signature.size};

	(void)state;
	memcpy(quote.message, message.data, message.size);
	memcpy(quote.signature, signature.data, signature.size);
	assert_signed_by_pem(&quote, "keylime/test-data/files/akpub.pem");
	assert_fails(tpm_quote_check(&quote, quote.message + 44, 20), -EKEYREJECTED, "other PCRs");
}

/* ---- A TPM of its own ---- */

static void assert_tpm_evidence(json_t *published, size_t nonce_size)
{
	struct tpm_quote quote =
		read_quote(json_object_get(published, "tpm_quote"), from_base64, from_hex);
	struct bytes key = from_base64(json_object_get(published, "ak_public"));
	struct tpm_ak ak = {.der = key.data, .size = key.size};
	cleanup(json_decrefp) json_t *made = NULL;
	struct tpm_attest attest;

	assert_int_equal(tpm_attest_parse(quote.message, quote.message_size, &attest), 0);
	assert_int_equal(attest.nonce_size, nonce_size);
	assert_int_equal(tpm_quote_check(&quote, attest.nonce, attest.nonce_size), 0);
	assert_signed(&quote, ak.der, ak.size);
	assert_int_equal(vtpm_json_tpm(&quote, &ak, &made), 0);
	assert_json_equal(made, published);
}

static void tpm_published(void **state)
{
	cleanup(json_decrefp) json_t *published =
		vector_json("trustee/deps/verifier/test_data/tpm_evidence.json");

	(void)state;
	assert_tpm_evidence(published, 64);
}

/* Evidence in exchanges with a running Trustee, which took the first two and refused the third. */
static void tpm_exchanged(void **state)
{
	static const struct {
		const char *name;
		size_t nonce_size;
	} cases[] = {
		{"tpm/good/attest", 32},
		{"tpm/initdata/attest", 32},
		{"tpm/nonce-48/attest", 48},
	};
	cleanup(json_decrefp) json_t *records = vector_json("trustee-transcripts/exchange.json");
	unsigned int found = 0;
	json_t *record;
	size_t i;

	(void)state;
	json_array_foreach (records, i, record) {
		const char *name = json_string_value(json_object_get(record, "case"));
		json_t *text = json_object_get(json_object_get(record, "request"), "body");

		for (size_t j = 0; j < ARRAY_SIZE(cases); j++) {
			cleanup(json_decrefp) json_t *body = NULL;
			json_t *evidence;

			if (!name || strcmp(name, cases[j].name) != 0)
				continue;
			assert_int_equal(json_parse(json_string_value(text),
						    json_string_length(text), MIB, &body),
					 0);
			evidence = json_object_get(body, "tee-evidence");
			assert_tpm_evidence(json_object_get(evidence, "primary_evidence"),
					    cases[j].nonce_size);
			found++;
		}
	}
	assert_int_equal(found, ARRAY_SIZE(cases));
}

/* ---- The metadata service's answers ---- */

#define BEGIN "-----BEGIN CERTIFICATE-----\\n"
#define END   "-----END CERTIFICATE-----\\n"
/* A SEQUENCE of 5 bytes in the long form. */
#define DER "MIIABQECAwQF\\n"

static void vcek_is_read(void **state)
{
	static const char good[] = "{\"vcekCert\":\"" BEGIN DER END "\",\"x\":[1]}";
	struct az_vcek vcek = {};

	(void)state;
	assert_int_equal(az_vcek_read(good, strlen(good), &vcek), 0);
	assert_int_equal(vcek.der_size, 9);
	assert_memory_equal(vcek.der, "\x30\x82\x00\x05\x01\x02\x03\x04\x05", 9);
	assert_string_equal(vcek.pem, "-----BEGIN CERTIFICATE-----\nMIIABQECAwQF\n"
				      "-----END CERTIFICATE-----\n");
	az_vcek_done(&vcek);
}

static void other_vceks_are_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"[]",
		"{}",
		"{\"vcekCert\":7}",
		"{\"vcekCert\":\"\"}",
		"{\"vcekCert\":\"" BEGIN DER "\"}",
		"{\"vcekCert\":\"-----BEGIN PUBLIC KEY-----\\n" DER
		"-----END PUBLIC KEY-----\\n\"}",
		/* A length that is none of the data, an integer, a short form. */
		"{\"vcekCert\":\"" BEGIN "MIIABgECAwQF\\n" END "\"}",
		"{\"vcekCert\":\"" BEGIN "AoIABQECAwQF\\n" END "\"}",
		"{\"vcekCert\":\"" BEGIN "MAcBAgMEBQYH\\n" END "\"}",
		"{\"vcekCert\":\"" BEGIN DER END "\",\"vcekCert\":\"\"}",
		"{\"vcekCert\":\"" BEGIN DER END "\"}}",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct az_vcek vcek = {};

		assert_fails(az_vcek_read(bad[i], strlen(bad[i]), &vcek), -EBADMSG, "vcekCert");
		assert_null(vcek.pem);
		assert_null(vcek.der);
	}
}

static void td_quote_is_read(void **state)
{
	static const struct {
		const char *answer;
		size_t size; /* 0: refused */
	} cases[] = {
		{"{\"quote\":\"-_-_\"}", 3},
		{"{\"quote\":\"+/+/\",\"x\":1}", 3},
		{"{\"quote\":\"-_-_-w==\"}", 4},
		{"{\"quote\":\"-_-_-w\"}", 4},
		{"{\"quote\":\"+/+/+/8=\"}", 5},
		{"{\"quote\":\"+/+/+w===\"}", 0},
		{"{\"quote\":\"+/+/+w=\"}", 0},
		{"{\"quote\":\"==\"}", 0},
		{"{\"quote\":\"+/+\\n/\"}", 0},
		{"{\"quote\":\"\"}", 0},
		{"{\"quote\":null}", 0},
		{"{}", 0},
		{"", 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		cleanup(freep) uint8_t *quote = NULL;
		size_t size = 0;
		int r = az_td_quote_read(cases[i].answer, strlen(cases[i].answer), &quote, &size);

		if (r != (cases[i].size > 0 ? 0 : -EBADMSG) || size != cases[i].size)
			fail_msg("%s: %d, %zu bytes", cases[i].answer, r, size);
		if (size > 0)
			assert_memory_equal(quote, "\xfb\xff\xbf\xfb\xff", MIN(size, (size_t)3));
	}
}

static void td_quote_is_asked_for(void **state)
{
	static const uint8_t report[] = {0xfb, 0xff, 0xbf, 0xfb};
	cleanup(freep) char *body = NULL;

	(void)state;
	assert_int_equal(az_td_quote_ask(report, sizeof(report), &body), 0);
	assert_string_equal(body, "{\"report\":\"-_-_-w\"}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(az_snp_v2),	    cmocka_unit_test(az_snp_v1),
		cmocka_unit_test(az_snp_legacy),    cmocka_unit_test(az_tdx_v1),
		cmocka_unit_test(az_tdx_legacy),    cmocka_unit_test(bincode_quotes),
		cmocka_unit_test(json_quotes),	    cmocka_unit_test(quote_of_keylime),
		cmocka_unit_test(tpm_published),    cmocka_unit_test(tpm_exchanged),
		cmocka_unit_test(vcek_is_read),	    cmocka_unit_test(other_vceks_are_refused),
		cmocka_unit_test(td_quote_is_read), cmocka_unit_test(td_quote_is_asked_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
