/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_BROKER_EXCHANGE_H
#define CVMROOT_BROKER_EXCHANGE_H

#include "broker/broker.h"
#include "broker/internal.h"

/* For one request: name, connection and TLS; and all of it. */
#define EXCHANGE_CONNECT_MS 10000
#define EXCHANGE_REQUEST_MS 30000

/* What is remembered of a server from one exchange to the next. */
struct exchange_server {
	const struct broker_server *server;
	enum rcar_version version; /* that it spoke last; first the newest */
	bool legacy_name;	   /* it knows the TEE by its legacy name */
};

/* Why an exchange failed, for those who decide whether to try again. */
struct exchange_failure {
	bool local;		    /* of this machine: no server can help */
	enum refusal_action action; /* give up, retry or again */
	int retry_after;	    /* seconds that the server asks for; -1: none */
};

/*
 * One whole exchange on one connection: auth, evidence, attest, resource; three requests when
 * nothing is to be negotiated. @path is that of uri_request_path(). The sentence of an error names
 * the step. *ret_failure is written only on failure.
 */
int exchange_run(struct exchange_server *server, const struct broker_options *options,
		 const char *path, int64_t deadline_ms, struct exchange_failure *ret_failure,
		 struct secret **ret_plaintext);

/* ---- clock.c ---- */

/* Milliseconds of a clock that nobody sets. */
int64_t broker_clock_ms(void);
void broker_clock_wait(int64_t until_ms);

#endif
