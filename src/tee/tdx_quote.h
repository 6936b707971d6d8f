/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_TEE_TDX_QUOTE_H
#define CVMROOT_TEE_TDX_QUOTE_H

#include "base/macro.h"

/*
 * A quote of Intel TDX (Intel TDX DCAP Quoting Library API, appendix A), version 4 or 5, and the
 * TDREPORT (Intel TDX Module ABI, TDREPORT_STRUCT) that it is made from. A quote passes through the
 * host, and its signature is the broker's to check; a TDREPORT comes from the TDX module itself.
 */

#define TDX_REPORT_DATA_SIZE 64
#define TDX_MR_SIZE	     48
#define TDX_RTMR_COUNT	     4
#define TDX_REPORT_SIZE	     1024

struct tdx_quote {
	uint16_t version;
	uint16_t body_type;	 /* 2: TDX 1.0, 3: TDX 1.5 */
	uint8_t tee_tcb_svn[16]; /* of the TDX module */
	uint8_t mrseam[TDX_MR_SIZE];
	uint8_t td_attributes[8], xfam[8];
	uint8_t mrtd[TDX_MR_SIZE], mrconfigid[TDX_MR_SIZE], mrowner[TDX_MR_SIZE];
	uint8_t mrownerconfig[TDX_MR_SIZE];
	uint8_t rtmr[TDX_RTMR_COUNT][TDX_MR_SIZE];
	uint8_t report_data[TDX_REPORT_DATA_SIZE];
	uint8_t tee_tcb_svn2[16], mrservicetd[TDX_MR_SIZE]; /* body type 3, else zero */
};

/* -EBADMSG: not such a quote, or cut. Bytes behind the signature are tolerated: quotes come so. */
int tdx_quote_parse(const void *data, size_t size, struct tdx_quote *ret);
/* -ESTALE when the quote is about other report data. */
int tdx_quote_check(const struct tdx_quote *quote,
		    const uint8_t report_data[static TDX_REPORT_DATA_SIZE]);

struct tdx_report {
	uint8_t report_data[TDX_REPORT_DATA_SIZE];
	uint8_t mrconfigid[TDX_MR_SIZE];
};

/* -EBADMSG unless 1024 bytes that begin as a report of a TD. */
int tdx_report_parse(const void *data, size_t size, struct tdx_report *ret);
/* 0 when MRCONFIGID is the digest, cut or filled with zeros to 48 bytes; else -EKEYREJECTED. */
int tdx_report_check_config_id(const struct tdx_report *report, const uint8_t *digest,
			       size_t digest_size);

#endif
