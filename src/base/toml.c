/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "base/toml.h"
#include "base/codec.h"
#include "base/error.h"
#include "base/toml_scan.h"

#include <string.h>

const struct toml_key *toml_find(const struct toml *toml, const char *table, const char *name)
{
	for (size_t i = 0; i < toml->keys_count; i++)
		if (strcmp(toml->keys[i].table, table) == 0 &&
		    strcmp(toml->keys[i].name, name) == 0)
			return &toml->keys[i];
	return NULL;
}

static const struct toml_table *find_table(const struct toml *toml, const char *name)
{
	for (size_t i = 0; i < toml->tables_count; i++)
		if (strcmp(toml->tables[i].name, name) == 0)
			return &toml->tables[i];
	return NULL;
}

int toml_fail(const struct toml *toml, const struct toml_key *key, const char *format, ...)
{
	va_list args;
	int r;

	va_start(args, format);
	r = toml_fail_at(-EBADMSG, toml->file, key->value.line, key->table, key->name, format,
			 args);
	va_end(args);
	return r;
}

/* One more element at the end of a growing array: doubled whenever the count is a power of two. */
static int grow(void *array, size_t count, size_t element_size)
{
	void **pointer = array, *grown;

	if (count & (count - 1))
		return 0;
	grown = reallocarray(*pointer, MAX(2 * count, (size_t)1), element_size);
	if (!grown)
		return -ENOMEM;
	*pointer = grown;
	/* analyze: -Wanalyzer-malloc-leak: the caller has it, by a pointer of another type */
	return 0;
}

/* ---- Values ---- */

static int parse_boolean(struct toml_scan *scan, bool *ret)
{
	bool value = scan_take(scan, "true");

	if (!value && !scan_take(scan, "false"))
		return scan_fail(scan, -EBADMSG,
				 "not a value: a string (in quotes), number, true, false or array "
				 "is expected");
	*ret = value;
	return 0;
}

/* What TOML knows and we do not, told by its first characters. */
static int refuse_unsupported(struct toml_scan *scan)
{
	if (scan_peek(scan, 0) == '{')
		return scan_fail(scan, -EBADMSG, "an inline table is not supported here");
	if (scan_take(scan, "inf") || scan_take(scan, "nan"))
		return scan_fail(scan, -EBADMSG, "a float is not supported here");
	return 0;
}

static int parse_scalar(struct toml_scan *scan, struct toml_value *value)
{
	int c = scan_peek(scan, 0), r = refuse_unsupported(scan);

	if (r < 0)
		return r;
	value->line = scan->line;
	if (c == '"' || c == '\'') {
		value->type = TOML_STRING;
		return scan_string(scan, &value->string);
	}
	if ((c >= '0' && c <= '9') || c == '-' || c == '+') {
		value->type = TOML_INTEGER;
		return scan_integer(scan, &value->integer);
	}
	value->type = TOML_BOOLEAN;
	return parse_boolean(scan, &value->boolean);
}

static int parse_item(struct toml_scan *scan, struct toml_value *array)
{
	struct toml_value item = {};
	int r;

	if (array->items_count == TOML_ITEMS_MAX)
		return scan_fail(scan, -E2BIG, "an array of more than %d items", TOML_ITEMS_MAX);
	if (scan_peek(scan, 0) == '[')
		return scan_fail(scan, -EBADMSG, "an array in an array is not supported here");
	r = parse_scalar(scan, &item);
	if (r < 0)
		return r;
	if (item.type == TOML_BOOLEAN)
		return scan_fail(scan, -EBADMSG, "an array of booleans is not supported here");
	if (array->items_count > 0 && array->items[0].type != item.type)
		return scan_fail(scan, -EBADMSG, "an array of mixed types is not supported here");
	r = grow(&array->items, array->items_count, sizeof(item));
	if (r == 0)
		array->items[array->items_count++] = item;
	return r;
}

static int parse_array(struct toml_scan *scan, struct toml_value *value)
{
	bool separated = true;

	value->line = scan->line;
	value->type = TOML_ARRAY;
	for (;;) {
		int r = scan_blank_lines(scan);

		if (r < 0)
			return r;
		if (scan_take(scan, "]"))
			return 0;
		if (!separated || scan_peek(scan, 0) < 0)
			return scan_fail(scan, -EBADMSG, "',' or ']' is expected in the array");
		r = parse_item(scan, value);
		if (r == 0)
			r = scan_blank_lines(scan);
		if (r < 0)
			return r;
		separated = scan_take(scan, ",");
	}
}

/* ---- Lines ---- */

