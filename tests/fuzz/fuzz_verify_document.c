/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "fuzz.h"

#include "base/error.h"
#include "verify/internal.h"

#include <string.h>

/*
 * A document, or behind a '/' and a platform's name that platform's evidence. There is no root, and
 * no key is known, so that nothing can be genuine.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const platforms[] = {"snp", "tdx", "az-snp-vtpm", "az-tdx-vtpm", "tpm"};
	static const char reference[] = "{\"cvmroot-reference\": 1}";
	cleanup(certificates_freep) struct certificates *none = NULL;
	struct verify_input input = {
		.evidence = (const char *)data,
		.evidence_size = size,
		.reference = reference,
		.reference_size = strlen(reference),
	};
	struct verify_result result;

	if (certificates_new(&none) < 0)
		return 0;
	input.roots = input.certificates = none;
	if (size > 1 && data[0] == '/') {
		input.tee = platforms[data[1] % ARRAY_SIZE(platforms)];
		input.evidence += 2;
		input.evidence_size -= 2;
	}
	fail_clear();
	if (verify_evidence(&input, &result) == 0 &&
	    (verify_accepts(&result) || result.claims[VERIFY_GENUINE].verdict != VERIFY_FAILS))
		abort();
	return 0;
}
