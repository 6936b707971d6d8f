/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "fuzz.h"

#include "verify/internal.h"

#include <string.h>

/*
 * The log of user space, or behind a '/' that of the agent, under registers that were quoted as the
 * log leads to. No claim on events may hold while one before it fails.
 */
static int replay(const struct document *document, bool rtmr, struct eventlog_registers *ret)
{
	cleanup(eventlog_freep) struct eventlog *log = NULL;
	int r = eventlog_new(&log);

	if (r == 0)
		r = rtmr ? eventlog_add_agent(log, document->logs[LOG_AGENT].data,
					      document->logs[LOG_AGENT].size)
			 : eventlog_add_user(log, document->logs[LOG_USER].data,
					     document->logs[LOG_USER].size);
	if (r == 0)
		r = eventlog_replay(log, rtmr ? EVENTLOG_RTMR : EVENTLOG_PCR,
				    rtmr ? HASH_SHA384 : HASH_SHA256, SIZE_MAX, ret);
	ret->touched = rtmr ? 0xf : 0xffffff;
	return r;
}

static void check(const struct verify_result *result)
{
	for (size_t i = VERIFY_CONFIG; i < VERIFY_CLOSED; i++)
		if (result->claims[i].verdict == VERIFY_HOLDS &&
		    (result->claims[VERIFY_LOGS].verdict != VERIFY_HOLDS ||
		     result->claims[VERIFY_CLOSED].verdict == VERIFY_FAILS))
			abort();
	/* All of it is printed. */
	for (size_t i = 0; i < VERIFY_CLAIMS; i++)
		for (const char *c = result->claims[i].text; *c; c++)
			if (result->claims[VERIFY_LOGS].verdict == VERIFY_HOLDS &&
			    (*c < ' ' || *c > '~'))
				abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char text[] =
		"{\"cvmroot-reference\": 1, \"events\": {\"providers\": [\"tpm2\"], \"how\": "
		"[\"fresh\"], \"epoch\": [1], \"config\": [\"" /* a digest */
		"c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0\"]}}";
	cleanup(reference_done) struct reference reference = {};
	struct verify_result result = {};
	struct document document = {};
	struct facts facts = {.quoted = true};
	struct eventlog_registers before;
	bool rtmr = size > 0 && data[0] == '/';
	enum document_log log = rtmr ? LOG_AGENT : LOG_USER;

	if (reference_read(text, strlen(text), &reference) < 0)
		abort();
	document.logs[log].size = size - rtmr;
	document.logs[log].data = malloc(size + 1);
	if (!document.logs[log].data)
		return 0;
	memcpy(document.logs[log].data, data + rtmr, size - rtmr);
	if (replay(&document, rtmr, &facts.registers) == 0 &&
	    claims_of_events(&document, &reference, &facts, false, &result, &before) == 0)
		check(&result);
	document_done(&document);
	return 0;
}
