/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_HTTP_HEADER_H
#define CVMROOT_HTTP_HEADER_H

#include "base/macro.h"

/* Bytes of all header lines of one answer, interim answers and trailers included. */
#define HTTP_HEADER_SIZE_MAX 32768
#define HTTP_COOKIES_MAX     8

/* What is kept of an answer's header (RFC 9110, RFC 9112); zero it before the first line. */
struct http_header {
	size_t size; /* bytes seen */
	unsigned int status;
	bool ended;  /* the empty line was seen */
	bool framed; /* it tells where the body ends, beside the end of the connection */
	size_t cookies;
	char *set_cookie; /* values with a newline between */
	char *date;
	char *retry_after;
	/* Two of them contradict each other: neither is used. */
	bool many_dates, many_retry_afters;
};

/*
 * Take the next line, its line end included. Strict: -EBADMSG, with a sentence, for a status line
 * that is not HTTP/1's, folded lines, names that are no tokens, control characters, and characters
 * outside of ASCII in a value that is kept; -E2BIG over the limits above.
 */
int http_header_line(struct http_header *header, const char *line, size_t size);
void http_header_done(struct http_header *header);

/* Seconds since 1970 of an IMF-fixdate (RFC 9110 §5.6.7), the only form that servers send today;
 * -EBADMSG for all others. */
int http_date_read(const char *text, int64_t *ret);

/*
 * Seconds to wait, at most HTTP_RETRY_AFTER_MAX: a number, or a date measured from the Date of the
 * same answer, so that our own clock does not matter. -1: absent or of no use.
 */
int http_retry_after(const struct http_header *header);

/* A line "Name: value" that may be sent. */
bool http_header_is_sendable(const char *line);

#endif
