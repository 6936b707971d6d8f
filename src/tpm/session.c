/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "base/error.h"
#include "tpm/internal.h"

#include <string.h>

#define PCR_CHANGED_TRIES 30

static const TPMT_SYM_DEF aes_128_cfb = {
	.algorithm = TPM2_ALG_AES,
	.keyBits.aes = 128,
	.mode.aes = TPM2_ALG_CFB,
};

/* @salt: the key that the session's secret is made with, or ESYS_TR_NONE for a session without. */
static int start(struct tpm *tpm, TPM2_SE type, ESYS_TR salt, TPMA_SESSION attributes, ESYS_TR *ret)
{
	ESYS_TR session;
	TSS2_RC rc = Esys_StartAuthSession(tpm->esys, salt, ESYS_TR_NONE, ESYS_TR_NONE,
					   ESYS_TR_NONE, ESYS_TR_NONE, NULL, type, &aes_128_cfb,
					   TPM2_ALG_SHA256, &session);

	if (rc != TSS2_RC_SUCCESS)
		return tpm_fail(rc, "starting a session with the TPM");
	*ret = session;
	rc = Esys_TRSess_SetAttributes(tpm->esys, session, attributes, 0xff);
	if (rc != TSS2_RC_SUCCESS)
		return tpm_fail(rc, "starting a session with the TPM");
	return 0;
}

int tpm_session_get(struct tpm *tpm, ESYS_TR *ret)
{
	int r = 0;

	if (tpm->session == ESYS_TR_NONE)
		r = start(tpm, TPM2_SE_HMAC, tpm->primary,
			  TPMA_SESSION_DECRYPT | TPMA_SESSION_ENCRYPT |
				  TPMA_SESSION_CONTINUESESSION,
			  &tpm->session);
	if (r < 0)
		tpm_session_forget(tpm);
	*ret = tpm->session;
	return r;
}

void tpm_session_forget(struct tpm *tpm)
{
	struct tpm_handle session = {.tpm = tpm, .tr = tpm->session};

	tpm_handle_flush(&session);
	tpm->session = session.tr;
	tpm->session_ends = false;
}

void tpm_session_end(struct tpm *tpm)
{
	if (tpm->session != ESYS_TR_NONE)
		tpm->session_ends =
			Esys_TRSess_SetAttributes(tpm->esys, tpm->session, 0,
						  TPMA_SESSION_CONTINUESESSION) == TSS2_RC_SUCCESS;
}

void tpm_session_used(struct tpm *tpm)
{
	if (tpm->session_ends)
		tpm->session = ESYS_TR_NONE;
	tpm->session_ends = false;
}

int tpm_session_fail(struct tpm *tpm, TSS2_RC rc, const char *what)
{
	tpm_session_forget(tpm);
	return tpm_fail(rc, what);
}

/* @expected: SHA-256 of the values, or NULL for whatever they are now. 1 when they are others. */
static int policy_pcr(struct tpm *tpm, ESYS_TR session, enum hash_algorithm bank, uint32_t mask,
		      const uint8_t *expected)
{
	TPML_PCR_SELECTION selection;
	TPM2B_DIGEST digest = {};
	TSS2_RC rc;

	if (expected) {
		digest.size = HASH_SHA256_SIZE;
		memcpy(digest.buffer, expected, HASH_SHA256_SIZE);
	}
	tpm_pcr_selection(bank, mask, &selection);
	rc = Esys_PolicyPCR(tpm->esys, session, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &digest,
			    &selection);
	if (expected && tpm_rc_base(rc) == TPM2_RC_VALUE)
		return 1;
	return rc == TSS2_RC_SUCCESS ? 0 : tpm_fail(rc, "checking the TPM's PCRs");
}

static int get_digest(struct tpm *tpm, ESYS_TR session, uint8_t ret[static HASH_SHA256_SIZE])
{
	cleanup(esys_freep) TPM2B_DIGEST *digest = NULL;
	TSS2_RC rc = Esys_PolicyGetDigest(tpm->esys, session, ESYS_TR_NONE, ESYS_TR_NONE,
					  ESYS_TR_NONE, &digest);

	if (rc != TSS2_RC_SUCCESS)
		return tpm_fail(rc, "checking the TPM's PCRs");
	if (digest->size != HASH_SHA256_SIZE)
		return fail(-EIO, "checking the TPM's PCRs: a policy digest of another size");
	memcpy(ret, digest->buffer, HASH_SHA256_SIZE);
	return 0;
}

