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

/* The two digits in which the alphabets of RFC 4648 differ. */
struct base64_alphabet {
	uint8_t digit_62, digit_63;
};
static const struct base64_alphabet standard = {'+', '/'}, url_safe = {'-', '_'};

static char base64_digit(const struct base64_alphabet *alphabet, uint32_t value)
{
	return (char)((in_range(value, 0, 25) & ('A' + value)) |
		      (in_range(value, 26, 51) & ('a' + value - 26)) |
		      (in_range(value, 52, 61) & ('0' + value - 52)) |
		      (in_range(value, 62, 62) & alphabet->digit_62) |
		      (in_range(value, 63, 63) & alphabet->digit_63));
}

/* Without padding and NUL; the number of digits. */
static size_t encode_digits(const struct base64_alphabet *alphabet, const uint8_t *from,
			    size_t size, char *to)
{
	size_t n = 0;

	for (size_t i = 0; i < size; i += 3) {
		size_t left = MIN(size - i, (size_t)3);
		uint32_t bits = (uint32_t)from[i] << 16;

		if (left > 1)
			bits |= (uint32_t)from[i + 1] << 8;
		if (left > 2)
			bits |= from[i + 2];
		for (size_t digit = 0; digit <= left; digit++)
			to[n++] = base64_digit(alphabet, bits >> (18 - 6 * digit) & 63);
	}
	return n;
}

void base64_encode(const void *data, size_t size, char *ret)
{
	size_t n = encode_digits(&standard, data, size, ret);

	while (n % 4 != 0)
		ret[n++] = '=';
	ret[n] = '\0';
}

void base64url_encode(const void *data, size_t size, char *ret)
{
	ret[encode_digits(&url_safe, data, size, ret)] = '\0';
}

/* The value of a base64 digit, or 255. */
static uint32_t base64_value(const struct base64_alphabet *alphabet, uint32_t c)
{
	uint32_t upper = in_range(c, 'A', 'Z'), lower = in_range(c, 'a', 'z');
	uint32_t digit = in_range(c, '0', '9');
	uint32_t is_62 = in_range(c, alphabet->digit_62, alphabet->digit_62);
	uint32_t is_63 = in_range(c, alphabet->digit_63, alphabet->digit_63);

	return (upper & (c - 'A')) | (lower & (c - 'a' + 26)) | (digit & (c - '0' + 52)) |
	       (is_62 & 62) | (is_63 & 63) | (~(upper | lower | digit | is_62 | is_63) & 255);
}

/* @count digits without padding, of which a last group of one is no text at all. */
static int decode_digits(const struct base64_alphabet *alphabet, const char *text, size_t count,
			 uint8_t *to, size_t capacity, size_t *ret_size)
{
	size_t size = count / 4 * 3 + (count % 4 > 0 ? count % 4 - 1 : 0);
	uint32_t bits = 0, bad = 0;

	if (count % 4 == 1)
		return -EBADMSG;
	if (size > capacity)
		return -E2BIG;
	for (size_t i = 0, n = 0, kept = 0; i < count; i++) {
		uint32_t value = base64_value(alphabet, (uint8_t)text[i]);

		bad |= value;
		bits = bits << 6 | (value & 63);
		kept += 6;
		if (kept < 8)
			continue;
		kept -= 8;
		to[n++] = (uint8_t)(bits >> kept);
		bits &= (1U << kept) - 1;
	}
	/* What is left over must be zero, and no digit may have been another character. */
	if (bad > 63 || (count % 4 != 0 && bits != 0))
		return -EBADMSG;
	*ret_size = size;
	return 0;
}

int base64_decode(const char *text, size_t text_size, void *ret, size_t capacity, size_t *ret_size)
{
	size_t padding = 0;

	if (text_size % 4 != 0)
		return -EBADMSG;
	while (padding < 2 && padding < text_size && text[text_size - 1 - padding] == '=')
		padding++;
	return decode_digits(&standard, text, text_size - padding, ret, capacity, ret_size);
}

int base64url_decode(const char *text, size_t text_size, void *ret, size_t capacity,
		     size_t *ret_size)
{
	return decode_digits(&url_safe, text, text_size, ret, capacity, ret_size);
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
