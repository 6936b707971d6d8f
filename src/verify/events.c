/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "base/error.h"
#include "eventlog/tcg.h"
#include "eventlog/word.h"
#include "verify/internal.h"

#include <stdarg.h>
#include <string.h>

/*
 * What cvmroot's own events say. A log comes through many hands, so of an event only that counts
 * which its register speaks for: the order of digests within it, and texts that hash to them.
 */

#define PCR_CLOSING 15 /* secrets are sealed to its being zero */
#define PCRS_OURS   (1U << 9 | 1U << 12 | 1U << 13 | 1U << 14 | 1U << PCR_CLOSING)
#define RTMRS_OURS  (1U << 2 | 1U << 3)
#define CONTENT_MAX 200
#define KEY_WORD    "cryptsetup:root:"
#define KEY_DIGEST  ":sha384:"

struct events {
	enum eventlog_kind kind;
	const struct eventlog_event *found[WORDS];
	struct {
		const char *data; /* borrowed from the log, not terminated */
		size_t size;
	} content[WORDS];
	uint32_t registers; /* that the log must explain */
	bool began;	    /* PCR 15 */
	bool awaits_key;    /* the next event of PCR 15 is the volume key */
	char fault[200];    /* why the events are not those of one good boot */
};

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

static int parse_agent(const struct eventlog_event *event, enum word *ret, const char **content,
		       size_t *content_size)
{
	const uint8_t *text;
	uint32_t tag;
	size_t size;

	if (event->type != TCG_EVENT_TAG || tcg_read_tagged(event, &tag, &text, &size) < 0 ||
	    tag != TCG_AAEL_TAG)
		return -ENOENT;
	return word_parse_agent((const char *)text, size, ret, content, content_size);
}

