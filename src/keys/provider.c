/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "keys/provider.h"

#include "base/error.h"

#include <string.h>

static const struct key_provider_ops *const providers[] = {
	&kbs_provider,
	&tpm2_provider,
};

int provider_find(const char *name, const struct key_provider_ops **ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(providers); i++)
		if (strcmp(providers[i]->name, name) == 0) {
			*ret = providers[i];
			return 0;
		}
	return fail(-EINVAL, "there is no key provider named %s", name);
}

bool provider_needs_tpm(const struct config *config)
{
	for (size_t i = 0; i < config->providers_count; i++) {
		const struct key_provider_ops *provider;

		if (provider_find(config->providers[i], &provider) == 0 && provider->needs_tpm)
			return true;
	}
	return false;
}

/* Where the TPM gives no key, its record does not open the root: an update of the document may. */
void provider_bind_initdata(struct config *config)
{
	if (provider_needs_tpm(config))
		config->tpm2_pcrs |= TPM_PCRS_INITDATA;
}
