/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "web.h"

#include "base/error.h"
#include "base/file.h"
#include "http/http.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

#include <openssl/ssl.h>

#define OK_HEAD "HTTP/1.1 200 OK\r\n"
#define OK	OK_HEAD "Content-Length: 5\r\n\r\nhello"

static struct identity *ca, *other_ca, *server, *expired, *early, *elsewhere, *client;

/* ---- Helpers ---- */

static struct identity *make(const char *name, const char *alternatives, long from, long to)
{
	struct identity_options options = {.name = name,
					   .alternatives = alternatives,
					   .from_days = from,
					   .to_days = to,
					   .issuer = alternatives ? ca : NULL};

	return identity_new(&options);
}

static int make_identities(void **state)
{
	(void)state;
	ca = make("test CA", NULL, -2, 2);
	other_ca = make("another CA", NULL, -2, 2);
	server = make("server", "DNS:localhost,IP:127.0.0.1", -1, 1);
	expired = make("expired", "IP:127.0.0.1", -365, -30);
	early = make("early", "IP:127.0.0.1", 30, 365);
	elsewhere = make("elsewhere", "DNS:kbs.example.com,IP:127.0.0.2", -1, 1);
	client = make("client", "DNS:client", -1, 1);
	return 0;
}

static int free_identities(void **state)
{
	(void)state;
	identity_free(ca);
	identity_free(other_ca);
	identity_free(server);
	identity_free(expired);
	identity_free(early);
	identity_free(elsewhere);
	identity_free(client);
	return 0;
}

static struct http *open_client(const struct http_options *options)
{
	struct http *http;

	assert_int_equal(http_new(options, &http), 0);
	return http;
}

static struct http *open_usual(void)
{
	return open_client(&(struct http_options){.ca = ca->certificate_pem});
}

static const char *url_of(const struct web *web)
{
	static char url[64];

	snprintf(url, sizeof(url), "%s://127.0.0.1:%u/", web->tls ? "https" : "http", web->port);
	return url;
}

static struct http_request usual(const char *url)
{
	return (struct http_request){
		.url = url, .connect_ms = 5000, .total_ms = 10000, .answer_limit = 4096};
}

