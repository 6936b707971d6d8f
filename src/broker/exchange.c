/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "broker/exchange.h"

#include "base/error.h"
#include "base/log.h"
#include "http/http.h"

#include <string.h>

struct exchange {
	struct exchange_server *server;
	const struct broker_options *options;
	int64_t deadline_ms;
	struct http *http;
	char *cookie; /* header line of the session; NULL before there is one */
	struct refusal refusal;
	struct exchange_failure *failure;
};

static void exchange_done(struct exchange *exchange)
{
	http_free(exchange->http);
	free(exchange->cookie);
}

/* ---- One request ---- */

struct step {
	const char *name; /* for sentences */
	const char *path;
	const char *body; /* JSON; NULL: GET */
	size_t answer_limit;
};

/* "https://HOST:PORT", with or without a '/' at its end, and the path. */
static int make_url(const char *base, const char *path, char **ret)
{
	size_t size = strlen(base);
	char *url;

	while (size > 0 && base[size - 1] == '/')
		size--;
	if (asprintf(&url, "%.*s%s", (int)size, base, path) < 0)
		return -ENOMEM;
	*ret = url;
	return 0;
}

static int limit_time(const struct exchange *exchange, struct http_request *request)
{
	int64_t left = exchange->deadline_ms - broker_clock_ms();

	if (left <= 0)
		return fail(-ETIMEDOUT, "no time is left");
	request->connect_ms = (unsigned int)MIN(left, (int64_t)EXCHANGE_CONNECT_MS);
	request->total_ms = (unsigned int)MIN(left, (int64_t)EXCHANGE_REQUEST_MS);
	return 0;
}

/* What may be mended by time: the network, and an answer that it cut. The rest is not. */
static enum refusal_action action_of_error(int error)
{
	switch (error) {
	case -ENOTCONN:
	case -ETIMEDOUT:
	case -EBADMSG:
		return REFUSAL_RETRY;
	default:
		return REFUSAL_GIVE_UP;
	}
}

static int transfer(struct exchange *exchange, const struct step *step, struct http_answer *ret)
{
	cleanup(freep) char *url = NULL;
	struct http_request request = {
		.headers = {"Accept: application/json"},
		.body = step->body,
		.body_size = step->body ? strlen(step->body) : 0,
		.answer_limit = step->answer_limit,
	};
	size_t headers = 1;
	int r = limit_time(exchange, &request);

	if (r == 0)
		r = make_url(exchange->server->server->url, step->path, &url);
	if (r < 0)
		return r;
	request.url = url;
	if (step->body)
		request.headers[headers++] = "Content-Type: application/json";
	if (exchange->cookie)
		request.headers[headers++] = exchange->cookie;
	log_debug("%s: %s", step->name, url);
	return http_send(exchange->http, &request, ret);
}

/* 0 for an answer with status 200, which the caller frees. */
static int take_step(struct exchange *exchange, const struct step *step, struct http_answer *ret)
{
	struct http_answer answer = {};
	int r = transfer(exchange, step, &answer);

	exchange->refusal = (struct refusal){};
	if (r < 0) {
		exchange->failure->action = action_of_error(r);
		return fail(r, "%s: %s", step->name, fail_sentence(r));
	}
	if (answer.status == 200) {
		*ret = answer;
		return 0;
	}
	refusal_read(answer.status, answer.body, answer.body_size, &exchange->refusal);
	exchange->failure->action = exchange->refusal.action;
	exchange->failure->retry_after = answer.retry_after;
	http_answer_done(&answer);
	if (exchange->failure->retry_after >= 0)
		return fail(-ENOKEY, "%s: %s (to be asked again after %d s)", step->name,
			    exchange->refusal.sentence, exchange->failure->retry_after);
	return fail(-ENOKEY, "%s: %s", step->name, exchange->refusal.sentence);
}

/* An answer that breaks the protocol: asking again would bring it again. */
static int fail_protocol(const struct step *step, int error)
{
	return fail(error, "%s: %s", step->name, fail_sentence(error));
}

static int fail_local(struct exchange *exchange, int error)
{
	exchange->failure->local = true;
	return error;
}

/* ---- Auth ---- */

/* Servers of version 0.2.0 know no other name. */
static bool uses_legacy_name(const struct exchange *exchange)
{
	return exchange->options->tee->legacy_name &&
	       (exchange->server->legacy_name || exchange->server->version == RCAR_0_2_0);
}

static int take_cookie(struct exchange *exchange, const struct http_answer *answer)
{
	char *header;
	int r;

	if (!answer->set_cookie)
		return fail(-EBADMSG, "the answer opens no session: no cookie " COOKIE_NAME);
	r = cookie_header(answer->set_cookie, &header);
	if (r < 0)
		return r;
	free(exchange->cookie);
	exchange->cookie = header;
	return 0;
}

static int ask_for_challenge(struct exchange *exchange, struct challenge *ret)
{
	const struct tee_ops *tee = exchange->options->tee;
	cleanup(http_answer_done) struct http_answer answer = {};
	cleanup(freep) char *body = NULL;
	struct step step = {"auth", "/kbs/v0/auth", NULL, CHALLENGE_SIZE_LIMIT};
	int r = message_request(exchange->server->version,
				uses_legacy_name(exchange) ? tee->legacy_name : tee->name, &body);

	if (r < 0)
		return fail_local(exchange, r);
	step.body = body;
	r = take_step(exchange, &step, &answer);
	if (r < 0)
		return r;
	r = take_cookie(exchange, &answer);
	if (r == 0)
		r = message_read_challenge(answer.body, answer.body_size, ret);
	return r < 0 ? fail_protocol(&step, r) : 0;
}

