/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "tpm/token.h"
#include "base/codec.h"
#include "base/error.h"
#include "tpm/internal.h"

#include <string.h>

#define BLOB_LIMIT 4096
#define SRK_LIMIT  1024

/* ---- Writing ---- */

static json_t *mask_json(uint32_t mask)
{
	cleanup(json_decrefp) json_t *array = json_array();

	for (unsigned int pcr = 0; pcr < TPM_PCR_COUNT; pcr++)
		if (mask & 1U << pcr && json_array_append_new(array, json_integer(pcr)) < 0)
			return NULL;
	return TAKE_PTR(array);
}

static int set_optional(json_t *token, const struct tpm_sealed *sealed)
{
	int r = 0;

	if (sealed->public_key) {
		r |= json_object_set_new(token, "tpm2_pubkey_pcrs",
					 mask_json(sealed->public_key_pcrs));
		r |= json_object_set_new(token, "tpm2_pubkey",
					 json_base64(sealed->public_key,
						     strlen(sealed->public_key)));
	}
	if (sealed->srk)
		r |= json_object_set_new(token, "tpm2_srk",
					 json_base64(sealed->srk, sealed->srk_size));
	return r;
}

int tpm_token_make(const struct tpm_sealed *sealed, json_t **ret)
{
	cleanup(json_decrefp) json_t *token = json_object();
	int r = 0;

	if (!token)
		return -ENOMEM;
	r |= json_object_set_new(token, "type", json_string(TPM_TOKEN_TYPE));
	r |= json_object_set_new(token, "tpm2-blob", json_base64(sealed->blob, sealed->blob_size));
	r |= json_object_set_new(token, "tpm2-pcrs", mask_json(sealed->pcrs));
	r |= json_object_set_new(token, "tpm2-pcr-bank", json_string(hash_name(sealed->bank)));
	r |= json_object_set_new(token, "tpm2-primary-alg",
				 json_string(sealed->primary_rsa ? "rsa" : "ecc"));
	r |= json_object_set_new(token, "tpm2-policy-hash",
				 json_hex(sealed->policy_hash, sizeof(sealed->policy_hash)));
	r |= json_object_set_new(token, "tpm2-pin", json_false());
	r |= set_optional(token, sealed);
	if (r != 0)
		return -ENOMEM;
	*ret = TAKE_PTR(token);
	return 0;
}

/* ---- Reading ---- */

int tpm_pcr_mask_read(json_t *array, uint32_t *ret)
{
	uint32_t mask = 0;
	json_t *number;
	size_t i;

	json_array_foreach (array, i, number) {
		json_int_t pcr = json_integer_value(number);

		if (!json_is_integer(number) || pcr < 0 || pcr >= TPM_PCR_COUNT || mask & 1U << pcr)
			return -EBADMSG;
		mask |= 1U << pcr;
	}
	*ret = mask;
	return 0;
}

/* The bytes of a base64 string, NUL-terminated behind their size. */
static int read_base64(json_t *value, size_t limit, uint8_t **ret, size_t *ret_size)
{
	size_t text_size = json_string_length(value);
	cleanup(freep) uint8_t *data = NULL;
	int r;

	if (text_size == 0 || text_size >= base64_size(limit))
		return -EBADMSG;
	data = malloc(limit + 1);
	if (!data)
		return -ENOMEM;
	r = base64_decode(json_string_value(value), text_size, data, limit, ret_size);
	if (r < 0)
		return r;
	data[*ret_size] = '\0';
	*ret = TAKE_PTR(data);
	return 0;
}

/* Members of a token; those of systemd that change what a key needs are known, and refused. */
struct members {
	json_t *type, *blob, *pcrs, *bank, *primary, *policy, *pin;
	json_t *key, *key_pcrs, *srk, *salt, *reference, *lock, *lock_nv;
};

static int read_members(json_t *token, struct members *ret)
{
	const struct json_member table[] = {
		{"type", JSON_STRING, true, &ret->type},
		{"tpm2-blob", JSON_STRING, true, &ret->blob},
		{"tpm2-pcrs", JSON_ARRAY, true, &ret->pcrs},
		{"tpm2-pcr-bank", JSON_STRING, true, &ret->bank},
		{"tpm2-primary-alg", JSON_STRING, false, &ret->primary},
		{"tpm2-policy-hash", JSON_STRING, true, &ret->policy},
		{"tpm2-pin", JSON_TRUE, false, &ret->pin},
		{"tpm2_pubkey_pcrs", JSON_ARRAY, false, &ret->key_pcrs},
		{"tpm2_pubkey", JSON_STRING, false, &ret->key},
		{"tpm2_pubkey_ref", JSON_STRING, false, &ret->reference},
		{"tpm2_salt", JSON_STRING, false, &ret->salt},
		{"tpm2_srk", JSON_STRING, false, &ret->srk},
		{"tpm2_pcrlock", JSON_TRUE, false, &ret->lock},
		{"tpm2_pcrlock_nv", JSON_STRING, false, &ret->lock_nv},
	};

	return json_read_object(token, table, ARRAY_SIZE(table), false);
}

