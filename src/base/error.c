/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "base/error.h"

#include <stdarg.h>
#include <string.h>

static _Thread_local char sentence[FAIL_SENTENCE_SIZE];
static _Thread_local int sentence_error;

int fail(int error, const char *format, ...)
{
	char next[FAIL_SENTENCE_SIZE];
	va_list args;

	/* The arguments may quote the sentence that is about to be replaced. */
	va_start(args, format);
	vsnprintf(next, sizeof(next), format, args);
	va_end(args);

	memcpy(sentence, next, sizeof(sentence));
	sentence_error = error;
	return error;
}

const char *fail_sentence(int error)
{
	if (sentence[0] != '\0' && sentence_error == error)
		return sentence;
	return strerror(-error);
}

void fail_clear(void)
{
	sentence[0] = '\0';
	sentence_error = 0;
}
