/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "fuzz.h"

#include "config/config.h"
#include "config/initdata.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup(initdata_freep) struct initdata *initdata = NULL;
	cleanup(config_freep) struct config *config = NULL;

	/* What is too long is not looked into. */
	if (initdata_parse((const char *)data, INITDATA_SIZE_LIMIT + 1, "fuzz", &initdata) !=
	    -E2BIG)
		abort();
	if (initdata_parse((const char *)data, size, "fuzz", &initdata) < 0)
		return 0;
	/* The digest is over the bytes as they came. */
	if (initdata->size != size || (size > 0 && memcmp(initdata->text, data, size) != 0))
		abort();
	if (initdata->config)
		(void)config_parse(initdata->config, strlen(initdata->config), "inner", &config);
	return 0;
}
