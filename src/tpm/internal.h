/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_TPM_INTERNAL_H
#define CVMROOT_TPM_INTERNAL_H

#include "base/json.h"
#include "base/reader.h"
#include "tpm/quote.h"

#include <tss2/tss2_esys.h>

/* What the files of src/tpm/ share; nobody else includes this. */

struct tpm {
	ESYS_CONTEXT *esys;
	TSS2_TCTI_CONTEXT *tcti;
	uint32_t banks; /* those that are active, as the kernel says; 0: it does not, ask the TPM */
	/* The primary key used last, kept because making the legacy one takes long. */
	ESYS_TR primary;
	bool primary_legacy;
	bool primary_rsa;
	ESYS_TR session;   /* of all commands, salted to the primary key; or ESYS_TR_NONE */
	bool session_ends; /* with its next command */
	/* The policy that a command was last run under, so that the PCRs are known to fulfil it. */
	bool has_fulfilled;
	uint8_t fulfilled[HASH_SHA256_SIZE];
};

/* ESYS's own allocations. */
static inline void esys_freep(void *pointer)
{
	Esys_Free(*(void **)pointer);
}

/* An object or session that is flushed when it leaves its scope; none: ESYS_TR_NONE. */
struct tpm_handle {
	struct tpm *tpm;
	ESYS_TR tr;
};
#define TPM_HANDLE(name, context)                                                                  \
	cleanup(tpm_handle_flush) struct tpm_handle name = {.tpm = (context), .tr = ESYS_TR_NONE}
void tpm_handle_flush(struct tpm_handle *handle);

/*
 * ---- rc.c: the sentence for a response code, and its errno. @what is "Doing this and that". ----
 */
int tpm_fail(TSS2_RC rc, const char *what);
/* A response code without its layer and without the number of the handle, session or parameter. */
TSS2_RC tpm_rc_base(TSS2_RC rc);

/* ---- pcr.c ---- */
/* Not all zeros and not all ones, as PCRs are that nobody extends. */
bool tpm_pcr_is_measured(const struct tpm_pcr_values *values, unsigned int pcr);
void tpm_pcr_selection(enum hash_algorithm bank, uint32_t mask, TPML_PCR_SELECTION *ret);
/* The PCRs of @mask as text: "7, 11 and 15". */
#define PCR_LIST_SIZE 96
void tpm_pcr_list(uint32_t mask, char ret[static PCR_LIST_SIZE]);
/* Mask of those in @mask whose values differ. */
uint32_t tpm_pcr_difference(const struct tpm_pcr_values *a, const struct tpm_pcr_values *b,
			    uint32_t mask);

/* ---- token.c, pure: a JSON array of PCR numbers, without repetition. -EBADMSG. ---- */
int tpm_pcr_mask_read(json_t *array, uint32_t *ret);

/* ---- public.c, pure: the key of a signed policy as the TPM knows it ---- */
#define TPM_NAME_SIZE	       (2 + HASH_SHA256_SIZE)
#define TPM_PEM_LIMIT	       (8 * KIB)
#define TPM_SIGNATURE_MAX_SIZE 512
struct tpm_public_key {
	TPM2B_PUBLIC area;
	uint8_t name[TPM_NAME_SIZE];
	uint8_t fingerprint[HASH_SHA256_SIZE]; /* SHA-256 of the PKCS#1 RSAPublicKey in DER */
};
/* RSA only. -EBADMSG, -EOPNOTSUPP. */
int tpm_public_read(const char *pem, struct tpm_public_key *ret);
/* nameAlg || SHA-256 of the public area. */
int tpm_public_name(const TPMT_PUBLIC *area, uint8_t ret[static TPM_NAME_SIZE]);
/* -EKEYREJECTED unless @signature is RSASSA-PKCS1-v1_5 with SHA-256 over @policy. */
int tpm_public_verify(const char *pem, const uint8_t policy[static HASH_SHA256_SIZE],
		      const uint8_t *signature, size_t signature_size);

/* ---- signature.c, pure: tpm2-pcr-signature.json as systemd-measure(1) writes it ---- */
struct tpm_signature {
	uint8_t data[TPM_SIGNATURE_MAX_SIZE];
	size_t size;
};
/*
 * The signature by the key with @fingerprint over @policy for exactly the PCRs of @mask. -EBADMSG;
 * -EKEYREJECTED: nothing by this key; -EREMCHG: not for this policy, so not for the present PCRs.
 */
int tpm_signature_find(const char *text, enum hash_algorithm bank, uint32_t mask,
		       const uint8_t fingerprint[static HASH_SHA256_SIZE],
		       const uint8_t policy[static HASH_SHA256_SIZE], struct tpm_signature *ret);
/* The signature that the binding's file has for @policy, verified. */
int tpm_signature_get(const struct tpm_binding *binding, const struct tpm_public_key *key,
		      const uint8_t policy[static HASH_SHA256_SIZE], struct tpm_signature *ret);

/* ---- policy.c, pure: SHA-256 over the values in the order of their numbers ---- */
int tpm_policy_pcr_digest(const struct tpm_pcr_values *values,
			  uint8_t ret[static HASH_SHA256_SIZE]);

/* ---- binding.c, pure ---- */
/* The literal PCRs, with TPM_PCR_IDENTITY. */
uint32_t tpm_binding_mask(const struct tpm_binding *binding);
/* -EINVAL for a binding to nothing that says what booted, or to PCRs that do not exist. */
int tpm_binding_check(const struct tpm_binding *binding);
/* The policy digest for @values, with PCR 15 = zero whatever @values says. */
int tpm_binding_policy(const struct tpm_binding *binding, const struct tpm_pcr_values *values,
		       uint8_t ret[static HASH_SHA256_SIZE]);