static int get(struct http *http, const char *url, struct http_answer *ret)
{
	struct http_request request = usual(url);

	fail_clear();
	return http_send(http, &request, ret);
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void assert_refused(int r, int error, const char *words)
{
	if (r == error && strstr(fail_sentence(r), words))
		return;
	fail_msg("%d \"%s\", not %d \"%s\"", r, r < 0 ? fail_sentence(r) : "", error, words);
}

/* One request to a server of @web by a client of @options: refused with these words. */
static void try_refused(const struct web_options *web_options, const struct http_options *options,
			int error, const char *words)
{
	struct http_answer answer = {};
	struct web web;
	struct http *http = open_client(options);

	web_start(&web, web_options);
	assert_refused(get(http, url_of(&web), &answer), error, words);
	assert_null(answer.body);
	http_free(http);
	web_stop(&web);
}

static void try_accepted(const struct web_options *web_options, const struct http_options *options)
{
	struct http_answer answer = {};
	struct web web;
	struct http *http = open_client(options);
	int r;

	web_start(&web, web_options);
	r = get(http, url_of(&web), &answer);
	if (r < 0)
		fail_msg("%s", fail_sentence(r));
	assert_int_equal(answer.status, 200);
	assert_string_equal(answer.body, "hello");
	http_answer_done(&answer);
	http_free(http);
	web_stop(&web);
}

/* ---- What goes well ---- */

static void test_get(void **state)
{
	static const char text[] = "HTTP/1.1 401 No\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
				   "Set-Cookie: kbs-session-id=1; Expires=x\r\nSet-Cookie: b=2\r\n"
				   "Retry-After: 7\r\nContent-Length: 3\r\n\r\na\0b";
	struct web_options options = {
		.identity = server, .answer = text, .answer_size = sizeof(text) - 1};
	cleanup(http_answer_done) struct http_answer answer = {};
	struct web web;
	struct http *http = open_usual();
	char expected[256];

	(void)state;
	web_start(&web, &options);
	assert_int_equal(get(http, url_of(&web), &answer), 0);
	assert_int_equal(answer.status, 401);
	assert_int_equal(answer.body_size, 3);
	assert_memory_equal(answer.body, "a\0b", 4);
	assert_string_equal(answer.set_cookie, "kbs-session-id=1; Expires=x\nb=2");
	assert_string_equal(answer.date, "Sun, 06 Nov 1994 08:49:37 GMT");
	assert_int_equal(answer.retry_after, 7);
	/* Nothing is said that was not asked for. */
	snprintf(expected, sizeof(expected),
		 "GET / HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nAccept: */*\r\n\r\n", web.port);
	assert_string_equal(web.request, expected);
	http_free(http);
	web_stop(&web);
}

static void test_post(void **state)
{
	struct web_options options = {.identity = server, .answer = OK};
	struct http_request request;
	static char body[4096], expected[4096 + 256];
	char url[80];
	struct web web;
	struct http *http = open_usual();

	(void)state;
	memset(body, 'b', sizeof(body) - 1);
	body[sizeof(body) - 1] = '\0';
	web_start(&web, &options);
	snprintf(url, sizeof(url), "%skbs/../v0/auth?a", url_of(&web));
	request = usual(url);
	request.body = body;
	request.body_size = strlen(body);
	request.headers[0] = "Content-Type: application/json";
	request.headers[1] = "Cookie: kbs-session-id=1";
	/* The connection is kept, and neither it nor the client remembers the cookie. */
	for (int i = 0; i < 3; i++) {
		cleanup(http_answer_done) struct http_answer answer = {};

		assert_int_equal(http_send(http, &request, &answer), 0);
		assert_string_equal(answer.body, "hello");
		assert_null(answer.set_cookie);
		assert_null(answer.date);
		assert_int_equal(answer.retry_after, -1);
	}
	assert_int_equal(web.requests, 3);
	assert_int_equal(web.connections, 1);
	snprintf(expected, sizeof(expected),
		 "POST /kbs/../v0/auth?a HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nAccept: */*\r\n"
		 "Content-Type: application/json\r\nCookie: kbs-session-id=1\r\n"
		 "Content-Length: %zu\r\n\r\n%s",
		 web.port, strlen(body), body);
	assert_string_equal(web.request, expected);
	http_free(http);
	web_stop(&web);
}

/* A connection that the server closed in between is made again. */
static void test_closed_between(void **state)
{
	struct web_options options = {.identity = server, .answer = OK, .closes = true};
	struct web web;
	struct http *http = open_usual();

	(void)state;
	web_start(&web, &options);
	for (int i = 0; i < 2; i++) {
		cleanup(http_answer_done) struct http_answer answer = {};

		assert_int_equal(get(http, url_of(&web), &answer), 0);
	}
	assert_int_equal(web.connections, 2);
	http_free(http);
	web_stop(&web);
}

static void test_shapes_of_answers(void **state)
{
	static const char *const good[] = {
		OK_HEAD "Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
		OK_HEAD
		"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nSet-Cookie: x\r\n\r\n",
		"HTTP/1.1 100 Continue\r\n\r\n" OK,
		/* Its end is the end of the connection, which TLS vouches for. */
		OK_HEAD "\r\nhello",
		"HTTP/1.0 200 OK\r\n\r\nhello",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		struct web_options web = {.identity = server, .answer = good[i], .closes = true};
		struct http_options options = {.ca = ca->certificate_pem};

		try_accepted(&web, &options);
	}
}

static void test_redirect(void **state)
{
	struct web_options options = {.identity = server, .answer = OK};
	cleanup(http_answer_done) struct http_answer answer = {};
	struct web target, web;
	struct http *http = open_usual();
	char text[256];

	(void)state;
	web_start(&target, &options);
	snprintf(text, sizeof(text),
		 "HTTP/1.1 307 There\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n",
		 url_of(&target));
	options.answer = text;
	web_start(&web, &options);
	assert_int_equal(get(http, url_of(&web), &answer), 0);
	assert_int_equal(answer.status, 307);
	assert_string_equal(answer.body, "");
	assert_int_equal(target.connections, 0);
	http_free(http);
	web_stop(&web);
	web_stop(&target);
}

static void test_plain(void **state)
{
	struct web_options options = {.answer = OK};
	struct http_options none = {};
	struct http_answer answer = {};
	struct http *http;

	(void)state;
	try_accepted(&options, &none);
	http = open_client(&none);
	assert_refused(get(http, "https://127.0.0.1:1/", &answer), -EINVAL, "http://");
	assert_refused(get(http, "file:///etc/passwd", &answer), -EINVAL, "http://");
	http_free(http);
	http = open_usual();
	assert_refused(get(http, "http://127.0.0.1:1/", &answer), -EINVAL, "https://");
	http_free(http);
}

/* ---- TLS ---- */

static void test_certificates(void **state)
{
	struct http_options trusted = {.ca = ca->certificate_pem};
	struct http_options other = {.ca = other_ca->certificate_pem};
	struct web_options web = {.identity = server, .answer = OK};

	(void)state;
	try_accepted(&web, &trusted);
	try_refused(&web, &other, -EKEYREJECTED, "TLS: the server's certificate was not issued by");
	web.identity = elsewhere;
	try_refused(&web, &trusted, -EKEYREJECTED, "for another name than \"127.0.0.1\"");
	/* A CA's certificate is no name. */
	web.identity = ca;
	try_refused(&web, &trusted, -EKEYREJECTED, "TLS: ");
	/* The certificate itself in the place of the CA. */
	web.identity = server;
	trusted.ca = server->certificate_pem;
	try_accepted(&web, &trusted);
}

static void test_dates(void **state)
{
	struct http_options trusted = {.ca = ca->certificate_pem};
	struct http_options other = {.ca = other_ca->certificate_pem};
	struct web_options web = {.identity = expired, .answer = OK};

	(void)state;
	try_refused(&web, &trusted, -EKEYREJECTED, "certificate of the server expired on 20");
	try_refused(&web, &trusted, -EKEYREJECTED, "certificate-dates = false");
	web.identity = early;
	try_refused(&web, &trusted, -EKEYREJECTED, "of the server is not valid before 20");
	try_refused(&web, &trusted, -EKEYREJECTED, "this machine's clock says 20");
	trusted.ignore_certificate_dates = true;
	other.ignore_certificate_dates = true;
	try_accepted(&web, &trusted);
	try_refused(&web, &other, -EKEYREJECTED, "not issued by");
	web.identity = expired;
	try_accepted(&web, &trusted);
	web.identity = elsewhere;
	try_refused(&web, &trusted, -EKEYREJECTED, "another name");
}

static void test_pin(void **state)
{
	struct web_options web = {.identity = server, .answer = OK};
	char good[64], bad[64];
	struct http_options options = {.ca = ca->certificate_pem, .pin = good};

	(void)state;
	identity_pin(server, good);
	identity_pin(elsewhere, bad);
	try_accepted(&web, &options);
	options.pin = bad;
	try_refused(&web, &options, -EKEYREJECTED, "public key is not the pinned one");
	/* Beside the CA, not instead of it. */
	options.pin = good;
	options.ca = other_ca->certificate_pem;
	try_refused(&web, &options, -EKEYREJECTED, "not issued by");
}

static void test_client_certificate(void **state)
{
	struct web_options web = {.identity = server, .client_ca = ca, .answer = OK};
	struct http_options options = {.ca = ca->certificate_pem};
	struct secret key = {.data = (uint8_t *)client->key_pem, .size = strlen(client->key_pem)};

	(void)state;
	try_refused(&web, &options, -EKEYREJECTED, "refused our client certificate");
	/* This version has no word for it. */
	web.max_version = TLS1_2_VERSION;
	try_refused(&web, &options, -EBADMSG, "perhaps it wants a client certificate");
	options.client_certificate = client->certificate_pem;
	options.client_key = &key;
	try_accepted(&web, &options);
	web.max_version = 0;
	try_accepted(&web, &options);
}

static void test_no_tls(void **state)
{
	struct http_options options = {.ca = ca->certificate_pem};
	struct web_options web = {.identity = server, .answer = OK, .max_version = TLS1_1_VERSION};

	(void)state;
	try_refused(&web, &options, -EBADMSG, "TLS: ");
	web = (struct web_options){.identity = server, .drop = true};
	try_refused(&web, &options, -ENOTCONN, "TLS: the connection was lost");
}

static void test_plain_behind_https(void **state)
{
	struct web_options options = {.answer = "HTTP/1.1 400 Bad\r\n\r\n\r\n\r\n", .closes = true};
	struct http_answer answer = {};
	struct web web;
	struct http *http = open_usual();
	char url[64];

	(void)state;
	web_start(&web, &options);
	snprintf(url, sizeof(url), "https://127.0.0.1:%u/", web.port);
	/* This server waits for an empty line: the client's patience decides. */
	assert_refused(http_send(http,
				 &(struct http_request){.url = url,
							.connect_ms = 300,
							.total_ms = 1000,
							.answer_limit = 1},
				 &answer),
		       -ETIMEDOUT, "TLS: the handshake was not finished within 0.3 s");
	http_free(http);
	web_stop(&web);
}

static void test_options(void **state)
{
	cleanup(freep) char *locked = identity_locked_key(client);
	struct secret key = {.data = (uint8_t *)client->key_pem, .size = strlen(client->key_pem)};
	struct secret other = {.data = (uint8_t *)server->key_pem, .size = strlen(server->key_pem)};
	struct secret asks = {.data = (uint8_t *)locked, .size = strlen(locked)};
	const char *pem = ca->certificate_pem;
	cleanup(freep) char *torn = strndup(pem, strlen(pem) / 2);
	cleanup(freep) char *second_torn = NULL;
	struct {
		struct http_options options;
		const char *words;
	} cases[] = {
		{{.ca = ""}, "the CA"},
		{{.ca = "/etc/ssl/cert.pem"}, "the CA"},
		{{.ca = torn}, "the CA"},
		{{.ca = client->key_pem}, "the CA"},
		{{.ca = pem, .pin = ""}, "the pin"},
		{{.ca = pem, .pin = "sha256//"}, "the pin"},
		{{.ca = pem, .pin = "sha256//AAAA"}, "the pin"},
		{{.ca = pem, .pin = "/etc/pin.pem"}, "the pin"},
		{{.pin = "sha256//AAAA"}, "needs a CA"},
		{{.ca = pem, .client_certificate = client->certificate_pem}, "one is missing"},
		{{.ca = pem, .client_key = &key}, "one is missing"},
		{{.ca = pem, .client_certificate = "x", .client_key = &key}, "client certificate"},
		{{.ca = pem, .client_certificate = client->certificate_pem, .client_key = &other},
		 "does not belong"},
		{{.ca = pem, .client_certificate = client->certificate_pem, .client_key = &asks},
		 "without a password"},
		{{}, NULL},
	};

	(void)state;
	assert_true(asprintf(&second_torn, "%s%s", pem, torn) > 0);
	cases[ARRAY_SIZE(cases) - 1].options.ca = second_torn;
	cases[ARRAY_SIZE(cases) - 1].words = "the CA";
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct http *http = NULL;

		fail_clear();
		assert_refused(http_new(&cases[i].options, &http), -EINVAL, cases[i].words);
		assert_null(http);
	}
}

