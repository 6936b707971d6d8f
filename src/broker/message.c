/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "base/codec.h"
#include "base/error.h"
#include "base/json.h"
#include "base/reader.h"
#include "broker/internal.h"

#include <string.h>

const char *rcar_version_name(enum rcar_version version)
{
	static const char *const names[RCAR_VERSIONS] = {"0.4.0", "0.2.0"};

	return names[version];
}

/* ---- Writing ---- */

static void put(struct writer *writer, const char *text)
{
	writer_bytes(writer, text, strlen(text));
}

/* One byte of a string as RFC 8785 §3.2.2.2 wants it; what needs no escape stands for itself. */
static void put_byte(struct writer *writer, char c)
{
	static const char special[] = "\"\\\b\t\n\f\r", letter[] = "\"\\btnfr";
	const char *found = c == '\0' ? NULL : strchr(special, c);
	char escape[8];

	if (found) {
		escape[0] = '\\';
		escape[1] = letter[found - special];
		writer_bytes(writer, escape, 2);
	} else if ((unsigned char)c < 0x20) {
		snprintf(escape, sizeof(escape), "\\u%04x", (unsigned int)(unsigned char)c);
		put(writer, escape);
	} else {
		writer_bytes(writer, &c, 1);
	}
}

static void put_string(struct writer *writer, const char *text, size_t size)
{
	put(writer, "\"");
	for (size_t i = 0; i < size; i++)
		put_byte(writer, text[i]);
	put(writer, "\"");
}

static int finish(struct writer *writer, char **ret_text)
{
	writer_bytes(writer, "", 1);
	if (writer->error < 0)
		return writer->error;
	*ret_text = (char *)TAKE_PTR(writer->data);
	return 0;
}

/*
 * Members in the order of RFC 8785, and no others: a broker hashes only those that it knows, so
 * with one more the digests would differ.
 */
static void put_key(struct writer *writer, const struct jwe_key *key)
{
	put(writer, "\"tee-pubkey\":{\"alg\":\"ECDH-ES+A256KW\",\"crv\":\"P-256\",\"kty\":\"EC\","
		    "\"x\":\"");
	put(writer, key->x);
	put(writer, "\",\"y\":\"");
	put(writer, key->y);
	put(writer, "\"}");
}

static void put_nonce(struct writer *writer, const char *nonce)
{
	put(writer, "\"nonce\":");
	put_string(writer, nonce, strlen(nonce));
	put(writer, ",");
}

int message_request(enum rcar_version version, const char *tee, char **ret_text)
{
	cleanup(writer_done) struct writer writer = {};

	put(&writer, "{\"version\":\"");
	put(&writer, rcar_version_name(version));
	put(&writer, "\",\"tee\":");
	put_string(&writer, tee, strlen(tee));
	put(&writer, ",\"extra-params\":{\"supported-hash-algorithms\":[\"sha256\",\"sha384\","
		     "\"sha512\"]}}");
	return finish(&writer, ret_text);
}

int message_runtime_data(enum rcar_version version, const char *nonce, const struct jwe_key *key,
			 char **ret_text)
{
	cleanup(writer_done) struct writer writer = {};

	put(&writer, "{");
	/* There is no second device; from 0.3.0 on the primary one vouches for that. */
	if (version == RCAR_0_4_0)
		put(&writer, "\"additional-evidence\":\"\",");
	put_nonce(&writer, nonce);
	put_key(&writer, key);
	put(&writer, "}");
	return finish(&writer, ret_text);
}

int message_report_data(enum rcar_version version, const struct challenge *challenge,
			const struct jwe_key *key, uint8_t ret[static HASH_MAX_SIZE],
			size_t *ret_size)
{
	cleanup(freep) char *text = NULL;
	int r = message_runtime_data(version, challenge->nonce, key, &text);

	if (r < 0)
		return r;
	r = hash_data(challenge->hash, text, strlen(text), ret);
	if (r < 0)
		return r;
	*ret_size = hash_size(challenge->hash);
	return 0;
}

static int put_evidence(struct writer *writer, json_t *evidence)
{
	cleanup(freep) char *text = json_dumps(evidence, JSON_COMPACT | JSON_ENCODE_ANY);

	if (!text)
		return -ENOMEM;
	put(writer, text);
	return 0;
}

