/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "fuzz.h"

#include "tpm/internal.h"

#include <string.h>

/* tpm2-pcr-signature.json: the first byte chooses the bank, the rest is the text. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t fingerprint[HASH_SHA256_SIZE], policy[HASH_SHA256_SIZE];
	cleanup(freep) char *text = NULL;
	struct tpm_signature signature;

	if (size == 0)
		return 0;
	text = calloc(1, size);
	if (text)
		memcpy(text, data + 1, size - 1);
	if (text &&
	    tpm_signature_find(text, (enum hash_algorithm)(data[0] % HASH_ALGORITHMS), 1U << 11,
			       fingerprint, policy, &signature) == 0 &&
	    signature.size > sizeof(signature.data))
		abort();
	return 0;
}
