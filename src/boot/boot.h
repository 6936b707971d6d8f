/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_BOOT_BOOT_H
#define CVMROOT_BOOT_BOOT_H

#include "config/config.h"

/*
 * The whole of `cvmroot boot`: find the root partition, convert or unlock it, measure, activate the
 * mapping. 0 when /dev/mapper/NAME is there; else negative errno with its sentence, and nothing is
 * mapped. Status goes to STATUS_PATH, progress to the console and the service manager.
 */
int boot_run(const struct config *config);

#endif
