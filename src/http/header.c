/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "http/header.h"

#include "base/error.h"
#include "base/reader.h"
#include "http/http.h"

#include <string.h>
#include <strings.h>

static bool is_digit(int c)
{
	return c >= '0' && c <= '9';
}

static bool is_token(int c)
{
	return is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
	       (c != '\0' && strchr("!#$%&'*+-.^_`|~", c));
}

static bool is_blank(int c)
{
	return c == ' ' || c == '\t';
}

static bool is_text(const char *text, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (((unsigned char)text[i] < 0x20 && text[i] != '\t') || text[i] == 0x7f)
			return false;
	return true;
}

static bool is_printable(const char *text, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (text[i] < 0x20 || text[i] > 0x7e)
			return false;
	return true;
}

static int malformed(const char *why)
{
	return fail(-EBADMSG, "answer: its header is malformed: %s", why);
}

static void forget(struct http_header *header)
{
	free(header->set_cookie);
	free(header->date);
	free(header->retry_after);
	*header = (struct http_header){.size = header->size};
}

void http_header_done(struct http_header *header)
{
	forget(header);
}

/* "HTTP/1.1 200 OK": what came before was an interim answer (RFC 9110 §15.2). */
static int take_status(struct http_header *header, const char *line, size_t size)
{
	unsigned int status = 0;

	if (header->status >= 200 || (header->status > 0 && !header->ended))
		return malformed("a status line in the middle of it");
	if (size < 12 || memcmp(line, "HTTP/1.", 7) != 0 || !is_digit(line[7]) || line[8] != ' ' ||
	    (size > 12 && line[12] != ' ') || !is_text(line, size))
		return malformed("it does not begin with a status line");
	for (size_t i = 9; i < 12; i++) {
		if (!is_digit(line[i]))
			return malformed("the status is not a number");
		status = 10 * status + (unsigned int)(line[i] - '0');
	}
	if (status < 100 || status > 599)
		return malformed("the status is out of range");
	forget(header);
	header->status = status;
	/* These never have a body (RFC 9112 §6.3). */
	header->framed = status == 204 || status == 304;
	return 0;
}

/* Append a value to what is kept in *to. */
static int keep(char **to, const char *value, size_t size)
{
	size_t old = *to ? strlen(*to) + 1 : 0;
	char *text;

	if (!is_printable(value, size))
		return malformed("characters that are not ASCII");
	text = realloc(*to, old + size + 1);
	if (!text)
		return -ENOMEM;
	if (old > 0)
		text[old - 1] = '\n';
	memcpy(text + old, value, size);
	text[old + size] = '\0';
	*to = text;
	return 0;
}

static int keep_one(char **to, bool *many, const char *value, size_t size)
{
	if (!*to)
		return keep(to, value, size);
	*many = true;
	return 0;
}

static bool name_is(const char *name, size_t size, const char *wanted)
{
	return size == strlen(wanted) && strncasecmp(name, wanted, size) == 0;
}

static int take_value(struct http_header *header, const char *name, size_t name_size,
		      const char *value, size_t size)
{
	if (name_is(name, name_size, "Date"))
		return keep_one(&header->date, &header->many_dates, value, size);
	if (name_is(name, name_size, "Retry-After"))
		return keep_one(&header->retry_after, &header->many_retry_afters, value, size);
	if (name_is(name, name_size, "Content-Length") ||
	    name_is(name, name_size, "Transfer-Encoding"))
		header->framed = true;
	if (!name_is(name, name_size, "Set-Cookie"))
		return 0;
	if (++header->cookies > HTTP_COOKIES_MAX)
		return fail(-E2BIG, "answer: more than %d cookies", HTTP_COOKIES_MAX);
	return keep(&header->set_cookie, value, size);
}

static int take_field(struct http_header *header, const char *line, size_t size)
{
	const char *value, *end = line + size;
	size_t name_size = 0;

	if (header->status == 0)
		return malformed("it does not begin with a status line");
	if (is_blank(line[0]))
		return malformed("a folded line");
	while (name_size < size && is_token(line[name_size]))
		name_size++;
	if (name_size == 0 || name_size == size || line[name_size] != ':')
		return malformed("a line without a name");
	if (!is_text(line, size))
		return malformed("a control character");
	value = line + name_size + 1;
	while (value < end && is_blank(*value))
		value++;
	while (end > value && is_blank(end[-1]))
		end--;
	/* Trailers come behind the body, from whoever wrote the body: nothing is kept of them. */
	if (header->ended)
		return 0;
	return take_value(header, line, name_size, value, (size_t)(end - value));
}

