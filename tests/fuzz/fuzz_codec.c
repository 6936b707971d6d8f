/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "fuzz.h"

#include "base/codec.h"
#include "base/macro.h"

#include <string.h>
#include <strings.h>

/* Every text that is read is the one that would be written. */
static void check_hex(const char *text, size_t size, uint8_t *bytes, char *again)
{
	if (hex_decode(text, size, bytes, size / 2) < 0)
		return;
	hex_encode(bytes, size / 2, again);
	if (strlen(again) != size || strncasecmp(again, text, size) != 0)
		abort();
}

static void check_base64(const char *text, size_t size, uint8_t *bytes, char *again)
{
	size_t used;

	if (base64_decode(text, size, bytes, size, &used) == 0) {
		base64_encode(bytes, used, again);
		if (strlen(again) != size || memcmp(again, text, size) != 0)
			abort();
		if (used > 0 && base64_decode(text, size, bytes, used - 1, &used) != -E2BIG)
			abort();
	}
	if (base64url_decode(text, size, bytes, size, &used) == 0) {
		base64url_encode(bytes, used, again);
		if (strlen(again) != size || memcmp(again, text, size) != 0)
			abort();
	}
}

static void check_uuid(const char *text)
{
	uint8_t uuid[UUID_SIZE];
	char again[UUID_TEXT_SIZE];

	if (uuid_decode(text, uuid) < 0)
		return;
	uuid_encode(uuid, again);
	if (strcasecmp(again, text) != 0)
		abort();
}

/* As many bytes of code points, written again, are the same bytes. */
static void check_utf8(const uint8_t *data, size_t size)
{
	size_t valid = utf8_valid_size(data, size), at = 0;

	if (valid > size || utf8_valid_size(data, valid) != valid)
		abort();
	while (at < valid) {
		size_t length = data[at] < 0x80 ? 1 : data[at] < 0xe0 ? 2 : data[at] < 0xf0 ? 3 : 4;
		uint32_t c = length == 1 ? data[at] : data[at] & (0x7fU >> length);
		char again[4];

		for (size_t i = 1; i < length; i++)
			c = c << 6 | (data[at + i] & 0x3f);
		if (utf8_encode(c, again) != length || memcmp(again, data + at, length) != 0)
			abort();
		at += length;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup(freep) char *text = calloc(1, size + 1), *again = malloc(2 * size + 8);
	cleanup(freep) uint8_t *bytes = malloc(size + 1);

	if (!text || !again || !bytes)
		return 0;
	if (size > 0)
		memcpy(text, data, size);
	check_hex(text, size, bytes, again);
	check_base64(text, size, bytes, again);
	check_uuid(text);
	check_utf8(data, size);
	return 0;
}
