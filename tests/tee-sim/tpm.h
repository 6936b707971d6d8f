/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef TEE_SIM_TPM_H
#define TEE_SIM_TPM_H

#include "sim.h"

/* TPM 2.0 commands as bytes, by an empty owner authorisation. */

struct tpm {
	int fd;
};

struct tpm tpm_open(const char *device);
/* The modulus of a persistent RSA key, made when there is none: restricted, RSASSA, SHA-256. */
void tpm_make_key(struct tpm *tpm, uint32_t handle, struct bytes *ret_modulus);
/* Size of an NV index; -1 when there is none. */
int tpm_nv_size(struct tpm *tpm, uint32_t index);
/* Made anew when its size differs. */
void tpm_nv_define(struct tpm *tpm, uint32_t index, uint16_t size);
void tpm_nv_write(struct tpm *tpm, uint32_t index, const struct bytes *data);
/* -1 when nothing was written to it yet. */
int tpm_nv_read(struct tpm *tpm, uint32_t index, uint16_t size, uint8_t *ret);

#endif
