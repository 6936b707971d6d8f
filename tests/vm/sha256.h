/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_TESTS_VM_SHA256_H
#define CVMROOT_TESTS_VM_SHA256_H

#include <stddef.h>
#include <stdint.h>

/* FIPS 180-4 SHA-256 for the guest program: libcrypto does not link statically without warnings. */
struct sha256 {
	uint32_t state[8];
	uint64_t size;
	uint8_t block[64];
};

void sha256_start(struct sha256 *hash);
void sha256_update(struct sha256 *hash, const void *data, size_t size);
void sha256_finish(struct sha256 *hash, uint8_t ret[static 32]);

#endif
