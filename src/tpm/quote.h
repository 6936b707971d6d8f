/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_TPM_QUOTE_H
#define CVMROOT_TPM_QUOTE_H

#include "tpm/tpm.h"

/*
 * Attestation by the TPM: its attestation key (AK), quotes by it, and plain NV indices that other
 * programs define the form of.
 */

/* ---- The attestation key (ak.c; ak_public.c is pure) ---- */

/* Where Trustee's own attester looks for one by default. */
#define TPM_AK_HANDLE 0x81010002
/* Persistent handles that the owner may use (TPM 2.0 Library, part 2: Handle Assignments). */
#define TPM_AK_HANDLE_FIRST 0x81000000
#define TPM_AK_HANDLE_LAST  0x817fffff

/* The public part of an RSA key for RSASSA with SHA-256, as DER SubjectPublicKeyInfo. */
struct tpm_ak {
	uint8_t *der;
	size_t size;
	bool genuine; /* made by this TPM, and restricted: it signs only what the TPM itself says */
};
void tpm_ak_done(struct tpm_ak *ak);

/*
 * Read the public part of the key at a persistent handle. One command. -ENOENT: there is none;
 * -EKEYREJECTED: it is no such key, or not genuine.
 */
int tpm_ak_read(struct tpm *tpm, uint32_t handle, struct tpm_ak *ret);
/* The same for a key that something else vouches for: it need not be genuine. */
int tpm_ak_read_any(struct tpm *tpm, uint32_t handle, struct tpm_ak *ret);
/*
 * The same, but make the key where there is none: RSA-2048, a primary key of the owner hierarchy by
 * a fixed template, so that the same key comes again until the TPM is cleared. -EINVAL for a handle
 * that the owner may not use.
 */
int tpm_ak_create(struct tpm *tpm, uint32_t handle, struct tpm_ak *ret);

/* ---- Quotes (quote.c, attest.c is pure; part 2: TPMS_ATTEST, TPMT_SIGNATURE) ---- */

#define TPM_QUOTE_NONCE_MAX	64
#define TPM_QUOTE_MESSAGE_MAX	512
#define TPM_QUOTE_SIGNATURE_MAX (6 + 512)
#define TPM_QUOTE_PCRS		((1U << TPM_PCR_COUNT) - 1)

struct tpm_quote {
	uint8_t message[TPM_QUOTE_MESSAGE_MAX]; /* TPMS_ATTEST */
	size_t message_size;
	uint8_t signature[TPM_QUOTE_SIGNATURE_MAX]; /* TPMT_SIGNATURE: RSASSA, SHA-256 */
	size_t signature_size;
	struct tpm_pcr_values pcrs; /* all of the SHA-256 bank, as quoted */
};
/*
 * A quote over all SHA-256 PCRs by the key at @handle about 1 to TPM_QUOTE_NONCE_MAX bytes of
 * @nonce, checked by tpm_quote_check(). -ENOENT: no key there; -EOPNOTSUPP: the key signs otherwise,
 * or the bank is not active.
 */
int tpm_quote(struct tpm *tpm, uint32_t handle, const void *nonce, size_t nonce_size,
	      struct tpm_quote *ret);
/*
 * Is it well formed, and about this nonce, all SHA-256 PCRs and their values? -EBADMSG; -ESTALE for
 * another nonce; -EKEYREJECTED for other PCRs; -EREMCHG for other values. Does not verify the
 * signature: whoever gets the quote does.
 */
int tpm_quote_check(const struct tpm_quote *quote, const void *nonce, size_t nonce_size);

/* What a TPMS_ATTEST of a quote over one bank says. */
struct tpm_attest {
	uint8_t nonce[TPM_QUOTE_NONCE_MAX];
	size_t nonce_size;
	uint16_t bank; /* TPM2_ALG_... */
	uint32_t mask;
	uint8_t pcr_digest[HASH_MAX_SIZE];
	size_t pcr_digest_size;
};
/* -EBADMSG unless exactly a quote. */
int tpm_attest_parse(const void *data, size_t size, struct tpm_attest *ret);
/* Does it speak for these values of all SHA-256 PCRs? -EKEYREJECTED: of others; -EREMCHG. */
int tpm_attest_check_pcrs(const struct tpm_attest *attest, const struct tpm_pcr_values *values);
/* The RSA signature in a TPMT_SIGNATURE, borrowed. -EOPNOTSUPP unless RSASSA with SHA-256. */
int tpm_rsassa_parse(const void *data, size_t size, const uint8_t **ret, size_t *ret_size);

/* ---- NV indices of the owner (nv_user.c) ---- */

/*
 * All bytes of an index that the owner may read. -ENOENT: there is none, or it was never written;
 * -EKEYREJECTED: the owner may not. The caller frees *ret.
 */
int tpm_nv_read(struct tpm *tpm, uint32_t index, uint8_t **ret, size_t *ret_size);
/*
 * Write all of an index that the owner reads and writes, and that has the size of @data: it is
 * defined where it is missing, and defined anew where its size is another. -EKEYREJECTED when the
 * owner may not write to it. At most TPM_QUOTE_NONCE_MAX bytes.
 */
int tpm_nv_write(struct tpm *tpm, uint32_t index, const void *data, size_t size);

#endif
