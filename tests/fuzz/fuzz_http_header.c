/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "fuzz.h"

#include <string.h>

#include "base/macro.h"
#include "http/header.h"
#include "http/http.h"

static void check(const struct http_header *header)
{
	int seconds = http_retry_after(header);

	if (seconds < -1 || seconds > HTTP_RETRY_AFTER_MAX)
		abort();
	if (header->size > HTTP_HEADER_SIZE_MAX || header->cookies > HTTP_COOKIES_MAX)
		abort();
	/* What is kept can be printed, and a newline stands only between cookies. */
	for (const char *c = header->set_cookie; c && *c != '\0'; c++)
		if ((*c < ' ' && *c != '\n') || *c > '~')
			abort();
	for (const char *c = header->date; c && *c != '\0'; c++)
		if (*c < ' ' || *c > '~')
			abort();
	if (header->status != 0 && (header->status < 100 || header->status > 599))
		abort();
}

/* A line that may be sent has one name, one colon, and nothing that ends it. */
static void check_sendable(const uint8_t *data, size_t size)
{
	cleanup(freep) char *line = calloc(1, size + 1);

	if (line && size > 0)
		memcpy(line, data, size);
	if (line && http_header_is_sendable(line) &&
	    (!strchr(line, ':') || line[0] == ':' || strpbrk(line, "\r\n")))
		abort();
}

/* The header of an answer, line by line, as libcurl hands it over. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct http_header header = {};
	int r = 0;

	check_sendable(data, size);
	while (r == 0 && size > 0) {
		const uint8_t *end = memchr(data, '\n', size);
		size_t line = end ? (size_t)(end - data) + 1 : size;

		r = http_header_line(&header, (const char *)data, line);
		if (r == 0)
			check(&header);
		data += line;
		size -= line;
	}
	http_header_done(&header);
	return 0;
}
