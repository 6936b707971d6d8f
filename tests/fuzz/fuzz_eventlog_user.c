/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "fuzz_eventlog.h"

/* What we write of a word is read again, in both logs. */
static void check_word(enum word word, const char *text)
{
	cleanup(freep) char *user = NULL, *agent = NULL;
	enum word again = WORDS;
	const char *content;
	size_t size;

	if (word_format(word, text, &user) < 0 || word_format_agent(word, text, &agent) < 0)
		return;
	if (word_parse(word_event_type(word), user, strlen(user), &again, &content, &size) < 0 ||
	    again != word || size != (text ? strlen(text) : 0) ||
	    (size > 0 && memcmp(content, text, size) != 0))
		abort();
	if (word_parse_agent(agent, strlen(agent), &again, &content, &size) < 0 || again != word ||
	    (text && strcmp(text, "-") != 0 && size != strlen(text)))
		abort();
}

static void check_words(const uint8_t *data, size_t size)
{
	cleanup(freep) char *text = calloc(1, size + 1);

	if (!text)
		return;
	if (size > 0)
		memcpy(text, data, size);
	for (int word = 0; word < WORDS; word++) {
		check_word((enum word)word, text);
		if (word != WORD_VOLUME_KEY)
			check_word((enum word)word, NULL);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup(eventlog_freep) struct eventlog *log = NULL;

	if (eventlog_new(&log) < 0)
		return 0;
	check_words(data, size);
	/* What is too long is not looked into. */
	if (eventlog_add_user(log, data, EVENTLOG_LIMIT + 1) != -E2BIG)
		abort();
	/* The events before a fault are there too. */
	(void)eventlog_add_user(log, data, size);
	fuzz_events(log);
	return 0;
}
