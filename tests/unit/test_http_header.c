/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "unit.h"

#include "base/error.h"
#include "http/header.h"
#include "http/http.h"

/* Feed the lines of a text; what the last one gave. */
static int feed(struct http_header *header, const char *text)
{
	int r = 0;

	*header = (struct http_header){};
	while (r == 0 && *text != '\0') {
		const char *end = strchr(text, '\n');
		size_t size = end ? (size_t)(end + 1 - text) : strlen(text);

		r = http_header_line(header, text, size);
		text += size;
	}
	return r;
}

static void test_kept(void **state)
{
	struct http_header header;

	(void)state;
	assert_int_equal(feed(&header, "HTTP/1.1 200 OK\r\nserver: x\r\n"
				       "set-cookie: \t a=b; Expires=Wed \t\r\n"
				       "DATE:Sun, 06 Nov 1994 08:49:37 GMT\r\n"
				       "X-Other: \xe4\r\nX-Empty:\r\n\r\n"),
			 0);
	assert_int_equal(header.status, 200);
	assert_true(header.ended);
	assert_string_equal(header.set_cookie, "a=b; Expires=Wed");
	assert_string_equal(header.date, "Sun, 06 Nov 1994 08:49:37 GMT");
	assert_null(header.retry_after);
	http_header_done(&header);
}

static void test_several(void **state)
{
	struct http_header header;

	(void)state;
	assert_int_equal(feed(&header, "HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n"
				       "Date: x\r\nDate: y\r\n\r\n"),
			 0);
	assert_string_equal(header.set_cookie, "a=1\nb=2");
	assert_true(header.many_dates);
	http_header_done(&header);
	assert_int_equal(feed(&header, "HTTP/1.1 200\r\n"
				       "Set-Cookie: 1\r\nSet-Cookie: 2\r\nSet-Cookie: 3\r\n"
				       "Set-Cookie: 4\r\nSet-Cookie: 5\r\nSet-Cookie: 6\r\n"
				       "Set-Cookie: 7\r\nSet-Cookie: 8\r\n"),
			 0);
	assert_int_equal(http_header_line(&header, "Set-Cookie: 9\r\n", 15), -E2BIG);
	http_header_done(&header);
}

/* Interim answers and trailers leave nothing behind. */
static void test_blocks(void **state)
{
	struct http_header header;

	(void)state;
	assert_int_equal(feed(&header, "HTTP/1.1 103 Early\r\nSet-Cookie: early=1\r\n\r\n"
				       "HTTP/1.1 401 No\r\nDate: x\r\n\r\nSet-Cookie: late=1\r\n"),
			 0);
	assert_int_equal(header.status, 401);
	assert_null(header.set_cookie);
	assert_string_equal(header.date, "x");
	http_header_done(&header);
}

static void test_malformed(void **state)
{
	static const char *const texts[] = {
		"\r\n",
		"Date: x\r\n",
		"HTTP/2 200\r\n",
		"HTTP/1.1 20\r\n",
		"HTTP/1.1 2000\r\n",
		"HTTP/1.1 2x0 OK\r\n",
		"HTTP/1.1 099 OK\r\n",
		"HTTP/1.1 600 OK\r\n",
		"HTTP/1.1  200 OK\r\n",
		"http/1.1 200 OK\r\n",
		"ICY 200 OK\r\n",
		"HTTP/1.1 200 O\x01K\r\n",
		"HTTP/1.1 200 OK\r\nHTTP/1.1 200 OK\r\n",
		"HTTP/1.1 100 OK\r\nHTTP/1.1 200 OK\r\n",
		"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n",
		"HTTP/1.1 200 OK\r\n folded\r\n",
		"HTTP/1.1 200 OK\r\nDate: x\r\n\tfolded\r\n",
		"HTTP/1.1 200 OK\r\nno colon\r\n",
		"HTTP/1.1 200 OK\r\nspace : x\r\n",
		"HTTP/1.1 200 OK\r\n: x\r\n",
		"HTTP/1.1 200 OK\r\nX: a\rb\r\n",
		"HTTP/1.1 200 OK\r\nX: a\x7f\r\n",
		"HTTP/1.1 200 OK\r\nSet-Cookie: a=\xe4\r\n",
		"HTTP/1.1 200 OK\r\nSet-Cookie: a=\tb\r\n",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct http_header header;

		fail_clear();
		if (feed(&header, texts[i]) != -EBADMSG)
			fail_msg("accepted: %s", texts[i]);
		assert_non_null(strstr(fail_sentence(-EBADMSG), "answer: "));
		http_header_done(&header);
	}
}

static void test_nul(void **state)
{
	static const char line[] = "Set-Cookie: a=b\0; c\r\n";
	struct http_header header;

	(void)state;
	assert_int_equal(feed(&header, "HTTP/1.1 200 OK\r\n"), 0);
	assert_int_equal(http_header_line(&header, line, sizeof(line) - 1), -EBADMSG);
	http_header_done(&header);
}

