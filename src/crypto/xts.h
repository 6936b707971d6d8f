/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_CRYPTO_XTS_H
#define CVMROOT_CRYPTO_XTS_H

#include "base/secret.h"

#define XTS_KEY_SIZE 64 /* AES-256, two keys */

/*
 * AES-256-XTS as dm-crypt's aes-xts-plain64 does it: the IV of a sector is its number counted in
 * 512-byte units from the start of the mapping, also when sectors are 4096 bytes (no
 * iv_large_sectors). One object per thread.
 */
struct xts;

/* @sector_size is 512 or 4096. -EINVAL for another size or key length, or for two equal halves. */
int xts_new(const struct secret *key, size_t sector_size, struct xts **ret);
/*
 * In place, @size bytes that begin at byte @offset of the mapping; both are multiples of the sector
 * size (-EINVAL).
 */
int xts_encrypt(struct xts *xts, uint64_t offset, void *data, size_t size);
int xts_decrypt(struct xts *xts, uint64_t offset, void *data, size_t size);
void xts_free(struct xts *xts);
DEFINE_CLEANUP(struct xts *, xts_free)

#endif
