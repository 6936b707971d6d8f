/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "base/error.h"
#include "tpm/internal.h"

#include <string.h>

#include <tss2/tss2_mu.h>

#define NO_DA	     TPMA_OBJECT_NODA
#define ATTRIBUTES   (TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT)
#define BLOB_LIMIT   4096
#define SRK_REQUIRED (TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_DECRYPT | TPMA_OBJECT_FIXEDTPM)

int tpm_blob_make(const TPM2B_PRIVATE *private_area, const TPM2B_PUBLIC *public_area, uint8_t **ret,
		  size_t *ret_size)
{
	cleanup(freep) uint8_t *blob = malloc(BLOB_LIMIT);
	size_t size = 0;

	if (!blob)
		return -ENOMEM;
	if (Tss2_MU_TPM2B_PRIVATE_Marshal(private_area, blob, BLOB_LIMIT, &size) !=
		    TSS2_RC_SUCCESS ||
	    Tss2_MU_TPM2B_PUBLIC_Marshal(public_area, blob, BLOB_LIMIT, &size) != TSS2_RC_SUCCESS)
		return fail(-EIO, "the TPM gave a sealed object of an impossible size");
	*ret = TAKE_PTR(blob);
	*ret_size = size;
	return 0;
}

/* A TPM2B: two bytes of size and as many of content. */
static int read_sized(struct reader *reader, struct reader *ret)
{
	uint16_t size;
	int r = reader_be16(reader, &size);

	return r < 0 ? r : reader_sub(reader, size, ret);
}

static int read_exact(struct reader *reader, void *ret, size_t size)
{
	struct reader inner;
	int r = read_sized(reader, &inner);

	if (r < 0)
		return r;
	r = reader_bytes(&inner, ret, size);
	return r < 0 ? r : reader_end(&inner);
}

struct area {
	uint16_t type, name_algorithm, scheme;
	uint32_t attributes;
	uint8_t policy[HASH_SHA256_SIZE];
	uint8_t unique[HASH_SHA256_SIZE];
};

/* A TPMT_PUBLIC of a sealed object that is bound to a policy. */
static int read_area(struct reader *reader, struct area *ret)
{
	int r = reader_be16(reader, &ret->type);

	if (r == 0)
		r = reader_be16(reader, &ret->name_algorithm);
	if (r == 0)
		r = reader_be32(reader, &ret->attributes);
	if (r == 0)
		r = read_exact(reader, ret->policy, sizeof(ret->policy));
	if (r == 0)
		r = reader_be16(reader, &ret->scheme);
	if (r == 0)
		r = read_exact(reader, ret->unique, sizeof(ret->unique));
	return r < 0 ? r : reader_end(reader);
}

/* Only what sealing makes, here or by systemd: noDA came to the latter with a later release. */
static bool is_acceptable(const struct area *area, const struct tpm_sealed *sealed)
{
	return area->type == TPM2_ALG_KEYEDHASH && area->name_algorithm == TPM2_ALG_SHA256 &&
	       area->scheme == TPM2_ALG_NULL && (area->attributes & ~NO_DA) == ATTRIBUTES &&
	       memcmp(area->policy, sealed->policy_hash, sizeof(area->policy)) == 0;
}

static void make_public(const struct area *area, TPM2B_PUBLIC *ret)
{
	TPMT_PUBLIC *public = &ret->publicArea;

	*ret = (TPM2B_PUBLIC){};
	public->type = area->type;
	public->nameAlg = area->name_algorithm;
	public->objectAttributes = area->attributes;
	public->authPolicy.size = sizeof(area->policy);
	memcpy(public->authPolicy.buffer, area->policy, sizeof(area->policy));
	public->parameters.keyedHashDetail.scheme.scheme = area->scheme;
	public->unique.keyedHash.size = sizeof(area->unique);
	memcpy(public->unique.keyedHash.buffer, area->unique, sizeof(area->unique));
}

static int read_private(struct reader *reader, TPM2B_PRIVATE *ret)
{
	struct reader inner;
	int r = read_sized(reader, &inner);

	if (r < 0 || inner.left == 0 || inner.left > sizeof(ret->buffer))
		return -EBADMSG;
	ret->size = (uint16_t)inner.left;
	return reader_bytes(&inner, ret->buffer, ret->size);
}

int tpm_blob_parse(const struct tpm_sealed *sealed, TPM2B_PRIVATE *ret_private,
		   TPM2B_PUBLIC *ret_public)
{
	struct reader reader = reader_init(sealed->blob, sealed->blob_size), inner;
	struct area area;

	if (read_private(&reader, ret_private) < 0 || read_sized(&reader, &inner) < 0 ||
	    reader_end(&reader) < 0 || read_area(&inner, &area) < 0)
		return fail(-EBADMSG, "the LUKS token's TPM blob is malformed");
	if (!is_acceptable(&area, sealed))
		return fail(-EKEYREJECTED, "the LUKS token's TPM blob is not an object that is "
					   "sealed to the policy that the token names");
	make_public(&area, ret_public);
	return 0;
}

static int read_srk(struct reader *reader, bool *ret_rsa)
{
	uint8_t name[TPM_NAME_SIZE], expected[TPM_NAME_SIZE] = {0, TPM2_ALG_SHA256};
	uint32_t handle, resource, attributes;
	uint16_t type, name_algorithm;
	struct reader area;

	if (reader_be32(reader, &handle) < 0 || read_exact(reader, name, sizeof(name)) < 0 ||
	    reader_be32(reader, &resource) < 0 || read_sized(reader, &area) < 0 ||
	    reader_end(reader) < 0)
		return -EBADMSG;
	/* 1: a key, in ESYS's own words. */
	if (handle != TPM_SRK_HANDLE || resource != 1 ||
	    hash_data(HASH_SHA256, area.data, area.left, expected + 2) < 0 ||
	    memcmp(name, expected, sizeof(name)) != 0)
		return -EBADMSG;
	if (reader_be16(&area, &type) < 0 || reader_be16(&area, &name_algorithm) < 0 ||
	    reader_be32(&area, &attributes) < 0)
		return -EBADMSG;
	if ((type != TPM2_ALG_ECC && type != TPM2_ALG_RSA) || name_algorithm != TPM2_ALG_SHA256 ||
	    (attributes & SRK_REQUIRED) != SRK_REQUIRED)
		return -EBADMSG;
	*ret_rsa = type == TPM2_ALG_RSA;
	return 0;
}

int tpm_srk_parse(const uint8_t *data, size_t size, bool *ret_rsa)
{
	struct reader reader = reader_init(data, size);

	if (read_srk(&reader, ret_rsa) < 0)
		return fail(-EBADMSG, "the LUKS token's TPM storage key (tpm2_srk) is malformed");
	return 0;
}
