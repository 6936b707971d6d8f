/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_KEYS_TPM2_BINDING_H
#define CVMROOT_KEYS_TPM2_BINDING_H

#include "config/config.h"
#include "tpm/tpm.h"

/*
 * What a configuration binds secrets, and the right to write the record, to: struct tpm_binding
 * with the texts of the files that it needs. Owns them.
 */
struct tpm2_binding {
	struct tpm_binding binding;
	char *public_key;
	char *signature;
};

/* Reads the files that the configuration names; -ENOENT and the like name them. */
int tpm2_binding_load(const struct config *config, struct tpm2_binding *ret);
void tpm2_binding_done(struct tpm2_binding *binding);

#endif
