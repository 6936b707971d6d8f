/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_TPM_TPM_H
#define CVMROOT_TPM_TPM_H

#include "crypto/hash.h"

#include <tss2/tss2_tcti.h>

/*
 * An ESYS context on the machine's TPM 2.0. Every error of the TPM is translated into a sentence:
 * -ENODEV no TPM, -ENOLCK lockout, -EACCES owner authorisation set, -ENOSPC NV memory full,
 * -EREMCHG PCRs differ, -ENOENT no such NV index or object, -ESTALE sealed by another TPM, -EBUSY
 * busy or out of handles, else -EIO with the TPM's own words.
 */
struct tpm;

#define TPM_DEVICE    "/dev/tpmrm0"
#define TPM_PCR_COUNT 24

/* TPM_DEVICE, the kernel's resource manager. */
int tpm_open(struct tpm **ret);
/* Over a TCTI that the caller made; it is taken over, also on failure. */
int tpm_open_tcti(TSS2_TCTI_CONTEXT *tcti, struct tpm **ret);
void tpm_free(struct tpm *tpm);
DEFINE_CLEANUP(struct tpm *, tpm_free)

/* ---- PCRs (pcr.c) ---- */

/* Values of the PCRs in @mask; the others are zero. Read again until the update counter agrees. */
struct tpm_pcr_values {
	enum hash_algorithm bank;
	uint32_t mask;
	uint8_t values[TPM_PCR_COUNT][HASH_MAX_SIZE];
};
int tpm_pcr_read(struct tpm *tpm, enum hash_algorithm bank, uint32_t mask,
		 struct tpm_pcr_values *ret);
bool tpm_pcr_is_zero(const struct tpm_pcr_values *values, unsigned int pcr);
/* Bit (1 << HASH_...) for each bank that is active. */
int tpm_pcr_banks(struct tpm *tpm, uint32_t *ret);
/* Extend with one digest per algorithm in @banks: digests[HASH_...]. One command. */
int tpm_pcr_extend(struct tpm *tpm, unsigned int pcr, uint32_t banks,
		   uint8_t (*digests)[HASH_MAX_SIZE]);
/*
 * Does the TPM answer an extend with its HMAC, so that success means that it was done? It does where
 * its storage key is known by now.
 */
bool tpm_pcr_extend_is_proved(const struct tpm *tpm);
/* The next extend is the last command of all: the TPM ends the session with it. */
void tpm_pcr_extend_last(struct tpm *tpm);

/* ---- Policies (policy.c, pure; TPM 2.0 Library, part 3: TPM2_Policy...) ---- */

/* A policy digest under construction: SHA-256, begins at zero. */
struct tpm_policy {
	uint8_t digest[HASH_SHA256_SIZE];
};
int tpm_policy_pcr(struct tpm_policy *policy, const struct tpm_pcr_values *values);
/* PolicyAuthorize: resets, then binds to a key's name and a policyRef (NULL: none). */
int tpm_policy_authorize(struct tpm_policy *policy, const uint8_t *key_name, size_t key_name_size,
			 const uint8_t *reference, size_t reference_size);

/* ---- Seal and unseal (seal.c, unseal.c; part 3: TPM2_Create, TPM2_Unseal) ---- */

#define TPM_PCR_IDENTITY     15 /* zero until cvmroot has measured the volume key */
#define TPM_PCR_BOOT_PROGRAM 4
#define TPM_PCR_INITDATA     8
#define TPM_PCRS_INITDATA    (1U << TPM_PCR_INITDATA)
#define TPM_PCR_KERNEL	     11

/* What a secret, or a right to write, is bound to. PCR 15 = zero is always part of it. */
struct tpm_binding {
	enum hash_algorithm bank;
	uint32_t pcrs;		/* mask of literal PCRs; TPM_PCR_IDENTITY is added */
	const char *public_key; /* PEM text: signed PCR 11 policy first; or NULL */
	const char *signature;	/* text of tpm2-pcr-signature.json; needed when signed */
	bool legacy_primary;	/* transient primary, no tpm2_srk in the token */
};

/* Bytes of a sealed secret; a passphrase is their base64 text. */
#define TPM_SECRET_SIZE 32

