/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "base/error.h"
#include "tpm/internal.h"
#include "tpm/quote.h"

#include <string.h>

/* What most TPMs take with one command, and what all do. */
#define CHUNK_MAX 1024
#define CHUNK_MIN 128

#define ATTRIBUTES (TPMA_NV_OWNERREAD | TPMA_NV_OWNERWRITE)

/*
 * All by the owner's empty password, in sessions without HMAC: what is read here is signed by
 * somebody or else only tells what kind of machine this is, and what is written is public.
 */

/* One chunk; 1 when it is too long for this TPM. */
static int read_chunk(const struct tpm_nv_index *nv, size_t offset, uint16_t size, uint8_t *ret)
{
	cleanup(esys_freep) TPM2B_MAX_NV_BUFFER *buffer = NULL;
	TSS2_RC rc = Esys_NV_Read(nv->tpm->esys, ESYS_TR_RH_OWNER, nv->tr, ESYS_TR_PASSWORD,
				  ESYS_TR_NONE, ESYS_TR_NONE, size, (uint16_t)offset, &buffer);

	if (size > CHUNK_MIN && tpm_rc_base(rc) == TPM2_RC_VALUE)
		return 1;
	if (rc != TSS2_RC_SUCCESS)
		return tpm_fail(rc, "reading an NV index of the TPM");
	if (buffer->size != size)
		return fail(-EIO, "reading an NV index of the TPM: a part is missing");
	memcpy(ret, buffer->buffer, size);
	return 0;
}

static int read_all(const struct tpm_nv_index *nv, uint8_t *ret)
{
	size_t offset = 0, chunk = CHUNK_MAX;

	while (offset < nv->area.size) {
		uint16_t size = (uint16_t)MIN(chunk, nv->area.size - offset);
		int r = read_chunk(nv, offset, size, ret + offset);

		if (r < 0)
			return r;
		if (r == 0)
			offset += size;
		else
			chunk = size / 2U;
	}
	return 0;
}

int tpm_nv_read(struct tpm *tpm, uint32_t index, uint8_t **ret, size_t *ret_size)
{
	cleanup(freep) uint8_t *data = NULL;
	TPM_NV_INDEX(nv, tpm);
	int r = tpm_nv_find(tpm, index, &nv);

	if (r < 0)
		return r;
	if (!(nv.area.attributes & TPMA_NV_OWNERREAD))
		return fail(-EKEYREJECTED, "the TPM's owner may not read its NV index 0x%x", index);
	/* At most 64 KiB, by the type of the size. */
	data = malloc(nv.area.size + 1U);
	if (!data)
		return -ENOMEM;
	r = read_all(&nv, data);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(data);
	*ret_size = nv.area.size;
	return 0;
}

static int define(struct tpm *tpm, uint32_t index, size_t size, ESYS_TR *ret)
{
	const TPM2B_NV_PUBLIC area = {
		.nvPublic =
			{
				.nvIndex = index,
				.nameAlg = TPM2_ALG_SHA256,
				.attributes = ATTRIBUTES,
				.dataSize = (uint16_t)size,
			},
	};
	const TPM2B_AUTH no_auth = {};
	TSS2_RC rc = Esys_NV_DefineSpace(tpm->esys, ESYS_TR_RH_OWNER, ESYS_TR_PASSWORD,
					 ESYS_TR_NONE, ESYS_TR_NONE, &no_auth, &area, ret);

	if (rc == TSS2_RC_SUCCESS)
		return 0;
	*ret = ESYS_TR_NONE;
	return tpm_fail(rc, "defining an NV index of the TPM");
}

/* The index with this size. */
static int prepare(struct tpm *tpm, uint32_t index, size_t size, struct tpm_nv_index *ret)
{
	int r = tpm_nv_find(tpm, index, ret);

	if (r == -ENOENT)
		return define(tpm, index, size, &ret->tr);
	if (r < 0)
		return r;
	if (!(ret->area.attributes & TPMA_NV_OWNERWRITE))
		return fail(-EKEYREJECTED, "the TPM's owner may not write to its NV index 0x%x",
			    index);
	if (ret->area.size == size)
		return 0;
	r = tpm_nv_undefine(ret, "removing an NV index of the TPM that has another size");
	return r < 0 ? r : define(tpm, index, size, &ret->tr);
}

int tpm_nv_write(struct tpm *tpm, uint32_t index, const void *data, size_t size)
{
	TPM2B_MAX_NV_BUFFER buffer = {.size = (uint16_t)size};
	TPM_NV_INDEX(nv, tpm);
	TSS2_RC rc;
	int r;

	if (size == 0 || size > TPM_QUOTE_NONCE_MAX)
		return fail(-EINVAL, "1 to %d bytes go into an NV index, not %zu",
			    TPM_QUOTE_NONCE_MAX, size);
	memcpy(buffer.buffer, data, size);
	r = prepare(tpm, index, size, &nv);
	if (r < 0)
		return r;
	rc = Esys_NV_Write(tpm->esys, ESYS_TR_RH_OWNER, nv.tr, ESYS_TR_PASSWORD, ESYS_TR_NONE,
			   ESYS_TR_NONE, &buffer, 0);
	return rc == TSS2_RC_SUCCESS ? 0 : tpm_fail(rc, "writing an NV index of the TPM");
}
