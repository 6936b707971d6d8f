/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "base/codec.h"
#include "base/error.h"
#include "eventlog/internal.h"

#include <string.h>

static int read_digest(json_t *item, struct eventlog_event *event)
{
	json_t *name = NULL, *hex = NULL;
	const struct json_member members[] = {
		{"hashAlg", JSON_STRING, true, &name},
		{"digest", JSON_STRING, true, &hex},
	};
	enum hash_algorithm algorithm;

	if (json_read_object(item, members, ARRAY_SIZE(members), false) < 0)
		return -EBADMSG;
	if (hash_from_name(json_string_value(name), &algorithm) < 0)
		return 0;
	if (event->banks & 1U << algorithm)
		return -EBADMSG;
	event->banks |= 1U << algorithm;
	return hex_decode(json_string_value(hex), json_string_length(hex),
			  event->digests[algorithm], hash_size(algorithm));
}

/* What systemd says of its record; other programs may say something else. */
static int read_content(json_t *content, struct eventlog_event *event)
{
	json_t *text = NULL, *type = NULL;
	const struct json_member members[] = {
		{"string", JSON_STRING, false, &text},
		{"eventType", JSON_STRING, false, &type},
	};

	if (json_read_object(content, members, ARRAY_SIZE(members), false) < 0)
		return -EBADMSG;
	event->content = content;
	event->user_type = json_string_value(type);
	event->data = (const uint8_t *)json_string_value(text);
	event->data_size = json_string_length(text);
	return 0;
}

/* -ENOENT: it is about an NV index. */
static int read_record(json_t *record, struct eventlog_event *event)
{
	json_t *pcr = NULL, *index = NULL, *digests = NULL, *type = NULL, *content = NULL, *item;
	const struct json_member members[] = {
		{"pcr", JSON_INTEGER, false, &pcr},
		{"nv_index", JSON_INTEGER, false, &index},
		{"digests", JSON_ARRAY, true, &digests},
		{"content_type", JSON_STRING, false, &type},
		{"content", JSON_OBJECT, false, &content},
	};
	size_t i;

	if (json_read_object(record, members, ARRAY_SIZE(members), false) < 0 || !pcr == !index)
		return -EBADMSG;
	if (index)
		return -ENOENT;
	if (json_integer_value(pcr) < 0 || json_integer_value(pcr) >= EVENTLOG_REGISTERS)
		return -EBADMSG;
	event->index = (unsigned int)json_integer_value(pcr);
	json_array_foreach (digests, i, item)
		if (read_digest(item, event) < 0)
			return -EBADMSG;
	if (!type || !content || strcmp(json_string_value(type), "systemd") != 0)
		return 0;
	return read_content(content, event);
}

static int add_record(struct eventlog *log, const char *text, size_t size, uint64_t offset)
{
	struct eventlog_event event = {
		.kind = EVENTLOG_PCR, .source = EVENTLOG_USER, .offset = offset};
	json_t *record;
	int r = json_parse(text, size, EVENTLOG_LIMIT, &record);

	if (r < 0)
		return r;
	r = eventlog_keep_record(log, record);
	if (r == 0)
		r = read_record(record, &event);
	if (r == 0)
		r = eventlog_append(log, &event);
	return r == -ENOENT ? 0 : r;
}

/* A separator, the record and a line feed; where the next one begins. */
static int add_next(struct eventlog *log, const char *text, size_t left, size_t *ret_size,
		    uint64_t offset)
{
	const char *next = left > 1 ? memchr(text + 1, EVENTLOG_SEPARATOR, left - 1) : NULL;
	size_t size = next ? (size_t)(next - text) : left;

	if (text[0] != EVENTLOG_SEPARATOR || text[size - 1] != '\n')
		return -EBADMSG;
	*ret_size = size;
	return add_record(log, text + 1, size - 1, offset);
}

int eventlog_add_user(struct eventlog *log, const void *data, size_t size)
{
	const char *text = data;
	size_t at = 0, record = 0;

	if (size > EVENTLOG_LIMIT)
		return fail(-E2BIG, "an event log is longer than %d MiB",
			    (int)(EVENTLOG_LIMIT / MIB));
	for (; at < size; at += record) {
		int r = add_next(log, text + at, size - at, &record, at);

		if (r == -EBADMSG)
			return fail(r, "the log of measurements is malformed at byte %zu", at);
		if (r < 0)
			return r;
	}
	return 0;
}
