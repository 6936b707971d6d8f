/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_VERIFY_QUOTE_SIGNATURE_H
#define CVMROOT_VERIFY_QUOTE_SIGNATURE_H

#include "base/macro.h"

/* How a TDX quote is signed (Intel TDX DCAP Quoting Library API, appendix A.4). */

#define QE_REPORT_SIZE 384 /* of SGX: REPORTBODY */

/* All borrowed from the quote. */
struct quote_signature {
	size_t signed_size;	       /* of the quote, from its first byte: header and body */
	size_t body;		       /* where the TD's report begins */
	const uint8_t *signature;      /* r and s by the attestation key over that */
	const uint8_t *key;	       /* x and y on P-256 */
	const uint8_t *qe_report;      /* of the quoting enclave, which made the key */
	const uint8_t *qe_signature;   /* r and s by the platform's key (PCK) over the report */
	const uint8_t *authentication; /* data that the report binds beside the key */
	size_t authentication_size;
	const uint8_t *certificates; /* PEM: the PCK's, its issuer's, the root's */
	size_t certificates_size;
};

/* Version 4 or 5, and a signature of the kind that all of today's have; -EBADMSG. */
int quote_signature_parse(const void *quote, size_t size, struct quote_signature *ret);

#endif
