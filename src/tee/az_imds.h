/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_TEE_AZ_IMDS_H
#define CVMROOT_TEE_AZ_IMDS_H

#include "base/macro.h"

/*
 * What Azure's instance metadata service (IMDS) says about a confidential VM. It belongs to the
 * host: nothing of it is believed here, only its form is checked; whoever gets the evidence verifies
 * it to the roots of AMD or Intel. Pure.
 */

#define AZ_IMDS_ANSWER_LIMIT (64 * KIB)

/* The certificate of the chip's key (VCEK), as PEM text and in DER; the caller frees both. */
struct az_vcek {
	char *pem;
	uint8_t *der;
	size_t der_size;
};
void az_vcek_done(struct az_vcek *vcek);
/* From the answer to GET /metadata/THIM/amd/certification. -EBADMSG. */
int az_vcek_read(const char *answer, size_t size, struct az_vcek *ret);

/* The body of POST /acc/tdquote for a TDREPORT. The caller frees. */
int az_td_quote_ask(const uint8_t *tdreport, size_t size, char **ret);
/* The quote in the answer, in either alphabet of base64. -EBADMSG. The caller frees. */
int az_td_quote_read(const char *answer, size_t size, uint8_t **ret, size_t *ret_size);

#endif
