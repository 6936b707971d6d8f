/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_BOOT_FAILURE_H
#define CVMROOT_BOOT_FAILURE_H

#include "config/config.h"

/* How every failed boot ends. */

/*
 * Print the sentence on the console, extend the poison event, so that nothing can be unsealed any
 * more in this boot (the TPM is opened anew: the caller's may be what failed), and power off or
 * restart. What goes wrong on the way is logged and does not stop it. Returns only if the kernel
 * refuses.
 */
void failure_end(enum config_failure_action action, const char *sentence);

#endif
