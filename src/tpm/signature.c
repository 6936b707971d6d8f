/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "base/codec.h"
#include "base/error.h"
#include "base/json.h"
#include "tpm/internal.h"

#include <string.h>

#define TEXT_LIMIT    (1 * MIB)
#define ENTRIES_LIMIT 1024

struct entry {
	uint32_t mask;
	uint8_t fingerprint[HASH_SHA256_SIZE];
	uint8_t policy[HASH_SHA256_SIZE];
	struct tpm_signature signature;
	bool has_reference;
};

static int read_hex_digest(json_t *value, uint8_t ret[static HASH_SHA256_SIZE])
{
	return hex_decode(json_string_value(value), json_string_length(value), ret,
			  HASH_SHA256_SIZE);
}

static int read_entry(json_t *object, struct entry *ret)
{
	json_t *pcrs, *fingerprint, *policy, *signature, *reference = NULL;
	const struct json_member members[] = {
		{"pcrs", JSON_ARRAY, true, &pcrs},	 {"pkfp", JSON_STRING, true, &fingerprint},
		{"pol", JSON_STRING, true, &policy},	 {"sig", JSON_STRING, true, &signature},
		{"ref", JSON_STRING, false, &reference},
	};
	int r = json_read_object(object, members, ARRAY_SIZE(members), true);

	if (r < 0)
		return r;
	ret->has_reference = reference != NULL;
	r = tpm_pcr_mask_read(pcrs, &ret->mask);
	if (r < 0)
		return r;
	r = read_hex_digest(fingerprint, ret->fingerprint);
	if (r < 0)
		return r;
	r = read_hex_digest(policy, ret->policy);
	if (r < 0)
		return r;
	return base64_decode(json_string_value(signature), json_string_length(signature),
			     ret->signature.data, sizeof(ret->signature.data),
			     &ret->signature.size);
}

/* 0 found, 1 by this key but for other PCR values, 2 by another key. */
static int compare(const struct entry *entry, uint32_t mask, const uint8_t *fingerprint,
		   const uint8_t *policy)
{
	/* A policyRef would be part of the policy: ours has none. */
	if (entry->has_reference || entry->mask != mask ||
	    memcmp(entry->fingerprint, fingerprint, HASH_SHA256_SIZE) != 0)
		return 2;
	return memcmp(entry->policy, policy, HASH_SHA256_SIZE) == 0 ? 0 : 1;
}

/* Every entry is read, so that a broken file is refused whatever the PCRs are. */
static int search(json_t *entries, uint32_t mask, const uint8_t *fingerprint, const uint8_t *policy,
		  struct tpm_signature *ret)
{
	int best = 2;
	json_t *object;
	size_t i;

	if (json_array_size(entries) > ENTRIES_LIMIT)
		return -E2BIG;
	json_array_foreach (entries, i, object) {
		struct entry entry;
		int r = read_entry(object, &entry), match;

		if (r < 0)
			return r;
		match = compare(&entry, mask, fingerprint, policy);
		if (match == 0 && best != 0)
			*ret = entry.signature;
		best = MIN(best, match);
	}
	return best;
}

static int find(const char *text, enum hash_algorithm bank, uint32_t mask,
		const uint8_t *fingerprint, const uint8_t *policy, struct tpm_signature *ret)
{
	cleanup(json_decrefp) json_t *banks = NULL;
	json_t *entries = NULL;
	const struct json_member members[] = {{hash_name(bank), JSON_ARRAY, false, &entries}};
	int r = json_parse(text, strlen(text), TEXT_LIMIT, &banks);

	if (r < 0)
		return r;
	r = json_read_object(banks, members, ARRAY_SIZE(members), false);
	if (r < 0)
		return r;
	return entries ? search(entries, mask, fingerprint, policy, ret) : 2;
}

int tpm_signature_find(const char *text, enum hash_algorithm bank, uint32_t mask,
		       const uint8_t fingerprint[static HASH_SHA256_SIZE],
		       const uint8_t policy[static HASH_SHA256_SIZE], struct tpm_signature *ret)
{
	struct tpm_signature found = {};
	int r = find(text, bank, mask, fingerprint, policy, &found);

	if (r == -EBADMSG || r == -E2BIG)
		return fail(r, "the PCR signature file (tpm2-pcr-signature.json) is malformed");
	if (r == 1)
		return fail(-EREMCHG,
			    "PCR 11 has a value that the image's policy key did not sign: another "
			    "kernel or initrd was booted, or the boot is past the phase that was "
			    "signed");
	if (r == 2)
		return fail(-EKEYREJECTED,
			    "the PCR signature file has no signature by the policy's public key "
			    "for PCR 11 in bank %s: boot an image signed with that key",
			    hash_name(bank));
	if (r == 0)
		*ret = found;
	return r;
}

int tpm_signature_get(const struct tpm_binding *binding, const struct tpm_public_key *key,
		      const uint8_t policy[static HASH_SHA256_SIZE], struct tpm_signature *ret)
{
	struct tpm_signature found;
	int r;

	if (!binding->signature)
		return fail(-EINVAL, "a signed PCR policy needs its signature file "
				     "(tpm2-pcr-signature.json)");
	r = tpm_signature_find(binding->signature, binding->bank, 1U << TPM_PCR_KERNEL,
			       key->fingerprint, policy, &found);
	if (r == 0)
		r = tpm_public_verify(binding->public_key, policy, found.data, found.size);
	if (r == 0)
		*ret = found;
	return r;
}