static void test_too_long(void **state)
{
	struct http_header header = {};
	int r = http_header_line(&header, "HTTP/1.1 100 OK\r\n", 17);
	size_t lines = 0;

	(void)state;
	/* No end of interim answers. */
	for (; r == 0 && lines < 10000; lines++) {
		r = http_header_line(&header, "\r\n", 2);
		if (r == 0)
			r = http_header_line(&header, "HTTP/1.1 100 OK\r\n", 17);
	}
	assert_int_equal(r, -E2BIG);
	assert_in_range(lines, 1000, HTTP_HEADER_SIZE_MAX / 19 + 1);
	http_header_done(&header);
}

/* Known answers: RFC 9110, and "date -u -d ... +%s". */
static void test_dates(void **state)
{
	static const struct {
		const char *text;
		int64_t seconds;
	} good[] = {
		{"Sun, 06 Nov 1994 08:49:37 GMT", 784111777},
		{"Thu, 01 Jan 1970 00:00:00 GMT", 0},
		{"Thu, 29 Feb 2024 23:59:59 GMT", 1709251199},
		{"Sat, 01 Mar 2025 00:00:00 GMT", 1740787200},
		{"Fri, 31 Dec 9999 23:59:59 GMT", 253402300799},
		{"Tue, 29 Feb 2000 12:00:00 GMT", 951825600},
	};
	static const char *const bad[] = {
		"",
		"Sunday, 06-Nov-94 08:49:37 GMT",
		"Sun Nov  6 08:49:37 1994",
		"Sun, 6 Nov 1994 08:49:37 GMT",
		"Sun, 06 Nov 1994 08:49:37 UTC",
		"Sun, 06 Nov 1994 08:49:37 GMT ",
		"Sun, 06 Nov 1994 24:00:00 GMT",
		"Sun, 06 Nov 1994 08:60:37 GMT",
		"Sun, 00 Nov 1994 08:49:37 GMT",
		"Sun, 31 Nov 1994 08:49:37 GMT",
		"Thu, 29 Feb 2023 08:49:37 GMT",
		"Thu, 29 Feb 2100 08:49:37 GMT",
		"Sun, 06 Nov 1969 08:49:37 GMT",
		"Sun, 06 nov 1994 08:49:37 GMT",
		"Sun, 06 ovD 1994 08:49:37 GMT",
		"Sun, 06 Nov 19-4 08:49:37 GMT",
	};
	int64_t seconds;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		assert_int_equal(http_date_read(good[i].text, &seconds), 0);
		assert_int_equal(seconds, good[i].seconds);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (http_date_read(bad[i], &seconds) != -EBADMSG)
			fail_msg("accepted: %s", bad[i]);
}

static void test_retry_after(void **state)
{
	static const struct {
		const char *text;
		int seconds;
	} cases[] = {
		{"Retry-After: 0", 0},
		{"Retry-After: 120", 120},
		{"Retry-After: 86400", 86400},
		{"Retry-After: 99999999999999999999", HTTP_RETRY_AFTER_MAX},
		{"Retry-After:", -1},
		{"Retry-After: -1", -1},
		{"Retry-After: 1.5", -1},
		{"Retry-After: 1 s", -1},
		{"Retry-After: soon", -1},
		{"Retry-After: 1\r\nRetry-After: 2", -1},
		/* Without a Date there is nothing to measure from. */
		{"Retry-After: Sun, 06 Nov 1994 08:49:37 GMT", -1},
		{"Date: Sun, 06 Nov 1994 08:49:00 GMT\r\n"
		 "Retry-After: Sun, 06 Nov 1994 08:49:37 GMT",
		 37},
		{"Date: Sun, 06 Nov 1994 08:49:38 GMT\r\n"
		 "Retry-After: Sun, 06 Nov 1994 08:49:37 GMT",
		 0},
		{"Date: Sun, 06 Nov 1994 08:49:38 GMT\r\n"
		 "Retry-After: Sun, 06 Nov 2094 08:49:37 GMT",
		 HTTP_RETRY_AFTER_MAX},
		{"Date: Sun, 06 Nov 1994 08:49:00 GMT\r\nDate: Sun, 06 Nov 1994 08:49:10 GMT\r\n"
		 "Retry-After: Sun, 06 Nov 1994 08:49:37 GMT",
		 -1},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct http_header header;
		char text[512];

		snprintf(text, sizeof(text), "HTTP/1.1 503 Busy\r\n%s\r\n\r\n", cases[i].text);
		assert_int_equal(feed(&header, text), 0);
		if (http_retry_after(&header) != cases[i].seconds)
			fail_msg("%d from: %s", http_retry_after(&header), cases[i].text);
		http_header_done(&header);
	}
}

static void test_sendable(void **state)
{
	(void)state;
	assert_true(http_header_is_sendable("Content-Type: application/json"));
	assert_true(http_header_is_sendable("X:"));
	assert_false(http_header_is_sendable(""));
	assert_false(http_header_is_sendable(": x"));
	assert_false(http_header_is_sendable("X"));
	assert_false(http_header_is_sendable("X y: z"));
	assert_false(http_header_is_sendable("X: y\r\nZ: z"));
	assert_false(http_header_is_sendable("X: \xe4"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kept),	 cmocka_unit_test(test_several),
		cmocka_unit_test(test_blocks),	 cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_nul),	 cmocka_unit_test(test_too_long),
		cmocka_unit_test(test_dates),	 cmocka_unit_test(test_retry_after),
		cmocka_unit_test(test_sendable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
