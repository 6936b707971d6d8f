/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "fuzz.h"

#include "tpm/internal.h"

/* A key as Esys_TR_Serialize gives it. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup(tpm_ak_done) struct tpm_ak ak = {};

	if (tpm_ak_parse(data, size, &ak) == 0 && (!ak.der || ak.size < 256))
		abort();
	return 0;
}
