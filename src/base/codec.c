/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "base/codec.h"

#include <string.h>

/* All bits set when @low <= @value <= @high, else none. Inputs are below 256. */
static uint32_t in_range(uint32_t value, uint32_t low, uint32_t high)
{
	return (((value - low) | (high - value)) >> 31) - 1U;
}

void hex_encode(const void *data, size_t size, char *ret)
{
	const uint8_t *from = data;

	for (size_t i = 0; i < 2 * size; i++) {
		uint32_t digit = i % 2 == 0 ? from[i / 2] >> 4 : from[i / 2] & 15;

		ret[i] = (char)('0' + digit + (in_range(digit, 10, 15) & ('a' - '0' - 10)));
	}
	ret[2 * size] = '\0';
}

/* The value of a hex digit, or 255. */
static uint32_t hex_value(uint32_t c)
{
	uint32_t digit = in_range(c, '0', '9'), lower = in_range(c, 'a', 'f');
	uint32_t upper = in_range(c, 'A', 'F');

	return (digit & (c - '0')) | (lower & (c - 'a' + 10)) | (upper & (c - 'A' + 10)) |
	       (~(digit | lower | upper) & 255);
}

int hex_decode(const char *text, size_t text_size, void *ret, size_t size)
{
	uint32_t bad = 0;
	uint8_t *to = ret;

	if (text_size / 2 != size || text_size % 2 != 0)
		return -EBADMSG;
	for (size_t i = 0; i < size; i++) {
		uint32_t high = hex_value((uint8_t)text[2 * i]);
		uint32_t low = hex_value((uint8_t)text[2 * i + 1]);

		bad |= high | low;
		to[i] = (uint8_t)(high << 4 | low);
	}
	return bad > 15 ? -EBADMSG : 0;
}

static char base64_digit(uint32_t value)
{
	return (char)((in_range(value, 0, 25) & ('A' + value)) |
		      (in_range(value, 26, 51) & ('a' + value - 26)) |
		      (in_range(value, 52, 61) & ('0' + value - 52)) |
		      (in_range(value, 62, 62) & '+') | (in_range(value, 63, 63) & '/'));
}

void base64_encode(const void *data, size_t size, char *ret)
{
	const uint8_t *from = data;

	for (size_t i = 0; i < size; i += 3) {
		size_t left = MIN(size - i, (size_t)3);
		uint32_t bits = (uint32_t)from[i] << 16;

		if (left > 1)
			bits |= (uint32_t)from[i + 1] << 8;
		if (left > 2)
			bits |= from[i + 2];
		*ret++ = base64_digit(bits >> 18);
		*ret++ = base64_digit(bits >> 12 & 63);
		*ret++ = left > 1 ? base64_digit(bits >> 6 & 63) : '=';
		*ret++ = left > 2 ? base64_digit(bits & 63) : '=';
	}
	*ret = '\0';
}

/* The value of a base64 digit, or 255. */
static uint32_t base64_value(uint32_t c)
{
	uint32_t upper = in_range(c, 'A', 'Z'), lower = in_range(c, 'a', 'z');
	uint32_t digit = in_range(c, '0', '9'), plus = in_range(c, '+', '+');
	uint32_t slash = in_range(c, '/', '/');

	return (upper & (c - 'A')) | (lower & (c - 'a' + 26)) | (digit & (c - '0' + 52)) |
	       (plus & 62) | (slash & 63) | (~(upper | lower | digit | plus | slash) & 255);
}

int base64_decode(const char *text, size_t text_size, void *ret, size_t capacity, size_t *ret_size)
{
	size_t padding = 0, size;
	uint8_t *to = ret;
	uint32_t bits = 0, bad = 0;

	if (text_size % 4 != 0)
		return -EBADMSG;
	while (padding < 2 && padding < text_size && text[text_size - 1 - padding] == '=')
		padding++;
	size = text_size / 4 * 3 - padding;
	if (size > capacity)
		return -E2BIG;
	for (size_t i = 0, n = 0; i < text_size; i++) {
		uint32_t value = i >= text_size - padding ? 0 : base64_value((uint8_t)text[i]);

		bad |= value;
		bits = bits << 6 | (value & 63);
		if (i % 4 != 3)
			continue;
		for (uint32_t shift = 16; n < size && shift <= 16; shift -= 8)
			to[n++] = (uint8_t)(bits >> shift);
		/* What the padding cuts off must be zero. */
		if (n == size && padding > 0 && i + 1 == text_size)
			bad |= (bits & ((1U << 8 * padding) - 1)) != 0 ? 255 : 0;
		bits = 0;
	}
	if (bad > 63)
		return -EBADMSG;
	*ret_size = size;
	return 0;
}

/*
 * Bytes of the sequence that begins with @c; 0: none does. Its smallest code point to @ret_least.
 */
static size_t utf8_sequence_size(uint8_t c, uint32_t *ret_least)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t size = c < 0x80 ? 1 : c >> 5 == 0x6 ? 2 : c >> 4 == 0xe ? 3 : c >> 3 == 0x1e ? 4 : 0;

	*ret_least = least[size];
	return size;
}

size_t utf8_valid_size(const void *data, size_t size)
{
	const uint8_t *from = data;
	size_t valid = 0;

	while (valid < size) {
		uint32_t c, least;
		size_t n = utf8_sequence_size(from[valid], &least);

		if (n == 0 || n > size - valid)
			break;
		c = n == 1 ? from[valid] : from[valid] & (0x7fU >> n);
		for (size_t i = 1; i < n; i++) {
			if (from[valid + i] >> 6 != 2)
				return valid;
			c = c << 6 | (from[valid + i] & 63);
		}
		if (c < least || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
			break;
		valid += n;
	}
	return valid;
}

size_t utf8_encode(uint32_t c, char ret[static 4])
{
	size_t size = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;

	if (size == 1) {
		ret[0] = (char)c;
		return 1;
	}
	for (size_t i = size - 1; i > 0; i--, c >>= 6)
		ret[i] = (char)(0x80 | (c & 63));
	ret[0] = (char)((0xf00U >> size & 0xf0) | c);
	return size;
}

static bool uuid_dash_before(size_t i)
{
	return i == 4 || i == 6 || i == 8 || i == 10;
}

void uuid_encode(const uint8_t uuid[static UUID_SIZE], char ret[static UUID_TEXT_SIZE])
{
	for (size_t i = 0; i < UUID_SIZE; i++) {
		if (uuid_dash_before(i))
			*ret++ = '-';
		hex_encode(uuid + i, 1, ret);
		ret += 2;
	}
}

int uuid_decode(const char *text, uint8_t ret[static UUID_SIZE])
{
	uint8_t uuid[UUID_SIZE];

	if (strlen(text) != UUID_TEXT_SIZE - 1)
		return -EBADMSG;
	for (size_t i = 0; i < UUID_SIZE; i++) {
		if (uuid_dash_before(i) && *text++ != '-')
			return -EBADMSG;
		if (hex_decode(text, 2, uuid + i, 1) < 0)
			return -EBADMSG;
		text += 2;
	}
	memcpy(ret, uuid, UUID_SIZE);
	return 0;
}
