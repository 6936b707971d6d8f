/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "base/error.h"
#include "tpm/internal.h"
#include "tpm/quote.h"

/* Restricted: it signs nothing but what this TPM itself says. No password, and no lockout by it. */
static const TPM2B_PUBLIC template = {
	.publicArea =
		{
			.type = TPM2_ALG_RSA,
			.nameAlg = TPM2_ALG_SHA256,
			.objectAttributes = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT |
					    TPMA_OBJECT_SENSITIVEDATAORIGIN |
					    TPMA_OBJECT_USERWITHAUTH | TPMA_OBJECT_NODA |
					    TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_SIGN_ENCRYPT,
			.parameters.rsaDetail =
				{
					.symmetric.algorithm = TPM2_ALG_NULL,
					.scheme =
						{
							.scheme = TPM2_ALG_RSASSA,
							.details.rsassa.hashAlg = TPM2_ALG_SHA256,
						},
					.keyBits = 2048,
				},
		},
};

static int describe(struct tpm *tpm, uint32_t handle, ESYS_TR key, struct tpm_ak *ret)
{
	cleanup(esys_freep) uint8_t *data = NULL;
	size_t size;
	int r;

	if (Esys_TR_Serialize(tpm->esys, key, &data, &size) != TSS2_RC_SUCCESS)
		return -ENOMEM;
	r = tpm_ak_parse(data, size, ret);
	if (r != -EKEYREJECTED)
		return r;
	return fail(r,
		    "the key at the TPM's handle 0x%x cannot be the attestation key: %s; name "
		    "another handle, or remove the key with 'tpm2_evictcontrol -c 0x%x'",
		    handle, fail_sentence(r), handle);
}

int tpm_ak_read_any(struct tpm *tpm, uint32_t handle, struct tpm_ak *ret)
{
	ESYS_TR key;
	TSS2_RC rc = Esys_TR_FromTPMPublic(tpm->esys, handle, ESYS_TR_NONE, ESYS_TR_NONE,
					   ESYS_TR_NONE, &key);
	int r;

	if (tpm_rc_base(rc) == TPM2_RC_HANDLE)
		return fail(-ENOENT,
			    "the TPM has no attestation key at handle 0x%x; make one with "
			    "'cvmroot ak --create'",
			    handle);
	if (rc != TSS2_RC_SUCCESS)
		return tpm_fail(rc, "reading the TPM's attestation key");
	r = describe(tpm, handle, key, ret);
	(void)Esys_TR_Close(tpm->esys, &key);
	return r;
}

int tpm_ak_read(struct tpm *tpm, uint32_t handle, struct tpm_ak *ret)
{
	cleanup(tpm_ak_done) struct tpm_ak ak = {};
	int r = tpm_ak_read_any(tpm, handle, &ak);

	if (r < 0)
		return r;
	if (!ak.genuine)
		return fail(-EKEYREJECTED,
			    "the key at the TPM's handle 0x%x cannot be the attestation key: it "
			    "signs whatever it is given, or was not made by this TPM; name another "
			    "handle, or remove the key with 'tpm2_evictcontrol -c 0x%x'",
			    handle, handle);
	*ret = ak;
	ak = (struct tpm_ak){};
	return 0;
}

static int make(struct tpm *tpm, uint32_t handle, struct tpm_ak *ret)
{
	const TPM2B_SENSITIVE_CREATE no_auth = {};
	const TPML_PCR_SELECTION no_pcrs = {};
	const TPM2B_DATA outside = {};
	TPM_HANDLE(transient, tpm);
	ESYS_TR key;
	int r;
	TSS2_RC rc = Esys_CreatePrimary(tpm->esys, ESYS_TR_RH_OWNER, ESYS_TR_PASSWORD, ESYS_TR_NONE,
					ESYS_TR_NONE, &no_auth, &template, &outside, &no_pcrs,
					&transient.tr, NULL, NULL, NULL, NULL);

	if (rc != TSS2_RC_SUCCESS)
		return tpm_fail(rc, "making the TPM's attestation key");
	rc = Esys_EvictControl(tpm->esys, ESYS_TR_RH_OWNER, transient.tr, ESYS_TR_PASSWORD,
			       ESYS_TR_NONE, ESYS_TR_NONE, handle, &key);
	if (rc != TSS2_RC_SUCCESS)
		return tpm_fail(rc, "storing the TPM's attestation key");
	r = describe(tpm, handle, key, ret);
	(void)Esys_TR_Close(tpm->esys, &key);
	return r;
}

int tpm_ak_create(struct tpm *tpm, uint32_t handle, struct tpm_ak *ret)
{
	int r;

	if (handle < TPM_AK_HANDLE_FIRST || handle > TPM_AK_HANDLE_LAST)
		return fail(-EINVAL,
			    "0x%x is no persistent handle of the TPM's owner (0x%x to 0x%x)",
			    handle, TPM_AK_HANDLE_FIRST, TPM_AK_HANDLE_LAST);
	r = tpm_ak_read(tpm, handle, ret);
	return r == -ENOENT ? make(tpm, handle, ret) : r;
}
