/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_TPM_TOKEN_H
#define CVMROOT_TPM_TOKEN_H

#include "base/json.h"
#include "tpm/tpm.h"

#define TPM_TOKEN_TYPE "systemd-tpm2"

/* The LUKS2 token exactly as systemd-cryptenroll(1) writes it, but for "keyslots". Pure. */
int tpm_token_make(const struct tpm_sealed *sealed, json_t **ret);
/*
 * Strict reader of an untrusted token: sizes, ranges, types. PIN, pcrlock and shards: -EOPNOTSUPP.
 */
int tpm_token_parse(json_t *token, struct tpm_sealed **ret);

#endif
