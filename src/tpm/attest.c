/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "base/error.h"
#include "tpm/internal.h"
#include "tpm/quote.h"

#include <string.h>

/* qualifiedSigner is a name: a hash algorithm and a digest, or a handle. */
#define NAME_MAX_SIZE (2 + HASH_MAX_SIZE)
/* clockInfo (clock, resetCount, restartCount, safe) and firmwareVersion. */
#define CLOCK_SIZE (8 + 4 + 4 + 1 + 8)

/* A TPM2B of at most @capacity bytes. */
static int read_sized(struct reader *reader, size_t capacity, uint8_t *ret, size_t *ret_size)
{
	uint16_t size;
	int r = reader_be16(reader, &size);

	if (r < 0)
		return r;
	if (size > capacity)
		return -EBADMSG;
	*ret_size = size;
	return reader_bytes(reader, ret, size);
}

/* TPML_PCR_SELECTION: only quotes over one bank are of use here. */
static int read_selection(struct reader *reader, struct tpm_attest *ret)
{
	uint8_t size, byte;
	uint32_t count;

	if (reader_be32(reader, &count) < 0 || count != 1 || reader_be16(reader, &ret->bank) < 0 ||
	    reader_u8(reader, &size) < 0 || size > TPM_PCR_COUNT / 8)
		return -EBADMSG;
	for (unsigned int i = 0; i < size; i++) {
		if (reader_u8(reader, &byte) < 0)
			return -EBADMSG;
		ret->mask |= (uint32_t)byte << 8 * i;
	}
	return 0;
}

static int read_quote(struct reader *reader, struct tpm_attest *ret)
{
	uint8_t signer[NAME_MAX_SIZE];
	size_t signer_size;
	uint32_t magic;
	uint16_t type;

	if (reader_be32(reader, &magic) < 0 || magic != TPM2_GENERATED_VALUE ||
	    reader_be16(reader, &type) < 0 || type != TPM2_ST_ATTEST_QUOTE ||
	    read_sized(reader, sizeof(signer), signer, &signer_size) < 0 ||
	    read_sized(reader, sizeof(ret->nonce), ret->nonce, &ret->nonce_size) < 0 ||
	    reader_skip(reader, CLOCK_SIZE) < 0 || read_selection(reader, ret) < 0 ||
	    read_sized(reader, sizeof(ret->pcr_digest), ret->pcr_digest, &ret->pcr_digest_size) < 0)
		return -EBADMSG;
	return reader_end(reader);
}

int tpm_attest_parse(const void *data, size_t size, struct tpm_attest *ret)
{
	struct reader reader = reader_init(data, size);
	struct tpm_attest attest = {};

	if (read_quote(&reader, &attest) < 0)
		return fail(-EBADMSG, "the TPM's quote is malformed");
	*ret = attest;
	return 0;
}

int tpm_rsassa_parse(const void *data, size_t size, const uint8_t **ret, size_t *ret_size)
{
	struct reader reader = reader_init(data, size);
	uint16_t scheme, hash, signature_size;
	const uint8_t *signature;

	if (reader_be16(&reader, &scheme) < 0 || reader_be16(&reader, &hash) < 0)
		return fail(-EBADMSG, "the signature of the TPM's quote is malformed");
	if (scheme != TPM2_ALG_RSASSA || hash != TPM2_ALG_SHA256)
		return fail(-EOPNOTSUPP,
			    "the TPM's attestation key signs by scheme 0x%x with hash 0x%x; only "
			    "RSASSA with SHA-256 is of use here",
			    scheme, hash);
	if (reader_be16(&reader, &signature_size) < 0 || signature_size == 0 ||
	    reader_borrow(&reader, signature_size, &signature) < 0 || reader_end(&reader) < 0)
		return fail(-EBADMSG, "the signature of the TPM's quote is malformed");
	*ret = signature;
	*ret_size = signature_size;
	return 0;
}

int tpm_attest_check_pcrs(const struct tpm_attest *attest, const struct tpm_pcr_values *values)
{
	uint8_t digest[HASH_SHA256_SIZE];
	int r;

	if (attest->bank != TPM2_ALG_SHA256 || attest->mask != TPM_QUOTE_PCRS ||
	    values->bank != HASH_SHA256 || values->mask != TPM_QUOTE_PCRS)
		return fail(-EKEYREJECTED, "the TPM's quote is about other PCRs than those asked "
					   "for (all of the SHA-256 bank)");
	r = tpm_policy_pcr_digest(values, digest);
	if (r < 0)
		return r;
	if (attest->pcr_digest_size != sizeof(digest) ||
	    memcmp(attest->pcr_digest, digest, sizeof(digest)) != 0)
		return fail(-EREMCHG, "the TPM's quote is about other values of the PCRs than "
				      "those read from it");
	return 0;
}

int tpm_quote_check(const struct tpm_quote *quote, const void *nonce, size_t nonce_size)
{
	struct tpm_attest attest;
	const uint8_t *signature;
	size_t signature_size;
	int r = tpm_attest_parse(quote->message, quote->message_size, &attest);

	if (r == 0)
		r = tpm_rsassa_parse(quote->signature, quote->signature_size, &signature,
				     &signature_size);
	if (r < 0)
		return r;
	if (attest.nonce_size != nonce_size || memcmp(attest.nonce, nonce, nonce_size) != 0)
		return fail(-ESTALE, "the TPM's quote is about another nonce than the one given: "
				     "something replays an old quote");
	return tpm_attest_check_pcrs(&attest, &quote->pcrs);
}
