/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "fuzz.h"

#include "tpm/internal.h"
#include "tpm/token.h"

/* A LUKS2 token, and the TPM blobs in it. What was accepted must survive the way back. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup(json_decrefp) json_t *token = NULL, *made = NULL;
	cleanup(tpm_sealed_freep) struct tpm_sealed *sealed = NULL, *again = NULL;

	if (json_parse((const char *)data, size, 64 * KIB, &token) < 0 ||
	    tpm_token_parse(token, &sealed) < 0)
		return 0;
	if (tpm_token_make(sealed, &made) < 0 || tpm_token_parse(made, &again) < 0 ||
	    again->pcrs != sealed->pcrs || again->blob_size != sealed->blob_size ||
	    again->srk_size != sealed->srk_size)
		abort();
	return 0;
}
