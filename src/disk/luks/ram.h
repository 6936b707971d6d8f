/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_DISK_LUKS_RAM_H
#define CVMROOT_DISK_LUKS_RAM_H

#include "base/macro.h"

#include <libcryptsetup.h>

/* A file that exists in RAM only, with a path that libcryptsetup can open. */
struct ram_file {
	int fd;
	char path[32];
};

/* @size bytes of zeros that take no memory until they are written. */
int ram_file_new(uint64_t size, struct ram_file *ret);
void ram_file_done(struct ram_file *file);

/*
 * A libcryptsetup context on @header, with the data on @device (NULL: none). Sets libcryptsetup up
 * for this process: silent, without lock files, and without token plugins.
 */
int luks_ram_open(const struct ram_file *header, const char *device, struct crypt_device **ret);

/* What libcryptsetup said last; never NULL. */
const char *luks_ram_error(void);

static inline void crypt_freep(struct crypt_device **device)
{
	crypt_free(*device);
}

#endif
