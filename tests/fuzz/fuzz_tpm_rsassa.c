/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "fuzz.h"

#include "base/macro.h"
#include "tpm/quote.h"

/* A TPMT_SIGNATURE. The signature in it ends where the input does. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *signature;
	size_t signature_size;

	if (tpm_rsassa_parse(data, size, &signature, &signature_size) < 0)
		return 0;
	if (signature != data + 6 || signature_size != size - 6)
		abort();
	return 0;
}
