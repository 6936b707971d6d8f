/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_TPM_DEVICE_H
#define CVMROOT_TPM_DEVICE_H

#include <stdint.h>

#include <tss2/tss2_tcti.h>

/* What the kernel offers of the TPM: a TCTI over TPM_DEVICE, and its PCR banks in sysfs. */

#define TPM_DEVICE_FOLDER "/sys/class/tpm/tpm0"

/* -ENODEV, -EACCES, -EIO with a sentence. Ends with Tss2_Tcti_Finalize() and free(). */
int tpm_device_open(TSS2_TCTI_CONTEXT **ret);
/* Over an open file that takes a command with each write and gives its answer to the next read. */
int tpm_device_new(int fd, TSS2_TCTI_CONTEXT **ret);
/* Bit (1 << HASH_...) for each bank that is active; 0: this kernel does not tell. */
uint32_t tpm_device_banks(const char *folder);

#endif
