/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "base/error.h"
#include "base/log.h"
#include "tpm/internal.h"

#include <string.h>

#define REMOVING "removing the TPM record"

void tpm_nv_close(struct tpm_nv_index *nv)
{
	if (nv->tr != ESYS_TR_NONE)
		(void)Esys_TR_Close(nv->tpm->esys, &nv->tr);
}

int tpm_nv_find(struct tpm *tpm, uint32_t index, struct tpm_nv_index *ret)
{
	cleanup(esys_freep) uint8_t *data = NULL;
	size_t size;
	TSS2_RC rc = Esys_TR_FromTPMPublic(tpm->esys, index, ESYS_TR_NONE, ESYS_TR_NONE,
					   ESYS_TR_NONE, &ret->tr);

	if (rc != TSS2_RC_SUCCESS)
		ret->tr = ESYS_TR_NONE;
	if (tpm_rc_base(rc) == TPM2_RC_HANDLE)
		return fail(-ENOENT, "the TPM has no NV index 0x%x", index);
	if (rc != TSS2_RC_SUCCESS)
		return tpm_fail(rc, "looking for an NV index of the TPM");
	if (Esys_TR_Serialize(tpm->esys, ret->tr, &data, &size) != TSS2_RC_SUCCESS)
		return -ENOMEM;
	return tpm_nv_public_parse(data, size, &ret->area);
}

/* ---- Reading ---- */

static int nv_read(struct tpm_nv_index *nv, TPM2B_MAX_NV_BUFFER **ret)
{
	struct tpm *tpm = nv->tpm;
	ESYS_TR session;
	TSS2_RC rc;
	int r = tpm_session_get(tpm, &session);

	if (r < 0)
		return r;
	/*
	 * The session's HMAC covers the index's name, and with it the public area that was checked.
	 */
	rc = Esys_NV_Read(tpm->esys, nv->tr, nv->tr, session, ESYS_TR_NONE, ESYS_TR_NONE,
			  nv->area.size, 0, ret);
	return rc == TSS2_RC_SUCCESS ? 0 : tpm_session_fail(tpm, rc, "reading the TPM record");
}

/*
 * Is this record the work of the system that runs now?
 *
 * Whoever owns the TPM can remove the index and define another, but can write to it only in a boot
 * that fulfils its policy. So (1) the index's policy must be the one that @binding gives for the
 * PCR values that the record names: content and policy agree. With a signed policy and no literal
 * PCRs that is all: the key is ours, nothing in the record has a say. With literal PCRs it alone
 * would prove nothing, because another system can define an index for its own PCR values and name
 * these in its record. So (2) the literal PCRs must have those values now, in this boot. Both
 * together: it was written by a boot with our PCRs, before PCR 15 was extended. Not proved: that it
 * is the latest such record (a TPM's state can be restored as a whole), and that there was none
 * before (absence proves nothing). This is (1).
 */
static int check_policy(const struct tpm_binding *binding, const struct tpm_nv_index *nv,
			const struct tpm_record *record)
{
	const struct tpm_pcr_values *before = &record->sealed_values;
	uint8_t policy[HASH_SHA256_SIZE];
	int r;

	if (before->bank != binding->bank || before->mask != tpm_binding_mask(binding))
		return fail(-EKEYREJECTED,
			    "the TPM record names other PCRs than the configuration");
	r = tpm_binding_policy(binding, before, policy);
	return r < 0 ? r : tpm_nv_public_check(&nv->area, policy);
}

/* (2) of it. */
static int check_pcrs(struct tpm *tpm, const struct tpm_binding *binding,
		      const struct tpm_record *record)
{
	const struct tpm_pcr_values *before = &record->sealed_values;
	uint32_t literal = tpm_binding_mask(binding) & ~(1U << TPM_PCR_IDENTITY);
	struct tpm_pcr_values now;
	char list[PCR_LIST_SIZE];
	int r;

	if (literal == 0)
		return 0;
	r = tpm_pcr_read(tpm, binding->bank, literal, &now);
	if (r < 0)
		return r;
	literal = tpm_pcr_difference(before, &now, literal);
	if (literal == 0)
		return 0;
	tpm_pcr_list(literal, list);
	return fail(-EREMCHG,
		    "the TPM record was written while PCR %s had another value: firmware, Secure "
		    "Boot settings, boot loader, kernel or command line have changed since; boot "
		    "the earlier ones",
		    list);
}

int tpm_record_confirm(struct tpm *tpm, const struct tpm_binding *binding,
		       const struct tpm_record *record)
{
	uint8_t policy[HASH_SHA256_SIZE];
	int r = tpm_binding_policy(binding, &record->sealed_values, policy);

	if (r < 0)
		return r;
	/* A policy digest holds one set of values: those that the TPM has found in its PCRs. */
	if (tpm->has_fulfilled && memcmp(tpm->fulfilled, policy, sizeof(policy)) == 0)
		return 0;
	return check_pcrs(tpm, binding, record);
}

