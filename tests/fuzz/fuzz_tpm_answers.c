/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "fuzz.h"

#include "base/codec.h"
#include "tpm/internal.h"

#include <string.h>
#include <tss2/tss2_tcti.h>

/*
 * A TPM that is the host's: what it answers goes through ESYS to those that use it. The first byte
 * says which one. Then each answer is a byte for its code, two for its size (little-endian), and its
 * parameters; header and authorisation are made here.
 */
#define NV_INDEX  0x01400001
#define AK_HANDLE 0x81000002

static const TSS2_RC codes[] = {
	TPM2_RC_SUCCESS,
	TPM2_RC_VALUE | TPM2_RC_P | TPM2_RC_1,
	TPM2_RC_HANDLE | TPM2_RC_1,
	TPM2_RC_AUTH_FAIL | TPM2_RC_S | TPM2_RC_1,
	TPM2_RC_LOCKOUT,
	TPM2_RC_NV_UNINITIALIZED,
	TPM2_RC_FAILURE,
	TPM2_RC_COMMAND_CODE,
};

struct fake {
	TSS2_TCTI_CONTEXT_COMMON_V1 common;
	struct reader *answers;
	bool sessions; /* that the last command had */
	bool handle;   /* that its answer begins with */
};

static TSS2_RC fake_transmit(TSS2_TCTI_CONTEXT *context, size_t size, const uint8_t *command)
{
	struct fake *fake = (struct fake *)context;

	fake->handle = size > 9 && command[8] == (TPM2_CC_CreatePrimary >> 8 & 0xff) &&
		       command[9] == (TPM2_CC_CreatePrimary & 0xff);
	fake->sessions = size > 1 && command[1] == (TPM2_ST_SESSIONS & 0xff);
	return TSS2_RC_SUCCESS;
}

static void put_be32(uint8_t *to, uint32_t value)
{
	for (int i = 0; i < 4; i++)
		to[i] = (uint8_t)(value >> (24 - 8 * i));
}

/* Tag, size, code; the size of the parameters, and behind them an empty authorisation. */
static size_t make_answer(const struct fake *fake, TSS2_RC code, struct reader *parameters,
			  uint8_t ret[static 4096])
{
	bool sessions = fake->sessions && code == TPM2_RC_SUCCESS;
	size_t used = 10;

	if (code == TPM2_RC_SUCCESS && fake->handle && reader_bytes(parameters, ret + used, 4) == 0)
		used += 4;
	if (sessions) {
		put_be32(ret + used, (uint32_t)parameters->left);
		used += 4;
	}
	if (code == TPM2_RC_SUCCESS && parameters->left > 0) {
		memcpy(ret + used, parameters->data, parameters->left);
		used += parameters->left;
	}
	if (sessions) {
		memcpy(ret + used, "\0\0\1\0\0", 5);
		used += 5;
	}
	ret[0] = 0x80;
	ret[1] = sessions ? TPM2_ST_SESSIONS & 0xff : TPM2_ST_NO_SESSIONS & 0xff;
	put_be32(ret + 2, (uint32_t)used);
	put_be32(ret + 6, code);
	return used;
}

/* Without @response only its size is asked for. */
static TSS2_RC fake_receive(TSS2_TCTI_CONTEXT *context, size_t *size, uint8_t *response,
			    int32_t timeout)
{
	struct fake *fake = (struct fake *)context;
	struct reader ahead = *fake->answers, parameters;
	uint8_t answer[4096], code;
	uint16_t length;
	size_t used;

	(void)timeout;
	if (reader_u8(&ahead, &code) < 0 || reader_le16(&ahead, &length) < 0 ||
	    reader_sub(&ahead, MIN((size_t)length, ahead.left), &parameters) < 0 ||
	    parameters.left > sizeof(answer) - 32)
		return TSS2_TCTI_RC_IO_ERROR;
	used = make_answer(fake, codes[code % ARRAY_SIZE(codes)], &parameters, answer);
	if (response && *size < used)
		return TSS2_TCTI_RC_INSUFFICIENT_BUFFER;
	if (response) {
		memcpy(response, answer, used);
		*fake->answers = ahead;
	}
	*size = used;
	return TSS2_RC_SUCCESS;
}

