/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "broker/broker.h"

#include "base/error.h"
#include "base/log.h"
#include "broker/exchange.h"

#include <string.h>

/*
 * How often one server may let us begin again: it does not say whether that could ever help. The
 * first time at once, as for a session that ended; from then on it gets a part of the deadline each
 * time, since what stands behind a broker (storage, attestation service) may be down for a minute.
 */
#define AGAIN_MAX   3
#define AGAIN_SHARE 16

struct server {
	struct exchange_server exchange;
	bool ended;	       /* nothing more is tried with it */
	unsigned int again;    /* how often it was begun again */
	int64_t not_before_ms; /* by its Retry-After */
	char sentence[FAIL_SENTENCE_SIZE];
};

struct fetch {
	const struct broker_options *options;
	char *path;
	struct server *servers;
	size_t servers_count;
	int64_t started_ms, deadline_ms;
	struct retry retry;
	bool local; /* failed for a reason of this machine */
};

static void fetch_done(struct fetch *fetch)
{
	free(fetch->path);
	free(fetch->servers);
}

/* ---- One round over the servers ---- */

static int64_t again_pause_ms(const struct fetch *fetch, const struct server *server)
{
	return server->again < 2 ? 0 : fetch->options->deadline_ms / AGAIN_SHARE;
}

static void note_failure(const struct fetch *fetch, struct server *server,
			 const struct exchange_failure *failure, int error)
{
	int64_t pause_ms = 0;

	snprintf(server->sentence, sizeof(server->sentence), "%s", fail_sentence(error));
	log_debug("%s: %s", server->exchange.server->url, server->sentence);
	if (failure->action == REFUSAL_AGAIN) {
		server->ended = server->again++ >= AGAIN_MAX;
		pause_ms = again_pause_ms(fetch, server);
	} else {
		server->ended = failure->action != REFUSAL_RETRY;
	}
	if (failure->retry_after >= 0)
		pause_ms = MAX(pause_ms, failure->retry_after * INT64_C(1000));
	server->not_before_ms = broker_clock_ms() + pause_ms;
}

static int try_server(struct fetch *fetch, struct server *server, struct secret **ret)
{
	struct exchange_failure failure = {};
	int r = exchange_run(&server->exchange, fetch->options, fetch->path, fetch->deadline_ms,
			     &failure, ret);

	if (r == 0)
		return 0;
	fetch->local = failure.local || r == -ENOMEM;
	if (fetch->local)
		return r;
	note_failure(fetch, server, &failure, r);
	return r;
}

/* Servers that may be asked now, in order. @before: the error of the last round. */
static int try_servers(struct fetch *fetch, int before, struct secret **ret)
{
	int r = before;

	for (size_t i = 0; i < fetch->servers_count; i++) {
		struct server *server = &fetch->servers[i];
		int64_t now = broker_clock_ms();

		if (server->ended || now < server->not_before_ms)
			continue;
		if (now >= fetch->deadline_ms)
			break;
		r = try_server(fetch, server, ret);
		if (r == 0 || fetch->local)
			break;
	}
	return r;
}

/* ---- Between the rounds ---- */

/* The first time at which some server may be asked; INT64_MAX: none ever. */
static int64_t next_possible_ms(const struct fetch *fetch)
{
	int64_t first = INT64_MAX;

	for (size_t i = 0; i < fetch->servers_count; i++)
		if (!fetch->servers[i].ended)
			first = MIN(first, fetch->servers[i].not_before_ms);
	return first;
}

/* What each server said, in order; each gets its share of the room that is left. */
static void join_sentences(const struct fetch *fetch, char *ret, size_t size)
{
	size_t used = 0;

	ret[0] = '\0';
	for (size_t i = 0; i < fetch->servers_count; i++) {
		const struct server *server = &fetch->servers[i];
		size_t share = (size - used) / (fetch->servers_count - i);
		int n = snprintf(ret + used, share, "%s%s: %s", i > 0 ? "; " : "",
				 server->exchange.server->url,
				 server->sentence[0] ? server->sentence : "was not asked");

		if (share > 0 && n > 0)
			used += MIN((size_t)n, share - 1);
	}
}

static int wait_for_next_round(struct fetch *fetch)
{
	const struct broker_options *options = fetch->options;
	char sentence[FAIL_SENTENCE_SIZE];
	int64_t now = broker_clock_ms(), until = now;
	int r = retry_next(&fetch->retry, now, next_possible_ms(fetch), &until);

	if (r < 0)
		return r;
	join_sentences(fetch, sentence, sizeof(sentence));
	if (options->waiting)
		options->waiting(sentence, (unsigned int)((until - now + 999) / 1000),
				 options->waiting_context);
	broker_clock_wait(until);
	return 0;
}

static int fail_fetch(const struct fetch *fetch, int error)
{
	char sentence[FAIL_SENTENCE_SIZE - 64]; /* room for what stands in front */

	join_sentences(fetch, sentence, sizeof(sentence));
	if (next_possible_ms(fetch) == INT64_MAX)
		return fail(error, "%s", sentence);
	/* Rounded: libcurl may end an attempt a millisecond before the time that it was given. */
	return fail(error, "gave up after %lld s: %s",
		    (long long)(broker_clock_ms() - fetch->started_ms + 500) / 1000, sentence);
}

static int run(struct fetch *fetch, struct secret **ret)
{
	int r = -ETIMEDOUT;

	do {
		r = try_servers(fetch, r, ret);
		if (r == 0 || fetch->local)
			return r;
	} while (wait_for_next_round(fetch) == 0);
	return fail_fetch(fetch, r);
}

/* ---- Options ---- */

/*
 * A server that TLS does not authenticate needs no evidence to answer with a key that it knows: so
 * there is no way to do without.
 */
static int check_server(const struct broker_server *server)
{
	if (strncmp(server->url, "https://", 8) != 0)
		return fail(-EINVAL, "%s: the URL of a key broker begins with https://",
			    server->url);
	if (!server->ca)
		return fail(-EINVAL, "%s: no CA is given that the server is to be checked against",
			    server->url);
	return 0;
}

static int prepare(const struct broker_options *options, const char *uri, struct fetch *ret)
{
	uint32_t place = 0;
	int r = uri_request_path(uri, &ret->path);

	if (r == 0)
		r = random_bytes(&place, sizeof(place));
	if (r < 0)
		return r;
	if (options->servers_count == 0 || !options->tee || options->deadline_ms == 0)
		return fail(-EINVAL, "no key broker, no TEE or no time is given");
	ret->options = options;
	ret->started_ms = broker_clock_ms();
	ret->deadline_ms = ret->started_ms + options->deadline_ms;
	retry_begin(&ret->retry, ret->started_ms, options->deadline_ms, place);
	ret->servers = calloc(options->servers_count, sizeof(*ret->servers));
	if (!ret->servers)
		return -ENOMEM;
	for (; ret->servers_count < options->servers_count; ret->servers_count++) {
		const struct broker_server *server = &options->servers[ret->servers_count];

		r = check_server(server);
		if (r < 0)
			return r;
		ret->servers[ret->servers_count].exchange.server = server;
	}
	return 0;
}

int broker_fetch(const struct broker_options *options, const char *uri, struct secret **ret)
{
	cleanup(fetch_done) struct fetch fetch = {};
	cleanup(secret_freep) struct secret *plaintext = NULL;
	int r = prepare(options, uri, &fetch);

	if (r == 0)
		r = run(&fetch, &plaintext);
	if (r < 0)
		return r;
	return payload_read(plaintext, uri_is_provisioner(uri), ret);
}
