/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "http/internal.h"

#include "base/clock.h"
#include "base/environment.h"
#include "base/error.h"
#include "base/library.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>

/* An answer that has begun has this long, and a second more for each KIB: slow bytes end. */
#define ANSWER_GRACE_MS 5000

#define LIBCURL "libcurl.so.4"

LIBRARY_NOTE("broker", "Get keys from a key broker", LIBCURL);

/* With some thirty that it needs, it takes most of the time that a start would take. */
struct http_curl curl;

#define SYMBOL(name) {"curl_" #name, &curl.name},
static const struct library_symbol symbols[] = {HTTP_CURL_FUNCTIONS(SYMBOL)};

/* An option that libcurl does not take would be a protection that is not there. */
#define SET(http, option, value)                                                                   \
	((http)->refused |= curl.easy_setopt((http)->easy, (option), (value)) != CURLE_OK)

struct slist {
	struct curl_slist *list;
};

static void slist_done(struct slist *slist)
{
	curl.slist_free_all(slist->list);
}

/* With CURLOPT_NOSIGNAL libcurl leaves it to us that a closed connection is an error, no signal. */
static void sigpipe_ignore(struct sigaction *ret_before)
{
	struct sigaction ignore = {.sa_handler = SIG_IGN};

	(void)sigaction(SIGPIPE, &ignore, ret_before);
}

static void sigpipe_restore(const struct sigaction *before)
{
	(void)sigaction(SIGPIPE, before, NULL);
}

/* ---- Sockets ---- */

static curl_socket_t open_socket(void *data, curlsocktype purpose, struct curl_sockaddr *address)
{
	struct http *http = data;
	int fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);

	(void)purpose;
	/* The next address may be of a family that the kernel has. */
	http->socket_error = fd < 0 ? errno : 0;
	if (http->phase == PHASE_NAME)
		http->phase = PHASE_CONNECTION;
	for (size_t i = 0; fd >= 0 && i < HTTP_SOCKETS_MAX; i++) {
		if (http->sockets[i] < 0) {
			http->sockets[i] = fd;
			break;
		}
	}
	return fd;
}

static int close_socket(void *data, curl_socket_t fd)
{
	struct http *http = data;

	for (size_t i = 0; i < HTTP_SOCKETS_MAX; i++)
		if (http->sockets[i] == fd)
			http->sockets[i] = -1;
	return close(fd);
}

/*
 * Acknowledge at once what the server sends next. Its session tickets come right before its first
 * answer, which Nagle's algorithm holds back until they are acknowledged, and that would take our
 * kernel 40 ms. The kernel leaves this mode whenever we send: so it is set each time before waiting.
 */
static void acknowledge_quickly(const struct http *http)
{
	static const int on = 1;

	for (size_t i = 0; i < HTTP_SOCKETS_MAX; i++)
		if (http->sockets[i] >= 0)
			(void)setsockopt(http->sockets[i], IPPROTO_TCP, TCP_QUICKACK, &on,
					 sizeof(on));
}

/* ---- What libcurl calls ---- */

/* Connected, and about to send. */
static int note_request(void *data, char *to, char *from, int to_port, int from_port)
{
	struct http *http = data;

	(void)to;
	(void)from;
	(void)to_port;
	(void)from_port;
	http->phase = PHASE_REQUEST;
	return CURL_PREREQFUNC_OK;
}

static size_t take_header(char *line, size_t size, size_t count, void *data)
{
	struct http *http = data;

	/* libcurl's size is always 1. */
	if (http->phase != PHASE_ANSWER) {
		http->phase = PHASE_ANSWER;
		http->answer_ms = monotonic_ms();
	}
	http->error = http_header_line(&http->header, line, size * count);
	return http->error < 0 ? 0 : size * count;
}

static int grow(struct http_body *body, size_t size)
{
	size_t wanted = MAX(2 * body->allocated, (size_t)1024);
	char *data;

	/* One more for the NUL; no overflow: both are below the limit. */
	while (wanted < body->size + size + 1)
		wanted *= 2;
	data = realloc(body->data, wanted);
	if (!data)
		return -ENOMEM;
	body->data = data;
	body->allocated = wanted;
	return 0;
}