/* The TPM's own proof that the key signed @policy: a ticket. */
static int verify(struct tpm *tpm, const struct tpm_public_key *key,
		  const uint8_t policy[static HASH_SHA256_SIZE],
		  const struct tpm_signature *signature, TPMT_TK_VERIFIED **ret)
{
	TPM2B_DIGEST digest = {.size = HASH_SHA256_SIZE};
	TPMT_SIGNATURE rsassa = {.sigAlg = TPM2_ALG_RSASSA};
	TPM_HANDLE(loaded, tpm);
	TSS2_RC rc;
	int r = hash_data(HASH_SHA256, policy, HASH_SHA256_SIZE, digest.buffer);

	if (r < 0)
		return r;
	rsassa.signature.rsassa.hash = TPM2_ALG_SHA256;
	rsassa.signature.rsassa.sig.size = (uint16_t)signature->size;
	memcpy(rsassa.signature.rsassa.sig.buffer, signature->data, signature->size);
	rc = Esys_LoadExternal(tpm->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, NULL,
			       &key->area, ESYS_TR_RH_OWNER, &loaded.tr);
	if (rc != TSS2_RC_SUCCESS)
		return tpm_fail(rc, "loading the policy's public key into the TPM");
	rc = Esys_VerifySignature(tpm->esys, loaded.tr, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
				  &digest, &rsassa, ret);
	if (rc != TSS2_RC_SUCCESS)
		return tpm_fail(rc, "verifying the signature of the PCR policy");
	return 0;
}

static int authorize(struct tpm *tpm, ESYS_TR session, const struct tpm_public_key *key,
		     const uint8_t policy[static HASH_SHA256_SIZE], const TPMT_TK_VERIFIED *ticket)
{
	TPM2B_DIGEST approved = {.size = HASH_SHA256_SIZE};
	TPM2B_NAME name = {.size = sizeof(key->name)};
	const TPM2B_NONCE no_reference = {};
	TSS2_RC rc;

	memcpy(approved.buffer, policy, HASH_SHA256_SIZE);
	memcpy(name.name, key->name, sizeof(key->name));
	rc = Esys_PolicyAuthorize(tpm->esys, session, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
				  &approved, &no_reference, &name, ticket);
	return rc == TSS2_RC_SUCCESS ? 0 : tpm_fail(rc, "authorising the PCR policy");
}

/*
 * TPM2_PolicyPCR over PCR 11, then TPM2_PolicyAuthorize with the signature that fits (TPM 2.0
 * Library, part 3).
 */
static int policy_signed(struct tpm *tpm, const struct tpm_binding *binding, ESYS_TR session)
{
	cleanup(esys_freep) TPMT_TK_VERIFIED *ticket = NULL;
	uint32_t mask = 1U << TPM_PCR_KERNEL;
	uint8_t policy[HASH_SHA256_SIZE];
	struct tpm_signature signature;
	struct tpm_public_key key;
	int r = tpm_public_read(binding->public_key, &key);

	if (r < 0)
		return r;
	r = policy_pcr(tpm, session, binding->bank, mask, NULL);
	if (r < 0)
		return r;
	r = get_digest(tpm, session, policy);
	if (r < 0)
		return r;
	r = tpm_signature_get(binding, &key, policy, &signature);
	if (r < 0)
		return r;
	r = verify(tpm, &key, policy, &signature, &ticket);
	return r < 0 ? r : authorize(tpm, session, &key, policy, ticket);
}

/* One run of a command: its policy session, and the PCR values that it needs if they are known. */
struct attempt {
	struct tpm *tpm;
	const struct tpm_policy_command *command;
	const uint8_t *expected; /* SHA-256 of the literal PCRs, or NULL */
};

