/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "disk/luks/json.h"

#include <string.h>

#define TEXT_SIZE_MAX 4096 /* of an array's text that we only pass on */

/*
 * A boot tries each keyslot that a provider's token names, before any MAC is checked: so the header
 * must not name many. cvmroot makes one token of each type, with one keyslot or none; an owner's
 * tools may have added others of one keyslot.
 */
#define PROVIDER_TOKENS_MAX 4 /* of one type */

/*
 * The tokens of the allow-list. The table holds every type that may be there and its members
 * besides "type" and "keyslots"; JSON_NULL stands for a text or an array of texts.
 */
struct token_member {
	const char *name;
	json_type type;
	bool required;
};

struct token_type {
	const char *name;
	const struct token_member *members;
	size_t members_count;
	bool provider; /* of keys, at boot */
};

static const struct token_member cvmroot_members[] = {
	{"version", JSON_INTEGER, true},
	{"epoch", JSON_STRING, true},
	{"macs", JSON_OBJECT, true},
};

/* As systemd-cryptenroll(1) writes it. */
static const struct token_member tpm2_members[] = {
	{"tpm2-blob", JSON_NULL, true},
	{"tpm2-pcrs", JSON_ARRAY, true},
	{"tpm2-pcr-bank", JSON_STRING, false},
	{"tpm2-primary-alg", JSON_STRING, false},
	{"tpm2-policy-hash", JSON_NULL, true},
	{"tpm2-pin", JSON_TRUE, false},
	{"tpm2_pubkey_pcrs", JSON_ARRAY, false},
	{"tpm2_pubkey", JSON_STRING, false},
	{"tpm2_salt", JSON_STRING, false},
	{"tpm2_srk", JSON_STRING, false},
	{"tpm2_pcrlock", JSON_TRUE, false},
	{"tpm2_pcrlock_nv", JSON_STRING, false},
	{"tpm2_pubkey_ref", JSON_STRING, false},
	{"tpm2_argon2id_memcost", JSON_INTEGER, false},
	{"tpm2_argon2id_iterations", JSON_INTEGER, false},
	{"tpm2_argon2id_lanes", JSON_INTEGER, false},
};

/* Of libcryptsetup's token plugins for Trustee. Never believed: only "luksDump" shows them. */
static const struct token_member kbs_members[] = {
	{"trustee.kbs.url", JSON_STRING, false},
	{"trustee.kbs.resource", JSON_STRING, false},
};

#define TOKEN_TYPE(name, members, provider)                                                        \
	{                                                                                          \
		name, members, ARRAY_SIZE(members), provider                                       \
	}

static const struct token_type token_types[] = {
	TOKEN_TYPE(LUKS_TOKEN_TYPE, cvmroot_members, false),
	TOKEN_TYPE("systemd-tpm2", tpm2_members, true),
	TOKEN_TYPE("tdx-kbs", kbs_members, false),
	TOKEN_TYPE("kbs", kbs_members, true),
	{"systemd-recovery", NULL, 0, false},
};

#define TOKEN_MEMBERS_MAX (2 + ARRAY_SIZE(tpm2_members))

static const struct token_type *find_token_type(const json_t *type)
{
	for (size_t i = 0; i < ARRAY_SIZE(token_types); i++)
		if (luks_text_is(type, token_types[i].name))
			return &token_types[i];
	return NULL;
}

static bool texts_only(const json_t *array)
{
	size_t i;
	json_t *value;

	json_array_foreach (array, i, value)
		if (!json_is_string(value) || json_string_length(value) > TEXT_SIZE_MAX)
			return false;
	return json_array_size(array) <= LUKS_NUMBERS;
}

static bool integers_only(const json_t *array)
{
	size_t i;
	json_t *value;

	json_array_foreach (array, i, value)
		if (!luks_integer_in(value, 0, 31))
			return false;
	return json_array_size(array) <= LUKS_NUMBERS;
}

static bool token_value_is_plain(const json_t *value, json_type type)
{
	if (type == JSON_NULL)
		return json_is_string(value) || (json_is_array(value) && texts_only(value));
	return type != JSON_ARRAY || integers_only(value);
}

static int check_token_members(json_t *token, const struct token_type *type,
			       struct luks_place place, json_t **ret_keyslots)
{
	struct json_member table[TOKEN_MEMBERS_MAX] = {
		{"type", JSON_STRING, true, NULL},
		{"keyslots", JSON_ARRAY, true, ret_keyslots},
	};

