/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_BROKER_BROKER_H
#define CVMROOT_BROKER_BROKER_H

#include "base/secret.h"
#include "tee/tee.h"

/*
 * Client of Trustee's key broker service (KBS): attest to one of several servers and get one
 * resource, by the protocol RCAR (request, challenge, attestation, response) in version 0.4.0, or
 * 0.2.0 with servers that ask for it.
 */

struct broker_server {
	const char *url;		 /* https://HOST[:PORT], without a path */
	const char *ca;			 /* PEM text */
	const char *pin;		 /* see http.h; or NULL */
	const char *client_certificate;	 /* PEM text; or NULL */
	const struct secret *client_key; /* PEM text; or NULL */
};

struct broker_options {
	const struct broker_server *servers; /* in the order of trial */
	size_t servers_count;
	bool ignore_certificate_dates;
	const struct tee_ops *tee;
	const struct tee_context *tee_context;
	/* The initdata document that the TEE binds, byte for byte; or NULL. */
	const char *initdata;
	size_t initdata_size;
	unsigned int deadline_ms; /* for everything, retries included */
	/* Told before each wait what went wrong and when it is tried again; or NULL. */
	void (*waiting)(const char *sentence, unsigned int seconds, void *context);
	void *waiting_context;
};

/*
 * Fetch the resource @uri: kbs:///REPOSITORY/TYPE/TAG, or kbs+PLUGIN:///PATH. Payloads that wrap a
 * key (JWK of type "oct", the provisioner's TOML) are unwrapped. All options are borrowed.
 *
 * What a later attempt could mend (connection, 429, 5xx, a session that ended) is tried again,
 * after back-off with full jitter, on each server in turn, until the deadline; what it could not
 * (policy, certificate, protocol) ends the trial of that server. A refusal that may have either
 * cause (evidence, session, missing resource, storage that is down: brokers do not tell) lets a
 * server be asked three times more, the last two each a sixteenth of the deadline later; so does a
 * TEE that is busy (-EBUSY, -ETIMEDOUT, -ENOTCONN), while any other error of it is the end. The error
 * is the last one, and its sentence names for each server the phase, the HTTP status, and the
 * broker's "type" and "detail".
 *   -ENOKEY        a broker refused: evidence, policy, no such resource
 *   -ENOTCONN, -ETIMEDOUT, -EKEYREJECTED, -EBADMSG, -E2BIG as in http.h
 *   -EINVAL        @uri or an option is wrong
 *   else what the TEE said
 */
int broker_fetch(const struct broker_options *options, const char *uri, struct secret **ret);

/* 0, or -EINVAL with a sentence, for a URI that no broker could serve. Pure. */
int broker_check_uri(const char *uri);

#endif
