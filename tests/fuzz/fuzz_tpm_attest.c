/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "fuzz.h"

#include "base/macro.h"
#include "tpm/quote.h"

/* A TPMS_ATTEST. What was accepted has the sizes that it says. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tpm_attest attest;

	if (tpm_attest_parse(data, size, &attest) < 0)
		return 0;
	if (attest.nonce_size > sizeof(attest.nonce) ||
	    attest.pcr_digest_size > sizeof(attest.pcr_digest) || attest.mask > TPM_QUOTE_PCRS)
		abort();
	return 0;
}
