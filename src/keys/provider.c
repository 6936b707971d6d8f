/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "keys/provider.h"

#include "base/error.h"

#include <string.h>

/* Every provider that a configuration can name. */
static const struct key_provider_ops *const providers[] = {
	&tpm2_provider,
};

int provider_find(const char *name, const struct key_provider_ops **ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(providers); i++) {
		if (strcmp(providers[i]->name, name) == 0) {
			*ret = providers[i];
			return 0;
		}
	}
	return fail(-EINVAL, "no key provider is named %s", name);
}
