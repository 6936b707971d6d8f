/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_TEE_SNP_IOCTL_H
#define CVMROOT_TEE_SNP_IOCTL_H

#include "tee/snp_report.h"

/*
 * The words of /dev/sev-guest (Linux, include/uapi/linux/sev-guest.h, which not every system's
 * headers have), apart from the device itself. All of it is little-endian: SNP is x86.
 */

#define SNP_REQUEST_SIZE     96	  /* snp_report_req */
#define SNP_EXT_REQUEST_SIZE 112  /* snp_ext_report_req */
#define SNP_RESPONSE_SIZE    4000 /* snp_report_resp */
#define SNP_PAGE_SIZE	     4096 /* certificates come in whole pages of this size */

/* snp_guest_request_ioctl */
struct snp_guest_request {
	uint8_t msg_version; /* 1 */
	uint64_t request;    /* addresses */
	uint64_t response;
	uint64_t exit_info; /* upper half: of the hypervisor; lower half: of the firmware */
};

void snp_request_encode(const uint8_t report_data[static SNP_REPORT_DATA_SIZE], uint32_t vmpl,
			uint8_t ret[static SNP_REQUEST_SIZE]);
/* The extended request, with room for certificates; address and size may be 0. */
void snp_ext_request_encode(const uint8_t report_data[static SNP_REPORT_DATA_SIZE], uint32_t vmpl,
			    uint64_t certs_address, uint32_t certs_size,
			    uint8_t ret[static SNP_EXT_REQUEST_SIZE]);

/* MSG_REPORT_RSP: borrow the report from it. -EIO: the firmware refused; -EBADMSG: wrong size. */
int snp_response_decode(const uint8_t response[static SNP_RESPONSE_SIZE], const uint8_t **ret,
			size_t *ret_size);

/*
 * What exit_info says. -E2BIG: the certificates need more room, and *ret_certs_size from the
 * request that came back says how much; -EBUSY: try again; -EIO: anything else, with a sentence.
 */
int snp_exit_decode(uint64_t exit_info, const uint8_t request[static SNP_EXT_REQUEST_SIZE],
		    uint32_t *ret_certs_size);

#endif
