/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "keys/tpm2_binding.h"

#include "base/file.h"

#define KEY_SIZE_LIMIT	     (16 * KIB)
#define SIGNATURE_SIZE_LIMIT (256 * KIB)

int tpm2_binding_load(const struct config *config, struct tpm2_binding *ret)
{
	cleanup(tpm2_binding_done) struct tpm2_binding loaded = {};
	int r;

	if (config->tpm2_public_key) {
		r = file_load_text(config->tpm2_public_key, KEY_SIZE_LIMIT, "PCR policy public key",
				   &loaded.public_key);
		if (r < 0)
			return r;
		r = file_load_text(config->tpm2_signature, SIGNATURE_SIZE_LIMIT,
				   "PCR policy signature", &loaded.signature);
		if (r < 0)
			return r;
	}
	loaded.binding = (struct tpm_binding){
		.bank = config->tpm2_bank,
		.pcrs = config->tpm2_pcrs,
		.public_key = loaded.public_key,
		.signature = loaded.signature,
		.legacy_primary = config->tpm2_legacy_primary,
	};
	*ret = loaded;
	loaded = (struct tpm2_binding){};
	return 0;
}

void tpm2_binding_done(struct tpm2_binding *binding)
{
	free(binding->public_key);
	free(binding->signature);
	*binding = (struct tpm2_binding){};
}
