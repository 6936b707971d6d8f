/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "disk/luks/json.h"

#include "base/error.h"

#include <stdarg.h>
#include <string.h>

int luks_refuse(struct luks_place place, const char *format, ...)
{
	char reason[200];
	va_list args;

	va_start(args, format);
	vsnprintf(reason, sizeof(reason), format, args);
	va_end(args);
	return fail(-EBADMSG, "the LUKS2 header is refused: its %s %u %s", place.name, place.number,
		    reason);
}

int luks_refuse_header(const char *reason)
{
	return fail(-EBADMSG, "the LUKS2 header is refused: %s", reason);
}

int luks_read_members(json_t *object, const struct json_member *table, size_t count,
		      struct luks_place place)
{
	if (json_read_object(object, table, count, true) == 0)
		return 0;
	if (!json_is_object(object))
		return luks_refuse(place, "is not an object");
	for (size_t i = 0; i < count; i++) {
		json_t *value = json_object_get(object, table[i].name);

		if (!value && table[i].required)
			return luks_refuse(place, "has no \"%s\"", table[i].name);
		if (value && json_typeof(value) != table[i].type &&
		    !(table[i].type == JSON_TRUE && json_is_false(value)))
			return luks_refuse(place, "has a \"%s\" of the wrong type", table[i].name);
	}
	return luks_refuse(place, "has a member that is not known");
}

bool luks_text_is(const json_t *value, const char *expected)
{
	return json_is_string(value) && strcmp(json_string_value(value), expected) == 0;
}

bool luks_integer_is(const json_t *value, json_int_t expected)
{
	return json_is_integer(value) && json_integer_value(value) == expected;
}

bool luks_integer_in(const json_t *value, json_int_t low, json_int_t high)
{
	return json_is_integer(value) && json_integer_value(value) >= low &&
	       json_integer_value(value) <= high;
}

bool luks_decimal_is(json_t *value, uint64_t expected)
{
	uint64_t number;

	return json_decimal_string(value, &number) == 0 && number == expected;
}

bool luks_base64_is(const json_t *value, size_t size)
{
	uint8_t data[64];
	size_t decoded;

	return size <= sizeof(data) &&
	       base64_decode(json_string_value(value), json_string_length(value), data, size,
			     &decoded) == 0 &&
	       decoded == size;
}

int luks_parse_number(const char *text, unsigned int *ret)
{
	unsigned int number = 0;

	if (text[0] == '\0' || strlen(text) > 2 || (text[0] == '0' && text[1] != '\0'))
		return -EBADMSG;
	for (; *text != '\0'; text++) {
		if (*text < '0' || *text > '9')
			return -EBADMSG;
		number = 10 * number + (unsigned int)(*text - '0');
	}
	if (number >= LUKS_NUMBERS)
		return -EBADMSG;
	*ret = number;
	return 0;
}

int luks_read_numbers(json_t *array, uint32_t *ret)
{
	uint32_t set = 0;
	size_t i;
	json_t *value;

	json_array_foreach (array, i, value) {
		unsigned int number;

		if (!json_is_string(value) ||
		    luks_parse_number(json_string_value(value), &number) < 0 ||
		    (set & 1U << number) != 0)
			return -EBADMSG;
		set |= 1U << number;
	}
	*ret = set;
	return 0;
}
