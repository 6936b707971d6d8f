/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_KEYS_KBS_RESOURCE_H
#define CVMROOT_KEYS_KBS_RESOURCE_H

#include "base/codec.h"

/*
 * Replace %u by the LUKS UUID and %i by @instance_id, which may be NULL when there is no %i.
 * -EINVAL for another letter, or when one is missing. Pure.
 */
int kbs_resource_expand(const char *text, const uint8_t luks_uuid[static UUID_SIZE],
			const char *instance_id, char **ret);

#endif
