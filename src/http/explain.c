/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "http/internal.h"

#include "base/error.h"

#include <string.h>

static bool is_sent(const struct http *http)
{
	curl_off_t sent = 0;

	(void)curl.easy_getinfo(http->easy, CURLINFO_SIZE_UPLOAD_T, &sent);
	return !http->request->body || (uint64_t)sent >= http->request->body_size;
}

static int explain_time(struct http *http)
{
	double connect = http->request->connect_ms / 1000.0;
	double total = http->request->total_ms / 1000.0;

	switch (http->phase) {
	case PHASE_NAME:
		return fail(-ETIMEDOUT, "name look-up: no answer within %.3g s", connect);
	case PHASE_CONNECTION:
		return fail(-ETIMEDOUT, "connection: no answer within %.3g s", connect);
	case PHASE_TLS:
		return fail(-ETIMEDOUT, "TLS: the handshake was not finished within %.3g s",
			    connect);
	case PHASE_REQUEST:
		if (!is_sent(http))
			return fail(-ETIMEDOUT, "request: it was not taken within %.3g s", total);
		return fail(-ETIMEDOUT, "answer: none within %.3g s", total);
	case PHASE_ANSWER:
		break;
	}
	return fail(-ETIMEDOUT, "answer: not complete after %.3g s, %zu bytes came", total,
		    http->body.size);
}

static int explain_connection(struct http *http)
{
	long code = 0;

	(void)curl.easy_getinfo(http->easy, CURLINFO_OS_ERRNO, &code);
	if (http->socket_error > 0)
		code = http->socket_error;
	return fail(-ENOTCONN, "connection: %s",
		    code > 0 ? strerror((int)code) : "it could not be made");
}

/* The name in the URL, for the sentence. */
static void copy_host(const struct http *http, char *ret, size_t size)
{
	CURLU *url = curl.url();
	char *host = NULL;

	if (url && curl.url_set(url, CURLUPART_URL, http->request->url, 0) == CURLUE_OK)
		(void)curl.url_get(url, CURLUPART_HOST, &host, 0);
	snprintf(ret, size, "%s", host ? host : http->request->url);
	curl.free(host);
	curl.url_cleanup(url);
}

static int explain_name(const struct http *http)
{
	char host[256];

	copy_host(http, host, sizeof(host));
	return fail(-ENOTCONN,
		    "name look-up: no address for \"%s\"; is the name right, and is a name "
		    "server known",
		    host);
}

/* libcurl compares the name itself, once OpenSSL has found nothing wrong. */
static int explain_certificate(const struct http *http)
{
	char host[256];
	int r = http_tls_explain(http);

	if (r < 0)
		return r;
	copy_host(http, host, sizeof(host));
	return fail(-EKEYREJECTED, "TLS: the server's certificate is for another name than \"%s\"",
		    host);
}

static int explain_handshake(const struct http *http)
{
	int r = http_tls_explain(http);

	if (r < 0)
		return r;
	/* The ways in which libcurl and OpenSSL say that the other end went away. */
	if (strstr(http->detail, "SYSCALL") || strstr(http->detail, "unexpected eof") ||
	    strstr(http->detail, "reset by peer"))
		return fail(-ENOTCONN, "TLS: the connection was lost during the handshake");
	return fail(-EBADMSG, "TLS: the handshake failed: %s",
		    http->detail[0] != '\0' ? http->detail : "no reason known");
}

static int explain_loss(struct http *http)
{
	int r = http_tls_explain(http);

	if (r < 0)
		return r;
	if (http->phase == PHASE_ANSWER)
		return fail(-EBADMSG, "answer: cut short after %zu bytes", http->body.size);
	if (!is_sent(http))
		return fail(-ENOTCONN, "request: the connection was lost before it was sent");
	return fail(-ENOTCONN, "answer: the connection was lost before it came");
}

/* CURLE_TOO_LARGE of libcurl 8.6; before, it called a header line over its limit "no memory". */
#define TOO_LARGE 100

static bool is_too_large(const struct http *http, CURLcode code)
{
	return (int)code == TOO_LARGE ||
	       (code == CURLE_OUT_OF_MEMORY && http->phase == PHASE_ANSWER && !http->header.ended);
}

int http_explain(struct http *http, CURLcode code)
{
	if (http->error < 0)
		return http->error;
	if (is_too_large(http, code))
		return fail(-E2BIG, "answer: its header is longer than %d bytes",
			    HTTP_HEADER_SIZE_MAX);
	switch (code) {
	case CURLE_OK:
		return 0;
	case CURLE_OUT_OF_MEMORY:
		return -ENOMEM;
	case CURLE_URL_MALFORMAT:
	case CURLE_LOGIN_DENIED:
		return fail(-EINVAL, "request: \"%s\" is not a URL that may be used",
			    http->request->url);
	case CURLE_COULDNT_RESOLVE_HOST:
		return explain_name(http);
	case CURLE_COULDNT_CONNECT:
		return explain_connection(http);
	case CURLE_OPERATION_TIMEDOUT:
		return explain_time(http);
	case CURLE_PEER_FAILED_VERIFICATION:
		return explain_certificate(http);
	case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
		return fail(-EKEYREJECTED, "TLS: the server's public key is not the pinned one");
	case CURLE_SSL_CONNECT_ERROR:
		return explain_handshake(http);
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR:
	case CURLE_GOT_NOTHING:
	case CURLE_PARTIAL_FILE:
		return explain_loss(http);
	case CURLE_FILESIZE_EXCEEDED:
		return fail(-E2BIG, "answer: longer than %zu bytes", http->body.limit);
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_WEIRD_SERVER_REPLY:
		return fail(-EBADMSG, "answer: it is not HTTP/1");
	default:
		return fail(-EBADMSG, "%s: %s",
			    http->phase == PHASE_ANSWER ? "answer" : "connection",
			    http->detail[0] != '\0' ? http->detail : curl.easy_strerror(code));
	}
}
