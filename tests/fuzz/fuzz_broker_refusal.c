/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "fuzz.h"

#include "broker/internal.h"

#include <string.h>

/* Two bytes of status, then the body. The sentence is fit for a console, whatever came. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct refusal refusal;

	if (size < 2)
		return 0;
	refusal_read((unsigned int)data[0] << 8 | data[1], (const char *)data + 2, size - 2,
		     &refusal);
	if (refusal.version >= RCAR_VERSIONS ||
	    strlen(refusal.sentence) >= sizeof(refusal.sentence) - 1)
		abort();
	for (const char *c = refusal.sentence; *c != '\0'; c++)
		if (*c < ' ' || *c > '~')
			abort();
	return 0;
}
