/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_HTTP_HTTP_H
#define CVMROOT_HTTP_HTTP_H

#include "base/secret.h"

/*
 * HTTP/1.1 over libcurl for requests to one server: TLS 1.2 or later against one CA, or plain HTTP
 * for a service of the machine itself. No redirects, no proxy, no cookie engine, nothing from the
 * environment, a limit on the time of every phase and on the bytes of every answer; one connection,
 * kept between requests.
 */
struct http;

struct http_options {
	const char *ca; /* PEM text of the only trusted CAs; NULL: plain http URLs only */
	/* "sha256//BASE64" of the server's SubjectPublicKeyInfo, beside the CA; or NULL. */
	const char *pin;
	const char *client_certificate;	 /* PEM text; or NULL */
	const struct secret *client_key; /* PEM text; NULL when there is no certificate */
	/* The dates of certificates are not looked at: the clock is known to be wrong. */
	bool ignore_certificate_dates;
};

/*
 * All options are borrowed for the life of the client. -EINVAL, with a sentence, when one of them
 * cannot be used. Call it before other threads start: it takes variables out of the environment.
 */
int http_new(const struct http_options *options, struct http **ret);
void http_free(struct http *http);
DEFINE_CLEANUP(struct http *, http_free)

#define HTTP_HEADERS_MAX 8

struct http_request {
	const char *url;
	const char *headers[HTTP_HEADERS_MAX]; /* "Name: value"; NULL behind the last */
	const void *body;		       /* NULL: GET, else POST */
	size_t body_size;
	unsigned int connect_ms; /* for name, connection and TLS together */
	unsigned int total_ms;	 /* for all of the request */
	size_t answer_limit;	 /* bytes of the body */
};

/* Longest delay that is believed. */
#define HTTP_RETRY_AFTER_MAX 86400

struct http_answer {
	unsigned int status; /* 200 ... */
	char *body;	     /* NUL-terminated behind body_size bytes; never NULL */
	size_t body_size;
	/* Value of the Set-Cookie header, several with a newline between; or NULL. */
	char *set_cookie;
	char *date;	 /* value of the Date header; or NULL */
	int retry_after; /* seconds of a Retry-After header; -1: none that can be used */
};
/* Free what it holds; a cleanup() callback. */
void http_answer_done(struct http_answer *answer);

/*
 * Send a request and take the answer, of whatever status. The sentence of an error begins with the
 * phase ("name look-up", "connection", "TLS", "request", "answer") and says the reason; the server
 * is for the caller to name.
 *   -ENOTCONN      name not found, connection refused or lost, no route
 *   -ETIMEDOUT     a phase took too long, or the answer comes in by single bytes
 *   -EKEYREJECTED  a certificate or key was refused: the server's (CA, name, dates, pin), or ours
 *   -E2BIG         the answer is longer than answer_limit, or its header too long
 *   -EBADMSG       not HTTP or TLS as it should be, or cut short
 *   -EINVAL        a URL of the wrong scheme, or a header that is none
 */
int http_send(struct http *http, const struct http_request *request, struct http_answer *ret);

#endif
