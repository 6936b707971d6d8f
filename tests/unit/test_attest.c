/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "expect.h"
#include "vectors.h"

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "tpm/internal.h"
#include "tpm/quote.h"

#include <openssl/pem.h>
#include <openssl/x509.h>

#include <tss2/tss2_mu.h>

/* ---- Vectors ---- */

/* PCRs 0-7 and 14 over nine values; TPMT_SIGNATURE as tpm2_quote writes it. */
static void quote_of_some_pcrs(void **state)
{
	size_t size, signature_size, rsa_size;
	cleanup(freep) char *message =
		vector_read("trustee/deps/verifier/test_data/az-snp-vtpm/tpm-quote.msg", &size);
	cleanup(freep) char *signature =
		vector_read("keylime/test-data/files/quotesig.out", &signature_size);
	struct tpm_attest attest;
	const uint8_t *rsa;

	(void)state;
	assert_int_equal(tpm_attest_parse(message, size, &attest), 0);
	assert_int_equal(attest.nonce_size, 9);
	assert_memory_equal(attest.nonce, "challenge", 9);
	assert_int_equal(attest.bank, TPM2_ALG_SHA256);
	assert_int_equal(attest.mask, 0x40ff);
	assert_int_equal(attest.pcr_digest_size, 32);
	assert_memory_equal(attest.pcr_digest, "\x9d\x60\x8c\xf4", 4);
	assert_int_equal(tpm_rsassa_parse(signature, signature_size, &rsa, &rsa_size), 0);
	assert_int_equal(rsa_size, 256);
	assert_memory_equal(rsa, signature + 6, 256);
}

/* Another nonce size, and a selection of PCRs 7, 8 and 14. */
static void quote_of_keylime(void **state)
{
	cleanup(freep) char *message = NULL;
	struct tpm_attest attest;
	size_t size;

	(void)state;
	message = vector_read("keylime/test-data/files/quote.out", &size);
	assert_int_equal(tpm_attest_parse(message, size, &attest), 0);
	assert_int_equal(attest.nonce_size, 20);
	assert_int_equal(attest.mask, 0x418000);
}

/* Every cut is refused, and so is a byte more. */
static void cut_quotes_are_refused(void **state)
{
	size_t size;
	cleanup(freep) char *message =
		vector_read("trustee/deps/verifier/test_data/az-snp-vtpm/tpm-quote.msg", &size);
	cleanup(freep) char *longer = calloc(1, size + 1);
	struct tpm_attest attest;

	(void)state;
	for (size_t cut = 0; cut < size; cut++) {
		cleanup(freep) char *part = malloc(cut + 1);

		memcpy(part, message, cut);
		assert_int_equal(tpm_attest_parse(part, cut, &attest), -EBADMSG);
	}
	memcpy(longer, message, size);
	assert_fails(tpm_attest_parse(longer, size + 1, &attest), -EBADMSG, "malformed");
}

/* ---- Quotes made here ---- */

/* As TPM2_Quote gives it, with the values 0x00.., 0x01.. of the 24 PCRs. */
static TPMS_ATTEST make_attest(struct tpm_quote *quote)
{
	TPMS_ATTEST attest = {
		.magic = TPM2_GENERATED_VALUE,
		.type = TPM2_ST_ATTEST_QUOTE,
		.qualifiedSigner.size = 34,
		.extraData = {.size = 32},
		.attested.quote.pcrDigest.size = 32,
	};

	memset(attest.extraData.buffer, 0x77, 32);
	tpm_pcr_selection(HASH_SHA256, TPM_QUOTE_PCRS, &attest.attested.quote.pcrSelect);
	quote->pcrs = (struct tpm_pcr_values){.bank = HASH_SHA256, .mask = TPM_QUOTE_PCRS};
	for (unsigned int pcr = 0; pcr < TPM_PCR_COUNT; pcr++)
		memset(quote->pcrs.values[pcr], (int)pcr, 32);
	/* SHA-256 of 24 times 32 bytes 0x00, 0x01 ... 0x17, by sha256sum(1). */
	HEX(digest, "88991c8481c6d67ba8de50a57b61a9076836372634d644bc8682c3e321358c6e");
	memcpy(attest.attested.quote.pcrDigest.buffer, digest, 32);
	return attest;
}

