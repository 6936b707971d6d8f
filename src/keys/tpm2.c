/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "keys/provider.h"

#include "base/error.h"
#include "tpm/token.h"

static int require_tpm(const struct provider_context *context)
{
	if (context->tpm)
		return 0;
	return fail(-ENODEV, "the configuration asks for a key from the TPM, and this machine has "
			     "none; give the virtual machine a vTPM, or name another key provider");
}

static int tpm2_enrol(const struct provider_context *context, struct secret **ret_passphrase,
		      json_t **ret_token)
{
	cleanup(tpm_sealed_freep) struct tpm_sealed *sealed = NULL;
	cleanup(secret_freep) struct secret *secret = NULL;
	cleanup(secret_freep) struct secret *passphrase = NULL;
	int r = require_tpm(context);

	if (r < 0)
		return r;
	r = secret_random(TPM_SECRET_SIZE, &secret);
	if (r < 0)
		return r;
	r = tpm_seal(context->tpm, context->binding, secret, &sealed);
	if (r < 0)
		return r;
	r = secret_base64(secret, &passphrase);
	if (r < 0)
		return r;
	r = tpm_token_make(sealed, ret_token);
	if (r < 0)
		return r;
	*ret_passphrase = TAKE_PTR(passphrase);
	return 0;
}

static int tpm2_unlock(const struct provider_context *context, json_t *token,
		       struct secret **ret_passphrase)
{
	cleanup(tpm_sealed_freep) struct tpm_sealed *sealed = NULL;
	cleanup(secret_freep) struct secret *secret = NULL;
	int r = require_tpm(context);

	if (r < 0)
		return r;
	r = tpm_token_parse(token, &sealed);
	if (r < 0)
		return r;
	r = tpm_unseal(context->tpm, context->binding, sealed, context->sealed_values, &secret);
	if (r < 0)
		return r;
	return secret_base64(secret, ret_passphrase);
}

const struct key_provider_ops tpm2_provider = {
	.name = "tpm2",
	.token_type = TPM_TOKEN_TYPE,
	.needs_tpm = true,
	.enrol = tpm2_enrol,
	.unlock = tpm2_unlock,
};
