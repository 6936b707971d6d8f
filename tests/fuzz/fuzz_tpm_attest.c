/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "fuzz.h"

#include "base/macro.h"
#include "tpm/quote.h"

#include <string.h>

/* As the message of a quote about 24 PCRs that are zero, and any nonce of this size. */
static void check_quote(const uint8_t *data, size_t size, const struct tpm_attest *attest)
{
	static const uint8_t signature[] = {0, 0x14, 0, 0xb, 0, 1, 0x5a};
	struct tpm_quote quote = {
		.message_size = size,
		.signature_size = sizeof(signature),
		.pcrs = {.bank = HASH_SHA256, .mask = TPM_QUOTE_PCRS},
	};
	int r;

	if (size > sizeof(quote.message))
		return;
	memcpy(quote.message, data, size);
	memcpy(quote.signature, signature, sizeof(signature));
	r = tpm_quote_check(&quote, attest->nonce, attest->nonce_size);
	if (r == -ESTALE || r == -EBADMSG || (r == 0 && attest->mask != TPM_QUOTE_PCRS))
		abort();
	if (attest->nonce_size > 0 &&
	    tpm_quote_check(&quote, attest->nonce, attest->nonce_size - 1) != -ESTALE)
		abort();
}

/* A TPMS_ATTEST. What was accepted has the sizes that it says. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tpm_attest attest;

	if (tpm_attest_parse(data, size, &attest) < 0)
		return 0;
	if (attest.nonce_size > sizeof(attest.nonce) ||
	    attest.pcr_digest_size > sizeof(attest.pcr_digest) || attest.mask > TPM_QUOTE_PCRS)
		abort();
	check_quote(data, size, &attest);
	return 0;
}
