/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "base/error.h"
#include "tpm/internal.h"

#include <string.h>

#define READ_TRIES 30

static const TPM2_ALG_ID algorithm_ids[HASH_ALGORITHMS] = {
	[HASH_SHA1] = TPM2_ALG_SHA1,
	[HASH_SHA256] = TPM2_ALG_SHA256,
	[HASH_SHA384] = TPM2_ALG_SHA384,
	[HASH_SHA512] = TPM2_ALG_SHA512,
};

void tpm_pcr_selection(enum hash_algorithm bank, uint32_t mask, TPML_PCR_SELECTION *ret)
{
	*ret = (TPML_PCR_SELECTION){.count = 1};
	ret->pcrSelections[0].hash = algorithm_ids[bank];
	ret->pcrSelections[0].sizeofSelect = TPM_PCR_COUNT / 8;
	for (unsigned int i = 0; i < TPM_PCR_COUNT / 8; i++)
		ret->pcrSelections[0].pcrSelect[i] = (uint8_t)(mask >> 8 * i);
}

static uint32_t selection_mask(const TPMS_PCR_SELECTION *selection)
{
	uint32_t mask = 0;

	for (unsigned int i = 0; i < MIN(selection->sizeofSelect, TPM_PCR_COUNT / 8); i++)
		mask |= (uint32_t)selection->pcrSelect[i] << 8 * i;
	return mask;
}

/* Store the answer to one PCR_Read; the PCRs that it held, or 0 when it makes no sense. */
static uint32_t take_values(const TPML_PCR_SELECTION *selection, const TPML_DIGEST *digests,
			    struct tpm_pcr_values *values)
{
	uint32_t mask = selection->count == 1 ? selection_mask(&selection->pcrSelections[0]) : 0;
	size_t size = hash_size(values->bank);
	uint32_t n = 0;

	mask &= values->mask;
	for (unsigned int pcr = 0; pcr < TPM_PCR_COUNT; pcr++) {
		if (!(mask & 1U << pcr))
			continue;
		if (n >= digests->count || digests->digests[n].size != size)
			return 0;
		memcpy(values->values[pcr], digests->digests[n++].buffer, size);
	}
	return n == digests->count ? mask : 0;
}

static int read_some(struct tpm *tpm, uint32_t mask, struct tpm_pcr_values *values,
		     uint32_t *ret_mask, uint32_t *ret_counter)
{
	cleanup(esys_freep) TPML_PCR_SELECTION *given = NULL;
	cleanup(esys_freep) TPML_DIGEST *digests = NULL;
	TPML_PCR_SELECTION wanted;
	TSS2_RC rc;

	tpm_pcr_selection(values->bank, mask, &wanted);
	rc = Esys_PCR_Read(tpm->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &wanted,
			   ret_counter, &given, &digests);
	if (rc != TSS2_RC_SUCCESS)
		return tpm_fail(rc, "reading the TPM's PCRs");
	*ret_mask = take_values(given, digests, values) & mask;
	if (*ret_mask == 0)
		return fail(-EOPNOTSUPP, "the TPM's %s PCR bank is not active",
			    hash_name(values->bank));
	return 0;
}

/* The TPM gives at most eight values at a time: 1 when a PCR changed before the last of them. */
static int read_once(struct tpm *tpm, struct tpm_pcr_values *values)
{
	uint32_t missing = values->mask, taken = 0, first = 0, counter = 0;

	while (missing != 0) {
		int r = read_some(tpm, missing, values, &taken, &counter);

		if (r < 0)
			return r;
		if (missing == values->mask)
			first = counter;
		if (counter != first)
			return 1;
		missing &= ~taken;
	}
	return 0;
}

int tpm_pcr_read(struct tpm *tpm, enum hash_algorithm bank, uint32_t mask,
		 struct tpm_pcr_values *ret)
{
	for (int i = 0; i < READ_TRIES; i++) {
		struct tpm_pcr_values values = {.bank = bank, .mask = mask};
		int r = read_once(tpm, &values);

		if (r < 0)
			return r;
		if (r == 0) {
			*ret = values;
			return 0;
		}
	}
	return fail(-EIO, "reading the TPM's PCRs: they kept changing meanwhile");
}

