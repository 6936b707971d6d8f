/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_HTTP_INTERNAL_H
#define CVMROOT_HTTP_INTERNAL_H

#include "http/header.h"
#include "http/http.h"

#include <curl/curl.h>
#include <openssl/ssl.h>

/* Of libcurl, without the prefix. */
/* clang-format off */
#define HTTP_CURL_FUNCTIONS(X) \
	X(easy_cleanup) X(easy_getinfo) X(easy_init) X(easy_setopt) X(easy_strerror) X(free) \
	X(global_init) X(multi_add_handle) X(multi_cleanup) X(multi_info_read) X(multi_init) \
	X(multi_perform) X(multi_poll) X(multi_remove_handle) X(multi_setopt) X(slist_append) \
	X(slist_free_all) X(url) X(url_cleanup) X(url_get) X(url_set) X(version_info)
/* clang-format on */

#define HTTP_CURL_MEMBER(name) typeof(curl_##name) *name;
extern struct http_curl {
	HTTP_CURL_FUNCTIONS(HTTP_CURL_MEMBER)
} curl;

/* How far a request came. */
enum http_phase {
	PHASE_NAME,
	PHASE_CONNECTION,
	PHASE_TLS,
	PHASE_REQUEST,
	PHASE_ANSWER, /* its first line is there */
};

/* Why a certificate was refused. */
struct http_verdict {
	int error; /* X509_V_ERR_...; 0 for none */
	int depth; /* 0: the server's own certificate, then its issuers */
	char not_before[32], not_after[32];
	int alert;   /* fatal alert that the server sent; -1 for none */
	bool closed; /* the server said that nothing more comes */
};

/* Happy eyeballs: IPv6 and IPv4 beside each other. */
#define HTTP_SOCKETS_MAX 4

struct http_body {
	char *data;
	size_t size, allocated, limit;
};

struct http {
	CURL *easy;
	CURLM *multi;
	X509_STORE *trusted; /* NULL: plain HTTP */
	char detail[CURL_ERROR_SIZE];
	int sockets[HTTP_SOCKETS_MAX]; /* -1: none */
	bool refused;		       /* an option that libcurl did not take */

	/* Of the request under way: */
	const struct http_request *request;
	enum http_phase phase;
	struct http_verdict verdict;
	struct http_header header;
	struct http_body body;
	int64_t answer_ms; /* when the answer began, on the monotonic clock */
	int error;	   /* of a callback, its sentence told; 0 for none */
	int socket_error;  /* errno of the last socket that could not be made; 0 for none */
};

/* Check options and load the CA. */
int http_tls_load(const struct http_options *options, X509_STORE **ret);
/* CURLOPT_SSL_CTX_FUNCTION: the context of a new connection; @data is the struct http. */
CURLcode http_tls_set_up(CURL *easy, void *context, void *data);
/* The last refusal in words. */
int http_tls_explain(const struct http *http);

/* libcurl's @code as one of our errors, with its sentence. */
int http_explain(struct http *http, CURLcode code);

#endif
