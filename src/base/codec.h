/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_BASE_CODEC_H
#define CVMROOT_BASE_CODEC_H

#include "base/macro.h"

/* Text codecs without table look-ups or branches on data: they also carry secrets. */

/* Bytes needed for the text of @size bytes, with its NUL. */
static inline size_t hex_size(size_t size)
{
	return 2 * size + 1;
}

static inline size_t base64_size(size_t size)
{
	return (size + 2) / 3 * 4 + 1;
}

/* Write lower-case hex and a NUL to @ret, which has room for hex_size(@size). */
void hex_encode(const void *data, size_t size, char *ret);
/* Read exactly 2 * @size hex digits, either case. -EBADMSG on anything else. */
int hex_decode(const char *text, size_t text_size, void *ret, size_t size);

/* RFC 4648 §4 with padding; writes a NUL. @ret has room for base64_size(@size). */
void base64_encode(const void *data, size_t size, char *ret);
/*
 * Strict RFC 4648 §4: padded, no white space, unused bits zero, else -EBADMSG. Writes at most
 * @capacity bytes (-E2BIG) and their number to @ret_size.
 */
int base64_decode(const char *text, size_t text_size, void *ret, size_t capacity, size_t *ret_size);

/* The same in RFC 4648 §5 without padding, as JOSE writes it; @ret as for base64_encode(). */
void base64url_encode(const void *data, size_t size, char *ret);
/* Strict: no padding, else -EBADMSG. */
int base64url_decode(const char *text, size_t text_size, void *ret, size_t capacity,
		     size_t *ret_size);

/* How many bytes from the start are whole, valid UTF-8 characters (RFC 3629). */
size_t utf8_valid_size(const void *data, size_t size);
/* Write the 1 to 4 bytes of a code point, which must be one; their number. */
size_t utf8_encode(uint32_t c, char ret[static 4]);

#define UUID_SIZE      16
#define UUID_TEXT_SIZE 37

/* RFC 4122 text, lower case, with NUL, from the 16 bytes in text order. */
void uuid_encode(const uint8_t uuid[static UUID_SIZE], char ret[static UUID_TEXT_SIZE]);
/* -EBADMSG unless exactly the 36 characters of an RFC 4122 text. */
int uuid_decode(const char *text, uint8_t ret[static UUID_SIZE]);

#endif