/* -EKEYREJECTED unless a token's word is the binding's. */
int tpm_binding_agrees(const struct tpm_binding *binding, const struct tpm_sealed *sealed);
/* The sentence for a policy that is not fulfilled; @before may be NULL. Never 0. */
int tpm_binding_explain(const struct tpm_binding *binding, const struct tpm_pcr_values *before,
			const struct tpm_pcr_values *now, const char *what);

/* ---- blob.c, pure: the two halves of a sealed object, strictly ---- */
int tpm_blob_make(const TPM2B_PRIVATE *private_area, const TPM2B_PUBLIC *public_area, uint8_t **ret,
		  size_t *ret_size);
int tpm_blob_parse(const struct tpm_sealed *sealed, TPM2B_PRIVATE *ret_private,
		   TPM2B_PUBLIC *ret_public);
/* The framing of tpm2_srk: a key at the SRK's handle whose name is the hash of its public area. */
int tpm_srk_parse(const uint8_t *data, size_t size, bool *ret_rsa);

/* ---- srk.c ---- */
#define TPM_SRK_HANDLE 0x81000001
/*
 * The primary key of a profile, made if it is missing; kept in @tpm. @rsa: the legacy one has to be
 * RSA; otherwise RSA is taken only where there is no ECC.
 */
int tpm_primary_get(struct tpm *tpm, bool legacy, bool rsa);
/* The SRK that a token pins. */
int tpm_primary_pinned(struct tpm *tpm, const struct tpm_sealed *sealed);
void tpm_primary_forget(struct tpm *tpm);

/* ---- session.c ---- */
/*
 * The HMAC session, salted to tpm->primary, which must be there: AES-128-CFB, SHA-256. Started once
 * and kept, since each start costs more than the commands that it is for.
 */
int tpm_session_get(struct tpm *tpm, ESYS_TR *ret);
/* tpm_fail() for a command in the session: an answer that was lost leaves one that fits no more. */
int tpm_session_fail(struct tpm *tpm, TSS2_RC rc, const char *what);
/* End it, if there is one. */
void tpm_session_forget(struct tpm *tpm);
/* Let the TPM end it with the next command; tpm_session_used() says that there was one. */
void tpm_session_end(struct tpm *tpm);
void tpm_session_used(struct tpm *tpm);
/* A command that a policy session authorises, tried again when a PCR changed in between. */
struct tpm_policy_command {
	const char *what;
	const struct tpm_binding *binding;
	const uint8_t *policy;		     /* expected digest */
	const struct tpm_pcr_values *before; /* when it was sealed or defined, or NULL */
	TSS2_RC (*run)(struct tpm *tpm, ESYS_TR policy, ESYS_TR encryption, void *data);
	void *data;
};
int tpm_session_run(struct tpm *tpm, const struct tpm_policy_command *command);

/* ---- record.c, pure ---- */
#define RECORD_SIZE_MIN (80)
#define RECORD_SIZE_MAX (1024) /* one NV write, so that no half of it can be lost */
int tpm_record_encode(const struct tpm_record *record, struct writer *writer);
int tpm_record_decode(const void *data, size_t size, struct tpm_record *ret);
/* Bytes of a record that is bound to @binding. */
size_t tpm_record_size(const struct tpm_binding *binding);

/* Written under a policy only, readable by all, never counted for a lockout. */
#define TPM_RECORD_ATTRIBUTES                                                                      \
	(TPMA_NV_POLICYWRITE | TPMA_NV_OWNERREAD | TPMA_NV_AUTHREAD | TPMA_NV_NO_DA)

/* The public area of an NV index, as NV_ReadPublic gives it. */
struct tpm_nv_public {
	uint32_t index;
	uint16_t name_algorithm;
	uint32_t attributes;
	uint8_t policy[HASH_SHA256_SIZE];
	size_t policy_size;
	uint16_t size;
};
/* nv_public.c: from the bytes of a TPM2B_NV_PUBLIC in what Esys_TR_Serialize gives. */
int tpm_nv_public_parse(const uint8_t *data, size_t size, struct tpm_nv_public *ret);
/* Its name and ESYS's form of it, for Esys_TR_Deserialize. The caller frees *ret. */
int tpm_nv_public_serialize(const struct tpm_nv_public *area, uint8_t **ret, size_t *ret_size);
/* Attributes, name algorithm, size; the policy when @policy is not NULL. -EKEYREJECTED. */
int tpm_nv_public_check(const struct tpm_nv_public *area, const uint8_t *policy);

/* ---- nv.c: an index, as ESYS and as we know it; closed when it leaves its scope ---- */
struct tpm_nv_index {
	struct tpm *tpm;
	ESYS_TR tr;
	struct tpm_nv_public area;
};
#define TPM_NV_INDEX(name, context)                                                                \
	cleanup(tpm_nv_close) struct tpm_nv_index name = {.tpm = (context), .tr = ESYS_TR_NONE}
void tpm_nv_close(struct tpm_nv_index *nv);
/* The index and its public area, with one command. -ENOENT. */
int tpm_nv_find(struct tpm *tpm, uint32_t index, struct tpm_nv_index *ret);
/* @what is for the sentence of an error: "removing this". */
int tpm_nv_undefine(struct tpm_nv_index *nv, const char *what);

/* ---- ak_public.c, pure: an attestation key as Esys_TR_Serialize gives it. -EKEYREJECTED. ---- */
int tpm_ak_parse(const uint8_t *data, size_t size, struct tpm_ak *ret);

#endif