static int parse(const struct eventlog_event *event, enum word *ret, const char **content,
		 size_t *content_size)
{
	if (event->source == EVENTLOG_AGENT)
		return parse_agent(event, ret, content, content_size);
	if (event->source != EVENTLOG_USER)
		return -ENOENT;
	return word_parse(event->user_type, (const char *)event->data, event->data_size, ret,
			  content, content_size);
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

/* Does each digest follow from the text? Of an HMAC nobody can tell without the key. */
static bool is_sound(const struct eventlog_event *event)
{
	uint8_t digest[HASH_MAX_SIZE];

	for (enum hash_algorithm bank = 0; bank < HASH_ALGORITHMS; bank++)
		if (event->banks & 1U << bank &&
		    (hash_data(bank, event->data, event->data_size, digest) < 0 ||
		     memcmp(digest, event->digests[bank], hash_size(bank)) != 0))
			return false;
	return event->banks != 0;
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

/* The words are numbered in the order in which a good boot measures them, each once. */
static bool is_in_order(const struct events *events, enum word word)
{
	for (size_t i = word; i <= WORD_LEAVE; i++)
		if (events->found[i])
			return false;
	return true;
}

static void add_event(struct events *events, const struct eventlog_event *event, enum word word,
		      const char *content, size_t size)
{
	bool hmac = word == WORD_VOLUME_KEY && events->kind == EVENTLOG_PCR;

	if (word == WORD_FAILED)
		add_fault(events, "cvmroot failed in this boot");
	else if (!is_in_order(events, word))
		add_fault(events, "the event \"%s\" comes twice, or out of order", word_name(word));
	else if (!is_allowed(events, word, event->index))
		add_fault(events, "the event \"%s\" is in register %u, where cvmroot puts none",
			  word_name(word), event->index);
	else if (!is_plain(content, size) || (!hmac && !is_sound(event)))
		add_fault(events, "the event \"%s\" is not what was measured", word_name(word));
	else if (word == WORD_VOLUME_KEY && !is_key_of_volume(events, content, size))
		add_fault(events, "the volume key is of another volume than the one measured");
	events->found[word] = event;
	events->content[word].data = content;
	events->content[word].size = size;
	if (event->index < EVENTLOG_REGISTERS)
		events->registers |= 1U << event->index;
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

static void take(struct events *events, const struct eventlog_event *event)
{
	enum word word = WORDS;
	const char *content = NULL;
	size_t size = 0;
	int r = parse(event, &word, &content, &size);
	/* systemd measures the keys of other volumes just so. */
	bool foreign =
		r < 0 || word == WORD_INITDATA ||
		(word == WORD_VOLUME_KEY && events->kind == EVENTLOG_PCR && !events->awaits_key &&
		 (size < strlen(KEY_WORD) || memcmp(content, KEY_WORD, strlen(KEY_WORD)) != 0));

	if (events->kind == EVENTLOG_PCR && event->index == PCR_CLOSING)
		check_place(events, r, word);
	if (!foreign)
		add_event(events, event, word, content, size);
}

static void collect(const struct eventlog *log, enum eventlog_kind kind, struct events *ret)
{
	*ret = (struct events){
		.kind = kind,
		.registers = kind == EVENTLOG_PCR ? 1U << PCR_CLOSING : 0,
	};
	for (size_t i = 0; i < eventlog_count(log); i++) {
		const struct eventlog_event *event = eventlog_at(log, i);

		if (event->kind == kind &&
		    (event->source == EVENTLOG_USER || event->type != EVENTLOG_EV_NO_ACTION))
			take(ret, event);
	}
	for (enum word word = 0; word <= WORD_LEAVE; word++)
		if (word != WORD_MANIFEST && !ret->found[word])
			add_fault(ret, "the log has no event \"%s\" of cvmroot", word_name(word));
}

/* ---- The logs against the registers ---- */

/* Only those of the registers that are quoted. What a broken one has until there still counts. */
static int parse_logs(const struct document *document, const struct facts *facts,
		      struct eventlog **ret)
{
	bool rtmr = facts->quoted && facts->registers.kind == EVENTLOG_RTMR;
	enum document_log firmware = rtmr ? LOG_CCEL : LOG_FIRMWARE;
	enum document_log later = rtmr ? LOG_AGENT : LOG_USER;
	int r = eventlog_new(ret);

	if (r == 0 && facts->quoted && document->logs[firmware].data)
		r = eventlog_add_firmware(*ret, facts->registers.kind,
					  document->logs[firmware].data,
					  document->logs[firmware].size);
	if (r == 0 && document->logs[later].data)
		r = rtmr ? eventlog_add_agent(*ret, document->logs[later].data,
					      document->logs[later].size)
			 : eventlog_add_user(*ret, document->logs[later].data,
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

static int check_registers(const struct eventlog *log, const struct events *events,
			   const struct facts *facts, struct verify_result *result)
{
	const char *kind = events->kind == EVENTLOG_RTMR ? "RTMR" : "PCR";

	for (unsigned int i = 0; i < EVENTLOG_REGISTERS; i++) {
		int r = events->registers >> i & 1 ? explains(log, facts, i) : 1;

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

static int check_logs(const struct document *document, const struct eventlog *log,
		      const struct events *events, const struct facts *facts, bool bound,
		      struct verify_result *result)
{
	if (facts->quoted)
		return check_registers(log, events, facts, result);
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

/* ---- Claims ---- */

#define CONTENT(word) (int)events->content[word].size, events->content[word].data

/* @list: what the reference has of it, NULL: nothing. */
static void judge(struct verify_result *result, enum verify_claim claim, const json_t *list,
		  bool listed, const char *text, size_t size)
{
	enum verify_verdict verdict = !list    ? VERIFY_UNCHECKED
				      : listed ? VERIFY_HOLDS
					       : VERIFY_FAILS;

	claim_set(result, claim, verdict, "%.*s%s", (int)size, text,
		  !list	   ? "; the reference does not say"
		  : listed ? ""
			   : "; the reference says otherwise");
}

static void judge_content(const struct events *events, struct verify_result *result,
			  enum verify_claim claim, enum word word, const json_t *list)
{
	const char *data = events->content[word].data;
	size_t size = events->content[word].size;

	judge(result, claim, list, list && reference_lists(list, data, size), data, size);
}

/* The content of WORD_ROOT; all borrowed. */
struct root {
	const char *how, *provider;
	size_t how_size, provider_size;
	uint64_t epoch;
};

/* "fresh:epoch=1:provider=tpm2", and nothing else. */
static bool read_root(const char *text, size_t size, struct root *ret)
{
	static const char epoch[] = ":epoch=", provider[] = ":provider=";
	const char *at = memmem(text, size, epoch, strlen(epoch)), *end = text + size;

	if (!at)
		return false;
	ret->how = text;
	ret->how_size = (size_t)(at - text);
	ret->epoch = 0;
	for (at += strlen(epoch); at < end && *at >= '0' && *at <= '9'; at++)
		if (__builtin_mul_overflow(ret->epoch, 10, &ret->epoch) ||
		    __builtin_add_overflow(ret->epoch, (uint64_t)(*at - '0'), &ret->epoch))
			return false;
	if ((size_t)(end - at) <= strlen(provider) || memcmp(at, provider, strlen(provider)) != 0)
		return false;
	ret->provider = at + strlen(provider);
	ret->provider_size = (size_t)(end - ret->provider);
	return !memchr(ret->provider, ':', ret->provider_size);
}

static bool is_how(const struct root *root, const char *how)
{
	return root->how_size == strlen(how) && memcmp(root->how, how, root->how_size) == 0;
}

static void check_encrypted(const struct events *events, const struct reference *reference,
			    const struct root *root, struct verify_result *result)
{
	bool reopened = is_how(root, "reopened");

	if (reopened == (events->found[WORD_MANIFEST] != NULL)) {
		claim_set(result, VERIFY_ENCRYPTED, VERIFY_FAILS,
			  reopened ? "a root was reopened, and yet a manifest measured"
				   : "a root was encrypted without a manifest");
	} else if (reopened) {
		claim_set(result, VERIFY_ENCRYPTED, VERIFY_UNCHECKED,
			  "the root was encrypted in an earlier boot, which this says nothing of");
		/* Nor can it: it is no fault of this boot. */
		result->claims[VERIFY_ENCRYPTED].wanted = false;
	} else {
		judge_content(events, result, VERIFY_ENCRYPTED, WORD_MANIFEST, reference->manifest);
	}
}

static void check_root_word(const struct events *events, const struct reference *reference,
			    struct verify_result *result)
{
	const char *text = events->content[WORD_ROOT].data;
	size_t size = events->content[WORD_ROOT].size;
	const json_t *list = reference->how ? reference->how : reference->epoch;
	struct root root;
	bool listed;

	if (!read_root(text, size, &root) ||
	    !(is_how(&root, "fresh") || is_how(&root, "resumed") || is_how(&root, "reopened"))) {
		claim_set(result, VERIFY_HOW, VERIFY_FAILS,
			  "\"%.*s\" is nothing that cvmroot measures", CONTENT(WORD_ROOT));
		return;
	}
	listed = (!reference->how || reference_lists(reference->how, root.how, root.how_size)) &&
		 (!reference->epoch || reference_lists_number(reference->epoch, root.epoch));
	judge(result, VERIFY_HOW, list, listed, text,
	      (size_t)(root.provider - strlen(":provider=") - text));
	judge(result, VERIFY_PROVIDER, reference->providers,
	      reference->providers &&
		      reference_lists(reference->providers, root.provider, root.provider_size),
	      root.provider, root.provider_size);
	check_encrypted(events, reference, &root, result);
}

/* 1 when the HMAC by the volume key is the one expected, 0 when not, -ENOENT: not comparable. */
static int compare_key(const struct events *events, const struct reference *reference,
		       const struct facts *facts)
{
	const struct eventlog_event *event = events->found[WORD_VOLUME_KEY];
	const char *end =
		events->content[WORD_VOLUME_KEY].data + events->content[WORD_VOLUME_KEY].size;
	int found = -ENOENT;

	for (enum hash_algorithm bank = 0; bank < HASH_ALGORITHMS; bank++) {
		const json_t *list = json_object_get(reference->volume_key, hash_name(bank));
		size_t size = hash_size(bank);
		bool rtmr = events->kind == EVENTLOG_RTMR;

		if (!list || !(event->banks >> bank & 1) ||
		    (facts->quoted && bank != facts->registers.bank))
			continue;
		if (!(rtmr ? reference_lists(list, end - 2 * size, 2 * size)
			   : reference_lists_hex(list, event->digests[bank], size)))
			return 0;
		found = 1;
	}
	return found;
}

static void check_root(const struct events *events, const struct reference *reference,
		       const struct facts *facts, struct verify_result *result)
{
	bool uuid = !reference->uuid ||
		    reference_lists(reference->uuid, events->content[WORD_VOLUME].data,
				    events->content[WORD_VOLUME].size);
	int key = reference->volume_key ? compare_key(events, reference, facts) : 1;

	if (!reference->uuid && !reference->volume_key)
		claim_set(result, VERIFY_ROOT, VERIFY_UNCHECKED,
			  "volume %.*s; the reference names none", CONTENT(WORD_VOLUME));
	else if (!uuid)
		claim_set(result, VERIFY_ROOT, VERIFY_FAILS, "volume %.*s is another",
			  CONTENT(WORD_VOLUME));
	else if (key == 0)
		claim_set(result, VERIFY_ROOT, VERIFY_FAILS,
			  "volume %.*s was opened with another volume key", CONTENT(WORD_VOLUME));
	else if (key < 0)
		claim_set(result, VERIFY_ROOT, VERIFY_UNCHECKED,
			  "the reference names the volume key in other banks only");
	else
		claim_set(result, VERIFY_ROOT, VERIFY_HOLDS, "volume %.*s%s", CONTENT(WORD_VOLUME),
			  reference->volume_key ? ", by its volume key"
						: ", by its UUID, which others could bear");
}

static void check_closed(const struct events *events, const struct facts *facts,
			 struct verify_result *result)
{
	if (events->fault[0] != '\0')
		claim_set(result, VERIFY_CLOSED, VERIFY_FAILS, "%s", events->fault);
	else if (!facts->quoted)
		claim_set(result, VERIFY_CLOSED, VERIFY_UNCHECKED,
			  "this platform has no registers that a secret could be bound to");
	else
		claim_set(result, VERIFY_CLOSED, VERIFY_HOLDS,
			  "cvmroot's events are there once, in order, from the start");
}

static void set_wanted(const struct reference *reference, bool quoted, struct verify_result *result)
{
	bool events = reference->config || reference->manifest || reference->providers ||
		      reference->how || reference->epoch || reference->uuid ||
		      reference->volume_key;
	const struct {
		enum verify_claim claim;
		bool wanted;
	} table[] = {
		{VERIFY_LOGS, events},
		{VERIFY_CLOSED, events && quoted},
		{VERIFY_CONFIG, reference->config},
		{VERIFY_ROOT, reference->uuid || reference->volume_key},
		{VERIFY_ENCRYPTED, reference->manifest},
		{VERIFY_HOW, reference->how || reference->epoch},
		{VERIFY_PROVIDER, reference->providers},
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		result->claims[table[i].claim].wanted = table[i].wanted;
}

static void set_unchecked(struct verify_result *result, enum verify_claim first, const char *text)
{
	for (enum verify_claim i = first; i < VERIFY_CLAIMS; i++)
		claim_set(result, i, VERIFY_UNCHECKED, "%s", text);
}

static void check_events(const struct events *events, const struct reference *reference,
			 const struct facts *facts, struct verify_result *result)
{
	check_closed(events, facts, result);
	if (events->fault[0] != '\0')
		return;
	judge_content(events, result, VERIFY_CONFIG, WORD_CONFIG, reference->config);
	check_root(events, reference, facts, result);
	check_root_word(events, reference, result);
}

int claims_of_events(const struct document *document, const struct reference *reference,
		     const struct facts *facts, bool bound, struct verify_result *result)
{
	cleanup(eventlog_freep) struct eventlog *log = NULL;
	struct events events;
	int r;

	set_wanted(reference, facts->quoted, result);
	set_unchecked(result, VERIFY_LOGS, "no logs came with the evidence");
	if (document->bare)
		return 0;
	set_unchecked(result, VERIFY_CONFIG, "the logs do not tell");
	r = parse_logs(document, facts, &log);
	if (r == -EBADMSG || r == -E2BIG) {
		claim_set(result, VERIFY_LOGS, VERIFY_FAILS, "%s", fail_sentence(r));
		return 0;
	}
	if (r < 0)
		return r;
	collect(log, facts->quoted ? facts->registers.kind : EVENTLOG_PCR, &events);
	r = check_logs(document, log, &events, facts, bound, result);
	if (r == 0 && result->claims[VERIFY_LOGS].verdict == VERIFY_HOLDS)
		check_events(&events, reference, facts, result);
	return r;
}
