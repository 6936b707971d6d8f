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

/*
 * The text of a dm-crypt table line. Before a '|' each of these characters stands for what else is
 * wrong with the table: 't' its type, 's' its start, 'l' its length, '2' a second target.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t key_bytes[64] = {};
	const struct secret key = {key_bytes, sizeof(key_bytes)};
	const struct mapping_expected expected = {
		.volume_key = &key, .length = 8, .sector_size = 512};
	const uint8_t *bar = size > 0 ? memchr(data, '|', MIN(size, (size_t)5)) : NULL;
	size_t wrong = bar ? (size_t)(bar - data) : 0, skipped = bar ? wrong + 1 : 0;
	struct mapping_target targets[2] = {{0, 8, "crypt", NULL}, {8, 8, "crypt", NULL}};
	char *text = malloc(size - skipped + 1);
	size_t count = 1;

	if (!text)
		return 0;
	memcpy(text, data + skipped, size - skipped);
	text[size - skipped] = '\0';
	check_parts(text, size - skipped);
	targets[0].parameters = targets[1].parameters = text;
	if (memchr(data, 't', wrong))
		targets[0].type = "linear";
	targets[0].start += memchr(data, 's', wrong) != NULL;
	targets[0].length += memchr(data, 'l', wrong) != NULL;
	count += memchr(data, '2', wrong) != NULL;
	if (mapping_check(targets, count, &expected) == 0 &&
	    (count > 1 || targets[0].start != 0 || targets[0].length != 8 ||
	     strcmp(targets[0].type, "crypt") != 0))
		abort();
	free(text);
	return 0;
}
