/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "fuzz.h"

#include "tpm/internal.h"

#include <string.h>

/* The public key of a signed policy, in PEM. Zeros are not its signature. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t policy[HASH_SHA256_SIZE], zeros[TPM_SIGNATURE_MAX_SIZE];
	struct tpm_binding binding = {.bank = HASH_SHA256};
	struct tpm_public_key key;
	struct tpm_signature signature;
	cleanup(freep) char *pem = calloc(1, size + 1);

	if (!pem)
		return 0;
	if (size > 0)
		memcpy(pem, data, size);
	if (tpm_public_verify(pem, policy, zeros, 256) == 0)
		abort();
	if (tpm_public_read(pem, &key) < 0)
		return 0;
	if (key.area.publicArea.type != TPM2_ALG_RSA ||
	    key.area.publicArea.unique.rsa.size * 8U !=
		    key.area.publicArea.parameters.rsaDetail.keyBits)
		abort();
	binding.public_key = pem;
	if (tpm_signature_get(&binding, &key, policy, &signature) != -EINVAL)
		abort();
	return 0;
}
