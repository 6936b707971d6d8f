/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "crypto/hash.h"
#include "verify/verify.h"

#include <string.h>

#define LABEL "cvmroot evidence 1"

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
