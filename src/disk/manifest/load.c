/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "disk/manifest/manifest.h"

#include "base/error.h"
#include "base/file.h"

#include <string.h>
#include <sys/stat.h>

int manifest_read_file(const char *path, char **ret, size_t *ret_size)
{
	struct stat status;
	int r;

	/* An image that was named by mistake need not be read to see that it is too long. */
	if (stat(path, &status) == 0 && S_ISREG(status.st_mode) &&
	    status.st_size > (off_t)MANIFEST_SIZE_LIMIT)
		r = -E2BIG;
	else
		r = file_read_all(path, MANIFEST_SIZE_LIMIT, ret, ret_size);
	if (r == -E2BIG)
		return fail(r, "%s: longer than %u MiB; not a manifest", path,
			    (unsigned int)(MANIFEST_SIZE_LIMIT / MIB));
	return r < 0 ? fail(r, "cannot read the manifest \"%s\": %s", path, strerror(-r)) : 0;
}

int manifest_load(const char *path, struct manifest **ret)
{
	cleanup(manifest_freep) struct manifest *manifest = NULL;
	cleanup(freep) char *data = NULL;
	size_t size;
	int r = manifest_read_file(path, &data, &size);

	if (r < 0)
		return r;
	r = manifest_parse(data, size, &manifest);
	if (r == 0)
		r = hash_data(HASH_SHA256, data, size, manifest->file_digest);
	if (r < 0)
		return fail(r, "%s: %s", path, fail_sentence(r));
	*ret = TAKE_PTR(manifest);
	return 0;
}
