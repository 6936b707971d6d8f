/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "unit.h"

#include "eventlog/word.h"

static const struct {
	enum word word;
	const char *content, *pcr, *agent;
} words[] = {
	{WORD_CONFIG, "00ff", "cvmroot:config:00ff", "cvmroot config 00ff"},
	{WORD_MANIFEST, "00ff", "cvmroot:manifest:00ff", "cvmroot manifest 00ff"},
	{WORD_ROOT, "fresh:epoch=1:provider=tpm2", "cvmroot:root:fresh:epoch=1:provider=tpm2",
	 "cvmroot root fresh:epoch=1:provider=tpm2"},
	{WORD_VOLUME, "a-b", "cvmroot:volume:a-b", "cvmroot volume a-b"},
	{WORD_LEAVE, NULL, "cvmroot:leave", "cvmroot leave -"},
	{WORD_FAILED, NULL, "cvmroot:failed", "cvmroot failed -"},
	{WORD_INITDATA, "00ff", "cvmroot:initdata:00ff", "cvmroot initdata 00ff"},
};

static void expect(int r, enum word word, const char *content, size_t size, enum word wanted,
		   const char *wanted_content)
{
	assert_int_equal(r, 0);
	assert_int_equal(word, wanted);
	assert_int_equal(size, wanted_content ? strlen(wanted_content) : 0);
	if (wanted_content)
		assert_memory_equal(content, wanted_content, size);
}

static void words_are_written_and_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		cleanup(freep) char *pcr = NULL;
		cleanup(freep) char *agent = NULL;
		const char *content = NULL;
		enum word word = WORDS;
		size_t size = 0;
		int r;

		assert_int_equal(word_format(words[i].word, words[i].content, &pcr), 0);
		assert_string_equal(pcr, words[i].pcr);
		r = word_parse(word_event_type(words[i].word), pcr, strlen(pcr), &word, &content,
			       &size);
		expect(r, word, content, size, words[i].word, words[i].content);
		assert_int_equal(word_format_agent(words[i].word, words[i].content, &agent), 0);
		assert_string_equal(agent, words[i].agent);
		r = word_parse_agent(agent, strlen(agent), &word, &content, &size);
		expect(r, word, content, size, words[i].word, words[i].content);
	}
}

/* In a PCR it is systemd's text; in an RTMR the agent's form with its HMAC. */
static void volume_key_is_told_by_its_type(void **state)
{
	static const char text[] = "cryptsetup:root:a-b", agent[] = "cvmroot volume-key x:y";
	cleanup(freep) char *made = NULL;
	cleanup(freep) char *made_agent = NULL;
	const char *content;
	enum word word = WORDS;
	size_t size;
	int r;

	(void)state;
	assert_int_equal(word_format(WORD_VOLUME_KEY, text, &made), 0);
	assert_string_equal(made, text);
	assert_string_equal(word_event_type(WORD_VOLUME_KEY), "volume-key");
	r = word_parse("volume-key", text, strlen(text), &word, &content, &size);
	expect(r, word, content, size, WORD_VOLUME_KEY, text);
	assert_int_equal(word_parse("phase", text, strlen(text), &word, &content, &size), -ENOENT);
	assert_int_equal(word_parse(NULL, text, strlen(text), &word, &content, &size), -ENOENT);
	assert_int_equal(word_format_agent(WORD_VOLUME_KEY, "x:y", &made_agent), 0);
	assert_string_equal(made_agent, agent);
	r = word_parse_agent(agent, strlen(agent), &word, &content, &size);
	expect(r, word, content, size, WORD_VOLUME_KEY, "x:y");
}

static void other_texts_are_none_of_ours(void **state)
{
	static const char *const texts[] = {
		"",
		"cvmroot",
		"cvmroot:",
		"cvmroot:leav",
		"cvmroot:leave2",
		"cvmroot:leave 2",
		"Cvmroot:leave",
		" cvmroot:leave",
		"cvmroot leave",
		"cvmroot:volume-key:x",
		"leave-initrd",
		"os-separator",
	};
	const char *content;
	enum word word;
	size_t size;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		if (word_parse("cvmroot-leave", texts[i], strlen(texts[i]), &word, &content,
			       &size) != -ENOENT)
			fail_msg("\"%s\" is taken", texts[i]);
	/* Not a byte more than there is. */
	assert_int_equal(word_parse(NULL, "cvmroot:leave", 12, &word, &content, &size), -ENOENT);
	assert_int_equal(word_parse_agent("cvmroot:leave", 13, &word, &content, &size), -ENOENT);
	assert_int_equal(word_parse_agent("cvmroot leave -", 15, &word, &content, &size), 0);
	assert_int_equal(size, 0);
	assert_int_equal(word_parse_agent("cvmroot volume --", 17, &word, &content, &size), 0);
	assert_int_equal(size, 2);
	/* One name is the beginning of another one. */
	assert_int_equal(word_parse_agent("cvmroot volume-key a", 20, &word, &content, &size), 0);
	assert_int_equal(word, WORD_VOLUME_KEY);
}

/* "cvmroot leave -" with the agent's tag. */
static const uint8_t tagged[] = "LEAA\x0f\0\0\0cvmroot leave -";

static void events_are_told_by_their_log(void **state)
{
	struct eventlog_event event = {
		.source = EVENTLOG_AGENT,
		.type = 6, /* EV_EVENT_TAG */
		.data = tagged,
		.data_size = sizeof(tagged) - 1,
	};
	uint8_t other[sizeof(tagged)];
	const char *content = NULL;
	enum word word = WORDS;
	size_t size = 1;

	(void)state;
	assert_int_equal(eventlog_word(&event, &word, &content, &size), 0);
	assert_int_equal(word, WORD_LEAVE);
	assert_int_equal(size, 0);
	/* Nor is it one with another type, another tag, or a byte more or less. */
	event.type = 13;
	assert_int_equal(eventlog_word(&event, &word, &content, &size), -ENOENT);
	event.type = 6;
	event.data_size++;
	assert_int_equal(eventlog_word(&event, &word, &content, &size), -ENOENT);
	event.data_size -= 2;
	assert_int_equal(eventlog_word(&event, &word, &content, &size), -ENOENT);
	memcpy(other, tagged, sizeof(tagged));
	other[0] = 'l';
	event.data = other;
	event.data_size = sizeof(tagged) - 1;
	assert_int_equal(eventlog_word(&event, &word, &content, &size), -ENOENT);
	/* systemd's log has the other form. */
	event = (struct eventlog_event){
		.source = EVENTLOG_USER,
		.user_type = "cvmroot-volume",
		.data = (const uint8_t *)"cvmroot:volume:a-b",
		.data_size = 18,
	};
	assert_int_equal(eventlog_word(&event, &word, &content, &size), 0);
	expect(0, word, content, size, WORD_VOLUME, "a-b");
	event.user_type = "volume-key";
	event.data = NULL;
	event.data_size = 0;
	assert_int_equal(eventlog_word(&event, &word, &content, &size), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_are_written_and_read),
		cmocka_unit_test(volume_key_is_told_by_its_type),
		cmocka_unit_test(other_texts_are_none_of_ours),
		cmocka_unit_test(events_are_told_by_their_log),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
