/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "base/error.h"
#include "base/log.h"
#include "tpm/internal.h"

#include <string.h>

/* Templates L-1 and L-2 of the TCG EK Credential Profile for TPM 2.0, as systemd uses them. */
#define ATTRIBUTES                                                                                 \
	(TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_SENSITIVEDATAORIGIN |        \
	 TPMA_OBJECT_USERWITHAUTH | TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_DECRYPT)

static const TPMT_SYM_DEF_OBJECT aes_128_cfb = {
	.algorithm = TPM2_ALG_AES,
	.keyBits.aes = 128,
	.mode.aes = TPM2_ALG_CFB,
};

static void make_template(bool rsa, bool no_da, TPM2B_PUBLIC *ret)
{
	TPMT_PUBLIC *public = &ret->publicArea;

	*ret = (TPM2B_PUBLIC){};
	public->type = rsa ? TPM2_ALG_RSA : TPM2_ALG_ECC;
	public->nameAlg = TPM2_ALG_SHA256;
	public->objectAttributes = ATTRIBUTES | (no_da ? TPMA_OBJECT_NODA : 0);
	if (rsa) {
		public->parameters.rsaDetail.symmetric = aes_128_cfb;
		public->parameters.rsaDetail.scheme.scheme = TPM2_ALG_NULL;
		public->parameters.rsaDetail.keyBits = 2048;
	} else {
		public->parameters.eccDetail.symmetric = aes_128_cfb;
		public->parameters.eccDetail.scheme.scheme = TPM2_ALG_NULL;
		public->parameters.eccDetail.curveID = TPM2_ECC_NIST_P256;
		public->parameters.eccDetail.kdf.scheme = TPM2_ALG_NULL;
	}
}

static TSS2_RC create_primary(struct tpm *tpm, bool rsa, bool no_da, ESYS_TR *ret)
{
	const TPM2B_SENSITIVE_CREATE sensitive = {};
	const TPM2B_DATA outside = {};
	const TPML_PCR_SELECTION no_pcrs = {};
	TPM2B_PUBLIC template;

	make_template(rsa, no_da, &template);
	return Esys_CreatePrimary(tpm->esys, ESYS_TR_RH_OWNER, ESYS_TR_PASSWORD, ESYS_TR_NONE,
				  ESYS_TR_NONE, &sensitive, &template, &outside, &no_pcrs, ret,
				  NULL, NULL, NULL, NULL);
}

static bool is_unsupported(TSS2_RC rc)
{
	switch (tpm_rc_base(rc)) {
	case TPM2_RC_CURVE:
	case TPM2_RC_ASYMMETRIC:
	case TPM2_RC_TYPE:
	case TPM2_RC_VALUE:
	case TPM2_RC_SCHEME:
	case TPM2_RC_KDF:
		return true;
	default:
		return false;
	}
}

/* ECC, or RSA on a TPM that has no P-256. */
static int create_preferred(struct tpm *tpm, bool no_da, bool *rsa, ESYS_TR *ret)
{
	TSS2_RC rc = create_primary(tpm, *rsa, no_da, ret);

	if (!*rsa && rc != TSS2_RC_SUCCESS && is_unsupported(rc)) {
		log_debug("The TPM refuses an ECC primary key (0x%x): trying RSA", rc);
		*rsa = true;
		rc = create_primary(tpm, true, no_da, ret);
	}
	if (rc != TSS2_RC_SUCCESS)
		return tpm_fail(rc, "making the TPM's storage root key");
	return 0;
}

void tpm_primary_forget(struct tpm *tpm)
{
	if (tpm->primary == ESYS_TR_NONE)
		return;
	/* It trusts this key. */
	tpm_session_forget(tpm);
	if (tpm->primary_legacy)
		(void)Esys_FlushContext(tpm->esys, tpm->primary);
	else
		(void)Esys_TR_Close(tpm->esys, &tpm->primary);
	tpm->primary = ESYS_TR_NONE;
}

static void keep_primary(struct tpm *tpm, bool legacy, bool rsa, ESYS_TR primary)
{
	tpm_primary_forget(tpm);
	tpm->primary = primary;
	tpm->primary_legacy = legacy;
	tpm->primary_rsa = rsa;
}

