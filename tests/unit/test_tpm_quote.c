/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "swtpm.h"
#include "expect.h"

#include "base/error.h"
#include "crypto/rsa.h"
#include "tpm/internal.h"
#include "tpm/quote.h"

#include <openssl/evp.h>
#include <openssl/x509.h>

#define HANDLE 0x81010002
#define INDEX  0x01400002

/* ---- The key ---- */

static void ak_is_made_once(void **state)
{
	cleanup(tpm_ak_done) struct tpm_ak made = {}, again = {}, read = {};
	struct swtpm *swtpm = *state;

	assert_fails(tpm_ak_read(swtpm->tpm, HANDLE, &read), -ENOENT, "cvmroot ak --create");
	assert_works(tpm_ak_create(swtpm->tpm, HANDLE, &made));
	swtpm_restart(swtpm);
	swtpm->commands = 0;
	assert_works(tpm_ak_create(swtpm->tpm, HANDLE, &again));
	assert_int_equal(swtpm->commands, 1);
	assert_works(tpm_ak_read(swtpm->tpm, HANDLE, &read));
	assert_int_equal(made.size, again.size);
	assert_memory_equal(made.der, again.der, made.size);
	assert_int_equal(made.size, read.size);
	assert_memory_equal(made.der, read.der, made.size);
}

/* Same template, same seed: what was registered at a broker stays valid. */
static void ak_comes_again(void **state)
{
	cleanup(tpm_ak_done) struct tpm_ak first = {}, second = {}, other = {};
	struct swtpm *swtpm = *state;

	assert_works(tpm_ak_create(swtpm->tpm, HANDLE, &first));
	assert_works(tpm_ak_create(swtpm->tpm, HANDLE + 1, &second));
	assert_int_equal(first.size, second.size);
	assert_memory_equal(first.der, second.der, first.size);
	swtpm_replace(swtpm);
	assert_works(tpm_ak_create(swtpm->tpm, HANDLE, &other));
	assert_int_equal(first.size, other.size);
	assert_memory_not_equal(first.der, other.der, first.size);
}

static void foreign_key_is_refused(void **state)
{
	struct tpm_ak ak = {};
	struct swtpm *swtpm = *state;

	swtpm_occupy_srk(swtpm, true);
	assert_fails(tpm_ak_read(swtpm->tpm, TPM_SRK_HANDLE, &ak), -EKEYREJECTED,
		     "not an RSA key that signs");
	assert_fails(tpm_ak_create(swtpm->tpm, TPM_SRK_HANDLE, &ak), -EKEYREJECTED, "0x81000001");
	swtpm_replace(swtpm);
	swtpm_occupy_srk(swtpm, false);
	/* Signs, but by whatever scheme it is told. */
	assert_fails(tpm_ak_create(swtpm->tpm, TPM_SRK_HANDLE, &ak), -EKEYREJECTED,
		     "not an RSA key that signs");
	assert_null(ak.der);
}

/* A quote by it could be made up by whoever may use it; unless something else vouches for it. */
static void unrestricted_key_is_refused(void **state)
{
	cleanup(tpm_ak_done) struct tpm_ak ak = {};
	struct swtpm *swtpm = *state;

	swtpm_make_signing_key(swtpm, HANDLE);
	assert_fails(tpm_ak_read(swtpm->tpm, HANDLE, &ak), -EKEYREJECTED, "whatever it is given");
	assert_fails(tpm_ak_create(swtpm->tpm, HANDLE, &ak), -EKEYREJECTED, "0x81010002");
	assert_null(ak.der);
	assert_works(tpm_ak_read_any(swtpm->tpm, HANDLE, &ak));
	assert_false(ak.genuine);
}

static void impossible_handle_is_refused(void **state)
{
	struct tpm_ak ak = {};
	struct swtpm *swtpm = *state;

	swtpm->commands = 0;
	assert_fails(tpm_ak_create(swtpm->tpm, 0x81800000, &ak), -EINVAL, "0x81800000");
	assert_fails(tpm_ak_create(swtpm->tpm, 0x80ffffff, &ak), -EINVAL, "0x80ffffff");
	assert_int_equal(swtpm->commands, 0);
}

static void owner_password_is_told(void **state)
{
	struct tpm_ak ak = {};
	struct swtpm *swtpm = *state;

	swtpm_set_owner_password(swtpm, "password");
	assert_fails(tpm_ak_create(swtpm->tpm, HANDLE, &ak), -EACCES, "attestation key");
}

/* ---- Quotes ---- */

