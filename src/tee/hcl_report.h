/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_TEE_HCL_REPORT_H
#define CVMROOT_TEE_HCL_REPORT_H

#include "base/macro.h"

/*
 * The report that the paravisor (HCL, host compatibility layer) of an Azure confidential VM keeps in
 * the vTPM: the hardware's own report, and a JSON text ("runtime data") whose SHA-256 begins the
 * hardware report's report data and which holds the vTPM's attestation key. Pure.
 */

enum hcl_type {
	HCL_SNP = 2,
	HCL_TDX = 4,
};

#define HCL_SNP_REPORT_SIZE 1184
#define HCL_TDREPORT_SIZE   1024
#define HCL_USER_DATA_SIZE  64

struct hcl_report {
	enum hcl_type type;
	const uint8_t *hardware; /* SNP report or TDREPORT; borrowed */
	size_t hardware_size;
	uint8_t *ak; /* SubjectPublicKeyInfo of the vTPM's attestation key, in DER */
	size_t ak_size;
	uint8_t user_data[HCL_USER_DATA_SIZE]; /* what the guest gave to the paravisor */
	size_t user_data_size;		       /* 0: this paravisor has no user data */
};

/*
 * Read a report of @size bytes, of which the last ones may be missing: what follows the JSON is not
 * looked at. -EBADMSG; -EOPNOTSUPP for another kind of report or hash; -EKEYREJECTED when the
 * hardware report does not bind the JSON. @data is borrowed.
 */
int hcl_report_parse(const void *data, size_t size, struct hcl_report *ret);
void hcl_report_done(struct hcl_report *report);

/* Only which kind it says it is: 1 when it is a report of @type, else 0. */
int hcl_report_is(const void *data, size_t size, enum hcl_type type);

#endif