/* ---- Answers that are wrong ---- */

static void test_bad_answers(void **state)
{
	static const struct {
		const char *answer;
		int error;
		const char *words;
	} cases[] = {
		{OK_HEAD "Content-Length: 6\r\n\r\nhello", -EBADMSG, "answer: cut short"},
		{OK_HEAD "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", -EBADMSG,
		 "answer: cut short"},
		{OK_HEAD "Transfer-Encoding: chunked\r\n\r\nx\r\n", -EBADMSG, "answer: "},
		{OK_HEAD "Content-Le", -EBADMSG, "answer: cut short"},
		{OK_HEAD " folded: x\r\n\r\n", -EBADMSG, "answer: "},
		{OK_HEAD "Set-Cookie: \x01\r\nContent-Length: 0\r\n\r\n", -EBADMSG, "answer: "},
		{OK_HEAD "Set Cookie\r\nContent-Length: 0\r\n\r\n", -EBADMSG, "answer: "},
		{OK_HEAD "Content-Length: -1\r\n\r\n", -EBADMSG, "answer: "},
		{"hello", -EBADMSG, ""},
		{"HTTP/2 200\r\n\r\n", -EBADMSG, "answer: "},
		{"HTTP/1.1 999 What\r\nContent-Length: 0\r\n\r\n", -EBADMSG, "answer: "},
		{"SSH-2.0-x\r\n\r\n", -EBADMSG, ""},
		{OK_HEAD "Content-Length: 4097\r\n\r\n", -E2BIG, "answer: longer than 4096 bytes"},
		{OK_HEAD "Content-Length: 99999999999999999999999\r\n\r\n", -E2BIG, "answer: "},
	};
	struct http_options options = {.ca = ca->certificate_pem};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct web_options web = {
			.identity = server, .answer = cases[i].answer, .closes = true};

		try_refused(&web, &options, cases[i].error, cases[i].words);
	}
}

