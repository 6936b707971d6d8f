/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_BASE_SECRET_H
#define CVMROOT_BASE_SECRET_H

#include "base/macro.h"

/*
 * A secret in a mapping of its own: locked where the limits allow, left out of core dumps and of
 * forked children, wiped before it is unmapped. Secrets live nowhere else: not on the stack, not in
 * argv, the environment, a log or a file name.
 */
struct secret {
	uint8_t *data;
	size_t size; /* bytes */
};

/* A zeroed secret of @size bytes, 1 to 1 MiB. -EINVAL, -ENOMEM. */
int secret_new(size_t size, struct secret **ret);
/* A secret that holds a copy of @data; the caller wipes its own. */
int secret_copy(const void *data, size_t size, struct secret **ret);
/* @size bytes from the kernel's RNG, which is waited for until it is seeded. */
int secret_random(size_t size, struct secret **ret);
/* The base64 text of @from, without newline and NUL: systemd's passphrase of a TPM keyslot. */
int secret_base64(const struct secret *from, struct secret **ret);
/* Compare in constant time. */
bool secret_equal(const struct secret *a, const struct secret *b);
void secret_free(struct secret *secret);
DEFINE_CLEANUP(struct secret *, secret_free)

/* Public random bytes (UUIDs, salts) from the kernel's RNG. */
int random_bytes(void *ret, size_t size);

#endif
