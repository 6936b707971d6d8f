/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "eventlog/word.h"

#include "eventlog/tcg.h"

#include <string.h>

#define DOMAIN	   "cvmroot"
#define NO_CONTENT "-"

static const struct {
	const char *name, *event_type;
} words[WORDS] = {
	[WORD_CONFIG] = {"config", "cvmroot-config"},
	[WORD_MANIFEST] = {"manifest", "cvmroot-manifest"},
	[WORD_ROOT] = {"root", "cvmroot-root"},
	[WORD_VOLUME] = {"volume", "cvmroot-volume"},
	[WORD_VOLUME_KEY] = {"volume-key", "volume-key"},
	[WORD_LEAVE] = {"leave", "cvmroot-leave"},
	[WORD_FAILED] = {"failed", "cvmroot-failed"},
	[WORD_INITDATA] = {"initdata", "cvmroot-initdata"},
};

const char *word_name(enum word word)
{
	return words[word].name;
}

const char *word_event_type(enum word word)
{
	return words[word].event_type;
}

int word_format(enum word word, const char *content, char **ret)
{
	int size;

	if (word == WORD_VOLUME_KEY)
		size = asprintf(ret, "%s", content);
	else if (content)
		size = asprintf(ret, DOMAIN ":%s:%s", words[word].name, content);
	else
		size = asprintf(ret, DOMAIN ":%s", words[word].name);
	return size < 0 ? -ENOMEM : 0;
}

int word_format_agent(enum word word, const char *content, char **ret)
{
	int size = asprintf(ret, DOMAIN " %s %s", words[word].name, content ? content : NO_CONTENT);

	return size < 0 ? -ENOMEM : 0;
}

/* Pass over @prefix; false when the text does not begin so. */
static bool skip(const char **text, size_t *size, const char *prefix)
{
	size_t length = strlen(prefix);

	if (*size < length || memcmp(*text, prefix, length) != 0)
		return false;
	*text += length;
	*size -= length;
	return true;
}

/* @separator is between the parts; the whole text may be the name. */
static int parse(const char *text, size_t size, char separator, enum word *ret,
		 const char **ret_content, size_t *ret_content_size)
{
	if (!skip(&text, &size, DOMAIN) || size == 0 || text[0] != separator)
		return -ENOENT;
	text++;
	size--;
	for (size_t i = 0; i < WORDS; i++) {
		const char *rest = text;
		size_t left = size;

		if (!skip(&rest, &left, words[i].name) || (left > 0 && rest[0] != separator))
			continue;
		*ret = (enum word)i;
		*ret_content = left > 0 ? rest + 1 : rest;
		*ret_content_size = left > 0 ? left - 1 : 0;
		return 0;
	}
	return -ENOENT;
}

int word_parse(const char *event_type, const char *text, size_t size, enum word *ret,
	       const char **ret_content, size_t *ret_content_size)
{
	enum word word;
	int r;

	if (event_type && strcmp(event_type, words[WORD_VOLUME_KEY].event_type) == 0) {
		*ret = WORD_VOLUME_KEY;
		*ret_content = text;
		*ret_content_size = size;
		return 0;
	}
	r = parse(text, size, ':', &word, ret_content, ret_content_size);
	if (r < 0)
		return r;
	if (word == WORD_VOLUME_KEY)
		return -ENOENT;
	*ret = word;
	return 0;
}

int word_parse_agent(const char *text, size_t size, enum word *ret, const char **ret_content,
		     size_t *ret_content_size)
{
	int r = parse(text, size, ' ', ret, ret_content, ret_content_size);

	if (r == 0 && *ret_content_size == strlen(NO_CONTENT) && (*ret_content)[0] == '-')
		*ret_content_size = 0;
	return r;
}

int eventlog_word(const struct eventlog_event *event, enum word *ret, const char **ret_content,
		  size_t *ret_content_size)
{
	const uint8_t *text;
	uint32_t tag;
	size_t size;

	if (event->source == EVENTLOG_USER)
		return event->data
			       ? word_parse(event->user_type, (const char *)event->data,
					    event->data_size, ret, ret_content, ret_content_size)
			       : -ENOENT;
	if (tcg_read_tagged(event, &tag, &text, &size) < 0 || tag != TCG_AAEL_TAG)
		return -ENOENT;
	return word_parse_agent((const char *)text, size, ret, ret_content, ret_content_size);
}
