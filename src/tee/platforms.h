/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_TEE_PLATFORMS_H
#define CVMROOT_TEE_PLATFORMS_H

#include "tee/tee.h"

/* The table of tee.c, in the order of detection, from 0 on; NULL ends it. */
const struct tee_ops *tee_platform(size_t index);
/* "auto" and the names of the table, separated by ", ". */
void tee_platform_names(char *ret, size_t size);

/* One line "NAME: VALUE" of a description, in columns; the second with the bytes in hex. */
void tee_describe_text(FILE *out, const char *name, const char *format, ...) printf_like(3, 4);
void tee_describe_bytes(FILE *out, const char *name, const void *data, size_t size);

#ifdef CVMROOT_SAMPLE_TEE
/* Evidence that proves nothing, for tests against a broker; never found by detection. */
extern const struct tee_ops tee_sample;
#endif

#endif
