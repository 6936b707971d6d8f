/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "boot/efi_options.h"

#include "base/error.h"

#include <linux/magic.h>
#include <sys/vfs.h>

#define VARIABLE "SystemdOptions-8cf2644b-4b0b-428f-9387-6d876050dc67"
#define LIST	 "/sys/firmware/efi/efivars"

/* Whatever cannot be looked at counts as there. */
static bool is_there(const char *path)
{
	return access(path, F_OK) == 0 || (errno != ENOENT && errno != ENOTDIR);
}

static int refuse_if_there(const char *folder)
{
	cleanup(freep) char *path = NULL;

	if (asprintf(&path, "%s/" VARIABLE, folder) < 0)
		return -ENOMEM;
	if (is_there(path))
		return fail(-EPERM,
			    "the EFI variable SystemdOptions is set, by which systemd could be "
			    "told anything, and nothing has measured it: delete it in the "
			    "firmware (%s)",
			    path);
	return 0;
}

/*
 * That the variable is not there now is enough: efivarfs asks the firmware for the names when it is
 * mounted, and shows no other later. The mount is the root's as well, since it moves there with
 * /sys and systemd mounts nothing over it; a second one would show the same. Were it missing, the
 * root would make it anew, and be told other names. Only where the firmware has no variables at run
 * time, or the kernel does not use them, nobody can read any.
 */
int efi_options_check(const struct efi_places *places, bool listed)
{
	cleanup(freep) char *list = NULL;
	int r;

	if (asprintf(&list, "%s/efivars", places->firmware) < 0)
		return -ENOMEM;
	r = refuse_if_there(list);
	if (r == 0)
		r = refuse_if_there(places->copies);
	if (r < 0)
		return r;
	if (is_there(places->firmware) && is_there(places->services) && !listed)
		return fail(-EPERM,
			    "efivarfs is not mounted at %s: the EFI variable SystemdOptions could "
			    "tell the root's systemd anything; the initrd needs the module "
			    "efivarfs and the unit cvmroot-efivars.service",
			    list);
	return 0;
}

int efi_options_refuse(void)
{
	static const struct efi_places places = {
		.firmware = "/sys/firmware/efi",
		.services = "/sys/devices/platform/efivars.0",
		.copies = "/run/systemd/efivars",
	};
	struct statfs status;
	bool listed = statfs(LIST, &status) == 0 && status.f_type == EFIVARFS_MAGIC;

	return efi_options_check(&places, listed);
}