static void fill_quote(const TPMS_ATTEST *attest, struct tpm_quote *quote)
{
	size_t size = 0;

	assert_int_equal(Tss2_MU_TPMS_ATTEST_Marshal(attest, quote->message, sizeof(quote->message),
						     &size),
			 0);
	quote->message_size = size;
	memcpy(quote->signature, "\x00\x14\x00\x0b\x01\x00", 6);
	memset(quote->signature + 6, 0x55, 256);
	quote->signature_size = 6 + 256;
}

static const uint8_t *nonce(void)
{
	static uint8_t bytes[32];

	memset(bytes, 0x77, sizeof(bytes));
	return bytes;
}

static void good_quote_passes(void **state)
{
	struct tpm_quote quote = {};
	TPMS_ATTEST attest = make_attest(&quote);

	(void)state;
	fill_quote(&attest, &quote);
	assert_int_equal(tpm_quote_check(&quote, nonce(), 32), 0);
}

static void other_nonce_is_refused(void **state)
{
	struct tpm_quote quote = {};
	TPMS_ATTEST attest = make_attest(&quote);

	(void)state;
	fill_quote(&attest, &quote);
	assert_fails(tpm_quote_check(&quote, nonce(), 31), -ESTALE, "another nonce");
	attest.extraData.buffer[31] ^= 1;
	fill_quote(&attest, &quote);
	assert_fails(tpm_quote_check(&quote, nonce(), 32), -ESTALE, "another nonce");
}

static void other_values_are_refused(void **state)
{
	struct tpm_quote quote = {};
	TPMS_ATTEST attest = make_attest(&quote);

	(void)state;
	fill_quote(&attest, &quote);
	quote.pcrs.values[23][31] ^= 1;
	assert_fails(tpm_quote_check(&quote, nonce(), 32), -EREMCHG, "other values");
	quote.pcrs.values[23][31] ^= 1;
	/* What is longer is not the same, also when it begins so. */
	attest.attested.quote.pcrDigest.size = 33;
	fill_quote(&attest, &quote);
	assert_fails(tpm_quote_check(&quote, nonce(), 32), -EREMCHG, "other values");
}

/* A nonce of a byte more than there can be. */
static void long_nonce_is_refused(void **state)
{
	struct tpm_quote quote = {};
	TPMS_ATTEST attest = make_attest(&quote);
	struct tpm_attest parsed;
	uint8_t longer[TPM_QUOTE_MESSAGE_MAX];
	size_t at = 4 + 2 + 2 + 34;

	(void)state;
	attest.extraData.size = 64;
	fill_quote(&attest, &quote);
	assert_int_equal(tpm_attest_parse(quote.message, quote.message_size, &parsed), 0);
	assert_int_equal(quote.message[at + 1], 64);
	memcpy(longer, quote.message, at + 2);
	memcpy(longer + at + 3, quote.message + at + 2, quote.message_size - at - 2);
	longer[at + 1] = 65;
	assert_fails(tpm_attest_parse(longer, quote.message_size + 1, &parsed), -EBADMSG,
		     "quote is malformed");
}

/* More selections, or fewer, than there are. */
static void other_counts_are_refused(void **state)
{
	struct tpm_quote quote = {};
	TPMS_ATTEST attest = make_attest(&quote);
	size_t at = 4 + 2 + 2 + 34 + 2 + 32 + 25 + 3;

	(void)state;
	fill_quote(&attest, &quote);
	assert_int_equal(quote.message[at], 1);
	quote.message[at] = 2;
	assert_fails(tpm_quote_check(&quote, nonce(), 32), -EBADMSG, "quote is malformed");
	quote.message[at] = 0;
	assert_fails(tpm_quote_check(&quote, nonce(), 32), -EBADMSG, "quote is malformed");
}

/* One bit of the selection, a bank, a second bank. */
static void other_selection_is_refused(void **state)
{
	struct tpm_quote quote = {};
	TPMS_ATTEST attest = make_attest(&quote);
	TPML_PCR_SELECTION *selection = &attest.attested.quote.pcrSelect;

	(void)state;
	selection->pcrSelections[0].pcrSelect[2] = 0x7f;
	fill_quote(&attest, &quote);
	assert_fails(tpm_quote_check(&quote, nonce(), 32), -EKEYREJECTED, "other PCRs");
	selection->pcrSelections[0].pcrSelect[2] = 0xff;
	selection->pcrSelections[0].hash = TPM2_ALG_SHA384;
	fill_quote(&attest, &quote);
	assert_fails(tpm_quote_check(&quote, nonce(), 32), -EKEYREJECTED, "other PCRs");
	selection->pcrSelections[0].hash = TPM2_ALG_SHA256;
	selection->pcrSelections[1] = selection->pcrSelections[0];
	selection->count = 2;
	fill_quote(&attest, &quote);
	assert_fails(tpm_quote_check(&quote, nonce(), 32), -EBADMSG, "malformed");
}

