/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "fuzz.h"

#include "broker/internal.h"

#include <string.h>

/* The key of the good input of the corpus: that one opens, and nothing made from it may. */
static const uint8_t d[JWK_P256_SIZE] = {
	0x77, 0x89, 0x9f, 0x5a, 0xe2, 0xc1, 0xee, 0x17, 0x6d, 0x4c, 0x41,
	0xda, 0x28, 0x70, 0x71, 0x61, 0x9e, 0x59, 0xc4, 0xdd, 0x97, 0xc2,
	0xe7, 0xca, 0x82, 0xc6, 0xb9, 0x7e, 0xaf, 0x62, 0xd9, 0x55,
};
static const char plaintext[] = "luks-passphrase-example";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct jwe_key key = {
		.x = "LIZp9JGC3ojM-ftBmKOaIKxwxUY5Q4nXOM9JSCKj9f8",
		.y = "VmpVXuPl9DrQmvUouLwnDrkoUkh3xTmz_6Vsdb3ukXs",
	};
	cleanup(secret_freep) struct secret *secret = NULL;
	int r = secret_copy(d, sizeof(d), &key.d);

	if (r == 0)
		r = jwe_open((const char *)data, size, &key, &secret);
	secret_free(key.d);
	if (r == 0 && (secret->size != strlen(plaintext) ||
		       memcmp(secret->data, plaintext, secret->size) != 0))
		abort();
	return 0;
}
