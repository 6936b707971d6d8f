/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "fuzz.h"

#include "broker/internal.h"

#include <string.h>

/* A challenge, or the answer to an attestation; what is sent back of a nonce is JSON again. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct jwe_key key = {.x = "x", .y = "y"};
	cleanup(challenge_done) struct challenge challenge = {};
	cleanup(json_decrefp) json_t *json = NULL;
	cleanup(freep) char *text = NULL;
	const char *nonce;

	(void)message_read_token((const char *)data, size);
	if (message_read_challenge((const char *)data, size, &challenge) < 0)
		return 0;
	if (challenge.hash == HASH_SHA1)
		abort();
	if (message_runtime_data(RCAR_0_4_0, challenge.nonce, &key, &text) < 0)
		return 0;
	json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	nonce = json_string_value(json_object_get(json, "nonce"));
	if (!nonce || strcmp(nonce, challenge.nonce) != 0)
		abort();
	return 0;
}