/* What was tried with the server, so that it cannot lead us round in circles. */
struct negotiation {
	bool version, name;
};

/* Change what the refusal asks to change; false: there is nothing left to change. */
static bool negotiate(struct exchange *exchange, struct negotiation *done)
{
	struct exchange_server *server = exchange->server;
	const struct refusal *refusal = &exchange->refusal;

	if (refusal->action == REFUSAL_VERSION && !done->version &&
	    refusal->version != server->version) {
		done->version = true;
		server->version = refusal->version;
		return true;
	}
	if (refusal->action == REFUSAL_TEE_NAME && !done->name &&
	    exchange->options->tee->legacy_name) {
		done->name = true;
		server->legacy_name = !uses_legacy_name(exchange);
		return true;
	}
	return false;
}

static int authenticate(struct exchange *exchange, struct challenge *ret)
{
	struct exchange_server before = *exchange->server;
	struct negotiation done = {};
	int r;

	do
		r = ask_for_challenge(exchange, ret);
	while (r < 0 && negotiate(exchange, &done));
	if (r == 0)
		return 0;
	if (exchange->failure->action == REFUSAL_VERSION ||
	    exchange->failure->action == REFUSAL_TEE_NAME) {
		exchange->failure->action = REFUSAL_GIVE_UP;
		*exchange->server = before;
	}
	return r;
}

/* ---- Attest ---- */

static int get_evidence(struct exchange *exchange, const struct challenge *challenge,
			const struct jwe_key *key, json_t **ret)
{
	uint8_t report_data[HASH_MAX_SIZE];
	struct tee_request request = {
		.report_data = report_data,
		.challenge = challenge->nonce,
		.legacy = uses_legacy_name(exchange),
	};
	int r = message_report_data(exchange->server->version, challenge, key, report_data,
				    &request.report_data_size);

	if (r == 0)
		r = tee_evidence(exchange->options->tee, exchange->options->tee_context, &request,
				 ret);
	return r;
}

static int make_attestation(struct exchange *exchange, const struct challenge *challenge,
			    const struct jwe_key *key, char **ret_body)
{
	cleanup(json_decrefp) json_t *evidence = NULL;
	struct attestation attestation = {
		.version = exchange->server->version,
		.nonce = challenge->nonce,
		.key = key,
		.initdata = exchange->options->initdata,
		.initdata_size = exchange->options->initdata_size,
	};
	int r = get_evidence(exchange, challenge, key, &evidence);

	if (r < 0)
		return r;
	attestation.evidence = evidence;
	return message_attestation(&attestation, ret_body);
}

/*
 * The platform, or the service of its host that makes quotes, may only have been busy or away;
 * anything else no server and no time can mend.
 */
static int fail_evidence(struct exchange *exchange, int error)
{
	if (error != -EBUSY && error != -ETIMEDOUT && error != -ENOTCONN)
		return fail_local(exchange, error);
	exchange->failure->action = REFUSAL_AGAIN;
	return fail(error, "evidence: %s", fail_sentence(error));
}

static int attest(struct exchange *exchange, const struct challenge *challenge,
		  const struct jwe_key *key)
{
	cleanup(http_answer_done) struct http_answer answer = {};
	cleanup(freep) char *body = NULL;
	struct step step = {"attest", "/kbs/v0/attest", NULL, TOKEN_SIZE_LIMIT};
	int r = make_attestation(exchange, challenge, key, &body);

	if (r < 0)
		return fail_evidence(exchange, r);
	step.body = body;
	r = take_step(exchange, &step, &answer);
	if (r < 0)
		return r;
	/* Brokers name the session once more here; it is the same. */
	r = message_read_token(answer.body, answer.body_size);
	return r < 0 ? fail_protocol(&step, r) : 0;
}

/* ---- Resource ---- */

static int get_resource(struct exchange *exchange, const char *path, const struct jwe_key *key,
			struct secret **ret)
{
	cleanup(http_answer_done) struct http_answer answer = {};
	struct step step = {"resource", path, NULL, JWE_SIZE_LIMIT};
	int r = take_step(exchange, &step, &answer);

	if (r < 0)
		return r;
	r = jwe_open(answer.body, answer.body_size, key, ret);
	return r < 0 ? fail_protocol(&step, r) : 0;
}

/* The key lives from the challenge to the answer that was made for it. */
static int run(struct exchange *exchange, const char *path, struct secret **ret)
{
	cleanup(challenge_done) struct challenge challenge = {};
	cleanup(jwe_key_freep) struct jwe_key *key = NULL;
	int r = authenticate(exchange, &challenge);

	if (r < 0)
		return r;
	r = jwe_key_new(&key);
	if (r < 0)
		return fail_local(exchange, r);
	r = attest(exchange, &challenge, key);
	if (r < 0)
		return r;
	return get_resource(exchange, path, key, ret);
}

int exchange_run(struct exchange_server *server, const struct broker_options *options,
		 const char *path, int64_t deadline_ms, struct exchange_failure *ret_failure,
		 struct secret **ret_plaintext)
{
	struct exchange_failure failure = {.action = REFUSAL_GIVE_UP, .retry_after = -1};
	cleanup(exchange_done) struct exchange exchange = {
		.server = server,
		.options = options,
		.deadline_ms = deadline_ms,
		.failure = &failure,
	};
	const struct http_options http = {
		.ca = server->server->ca,
		.pin = server->server->pin,
		.client_certificate = server->server->client_certificate,
		.client_key = server->server->client_key,
		.ignore_certificate_dates = options->ignore_certificate_dates,
	};
	int r = http_new(&http, &exchange.http);

	if (r == 0)
		r = run(&exchange, path, ret_plaintext);
	if (r < 0)
		*ret_failure = failure;
	return r;
}