static int ask_for_banks(struct tpm *tpm, uint32_t *ret)
{
	cleanup(esys_freep) TPMS_CAPABILITY_DATA *data = NULL;
	uint32_t banks = 0;
	TSS2_RC rc = Esys_GetCapability(tpm->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
					TPM2_CAP_PCRS, 0, TPM2_MAX_PCRS, NULL, &data);

	if (rc != TSS2_RC_SUCCESS)
		return tpm_fail(rc, "asking the TPM for its PCR banks");
	if (data->capability != TPM2_CAP_PCRS)
		return fail(-EIO, "asking the TPM for its PCR banks: a senseless answer");
	for (uint32_t i = 0; i < MIN(data->data.assignedPCR.count, TPM2_NUM_PCR_BANKS); i++) {
		const TPMS_PCR_SELECTION *bank = &data->data.assignedPCR.pcrSelections[i];

		for (unsigned int j = 0; j < HASH_ALGORITHMS; j++)
			if (algorithm_ids[j] == bank->hash && selection_mask(bank) != 0)
				banks |= 1U << j;
	}
	*ret = banks;
	return 0;
}

int tpm_pcr_banks(struct tpm *tpm, uint32_t *ret)
{
	if (tpm->banks == 0)
		return ask_for_banks(tpm, ret);
	*ret = tpm->banks;
	return 0;
}

int tpm_pcr_extend(struct tpm *tpm, unsigned int pcr, uint32_t banks,
		   uint8_t (*digests)[HASH_MAX_SIZE])
{
	TPML_DIGEST_VALUES list = {};
	ESYS_TR session = ESYS_TR_PASSWORD;
	TSS2_RC rc;
	int r;

	if (pcr >= TPM_PCR_COUNT || banks == 0 || banks >= 1U << HASH_ALGORITHMS)
		return -EINVAL;
	for (unsigned int i = 0; i < HASH_ALGORITHMS; i++) {
		if (!(banks & 1U << i))
			continue;
		list.digests[list.count].hashAlg = algorithm_ids[i];
		memcpy(&list.digests[list.count].digest, digests[i],
		       hash_size((enum hash_algorithm)i));
		list.count++;
	}
	/* Where a primary key is known nobody can drop the command unseen. */
	r = tpm_pcr_extend_is_proved(tpm) ? tpm_session_get(tpm, &session) : 0;
	if (r < 0)
		return r;
	/* ESYS numbers the PCRs' handles from zero. */
	rc = Esys_PCR_Extend(tpm->esys, ESYS_TR_PCR0 + pcr, session, ESYS_TR_NONE, ESYS_TR_NONE,
			     &list);
	if (rc != TSS2_RC_SUCCESS)
		return tpm_session_fail(tpm, rc, "extending a PCR");
	tpm_session_used(tpm);
	return 0;
}

bool tpm_pcr_extend_is_proved(const struct tpm *tpm)
{
	return tpm->primary != ESYS_TR_NONE;
}

void tpm_pcr_extend_last(struct tpm *tpm)
{
	tpm_session_end(tpm);
}

static bool all_bytes_are(const struct tpm_pcr_values *values, unsigned int pcr, uint8_t byte)
{
	for (size_t i = 0; i < hash_size(values->bank); i++)
		if (values->values[pcr][i] != byte)
			return false;
	return true;
}

bool tpm_pcr_is_zero(const struct tpm_pcr_values *values, unsigned int pcr)
{
	return all_bytes_are(values, pcr, 0);
}

bool tpm_pcr_is_measured(const struct tpm_pcr_values *values, unsigned int pcr)
{
	return !all_bytes_are(values, pcr, 0) && !all_bytes_are(values, pcr, 0xff);
}

void tpm_pcr_list(uint32_t mask, char ret[static PCR_LIST_SIZE])
{
	const char *separator = "";
	size_t used = 0;
	uint32_t left;

	ret[0] = '\0';
	for (unsigned int pcr = 0; pcr < TPM_PCR_COUNT; pcr++) {
		if (!(mask & 1U << pcr))
			continue;
		used += (size_t)snprintf(ret + used, PCR_LIST_SIZE - used, "%s%u", separator, pcr);
		left = mask >> (pcr + 1);
		separator = (left & (left - 1)) != 0 ? ", " : " and ";
	}
}

uint32_t tpm_pcr_difference(const struct tpm_pcr_values *a, const struct tpm_pcr_values *b,
			    uint32_t mask)
{
	uint32_t different = 0;

	for (unsigned int pcr = 0; pcr < TPM_PCR_COUNT; pcr++)
		if (mask & 1U << pcr &&
		    memcmp(a->values[pcr], b->values[pcr], hash_size(a->bank)) != 0)
			different |= 1U << pcr;
	return different;
}
