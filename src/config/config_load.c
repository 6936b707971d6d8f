/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "base/error.h"
#include "base/file.h"
#include "config/config.h"
#include "config/initdata.h"

#include <string.h>

int config_load(const char *path, struct config **ret)
{
	cleanup(freep) char *text = NULL;
	size_t size;
	/* An empty name would not be seen in the sentence. */
	const char *name = path[0] != '\0' ? path : "\"\"";
	int r = file_read_all(path, CONFIG_SIZE_LIMIT, &text, &size);

	if (r == -E2BIG)
		return fail(r, "%s: longer than %u KiB", path,
			    (unsigned int)(CONFIG_SIZE_LIMIT / KIB));
	if (r < 0)
		return fail(r, "%s: cannot read the configuration: %s", name, strerror(-r));
	return config_parse(text, size, path, ret);
}

int config_load_or_default(const char *path, struct config **ret)
{
	if (!path && access(CONFIG_PATH, F_OK) < 0 && errno == ENOENT)
		return config_parse("", 0, CONFIG_PATH, ret);
	return config_load(path ? path : CONFIG_PATH, ret);
}

int initdata_load(const char *path, struct initdata **ret)
{
	cleanup(freep) char *text = NULL;
	size_t size;
	int r = file_read_all(path, INITDATA_SIZE_LIMIT, &text, &size);

	if (r == -E2BIG)
		return fail(r, "%s: longer than %u KiB", path,
			    (unsigned int)(INITDATA_SIZE_LIMIT / KIB));
	if (r < 0)
		return fail(r,
			    "%s: cannot read the initdata document that the configuration asks "
			    "for: %s",
			    path, strerror(-r));
	return initdata_parse(text, size, path, ret);
}
