/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "base/error.h"
#include "eventlog/aael.h"
#include "eventlog/internal.h"
#include "eventlog/tcg.h"

#include <string.h>

/* The bytes of one log. */
struct block {
	struct block *next;
	uint8_t data[];
};

struct eventlog {
	struct eventlog_event *events;
	size_t count, allocated;
	struct block *blocks;
	json_t *records; /* an array: what events of user space point into */
};

int eventlog_new(struct eventlog **ret)
{
	cleanup(eventlog_freep) struct eventlog *log = calloc(1, sizeof(*log));

	if (!log)
		return -ENOMEM;
	log->records = json_array();
	if (!log->records)
		return -ENOMEM;
	*ret = TAKE_PTR(log);
	return 0;
}

void eventlog_free(struct eventlog *log)
{
	if (!log)
		return;
	while (log->blocks) {
		struct block *next = log->blocks->next;

		free(log->blocks);
		log->blocks = next;
	}
	json_decref(log->records);
	free(log->events);
	free(log);
}

int eventlog_append(struct eventlog *log, const struct eventlog_event *event)
{
	if (log->count == EVENTLOG_EVENTS_MAX)
		return fail(-E2BIG, "the event logs have more than %d events", EVENTLOG_EVENTS_MAX);
	if (log->count == log->allocated) {
		size_t allocated = MAX(2 * log->allocated, (size_t)64);
		void *events = reallocarray(log->events, allocated, sizeof(*event));

		if (!events)
			return -ENOMEM;
		log->events = events;
		log->allocated = allocated;
	}
	log->events[log->count++] = *event;
	return 0;
}

int eventlog_keep(struct eventlog *log, const void *data, size_t size, const uint8_t **ret)
{
	struct block *block;

	if (size > EVENTLOG_LIMIT)
		return fail(-E2BIG, "an event log is longer than %d MiB",
			    (int)(EVENTLOG_LIMIT / MIB));
	block = malloc(sizeof(*block) + size);
	if (!block)
		return -ENOMEM;
	if (size > 0)
		memcpy(block->data, data, size);
	block->next = log->blocks;
	log->blocks = block;
	*ret = block->data;
	return 0;
}

int eventlog_keep_record(struct eventlog *log, json_t *record)
{
	return json_array_append_new(log->records, record) < 0 ? -ENOMEM : 0;
}

size_t eventlog_count(const struct eventlog *log)
{
	return log->count;
}

const struct eventlog_event *eventlog_at(const struct eventlog *log, size_t number)
{
	return &log->events[number];
}

struct taker {
	struct eventlog *log;
	enum eventlog_kind kind;
	enum eventlog_source source;
};

/* Events name a CC measurement register: 1 to 4 are RTMR 0 to 3. */
static int take(void *context, const struct eventlog_event *as_it_stands)
{
	const struct taker *taker = context;
	struct eventlog_event event = *as_it_stands;

	event.source = taker->source;
	event.kind = taker->kind;
	/* On a vTPM CoCo's agent writes the number of a PCR, and no SHA-384. */
	if (taker->source == EVENTLOG_AGENT && !(event.banks & 1U << HASH_SHA384))
		event.kind = EVENTLOG_PCR;
	if (event.type != EVENTLOG_EV_NO_ACTION) {
		bool is_rtmr = event.kind == EVENTLOG_RTMR;

		/* Zero becomes the largest number there is. */
		event.index -= is_rtmr;
		if (event.index >= (is_rtmr ? RTMR_COUNT : EVENTLOG_REGISTERS))
			return -EBADMSG;
	}
	return eventlog_append(taker->log, &event);
}

static int add(struct taker *taker, enum tcg_form form, const void *data, size_t size)
{
	const uint8_t *copy;
	size_t used;
	int r = eventlog_keep(taker->log, data, size, &copy);

	return r < 0 ? r : tcg_walk(form, copy, size, take, taker, &used);
}

int eventlog_add_firmware(struct eventlog *log, enum eventlog_kind kind, const void *data,
			  size_t size)
{
	struct taker taker = {.log = log, .kind = kind, .source = EVENTLOG_FIRMWARE};

	return add(&taker, kind == EVENTLOG_RTMR ? TCG_CCEL : TCG_FIRMWARE, data, size);
}

