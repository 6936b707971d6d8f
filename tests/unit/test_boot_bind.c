/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "unit.h"

#include "base/error.h"
#include "boot/context.h"
#include "tee/vtpm.h"

/* ---- A TPM of our own, as far as it is asked ---- */

static struct {
	bool bound;	/* the platform has the document in PCR 8 */
	bool bank_used; /* something is in PCR 8 of the bank that is sealed to */
	int error;	/* of the check */
	unsigned int measured;
} tpm;

int __wrap_vtpm_check_initdata(const struct tee_context *context, const uint8_t *digest,
			       size_t digest_size);
int __wrap_measure_initdata(struct measure *measure, const uint8_t *digest, size_t digest_size);
int __wrap_tpm_pcr_read(struct tpm *context, enum hash_algorithm bank, uint32_t mask,
			struct tpm_pcr_values *ret);

int __wrap_vtpm_check_initdata(const struct tee_context *context, const uint8_t *digest,
			       size_t digest_size)
{
	assert_non_null(context->tpm);
	assert_int_equal(digest_size, HASH_SHA256_SIZE);
	assert_int_equal(digest[0], 0xd1);
	if (tpm.error < 0)
		return fail(tpm.error, "the TPM of the test is broken");
	return tpm.bound ? 0 : fail(-EKEYREJECTED, "it is not in PCR 8");
}

int __wrap_measure_initdata(struct measure *measure, const uint8_t *digest, size_t digest_size)
{
	(void)measure;
	assert_int_equal(digest_size, HASH_SHA256_SIZE);
	assert_int_equal(digest[0], 0xd1);
	tpm.measured++;
	tpm.bank_used = true;
	return 0;
}

int __wrap_tpm_pcr_read(struct tpm *context, enum hash_algorithm bank, uint32_t mask,
			struct tpm_pcr_values *ret)
{
	assert_non_null(context);
	assert_int_equal(mask, 1U << 8);
	*ret = (struct tpm_pcr_values){.bank = bank, .mask = mask};
	ret->values[8][0] = tpm.bank_used ? 1 : 0;
	return 0;
}

/* ---- */

static int bind_as(const char *providers, bool with_initdata, bool with_tpm, uint32_t *ret_pcrs)
{
	cleanup(config_freep) struct config *config = NULL;
	cleanup(freep) char *text = NULL;
	struct initdata initdata = {.digest = {0xd1}, .digest_size = HASH_SHA256_SIZE};
	struct boot boot = {};
	int size = asprintf(&text,
			    "[keys]\nproviders = %s\n[kbs]\nurl = 'https://kbs.test'\n"
			    "ca = '/ca'\nresource = 'kbs:///a/b/c'\n",
			    providers);

	assert_true(size > 0);
	assert_int_equal(config_parse(text, (size_t)size, "c.toml", &config), 0);
	provider_bind_initdata(config);
	*ret_pcrs = config->tpm2_pcrs;
	boot.config = config;
	boot.initdata = with_initdata ? &initdata : NULL;
	boot.tpm = with_tpm ? (struct tpm *)(void *)&tpm : NULL;
	return boot_bind_initdata(&boot);
}

static int set_up(void **state)
{
	(void)state;
	memset(&tpm, 0, sizeof(tpm));
	return 0;
}

/* The platform binds it elsewhere: else another document would open what this one sealed. */
static void document_is_measured(void **state)
{
	uint32_t pcrs;

	(void)state;
	assert_int_equal(bind_as("['kbs', 'tpm2']", true, true, &pcrs), 0);
	assert_int_equal(tpm.measured, 1);
	assert_true(pcrs & 1U << 8);
	assert_int_equal(bind_as("['tpm2']", true, true, &pcrs), 0);
	assert_int_equal(tpm.measured, 2);
	assert_true(pcrs & 1U << 8);
}

/* A verifier expects the one digest there. */
static void bound_document_is_not_measured_again(void **state)
{
	uint32_t pcrs;

	(void)state;
	tpm.bound = tpm.bank_used = true;
	assert_int_equal(bind_as("['tpm2']", true, true, &pcrs), 0);
	assert_int_equal(tpm.measured, 0);
	assert_true(pcrs & 1U << 8);
}

static void other_bank_is_refused(void **state)
{
	uint32_t pcrs;

	(void)state;
	tpm.bound = true;
	assert_int_equal(bind_as("['tpm2']", true, true, &pcrs), -EKEYREJECTED);
	assert_non_null(strstr(fail_sentence(-EKEYREJECTED), "bank sha256"));
}

static void broken_tpm_is_no_binding(void **state)
{
	uint32_t pcrs;

	(void)state;
	tpm.error = -EIO;
	assert_int_equal(bind_as("['tpm2']", true, true, &pcrs), -EIO);
	assert_int_equal(tpm.measured, 0);
}

/* Where a TPM gives no key, nothing depends on its PCR 8. */
static void others_are_left_alone(void **state)
{
	uint32_t pcrs;

	(void)state;
	assert_int_equal(bind_as("['kbs']", true, true, &pcrs), 0);
	assert_false(pcrs & 1U << 8);
	assert_int_equal(bind_as("['kbs']", true, false, &pcrs), 0);
	assert_int_equal(bind_as("['tpm2']", false, true, &pcrs), 0);
	assert_int_equal(tpm.measured, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(document_is_measured, set_up),
		cmocka_unit_test_setup(bound_document_is_not_measured_again, set_up),
		cmocka_unit_test_setup(other_bank_is_refused, set_up),
		cmocka_unit_test_setup(broken_tpm_is_no_binding, set_up),
		cmocka_unit_test_setup(others_are_left_alone, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