static void test_lost(void **state)
{
	struct http_options options = {.ca = ca->certificate_pem};
	struct web_options web = {.identity = server, .answer = "", .closes = true};

	(void)state;
	try_refused(&web, &options, -ENOTCONN, "answer: the connection was lost");
	/* TLS did not say that this was the end: somebody else may have cut it. */
	web = (struct web_options){.identity = server, .answer = OK_HEAD "\r\nhel", .cuts = true};
	try_refused(&web, &options, -EBADMSG, "answer: cut short after 3 bytes");
}

static void test_sizes(void **state)
{
	struct http_options options = {.ca = ca->certificate_pem};
	struct web_options web = {
		.identity = server, .answer = OK_HEAD "\r\n", .filler = 4096, .closes = true};
	struct http_answer answer = {};
	struct web running;
	struct http *http = open_client(&options);

	(void)state;
	web_start(&running, &web);
	assert_int_equal(get(http, url_of(&running), &answer), 0);
	assert_int_equal(answer.body_size, 4096);
	http_answer_done(&answer);
	http_free(http);
	web_stop(&running);
	/* Nobody said how long it would be. */
	web.filler = 4097;
	try_refused(&web, &options, -E2BIG, "answer: longer than 4096 bytes");
	web.filler = 16 << 20;
	try_refused(&web, &options, -E2BIG, "answer: longer than 4096 bytes");
	web.answer = OK_HEAD "X: ";
	web.filler = 1 << 20;
	try_refused(&web, &options, -E2BIG, "answer: ");
}