int eventlog_add_agent(struct eventlog *log, const void *data, size_t size)
{
	struct taker taker = {.log = log, .kind = EVENTLOG_RTMR, .source = EVENTLOG_AGENT};

	return add(&taker, TCG_AGENT, data, size);
}

/* ---- Which log is it? ---- */

#define HEADER "Spec ID Event"

/* TCG_EfiSpecIDEventStruct, or one of TPM 1.2. */
static bool has_header(const void *data, size_t size)
{
	struct reader reader = reader_init(data, size);
	const uint8_t *signature;
	uint32_t type;

	return reader_skip(&reader, 4) == 0 && reader_le32(&reader, &type) == 0 &&
	       type == EVENTLOG_EV_NO_ACTION && reader_skip(&reader, 24) == 0 &&
	       reader_borrow(&reader, strlen(HEADER), &signature) == 0 &&
	       memcmp(signature, HEADER, strlen(HEADER)) == 0;
}

/* The agent tags all of its events. */
static bool is_of_agent(const struct eventlog_event *event)
{
	const uint8_t *text;
	uint32_t tag;
	size_t size;

	return tcg_read_tagged(event, &tag, &text, &size) == 0 && tag == TCG_AAEL_TAG;
}

static bool is_of_rtmrs(const struct eventlog_event *event)
{
	return event->type == EVENTLOG_EV_NO_ACTION || event->banks == 1U << HASH_SHA384;
}

static bool is_of_pcrs(const struct eventlog_event *event)
{
	char buffer[11];

	return eventlog_type_name(event->type, buffer) != buffer;
}

enum fit {
	FITS_NOT,
	FITS_AT_FIRST, /* as far as it can be read */
	FITS_PADDED,
	FITS_WHOLE,
};

/* How is @data such a log, with events that all are of this kind? */
static int try_form(enum tcg_form form, bool (*is_of)(const struct eventlog_event *event),
		    const void *data, size_t size, enum fit *ret)
{
	cleanup(eventlog_freep) struct eventlog *log = NULL;
	struct taker taker = {
		.kind = form == TCG_FIRMWARE ? EVENTLOG_PCR : EVENTLOG_RTMR,
		.source = form == TCG_AGENT ? EVENTLOG_AGENT : EVENTLOG_FIRMWARE,
	};
	size_t used = 0;
	int r = eventlog_new(&log);

	if (r < 0)
		return r;
	taker.log = log;
	r = tcg_walk(form, data, size, take, &taker, &used);
	/* -E2BIG: as such a log the bytes would be very many events. */
	if (r < 0 && r != -EBADMSG && r != -E2BIG)
		return r;
	*ret = r < 0 ? FITS_AT_FIRST : used < size ? FITS_PADDED : FITS_WHOLE;
	/* A header alone says little. */
	if (log->count == 0 || (r < 0 && log->events[log->count - 1].type == EVENTLOG_EV_NO_ACTION))
		*ret = FITS_NOT;
	for (size_t i = 0; i < log->count; i++)
		if (!is_of(&log->events[i]))
			*ret = FITS_NOT;
	return 0;
}

int eventlog_add_any(struct eventlog *log, const void *data, size_t size)
{
	enum fit agent = FITS_NOT, rtmrs = FITS_NOT, pcrs = FITS_NOT;
	int r;

	if (size > 0 && *(const char *)data == EVENTLOG_SEPARATOR)
		return eventlog_add_user(log, data, size);
	r = try_form(TCG_AGENT, is_of_agent, data, size, &agent);
	if (r == 0)
		r = try_form(TCG_CCEL, is_of_rtmrs, data, size, &rtmrs);
	if (r == 0)
		r = try_form(TCG_FIRMWARE, is_of_pcrs, data, size, &pcrs);
	if (r < 0)
		return r;
	if (agent != FITS_NOT)
		return eventlog_add_agent(log, data, size);
	if (rtmrs >= FITS_PADDED || (rtmrs == FITS_AT_FIRST && pcrs < FITS_PADDED))
		return eventlog_add_firmware(log, EVENTLOG_RTMR, data, size);
	/* Anything is the beginning of a log of the older form. */
	if (size == 0 || has_header(data, size) || pcrs == FITS_WHOLE)
		return eventlog_add_firmware(log, EVENTLOG_PCR, data, size);
	return -ENOMSG;
}
