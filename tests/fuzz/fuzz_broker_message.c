/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "fuzz.h"

#include "broker/internal.h"

#include <string.h>

/* What is sent is JSON with the nonce and the document as they came. */
static void check_attestation(enum rcar_version version, const char *nonce, const char *initdata,
			      size_t size)
{
	static const struct jwe_key key = {.x = "x", .y = "y"};
	cleanup(json_decrefp) json_t *evidence = json_pack("{s:s}", "quote", nonce);
	cleanup(json_decrefp) json_t *json = NULL;
	cleanup(freep) char *text = NULL;
	const struct attestation attestation = {
		.version = version,
		.nonce = nonce,
		.key = &key,
		.evidence = evidence,
		.initdata = initdata,
		.initdata_size = size,
	};
	json_t *body;

	if (!evidence || message_attestation(&attestation, &text) < 0)
		return;
	json = json_loads(text, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
	if (!json)
		abort();
	body = json_object_get(json_object_get(json, "init-data"), "body");
	if (version == RCAR_0_4_0 && initdata &&
	    (json_string_length(body) != size ||
	     memcmp(json_string_value(body), initdata, size) != 0))
		abort();
}

static void check_digest(const struct challenge *challenge)
{
	static const struct jwe_key key = {.x = "x", .y = "y"};
	uint8_t digest[HASH_MAX_SIZE];
	size_t size;

	if (message_report_data(RCAR_0_4_0, challenge, &key, digest, &size) == 0 &&
	    size != hash_size(challenge->hash))
		abort();
}

/* The first message, with a platform's name of any characters. */
static void check_request(const char *tee)
{
	cleanup(json_decrefp) json_t *json = NULL;
	cleanup(freep) char *text = NULL;

	if (message_request(RCAR_0_2_0, tee, &text) < 0)
		return;
	json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	if (!json || strcmp(json_string_value(json_object_get(json, "tee")), tee) != 0)
		abort();
}

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
	check_digest(&challenge);
	check_request(challenge.nonce);
	check_attestation(RCAR_0_4_0, challenge.nonce, (const char *)data, size);
	check_attestation(RCAR_0_4_0, challenge.nonce, NULL, 0);
	check_attestation(RCAR_0_2_0, challenge.nonce, NULL, 0);
	if (message_runtime_data(RCAR_0_4_0, challenge.nonce, &key, &text) < 0)
		return 0;
	json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	nonce = json_string_value(json_object_get(json, "nonce"));
	if (!nonce || strcmp(nonce, challenge.nonce) != 0)
		abort();
	return 0;
}