static int parse_assignment(struct toml_scan *scan, struct toml *toml)
{
	const struct toml_key *earlier;
	struct toml_key *key;
	const char *name;
	int r = scan_name(scan, &name);

	if (r < 0)
		return r;
	scan->key = name;
	if (toml->keys_count == TOML_KEYS_MAX)
		return scan_fail(scan, -E2BIG, "more than %d keys", TOML_KEYS_MAX);
	earlier = toml_find(toml, scan->table, name);
	if (earlier)
		return scan_fail(scan, -EBADMSG, "this key was already given in line %u",
				 earlier->value.line);
	r = grow(&toml->keys, toml->keys_count, sizeof(*key));
	if (r < 0)
		return r;
	/* Counted at once, so that the items of a broken array are freed with the document. */
	key = &toml->keys[toml->keys_count++];
	*key = (struct toml_key){.table = scan->table, .name = name};
	if (!scan_take(scan, "="))
		return scan_fail(scan, -EBADMSG, "'=' is expected behind the name");
	scan_blanks(scan);
	if (scan_take(scan, "["))
		return parse_array(scan, &key->value);
	return parse_scalar(scan, &key->value);
}

static int parse_table(struct toml_scan *scan, struct toml *toml)
{
	const struct toml_table *earlier;
	const char *name;
	int r;

	scan->table = "";
	if (scan_peek(scan, 0) == '[')
		return scan_fail(scan, -EBADMSG, "an array of tables is not supported here");
	scan_blanks(scan);
	r = scan_table_name(scan, &name);
	if (r < 0)
		return r;
	scan->table = name;
	if (!scan_take(scan, "]"))
		return scan_fail(scan, -EBADMSG, "']' is expected behind the name of the table");
	earlier = find_table(toml, name);
	if (earlier)
		return scan_fail(scan, -EBADMSG, "this table was already given in line %u",
				 earlier->line);
	if (toml_find(toml, "", name))
		return scan_fail(scan, -EBADMSG, "a key already has the name of this table");
	if (toml->tables_count == TOML_TABLES_MAX)
		return scan_fail(scan, -E2BIG, "more than %d tables", TOML_TABLES_MAX);
	r = grow(&toml->tables, toml->tables_count, sizeof(*toml->tables));
	if (r == 0)
		toml->tables[toml->tables_count++] =
			(struct toml_table){.name = name, .line = scan->line};
	return r;
}

static int parse_line(struct toml_scan *scan, struct toml *toml)
{
	int c, r = 0;

	scan->key = NULL;
	scan_blanks(scan);
	c = scan_peek(scan, 0);
	if (scan_take(scan, "["))
		r = parse_table(scan, toml);
	else if (c >= 0 && c != '#' && c != '\n' && c != '\r')
		r = parse_assignment(scan, toml);
	if (r < 0)
		return r;
	return scan_line_end(scan);
}

static int check_encoding(struct toml_scan *scan)
{
	size_t valid = utf8_valid_size(scan->text.data, scan->text.left);

	if (valid == scan->text.left)
		return 0;
	for (size_t i = 0; i < valid; i++)
		scan->line += scan->text.data[i] == '\n';
	return scan_fail(scan, -EBADMSG, "the text is not UTF-8");
}

int toml_parse(const char *text, size_t size, const char *file, struct toml **ret)
{
	cleanup(toml_freep) struct toml *toml = calloc(1, sizeof(*toml));
	struct toml_scan scan = {
		.text = reader_init(text, size), .line = 1, .file = file, .table = ""};
	int r;

	if (!toml || !(toml->file = strdup(file)))
		return -ENOMEM;
	if (size > TOML_SIZE_LIMIT)
		return fail(-E2BIG, "%s: longer than %u KiB", file,
			    (unsigned int)(TOML_SIZE_LIMIT / KIB));
	/*
	 * No string is longer than the text that it is written in, but for the NUL of a last name.
	 */
	r = secret_new(size + 1, &toml->strings);
	if (r < 0)
		return r;
	scan.strings = toml->strings;
	r = check_encoding(&scan);
	if (r == 0 && scan_take(&scan, "\xef\xbb\xbf"))
		r = scan_fail(&scan, -EBADMSG,
			      "the file begins with a byte order mark (BOM); save it without one");
	while (r == 0 && scan.text.left > 0)
		r = parse_line(&scan, toml);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(toml);
	return 0;
}

void toml_free(struct toml *toml)
{
	if (!toml)
		return;
	for (size_t i = 0; i < toml->keys_count; i++)
		free(toml->keys[i].value.items);
	free(toml->keys);
	free(toml->tables);
	secret_freep(&toml->strings);
	free(toml->file);
	free(toml);
}