static void fake_finalize(TSS2_TCTI_CONTEXT *context)
{
	(void)context;
}

static void use_pcrs(struct tpm *tpm)
{
	static const struct tpm_pcr_values zeros = {.bank = HASH_SHA256};
	uint8_t digests[HASH_ALGORITHMS][HASH_MAX_SIZE] = {};
	struct tpm_pcr_values values;
	uint32_t banks = 0, different;
	char list[PCR_LIST_SIZE];

	(void)tpm_pcr_extend(tpm, 11, 1U << HASH_SHA256, digests);
	if (tpm_pcr_extend(tpm, TPM_PCR_COUNT, 1, digests) != -EINVAL ||
	    (tpm_pcr_banks(tpm, &banks) == 0 && banks >= 1U << HASH_ALGORITHMS))
		abort();
	if (tpm_pcr_read(tpm, HASH_SHA256, TPM_QUOTE_PCRS, &values) < 0)
		return;
	different = tpm_pcr_difference(&values, &zeros, TPM_QUOTE_PCRS);
	tpm_pcr_list(different, list);
	for (unsigned int pcr = 0; pcr < TPM_PCR_COUNT; pcr++)
		if (tpm_pcr_is_zero(&values, pcr) == (different >> pcr & 1) ||
		    (tpm_pcr_is_zero(&values, pcr) && tpm_pcr_is_measured(&values, pcr)))
			abort();
}

static void use_nv(struct tpm *tpm)
{
	cleanup(freep) uint8_t *data = NULL;
	size_t size;

	if (tpm_nv_read(tpm, NV_INDEX, &data, &size) == 0 && size > UINT16_MAX)
		abort();
	(void)tpm_nv_write(tpm, NV_INDEX, "ask", 3);
	if (tpm_nv_write(tpm, NV_INDEX, "", 0) != -EINVAL)
		abort();
}

static void use_key(struct tpm *tpm)
{
	cleanup(tpm_ak_done) struct tpm_ak ak = {};

	if (tpm_ak_create(tpm, AK_HANDLE, &ak) == 0 && (!ak.der || ak.size < 256))
		abort();
	tpm_ak_done(&ak);
	ak = (struct tpm_ak){};
	if (tpm_ak_create(tpm, NV_INDEX, &ak) != -EINVAL)
		abort();
}

static void use_quote(struct tpm *tpm)
{
	struct tpm_quote quote;

	if (tpm_quote(tpm, AK_HANDLE, "nonce", 5, &quote) == 0 &&
	    tpm_quote_check(&quote, "nonce", 5) < 0)
		abort();
	if (tpm_quote(tpm, AK_HANDLE, "nonce", 0, &quote) != -EINVAL)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const uses[])(struct tpm *) = {use_pcrs, use_nv, use_key, use_quote};
	struct reader answers = reader_init(data, size);
	cleanup(tpm_freep) struct tpm *tpm = NULL;
	struct fake *fake;
	uint8_t use;

	if (reader_u8(&answers, &use) < 0)
		return 0;
	fake = calloc(1, sizeof(*fake));
	if (!fake)
		return 0;
	fake->common = (TSS2_TCTI_CONTEXT_COMMON_V1){
		.magic = 1,
		.version = 1,
		.transmit = fake_transmit,
		.receive = fake_receive,
		.finalize = fake_finalize,
	};
	fake->answers = &answers;
	if (tpm_open_tcti((TSS2_TCTI_CONTEXT *)fake, &tpm) == 0)
		uses[use % ARRAY_SIZE(uses)](tpm);
	return 0;
}
