/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "base/json.h"

#include "base/codec.h"

#include <string.h>

static _Thread_local bool lacked_memory;

static void *noting_malloc(size_t size)
{
	void *memory = malloc(size);

	if (!memory)
		lacked_memory = true;
	return memory;
}

/*
 * Out of memory jansson may say that the text is no JSON, which is another answer: so its allocator
 * tells. It is the whole process's, and stays: memory of malloc() is freed either way.
 */
static void note_allocations(void)
{
	json_malloc_t allocate;
	json_free_t release;

	json_get_alloc_funcs(&allocate, &release);
	if (allocate != noting_malloc)
		json_set_alloc_funcs(noting_malloc, release);
}

int json_parse(const char *text, size_t size, size_t limit, json_t **ret)
{
	cleanup(json_decrefp) json_t *json = NULL;
	json_error_t error = {};

	if (size > limit)
		return -E2BIG;
	note_allocations();
	lacked_memory = false;
	json = json_loadb(text, size, JSON_REJECT_DUPLICATES, &error);
	/* Also where there is a value: a token that could not grow is cut. */
	if (lacked_memory)
		return -ENOMEM;
	if (!json)
		return -EBADMSG;
	*ret = TAKE_PTR(json);
	return 0;
}

static bool type_matches(const json_t *value, json_type type)
{
	return json_typeof(value) == type || (type == JSON_TRUE && json_is_false(value));
}

static bool is_listed(const char *name, const struct json_member *table, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(table[i].name, name) == 0)
			return true;
	return false;
}

int json_read_object(json_t *object, const struct json_member *table, size_t count, bool only_these)
{
	const char *name;
	json_t *value;

	if (!json_is_object(object))
		return -EBADMSG;
	if (only_these) {
		json_object_foreach (object, name, value)
			if (!is_listed(name, table, count))
				return -EBADMSG;
	}
	for (size_t i = 0; i < count; i++) {
		value = json_object_get(object, table[i].name);
		if (value ? !type_matches(value, table[i].type) : table[i].required)
			return -EBADMSG;
	}
	for (size_t i = 0; i < count; i++) {
		value = json_object_get(object, table[i].name);
		if (value && table[i].ret)
			*table[i].ret = value;
	}
	return 0;
}

int json_decimal_string(json_t *value, uint64_t *ret)
{
	const char *text = json_string_value(value);
	uint64_t number = 0;

	if (!text || text[0] == '\0' || (text[0] == '0' && text[1] != '\0') ||
	    json_string_length(value) != strlen(text))
		return -EBADMSG;
	for (; *text != '\0'; text++) {
		if (*text < '0' || *text > '9' || __builtin_mul_overflow(number, 10, &number) ||
		    __builtin_add_overflow(number, (uint64_t)(*text - '0'), &number))
			return -EBADMSG;
	}
	*ret = number;
	return 0;
}

json_t *json_hex(const uint8_t *data, size_t size)
{
	cleanup(freep) char *text = malloc(hex_size(size));

	if (!text)
		return NULL;
	hex_encode(data, size, text);
	return json_string(text);
}

json_t *json_base64(const uint8_t *data, size_t size)
{
	cleanup(freep) char *text = malloc(base64_size(size));

	if (!text)
		return NULL;
	base64_encode(data, size, text);
	return json_string(text);
}
