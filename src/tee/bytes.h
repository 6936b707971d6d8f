/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_TEE_BYTES_H
#define CVMROOT_TEE_BYTES_H

#include "base/macro.h"

#include <jansson.h>

/* An array of numbers, as serde writes bytes; NULL without memory. */
json_t *bytes_to_json(const uint8_t *data, size_t size);
/* The reverse. -EBADMSG unless an array of numbers of 0 to 255; the caller frees *ret. */
int bytes_from_json(json_t *array, size_t limit, uint8_t **ret, size_t *ret_size);

/* Copy, cut or filled with zeros at the end: how each TEE takes a digest of another size. */
void bytes_fit(const uint8_t *data, size_t size, uint8_t *ret, size_t ret_size);

#endif
