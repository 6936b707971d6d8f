/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "base/error.h"
#include "verify/events.h"

#include <string.h>

/* The claims that rest on cvmroot's events. */

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
		     const struct facts *facts, bool bound, struct verify_result *result,
		     struct eventlog_registers *ret_before)
{
	cleanup(events_done) struct events events = {};
	int r;

	*ret_before = (struct eventlog_registers){};
	set_wanted(reference, facts->quoted, result);
	set_unchecked(result, VERIFY_LOGS, "no logs came with the evidence");
	if (document->bare)
		return 0;
	set_unchecked(result, VERIFY_CONFIG, "the logs do not tell");
	r = events_read(document, facts, &events);
	if (r == -EBADMSG || r == -E2BIG) {
		claim_set(result, VERIFY_LOGS, VERIFY_FAILS, "%s", fail_sentence(r));
		return 0;
	}
	if (r == 0)
		r = events_check_logs(document, &events, facts, bound, result);
	if (r < 0 || result->claims[VERIFY_LOGS].verdict != VERIFY_HOLDS)
		return r;
	check_events(&events, reference, facts, result);
	return facts->quoted && events.fault[0] == '\0' ? events_before(&events, facts, ret_before)
							: 0;
}
