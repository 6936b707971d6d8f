/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_TEE_SNP_CERTS_H
#define CVMROOT_TEE_SNP_CERTS_H

#include "base/macro.h"

#include <jansson.h>

#define SNP_CERTS_LIMIT	 (64 * KIB)
#define SNP_CERTS_NUMBER 32

/*
 * The member "cert_chain" of Trustee's evidence from the certificate table that the host may give
 * (GHCB specification, #56421, cert_table): null without a VCEK or VLEK in it, which makes the
 * broker fetch one itself. What the certificates say is the broker's to check. -EBADMSG, -E2BIG.
 */
int snp_certs_to_json(const void *table, size_t size, json_t **ret);

#endif
