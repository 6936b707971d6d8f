/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "base/codec.h"
#include "base/error.h"
#include "base/json.h"
#include "broker/internal.h"

#include <string.h>

#include <jose/jwe.h>

#define HEADER_SIZE_MAX	   1024 /* decoded */
#define ENCRYPTED_KEY_SIZE 40	/* RFC 3394: 256 bits and 64 of integrity */
#define IV_SIZE		   12
#define TAG_SIZE	   16

/*
 * libjose knows many algorithms and extensions, and takes most of what it is given. So everything
 * is held against the one form that brokers send to a key of ours before libjose sees it.
 */
struct envelope {
	json_t *json; /* whole; the others are its members */
	json_t *header, *encrypted_key, *iv, *ciphertext, *tag;
	uint8_t *data; /* the ciphertext, decoded */
	size_t data_size;
};

static void envelope_done(struct envelope *envelope)
{
	json_decref(envelope->json);
	free(envelope->data);
}

static int read_members(const char *text, size_t size, struct envelope *ret)
{
	const struct json_member table[] = {
		{"protected", JSON_STRING, true, &ret->header},
		{"encrypted_key", JSON_STRING, true, &ret->encrypted_key},
		{"iv", JSON_STRING, true, &ret->iv},
		{"ciphertext", JSON_STRING, true, &ret->ciphertext},
		{"tag", JSON_STRING, true, &ret->tag},
	};
	int r = json_parse(text, size, JWE_SIZE_LIMIT, &ret->json);

	if (r == -ENOMEM)
		return r;
	if (r == -E2BIG)
		return fail(r, "the answer is larger than a resource may be");
	if (r == 0)
		r = json_read_object(ret->json, table, ARRAY_SIZE(table), true);
	if (r < 0)
		return fail(r, "the answer is not an encrypted resource (a flattened JWE of five "
			       "members)");
	return 0;
}

static bool has_size(json_t *member, size_t size)
{
	uint8_t raw[ENCRYPTED_KEY_SIZE];
	size_t raw_size;

	return base64url_decode(json_string_value(member), json_string_length(member), raw,
				sizeof(raw), &raw_size) == 0 &&
	       raw_size == size;
}

static int read_ciphertext(struct envelope *envelope)
{
	const char *text = json_string_value(envelope->ciphertext);
	size_t size = json_string_length(envelope->ciphertext);
	int r;

	if (size == 0)
		return fail(-ENOKEY, "the resource is empty: no key can be made of it");
	envelope->data = malloc(size);
	if (!envelope->data)
		return -ENOMEM;
	r = base64url_decode(text, size, envelope->data, size, &envelope->data_size);
	if (r < 0)
		return fail(r,
			    "the encrypted resource is damaged: its ciphertext is not base64url");
	if (envelope->data_size > JWE_SECRET_LIMIT)
		return fail(-E2BIG, "the resource is larger than %zu KiB",
			    (size_t)(JWE_SECRET_LIMIT / KIB));
	return 0;
}

static int check_sizes(const struct envelope *envelope)
{
	if (has_size(envelope->encrypted_key, ENCRYPTED_KEY_SIZE) &&
	    has_size(envelope->iv, IV_SIZE) && has_size(envelope->tag, TAG_SIZE))
		return 0;
	return fail(-EBADMSG, "the encrypted resource is damaged: its key, nonce or tag has a "
			      "wrong size");
}

static int check_point(json_t *point)
{
	json_t *kty, *crv, *x, *y;
	const struct json_member table[] = {
		{"kty", JSON_STRING, true, &kty},
		{"crv", JSON_STRING, true, &crv},
		{"x", JSON_STRING, true, &x},
		{"y", JSON_STRING, true, &y},
	};

	if (json_read_object(point, table, ARRAY_SIZE(table), true) == 0 &&
	    strcmp(json_string_value(kty), "EC") == 0 &&
	    strcmp(json_string_value(crv), "P-256") == 0 && has_size(x, JWK_P256_SIZE) &&
	    has_size(y, JWK_P256_SIZE))
		return 0;
	return fail(-EBADMSG, "the header of the encrypted resource holds no ephemeral P-256 key "
			      "(\"epk\")");
}

/* An extension that must be understood, compression, or a cost that the sender chooses: none. */
static int check_extensions(json_t *header)
{
	const char *name;
	json_t *value;

	json_object_foreach (header, name, value) {
		if (strcmp(name, "alg") == 0 || strcmp(name, "enc") == 0 ||
		    strcmp(name, "epk") == 0)
			continue;
		for (const char *c = name; *c != '\0'; c++)
			if (*c <= ' ' || *c > '~')
				return fail(-EBADMSG, "the header of the encrypted resource has "
						      "an unprintable member");
		return fail(-EOPNOTSUPP,
			    "the header of the encrypted resource has a member "
			    "\"%.32s\", which is not accepted",
			    name);
	}
	return 0;
}

static int check_algorithm(json_t *header, const char *member, const char *wanted)
{
	const char *name = json_string_value(json_object_get(header, member));

	if (name && strcmp(name, wanted) == 0)
		return 0;
	return fail(-EOPNOTSUPP,
		    "the resource is not encrypted with \"%s\" %s, the only one "
		    "accepted",
		    member, wanted);
}

