/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "keys/kbs_tee.h"

#include "base/error.h"
#include "tpm/quote.h"

#include <string.h>

/* The paravisor of Azure takes about three seconds. */
#define TEE_WAIT_MS 30000

struct tee_context kbs_tee_context(const struct config *config, struct tpm *tpm)
{
	return (struct tee_context){
		.tpm = tpm,
		.ak_handle = config->tee_ak_handle,
		.wait_ms = TEE_WAIT_MS,
	};
}

static int make_ak(const struct tee_context *context)
{
	cleanup(tpm_ak_done) struct tpm_ak ak = {};

	return tpm_ak_create(context->tpm, context->ak_handle, &ak);
}

int kbs_tee_find(const struct config *config, const struct tee_context *context,
		 const struct tee_ops **ret)
{
	bool may_make = config->tee_create_ak && context->tpm;
	int r;

	if (may_make && strcmp(config->tee, "tpm") == 0) {
		r = make_ak(context);
		return r < 0 ? r : tee_find(config->tee, context, ret);
	}
	r = tee_find(config->tee, context, ret);
	/* On hardware that attests itself no such key is wanted, so this comes last. */
	if (r != -ENODEV || !may_make)
		return r;
	r = make_ak(context);
	return r < 0 ? r : tee_find(config->tee, context, ret);
}
