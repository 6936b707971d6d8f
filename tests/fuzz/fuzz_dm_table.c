/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "fuzz.h"

#include "disk/device/mapping.h"

#include <string.h>

/* What was parsed must lie inside the text. */
static void check_parts(const char *text, size_t size)
{
	struct mapping_crypt crypt;

	if (mapping_crypt_parse(text, &crypt) < 0)
		return;
	if (crypt.cipher < text || crypt.cipher + crypt.cipher_size > text + size ||
	    crypt.key < text || crypt.key + crypt.key_size > text + size)
		abort();
}

/* The text of a dm-crypt table line. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t key_bytes[64] = {};
	const struct secret key = {key_bytes, sizeof(key_bytes)};
	const struct mapping_expected expected = {
		.volume_key = &key, .length = 8, .sector_size = 512};
	char *text = malloc(size + 1);
	struct mapping_target target = {0, 8, "crypt", text};

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	check_parts(text, size);
	(void)mapping_check(&target, 1, &expected);
	free(text);
	return 0;
}