static size_t take_body(char *data, size_t size, size_t count, void *context)
{
	struct http *http = context;
	struct http_body *body = &http->body;

	size *= count;
	if (size > body->limit - body->size) {
		http->error = fail(-E2BIG, "answer: longer than %zu bytes", body->limit);
		return 0;
	}
	if (body->size + size + 1 > body->allocated)
		http->error = grow(body, size);
	if (http->error < 0)
		return 0;
	memcpy(body->data + body->size, data, size);
	body->size += size;
	return size;
}

/* ---- The client ---- */

static void set_isolation(struct http *http)
{
	/* An empty name of a proxy is none, whatever the environment says. */
	SET(http, CURLOPT_PROXY, "");
	SET(http, CURLOPT_NOPROXY, "*");
	SET(http, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	SET(http, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
	SET(http, CURLOPT_FOLLOWLOCATION, 0L);
	SET(http, CURLOPT_PROTOCOLS_STR, http->trusted ? "https" : "http");
	SET(http, CURLOPT_HTTP_CONTENT_DECODING, 0L);
	SET(http, CURLOPT_HTTP09_ALLOWED, 0L);
	SET(http, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	SET(http, CURLOPT_PATH_AS_IS, 1L);
	SET(http, CURLOPT_NOSIGNAL, 1L);
	/* A thread that waits for a name server is left behind, not waited for. */
	SET(http, CURLOPT_QUICK_EXIT, 1L);
}

static void set_tls(struct http *http, const struct http_options *options)
{
	struct curl_blob certificate = {.flags = CURL_BLOB_NOCOPY};
	struct curl_blob key = {.flags = CURL_BLOB_NOCOPY};

	if (!http->trusted)
		return;
	SET(http, CURLOPT_SSL_VERIFYPEER, 1L);
	SET(http, CURLOPT_SSL_VERIFYHOST, 2L);
	SET(http, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	SET(http, CURLOPT_SSL_SESSIONID_CACHE, 0L);
	/* The system's CAs are not even read; http_tls_set_up() brings the only ones. */
	SET(http, CURLOPT_CAINFO, NULL);
	SET(http, CURLOPT_CAPATH, NULL);
	SET(http, CURLOPT_SSL_CTX_FUNCTION, http_tls_set_up);
	SET(http, CURLOPT_SSL_CTX_DATA, http);
	if (options->pin)
		SET(http, CURLOPT_PINNEDPUBLICKEY, options->pin);
	if (!options->client_certificate)
		return;
	/* Only read, in spite of its type. */
	certificate.data = (void *)(uintptr_t)options->client_certificate;
	certificate.len = strlen(options->client_certificate);
	key.data = options->client_key->data;
	key.len = options->client_key->size;
	SET(http, CURLOPT_SSLCERT_BLOB, &certificate);
	SET(http, CURLOPT_SSLKEY_BLOB, &key);
}

static void set_connection(struct http *http)
{
	SET(http, CURLOPT_TCP_NODELAY, 1L);
	SET(http, CURLOPT_TCP_KEEPALIVE, 1L);
	SET(http, CURLOPT_OPENSOCKETFUNCTION, open_socket);
	SET(http, CURLOPT_OPENSOCKETDATA, http);
	SET(http, CURLOPT_CLOSESOCKETFUNCTION, close_socket);
	SET(http, CURLOPT_CLOSESOCKETDATA, http);
	SET(http, CURLOPT_PREREQFUNCTION, note_request);
	SET(http, CURLOPT_PREREQDATA, http);
	SET(http, CURLOPT_HEADERFUNCTION, take_header);
	SET(http, CURLOPT_HEADERDATA, http);
	SET(http, CURLOPT_WRITEFUNCTION, take_body);
	SET(http, CURLOPT_WRITEDATA, http);
	SET(http, CURLOPT_ERRORBUFFER, http->detail);
}

int http_new(const struct http_options *options, struct http **ret)
{
	cleanup(http_freep) struct http *http = NULL;
	int r;

	/* Before anything of it is loaded: it looks there. */
	environment_forget();
	r = library_load(LIBCURL, "to ask a key broker", symbols, ARRAY_SIZE(symbols));
	if (r < 0)
		return r;
	http = calloc(1, sizeof(*http));
	if (!http)
		return -ENOMEM;
	for (size_t i = 0; i < HTTP_SOCKETS_MAX; i++)
		http->sockets[i] = -1;
	r = http_tls_load(options, &http->trusted);
	if (r < 0)
		return r;
	/* Never undone: a thread that waits for a name server may outlive the client. */
	if (curl.global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return -ENOMEM;
	http->easy = curl.easy_init();
	http->multi = curl.multi_init();
	if (!http->easy || !http->multi)
		return -ENOMEM;
	set_isolation(http);
	set_tls(http, options);
	set_connection(http);
	if (http->refused || curl.multi_setopt(http->multi, CURLMOPT_MAXCONNECTS, 1L) != CURLM_OK)
		return fail(-EOPNOTSUPP,
			    "libcurl %s lacks an option that cvmroot needs; it must "
			    "be 7.87 or later, built with OpenSSL",
			    curl.version_info(CURLVERSION_NOW)->version);
	*ret = TAKE_PTR(http);
	return 0;
}

void http_free(struct http *http)
{
	struct sigaction before;

	if (!http)
		return;
	sigpipe_ignore(&before);
	/* The connection is the multi handle's, and closing it calls back. */
	curl.easy_cleanup(http->easy);
	curl.multi_cleanup(http->multi);
	sigpipe_restore(&before);
	X509_STORE_free(http->trusted);
	http_header_done(&http->header);
	free(http->body.data);
	free(http);
}

/* ---- A request ---- */

static int check_request(const struct http *http, const struct http_request *request)
{
	const char *scheme = http->trusted ? "https://" : "http://";

	if (strncmp(request->url, scheme, strlen(scheme)) != 0)
		return fail(-EINVAL, "request: \"%s\" must begin with %s", request->url, scheme);
	for (size_t i = 0; i < HTTP_HEADERS_MAX && request->headers[i]; i++)
		if (!http_header_is_sendable(request->headers[i]))
			return fail(-EINVAL, "request: header %zu cannot be sent", i + 1);
	return 0;
}

static int append(struct slist *slist, const char *line)
{
	struct curl_slist *list = curl.slist_append(slist->list, line);

	if (!list)
		return -ENOMEM;
	slist->list = list;
	return 0;
}

static int make_headers(const struct http_request *request, struct slist *ret)
{
	/* No "100 Continue" in between. */
	int r = append(ret, "Expect:");

	for (size_t i = 0; r == 0 && i < HTTP_HEADERS_MAX && request->headers[i]; i++)
		r = append(ret, request->headers[i]);
	return r;
}

static void set_request(struct http *http, const struct http_request *request,
			const struct slist *headers)
{
	SET(http, CURLOPT_URL, request->url);
	SET(http, CURLOPT_HTTPHEADER, headers->list);
	SET(http, CURLOPT_CONNECTTIMEOUT_MS, (long)request->connect_ms);
	SET(http, CURLOPT_TIMEOUT_MS, (long)request->total_ms);
	SET(http, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)request->answer_limit);
	if (request->body) {
		SET(http, CURLOPT_POST, 1L);
		SET(http, CURLOPT_POSTFIELDS, request->body);
		SET(http, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_size);
	} else {
		SET(http, CURLOPT_HTTPGET, 1L);
	}
}

/* The state of a request that begins. */
static void begin(struct http *http, const struct http_request *request)
{
	http_header_done(&http->header);
	free(http->body.data);
	http->request = request;
	http->phase = PHASE_NAME;
	http->verdict = (struct http_verdict){.alert = -1};
	http->header = (struct http_header){};
	http->body = (struct http_body){.limit = request->answer_limit};
	http->answer_ms = 0;
	http->error = 0;
	http->socket_error = 0;
	http->detail[0] = '\0';
}

static int check_speed(const struct http *http)
{
	int64_t came = (int64_t)(http->header.size + http->body.size);
	int64_t passed = monotonic_ms() - http->answer_ms;

	if (http->phase != PHASE_ANSWER || passed < ANSWER_GRACE_MS + came * 1000 / 1024)
		return 0;
	return fail(-ETIMEDOUT, "answer: it comes too slowly, %lld bytes in %lld s",
		    (long long)came, (long long)passed / 1000);
}

static int engine_failed(void)
{
	return fail(-EIO, "request: an internal error of libcurl");
}

static int wait_for_answer(struct http *http, CURLcode *ret)
{
	CURLMsg *message;
	int running = 1, left, r;

	for (;;) {
		if (curl.multi_perform(http->multi, &running) != CURLM_OK)
			return engine_failed();
		if (running == 0)
			break;
		r = check_speed(http);
		if (r < 0)
			return r;
		acknowledge_quickly(http);
		if (curl.multi_poll(http->multi, NULL, 0, 500, NULL) != CURLM_OK)
			return engine_failed();
	}
	message = curl.multi_info_read(http->multi, &left);
	if (!message || message->msg != CURLMSG_DONE)
		return engine_failed();
	*ret = message->data.result;
	return 0;
}

/* Bytes of the server may be in libcurl's words. */
static void clean_detail(struct http *http)
{
	for (char *c = http->detail; *c != '\0'; c++)
		if (*c < 0x20 || *c > 0x7e)
			*c = '?';
}

static int perform(struct http *http)
{
	CURLcode code = CURLE_OK;
	struct sigaction before;
	int r;

	if (curl.multi_add_handle(http->multi, http->easy) != CURLM_OK)
		return -ENOMEM;
	sigpipe_ignore(&before);
	r = wait_for_answer(http, &code);
	if (r == 0) {
		clean_detail(http);
		r = http_explain(http, code);
	}
	/* Ends what is still under way. */
	curl.multi_remove_handle(http->multi, http->easy);
	sigpipe_restore(&before);
	return r;
}

/* libcurl lets a connection's end pass as the end of a header, and of a body of unknown size. */
static int check_end(const struct http *http)
{
	if (http->header.status == 0)
		return fail(-EBADMSG, "answer: it is not HTTP/1");
	if (http->header.status < 200 || !http->header.ended)
		return fail(-EBADMSG, "answer: cut short in its header");
	/* Without TLS's own word for the end, somebody else may have cut the connection. */
	if (http->trusted && !http->header.framed && !http->verdict.closed)
		return fail(-EBADMSG, "answer: cut short after %zu bytes", http->body.size);
	return 0;
}

static int take_answer(struct http *http, struct http_answer *ret)
{
	int r = check_end(http);

	if (r < 0)
		return r;
	if (!http->body.data)
		r = grow(&http->body, 0);
	if (r < 0)
		return r;
	http->body.data[http->body.size] = '\0';
	*ret = (struct http_answer){
		.status = http->header.status,
		.retry_after = http_retry_after(&http->header),
		.body_size = http->body.size,
		.body = TAKE_PTR(http->body.data),
		.set_cookie = TAKE_PTR(http->header.set_cookie),
	};
	if (!http->header.many_dates)
		ret->date = TAKE_PTR(http->header.date);
	return 0;
}

int http_send(struct http *http, const struct http_request *request, struct http_answer *ret)
{
	cleanup(slist_done) struct slist headers = {};
	int r = check_request(http, request);

	if (r < 0)
		return r;
	r = make_headers(request, &headers);
	if (r < 0)
		return r;
	begin(http, request);
	set_request(http, request, &headers);
	if (http->refused)
		return fail(-EINVAL, "request: libcurl does not take it");
	r = perform(http);
	/* Borrowed for this request only. */
	SET(http, CURLOPT_HTTPHEADER, NULL);
	SET(http, CURLOPT_POSTFIELDS, NULL);
	if (r < 0)
		return r;
	return take_answer(http, ret);
}

void http_answer_done(struct http_answer *answer)
{
	free(answer->body);
	free(answer->set_cookie);
	free(answer->date);
	*answer = (struct http_answer){};
}
