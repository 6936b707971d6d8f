/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "tpm/internal.h"

#include <endian.h>
#include <string.h>

/*
 * Policy digests in software (TPM 2.0 Part 3): each command makes
 * SHA-256(old digest || command code || its arguments) of the old one. The hash of a policy session
 * is SHA-256 here, whatever the bank of the PCRs is.
 */

static void append_be16(uint8_t **to, uint32_t value)
{
	uint16_t raw = htobe16((uint16_t)value);

	memcpy(*to, &raw, sizeof(raw));
	*to += sizeof(raw);
}

static void append_be32(uint8_t **to, uint32_t value)
{
	append_be16(to, value >> 16);
	append_be16(to, value & 0xffff);
}

static void append(uint8_t **to, const void *data, size_t size)
{
	if (size > 0)
		memcpy(*to, data, size);
	*to += size;
}

/* Marshalled TPML_PCR_SELECTION of one bank, three bytes of mask. */
static void append_selection(uint8_t **to, enum hash_algorithm bank, uint32_t mask)
{
	TPML_PCR_SELECTION selection;

	tpm_pcr_selection(bank, mask, &selection);
	append_be32(to, 1);
	append_be16(to, selection.pcrSelections[0].hash);
	append(to, &selection.pcrSelections[0].sizeofSelect, 1);
	append(to, selection.pcrSelections[0].pcrSelect, selection.pcrSelections[0].sizeofSelect);
}

int tpm_policy_pcr_digest(const struct tpm_pcr_values *values, uint8_t ret[static HASH_SHA256_SIZE])
{
	uint8_t all[TPM_PCR_COUNT * HASH_MAX_SIZE], *end = all;

	for (unsigned int pcr = 0; pcr < TPM_PCR_COUNT; pcr++)
		if (values->mask & 1U << pcr)
			append(&end, values->values[pcr], hash_size(values->bank));
	return hash_data(HASH_SHA256, all, (size_t)(end - all), ret);
}

int tpm_policy_pcr(struct tpm_policy *policy, const struct tpm_pcr_values *values)
{
	uint8_t data[HASH_SHA256_SIZE + 4 + 10 + HASH_SHA256_SIZE], *end = data;
	uint8_t pcrs[HASH_SHA256_SIZE];
	int r = tpm_policy_pcr_digest(values, pcrs);

	if (r < 0)
		return r;
	append(&end, policy->digest, sizeof(policy->digest));
	append_be32(&end, TPM2_CC_PolicyPCR);
	append_selection(&end, values->bank, values->mask);
	append(&end, pcrs, sizeof(pcrs));
	return hash_data(HASH_SHA256, data, (size_t)(end - data), policy->digest);
}

int tpm_policy_authorize(struct tpm_policy *policy, const uint8_t *key_name, size_t key_name_size,
			 const uint8_t *reference, size_t reference_size)
{
	uint8_t data[HASH_SHA256_SIZE + 4 + 2 + HASH_MAX_SIZE] = {}, *end = data + HASH_SHA256_SIZE;
	uint8_t digest[HASH_SHA256_SIZE];
	int r;

	if (key_name_size > 2 + HASH_MAX_SIZE || reference_size > HASH_MAX_SIZE)
		return -E2BIG;
	append_be32(&end, TPM2_CC_PolicyAuthorize);
	append(&end, key_name, key_name_size);
	r = hash_data(HASH_SHA256, data, (size_t)(end - data), digest);
	if (r < 0)
		return r;
	/* The second half is hashed also when there is no policyRef. */
	end = data;
	append(&end, digest, sizeof(digest));
	append(&end, reference, reference_size);
	return hash_data(HASH_SHA256, data, (size_t)(end - data), policy->digest);
}
