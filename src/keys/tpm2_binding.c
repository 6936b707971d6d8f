/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "keys/tpm2_binding.h"

#include "base/error.h"
#include "base/file.h"

#include <string.h>

#define KEY_SIZE_LIMIT	     (16 * KIB)
#define SIGNATURE_SIZE_LIMIT (256 * KIB)

static int load_text(const char *path, size_t limit, const char *what, char **ret)
{
	size_t size;
	int r = file_read_all(path, limit, ret, &size);

	if (r == -E2BIG)
		return fail(r, "the %s %s is longer than %zu KiB", what, path, limit / KIB);
	return r < 0 ? fail(r, "cannot read the %s %s: %s", what, path, strerror(-r)) : 0;
}

int tpm2_binding_load(const struct config *config, struct tpm2_binding *ret)
{
	cleanup(tpm2_binding_done) struct tpm2_binding loaded = {};
	int r;

	if (config->tpm2_public_key) {
		r = load_text(config->tpm2_public_key, KEY_SIZE_LIMIT, "PCR policy public key",
			      &loaded.public_key);
		if (r < 0)
			return r;
		r = load_text(config->tpm2_signature, SIGNATURE_SIZE_LIMIT, "PCR policy signature",
			      &loaded.signature);
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