/* By OpenSSL alone: does the key sign the message? */
static bool verifies(const struct tpm_ak *ak, const struct tpm_quote *quote)
{
	const unsigned char *der = ak->der;
	EVP_PKEY *key = d2i_PUBKEY(NULL, &der, (long)ak->size);
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	bool ok;

	assert_non_null(key);
	assert_int_equal(quote->signature_size, 6 + 256);
	assert_memory_equal(quote->signature, "\x00\x14\x00\x0b\x01\x00", 6);
	ok = EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, key) == 1 &&
	     EVP_DigestVerify(context, quote->signature + 6, 256, quote->message,
			      quote->message_size) == 1;
	EVP_MD_CTX_free(context);
	EVP_PKEY_free(key);
	return ok;
}

static void quote_verifies(void **state)
{
	cleanup(tpm_ak_done) struct tpm_ak ak = {};
	struct swtpm *swtpm = *state;
	struct tpm_pcr_values values;
	struct tpm_quote quote;
	uint8_t nonce[TPM_QUOTE_NONCE_MAX];

	for (size_t i = 0; i < sizeof(nonce); i++)
		nonce[i] = (uint8_t)(i + 1);
	assert_works(tpm_ak_create(swtpm->tpm, HANDLE, &ak));
	for (size_t size = 1; size <= sizeof(nonce); size += 21) {
		swtpm->commands = 0;
		assert_works(tpm_quote(swtpm->tpm, HANDLE, nonce, size, &quote));
		/* The key, 24 values at eight each, the quote. */
		assert_int_equal(swtpm->commands, 5);
		assert_true(verifies(&ak, &quote));
		assert_non_null(memmem(quote.message, quote.message_size, nonce, size));
	}
	assert_works(tpm_pcr_read(swtpm->tpm, HASH_SHA256, 0xffffff, &values));
	assert_memory_equal(values.values, quote.pcrs.values, sizeof(values.values));
	quote.message[quote.message_size - 1] ^= 1;
	assert_false(verifies(&ak, &quote));
}

static void quote_refuses(void **state)
{
	cleanup(tpm_ak_done) struct tpm_ak ak = {};
	struct swtpm *swtpm = *state;
	uint8_t nonce[TPM_QUOTE_NONCE_MAX + 1] = {1};
	struct tpm_quote quote;

	assert_fails(tpm_quote(swtpm->tpm, HANDLE, nonce, 32, &quote), -ENOENT, "0x81010002");
	assert_fails(tpm_quote(swtpm->tpm, HANDLE, nonce, 0, &quote), -EINVAL, "not 0");
	assert_fails(tpm_quote(swtpm->tpm, HANDLE, nonce, 65, &quote), -EINVAL, "not 65");
	assert_works(tpm_ak_create(swtpm->tpm, HANDLE, &ak));
	swtpm_only_bank(swtpm, TPM2_ALG_SHA384);
	assert_fails(tpm_quote(swtpm->tpm, HANDLE, nonce, 32, &quote), -EOPNOTSUPP, "not active");
}

/* PCR_Extend of PCR 16 by another program. */
static void extend_once(struct swtpm *swtpm)
{
	uint8_t command[65] = {0x80, 0x02, 0, 0, 0, 65, 0, 0, 0x01, 0x82, 0, 0, 0, 16, 0, 0,   0,
			       9,    0x40, 0, 0, 9, 0,	0, 0, 0,    0,	  0, 0, 0, 1,  0, 0x0b};

	assert_int_equal(swtpm_raw(swtpm, command, sizeof(command)), 0);
}

static void extend_always(struct swtpm *swtpm)
{
	extend_once(swtpm);
	swtpm->hook = extend_always;
}

static void quote_agrees_with_values(void **state)
{
	cleanup(tpm_ak_done) struct tpm_ak ak = {};
	struct swtpm *swtpm = *state;
	struct tpm_pcr_values now;
	struct tpm_quote quote;

	assert_works(tpm_ak_create(swtpm->tpm, HANDLE, &ak));
	swtpm->hook_code = TPM2_CC_Quote;
	swtpm->hook = extend_once;
	assert_works(tpm_quote(swtpm->tpm, HANDLE, "nonce", 5, &quote));
	assert_null(swtpm->hook);
	assert_works(tpm_pcr_read(swtpm->tpm, HASH_SHA256, 0xffffff, &now));
	assert_memory_equal(now.values, quote.pcrs.values, sizeof(now.values));
	assert_works(tpm_quote_check(&quote, "nonce", 5));
	assert_true(verifies(&ak, &quote));
	swtpm->hook = extend_always;
	assert_fails(tpm_quote(swtpm->tpm, HANDLE, "nonce", 5, &quote), -EIO, "kept changing");
	swtpm->hook = NULL;
}

/* ---- NV indices ---- */

