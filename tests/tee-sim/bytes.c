/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "sim.h"

#include <stdlib.h>
#include <string.h>

#define BYTES_LIMIT (1 << 20)

static uint8_t *bytes_grow(struct bytes *bytes, size_t size)
{
	uint8_t *place;

	check(size <= BYTES_LIMIT && bytes->size <= BYTES_LIMIT, "more than a buffer holds");
	bytes->data = realloc(bytes->data, bytes->size + size + 1);
	check(bytes->data, "out of memory");
	place = bytes->data + bytes->size;
	bytes->size += size;
	bytes->data[bytes->size] = 0; /* also a string */
	return place;
}

void bytes_put(struct bytes *bytes, const void *data, size_t size)
{
	if (size > 0)
		memcpy(bytes_grow(bytes, size), data, size);
}

void bytes_put_bytes(struct bytes *bytes, const struct bytes *more)
{
	bytes_put(bytes, more->data, more->size);
}

void bytes_put_text(struct bytes *bytes, const char *text)
{
	bytes_put(bytes, text, strlen(text));
}

void bytes_put_zeros(struct bytes *bytes, size_t size)
{
	memset(bytes_grow(bytes, size), 0, size);
}

void bytes_put_be(struct bytes *bytes, uint64_t value, size_t size)
{
	uint8_t *place = bytes_grow(bytes, size);

	for (size_t i = 0; i < size; i++)
		place[i] = (uint8_t)(value >> (8 * (size - 1 - i)));
}

void bytes_put_le(struct bytes *bytes, uint64_t value, size_t size)
{
	store_le(bytes_grow(bytes, size), value, size);
}

void bytes_free(struct bytes *bytes)
{
	free(bytes->data);
	*bytes = (struct bytes){0};
}

void store_le(uint8_t *target, uint64_t value, size_t size)
{
	for (size_t i = 0; i < size; i++)
		target[i] = (uint8_t)(value >> (8 * i));
}

uint64_t load_le(const uint8_t *source, size_t size)
{
	uint64_t value = 0;

	for (size_t i = 0; i < size; i++)
		value |= (uint64_t)source[i] << (8 * i);
	return value;
}

uint64_t load_be(const uint8_t *source, size_t size)
{
	uint64_t value = 0;

	for (size_t i = 0; i < size; i++)
		value = value << 8 | source[i];
	return value;
}

void bytes_parse_hex(const char *text, uint8_t *ret, size_t size)
{
	size_t length = strlen(text);

	check(length % 2 == 0 && strspn(text, "0123456789abcdefABCDEF") == length,
	      "\"%s\" is not hexadecimal", text);
	memset(ret, 0, size);
	for (size_t i = 0; i < size && 2 * i < length; i++) {
		const char digits[] = {text[2 * i], text[2 * i + 1], '\0'};

		ret[i] = (uint8_t)strtoul(digits, NULL, 16);
	}
}

/* ---- base64url without padding, RFC 4648 ---- */

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

void bytes_put_base64url(struct bytes *bytes, const void *data, size_t size)
{
	const uint8_t *next = data;

	for (size_t i = 0; i < size; i += 3) {
		size_t left = size - i < 3 ? size - i : 3;
		uint32_t group = (uint32_t)(load_be(next + i, left) << (8 * (3 - left)));

		for (size_t k = 0; k <= left; k++)
			bytes_put(bytes, alphabet + (group >> (18 - 6 * k) & 63), 1);
	}
}

int bytes_put_from_base64url(struct bytes *bytes, const char *text)
{
	size_t length = strcspn(text, "=");
	uint32_t group = 0;

	if (length % 4 == 1 || strspn(text + length, "=") != strlen(text + length))
		return -1;
	for (size_t i = 0; i < length; i++) {
		const char *digit = strchr(alphabet, text[i]);

		if (!digit)
			return -1;
		group = group << 6 | (uint32_t)(digit - alphabet);
		if (i % 4 > 0)
			bytes_put_le(bytes, group >> (6 - 2 * (i % 4)) & 255, 1);
	}
	return 0;
}