	for (size_t i = 0; i < type->members_count; i++) {
		const struct token_member *member = &type->members[i];
		json_t *value = json_object_get(token, member->name);

		if (value && !token_value_is_plain(value, member->type))
			return luks_refuse(place, "has a malformed \"%s\"", member->name);
		table[2 + i] = (struct json_member){
			member->name,
			value && member->type == JSON_NULL ? json_typeof(value) : member->type,
			member->required, NULL};
	}
	return luks_read_members(token, table, 2 + type->members_count, place);
}

static int read_macs(struct luks_header *header, json_t *macs, uint32_t slots,
		     struct luks_place place)
{
	uint32_t missing = slots;
	const char *key;
	json_t *value;

	json_object_foreach (macs, key, value) {
		unsigned int slot;

		if (luks_parse_number(key, &slot) < 0 || !json_is_string(value) ||
		    hex_decode(json_string_value(value), json_string_length(value),
			       header->macs[slot], MAC_SIZE) < 0)
			return luks_refuse(place, "has a malformed MAC");
		/* cryptsetup takes a removed keyslot off the list and leaves its MAC behind. */
		header->has_mac[slot] = (slots & 1U << slot) != 0;
		missing &= ~(1U << slot);
	}
	if (missing != 0)
		return luks_refuse(place, "lacks the MAC of a keyslot that it names");
	return 0;
}

static int check_cvmroot_token(struct luks_header *header, json_t *token, uint32_t slots,
			       struct luks_place place)
{
	if (!luks_integer_is(json_object_get(token, "version"), LUKS_CVMROOT_VERSION))
		return luks_refuse(place, "is of a version that this cvmroot does not know");
	if (json_decimal_string(json_object_get(token, "epoch"), &header->facts.epoch) < 0)
		return luks_refuse(place, "has a malformed epoch");
	return read_macs(header, json_object_get(token, "macs"), slots, place);
}

/* What was seen while walking over the tokens. */
struct token_walk {
	uint32_t keyslots; /* that exist */
	uint32_t claimed;  /* by a token that is not the cvmroot one */
	bool has_cvmroot;
	unsigned int counts[ARRAY_SIZE(token_types)];
};

static int check_count(const struct token_type *type, uint32_t slots, struct luks_place place,
		       struct token_walk *walk)
{
	if (!type->provider)
		return 0;
	if ((slots & (slots - 1)) != 0)
		return luks_refuse(place, "names more than one keyslot");
	if (++walk->counts[type - token_types] > PROVIDER_TOKENS_MAX)
		return luks_refuse(place, "is one of too many of its type");
	return 0;
}

static int check_token(struct luks_header *header, json_t *token, struct luks_place place,
		       struct token_walk *walk)
{
	const struct token_type *type = find_token_type(json_object_get(token, "type"));
	json_t *keyslots;
	uint32_t slots;
	bool is_cvmroot;
	int r;

	if (!type)
		return luks_refuse(place, "is of a type that is not known");
	r = check_token_members(token, type, place, &keyslots);
	if (r < 0)
		return r;
	if (luks_read_numbers(keyslots, &slots) < 0 || (slots & ~walk->keyslots) != 0)
		return luks_refuse(place, "names a keyslot that does not exist, or one twice");
	is_cvmroot = strcmp(type->name, LUKS_TOKEN_TYPE) == 0;
	if (is_cvmroot ? walk->has_cvmroot : (slots & walk->claimed) != 0)
		return luks_refuse(place, "marks what another token marks already");
	if (!is_cvmroot) {
		walk->claimed |= slots;
		return check_count(type, slots, place, walk);
	}
	walk->has_cvmroot = true;
	return check_cvmroot_token(header, token, slots, place);
}

int luks_check_tokens(struct luks_header *header, json_t *tokens, uint32_t keyslots)
{
	struct token_walk walk = {.keyslots = keyslots};
	const char *key;
	json_t *token;

	json_object_foreach (tokens, key, token) {
		unsigned int number;
		int r;

		if (luks_parse_number(key, &number) < 0)
			return luks_refuse_header("a token has no number from 0 to 31");
		r = check_token(header, token, (struct luks_place){"token", number}, &walk);
		if (r < 0)
			return r;
	}
	if (!walk.has_cvmroot)
		return luks_refuse_header("it has no token of cvmroot, so it is another tool's; "
					  "use a disk made from the baked image");
	return 0;
}
