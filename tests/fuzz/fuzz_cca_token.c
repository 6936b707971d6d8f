/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "fuzz.h"

#include "tee/cca_token.h"

#include <string.h>

/* Against the token's own value, cut or not, and against others. */
static void check_personalization(const struct cca_token *token)
{
	uint8_t other[CCA_CHALLENGE_SIZE];

	memcpy(other, token->personalization, sizeof(other));
	if (cca_token_check_personalization(token, other, sizeof(other)) < 0)
		abort();
	other[0] ^= 1;
	if (cca_token_check_personalization(token, other, sizeof(other)) == 0 ||
	    cca_token_check(token, other) !=
		    (memcmp(token->challenge, other, sizeof(other)) == 0 ? 0 : -ESTALE))
		abort();
}

/* A CBOR token, as the report interface gives it. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cca_token token;

	if (cca_token_parse(data, size, &token) < 0)
		return 0;
	if (cca_token_check(&token, token.challenge) < 0 || token.initial_measurement_size == 0 ||
	    token.initial_measurement_size > CCA_MEASUREMENT_SIZE)
		abort();
	check_personalization(&token);
	return 0;
}
