/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "cli/log_print.h"

#include "base/codec.h"
#include "base/error.h"
#include "eventlog/word.h"

#include <string.h>

/* Of a description, and of a digest in the table. */
#define TEXT_SIZE   160
#define DIGEST_SIZE 8

static const char *const sources[] = {
	[EVENTLOG_FIRMWARE] = "firmware",
	[EVENTLOG_AGENT] = "agent",
	[EVENTLOG_USER] = "user",
};

const char *log_kind_name(enum eventlog_kind kind)
{
	return kind == EVENTLOG_RTMR ? "RTMR" : "PCR";
}

/* ---- What an event says ---- */

/* One of the words that cvmroot measures; NULL: it is not. */
static const char *own_word(const struct eventlog_event *event)
{
	const char *content;
	enum word word;
	size_t size;

	return eventlog_word(event, &word, &content, &size) == 0 ? word_name(word) : NULL;
}

/* A type of user space is whatever its writer chose. */
static const char *type_name(const struct eventlog_event *event, char buffer[static 11])
{
	if (event->source != EVENTLOG_USER)
		return eventlog_type_name(event->type, buffer);
	for (const char *c = event->user_type; c && *c != '\0'; c++)
		if (*c <= ' ' || *c > '~')
			return "?";
	return event->user_type ? event->user_type : "-";
}

static void first_digest(const struct eventlog_event *event, char ret[static 2 * DIGEST_SIZE + 1])
{
	static const enum hash_algorithm order[] = {HASH_SHA256, HASH_SHA384, HASH_SHA512,
						    HASH_SHA1};

	ret[0] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(order) && ret[0] == '\0'; i++)
		if (event->banks & 1U << order[i])
			hex_encode(event->digests[order[i]], DIGEST_SIZE, ret);
}

/* EV_NO_ACTION extends nothing, and a log that stands alone names a register that is not there. */
static bool extends(const struct eventlog_event *event, bool alone)
{
	return event->type != EVENTLOG_EV_NO_ACTION && !(alone && event->source == EVENTLOG_USER);
}

void log_print_events(const struct eventlog *log, bool alone)
{
	printf("  %5s  %-6s  %-32s  %-16s  %s\n", "EVENT", "IN", "TYPE", "DIGEST", "DESCRIPTION");
	for (size_t i = 0; i < eventlog_count(log); i++) {
		const struct eventlog_event *event = eventlog_at(log, i);
		char where[32] = "-", type[11], digest[2 * DIGEST_SIZE + 1], text[TEXT_SIZE];

		if (extends(event, alone))
			snprintf(where, sizeof(where), "%s %u", log_kind_name(event->kind),
				 event->index);
		first_digest(event, digest);
		eventlog_describe(event, text, sizeof(text));
		printf("%c %5zu  %-6s  %-32s  %-16s  %s\n", own_word(event) ? '*' : ' ', i, where,
		       type_name(event, type), digest, text);
	}
}

/* ---- JSON ---- */

int log_add(json_t *array, json_t *item)
{
	return !item || json_array_append_new(array, item) < 0 ? -ENOMEM : 0;
}

static json_t *json_digests(const struct eventlog_event *event)
{
	json_t *digests = json_array();

	for (size_t i = 0; i < HASH_ALGORITHMS; i++)
		if (event->banks & 1U << i &&
		    log_add(digests, json_pack("{s:s, s:o}", "hashAlg",
					       hash_name((enum hash_algorithm)i), "digest",
					       json_hex(event->digests[i],
							hash_size((enum hash_algorithm)i)))) < 0) {
			json_decref(digests);
			return NULL;
		}
	return digests;
}

static json_t *json_data(const struct eventlog_event *event)
{
	if (event->source == EVENTLOG_USER)
		return json_stringn((const char *)event->data, event->data_size);
	return json_base64(event->data, event->data_size);
}

static json_t *json_event(const struct eventlog_event *event, size_t number, bool alone)
{
	bool extending = extends(event, alone);
	char type[11], text[TEXT_SIZE];

	eventlog_describe(event, text, sizeof(text));
	return json_pack("{s:I, s:s, s:I, s:s?, s:o?, s:s, s:o, s:b, s:s, s:s?, s:o?}", "event",
			 (json_int_t)number, "log", sources[event->source], "offset",
			 (json_int_t)event->offset, "in",
			 extending ? log_kind_name(event->kind) : NULL, "index",
			 extending ? json_integer(event->index) : NULL, "type",
			 event->source == EVENTLOG_USER && event->user_type
				 ? event->user_type
				 : type_name(event, type),
			 "digests", json_digests(event), "sound", eventlog_event_is_sound(event),
			 "description", text, "cvmroot", own_word(event), "data",
			 event->data ? json_data(event) : NULL);
}

int log_json_events(const struct eventlog *log, bool alone, json_t **ret)
{
	cleanup(json_decrefp) json_t *events = json_array();
	int r = 0;

	for (size_t i = 0; r == 0 && i < eventlog_count(log); i++)
		r = log_add(events, json_event(eventlog_at(log, i), i, alone));
	*ret = TAKE_PTR(events);
	return r;
}

int log_print_json(json_t *json)
{
	if (json_dumpf(json, stdout, JSON_INDENT(1)) < 0)
		return fail(-EIO, "cannot write the logs to standard output");
	putchar('\n');
	return 0;
}

/* ---- TCG Canonical Event Log Format, version 1.0, its JSON encoding ---- */

static json_t *cel_content(const struct eventlog_event *event)
{
	char type[11];

	if (event->source == EVENTLOG_USER)
		return event->content ? json_incref(event->content) : json_object();
	eventlog_type_name(event->type, type);
	return json_pack("{s:o, s:o}", "event_type",
			 strncmp(eventlog_type_name(event->type, type), "EV_", 3) == 0
				 ? json_string(eventlog_type_name(event->type, type))
				 : json_integer(event->type),
			 "event_data", json_hex(event->data, event->data_size));
}

/*
 * The format knows PCRs only. A register of TDX has the name and the number that UEFI gives it: a
 * CC measurement register.
 */
static json_t *cel_record(const struct eventlog_event *event, size_t number)
{
	bool counts_from_one = event->kind == EVENTLOG_RTMR && event->type != EVENTLOG_EV_NO_ACTION;

	return json_pack("{s:I, s:I, s:o, s:s, s:o}", "recnum", (json_int_t)number,
			 event->kind == EVENTLOG_RTMR ? "ccmr" : "pcr",
			 (json_int_t)event->index + counts_from_one, "digests", json_digests(event),
			 "content_type",
			 event->source == EVENTLOG_USER ? "systemd" : "pcclient_std", "content",
			 cel_content(event));
}

/* Records are numbered within each register; of EV_NO_ACTION any number may stand there. */
int log_print_cel(const struct eventlog *log)
{
	size_t numbers[2][EVENTLOG_REGISTERS + 1] = {};
	cleanup(json_decrefp) json_t *records = json_array();

	for (size_t i = 0; i < eventlog_count(log); i++) {
		const struct eventlog_event *event = eventlog_at(log, i);
		unsigned int slot = MIN(event->index + (event->kind == EVENTLOG_RTMR &&
							event->type != EVENTLOG_EV_NO_ACTION),
					EVENTLOG_REGISTERS);

		if (log_add(records, cel_record(event, numbers[event->kind][slot]++)) < 0)
			return -ENOMEM;
	}
	return log_print_json(records);
}