/* What somebody let the key sign, and what the TPM says of other things. */
static void other_messages_are_refused(void **state)
{
	struct tpm_quote quote = {};
	TPMS_ATTEST attest = make_attest(&quote);

	(void)state;
	fill_quote(&attest, &quote);
	quote.message[0] ^= 1;
	assert_fails(tpm_quote_check(&quote, nonce(), 32), -EBADMSG, "quote is malformed");
	quote.message[0] ^= 1;
	quote.message[5] ^= 1;
	assert_fails(tpm_quote_check(&quote, nonce(), 32), -EBADMSG, "quote is malformed");
	quote.message[5] ^= 1;
	quote.message_size--;
	assert_fails(tpm_quote_check(&quote, nonce(), 32), -EBADMSG, "quote is malformed");
}

static void other_signatures_are_refused(void **state)
{
	static const struct {
		const char *name, *bytes;
		size_t size;
		int error;
	} cases[] = {
		{"nothing", "", 0, -EBADMSG},
		{"no hash", "\x00\x14\x00", 3, -EBADMSG},
		{"RSAPSS", "\x00\x16\x00\x0b\x00\x01\x55", 7, -EOPNOTSUPP},
		{"ECDSA", "\x00\x18\x00\x0b\x00\x01\x55\x00\x01\x55", 10, -EOPNOTSUPP},
		{"SHA-1", "\x00\x14\x00\x04\x00\x01\x55", 7, -EOPNOTSUPP},
		{"cut", "\x00\x14\x00\x0b\x00\x02\x55", 7, -EBADMSG},
		{"empty", "\x00\x14\x00\x0b\x00\x00", 6, -EBADMSG},
		{"longer", "\x00\x14\x00\x0b\x00\x01\x55\x55", 8, -EBADMSG},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const uint8_t *rsa = NULL;
		size_t size = 0;

		if (tpm_rsassa_parse(cases[i].bytes, cases[i].size, &rsa, &size) != cases[i].error)
			fail_msg("%s: not as expected", cases[i].name);
		assert_null(rsa);
	}
}

/* ---- Keys ---- */

/* In the form of Esys_TR_Serialize. */
static size_t serialize(const TPM2B_PUBLIC *area, uint8_t ret[static 1024])
{
	static const uint8_t head[4 + 2 + 34 + 4] = {0x81, 0x01, 0, 2, 0, 34};
	size_t size = sizeof(head);

	memcpy(ret, head, sizeof(head));
	assert_int_equal(Tss2_MU_TPM2B_PUBLIC_Marshal(area, ret, 1024, &size), 0);
	return size;
}

static TPM2B_PUBLIC make_key(void)
{
	TPM2B_PUBLIC area = {
		.publicArea = {
			.type = TPM2_ALG_RSA,
			.nameAlg = TPM2_ALG_SHA256,
			.objectAttributes = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT |
					    TPMA_OBJECT_SENSITIVEDATAORIGIN |
					    TPMA_OBJECT_USERWITHAUTH | TPMA_OBJECT_RESTRICTED |
					    TPMA_OBJECT_SIGN_ENCRYPT,
			.parameters.rsaDetail =
				{
					.symmetric.algorithm = TPM2_ALG_NULL,
					.scheme.scheme = TPM2_ALG_RSASSA,
					.scheme.details.rsassa.hashAlg = TPM2_ALG_SHA256,
					.keyBits = 2048,
				},
			.unique.rsa.size = 256,
		}};

	memset(area.publicArea.unique.rsa.buffer, 0xb5, 256);
	return area;
}

static int parse(const TPM2B_PUBLIC *area, struct tpm_ak *ret)
{
	uint8_t data[1024];

	return tpm_ak_parse(data, serialize(area, data), ret);
}

