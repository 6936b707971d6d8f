/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "base/error.h"
#include "crypto/hash.h"
#include "verify/verify.h"

#include <string.h>

#define LABEL "cvmroot evidence 1"

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

int verify_report_data(bool has_registers, const void *log, size_t log_size, const uint8_t *nonce,
		       size_t nonce_size, uint8_t ret[static TEE_REPORT_DATA_SIZE],
		       size_t *ret_size)
{
	uint8_t data[sizeof(LABEL) + 48 + TEE_REPORT_DATA_SIZE] = LABEL;
	uint8_t *digest = data + sizeof(LABEL);
	size_t digest_size = hash_size(HASH_SHA384);
	int r;

	if (nonce_size > TEE_REPORT_DATA_SIZE)
		return -EINVAL;
	if (has_registers) {
		memcpy(ret, nonce, nonce_size);
		*ret_size = nonce_size;
		return 0;
	}
	r = hash_data(HASH_SHA384, log, log_size, digest);
	if (r < 0)
		return r;
	memcpy(digest + digest_size, nonce, nonce_size);
	*ret_size = TEE_REPORT_DATA_SIZE;
	return hash_data(HASH_SHA512, data, sizeof(LABEL) + digest_size + nonce_size, ret);
}
