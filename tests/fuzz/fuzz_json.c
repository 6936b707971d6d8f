/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "fuzz.h"

#include "base/json.h"

#include <inttypes.h>
#include <string.h>

#define LIMIT (64 * KIB)

/* There is one way to write a number. */
static void check_decimal(json_t *value)
{
	char text[24];
	uint64_t number;

	if (json_decimal_string(value, &number) < 0)
		return;
	snprintf(text, sizeof(text), "%" PRIu64, number);
	if (strcmp(text, json_string_value(value)) != 0)
		abort();
}

/* What the table promises, the members have. */
static void check_members(json_t *object, bool only_these)
{
	json_t *text = NULL, *flag = NULL, *number = NULL;
	const struct json_member table[] = {
		{"text", JSON_STRING, true, &text},
		{"flag", JSON_TRUE, false, &flag},
		{"number", JSON_INTEGER, false, &number},
		{"passed over", JSON_ARRAY, false, NULL},
	};

	if (json_read_object(object, table, ARRAY_SIZE(table), only_these) < 0)
		return;
	if (!json_is_string(text) || (flag && !json_is_boolean(flag)) ||
	    (number && !json_is_integer(number)) || (only_these && json_object_size(object) > 4))
		abort();
	check_decimal(text);
}

/* Bytes as the texts that JSON carries. */
static void check_texts(const uint8_t *data, size_t size)
{
	cleanup(json_decrefp) json_t *hex = json_hex(data, size), *base64 = json_base64(data, size);

	if (!hex || !base64 || json_string_length(hex) != 2 * size ||
	    json_string_length(base64) != (size + 2) / 3 * 4)
		abort();
}

/* The reader of all JSON: members by a table, no name twice. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup(json_decrefp) json_t *json = NULL, *beyond = NULL;

	check_texts(data, size);
	if (size > 0 && json_parse((const char *)data, size, size - 1, &beyond) != -E2BIG)
		abort();
	if (json_parse((const char *)data, size, LIMIT, &json) < 0)
		return 0;
	check_members(json, false);
	check_members(json, true);
	return 0;
}