static int parse_header(json_t *text, json_t **ret)
{
	uint8_t raw[HEADER_SIZE_MAX];
	size_t size;
	int r = base64url_decode(json_string_value(text), json_string_length(text), raw,
				 sizeof(raw), &size);

	if (r == 0)
		r = json_parse((const char *)raw, size, sizeof(raw), ret);
	if (r == -ENOMEM)
		return r;
	if (r < 0 || !json_is_object(*ret))
		return fail(-EBADMSG, "the header of the encrypted resource is malformed");
	return 0;
}

static int check_header(json_t *text)
{
	cleanup(json_decrefp) json_t *header = NULL;
	int r = parse_header(text, &header);

	if (r == 0)
		r = check_algorithm(header, "alg", "ECDH-ES+A256KW");
	if (r == 0)
		r = check_algorithm(header, "enc", "A256GCM");
	if (r == 0)
		r = check_extensions(header);
	if (r == 0)
		r = check_point(json_object_get(header, "epk"));
	return r;
}

/* ---- Decryption ---- */

/* The end of a chain of libjose: plaintext goes into a secret, and nowhere else. */
struct sink {
	jose_io_t io; /* first: libjose hands this pointer back */
	struct secret *to;
	size_t used;
};

static bool sink_feed(jose_io_t *io, const void *in, size_t size)
{
	struct sink *sink = (struct sink *)io;

	if (size > sink->to->size - sink->used)
		return false;
	if (size > 0)
		memcpy(sink->to->data + sink->used, in, size);
	sink->used += size;
	return true;
}

static bool sink_done(jose_io_t *io)
{
	struct sink *sink = (struct sink *)io;

	return sink->used == sink->to->size;
}

/* It lives on the stack of whoever made it, and counts as one reference. */
static void sink_free(jose_io_t *io)
{
	(void)io;
}

/* libjose would print its own words. */
static void stay_silent(void *misc, const char *file, int line, uint64_t error, const char *format,
			va_list args)
{
	(void)misc, (void)file, (void)line, (void)error, (void)format, (void)args;
}

static int private_jwk(const struct jwe_key *key, json_t **ret)
{
	char d[JWK_P256_TEXT_MAX];

	base64url_encode(key->d->data, key->d->size, d);
	*ret = json_pack("{s:s, s:s, s:s, s:s, s:s}", "kty", "EC", "crv", "P-256", "x", key->x, "y",
			 key->y, "d", d);
	explicit_bzero(d, sizeof(d));
	return *ret ? 0 : -ENOMEM;
}

/* jose_cfg_auto() takes no NULL. */
static void cfg_freep(jose_cfg_t **cfg)
{
	if (*cfg)
		jose_cfg_decref(*cfg);
}

static int decrypt(jose_cfg_t *cfg, const struct envelope *envelope, json_t *jwk,
		   struct secret *plaintext)
{
	struct sink sink = {
		.io = {.refs = 1, .feed = sink_feed, .done = sink_done, .free = sink_free},
		.to = plaintext,
	};
	cleanup(json_decrefp) json_t *content_key = NULL;
	cleanup(jose_io_auto) jose_io_t *gcm = NULL;

	content_key = jose_jwe_dec_jwk(cfg, envelope->json, NULL, jwk);
	if (!content_key)
		return fail(-EKEYREJECTED, "the resource was encrypted for another key than the "
					   "one that was attested");
	gcm = jose_jwe_dec_cek_io(cfg, envelope->json, content_key, &sink.io);
	if (!gcm || !gcm->feed(gcm, envelope->data, envelope->data_size) || !gcm->done(gcm))
		return fail(-EKEYREJECTED, "the encrypted resource was changed on the way: its "
					   "authentication tag is wrong");
	return 0;
}

/*
 * What remains of keys in memory: our private key and every key that libjose derives are JSON
 * strings, wiped as they are freed; libjose clears its own buffers on the stack, and OpenSSL its
 * contexts. Registers and spilled words of the stack are not in our hands.
 */
static int open_envelope(const struct envelope *envelope, const struct jwe_key *key,
			 struct secret **ret)
{
	cleanup(json_wiping_end) struct json_wiping wiping = json_wiping_begin();
	cleanup(secret_freep) struct secret *plaintext = NULL;
	cleanup(json_decrefp) json_t *jwk = NULL;
	cleanup(cfg_freep) jose_cfg_t *cfg = jose_cfg();
	int r;

	(void)wiping;
	if (!cfg)
		return -ENOMEM;
	jose_cfg_set_err_func(cfg, stay_silent, NULL);
	r = private_jwk(key, &jwk);
	if (r < 0)
		return r;
	r = secret_new(envelope->data_size, &plaintext);
	if (r < 0)
		return r;
	r = decrypt(cfg, envelope, jwk, plaintext);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(plaintext);
	return 0;
}

int jwe_open(const char *text, size_t size, const struct jwe_key *key, struct secret **ret)
{
	cleanup(envelope_done) struct envelope envelope = {};
	int r = read_members(text, size, &envelope);

	if (r == 0)
		r = check_header(envelope.header);
	if (r == 0)
		r = check_sizes(&envelope);
	if (r == 0)
		r = read_ciphertext(&envelope);
	if (r == 0)
		r = open_envelope(&envelope, key, ret);
	return r;
}
