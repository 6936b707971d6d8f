/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "disk/manifest/manifest.h"

#include "base/error.h"
#include "base/file.h"

#include <string.h>

int manifest_load(const char *path, struct manifest **ret)
{
	cleanup(freep) char *data = NULL;
	size_t size;
	int r = file_read_all(path, MANIFEST_SIZE_LIMIT, &data, &size);

	if (r < 0)
		return fail(r, "cannot read the manifest %s: %s", path, strerror(-r));
	r = manifest_parse(data, size, ret);
	if (r < 0)
		return fail(r, "%s: %s", path, fail_sentence(r));
	return 0;
}
