/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "base/error.h"
#include "tpm/internal.h"

#include <string.h>

#include <tss2/tss2_mu.h>

static int parse(struct reader *reader, struct tpm_nv_public *ret)
{
	uint16_t outer, policy_size;
	struct reader area;

	if (reader_be16(reader, &outer) < 0 || reader_sub(reader, outer, &area) < 0 ||
	    reader_be32(&area, &ret->index) < 0 || reader_be16(&area, &ret->name_algorithm) < 0 ||
	    reader_be32(&area, &ret->attributes) < 0 || reader_be16(&area, &policy_size) < 0)
		return -EBADMSG;
	ret->policy_size = policy_size;
	/* A policy of another size is a stranger's: it is passed over here and refused later. */
	if (policy_size == sizeof(ret->policy)) {
		if (reader_bytes(&area, ret->policy, policy_size) < 0)
			return -EBADMSG;
	} else if (reader_skip(&area, policy_size) < 0) {
		return -EBADMSG;
	}
	if (reader_be16(&area, &ret->size) < 0 || reader_end(&area) < 0)
		return -EBADMSG;
	return reader_end(reader);
}

int tpm_nv_public_parse(const uint8_t *data, size_t size, struct tpm_nv_public *ret)
{
	struct reader reader = reader_init(data, size);
	struct tpm_nv_public area = {};
	uint16_t name_size;

	/* ESYS's form: handle, TPM2B_NAME, kind of resource, TPM2B_NV_PUBLIC. */
	if (reader_skip(&reader, 4) < 0 || reader_be16(&reader, &name_size) < 0 ||
	    reader_skip(&reader, name_size) < 0 || reader_skip(&reader, 4) < 0 ||
	    parse(&reader, &area) < 0)
		return fail(-EBADMSG, "the TPM describes an NV index in a senseless way");
	*ret = area;
	return 0;
}

#define ESYS_NV_INDEX 2 /* the kind of resource, in ESYS's own words */
#define NAME_OFFSET   6 /* behind the handle and the size of the name */
#define AREA_LIMIT    (NAME_OFFSET + TPM_NAME_SIZE + 4 + sizeof(TPM2B_NV_PUBLIC))

/* TPM2B_NV_PUBLIC; the name is the hash of what stands behind its size. */
static TSS2_RC marshal(const struct tpm_nv_public *area, uint8_t *data, size_t *used)
{
	TPM2B_NV_PUBLIC public = {.nvPublic = {.nvIndex = area->index,
					       .nameAlg = area->name_algorithm,
					       .attributes = area->attributes,
					       .authPolicy.size = sizeof(area->policy),
					       .dataSize = area->size}};

	memcpy(public.nvPublic.authPolicy.buffer, area->policy, sizeof(area->policy));
	return Tss2_MU_TPM2B_NV_PUBLIC_Marshal(&public, data, AREA_LIMIT, used);
}

static TSS2_RC marshal_front(uint32_t index, uint8_t *data, size_t *used)
{
	TSS2_RC rc = Tss2_MU_UINT32_Marshal(index, data, AREA_LIMIT, used);

	if (rc == TSS2_RC_SUCCESS)
		rc = Tss2_MU_UINT16_Marshal(TPM_NAME_SIZE, data, AREA_LIMIT, used);
	if (rc == TSS2_RC_SUCCESS)
		rc = Tss2_MU_UINT16_Marshal(TPM2_ALG_SHA256, data, AREA_LIMIT, used);
	*used += HASH_SHA256_SIZE;
	if (rc == TSS2_RC_SUCCESS)
		rc = Tss2_MU_UINT32_Marshal(ESYS_NV_INDEX, data, AREA_LIMIT, used);
	return rc;
}

int tpm_nv_public_serialize(const struct tpm_nv_public *area, uint8_t **ret, size_t *ret_size)
{
	cleanup(freep) uint8_t *data = calloc(1, AREA_LIMIT);
	size_t used = 0, start;
	int r;

	if (!data)
		return -ENOMEM;
	if (marshal_front(area->index, data, &used) != TSS2_RC_SUCCESS)
		return -EINVAL;
	start = used + sizeof(uint16_t);
	if (marshal(area, data, &used) != TSS2_RC_SUCCESS)
		return -EINVAL;
	r = hash_data(HASH_SHA256, data + start, used - start, data + NAME_OFFSET + 2);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(data);
	*ret_size = used;
	return 0;
}

int tpm_nv_public_check(const struct tpm_nv_public *area, const uint8_t *policy)
{
	uint32_t attributes = area->attributes & ~TPMA_NV_WRITTEN;

	if (attributes == TPM_RECORD_ATTRIBUTES && area->name_algorithm == TPM2_ALG_SHA256 &&
	    area->size >= RECORD_SIZE_MIN && area->size <= RECORD_SIZE_MAX &&
	    area->policy_size == sizeof(area->policy) &&
	    (!policy || memcmp(area->policy, policy, sizeof(area->policy)) == 0))
		return 0;
	return fail(-EKEYREJECTED,
		    "NV index 0x%x of the TPM was not defined by this image, or was defined with "
		    "another configuration; its content is not believed",
		    area->index);
}