static int make_persistent(struct tpm *tpm, bool *rsa, ESYS_TR *ret)
{
	TPM_HANDLE(transient, tpm);
	TSS2_RC rc;
	int r = create_preferred(tpm, true, rsa, &transient.tr);

	if (r < 0)
		return r;
	rc = Esys_EvictControl(tpm->esys, ESYS_TR_RH_OWNER, transient.tr, ESYS_TR_PASSWORD,
			       ESYS_TR_NONE, ESYS_TR_NONE, TPM_SRK_HANDLE, ret);
	if (rc != TSS2_RC_SUCCESS)
		return tpm_fail(rc, "storing the TPM's storage root key");
	return 0;
}

/* What somebody else left at the SRK's handle must at least be a storage key. */
static int check_persistent(struct tpm *tpm, ESYS_TR key, bool *ret_rsa)
{
	cleanup(esys_freep) uint8_t *data = NULL;
	size_t size;

	if (Esys_TR_Serialize(tpm->esys, key, &data, &size) != TSS2_RC_SUCCESS)
		return -ENOMEM;
	if (tpm_srk_parse(data, size, ret_rsa) < 0)
		return fail(-EKEYREJECTED,
			    "the key at the TPM's handle 0x%x is not a storage root key; remove it "
			    "with 'tpm2_evictcontrol -c 0x%x'",
			    TPM_SRK_HANDLE, TPM_SRK_HANDLE);
	return 0;
}

static int get_persistent(struct tpm *tpm, bool *rsa, ESYS_TR *ret)
{
	TSS2_RC rc = Esys_TR_FromTPMPublic(tpm->esys, TPM_SRK_HANDLE, ESYS_TR_NONE, ESYS_TR_NONE,
					   ESYS_TR_NONE, ret);

	if (rc == TSS2_RC_SUCCESS)
		return check_persistent(tpm, *ret, rsa);
	if (tpm_rc_base(rc) != TPM2_RC_HANDLE)
		return tpm_fail(rc, "reading the TPM's storage root key");
	return make_persistent(tpm, rsa, ret);
}

int tpm_primary_get(struct tpm *tpm, bool legacy, bool rsa)
{
	ESYS_TR primary = ESYS_TR_NONE;
	int r;

	if (tpm->primary != ESYS_TR_NONE && tpm->primary_legacy == legacy &&
	    (!legacy || !rsa || tpm->primary_rsa))
		return 0;
	r = legacy ? create_preferred(tpm, false, &rsa, &primary)
		   : get_persistent(tpm, &rsa, &primary);
	if (r < 0)
		return r;
	keep_primary(tpm, legacy, rsa, primary);
	return 0;
}

/* Has the SRK that was read from the TPM another name than the pinned one? */
static bool differs(struct tpm *tpm, ESYS_TR pinned)
{
	cleanup(esys_freep) TPM2B_NAME *a = NULL, *b = NULL;

	if (Esys_TR_GetName(tpm->esys, tpm->primary, &a) != TSS2_RC_SUCCESS ||
	    Esys_TR_GetName(tpm->esys, pinned, &b) != TSS2_RC_SUCCESS)
		return true;
	return a->size != b->size || memcmp(a->name, b->name, a->size) != 0;
}

int tpm_primary_pinned(struct tpm *tpm, const struct tpm_sealed *sealed)
{
	ESYS_TR pinned;
	bool rsa, known = tpm->primary != ESYS_TR_NONE && !tpm->primary_legacy;
	int r = tpm_srk_parse(sealed->srk, sealed->srk_size, &rsa);

	if (r < 0)
		return r;
	if (Esys_TR_Deserialize(tpm->esys, sealed->srk, sealed->srk_size, &pinned) !=
	    TSS2_RC_SUCCESS)
		return fail(-EBADMSG, "the LUKS token's TPM storage key (tpm2_srk) is malformed");
	if (known) {
		bool other = differs(tpm, pinned);

		(void)Esys_TR_Close(tpm->esys, &pinned);
		if (!other)
			return 0;
		return fail(-ESTALE, "the disk's key was sealed by another TPM: this is another "
				     "machine, or its TPM was cleared or replaced");
	}
	keep_primary(tpm, false, rsa, pinned);
	return 0;
}