static void test_requests(void **state)
{
	struct http_request request = usual("https://127.0.0.1:1/");
	struct http_answer answer = {};
	struct http *http = open_usual();

	(void)state;
	request.headers[0] = "X: y\r\nZ: z";
	assert_refused(http_send(http, &request, &answer), -EINVAL, "header 1 cannot be sent");
	assert_refused(get(http, "https://user:word@127.0.0.1:1/", &answer), -EINVAL,
		       "not a URL that may be used");
	assert_refused(get(http, "https://127.0.0.1:1/ a", &answer), -EINVAL, "not a URL");
	assert_refused(get(http, "https://", &answer), -EINVAL, "not a URL");
	http_free(http);
}

/* ---- Servers that do not answer ---- */

/* A port of 127.0.0.1 that nobody listens at. */
static unsigned int closed_port(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
	close(fd);
	return ntohs(address.sin_port);
}

static void test_refused_connection(void **state)
{
	struct http_answer answer = {};
	struct http *http = open_usual();
	char url[64];

	(void)state;
	snprintf(url, sizeof(url), "https://127.0.0.1:%u/", closed_port());
	assert_refused(get(http, url, &answer), -ENOTCONN, "connection: Connection refused");
	http_free(http);
}

/* A queue of connections that is full drops the next ones without a word. */
static void test_black_hole(void **state)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(address);
	struct http_answer answer = {};
	struct http_request request;
	struct http *http = open_usual();
	int listener = socket(AF_INET, SOCK_STREAM, 0), fds[4];
	char url[64];
	double start;

	(void)state;
	assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
	assert_int_equal(listen(listener, 0), 0);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		(void)connect(fds[i], (struct sockaddr *)&address, sizeof(address));
	}
	snprintf(url, sizeof(url), "https://127.0.0.1:%u/", ntohs(address.sin_port));
	request = usual(url);
	request.connect_ms = 400;
	start = now();
	assert_refused(http_send(http, &request, &answer), -ETIMEDOUT,
		       "connection: no answer within 0.4 s");
	assert_true(now() - start < 2);
	http_free(http);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
	close(listener);
}

static void try_slow(const struct web_options *web_options, unsigned int total_ms,
		     const char *words, double at_most)
{
	struct http_answer answer = {};
	struct http_request request;
	struct web web;
	struct http *http = open_usual();
	double start = now();

	web_start(&web, web_options);
	request = usual(url_of(&web));
	request.connect_ms = 400;
	request.total_ms = total_ms;
	assert_refused(http_send(http, &request, &answer), -ETIMEDOUT, words);
	assert_true(now() - start < at_most);
	http_free(http);
	web_stop(&web);
}

