/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "base/error.h"
#include "base/wipe.h"
#include "tpm/internal.h"

#include <string.h>

struct unseal {
	ESYS_TR object;
	TPM2B_SENSITIVE_DATA *data;
};

static TSS2_RC run_unseal(struct tpm *tpm, ESYS_TR policy, ESYS_TR encryption, void *data)
{
	struct unseal *unseal = data;

	return Esys_Unseal(tpm->esys, unseal->object, policy, encryption, ESYS_TR_NONE,
			   &unseal->data);
}

static int load(struct tpm *tpm, const struct tpm_sealed *sealed, struct tpm_handle *ret)
{
	TPM2B_PRIVATE private_area = {};
	TPM2B_PUBLIC public_area;
	TSS2_RC rc;
	int r = tpm_blob_parse(sealed, &private_area, &public_area);

	if (r < 0)
		return r;
	rc = Esys_Load(tpm->esys, tpm->primary, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE,
		       &private_area, &public_area, &ret->tr);
	/*
	 * The SRK's handle may be empty: also then it was another TPM, or this one before a clear.
	 */
	if (tpm_rc_base(rc) == TPM2_RC_HANDLE || tpm_rc_base(rc) == TPM2_RC_INTEGRITY)
		return fail(-ESTALE, "the disk's key was sealed by another TPM: this is another "
				     "machine, or its TPM was cleared or replaced");
	return rc == TSS2_RC_SUCCESS ? 0 : tpm_fail(rc, "loading the disk's key into the TPM");
}

static int take_secret(TPM2B_SENSITIVE_DATA *data, struct secret **ret)
{
	int r;

	if (data->size == TPM_SECRET_SIZE)
		r = secret_copy(data->buffer, data->size, ret);
	else
		r = fail(-EBADMSG, "the TPM's sealed key has %u bytes instead of %u", data->size,
			 TPM_SECRET_SIZE);
	explicit_bzero(data, sizeof(*data));
	Esys_Free(data);
	stack_wipe();
	return r;
}

static int primary(struct tpm *tpm, const struct tpm_sealed *sealed)
{
	if (sealed->srk)
		return tpm_primary_pinned(tpm, sealed);
	return tpm_primary_get(tpm, true, sealed->primary_rsa);
}

static int unseal_with(struct tpm *tpm, const struct tpm_sealed *sealed,
		       struct tpm_policy_command *command, struct unseal *unseal,
		       struct secret **ret)
{
	TPM_HANDLE(object, tpm);
	int r = primary(tpm, sealed);

	if (r == 0)
		r = load(tpm, sealed, &object);
	if (r < 0)
		return r;
	unseal->object = object.tr;
	r = tpm_session_run(tpm, command);
	return r < 0 ? r : take_secret(unseal->data, ret);
}

int tpm_unseal(struct tpm *tpm, const struct tpm_binding *binding, const struct tpm_sealed *sealed,
	       const struct tpm_pcr_values *sealed_values, struct secret **ret)
{
	struct unseal unseal = {};
	struct tpm_policy_command command = {
		.what = "unsealing the disk's key",
		.binding = binding,
		.policy = sealed->policy_hash,
		.before = sealed_values,
		.run = run_unseal,
		.data = &unseal,
	};
	int r = tpm_binding_check(binding);

	if (r == 0)
		r = tpm_binding_agrees(binding, sealed);
	if (r < 0)
		return r;
	r = unseal_with(tpm, sealed, &command, &unseal, ret);
	/* A key that only the token speaks for is not kept after a failure. */
	if (r < 0 && sealed->srk)
		tpm_primary_forget(tpm);
	return r;
}
