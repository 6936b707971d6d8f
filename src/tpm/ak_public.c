/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "base/error.h"
#include "crypto/rsa.h"
#include "tpm/internal.h"

#define DEFAULT_EXPONENT 65537

/* An RSA key alone does not show these; with anything else a quote could be made up. */
#define GENUINE                                                                                    \
	(TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_SENSITIVEDATAORIGIN | TPMA_OBJECT_RESTRICTED |         \
	 TPMA_OBJECT_SIGN_ENCRYPT)

/* A TPM2B: two bytes of size and as many of content. */
static int read_sized(struct reader *reader, struct reader *ret)
{
	uint16_t size;
	int r = reader_be16(reader, &size);

	return r < 0 ? r : reader_sub(reader, size, ret);
}

struct area {
	uint16_t type;
	uint32_t attributes;
	uint16_t symmetric, scheme, hash, bits;
	uint32_t exponent;
	struct reader modulus;
};

/* The parameters of an RSA key; a scheme that is not RSASSA may have another form. */
static int read_rsa(struct reader *reader, struct area *ret)
{
	if (reader_be16(reader, &ret->symmetric) < 0 || reader_be16(reader, &ret->scheme) < 0)
		return -EBADMSG;
	if (ret->symmetric != TPM2_ALG_NULL || ret->scheme != TPM2_ALG_RSASSA)
		return 0;
	if (reader_be16(reader, &ret->hash) < 0 || reader_be16(reader, &ret->bits) < 0 ||
	    reader_be32(reader, &ret->exponent) < 0 || read_sized(reader, &ret->modulus) < 0)
		return -EBADMSG;
	return reader_end(reader);
}

/* A TPMT_PUBLIC. */
static int read_area(struct reader *reader, struct area *ret)
{
	uint16_t name_algorithm;
	struct reader policy;

	if (reader_be16(reader, &ret->type) < 0 || reader_be16(reader, &name_algorithm) < 0 ||
	    reader_be32(reader, &ret->attributes) < 0 || read_sized(reader, &policy) < 0)
		return -EBADMSG;
	return ret->type == TPM2_ALG_RSA ? read_rsa(reader, ret) : 0;
}

/* ESYS's form: handle, TPM2B_NAME, kind of resource, TPM2B_PUBLIC. */
static int read_key(struct reader *reader, struct area *ret)
{
	struct reader name, area;

	if (reader_skip(reader, 4) < 0 || read_sized(reader, &name) < 0 ||
	    reader_skip(reader, 4) < 0 || read_sized(reader, &area) < 0 || reader_end(reader) < 0)
		return -EBADMSG;
	return read_area(&area, ret);
}

static bool is_acceptable(const struct area *area)
{
	return area->type == TPM2_ALG_RSA && area->symmetric == TPM2_ALG_NULL &&
	       area->scheme == TPM2_ALG_RSASSA && area->hash == TPM2_ALG_SHA256 &&
	       area->modulus.left == area->bits / 8U;
}

int tpm_ak_parse(const uint8_t *data, size_t size, struct tpm_ak *ret)
{
	struct reader reader = reader_init(data, size);
	struct area area = {};
	int r;

	if (read_key(&reader, &area) < 0)
		return fail(-EBADMSG, "the TPM describes a key in a senseless way");
	if (!is_acceptable(&area))
		return fail(-EKEYREJECTED,
			    "it is not an RSA key that signs by RSASSA with SHA-256");
	r = rsa_public_encode(area.modulus.data, area.modulus.left,
			      area.exponent != 0 ? area.exponent : DEFAULT_EXPONENT, &ret->der,
			      &ret->size);
	if (r == -EBADMSG)
		return fail(-EKEYREJECTED, "it is not an RSA key of 2048 to 4096 bits");
	if (r == 0)
		ret->genuine = (area.attributes & GENUINE) == GENUINE &&
			       !(area.attributes & TPMA_OBJECT_DECRYPT);
	return r;
}

void tpm_ak_done(struct tpm_ak *ak)
{
	free(ak->der);
	*ak = (struct tpm_ak){};
}
