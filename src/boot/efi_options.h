/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_BOOT_EFI_OPTIONS_H
#define CVMROOT_BOOT_EFI_OPTIONS_H

#include "base/macro.h"

/*
 * systemd obeys the EFI variable SystemdOptions as if it stood on the kernel command line, unless
 * Secure Boot is on. No register holds it, and where the firmware's variables are the host's, so is
 * that. See systemd(1), "SystemdOptions".
 */

struct efi_places {
	const char *firmware; /* there on EFI machines only; "efivars" in it is the list */
	const char *services; /* there when the firmware has variables at run time */
	const char *copies;   /* where systemd keeps what it has read */
};

/*
 * -EPERM, with a sentence, when the variable is there, or when there is no telling: @listed says
 * whether the list of variables is mounted.
 */
int efi_options_check(const struct efi_places *places, bool listed);

/* The same for this machine. */
int efi_options_refuse(void);

#endif
