/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "fuzz.h"

#include "base/error.h"
#include "crypto/signature.h"
#include "tpm/quote.h"
#include "verify/internal.h"

#include <string.h>

/*
 * What lies behind the signatures: here each one verifies, each chain leads to a root, and a quote is
 * about whatever values of the PCRs stand beside it (linked in the place of the real functions).
 */
int __wrap_signature_check(const struct signature *signature, const uint8_t *key, size_t key_size,
			   const void *data, size_t size);
int __wrap_signature_check(const struct signature *signature, const uint8_t *key, size_t key_size,
			   const void *data, size_t size)
{
	(void)signature;
	(void)key;
	(void)key_size;
	(void)data;
	(void)size;
	return 0;
}

int __wrap_certificate_check_chain(const struct certificates *list, size_t number,
				   const struct certificates *roots, bool all);
int __wrap_certificate_check_chain(const struct certificates *list, size_t number,
				   const struct certificates *roots, bool all)
{
	(void)list;
	(void)number;
	(void)roots;
	(void)all;
	return 0;
}

int __wrap_tpm_attest_check_pcrs(const struct tpm_attest *attest,
				 const struct tpm_pcr_values *values);
int __wrap_tpm_attest_check_pcrs(const struct tpm_attest *attest,
				 const struct tpm_pcr_values *values)
{
	(void)attest;
	(void)values;
	return 0;
}

/* Without a claim that holds there are none on what rests on it; and all of it can be printed. */
static void check(const struct verify_result *result)
{
	for (size_t i = VERIFY_CONFIG; i < VERIFY_CLOSED; i++)
		if (result->claims[i].verdict == VERIFY_HOLDS &&
		    result->claims[VERIFY_LOGS].verdict != VERIFY_HOLDS)
			abort();
	for (size_t i = 0; i < VERIFY_CLAIMS; i++) {
		const char *text = result->claims[i].text;

		if (!verify_claim_name((enum verify_claim)i) ||
		    !verify_claim_title((enum verify_claim)i) ||
		    strnlen(text, sizeof(result->claims[i].text)) == sizeof(result->claims[i].text))
			abort();
		for (; *text != '\0'; text++)
			if (*text < ' ' || *text > '~')
				abort();
	}
	if (verify_accepts(result) && result->claims[VERIFY_GENUINE].verdict != VERIFY_HOLDS)
		abort();
}

/* 'n' when the verifier gave a nonce, then the reference, a zero byte, and the document. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup(certificates_freep) struct certificates *none = NULL;
	const uint8_t *end = size > 0 ? memchr(data, '\0', size) : NULL;
	struct verify_input input = {};
	struct verify_result result;
	uint8_t nonce[32];

	if (!end || end == data || certificates_new(&none) < 0)
		return 0;
	for (size_t i = 0; i < sizeof(nonce); i++)
		nonce[i] = (uint8_t)(100 + i);
	input.reference = (const char *)data + 1;
	input.reference_size = (size_t)(end - data) - 1;
	input.evidence = (const char *)end + 1;
	input.evidence_size = size - (size_t)(end + 1 - data);
	input.roots = input.certificates = none;
	input.nonce = nonce;
	input.nonce_size = data[0] == 'n' ? sizeof(nonce) : 0;
	fail_clear();
	if (verify_evidence(&input, &result) == 0)
		check(&result);
	return 0;
}
