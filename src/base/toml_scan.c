/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "base/toml_scan.h"
#include "base/codec.h"
#include "base/error.h"

#include <string.h>

/* A terminal must not obey what stands in a document: C0, DEL and C1 controls become '?'. */
static void replace_controls(char *text)
{
	unsigned char previous = 0;

	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;

		if (c < ' ' || c == 0x7f || (previous == 0xc2 && c < 0xa0))
			*text = '?';
		previous = c;
	}
}

int toml_fail_at(int error, const char *file, unsigned int line, const char *table, const char *key,
		 const char *format, va_list args)
{
	char words[FAIL_SENTENCE_SIZE], place[2 * TOML_NAME_MAX + 8] = "";
	bool in_table = table && table[0] != '\0';

	vsnprintf(words, sizeof(words), format, args);
	if (in_table || key)
		snprintf(place, sizeof(place), "%s%s%s%s%s: ", in_table ? "[" : "",
			 in_table ? table : "", in_table ? "]" : "", in_table && key ? " " : "",
			 key ? key : "");
	replace_controls(place);
	replace_controls(words);
	return fail(error, "%s:%u: %s%s", file, line, place, words);
}

int scan_fail(const struct toml_scan *scan, int error, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	error = toml_fail_at(error, scan->file, scan->line, scan->table, scan->key, format, args);
	va_end(args);
	return error;
}

int scan_peek(const struct toml_scan *scan, size_t ahead)
{
	return ahead < scan->text.left ? scan->text.data[ahead] : -1;
}

bool scan_take(struct toml_scan *scan, const char *text)
{
	size_t size = strlen(text);

	if (scan->text.left < size || memcmp(scan->text.data, text, size) != 0)
		return false;
	return reader_skip(&scan->text, size) == 0;
}

/* Take the next byte, which is there. */
static char take(struct toml_scan *scan)
{
	uint8_t byte = 0;

	(void)reader_u8(&scan->text, &byte);
	return (char)byte;
}

void scan_blanks(struct toml_scan *scan)
{
	while (scan_peek(scan, 0) == ' ' || scan_peek(scan, 0) == '\t')
		take(scan);
}

static bool take_newline(struct toml_scan *scan)
{
	if (!scan_take(scan, "\n") && !scan_take(scan, "\r\n"))
		return false;
	scan->line++;
	return true;
}

/* Controls that may stand nowhere; tab may. */
static bool is_control(int c)
{
	return (c >= 0 && c < ' ' && c != '\t') || c == 0x7f;
}

static int skip_comment(struct toml_scan *scan)
{
	if (!scan_take(scan, "#"))
		return 0;
	while (scan_peek(scan, 0) >= 0 && !is_control(scan_peek(scan, 0)))
		take(scan);
	return 0;
}

int scan_line_end(struct toml_scan *scan)
{
	scan_blanks(scan);
	skip_comment(scan);
	if (scan_peek(scan, 0) < 0 || take_newline(scan))
		return 0;
	if (is_control(scan_peek(scan, 0)))
		return scan_fail(scan, -EBADMSG, "control character 0x%02x",
				 (unsigned int)scan_peek(scan, 0));
	return scan_fail(scan, -EBADMSG, "something follows where the line should end");
}

int scan_blank_lines(struct toml_scan *scan)
{
	for (;;) {
		int r = 0;

		scan_blanks(scan);
		if (scan_peek(scan, 0) == '#')
			r = scan_line_end(scan);
		else if (!take_newline(scan))
			return 0;
		if (r < 0)
			return r;
	}
}

/* ---- Strings ---- */

/* The bytes of a string end up one behind the other, each string with its NUL. */
static int append(struct toml_scan *scan, char c)
{
	if (scan->strings_used >= scan->strings->size)
		return -ENOMEM;
	scan->strings->data[scan->strings_used++] = (uint8_t)c;
	return 0;
}

static int append_code_point(struct toml_scan *scan, uint32_t c)
{
	char text[4];
	size_t size = utf8_encode(c, text);
	int r = 0;

	for (size_t i = 0; r == 0 && i < size; i++)
		r = append(scan, text[i]);
	return r;
}

static const char *string_begin(const struct toml_scan *scan)
{
	return (const char *)scan->strings->data + scan->strings_used;
}