/* The content of an index whose public area is known, from a TPM whose primary key is. */
static int read_content(const struct tpm_binding *binding, struct tpm_nv_index *nv,
			struct tpm_record *ret)
{
	cleanup(esys_freep) TPM2B_MAX_NV_BUFFER *buffer = NULL;
	int r = nv_read(nv, &buffer);

	if (r == 0)
		r = tpm_record_decode(buffer->buffer, buffer->size, ret);
	return r < 0 ? r : check_policy(binding, nv, ret);
}

int tpm_record_read(struct tpm *tpm, uint32_t index, const struct tpm_binding *binding,
		    struct tpm_record *ret)
{
	struct tpm_record record;
	TPM_NV_INDEX(nv, tpm);
	int r = tpm_binding_check(binding);

	if (r == 0)
		r = tpm_nv_find(tpm, index, &nv);
	if (r == 0)
		r = tpm_nv_public_check(&nv.area, NULL);
	if (r < 0)
		return r;
	if (!(nv.area.attributes & TPMA_NV_WRITTEN))
		return fail(-ENOENT, "the TPM's NV index 0x%x was never written", index);
	r = tpm_primary_get(tpm, binding->legacy_primary, false);
	if (r == 0)
		r = read_content(binding, &nv, &record);
	if (r == 0)
		r = check_pcrs(tpm, binding, &record);
	if (r == 0)
		*ret = record;
	return r;
}

/*
 * The index as it has to be. With another one its name is another, and then the TPM and we do not
 * come to the same HMAC.
 */
static int foretell(const struct tpm_binding *binding, const struct tpm_sealed *sealed,
		    uint32_t index, struct tpm_nv_index *ret)
{
	cleanup(freep) uint8_t *data = NULL;
	size_t size;
	int r;

	ret->area = (struct tpm_nv_public){
		.index = index,
		.name_algorithm = TPM2_ALG_SHA256,
		.attributes = TPM_RECORD_ATTRIBUTES | TPMA_NV_WRITTEN,
		.policy_size = sizeof(sealed->policy_hash),
		.size = (uint16_t)tpm_record_size(binding),
	};
	memcpy(ret->area.policy, sealed->policy_hash, sizeof(sealed->policy_hash));
	r = tpm_nv_public_serialize(&ret->area, &data, &size);
	if (r < 0)
		return r;
	if (Esys_TR_Deserialize(ret->tpm->esys, data, size, &ret->tr) == TSS2_RC_SUCCESS)
		return 0;
	ret->tr = ESYS_TR_NONE;
	return -EIO;
}

int tpm_record_read_foretold(struct tpm *tpm, uint32_t index, const struct tpm_binding *binding,
			     const struct tpm_sealed *sealed, struct tpm_record *ret)
{
	struct tpm_record record;
	TPM_NV_INDEX(nv, tpm);
	int r = tpm_binding_check(binding);

	if (r == 0)
		r = tpm_binding_agrees(binding, sealed);
	if (r < 0 || !sealed->srk)
		return -ENOENT;
	r = tpm_primary_pinned(tpm, sealed);
	if (r == 0)
		r = foretell(binding, sealed, index, &nv);
	if (r == 0)
		r = read_content(binding, &nv, &record);
	if (r == 0) {
		*ret = record;
		return 0;
	}
	/* Only the token spoke for it. */
	tpm_primary_forget(tpm);
	/* An answer that is not authentic, or an authentic record that is not ours. */
	if (r == -EKEYREJECTED)
		return r;
	log_debug("The TPM record is not as the disk's token foretells it");
	return -ENOENT;
}

/* ---- Writing ---- */

static int nv_define(struct tpm *tpm, uint32_t index, const uint8_t *policy, size_t size,
		     ESYS_TR *ret)
{
	const TPM2B_AUTH no_auth = {};
	TPM2B_NV_PUBLIC area = {};
	ESYS_TR session;
	TSS2_RC rc;
	int r = tpm_session_get(tpm, &session);

	if (r < 0)
		return r;
	area.nvPublic.nvIndex = index;
	area.nvPublic.nameAlg = TPM2_ALG_SHA256;
	area.nvPublic.attributes = TPM_RECORD_ATTRIBUTES;
	area.nvPublic.authPolicy.size = HASH_SHA256_SIZE;
	memcpy(area.nvPublic.authPolicy.buffer, policy, HASH_SHA256_SIZE);
	area.nvPublic.dataSize = (uint16_t)size;
	rc = Esys_NV_DefineSpace(tpm->esys, ESYS_TR_RH_OWNER, session, ESYS_TR_NONE, ESYS_TR_NONE,
				 &no_auth, &area, ret);
	if (rc != TSS2_RC_SUCCESS) {
		*ret = ESYS_TR_NONE;
		return tpm_session_fail(tpm, rc, "defining the TPM record's NV index");
	}
	return 0;
}

