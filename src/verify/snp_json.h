/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_VERIFY_SNP_JSON_H
#define CVMROOT_VERIFY_SNP_JSON_H

#include "tee/snp_report.h"

/*
 * The reverse of snp_report_to_json(): the report's bytes, over which AMD's signature is. What the
 * JSON does not carry is zero. -EBADMSG with a sentence.
 */
int snp_report_from_json(json_t *json, uint8_t ret[static SNP_REPORT_SIZE]);

#endif
