/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "base/error.h"
#include "tpm/internal.h"

#include <string.h>

#define TELLING (1U << TPM_PCR_BOOT_PROGRAM | 1U << TPM_PCR_KERNEL)

/*
 * A PCR that nobody extends is the same for every system that boots: one that holds what booted has
 * to be measured, 4 (the boot program) or 11 (what its stub measured).
 */
static int check_measured(const struct tpm_binding *binding, const struct tpm_pcr_values *values)
{
	uint32_t literal = binding->pcrs & ~(1U << TPM_PCR_IDENTITY);
	char list[PCR_LIST_SIZE];
	/* A signed PCR 11 says what booted; an empty PCR 12 then says: nothing overridden. */
	bool measured = binding->public_key;

	if (binding->public_key && !tpm_pcr_is_measured(values, TPM_PCR_KERNEL))
		return fail(-EOPNOTSUPP, "PCR 11 is empty: this system was not booted from a UKI "
					 "that measures itself, so a signed policy cannot hold");
	if (literal & TELLING)
		literal &= TELLING;
	for (unsigned int pcr = 0; pcr < TPM_PCR_COUNT; pcr++)
		if (literal & 1U << pcr)
			measured |= tpm_pcr_is_measured(values, pcr);
	if (measured)
		return 0;
	tpm_pcr_list(literal, list);
	return fail(-EOPNOTSUPP,
		    "nothing was measured into PCR %s (bank %s): the firmware does not use the "
		    "TPM, so the disk's key cannot be bound to what booted",
		    list, hash_name(values->bank));
}

/* What cannot be unsealed in this very boot would be lost with the next one. */
static int check_signature(const struct tpm_binding *binding, const struct tpm_pcr_values *values)
{
	struct tpm_pcr_values kernel = *values;
	struct tpm_signature signature;
	struct tpm_policy policy = {};
	struct tpm_public_key key;
	int r = tpm_public_read(binding->public_key, &key);

	kernel.mask = 1U << TPM_PCR_KERNEL;
	if (r == 0)
		r = tpm_policy_pcr(&policy, &kernel);
	if (r == 0)
		r = tpm_signature_get(binding, &key, policy.digest, &signature);
	return r;
}

static int seal_values(struct tpm *tpm, const struct tpm_binding *binding,
		       struct tpm_pcr_values *ret)
{
	uint32_t mask = tpm_binding_mask(binding);
	int r = tpm_binding_check(binding);

	if (r == 0)
		r = tpm_pcr_read(tpm, binding->bank,
				 mask | (binding->public_key ? 1U << TPM_PCR_KERNEL : 0), ret);
	if (r < 0)
		return r;
	if (!tpm_pcr_is_zero(ret, TPM_PCR_IDENTITY))
		return fail(-EREMCHG, "PCR 15 is not zero: this boot has already unlocked a disk, "
				      "so nothing more can be sealed; reboot");
	r = check_measured(binding, ret);
	return r == 0 && binding->public_key ? check_signature(binding, ret) : r;
}

static void make_template(const uint8_t policy[static HASH_SHA256_SIZE], TPM2B_PUBLIC *ret)
{
	TPMT_PUBLIC *public = &ret->publicArea;

	*ret = (TPM2B_PUBLIC){};
	public->type = TPM2_ALG_KEYEDHASH;
	public->nameAlg = TPM2_ALG_SHA256;
	public->objectAttributes =
		TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_NODA;
	public->parameters.keyedHashDetail.scheme.scheme = TPM2_ALG_NULL;
	public->authPolicy.size = HASH_SHA256_SIZE;
	memcpy(public->authPolicy.buffer, policy, HASH_SHA256_SIZE);
}

static int create(struct tpm *tpm, const uint8_t policy[static HASH_SHA256_SIZE],
		  const struct secret *secret, TPM2B_PRIVATE **ret_private,
		  TPM2B_PUBLIC **ret_public)
{
	/* What goes into the command is secret as well. */
	cleanup(secret_freep) struct secret *memory = NULL;
	const TPML_PCR_SELECTION no_pcrs = {};
	const TPM2B_DATA outside = {};
	TPM2B_SENSITIVE_CREATE *sensitive;
	TPM2B_PUBLIC template;
	ESYS_TR session;
	TSS2_RC rc;
	int r = secret_new(sizeof(*sensitive), &memory);

	if (r == 0)
		r = tpm_session_get(tpm, &session);
	if (r < 0)
		return r;
	sensitive = (TPM2B_SENSITIVE_CREATE *)(void *)memory->data;
	sensitive->sensitive.data.size = (uint16_t)secret->size;
	memcpy(sensitive->sensitive.data.buffer, secret->data, secret->size);
	make_template(policy, &template);
	rc = Esys_Create(tpm->esys, tpm->primary, ESYS_TR_PASSWORD, session, ESYS_TR_NONE,
			 sensitive, &template, &outside, &no_pcrs, ret_private, ret_public, NULL,
			 NULL, NULL);
	if (rc != TSS2_RC_SUCCESS)
		return tpm_session_fail(tpm, rc, "sealing the disk's key with the TPM");
	return 0;
}

/* The SRK as the token pins it. */
static int pin_primary(struct tpm *tpm, struct tpm_sealed *sealed)
{
	cleanup(esys_freep) uint8_t *data = NULL;
	size_t size;
	TSS2_RC rc = Esys_TR_Serialize(tpm->esys, tpm->primary, &data, &size);

	if (rc != TSS2_RC_SUCCESS)
		return tpm_fail(rc, "sealing the disk's key with the TPM");
	sealed->srk = malloc(size);
	if (!sealed->srk)
		return -ENOMEM;
	memcpy(sealed->srk, data, size);
	sealed->srk_size = size;
	return 0;
}

static int describe(struct tpm *tpm, const struct tpm_binding *binding, struct tpm_sealed *sealed)
{
	sealed->primary_rsa = tpm->primary_rsa;
	sealed->bank = binding->bank;
	sealed->pcrs = tpm_binding_mask(binding);
	if (binding->public_key) {
		sealed->public_key = strdup(binding->public_key);
		if (!sealed->public_key)
			return -ENOMEM;
		sealed->public_key_pcrs = 1U << TPM_PCR_KERNEL;
	}
	return binding->legacy_primary ? 0 : pin_primary(tpm, sealed);
}

int tpm_seal(struct tpm *tpm, const struct tpm_binding *binding, const struct secret *secret,
	     struct tpm_sealed **ret)
{
	cleanup(tpm_sealed_freep) struct tpm_sealed *sealed = calloc(1, sizeof(*sealed));
	cleanup(esys_freep) TPM2B_PRIVATE *private_area = NULL;
	cleanup(esys_freep) TPM2B_PUBLIC *public_area = NULL;
	struct tpm_pcr_values values;
	int r;

	if (!sealed)
		return -ENOMEM;
	if (secret->size != TPM_SECRET_SIZE)
		return -EINVAL;
	r = seal_values(tpm, binding, &values);
	if (r == 0)
		r = tpm_binding_policy(binding, &values, sealed->policy_hash);
	if (r == 0)
		r = tpm_primary_get(tpm, binding->legacy_primary, false);
	if (r == 0)
		r = create(tpm, sealed->policy_hash, secret, &private_area, &public_area);
	if (r == 0)
		r = tpm_blob_make(private_area, public_area, &sealed->blob, &sealed->blob_size);
	if (r == 0)
		r = describe(tpm, binding, sealed);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(sealed);
	return 0;
}
