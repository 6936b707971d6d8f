/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "base/error.h"
#include "verify/events.h"

#include <stdarg.h>
#include <string.h>

/*
 * What cvmroot's own events say. A log comes through many hands, so of an event only that counts
 * which its register speaks for: the order of digests within it, and texts that hash to them.
 */

#define PCRS_OURS   (1U << 9 | 1U << 12 | 1U << 13 | 1U << 14 | 1U << PCR_CLOSING)
#define RTMRS_OURS  (1U << 2 | 1U << 3)
#define CONTENT_MAX 200
#define KEY_WORD    "cryptsetup:root:"
#define KEY_DIGEST  ":sha384:"

static void add_fault(struct events *events, const char *format, ...) printf_like(2, 3);
static void add_fault(struct events *events, const char *format, ...)
{
	va_list arguments;

	if (events->fault[0] != '\0')
		return;
	va_start(arguments, format);
	(void)vsnprintf(events->fault, sizeof(events->fault), format, arguments);
	va_end(arguments);
}

/* ---- Which events are ours ---- */

/* In PCRs user space's log has them, in RTMRs the agent's: what firmware says is none of ours. */
static int parse(const struct events *events, const struct eventlog_event *event, enum word *ret,
		 const char **content, size_t *content_size)
{
	enum eventlog_source source =
		events->kind == EVENTLOG_RTMR ? EVENTLOG_AGENT : EVENTLOG_USER;

	return event->source == source ? eventlog_word(event, ret, content, content_size) : -ENOENT;
}

/* So that it can be printed, and does not say something else to somebody else. */
static bool is_plain(const char *text, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (!((text[i] >= '0' && text[i] <= '9') || (text[i] >= 'a' && text[i] <= 'z') ||
		      (text[i] >= 'A' && text[i] <= 'Z') ||
		      (text[i] && strchr(":=._+,-", text[i]))))
			return false;
	return size <= CONTENT_MAX;
}

static bool is_allowed(const struct events *events, enum word word, unsigned int index)
{
	uint32_t allowed = events->kind == EVENTLOG_RTMR ? RTMRS_OURS : PCRS_OURS;

	if (events->kind == EVENTLOG_PCR && (word == WORD_VOLUME || word == WORD_VOLUME_KEY))
		return index == PCR_CLOSING;
	return index < EVENTLOG_REGISTERS && allowed >> index & 1;
}

/* "cryptsetup:root:UUID" of the volume measured before, and in an RTMR the HMAC. */
static bool is_key_of_volume(const struct events *events, const char *text, size_t size)
{
	size_t word = strlen(KEY_WORD), uuid = events->content[WORD_VOLUME].size;
	size_t rest = events->kind == EVENTLOG_RTMR ? strlen(KEY_DIGEST) + 2 * 48 : 0;

	return events->found[WORD_VOLUME] && size == word + uuid + rest &&
	       memcmp(text, KEY_WORD, word) == 0 &&
	       memcmp(text + word, events->content[WORD_VOLUME].data, uuid) == 0 &&
	       (rest == 0 || memcmp(text + word + uuid, KEY_DIGEST, strlen(KEY_DIGEST)) == 0);
}

/* What has a digest that anybody may call an HMAC. */
static bool is_failure(const struct eventlog_event *event)
{
	static const char text[] = "cvmroot:failed";
	uint8_t digest[HASH_MAX_SIZE];

	for (enum hash_algorithm bank = 0; bank < HASH_ALGORITHMS; bank++)
		if (event->banks & 1U << bank &&
		    (hash_data(bank, text, strlen(text), digest) < 0 ||
		     memcmp(digest, event->digests[bank], hash_size(bank)) == 0))
			return true;
	return false;
}

/* The words are numbered in the order in which a good boot measures them, each once. */
static bool is_in_order(const struct events *events, enum word word)
{
	for (size_t i = word; i <= WORD_LEAVE; i++)
		if (events->found[i])
			return false;
	return true;
}

/*
 * In a register our events are one run: whoever is root later can give an event that was measured
 * another text, as long as nobody takes its digest from it, and then extend what he likes.
 */
