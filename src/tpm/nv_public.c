/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "base/error.h"
#include "tpm/internal.h"

#include <string.h>

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