/* An index that cannot be written would only be in the way: nothing is defined then. */
static int check_writable(struct tpm *tpm, const struct tpm_policy_command *command)
{
	uint32_t mask = tpm_binding_mask(command->binding);
	struct tpm_pcr_values now;
	int r = tpm_pcr_read(tpm, command->binding->bank, mask, &now);

	if (r < 0 || tpm_pcr_difference(command->before, &now, mask) == 0)
		return r;
	return tpm_binding_explain(command->binding, command->before, &now, command->what);
}

int tpm_nv_undefine(struct tpm_nv_index *nv, const char *what)
{
	TSS2_RC rc = Esys_NV_UndefineSpace(nv->tpm->esys, ESYS_TR_RH_OWNER, nv->tr,
					   ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE);

	if (rc != TSS2_RC_SUCCESS)
		return tpm_fail(rc, what);
	nv->tr = ESYS_TR_NONE;
	return 0;
}

/*
 * The index, made if it is missing; one that is not exactly ours is left alone. But an index that
 * looks like ours and was never written is what a cut between define and write leaves: it remembers
 * nothing, and its policy may be that of a boot that cannot come again.
 */
static int nv_prepare(struct tpm *tpm, uint32_t index, const struct tpm_policy_command *command,
		      size_t size, struct tpm_nv_index *ret)
{
	int r = tpm_nv_find(tpm, index, ret);

	if (r == -ENOENT) {
		r = check_writable(tpm, command);
		return r < 0 ? r : nv_define(tpm, index, command->policy, size, &ret->tr);
	}
	if (r < 0)
		return r;
	r = tpm_nv_public_check(&ret->area, NULL);
	if (r < 0)
		return r;
	if (!(ret->area.attributes & TPMA_NV_WRITTEN) &&
	    (tpm_nv_public_check(&ret->area, command->policy) < 0 || ret->area.size != size)) {
		r = check_writable(tpm, command);
		if (r == 0)
			r = tpm_nv_undefine(ret, REMOVING);
		return r < 0 ? r : nv_define(tpm, index, command->policy, size, &ret->tr);
	}
	r = tpm_nv_public_check(&ret->area, command->policy);
	if (r < 0)
		return r;
	if (ret->area.size != size)
		return fail(-EKEYREJECTED, "NV index 0x%x of the TPM has another size", index);
	return 0;
}

struct nv_write {
	ESYS_TR index;
	TPM2B_MAX_NV_BUFFER buffer;
};

static TSS2_RC run_write(struct tpm *tpm, ESYS_TR policy, ESYS_TR encryption, void *data)
{
	struct nv_write *write = data;

	return Esys_NV_Write(tpm->esys, write->index, write->index, policy, encryption,
			     ESYS_TR_NONE, &write->buffer, 0);
}

/* What the reader will ask for. */
static int check_values(const struct tpm_binding *binding, const struct tpm_record *record)
{
	if (record->sealed_values.bank != binding->bank ||
	    record->sealed_values.mask != tpm_binding_mask(binding) ||
	    !tpm_pcr_is_zero(&record->sealed_values, TPM_PCR_IDENTITY))
		return fail(-EINVAL, "the TPM record must name the PCR values that it is bound to");
	return 0;
}

int tpm_record_write(struct tpm *tpm, uint32_t index, const struct tpm_binding *binding,
		     const struct tpm_record *record)
{
	cleanup(writer_done) struct writer writer = {};
	uint8_t policy[HASH_SHA256_SIZE];
	struct nv_write write = {};
	struct tpm_policy_command command = {
		.what = "writing the TPM record",
		.binding = binding,
		.policy = policy,
		.before = &record->sealed_values,
		.run = run_write,
		.data = &write,
	};
	TPM_NV_INDEX(nv, tpm);
	int r = tpm_binding_check(binding);

	if (r == 0)
		r = check_values(binding, record);
	if (r == 0)
		r = tpm_record_encode(record, &writer);
	if (r == 0)
		r = tpm_binding_policy(binding, &record->sealed_values, policy);
	if (r == 0)
		r = tpm_primary_get(tpm, binding->legacy_primary, false);
	if (r == 0)
		r = nv_prepare(tpm, index, &command, writer.size, &nv);
	if (r < 0)
		return r;
	write.index = nv.tr;
	write.buffer.size = (uint16_t)writer.size;
	/* analyze: core.NonNullParamChecker: tpm_record_encode() has written into it */
	memcpy(write.buffer.buffer, writer.data, writer.size);
	return tpm_session_run(tpm, &command);
}

int tpm_record_delete(struct tpm *tpm, uint32_t index)
{
	TPM_NV_INDEX(nv, tpm);
	int r = tpm_nv_find(tpm, index, &nv);

	return r < 0 ? r : tpm_nv_undefine(&nv, REMOVING);
}
