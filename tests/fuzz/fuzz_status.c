/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "fuzz.h"

#include "boot/status.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct boot_status status, again;
	cleanup(freep) char *text = NULL;

	if (boot_status_parse((const char *)data, size, &status) < 0)
		return 0;
	if (boot_status_format(&status, &text, &size) < 0 ||
	    boot_status_parse(text, size, &again) < 0 ||
	    memcmp(&status, &again, sizeof(status)) != 0)
		abort();
	return 0;
}