/* The last part of every policy, and the check that it came to what it must. 1 when it did not. */
static int policy_literal(const struct attempt *attempt, ESYS_TR session)
{
	const struct tpm_binding *binding = attempt->command->binding;
	uint8_t digest[HASH_SHA256_SIZE];
	int r = policy_pcr(attempt->tpm, session, binding->bank, tpm_binding_mask(binding),
			   attempt->expected);

	/* With values that are known to give the policy, the TPM has compared: one command less. */
	if (r != 0 || attempt->expected)
		return r;
	r = get_digest(attempt->tpm, session, digest);
	if (r < 0)
		return r;
	return memcmp(digest, attempt->command->policy, sizeof(digest)) == 0 ? 0 : 1;
}

/*
 * A session in which the policy has been run; it ends with the command that it authorises. It has no
 * secret: the command and its answer are covered by the HMAC session beside it.
 */
static int policy_session(const struct attempt *attempt, struct tpm_handle *ret)
{
	const struct tpm_binding *binding = attempt->command->binding;
	int r = start(attempt->tpm, TPM2_SE_POLICY, ESYS_TR_NONE, 0, &ret->tr);

	if (r == 0 && binding->public_key)
		r = policy_signed(attempt->tpm, binding, ret->tr);
	return r < 0 ? r : policy_literal(attempt, ret->tr);
}

static int explain(struct tpm *tpm, const struct tpm_policy_command *command)
{
	struct tpm_pcr_values now;
	int r = tpm_pcr_read(tpm, command->binding->bank, tpm_binding_mask(command->binding), &now);

	if (r < 0)
		return r;
	return tpm_binding_explain(command->binding, command->before, &now, command->what);
}

/* 1 when a PCR changed between the policy and the command. */
static int try_once(const struct attempt *attempt)
{
	const struct tpm_policy_command *command = attempt->command;
	struct tpm *tpm = attempt->tpm;
	TPM_HANDLE(policy, tpm);
	ESYS_TR encryption;
	TSS2_RC rc;
	int r = tpm_session_get(tpm, &encryption);

	if (r < 0)
		return r;
	r = policy_session(attempt, &policy);
	if (r != 0)
		return r < 0 ? r : explain(tpm, command);
	rc = command->run(tpm, policy.tr, encryption, command->data);
	if (tpm_rc_base(rc) == TPM2_RC_PCR_CHANGED)
		return 1;
	if (rc != TSS2_RC_SUCCESS)
		return tpm_session_fail(tpm, rc, command->what);
	policy.tr = ESYS_TR_NONE;
	memcpy(tpm->fulfilled, command->policy, sizeof(tpm->fulfilled));
	tpm->has_fulfilled = true;
	return 0;
}

/* Do we know PCR values that give the policy? Then their digest. */
static bool expected_digest(const struct tpm_policy_command *command,
			    uint8_t ret[static HASH_SHA256_SIZE])
{
	const struct tpm_binding *binding = command->binding;
	uint32_t mask = tpm_binding_mask(binding);
	struct tpm_pcr_values values = {};
	uint8_t policy[HASH_SHA256_SIZE];

	/* PCR 15 alone is always known. */
	if (mask != 1U << TPM_PCR_IDENTITY) {
		if (!command->before || command->before->bank != binding->bank ||
		    (command->before->mask & mask) != mask)
			return false;
		values = *command->before;
	}
	values.bank = binding->bank;
	values.mask = mask;
	memset(values.values[TPM_PCR_IDENTITY], 0, HASH_MAX_SIZE);
	return tpm_binding_policy(binding, &values, policy) == 0 &&
	       memcmp(policy, command->policy, sizeof(policy)) == 0 &&
	       tpm_policy_pcr_digest(&values, ret) == 0;
}

int tpm_session_run(struct tpm *tpm, const struct tpm_policy_command *command)
{
	struct attempt attempt = {.tpm = tpm, .command = command};
	uint8_t expected[HASH_SHA256_SIZE];
	int r;

	attempt.expected = expected_digest(command, expected) ? expected : NULL;
	for (int i = 0; i < PCR_CHANGED_TRIES; i++) {
		r = try_once(&attempt);
		if (r <= 0)
			return r;
	}
	return tpm_fail(TPM2_RC_PCR_CHANGED, command->what);
}
