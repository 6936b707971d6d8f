/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_TEE_PEF_H
#define CVMROOT_TEE_PEF_H

/*
 * 1 in a guest that Power's Protected Execution Facility protects, else 0. It has an ultravisor,
 * but the kernel offers no way to ask that for evidence.
 */
int tee_pef_detect(void);

#endif
