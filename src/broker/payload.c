/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "base/codec.h"
#include "base/error.h"
#include "base/json.h"
#include "base/toml.h"
#include "base/wipe.h"
#include "broker/internal.h"

#include <string.h>

/* ---- A symmetric key in JSON ---- */

/* Two forms: RFC 7517 with RFC 7518 §6.4, and that of the Clevis pin for Trustee. */
static const struct {
	const char *type, *key;
} forms[] = {
	{"kty", "k"},
	{"key_type", "key"},
};

/* The value of @type is "oct": the plaintext says itself that it wraps a key. */
static bool is_symmetric(json_t *json, const char *type)
{
	const char *value = json_string_value(json_object_get(json, type));

	return value && strcmp(value, "oct") == 0;
}

/* base64url, as RFC 7517 has it, or base64: no text is valid in both and means two things. */
static int decode_key(const char *text, size_t size, struct secret **ret)
{
	cleanup(secret_freep) struct secret *raw = NULL;
	size_t raw_size = 0;
	int r = secret_new(size + 1, &raw);

	if (r < 0)
		return r;
	r = base64url_decode(text, size, raw->data, raw->size, &raw_size);
	if (r < 0)
		r = base64_decode(text, size, raw->data, raw->size, &raw_size);
	if (r < 0 || raw_size == 0)
		return fail(-EBADMSG, "the resource is a JSON key, but its value is not base64url "
				      "of at least one byte");
	return secret_copy(raw->data, raw_size, ret);
}

static int read_json_key(json_t *json, const char *member, struct secret **ret)
{
	json_t *key = json_object_get(json, member);

	if (!json_is_string(key))
		return fail(-EBADMSG, "the resource is a JSON key without a text \"%s\"", member);
	return decode_key(json_string_value(key), json_string_length(key), ret);
}

/* 1 when the plaintext was not JSON that wraps a key. */
static int unwrap_json(const struct secret *plaintext, struct secret **ret)
{
	cleanup(json_wiping_end) struct json_wiping wiping = json_wiping_begin();
	cleanup(json_decrefp) json_t *json = NULL;
	int r;

	(void)wiping;
	r = json_parse((const char *)plaintext->data, plaintext->size, plaintext->size, &json);
	/* Taken for no JSON, the whole text would become the key. */
	if (r == -ENOMEM)
		return r;
	if (r < 0)
		return 1;
	for (size_t i = 0; i < ARRAY_SIZE(forms); i++)
		if (is_symmetric(json, forms[i].type))
			return read_json_key(json, forms[i].key, ret);
	return 1;
}

/* ---- The provisioner's document ---- */

#define DATA_TABLE "data"
#define TEXT_KEY   "io.cryptsetup.key.text."

static bool is_string(const struct toml_key *key)
{
	return key && key->value.type == TOML_STRING;
}

/* That of the root file system, or the only one. */
static const struct toml_key *find_text_key(const struct toml *toml)
{
	const struct toml_key *found = toml_find(toml, DATA_TABLE, TEXT_KEY "root");

	if (found)
		return found;
	for (size_t i = 0; i < toml->keys_count; i++) {
		const struct toml_key *key = &toml->keys[i];

		if (strcmp(key->table, DATA_TABLE) != 0 ||
		    strncmp(key->name, TEXT_KEY, strlen(TEXT_KEY)) != 0)
			continue;
		if (found)
			return NULL;
		found = key;
	}
	return found;
}

static int unwrap_provisioner(const struct secret *plaintext, struct secret **ret)
{
	cleanup(toml_freep) struct toml *toml = NULL;
	const struct toml_key *version, *key;
	int r = toml_parse((const char *)plaintext->data, plaintext->size, "answer", &toml);

	if (r == -ENOMEM)
		return r;
	/* Not the parser's words: they name a key, and what is no document may be all secret. */
	if (r < 0)
		return fail(r, "the provisioner's answer is not the TOML document that it should "
			       "be");
	version = toml_find(toml, "", "version");
	if (!is_string(version) || strcmp(version->value.string, "0.1.0") != 0)
		return fail(-EBADMSG, "the provisioner's answer is not of version 0.1.0");
	key = find_text_key(toml);
	if (!is_string(key) || key->value.string[0] == '\0')
		return fail(-EBADMSG,
			    "the provisioner's answer holds no text " TEXT_KEY "root, nor "
			    "exactly one other " TEXT_KEY "NAME, below [data]");
	return secret_copy(key->value.string, strlen(key->value.string), ret);
}

int payload_read(struct secret *plaintext, bool provisioner, struct secret **ret_key)
{
	int r;

	r = provisioner ? unwrap_provisioner(plaintext, ret_key) : unwrap_json(plaintext, ret_key);
	if (r == 1)
		r = secret_copy(plaintext->data, plaintext->size, ret_key);
	/* The parsers leave pieces of the key on the stack. */
	stack_wipe();
	return r;
}
