/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "base/error.h"
#include "tee/bytes.h"
#include "tee/vtpm.h"
#include "tee/vtpm_json.h"

/* Trustee's verifier wants the first 32 bytes of the report data, or all of it and zeros. */
#define NONCE_SIZE 32

static int detect(const struct tee_context *context)
{
	cleanup(tpm_ak_done) struct tpm_ak ak = {};
	int r = context->tpm ? tpm_ak_read(context->tpm, context->ak_handle, &ak) : -ENOENT;

	return r == -ENOENT ? 0 : r < 0 ? r : 1;
}

static int evidence(const struct tee_context *context, const struct tee_request *request,
		    json_t **ret)
{
	cleanup(tpm_ak_done) struct tpm_ak ak = {};
	uint8_t nonce[NONCE_SIZE];
	struct tpm_quote quote;
	int r;

	if (!context->tpm)
		return fail(-ENODEV, "this machine has no TPM to attest with");
	bytes_fit(request->report_data, request->report_data_size, nonce, sizeof(nonce));
	r = tpm_ak_read(context->tpm, context->ak_handle, &ak);
	if (r == 0)
		r = tpm_quote(context->tpm, context->ak_handle, nonce, sizeof(nonce), &quote);
	return r < 0 ? r : vtpm_json_tpm(&quote, &ak, ret);
}

const struct tee_ops tee_tpm = {
	.name = "tpm",
	.title = "a TPM 2.0 with an attestation key",
	.detect = detect,
	.evidence = evidence,
	.check_initdata = vtpm_check_initdata,
	.describe = vtpm_describe,
};