/* A sealed secret in the terms of the systemd-tpm2 token (token.c reads and writes its JSON). */
struct tpm_sealed {
	uint8_t *blob; /* TPM2B_PRIVATE || TPM2B_PUBLIC */
	size_t blob_size;
	uint8_t *srk; /* Esys_TR_Serialize of the SRK, or NULL for the legacy primary */
	size_t srk_size;
	uint8_t policy_hash[HASH_SHA256_SIZE];
	enum hash_algorithm bank;
	uint32_t pcrs; /* literal, with TPM_PCR_IDENTITY */
	bool primary_rsa;
	char *public_key; /* PEM text, or NULL */
	uint32_t public_key_pcrs;
};
void tpm_sealed_free(struct tpm_sealed *sealed);
DEFINE_CLEANUP(struct tpm_sealed *, tpm_sealed_free)

/*
 * Seal 32 bytes to the present PCR values and PCR 15 = zero (-EREMCHG when it is not zero now).
 * -EOPNOTSUPP when the bank is not active or nothing was measured into it. With a signed policy
 * binding->signature must fit the present PCR 11, else what is sealed could not be had back.
 */
int tpm_seal(struct tpm *tpm, const struct tpm_binding *binding, const struct secret *secret,
	     struct tpm_sealed **ret);
/*
 * Unseal. What the token says is untrusted: it must agree with @binding (-EKEYREJECTED). -EREMCHG
 * names the PCRs that differ as far as that can be known; @sealed_values is what they were when
 * sealed, or NULL. -ESTALE: another TPM sealed it.
 */
int tpm_unseal(struct tpm *tpm, const struct tpm_binding *binding, const struct tpm_sealed *sealed,
	       const struct tpm_pcr_values *sealed_values, struct secret **ret);

/* ---- The record in NV memory (nv.c; cvmroot(7), WHAT IS REMEMBERED) ---- */

enum tpm_record_state {
	RECORD_CONVERTING = 1,
	RECORD_DONE = 2,
};
struct tpm_record {
	enum tpm_record_state state;
	uint8_t luks_uuid[16];
	uint8_t fingerprint[HASH_SHA256_SIZE];
	uint64_t epoch;
	struct tpm_pcr_values sealed_values; /* for the sentence about PCRs that differ */
};

/*
 * Read the record at NV @index. -ENOENT: never written (or undefined). The index's public area is
 * checked: attributes, name algorithm and the write policy, which must be the binding's for the PCR
 * values that the record names; -EKEYREJECTED when somebody else defined it. -EREMCHG when a
 * literal PCR has another value now: such a record could be any system's, so it is not returned.
 */
int tpm_record_read(struct tpm *tpm, uint32_t index, const struct tpm_binding *binding,
		    struct tpm_record *ret);
/*
 * The same with one command, when the record was written under the policy that @sealed is sealed to
 * by the TPM whose storage key it names; -ENOENT when not, so that tpm_record_read() has to tell;
 * -EKEYREJECTED when the answer is not authentic or the record is not ours. The PCRs are not compared:
 * call tpm_record_confirm() before the root is opened.
 */
int tpm_record_read_foretold(struct tpm *tpm, uint32_t index, const struct tpm_binding *binding,
			     const struct tpm_sealed *sealed, struct tpm_record *ret);
/*
 * -EREMCHG as above. Asks the TPM for its PCRs, unless it has unsealed or written under the record's
 * policy since: then it has compared them itself.
 */
int tpm_record_confirm(struct tpm *tpm, const struct tpm_binding *binding,
		       const struct tpm_record *record);
/*
 * Define the index when it is missing (owner hierarchy) and write it under its policy.
 * record->sealed_values are tpm_pcr_read() of the binding's bank and PCRs with TPM_PCR_IDENTITY,
 * else -EINVAL. -EKEYREJECTED when another index is there.
 */
int tpm_record_write(struct tpm *tpm, uint32_t index, const struct tpm_binding *binding,
		     const struct tpm_record *record);
/* Owner-authorised removal, for `cvmroot`'s way to re-provision. -ENOENT when there is none. */
int tpm_record_delete(struct tpm *tpm, uint32_t index);

#endif
