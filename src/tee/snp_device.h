/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_TEE_SNP_DEVICE_H
#define CVMROOT_TEE_SNP_DEVICE_H

#include "tee/snp_report.h"

#define SNP_DEVICE "/dev/sev-guest"

/*
 * A report and, where the host gives one, its certificate table (else NULL), of VMPL 0, by the
 * ioctl interface of kernels before 6.7. The caller frees both. -ENODEV without the device.
 */
int snp_device_get(const char *path, const uint8_t report_data[static SNP_REPORT_DATA_SIZE],
		   uint8_t **ret_report, size_t *ret_report_size, uint8_t **ret_certs,
		   size_t *ret_certs_size);

#endif
