/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "base/error.h"
#include "tpm/internal.h"
#include "tpm/quote.h"

#include <string.h>

#include <tss2/tss2_mu.h>

#define PCR_CHANGED_TRIES 30

static int take_message(const TPM2B_ATTEST *attest, struct tpm_quote *quote)
{
	if (attest->size > sizeof(quote->message))
		return fail(-EBADMSG, "the TPM's quote is malformed");
	memcpy(quote->message, attest->attestationData, attest->size);
	quote->message_size = attest->size;
	return 0;
}

static int take_signature(const TPMT_SIGNATURE *signature, struct tpm_quote *quote)
{
	size_t size = 0;

	if (Tss2_MU_TPMT_SIGNATURE_Marshal(signature, quote->signature, sizeof(quote->signature),
					   &size) != TSS2_RC_SUCCESS)
		return fail(-EOPNOTSUPP, "the TPM's attestation key signs in a way that is of no "
					 "use here; RSASSA with SHA-256 is needed");
	quote->signature_size = size;
	return 0;
}

/*
 * Authorised by the key's empty password, in a session without HMAC: nothing in a quote is secret,
 * and what is in it is signed, so a protected session would cost two commands and add nothing.
 */
static int sign(struct tpm *tpm, ESYS_TR key, const TPM2B_DATA *nonce, struct tpm_quote *quote)
{
	cleanup(esys_freep) TPMT_SIGNATURE *signature = NULL;
	cleanup(esys_freep) TPM2B_ATTEST *attest = NULL;
	/* analyze: legacyUninitvar: it takes the member of this name for the variable */
	const TPMT_SIG_SCHEME scheme = {.scheme = TPM2_ALG_NULL};
	TPML_PCR_SELECTION selection;
	TSS2_RC rc;
	int r;

	tpm_pcr_selection(HASH_SHA256, TPM_QUOTE_PCRS, &selection);
	rc = Esys_Quote(tpm->esys, key, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, nonce,
			&scheme, &selection, &attest, &signature);
	if (rc != TSS2_RC_SUCCESS)
		return tpm_fail(rc, "quoting the TPM's PCRs");
	r = take_message(attest, quote);
	return r < 0 ? r : take_signature(signature, quote);
}

static int find_key(struct tpm *tpm, uint32_t handle, ESYS_TR *ret)
{
	TSS2_RC rc = Esys_TR_FromTPMPublic(tpm->esys, handle, ESYS_TR_NONE, ESYS_TR_NONE,
					   ESYS_TR_NONE, ret);

	if (tpm_rc_base(rc) == TPM2_RC_HANDLE)
		return fail(-ENOENT, "the TPM has no attestation key at handle 0x%x", handle);
	return rc == TSS2_RC_SUCCESS ? 0 : tpm_fail(rc, "looking for the TPM's attestation key");
}

/* The values are read on their own, and a PCR may be extended before the quote: then once more. */
static int quote_by(struct tpm *tpm, ESYS_TR key, const TPM2B_DATA *nonce, struct tpm_quote *quote)
{
	int r = -EREMCHG;

	for (int i = 0; i < PCR_CHANGED_TRIES && r == -EREMCHG; i++) {
		r = tpm_pcr_read(tpm, HASH_SHA256, TPM_QUOTE_PCRS, &quote->pcrs);
		if (r == 0)
			r = sign(tpm, key, nonce, quote);
		if (r == 0)
			r = tpm_quote_check(quote, nonce->buffer, nonce->size);
	}
	if (r == -EREMCHG)
		return fail(-EIO, "quoting the TPM's PCRs: they kept changing meanwhile");
	return r;
}

int tpm_quote(struct tpm *tpm, uint32_t handle, const void *nonce, size_t nonce_size,
	      struct tpm_quote *ret)
{
	struct tpm_quote quote = {};
	TPM2B_DATA data = {};
	ESYS_TR key;
	int r;

	if (nonce_size == 0 || nonce_size > TPM_QUOTE_NONCE_MAX)
		return fail(-EINVAL, "a TPM quotes about 1 to %d bytes, not %zu",
			    TPM_QUOTE_NONCE_MAX, nonce_size);
	data.size = (uint16_t)nonce_size;
	memcpy(data.buffer, nonce, nonce_size);
	r = find_key(tpm, handle, &key);
	if (r < 0)
		return r;
	r = quote_by(tpm, key, &data, &quote);
	(void)Esys_TR_Close(tpm->esys, &key);
	if (r == 0)
		*ret = quote;
	return r;
}
