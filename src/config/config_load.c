/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "base/error.h"
#include "base/file.h"
#include "config/config.h"
#include "config/initdata.h"

#include <string.h>

static int read_text(const char *path, size_t limit, const char *what, char **ret, size_t *ret_size)
{
	int r = file_read_all(path, limit, ret, ret_size);

	if (r == -E2BIG)
		return fail(r, "%s: longer than %zu KiB", path, limit / KIB);
	if (r < 0)
		/* An empty name would not be seen in the sentence. */
		return fail(r, "%s: cannot read the %s: %s", path[0] != '\0' ? path : "\"\"", what,
			    strerror(-r));
	return 0;
}

int config_load(const char *path, struct config **ret)
{
	cleanup(freep) char *text = NULL;
	size_t size;
	int r = read_text(path, CONFIG_SIZE_LIMIT, "configuration", &text, &size);

	return r < 0 ? r : config_parse(text, size, path, ret);
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
	int r = read_text(path, INITDATA_SIZE_LIMIT,
			  "initdata document that the configuration asks for", &text, &size);

	return r < 0 ? r : initdata_parse(text, size, path, ret);
}
