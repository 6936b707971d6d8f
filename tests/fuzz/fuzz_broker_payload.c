/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "fuzz.h"

#include "broker/internal.h"

/* The first byte says whether it comes from the provisioner. A key is never longer than that. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup(secret_freep) struct secret *plaintext = NULL, *key = NULL;

	if (size < 2 || secret_copy(data + 1, size - 1, &plaintext) < 0)
		return 0;
	if (payload_read(plaintext, data[0] == 'p', &key) == 0 &&
	    (key->size == 0 || key->size > plaintext->size))
		abort();
	return 0;
}