static void check_run(struct events *events, const struct eventlog_event *event)
{
	if (event->index >= EVENTLOG_REGISTERS)
		return;
	if (events->ended >> event->index & 1)
		add_fault(events,
			  "something else was measured between cvmroot's events in "
			  "register %u",
			  event->index);
	if (events->kind == EVENTLOG_RTMR && events->ours & ~(1U << event->index))
		add_fault(events, "cvmroot's events are in two RTMRs");
}

static void add_event(struct events *events, const struct eventlog_event *event, enum word word,
		      const char *content, size_t size, size_t number)
{
	if (word == WORD_FAILED || is_failure(event))
		add_fault(events, "cvmroot failed in this boot");
	else if (!is_in_order(events, word))
		add_fault(events, "the event \"%s\" comes twice, or out of order", word_name(word));
	else if (!is_allowed(events, word, event->index))
		add_fault(events, "the event \"%s\" is in register %u, where cvmroot puts none",
			  word_name(word), event->index);
	else if (!is_plain(content, size) || event->banks == 0 || !eventlog_event_is_sound(event))
		add_fault(events, "the event \"%s\" is not what was measured", word_name(word));
	else if (word == WORD_VOLUME_KEY && !is_key_of_volume(events, content, size))
		add_fault(events, "the volume key is of another volume than the one measured");
	events->found[word] = event;
	events->content[word].data = content;
	events->content[word].size = size;
	if (event->index < EVENTLOG_REGISTERS) {
		if (!(events->ours >> event->index & 1))
			events->first[event->index] = number;
		events->ours |= 1U << event->index;
	}
	events->awaits_key = word == WORD_VOLUME && events->kind == EVENTLOG_PCR;
}

/*
 * What comes next in PCR 15. The text of an HMAC is anybody's, so that the volume key is known by
 * its place: right behind the volume.
 */
static void check_place(struct events *events, int r, enum word word)
{
	if (!events->began && (r < 0 || word > WORD_VOLUME))
		add_fault(events, "PCR %d was extended before cvmroot began", PCR_CLOSING);
	if (events->awaits_key && (r < 0 || word != WORD_VOLUME_KEY))
		add_fault(events, "no volume key follows the volume");
	events->began = true;
}

static void take(struct events *events, const struct eventlog_event *event, size_t number)
{
	enum word word = WORDS;
	const char *content = NULL;
	size_t size = 0;
	int r = parse(events, event, &word, &content, &size);
	/* systemd measures the keys of other volumes just so. */
	bool foreign =
		r < 0 || word == WORD_INITDATA ||
		(word == WORD_VOLUME_KEY && events->kind == EVENTLOG_PCR && !events->awaits_key &&
		 (size < strlen(KEY_WORD) || memcmp(content, KEY_WORD, strlen(KEY_WORD)) != 0));

	if (events->kind == EVENTLOG_PCR && event->index == PCR_CLOSING)
		check_place(events, r, word);
	if (foreign && event->index < EVENTLOG_REGISTERS)
		events->ended |= events->ours & 1U << event->index;
	if (foreign)
		return;
	check_run(events, event);
	add_event(events, event, word, content, size, number);
}

/* A record that lacks the bank that is quoted says nothing about it: systemd and cvmroot may each
 * have extended some. */
static bool tells(const struct eventlog_event *event, const struct facts *facts)
{
	return (event->source == EVENTLOG_USER || event->type != EVENTLOG_EV_NO_ACTION) &&
	       (!facts->quoted || event->banks >> facts->registers.bank & 1);
}

static void collect(struct events *events, const struct facts *facts)
{
	for (size_t i = 0; i < eventlog_count(events->log); i++) {
		const struct eventlog_event *event = eventlog_at(events->log, i);

		if (event->kind == events->kind && tells(event, facts))
			take(events, event, i);
	}
	events->registers = events->ours;
	if (events->kind == EVENTLOG_PCR)
		events->registers |= 1U << PCR_CLOSING;
	for (enum word word = 0; word <= WORD_LEAVE; word++)
		if (word != WORD_MANIFEST && !events->found[word])
			add_fault(events, "the log has no event \"%s\" of cvmroot",
				  word_name(word));
}

/* ---- The logs against the registers ---- */