static void test_slow(void **state)
{
	struct web_options web = {.identity = server, .silent = true};

	(void)state;
	try_slow(&web, 1000, "TLS: the handshake was not finished within 0.4 s", 2);
	web = (struct web_options){.identity = server, .answer = ""};
	try_slow(&web, 500, "answer: none within 0.5 s", 2);
	web.answer = OK_HEAD "Content-Length: 6\r\n\r\nhello";
	try_slow(&web, 500, "answer: not complete after 0.5 s, 5 bytes came", 2);
	/* A byte each 100 ms would go on for days. */
	web.answer = OK_HEAD "Content-Length: 4096\r\n\r\n................................"
			     "................................................................";
	web.pace_ms = 100;
	try_slow(&web, 60000, "answer: it comes too slowly", 12);
}

/*
 * The server's session tickets and its Nagle algorithm hold back the first answer until the client
 * acknowledges, for 40 ms unless that is asked for.
 */
static void test_no_stall(void **state)
{
	struct web_options options = {.identity = server, .answer = OK};
	struct web web;
	int stalled = 0;

	(void)state;
	skip_when_emulated("is too slow to tell a stall by the time");
	web_start(&web, &options);
	for (int i = 0; i < 20; i++) {
		cleanup(http_answer_done) struct http_answer answer = {};
		struct http *http = open_usual();
		double start = now();

		assert_int_equal(get(http, url_of(&web), &answer), 0);
		stalled += now() - start > 0.035;
		print_message("%.1f ms\n", (now() - start) * 1000);
		http_free(http);
	}
	web_stop(&web);
	/* A busy machine may be late once. */
	assert_in_range(stalled, 0, 5);
}

/* ---- What is not listened to ---- */

static void test_environment(void **state)
{
	static const char *const proxies[] = {"http_proxy", "https_proxy", "HTTPS_PROXY",
					      "ALL_PROXY", "all_proxy"};
	struct web_options web = {.identity = server, .answer = OK};
	struct http_options trusted = {.ca = ca->certificate_pem};
	struct http_options other = {.ca = other_ca->certificate_pem};
	char folder[] = "/tmp/cvmroot-http-XXXXXX", bundle[64], secrets[64];

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(bundle, sizeof(bundle), "%s/ca.pem", folder);
	snprintf(secrets, sizeof(secrets), "%s/secrets", folder);
	assert_int_equal(file_write_volatile(bundle, ca->certificate_pem,
					     strlen(ca->certificate_pem), 0600),
			 0);
	setenv("SSL_CERT_FILE", bundle, 1);
	setenv("SSLKEYLOGFILE", secrets, 1);
	for (size_t i = 0; i < ARRAY_SIZE(proxies); i++)
		setenv(proxies[i], "http://127.0.0.1:1", 1);
	try_accepted(&web, &trusted);
	assert_int_equal(access(secrets, F_OK), -1);
	try_refused(&web, &other, -EKEYREJECTED, "not issued by");
	for (size_t i = 0; i < ARRAY_SIZE(proxies); i++)
		assert_null(getenv(proxies[i]));
	unlink(bundle);
	rmdir(folder);
}

/* ---- In namespaces of the test's own ---- */

/* Put a file or folder in the place of another; false when namespaces are not allowed here. */
static bool replace_path(const char *with, const char *path)
{
	return mount(with, path, NULL, MS_BIND, NULL) == 0;
}

/* Run @function in a child with mounts and a network of its own, where only "lo" is. */
static void in_namespace(int (*function)(void))
{
	struct ifreq lo = {.ifr_name = "lo", .ifr_flags = IFF_UP};
	pid_t pid;
	int status;

	skip_when_emulated("may hang in the child of a program with threads");
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		int fd;

		if (unshare(CLONE_NEWNS | CLONE_NEWNET) < 0 ||
		    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
			_exit(77);
		fd = socket(AF_INET, SOCK_DGRAM, 0);
		if (ioctl(fd, SIOCSIFFLAGS, &lo) < 0)
			_exit(77);
		close(fd);
		alarm(30);
		_exit(function());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
		print_message("skipped: namespaces are not allowed here\n");
		skip();
	}
	assert_int_equal(status, 0);
}

