/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "fuzz.h"

#include "tpm/internal.h"

#include <string.h>

/*
 * The policy digest that a token names (32 bytes), then its blob. The reader takes one form only,
 * so what was accepted must come back byte for byte.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tpm_sealed sealed = {};
	cleanup(freep) uint8_t *blob = NULL, *again = NULL;
	TPM2B_PRIVATE private_area = {};
	TPM2B_PUBLIC public_area = {};
	size_t again_size;

	if (size < sizeof(sealed.policy_hash))
		return 0;
	memcpy(sealed.policy_hash, data, sizeof(sealed.policy_hash));
	sealed.blob_size = size - sizeof(sealed.policy_hash);
	sealed.blob = blob = malloc(sealed.blob_size);
	if (!blob)
		return 0;
	memcpy(blob, data + sizeof(sealed.policy_hash), sealed.blob_size);
	if (tpm_blob_parse(&sealed, &private_area, &public_area) < 0)
		return 0;
	if (tpm_blob_make(&private_area, &public_area, &again, &again_size) < 0 ||
	    again_size != sealed.blob_size || memcmp(again, blob, again_size) != 0)
		abort();
	return 0;
}