int http_header_line(struct http_header *header, const char *line, size_t size)
{
	if (__builtin_add_overflow(header->size, size, &header->size) ||
	    header->size > HTTP_HEADER_SIZE_MAX)
		return fail(-E2BIG, "answer: its header is longer than %d bytes",
			    HTTP_HEADER_SIZE_MAX);
	if (size > 0 && line[size - 1] == '\n')
		size--;
	if (size > 0 && line[size - 1] == '\r')
		size--;
	if (size == 0 && header->status == 0)
		return malformed("it does not begin with a status line");
	if (size == 0) {
		header->ended = true;
		return 0;
	}
	if (size >= 5 && memcmp(line, "HTTP/", 5) == 0)
		return take_status(header, line, size);
	return take_field(header, line, size);
}

/* ---- Dates ---- */

/* Days since 1970 in the Gregorian calendar; years begin in March, so that the leap day is last. */
static int64_t days_of(int64_t year, int64_t month, int64_t day)
{
	int64_t years = month > 2 ? year : year - 1;
	int64_t months = month > 2 ? month - 3 : month + 9;

	return years * 365 + years / 4 - years / 100 + years / 400 + (153 * months + 2) / 5 + day -
	       1 - 719468;
}

static int64_t days_in(int64_t year, int64_t month)
{
	return month == 12 ? 31 : days_of(year, month + 1, 1) - days_of(year, month, 1);
}

static int read_number(struct reader *reader, size_t digits, int64_t *ret)
{
	int64_t value = 0;

	for (size_t i = 0; i < digits; i++) {
		uint8_t c;

		if (reader_u8(reader, &c) < 0 || !is_digit(c))
			return -EBADMSG;
		value = 10 * value + c - '0';
	}
	*ret = value;
	return 0;
}

static int read_text(struct reader *reader, const char *text)
{
	const uint8_t *found;
	int r = reader_borrow(reader, strlen(text), &found);

	return r < 0 || memcmp(found, text, strlen(text)) != 0 ? -EBADMSG : 0;
}

/* One of the three-letter words in @list: its place, from 0. */
static int read_word(struct reader *reader, const char *list, int64_t *ret)
{
	const uint8_t *found;

	if (reader_borrow(reader, 3, &found) < 0)
		return -EBADMSG;
	for (size_t i = 0; i < strlen(list); i += 3) {
		if (memcmp(list + i, found, 3) == 0) {
			*ret = (int64_t)i / 3;
			return 0;
		}
	}
	return -EBADMSG;
}

int http_date_read(const char *text, int64_t *ret)
{
	struct reader reader = reader_init(text, strlen(text));
	int64_t weekday, day, month, year, hour, minute, second;

	/* Sun, 06 Nov 1994 08:49:37 GMT */
	if (read_word(&reader, "SunMonTueWedThuFriSat", &weekday) < 0 ||
	    read_text(&reader, ", ") < 0 || read_number(&reader, 2, &day) < 0 ||
	    read_text(&reader, " ") < 0 ||
	    read_word(&reader, "JanFebMarAprMayJunJulAugSepOctNovDec", &month) < 0 ||
	    read_text(&reader, " ") < 0 || read_number(&reader, 4, &year) < 0 ||
	    read_text(&reader, " ") < 0 || read_number(&reader, 2, &hour) < 0 ||
	    read_text(&reader, ":") < 0 || read_number(&reader, 2, &minute) < 0 ||
	    read_text(&reader, ":") < 0 || read_number(&reader, 2, &second) < 0 ||
	    read_text(&reader, " GMT") < 0 || reader_end(&reader) < 0)
		return -EBADMSG;
	month++;
	if (year < 1970 || day < 1 || day > days_in(year, month) || hour > 23 || minute > 59 ||
	    second > 60)
		return -EBADMSG;
	*ret = days_of(year, month, day) * 86400 + hour * 3600 + minute * 60 + second;
	return 0;
}

static int seconds_of(const char *text)
{
	int seconds = 0;

	for (; *text != '\0'; text++) {
		if (!is_digit(*text))
			return -1;
		seconds = MIN(10 * seconds + *text - '0', HTTP_RETRY_AFTER_MAX);
	}
	return seconds;
}

int http_retry_after(const struct http_header *header)
{
	int64_t then, now;

	if (!header->retry_after || header->retry_after[0] == '\0' || header->many_retry_afters)
		return -1;
	if (is_digit(header->retry_after[0]))
		return seconds_of(header->retry_after);
	if (!header->date || header->many_dates || http_date_read(header->date, &now) < 0 ||
	    http_date_read(header->retry_after, &then) < 0)
		return -1;
	return then < now ? 0 : (int)MIN(then - now, HTTP_RETRY_AFTER_MAX);
}

bool http_header_is_sendable(const char *line)
{
	size_t name_size = 0;

	while (is_token(line[name_size]))
		name_size++;
	return name_size > 0 && line[name_size] == ':' && is_printable(line, strlen(line));
}