static void nv_is_defined_and_redefined(void **state)
{
	cleanup(freep) uint8_t *data = NULL, *again = NULL;
	struct swtpm *swtpm = *state;
	uint8_t written[64];
	size_t size;

	memset(written, 0xa5, sizeof(written));
	assert_fails(tpm_nv_read(swtpm->tpm, INDEX, &data, &size), -ENOENT, "0x1400002");
	swtpm->commands = 0;
	assert_works(tpm_nv_write(swtpm->tpm, INDEX, written, 48));
	assert_works(tpm_nv_read(swtpm->tpm, INDEX, &data, &size));
	assert_int_equal(size, 48);
	assert_memory_equal(data, written, 48);
	memset(written, 0x5a, sizeof(written));
	swtpm->commands = 0;
	assert_works(tpm_nv_write(swtpm->tpm, INDEX, written, 48));
	assert_int_equal(swtpm->commands, 2);
	assert_works(tpm_nv_write(swtpm->tpm, INDEX, written, 64));
	assert_works(tpm_nv_read(swtpm->tpm, INDEX, &again, &size));
	assert_int_equal(size, 64);
	assert_memory_equal(again, written, 64);
	assert_fails(tpm_nv_write(swtpm->tpm, INDEX, written, 0), -EINVAL, "not 0");
}

static void foreign_nv_is_refused(void **state)
{
	struct swtpm *swtpm = *state;
	uint8_t *data = NULL;
	size_t size;

	swtpm_define_nv(swtpm, INDEX, TPMA_NV_AUTHREAD | TPMA_NV_AUTHWRITE | TPMA_NV_OWNERREAD, 48,
			NULL);
	assert_fails(tpm_nv_write(swtpm->tpm, INDEX, "data", 4), -EKEYREJECTED, "0x1400002");
	swtpm_define_nv(swtpm, INDEX + 1, TPMA_NV_AUTHREAD | TPMA_NV_OWNERWRITE, 4, NULL);
	assert_works(tpm_nv_write(swtpm->tpm, INDEX + 1, "data", 4));
	assert_fails(tpm_nv_read(swtpm->tpm, INDEX + 1, &data, &size), -EKEYREJECTED,
		     "may not read");
	assert_null(data);
}

/* Larger than one command can give: in 1024 and less, also where the TPM takes only less. */
static void large_nv_is_read(void **state)
{
	cleanup(freep) uint8_t *data = NULL;
	struct swtpm *swtpm = *state;
	uint8_t zeros[64] = {};
	size_t size;

	swtpm_define_nv(swtpm, 0x01400001, TPMA_NV_OWNERREAD | TPMA_NV_OWNERWRITE, 2048, NULL);
	assert_fails(tpm_nv_read(swtpm->tpm, 0x01400001, &data, &size), -ENOENT, "never written");
	/* Anything written makes all of it readable; the rest is ones. */
	assert_int_equal(swtpm_raw(swtpm,
				   (const uint8_t[]){0x80, 0x02, 0,    0,   0,	 39, 0,	   0,
						     0x01, 0x37, 0x40, 0,   0,	 1,  0x01, 0x40,
						     0,	   1,	 0,    0,   0,	 9,  0x40, 0,
						     0,	   9,	 0,    0,   0,	 0,  0,	   0,
						     4,	   't',	 'e',  's', 't', 4,  0},
				   39),
			 0);
	swtpm->commands = 0;
	assert_works(tpm_nv_read(swtpm->tpm, 0x01400001, &data, &size));
	assert_int_equal(swtpm->commands, 1 + 2);
	assert_int_equal(size, 2048);
	assert_memory_equal(data + 0x400, "test", 4);
	assert_memory_not_equal(data, zeros, sizeof(zeros));
	free(TAKE_PTR(data));
	swtpm->fail_once = true;
	swtpm->fail_code = TPM2_CC_NV_Read;
	swtpm->fail_response = TPM2_RC_VALUE | TPM2_RC_P | TPM2_RC_1;
	swtpm->commands = 0;
	assert_works(tpm_nv_read(swtpm->tpm, 0x01400001, &data, &size));
	assert_int_equal(swtpm->commands, 1 + 1 + 4);
	assert_memory_equal(data + 0x400, "test", 4);
	free(TAKE_PTR(data));
	/* It ends, also with a TPM that takes no size at all. */
	swtpm->fail_once = false;
	swtpm->fail_response = TPM2_RC_VALUE | TPM2_RC_P | TPM2_RC_1;
	assert_true(tpm_nv_read(swtpm->tpm, 0x01400001, &data, &size) < 0);
	swtpm->fail_response = 0;
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, swtpm_setup, swtpm_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(ak_is_made_once),
		TEST(ak_comes_again),
		TEST(foreign_key_is_refused),
		TEST(unrestricted_key_is_refused),
		TEST(impossible_handle_is_refused),
		TEST(owner_password_is_told),
		TEST(quote_verifies),
		TEST(quote_refuses),
		TEST(quote_agrees_with_values),
		TEST(nv_is_defined_and_redefined),
		TEST(foreign_nv_is_refused),
		TEST(large_nv_is_read),
	};

	if (!swtpm_exists()) {
		printf("skipped: there is no swtpm program\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
