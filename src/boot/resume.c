/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "boot/context.h"

int boot_resume(struct boot *boot, struct root *ret)
{
	cleanup(root_done) struct root root = {};
	cleanup(luks_header_freep) struct luks_header *header = NULL;
	cleanup(freep) uint8_t *data = NULL;
	size_t size;
	int r = boot_open_disk(boot, true);

	if (r < 0)
		return r;
	r = convert_find_header(&boot->io, boot->manifest, &data, &size);
	if (r < 0)
		return r;
	r = luks_header_check(data, size, &header);
	if (r < 0)
		return r;
	r = boot_unlock(boot, TAKE_PTR(header), BOOT_ROOT_RESUMED, &root);
	if (r < 0)
		return r;
	r = boot_convert(boot, &root, NULL);
	if (r < 0)
		return r;
	*ret = root;
	root = (struct root){};
	return 0;
}