/* Our CA as one of the system's: libcurl is built to trust those. */
static int trust_in_system(void)
{
	struct web_options web = {.identity = server, .answer = OK};
	struct http_options other = {.ca = other_ca->certificate_pem};
	char folder[] = "/tmp/cvmroot-http-XXXXXX", path[128];

	assert_non_null(mkdtemp(folder));
	if (mount("none", folder, "tmpfs", 0, NULL) < 0)
		return 77;
	snprintf(path, sizeof(path), "%s/%08lx.0", folder, X509_subject_name_hash(ca->certificate));
	assert_int_equal(file_write_volatile(path, ca->certificate_pem, strlen(ca->certificate_pem),
					     0644),
			 0);
	snprintf(path, sizeof(path), "%s/ca-certificates.crt", folder);
	assert_int_equal(file_write_volatile(path, ca->certificate_pem, strlen(ca->certificate_pem),
					     0644),
			 0);
	if (!replace_path(folder, "/etc/ssl/certs"))
		return 77;
	try_refused(&web, &other, -EKEYREJECTED, "not issued by");
	umount(folder);
	rmdir(folder);
	return 0;
}

static void test_system_store(void **state)
{
	(void)state;
	in_namespace(trust_in_system);
}

/* Have names looked up at 127.0.0.1; a socket that answers nothing there, unless it is @closed. */
static bool make_resolver(bool closed)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_port = htons(53),
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	static const char text[] = "nameserver 127.0.0.1\n";
	static const char sources[] = "hosts: files dns\n";
	char path[] = "/tmp/cvmroot-http-XXXXXX";
	int fd = mkstemp(path);
	bool good;

	assert_int_equal(file_write(fd, text, strlen(text)), 0);
	good = replace_path(path, "/etc/resolv.conf");
	close(fd);
	unlink(path);
	strcpy(path, "/tmp/cvmroot-http-XXXXXX");
	fd = mkstemp(path);
	assert_int_equal(file_write(fd, sources, strlen(sources)), 0);
	good = good && replace_path(path, "/etc/nsswitch.conf");
	close(fd);
	unlink(path);
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	return good && (closed || bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
}

static int look_up_in_vain(bool closed, unsigned int connect_ms, int error, const char *words)
{
	struct http_answer answer = {};
	struct http_request request = usual("https://kbs.example.com:1/");
	struct http *http = open_usual();
	double start = now();

	if (!make_resolver(closed))
		return 77;
	request.connect_ms = connect_ms;
	assert_refused(http_send(http, &request, &answer), error, words);
	http_free(http);
	assert_true(now() - start < 3);
	return 0;
}

/* glibc would try for 10 s. */
static int look_up_silent(void)
{
	return look_up_in_vain(false, 500, -ETIMEDOUT, "name look-up: no answer within 0.5 s");
}

static int look_up_refused(void)
{
	return look_up_in_vain(true, 5000, -ENOTCONN, "name look-up: no address for \"kbs.example");
}

static void test_names(void **state)
{
	(void)state;
	in_namespace(look_up_silent);
	in_namespace(look_up_refused);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		/* First: libcurl looks for SSLKEYLOGFILE once in a process. */
		cmocka_unit_test(test_environment),
		cmocka_unit_test(test_get),
		cmocka_unit_test(test_post),
		cmocka_unit_test(test_closed_between),
		cmocka_unit_test(test_shapes_of_answers),
		cmocka_unit_test(test_redirect),
		cmocka_unit_test(test_plain),
		cmocka_unit_test(test_certificates),
		cmocka_unit_test(test_dates),
		cmocka_unit_test(test_pin),
		cmocka_unit_test(test_client_certificate),
		cmocka_unit_test(test_no_tls),
		cmocka_unit_test(test_plain_behind_https),
		cmocka_unit_test(test_options),
		cmocka_unit_test(test_bad_answers),
		cmocka_unit_test(test_lost),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_requests),
		cmocka_unit_test(test_refused_connection),
		cmocka_unit_test(test_black_hole),
		cmocka_unit_test(test_slow),
		cmocka_unit_test(test_no_stall),
		cmocka_unit_test(test_system_store),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, make_identities, free_identities);
}