static int check_supported(const struct members *members)
{
	if (json_is_true(members->pin) || members->salt)
		return fail(-EOPNOTSUPP, "the LUKS token wants a PIN; cvmroot asks nobody");
	if (json_is_true(members->lock) || members->lock_nv)
		return fail(-EOPNOTSUPP, "the LUKS token uses a pcrlock policy, which is not "
					 "supported here");
	if (members->reference)
		return fail(-EOPNOTSUPP, "the LUKS token uses a policy reference, which is not "
					 "supported here");
	return 0;
}

static int read_primary(json_t *value, bool *ret)
{
	const char *name = value ? json_string_value(value) : "ecc";

	if (strcmp(name, "ecc") != 0 && strcmp(name, "rsa") != 0)
		return -EBADMSG;
	*ret = strcmp(name, "rsa") == 0;
	return 0;
}

static int read_public_key(const struct members *members, struct tpm_sealed *sealed)
{
	uint8_t *text;
	size_t size;
	int r;

	/* Older releases write the list also when it is empty. */
	if (members->key_pcrs && tpm_pcr_mask_read(members->key_pcrs, &sealed->public_key_pcrs) < 0)
		return -EBADMSG;
	if ((members->key != NULL) != (sealed->public_key_pcrs != 0))
		return -EBADMSG;
	if (!members->key)
		return 0;
	r = read_base64(members->key, TPM_PEM_LIMIT, &text, &size);
	if (r < 0)
		return r;
	sealed->public_key = (char *)text;
	return strlen(sealed->public_key) == size ? 0 : -EBADMSG;
}

static int read_srk(const struct members *members, struct tpm_sealed *sealed)
{
	bool rsa;
	int r;

	if (!members->srk)
		return 0;
	r = read_base64(members->srk, SRK_LIMIT, &sealed->srk, &sealed->srk_size);
	if (r < 0)
		return r;
	r = tpm_srk_parse(sealed->srk, sealed->srk_size, &rsa);
	if (r < 0)
		return r;
	return rsa == sealed->primary_rsa ? 0 : -EBADMSG;
}

static int read_sealed(const struct members *members, struct tpm_sealed *sealed)
{
	int r = read_base64(members->blob, BLOB_LIMIT, &sealed->blob, &sealed->blob_size);

	if (r == 0)
		r = tpm_pcr_mask_read(members->pcrs, &sealed->pcrs);
	if (r == 0)
		r = hash_from_name(json_string_value(members->bank), &sealed->bank);
	if (r == 0)
		r = read_primary(members->primary, &sealed->primary_rsa);
	if (r == 0)
		r = hex_decode(json_string_value(members->policy),
			       json_string_length(members->policy), sealed->policy_hash,
			       sizeof(sealed->policy_hash));
	if (r == 0)
		r = read_public_key(members, sealed);
	return r < 0 ? r : read_srk(members, sealed);
}

/* The blob's own form; what it holds is looked at again when it is used. */
static int check_blob(const struct tpm_sealed *sealed)
{
	TPM2B_PRIVATE private_area = {};
	TPM2B_PUBLIC public_area;

	return tpm_blob_parse(sealed, &private_area, &public_area);
}

int tpm_token_parse(json_t *token, struct tpm_sealed **ret)
{
	cleanup(tpm_sealed_freep) struct tpm_sealed *sealed = calloc(1, sizeof(*sealed));
	struct members members = {};
	int r;

	if (!sealed)
		return -ENOMEM;
	/* Several secrets in one token (shards) are a list where one string is read here. */
	if (json_is_array(json_object_get(token, "tpm2-blob")))
		return fail(-EOPNOTSUPP, "the LUKS token holds a secret in several parts, which is "
					 "not supported here");
	r = read_members(token, &members);
	if (r < 0 || strcmp(json_string_value(members.type), TPM_TOKEN_TYPE) != 0)
		return fail(-EBADMSG, "the LUKS token of the TPM is malformed");
	r = check_supported(&members);
	if (r < 0)
		return r;
	r = read_sealed(&members, sealed);
	if (r == -ENOMEM)
		return r;
	if (r < 0)
		return fail(-EBADMSG, "the LUKS token of the TPM is malformed");
	r = check_blob(sealed);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(sealed);
	return 0;
}

void tpm_sealed_free(struct tpm_sealed *sealed)
{
	if (!sealed)
		return;
	free(sealed->blob);
	free(sealed->srk);
	free(sealed->public_key);
	free(sealed);
}