static void genuine_keys_are_told(void **state)
{
	static const TPMA_OBJECT needed[] = {
		TPMA_OBJECT_FIXEDTPM,	TPMA_OBJECT_SENSITIVEDATAORIGIN,
		TPMA_OBJECT_RESTRICTED, TPMA_OBJECT_SIGN_ENCRYPT,
		TPMA_OBJECT_DECRYPT,
	};
	TPM2B_PUBLIC area = make_key();
	struct tpm_ak ak = {};

	(void)state;
	assert_int_equal(parse(&area, &ak), 0);
	assert_true(ak.genuine);
	tpm_ak_done(&ak);
	for (size_t i = 0; i < ARRAY_SIZE(needed); i++) {
		area.publicArea.objectAttributes ^= needed[i];
		assert_int_equal(parse(&area, &ak), 0);
		assert_false(ak.genuine);
		tpm_ak_done(&ak);
		area.publicArea.objectAttributes ^= needed[i];
	}
}

static void other_keys_are_refused(void **state)
{
	TPM2B_PUBLIC area = make_key();
	TPMS_RSA_PARMS *rsa = &area.publicArea.parameters.rsaDetail;
	uint8_t data[1024];
	struct tpm_ak ak = {};
	size_t size;

	(void)state;
	rsa->scheme.details.rsassa.hashAlg = TPM2_ALG_SHA1;
	assert_fails(parse(&area, &ak), -EKEYREJECTED, "RSASSA with SHA-256");
	rsa->scheme.details.rsassa.hashAlg = TPM2_ALG_SHA256;
	rsa->scheme.scheme = TPM2_ALG_RSAPSS;
	assert_fails(parse(&area, &ak), -EKEYREJECTED, "RSASSA with SHA-256");
	rsa->scheme.scheme = TPM2_ALG_RSASSA;
	rsa->keyBits = 3072;
	assert_fails(parse(&area, &ak), -EKEYREJECTED, "RSASSA with SHA-256");
	rsa->keyBits = 1024;
	area.publicArea.unique.rsa.size = 128;
	assert_fails(parse(&area, &ak), -EKEYREJECTED, "2048 to 4096 bits");
	area = make_key();
	size = serialize(&area, data);
	for (size_t cut = 0; cut < size; cut++)
		assert_int_equal(tpm_ak_parse(data, cut, &ak), -EBADMSG);
	assert_int_equal(tpm_ak_parse(data, size + 1, &ak), -EBADMSG);
	assert_null(ak.der);
}

/* A key of a real TPM against the PEM text that tpm2_readpublic(1) made of it. */
static void key_of_keylime(void **state)
{
	uint8_t data[4 + 2 + 34 + 4 + 282] = {0x81, 0x01, 0, 2, 0, 34};
	size_t size, name_size, pem_size;
	cleanup(freep) char *area = vector_read("keylime/test-data/files/ak.pub", &size);
	cleanup(freep) char *name = vector_read("keylime/test-data/files/ak.name", &name_size);
	cleanup(freep) char *pem = vector_read("keylime/test-data/files/akpub.pem", &pem_size);
	cleanup(tpm_ak_done) struct tpm_ak ak = {};
	unsigned char *der = NULL;
	EVP_PKEY *key;
	BIO *bio;

	(void)state;
	assert_int_equal(size, 282);
	assert_int_equal(name_size, 34);
	memcpy(data + 6, name, 34);
	memcpy(data + 44, area, 282);
	assert_int_equal(tpm_ak_parse(data, sizeof(data), &ak), 0);
	assert_true(ak.genuine);
	bio = BIO_new_mem_buf(pem, (int)pem_size);
	key = PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL);
	assert_int_equal(i2d_PUBKEY(key, &der), ak.size);
	assert_memory_equal(der, ak.der, ak.size);
	OPENSSL_free(der);
	EVP_PKEY_free(key);
	BIO_free(bio);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(quote_of_some_pcrs),
		cmocka_unit_test(quote_of_keylime),
		cmocka_unit_test(cut_quotes_are_refused),
		cmocka_unit_test(good_quote_passes),
		cmocka_unit_test(other_nonce_is_refused),
		cmocka_unit_test(other_values_are_refused),
		cmocka_unit_test(long_nonce_is_refused),
		cmocka_unit_test(other_counts_are_refused),
		cmocka_unit_test(other_selection_is_refused),
		cmocka_unit_test(other_messages_are_refused),
		cmocka_unit_test(other_signatures_are_refused),
		cmocka_unit_test(genuine_keys_are_told),
		cmocka_unit_test(other_keys_are_refused),
		cmocka_unit_test(key_of_keylime),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