static int unicode_escape(struct toml_scan *scan, unsigned int digits)
{
	uint8_t bytes[4] = {};
	const uint8_t *text;
	uint32_t c;

	if (reader_borrow(&scan->text, digits, &text) < 0 ||
	    hex_decode((const char *)text, digits, bytes + 4 - digits / 2, digits / 2) < 0)
		return scan_fail(scan, -EBADMSG, "\\%c needs %u hexadecimal digits",
				 digits == 4 ? 'u' : 'U', digits);
	c = (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 |
	    bytes[3];
	if (c == 0)
		return scan_fail(scan, -EBADMSG, "a NUL in a string is not supported here");
	if (c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return scan_fail(scan, -EBADMSG, "U+%04X is not a character", c);
	return append_code_point(scan, c);
}

static int escape(struct toml_scan *scan)
{
	static const char names[] = "btnfr\"\\", values[] = "\b\t\n\f\r\"\\";
	int c = scan_peek(scan, 0);
	const char *found = c > 0 ? strchr(names, c) : NULL;

	if (scan_take(scan, "u"))
		return unicode_escape(scan, 4);
	if (scan_take(scan, "U"))
		return unicode_escape(scan, 8);
	if (!found)
		return scan_fail(scan, -EBADMSG, "unknown escape in a string");
	take(scan);
	return append(scan, values[found - names]);
}

static int single_line_string(struct toml_scan *scan, int quote)
{
	int r = 0;

	take(scan);
	while (r == 0) {
		int c = scan_peek(scan, 0);

		if (c < 0 || c == '\n' || c == '\r')
			return scan_fail(scan, -EBADMSG, "the string does not end on its line");
		if (is_control(c))
			return scan_fail(scan, -EBADMSG, "control character 0x%02x in a string",
					 (unsigned int)c);
		take(scan);
		if (c == quote)
			return append(scan, '\0');
		r = c == '\\' && quote == '"' ? escape(scan) : append(scan, (char)c);
	}
	return r;
}

/* A backslash at the end of a line joins it with the next text, whatever blanks are between. */
static bool take_joined_lines(struct toml_scan *scan)
{
	struct toml_scan ahead = *scan;

	take(&ahead);
	scan_blanks(&ahead);
	if (!take_newline(&ahead))
		return false;
	do
		scan_blanks(&ahead);
	while (take_newline(&ahead));
	scan->text = ahead.text;
	scan->line = ahead.line;
	return true;
}

static int multi_line_escape(struct toml_scan *scan)
{
	if (take_joined_lines(scan))
		return 0;
	take(scan);
	return escape(scan);
}

static int multi_line_string(struct toml_scan *scan, int quote, const char *quotes)
{
	unsigned int begin = scan->line;
	int r = 0;

	/* A line end right behind the quotes is not part of the string. */
	take_newline(scan);
	while (r == 0) {
		int c = scan_peek(scan, 0);

		/* One or two quotes more than three belong to the string. */
		if (c == quote && scan_peek(scan, 3) != quote && scan_take(scan, quotes))
			return append(scan, '\0');
		if (c < 0) {
			scan->line = begin;
			return scan_fail(scan, -EBADMSG, "the string is never closed");
		}
		if (take_newline(scan)) {
			r = append(scan, '\n');
			continue;
		}
		if (is_control(c))
			return scan_fail(scan, -EBADMSG, "control character 0x%02x in a string",
					 (unsigned int)c);
		r = c == '\\' && quote == '"' ? multi_line_escape(scan) : append(scan, take(scan));
	}
	return r;
}

int scan_string(struct toml_scan *scan, const char **ret)
{
	const char *begin = string_begin(scan);
	int r;

	if (scan_take(scan, "\"\"\""))
		r = multi_line_string(scan, '"', "\"\"\"");
	else if (scan_take(scan, "'''"))
		r = multi_line_string(scan, '\'', "'''");
	else
		r = single_line_string(scan, scan_peek(scan, 0));
	if (r == 0)
		*ret = begin;
	return r;
}

static bool is_bare(int c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_' || c == '-';
}

static int bare_part(struct toml_scan *scan)
{
	int r = 0;

	if (!is_bare(scan_peek(scan, 0)))
		return scan_fail(scan, -EBADMSG, "a name is missing");
	while (r == 0 && is_bare(scan_peek(scan, 0)))
		r = append(scan, take(scan));
	return r;
}

/* What was taken since @begin is a name, but for its NUL when it was bare. */
static int end_name(struct toml_scan *scan, const char *begin)
{
	if (begin[0] == '\0')
		return scan_fail(scan, -EBADMSG, "a name is missing");
	if (strlen(begin) > TOML_NAME_MAX)
		return scan_fail(scan, -E2BIG, "a name of more than %d bytes", TOML_NAME_MAX);
	scan_blanks(scan);
	if (scan_peek(scan, 0) == '.')
		return scan_fail(scan, -EBADMSG, "a dotted name is not supported here");
	return 0;
}

int scan_name(struct toml_scan *scan, const char **ret)
{
	const char *begin = string_begin(scan);
	int quote = scan_peek(scan, 0), r;

	if (quote == '"' || quote == '\'')
		r = single_line_string(scan, quote);
	else
		r = bare_part(scan);
	if (r == 0 && quote != '"' && quote != '\'')
		r = append(scan, '\0');
	if (r == 0)
		r = end_name(scan, begin);
	if (r == 0)
		*ret = begin;
	return r;
}

int scan_table_name(struct toml_scan *scan, const char **ret)
{
	const char *begin = string_begin(scan);
	int r;

	if (!is_bare(scan_peek(scan, 0)))
		return scan_name(scan, ret);
	r = bare_part(scan);
	if (r == 0 && scan_take(scan, ".")) {
		r = append(scan, '.');
		if (r == 0)
			r = bare_part(scan);
	}
	if (r == 0)
		r = append(scan, '\0');
	if (r == 0)
		r = end_name(scan, begin);
	if (r == 0)
		*ret = begin;
	return r;
}

/* ---- Integers ---- */

static unsigned int digit_value(int c, unsigned int base)
{
	unsigned int value = 255;

	if (c >= '0' && c <= '9')
		value = (unsigned int)c - '0';
	else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
		value = (unsigned int)(c | 0x20) - 'a' + 10;
	return value < base ? value : 255;
}

/* Digits, single underscores between them. Values are kept negative, which reaches INT64_MIN. */
static int scan_digits(struct toml_scan *scan, unsigned int base, int64_t *ret)
{
	int64_t number = 0;
	bool zero = scan_peek(scan, 0) == '0', digit = false;
	size_t count = 0;

	for (;; take(scan)) {
		unsigned int value = digit_value(scan_peek(scan, 0), base);

		if (digit && scan_peek(scan, 0) == '_') {
			digit = false;
			continue;
		}
		digit = value < base;
		if (!digit)
			break;
		count++;
		if (__builtin_mul_overflow(number, (int64_t)base, &number) ||
		    __builtin_sub_overflow(number, (int64_t)value, &number))
			return scan_fail(scan, -EBADMSG, "the number does not fit into 64 bits");
	}
	if (count == 0 || scan->text.data[-1] == '_')
		return scan_fail(scan, -EBADMSG, "not a number");
	if (base == 10 && zero && count > 1)
		return scan_fail(scan, -EBADMSG, "a number must not begin with 0");
	*ret = number;
	return 0;
}

/* What may not follow a number, with the reason. */
static int check_number_end(struct toml_scan *scan)
{
	int c = scan_peek(scan, 0);

	if (c == '.' || c == 'e' || c == 'E')
		return scan_fail(scan, -EBADMSG, "a float is not supported here");
	if (c == '-' || c == ':')
		return scan_fail(scan, -EBADMSG, "a date or time is not supported here");
	if (is_bare(c))
		return scan_fail(scan, -EBADMSG, "not a number");
	return 0;
}

int scan_integer(struct toml_scan *scan, int64_t *ret)
{
	bool negative = scan_peek(scan, 0) == '-';
	bool sign = negative || scan_peek(scan, 0) == '+';
	int64_t number = 0;
	int r;

	if (scan_peek(scan, 0) == '0' && (scan_peek(scan, 1) == 'o' || scan_peek(scan, 1) == 'b'))
		return scan_fail(scan, -EBADMSG, "an octal or binary number is not supported here");
	if (sign)
		take(scan);
	if (!sign && scan_take(scan, "0x"))
		r = scan_digits(scan, 16, &number);
	else
		r = scan_digits(scan, 10, &number);
	if (r == 0)
		r = check_number_end(scan);
	if (r < 0)
		return r;
	if (!negative && __builtin_sub_overflow((int64_t)0, number, &number))
		return scan_fail(scan, -EBADMSG, "the number does not fit into 64 bits");
	*ret = number;
	return 0;
}
