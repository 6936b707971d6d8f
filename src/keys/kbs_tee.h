/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_KEYS_KBS_TEE_H
#define CVMROOT_KEYS_KBS_TEE_H

#include "config/config.h"
#include "tee/tee.h"

/* The TEE that [tee] of a configuration asks for. */

/* @tpm is borrowed; NULL: this machine has none. */
struct tee_context kbs_tee_context(const struct config *config, struct tpm *tpm);
/* As tee_find(); makes the TPM's attestation key first when the configuration says so. */
int kbs_tee_find(const struct config *config, const struct tee_context *context,
		 const struct tee_ops **ret);

#endif
