/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "boot/context.h"

#include "base/error.h"

#include <string.h>

/* The one read of the header: everything later works on this copy. */
static int read_header(struct boot *boot, struct luks_header **ret)
{
	cleanup(freep) uint8_t *data = NULL;
	int r = disk_buffer_new(LUKS_HEADER_SIZE, &data);

	if (r < 0)
		return r;
	if (disk_file_size(boot->disk) < LUKS_DATA_OFFSET)
		return fail(-ENOSPC, "%s is smaller than a LUKS2 header", boot->partition->path);
	r = boot->io.read(boot->io.context, data, LUKS_HEADER_SIZE, 0);
	if (r < 0)
		return fail(r, "%s: the LUKS2 header cannot be read: %s", boot->partition->path,
			    strerror(-r));
	r = luks_header_check(data, LUKS_HEADER_SIZE, ret);
	return r < 0 ? fail(r, "%s: %s", boot->partition->path, fail_sentence(r)) : 0;
}

int boot_reopen(struct boot *boot, struct root *ret)
{
	struct luks_header *header;
	int r;

	boot_progress_state(boot, BOOT_UNLOCKING);
	r = read_header(boot, &header);
	return r < 0 ? r : boot_unlock(boot, header, BOOT_ROOT_REOPENED, ret);
}
