/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "swtpm.h"
#include "verb_run.h"

#include "base/error.h"
#include "base/file.h"
#include "cli/verbs.h"
#include "tpm/quote.h"

#include <openssl/pem.h>
#include <openssl/x509.h>

/* The verb opens the TPM of the test instead of the machine's. */
static struct swtpm *the_swtpm;

int __wrap_tpm_open(struct tpm **ret);
int __wrap_tpm_open(struct tpm **ret)
{
	*ret = TAKE_PTR(the_swtpm->tpm);
	return 0;
}

/* Run it, and give back what it printed; the caller frees. */
static char *run_verb(struct swtpm *swtpm, const char *const *words, int *ret_code)
{
	char *text;

	the_swtpm = swtpm;
	text = verb_run(&verb_ak, words, ret_code);
	if (!swtpm->tpm)
		swtpm_connect(swtpm);
	return text;
}
#define RUN(swtpm, ret_code, ...)                                                                  \
	run_verb(swtpm, (const char *[]){"ak", __VA_ARGS__, NULL}, ret_code)

static void nothing_is_made_unasked(void **state)
{
	cleanup(freep) char *text = NULL;
	struct swtpm *swtpm = *state;
	int code;

	text = RUN(swtpm, &code, "--base64");
	assert_int_equal(code, -ENOENT);
	assert_non_null(strstr(fail_sentence(code), "cvmroot ak --create"));
	assert_string_equal(text, "");
}

static void key_is_printed(void **state)
{
	cleanup(freep) char *pem = NULL, *base64 = NULL, *expected = NULL;
	cleanup(tpm_ak_done) struct tpm_ak ak = {};
	struct swtpm *swtpm = *state;
	unsigned char *der = NULL;
	EVP_PKEY *key;
	int code;
	BIO *bio;

	pem = RUN(swtpm, &code, "--create");
	assert_int_equal(code, 0);
	assert_int_equal(tpm_ak_read(swtpm->tpm, TPM_AK_HANDLE, &ak), 0);
	bio = BIO_new_mem_buf(pem, -1);
	key = PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL);
	assert_non_null(key);
	assert_int_equal(i2d_PUBKEY(key, &der), ak.size);
	assert_memory_equal(der, ak.der, ak.size);
	OPENSSL_free(der);
	EVP_PKEY_free(key);
	/* Nothing behind it, and the lines are as RFC 7468 has them. */
	assert_int_equal(strlen(pem), 27 + 6 * 65 + 9 + 25);
	BIO_free(bio);
	base64 = RUN(swtpm, &code, "--base64");
	assert_int_equal(code, 0);
	expected = malloc(base64_size(ak.size) + 1);
	base64_encode(ak.der, ak.size, expected);
	strcat(expected, "\n");
	assert_string_equal(base64, expected);
}

static void another_handle(void **state)
{
	cleanup(freep) char *first = NULL, *second = NULL;
	cleanup(tpm_ak_done) struct tpm_ak ak = {};
	struct swtpm *swtpm = *state;
	int code;

	first = RUN(swtpm, &code, "--handle", "0x81010007", "--create");
	assert_int_equal(code, 0);
	second = RUN(swtpm, &code, "--handle", "81010007");
	assert_int_equal(code, 0);
	assert_string_equal(first, second);
	assert_int_equal(tpm_ak_read(swtpm->tpm, 0x81010007, &ak), 0);
	assert_int_equal(tpm_ak_read(swtpm->tpm, TPM_AK_HANDLE, &ak), -ENOENT);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, swtpm_setup, swtpm_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(nothing_is_made_unasked),
		TEST(key_is_printed),
		TEST(another_handle),
	};

	if (!swtpm_exists()) {
		printf("skipped: there is no swtpm program\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