/* The document as it is, byte for byte: the broker hashes it. */
static void put_initdata(struct writer *writer, const char *text, size_t size)
{
	put(writer, "\"init-data\":");
	if (!text) {
		put(writer, "null,");
		return;
	}
	put(writer, "{\"format\":\"toml\",\"body\":");
	put_string(writer, text, size);
	put(writer, "},");
}

static int put_attestation_0_2_0(struct writer *writer, const struct attestation *attestation)
{
	int r;

	put_key(writer, attestation->key);
	put(writer, ",\"tee-evidence\":");
	r = put_evidence(writer, attestation->evidence);
	put(writer, "}");
	return r;
}

static int put_attestation_0_4_0(struct writer *writer, const struct attestation *attestation)
{
	int r;

	put_initdata(writer, attestation->initdata, attestation->initdata_size);
	put(writer, "\"runtime-data\":{");
	put_nonce(writer, attestation->nonce);
	put_key(writer, attestation->key);
	put(writer, "},\"tee-evidence\":{\"primary_evidence\":");
	r = put_evidence(writer, attestation->evidence);
	put(writer, ",\"additional_evidence\":\"\"}}");
	return r;
}

int message_attestation(const struct attestation *attestation, char **ret_text)
{
	cleanup(writer_done) struct writer writer = {};
	int r;

	if (attestation->initdata &&
	    utf8_valid_size(attestation->initdata, attestation->initdata_size) !=
		    attestation->initdata_size)
		return fail(-EBADMSG, "the initdata document is not UTF-8: it cannot be sent");
	put(&writer, "{");
	r = attestation->version == RCAR_0_2_0 ? put_attestation_0_2_0(&writer, attestation)
					       : put_attestation_0_4_0(&writer, attestation);
	if (r < 0)
		return r;
	return finish(&writer, ret_text);
}

/* ---- Reading ---- */

/* The digest that the broker chose, SHA-384 when it says nothing; never one that is too weak. */
static int read_hash(json_t *extra, enum hash_algorithm *ret)
{
	static const enum hash_algorithm offered[] = {HASH_SHA256, HASH_SHA384, HASH_SHA512};
	json_t *selected = json_object_get(extra, "selected-hash-algorithm");

	if (!selected) {
		*ret = HASH_SHA384;
		return 0;
	}
	if (!json_is_string(selected))
		return fail(-EBADMSG, "the challenge names a hash algorithm that is not a text");
	for (size_t i = 0; i < ARRAY_SIZE(offered); i++) {
		if (strcasecmp(json_string_value(selected), hash_name(offered[i])) == 0) {
			*ret = offered[i];
			return 0;
		}
	}
	return fail(-EOPNOTSUPP, "the challenge asks for a hash algorithm that was not offered");
}

void challenge_done(struct challenge *challenge)
{
	free(challenge->nonce);
	challenge->nonce = NULL;
}

int message_read_challenge(const char *text, size_t size, struct challenge *ret)
{
	cleanup(json_decrefp) json_t *json = NULL;
	struct challenge challenge = {};
	json_t *nonce = NULL;
	const struct json_member table[] = {{"nonce", JSON_STRING, true, &nonce}};
	int r = json_parse(text, size, CHALLENGE_SIZE_LIMIT, &json);

	if (r == 0)
		r = json_read_object(json, table, ARRAY_SIZE(table), false);
	if (r == -ENOMEM)
		return r;
	if (r < 0)
		return fail(r, "the challenge is not one of the protocol");
	if (json_string_length(nonce) == 0)
		return fail(-EBADMSG, "the nonce of the challenge is empty");
	r = read_hash(json_object_get(json, "extra-params"), &challenge.hash);
	if (r < 0)
		return r;
	challenge.nonce = strdup(json_string_value(nonce));
	if (!challenge.nonce)
		return -ENOMEM;
	*ret = challenge;
	return 0;
}

int message_read_token(const char *text, size_t size)
{
	cleanup(json_decrefp) json_t *json = NULL;
	json_t *token = NULL;
	const struct json_member table[] = {{"token", JSON_STRING, true, &token}};
	int r = json_parse(text, size, TOKEN_SIZE_LIMIT, &json);

	if (r == 0)
		r = json_read_object(json, table, ARRAY_SIZE(table), false);
	if (r == -ENOMEM)
		return r;
	if (r < 0)
		return fail(r, "the answer to the attestation holds no token");
	if (json_string_length(token) == 0)
		return fail(-EBADMSG, "the token in the answer to the attestation is empty");
	return 0;
}
