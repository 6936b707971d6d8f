/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "fuzz.h"

#include "tee/cca_token.h"

/* A CBOR token, as the report interface gives it. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cca_token token;

	if (cca_token_parse(data, size, &token) < 0)
		return 0;
	if (cca_token_check(&token, token.challenge) < 0 || token.initial_measurement_size == 0 ||
	    token.initial_measurement_size > CCA_MEASUREMENT_SIZE)
		abort();
	return 0;
}
