/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "base/error.h"
#include "tpm/internal.h"

#include <string.h>

#define IDENTITY (1U << TPM_PCR_IDENTITY)

uint32_t tpm_binding_mask(const struct tpm_binding *binding)
{
	return binding->pcrs | IDENTITY;
}

int tpm_binding_check(const struct tpm_binding *binding)
{
	if (binding->pcrs >= 1U << TPM_PCR_COUNT || binding->bank >= HASH_ALGORITHMS)
		return fail(-EINVAL, "the TPM has no such PCR or bank");
	/* PCR 15 alone is zero for whatever boots on this TPM. */
	if ((binding->pcrs & ~IDENTITY) == 0 && !binding->public_key)
		return fail(-EINVAL, "neither PCRs nor a policy key is configured: the TPM would "
				     "give the disk's key to any system; name PCRs (pcrs) or a "
				     "key (public-key)");
	return 0;
}

int tpm_binding_policy(const struct tpm_binding *binding, const struct tpm_pcr_values *values,
		       uint8_t ret[static HASH_SHA256_SIZE])
{
	struct tpm_pcr_values literal = *values;
	struct tpm_policy policy = {};
	int r;

	if (binding->public_key) {
		struct tpm_public_key key;

		r = tpm_public_read(binding->public_key, &key);
		if (r < 0)
			return r;
		r = tpm_policy_authorize(&policy, key.name, sizeof(key.name), NULL, 0);
		if (r < 0)
			return r;
	}
	literal.bank = binding->bank;
	literal.mask = tpm_binding_mask(binding);
	memset(literal.values[TPM_PCR_IDENTITY], 0, HASH_MAX_SIZE);
	r = tpm_policy_pcr(&policy, &literal);
	if (r < 0)
		return r;
	memcpy(ret, policy.digest, sizeof(policy.digest));
	return 0;
}

static bool same_key(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

int tpm_binding_agrees(const struct tpm_binding *binding, const struct tpm_sealed *sealed)
{
	if (sealed->bank != binding->bank || sealed->pcrs != tpm_binding_mask(binding))
		return fail(-EKEYREJECTED,
			    "the LUKS token names other PCRs than the configuration");
	if (!same_key(sealed->public_key, binding->public_key) ||
	    sealed->public_key_pcrs != (binding->public_key ? 1U << TPM_PCR_KERNEL : 0))
		return fail(-EKEYREJECTED,
			    "the LUKS token names another policy key than the configuration");
	if (!sealed->srk != binding->legacy_primary)
		return fail(-EKEYREJECTED,
			    "the LUKS token is of another profile than the configuration");
	return 0;
}

int tpm_binding_explain(const struct tpm_binding *binding, const struct tpm_pcr_values *before,
			const struct tpm_pcr_values *now, const char *what)
{
	uint32_t mask = tpm_binding_mask(binding) & ~IDENTITY, changed = mask;
	char list[PCR_LIST_SIZE];

	if (!tpm_pcr_is_zero(now, TPM_PCR_IDENTITY))
		return fail(-EREMCHG,
			    "%s: PCR 15 is not zero: this boot has already unlocked the disk (or "
			    "failed to); reboot to unlock it again",
			    what);
	if (before && before->bank == now->bank && (before->mask & mask) == mask)
		changed = tpm_pcr_difference(before, now, mask);
	if (changed == 0)
		return fail(-EKEYREJECTED,
			    "%s: the policy is not that of the configuration, though the PCRs are",
			    what);
	tpm_pcr_list(changed, list);
	return fail(-EREMCHG,
		    "%s: the TPM's PCRs have changed since the disk was sealed (%sPCR %s): "
		    "firmware, Secure Boot settings, boot loader, kernel or command line are "
		    "others; boot the earlier ones",
		    what, changed == mask && !before ? "one or more of " : "", list);
}