/* Only those of the registers that are quoted. What a broken one has until there still counts. */
static int parse_logs(const struct document *document, const struct facts *facts,
		      struct eventlog *log)
{
	bool rtmr = facts->quoted && facts->registers.kind == EVENTLOG_RTMR;
	enum document_log firmware = rtmr ? LOG_CCEL : LOG_FIRMWARE;
	enum document_log later = rtmr ? LOG_AGENT : LOG_USER;
	int r = 0;

	if (facts->quoted && document->logs[firmware].data)
		r = eventlog_add_firmware(log, facts->registers.kind, document->logs[firmware].data,
					  document->logs[firmware].size);
	if (r == 0 && document->logs[later].data)
		r = rtmr ? eventlog_add_agent(log, document->logs[later].data,
					      document->logs[later].size)
			 : eventlog_add_user(log, document->logs[later].data,
					     document->logs[later].size);
	return r;
}

/* 1 when the log leads to the value that is quoted. */
static int explains(const struct eventlog *log, const struct facts *facts, unsigned int index)
{
	const struct eventlog_registers *registers = &facts->registers;
	struct eventlog_comparison comparison;
	int r;

	if (!(registers->touched >> index & 1))
		return 0;
	r = eventlog_compare(log, registers->kind, registers->bank, index, registers->values[index],
			     &comparison);
	return r < 0 ? r : comparison.verdict == EVENTLOG_AGREES;
}

static int check_registers(const struct events *events, const struct facts *facts,
			   struct verify_result *result)
{
	const char *kind = events->kind == EVENTLOG_RTMR ? "RTMR" : "PCR";

	for (unsigned int i = 0; i < EVENTLOG_REGISTERS; i++) {
		int r = events->registers >> i & 1 ? explains(events->log, facts, i) : 1;

		if (r < 0)
			return r;
		if (r > 0)
			continue;
		claim_set(result, VERIFY_LOGS, VERIFY_FAILS,
			  "the log does not lead to the value of %s %u", kind, i);
		return 0;
	}
	if (events->registers == 0)
		claim_set(result, VERIFY_LOGS, VERIFY_FAILS, "%s", events->fault);
	else
		claim_set(result, VERIFY_LOGS, VERIFY_HOLDS,
			  "they lead to the values of the registers that hold cvmroot's events");
	return 0;
}

int events_check_logs(const struct document *document, const struct events *events,
		      const struct facts *facts, bool bound, struct verify_result *result)
{
	if (facts->quoted)
		return check_registers(events, facts, result);
	if (!bound)
		claim_set(result, VERIFY_LOGS, VERIFY_FAILS,
			  "the evidence does not vouch for the log");
	else if (document->logs[LOG_USER].incomplete)
		claim_set(result, VERIFY_LOGS, VERIFY_FAILS,
			  "the log is marked as incomplete: a measurement was cut off");
	else
		claim_set(result, VERIFY_LOGS, VERIFY_HOLDS,
			  "the machine vouched for its log when it made the evidence");
	return 0;
}

int events_read(const struct document *document, const struct facts *facts, struct events *ret)
{
	struct events events = {
		.kind = facts->quoted ? facts->registers.kind : EVENTLOG_PCR,
	};
	int r = eventlog_new(&events.log);

	if (r == 0)
		r = parse_logs(document, facts, events.log);
	if (r == 0)
		collect(&events, facts);
	else
		events_done(&events);
	if (r == 0)
		*ret = events;
	return r;
}

void events_done(struct events *events)
{
	if (events->log)
		eventlog_free(events->log);
	events->log = NULL;
}

int events_before(const struct events *events, const struct facts *facts,
		  struct eventlog_registers *ret)
{
	*ret = (struct eventlog_registers){
		.kind = events->kind,
		.bank = facts->registers.bank,
		.touched = events->ours,
	};
	for (unsigned int i = 0; i < EVENTLOG_REGISTERS; i++) {
		struct eventlog_registers registers;
		int r = 0;

		if (!(events->ours >> i & 1))
			continue;
		r = eventlog_replay(events->log, events->kind, facts->registers.bank,
				    events->first[i], &registers);
		if (r < 0)
			return r;
		memcpy(ret->values[i], registers.values[i], sizeof(ret->values[i]));
	}
	return 0;
}
