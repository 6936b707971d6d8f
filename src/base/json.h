/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_BASE_JSON_H
#define CVMROOT_BASE_JSON_H

#include "base/macro.h"

#include <jansson.h>

/* Scope cleanup of a reference is jansson's: cleanup(json_decrefp). */

/*
 * Strict parse: one value, nothing behind it, duplicate keys refused, nesting bounded by jansson
 * (JSON_PARSER_MAX_DEPTH). -EBADMSG; -E2BIG above @limit bytes; -ENOMEM. The caller owns the
 * reference.
 */
int json_parse(const char *text, size_t size, size_t limit, json_t **ret);

/* One member of an object; a reader table lists them all. */
struct json_member {
	const char *name;
	json_type type; /* JSON_TRUE stands for either boolean */
	bool required;
	json_t **ret; /* borrowed from the object; untouched when absent */
};

/*
 * Read the members named by @table. -EBADMSG when one is missing or of another type or, with
 * @only_these, when the object has any other member. Outputs are untouched on failure.
 */
int json_read_object(json_t *object, const struct json_member *table, size_t count,
		     bool only_these);

/* A string of @data in hex, or in base64 with padding; NULL without memory. */
json_t *json_hex(const uint8_t *data, size_t size);
json_t *json_base64(const uint8_t *data, size_t size);

/* A decimal string, as LUKS2 writes 64-bit numbers: digits only, no sign, no leading zero. */
int json_decimal_string(json_t *value, uint64_t *ret);

#endif
