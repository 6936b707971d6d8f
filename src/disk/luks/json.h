/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_DISK_LUKS_JSON_H
#define CVMROOT_DISK_LUKS_JSON_H

#include "disk/luks/format.h"

/* How the allow-list reads JSON and says no. Pure. */

/* The object that is being read, for the sentence. */
struct luks_place {
	const char *name; /* "keyslot", "segment" */
	unsigned int number;
};

/* Record "The LUKS2 header is refused: ..." and return -EBADMSG. Only checked numbers and our own
 * words go into the sentence: it is printed on a console. */
int luks_refuse(struct luks_place place, const char *format, ...) printf_like(2, 3);
int luks_refuse_header(const char *reason);

/* The members of the table and no others; the sentence says which one is wrong. */
int luks_read_members(json_t *object, const struct json_member *table, size_t count,
		      struct luks_place place);

bool luks_text_is(const json_t *value, const char *expected);
bool luks_integer_is(const json_t *value, json_int_t expected);
bool luks_integer_in(const json_t *value, json_int_t low, json_int_t high);
bool luks_decimal_is(json_t *value, uint64_t expected);
/* Base64 of exactly @size bytes, at most 64. */
bool luks_base64_is(const json_t *value, size_t size);
/* The number that names a keyslot or token: "0" to "31", no other text of it. */
int luks_parse_number(const char *text, unsigned int *ret);
/* An array of such numbers, each at most once, as a bit set. */
int luks_read_numbers(json_t *array, uint32_t *ret);

/* The tokens' half of the allow-list: fills in the epoch and the MACs. @keyslots is the bit set of
 * those that exist. */
int luks_check_tokens(struct luks_header *header, json_t *tokens, uint32_t keyslots);

#endif
