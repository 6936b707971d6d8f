/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "fuzz.h"

#include "tee/az_imds.h"

#include <string.h>

/* What is asked for is base64url in JSON, whatever the bytes are. */
static void ask(const uint8_t *tdreport, size_t size)
{
	cleanup(freep) char *text = NULL;

	if (az_td_quote_ask(tdreport, size, &text) == 0 &&
	    strspn(text + strlen("{\"report\":\""), "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
						    "abcdefghijklmnopqrstuvwxyz0123456789-_") !=
		    strlen(text) - strlen("{\"report\":\"\"}"))
		abort();
}

/* Both answers of Azure's metadata service. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup(az_vcek_done) struct az_vcek vcek = {};
	cleanup(freep) uint8_t *quote = NULL;
	size_t quote_size;

	if (az_vcek_read((const char *)data, size, &vcek) == 0 &&
	    (!vcek.der || vcek.der[0] != 0x30 || strlen(vcek.pem) < vcek.der_size))
		abort();
	if (az_td_quote_read((const char *)data, size, &quote, &quote_size) == 0 &&
	    (quote_size == 0 || quote_size > size))
		abort();
	ask(data, size);
	return 0;
}
