/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_KEYS_COMBINE_H
#define CVMROOT_KEYS_COMBINE_H

#include "base/secret.h"

/* The secret of one provider, for rule = "all". */
struct key_part {
	const char *provider;
	const struct secret *secret;
};

/*
 * One passphrase that needs every part: the base64 text of HKDF-SHA256 over the parts, each with
 * its provider's name and its length, in the order of the names, whatever that of @parts. 32 bytes
 * of it; 16 when a part is shorter than LUKS_STRONG_PASSPHRASE, so that the keyslot is made for a
 * passphrase that can be guessed.
 */
int key_combine(const struct key_part *parts, size_t count, struct secret **ret);

#endif
