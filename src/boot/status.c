/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "boot/status.h"
#include "base/json.h"

#include <string.h>

static const char *const state_names[] = {
	[BOOT_WAITING] = "waiting",	[BOOT_GROWING] = "growing",
	[BOOT_VERIFYING] = "verifying", [BOOT_CONVERTING] = "converting",
	[BOOT_UNLOCKING] = "unlocking", [BOOT_DONE] = "done",
	[BOOT_FAILED] = "failed",
};

static const char *const root_names[] = {
	[BOOT_ROOT_UNKNOWN] = "",
	[BOOT_ROOT_FRESH] = "fresh",
	[BOOT_ROOT_RESUMED] = "resumed",
	[BOOT_ROOT_REOPENED] = "reopened",
};

const char *boot_state_name(enum boot_state state)
{
	return state_names[state];
}

const char *boot_root_name(enum boot_root root)
{
	return root_names[root];
}

/* The rows of the file. Strings and numbers by offset; state and root are converted by name. */
struct field {
	const char *name;
	size_t offset;
	size_t size; /* of a string's buffer; 0 for a number */
};

#define NUMBER(field) #field, offsetof(struct boot_status, field), 0
#define TEXT(field)                                                                                \
#field, offsetof(struct boot_status, field), sizeof(((struct boot_status *)NULL)->field)

static const struct field fields[] = {
	{NUMBER(percent)},	  {NUMBER(done_bytes)},	  {NUMBER(total_bytes)},
	{NUMBER(mib_per_second)}, {NUMBER(seconds_left)}, {TEXT(provider)},
	{TEXT(luks_uuid)},	  {NUMBER(epoch)},	  {TEXT(sentence)},
	{NUMBER(started_ms)},	  {NUMBER(finished_ms)},
};
/* And version, state and root. */
#define MEMBERS (ARRAY_SIZE(fields) + 3)

/* JSON text is UTF-8; a sentence may quote a file name that is not, or be cut in a character. */
static json_t *json_text(const char *text)
{
	char copy[FAIL_SENTENCE_SIZE];
	size_t size, valid;

	snprintf(copy, sizeof(copy), "%s", text);
	size = strlen(copy);
	while ((valid = utf8_valid_size(copy, size)) < size)
		copy[valid] = '?';
	return json_string(copy);
}

/* A reference that json_object_set_new() takes over, NULL when there is no memory. */
static json_t *field_to_json(const struct field *field, const struct boot_status *status)
{
	const char *at = (const char *)status + field->offset;
	uint64_t number;

	if (field->size > 0)
		return json_text(at);
	memcpy(&number, at, sizeof(number));
	return json_integer((json_int_t)MIN(number, (uint64_t)INT64_MAX));
}

int boot_status_format(const struct boot_status *status, char **ret, size_t *ret_size)
{
	cleanup(json_decrefp) json_t *json = json_object();
	cleanup(freep) char *text = NULL;
	int bad = json_object_set_new(json, "version", json_integer(STATUS_VERSION)) |
		  json_object_set_new(json, "state", json_string(boot_state_name(status->state))) |
		  json_object_set_new(json, "root", json_string(boot_root_name(status->root)));
	size_t size;

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		bad |= json_object_set_new(json, fields[i].name, field_to_json(&fields[i], status));
	if (bad)
		return -ENOMEM;
	size = json_dumpb(json, NULL, 0, JSON_INDENT(2));
	text = size > 0 ? malloc(size + 2) : NULL;
	if (!text || json_dumpb(json, text, size, JSON_INDENT(2)) != size)
		return -ENOMEM;
	text[size] = '\n';
	text[size + 1] = '\0';
	*ret = TAKE_PTR(text);
	*ret_size = size + 1;
	return 0;
}

static int field_from_json(const struct field *field, const json_t *value,
			   struct boot_status *status)
{
	char *at = (char *)status + field->offset;
	json_int_t number = json_integer_value(value);

	if (field->size == 0) {
		if (number < 0)
			return -EBADMSG;
		memcpy(at, &(uint64_t){(uint64_t)number}, sizeof(uint64_t));
		return 0;
	}
	if (json_string_length(value) >= field->size ||
	    strlen(json_string_value(value)) != json_string_length(value))
		return -EBADMSG;
	memcpy(at, json_string_value(value), json_string_length(value));
	return 0;
}

static int name_from_json(const json_t *value, const char *const *names, size_t count,
			  unsigned int *ret)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(names[i], json_string_value(value)) == 0) {
			*ret = (unsigned int)i;
			return 0;
		}
	return -EBADMSG;
}

static int fields_from_json(json_t *const values[static MEMBERS], struct boot_status *status)
{
	json_t *const *names = values + ARRAY_SIZE(fields);
	unsigned int state, root;

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		if (field_from_json(&fields[i], values[i], status) < 0)
			return -EBADMSG;
	if (json_integer_value(names[0]) != STATUS_VERSION ||
	    name_from_json(names[1], state_names, ARRAY_SIZE(state_names), &state) < 0 ||
	    name_from_json(names[2], root_names, ARRAY_SIZE(root_names), &root) < 0 ||
	    status->percent > 100)
		return -EBADMSG;
	status->state = state;
	status->root = root;
	return 0;
}

int boot_status_parse(const char *text, size_t size, struct boot_status *ret)
{
	cleanup(json_decrefp) json_t *json = NULL;
	struct json_member table[MEMBERS];
	struct boot_status status = {};
	json_t *values[MEMBERS];
	size_t n = ARRAY_SIZE(fields);
	int r = json_parse(text, size, STATUS_SIZE_LIMIT, &json);

	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++)
		table[i] = (struct json_member){fields[i].name,
						fields[i].size > 0 ? JSON_STRING : JSON_INTEGER,
						true, &values[i]};
	table[n] = (struct json_member){"version", JSON_INTEGER, true, &values[n]};
	table[n + 1] = (struct json_member){"state", JSON_STRING, true, &values[n + 1]};
	table[n + 2] = (struct json_member){"root", JSON_STRING, true, &values[n + 2]};
	r = json_read_object(json, table, MEMBERS, true);
	if (r == 0)
		r = fields_from_json(values, &status);
	if (r < 0)
		return r;
	*ret = status;
	return 0;
}
