/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_TESTS_UNIT_WEB_H
#define CVMROOT_TESTS_UNIT_WEB_H

#include "pki.h"

#include <pthread.h>

#define WEB_REQUEST_MAX 16384

/*
 * A server on 127.0.0.1 in a thread of its own, for one connection at a time. It reads a request
 * and answers with the same bytes each time, whatever they are.
 */
struct web_options {
	const struct identity *identity;  /* NULL: plain HTTP */
	const struct identity *client_ca; /* wants a certificate of this CA */
	const char *answer;
	size_t answer_size;   /* 0: it is a string */
	size_t filler;	      /* bytes of 'x' behind the answer */
	int max_version;      /* of TLS; 0: the latest */
	unsigned int pace_ms; /* between two bytes of the answer */
	bool silent;	      /* takes the connection and no more */
	bool drop;	      /* closes the connection at once */
	bool closes;	      /* closes after an answer, with TLS's close_notify */
	bool cuts;	      /* closes after an answer, without */
};

struct web {
	struct web_options options;
	int listener, stop; /* @stop: an eventfd */
	unsigned int port;
	pthread_t thread;
	void *tls; /* SSL_CTX */
	/* Of the requests so far; read them after the answer. */
	unsigned int connections, requests;
	char *request; /* the last one, with its body; NUL-terminated */
	size_t request_size;
};

void web_start(struct web *web, const struct web_options *options);
void web_stop(struct web *web);

#endif
