/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "base/error.h"
#include "verify/verify.h"

#include <string.h>

static const struct {
	const char *name;
	bool registers;
} platforms[] = {
	{"tdx", true},	{"az-tdx-vtpm", true}, {"az-snp-vtpm", true},
	{"snp", false}, {"cca", false},	       {"tpm", true},
};

int verify_has_registers(const char *tee)
{
	for (size_t i = 0; i < ARRAY_SIZE(platforms); i++)
		if (strcmp(platforms[i].name, tee) == 0)
			return platforms[i].registers;
	return fail(-EOPNOTSUPP, "evidence of platform \"%s\" cannot be checked later", tee);
}
