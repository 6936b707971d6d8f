/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "unit.h"

#include "base/error.h"
#include "base/json.h"
#include "broker/exchange.h"
#include "http/http.h"

#include <jose/jwe.h>

/*
 * The client with a broker, a network, a TEE and a clock that are made here: the functions below
 * stand in for those of the libraries. Time passes only when the client waits or asks.
 */

#define ERRORS	  "https://github.com/confidential-containers/kbs/errors/"
#define START_MS  INT64_C(1000000)
#define SECRET	  "key from the broker"
#define DAY_MS	  (24 * 3600 * INT64_C(1000))
#define RULES_MAX 8

/* What happens to requests whose URL holds @url; the first rule that fits and is not used up. */
struct rule {
	const char *url;
	unsigned int times;
	int error;
	unsigned int status;
	const char *body;
	const char *cookie;
	int retry_after; /* 0: none */
	int64_t takes_ms;
};

static struct world {
	int64_t now_ms;
	unsigned int connections, open_connections, auths, attests, gets, evidences, waits;
	unsigned int requests_of[2]; /* of the first and the second server */
	int64_t waited_ms, longest_ms;
	unsigned int least_ms; /* that a request has at least */
	char waiting[FAIL_SENTENCE_SIZE];
	struct rule rules[RULES_MAX];
	size_t rules_count;

	/* The broker */
	const char *version, *tee;
	bool wants_initdata, version_first;
	char session[64], nonce[64];
	json_t *key;	 /* that was attested */
	json_t *old_key; /* answers are made for this one: a replay */
	bool replay;
	const char *plaintext;
	int evidence_error;
	unsigned int evidence_errors; /* how often; 0: always */
	bool last_legacy;
} world;

/* ---- The clock and the TEE ---- */

int64_t broker_clock_ms(void)
{
	return world.now_ms;
}

void broker_clock_wait(int64_t until_ms)
{
	assert_true(until_ms >= world.now_ms);
	world.waits++;
	world.waited_ms += until_ms - world.now_ms;
	world.longest_ms = MAX(world.longest_ms, until_ms - world.now_ms);
	world.now_ms = until_ms;
}

int tee_evidence(const struct tee_ops *tee, const struct tee_context *context,
		 const struct tee_request *request, json_t **ret)
{
	char hex[2 * TEE_REPORT_DATA_SIZE + 1];

	(void)tee, (void)context;
	world.evidences++;
	world.last_legacy = request->legacy;
	if (world.evidence_error < 0 &&
	    (world.evidence_errors == 0 || world.evidences <= world.evidence_errors))
		return fail(world.evidence_error, "the TEE says no");
	assert_string_equal(request->challenge, world.nonce);
	hex_encode(request->report_data, request->report_data_size, hex);
	*ret = json_pack("{s:s}", "report-data", hex);
	return 0;
}

/* ---- The broker ---- */

static void answer_with(struct http_answer *answer, unsigned int status, const char *body)
{
	answer->status = status;
	answer->body = strdup(body);
	answer->body_size = strlen(body);
	answer->retry_after = -1;
}

static void refuse(struct http_answer *answer, const char *type, const char *detail)
{
	char body[1024];

	snprintf(body, sizeof(body), "{\"type\":\"" ERRORS "%s\",\"detail\":\"%s\"}", type, detail);
	answer_with(answer, 401, body);
}

static const char *text_of(json_t *object, const char *member)
{
	const char *text = json_string_value(json_object_get(object, member));

	return text ? text : "";
}

static bool refuse_version(json_t *request, struct http_answer *answer)
{
	char body[256];

	if (strcmp(text_of(request, "version"), world.version) == 0)
		return false;
	snprintf(body, sizeof(body),
		 "RCAR handshake Auth failed: KBS Client Protocol Version Mismatch: expect =%s "
		 "while the request is %s",
		 world.version, text_of(request, "version"));
	refuse(answer, "AttestationError", body);
	return true;
}

static bool refuse_tee(json_t *request, struct http_answer *answer)
{
	if (strcmp(text_of(request, "tee"), world.tee) == 0)
		return false;
	refuse(answer, "AttestationError",
	       "Attestation error: RCAR handshake Auth failed: deserialize Request");
	return true;
}

static void serve_auth(json_t *request, struct http_answer *answer)
{
	char body[256];

	world.auths++;
	assert_true(json_is_object(json_object_get(request, "extra-params")));
	if ((world.version_first && refuse_version(request, answer)) ||
	    refuse_tee(request, answer) || refuse_version(request, answer))
		return;
	snprintf(world.session, sizeof(world.session), "session%u", world.auths);
	snprintf(world.nonce, sizeof(world.nonce), "nonce/%u+==", world.auths);
	snprintf(body, sizeof(body), "{\"nonce\":\"%s\",\"extra-params\":\"\"}", world.nonce);
	answer_with(answer, 200, body);
	snprintf(body, sizeof(body), COOKIE_NAME "=%s; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
		 world.session);
	answer->set_cookie = strdup(body);
}

/* jansson sorts as RFC 8785 does, for the letters that come here. */
static void assert_digest(json_t *runtime, json_t *evidence)
{
	cleanup(freep) char *text = json_dumps(runtime, JSON_COMPACT | JSON_SORT_KEYS);
	uint8_t digest[48];
	char hex[97];

	assert_int_equal(hash_data(HASH_SHA384, text, strlen(text), digest), 0);
	hex_encode(digest, sizeof(digest), hex);
	assert_string_equal(text_of(evidence, "report-data"), hex);
}

static json_t *runtime_0_4_0(json_t *request)
{
	json_t *runtime = json_copy(json_object_get(request, "runtime-data"));
	json_t *initdata = json_object_get(request, "init-data");

	assert_string_equal(text_of(runtime, "nonce"), world.nonce);
	if (world.wants_initdata)
		assert_string_equal(text_of(initdata, "body"), "the initdata");
	else
		assert_true(json_is_null(initdata));
	json_object_set_new(runtime, "additional-evidence", json_string(""));
	return runtime;
}

static void serve_attest(json_t *request, struct http_answer *answer)
{
	bool older = strcmp(world.version, "0.2.0") == 0;
	json_t *evidence = json_object_get(request, "tee-evidence");
	json_t *runtime;

	world.attests++;
	if (older)
		runtime = json_pack("{s:s, s:O}", "nonce", world.nonce, "tee-pubkey",
				    json_object_get(request, "tee-pubkey"));
	else
		runtime = runtime_0_4_0(request);
	assert_digest(runtime, older ? evidence : json_object_get(evidence, "primary_evidence"));
	json_decref(world.old_key);
	world.old_key = world.key;
	world.key = json_incref(json_object_get(runtime, "tee-pubkey"));
	json_decref(runtime);
	answer_with(answer, 200, "{\"token\":\"a.b.c\"}");
	answer->set_cookie = strdup("balancer=1; Path=/");
}

static void serve_resource(struct http_answer *answer)
{
	json_t *members = json_pack("{s:s, s:s}", "alg", "ECDH-ES+A256KW", "enc", "A256GCM");
	json_t *jwe = json_pack("{s:o}", "protected", members), *content_key = json_object();
	json_t *key = world.replay && world.old_key ? world.old_key : world.key;
	cleanup(freep) char *text = NULL;

	world.gets++;
	assert_true(jose_jwe_enc_jwk(NULL, jwe, NULL, key, content_key));
	json_object_update(json_object_get(jwe, "protected"), json_object_get(jwe, "header"));
	json_object_del(jwe, "header");
	assert_true(
		jose_jwe_enc_cek(NULL, jwe, content_key, world.plaintext, strlen(world.plaintext)));
	text = json_dumps(jwe, JSON_COMPACT);
	answer_with(answer, 200, text);
	json_decref(jwe);
	json_decref(content_key);
}

static void assert_session(const struct http_request *request)
{
	char header[128];
	bool found = false;

	snprintf(header, sizeof(header), "Cookie: " COOKIE_NAME "=%s", world.session);
	for (size_t i = 0; i < HTTP_HEADERS_MAX && request->headers[i]; i++)
		found = found || strcmp(request->headers[i], header) == 0;
	assert_true(found);
}

static void serve(const struct http_request *request, struct http_answer *answer)
{
	cleanup(json_decrefp) json_t *body = NULL;

	if (request->body)
		assert_int_equal(json_parse(request->body, request->body_size, MIB, &body), 0);
	if (strstr(request->url, "/kbs/v0/auth")) {
		serve_auth(body, answer);
		return;
	}
	assert_session(request);
	if (strstr(request->url, "/kbs/v0/attest")) {
		serve_attest(body, answer);
		return;
	}
	assert_null(request->body);
	assert_non_null(strstr(request->url, "/kbs/v0/"));
	serve_resource(answer);
}

/* ---- The network ---- */

int http_new(const struct http_options *options, struct http **ret)
{
	assert_string_equal(options->ca, "CA");
	world.connections++;
	world.open_connections++;
	*ret = (struct http *)&world;
	return 0;
}

void http_free(struct http *http)
{
	if (http)
		world.open_connections--;
}

void http_answer_done(struct http_answer *answer)
{
	free(answer->body);
	free(answer->set_cookie);
	free(answer->date);
	*answer = (struct http_answer){};
}

static struct rule *find_rule(const char *url)
{
	for (size_t i = 0; i < world.rules_count; i++)
		if (world.rules[i].times > 0 && strstr(url, world.rules[i].url))
			return &world.rules[i];
	return NULL;
}

static int apply_rule(struct rule *rule, const struct http_request *request,
		      struct http_answer *answer)
{
	rule->times--;
	world.now_ms += MIN(rule->takes_ms, (int64_t)request->total_ms);
	if (rule->error < 0)
		return fail(rule->error, "the network says no");
	if (rule->takes_ms > request->total_ms)
		return fail(-ETIMEDOUT, "the server is slow");
	answer_with(answer, rule->status, rule->body ? rule->body : "");
	answer->set_cookie = rule->cookie ? strdup(rule->cookie) : NULL;
	answer->retry_after = rule->retry_after > 0 ? rule->retry_after : -1;
	return 0;
}

int http_send(struct http *http, const struct http_request *request, struct http_answer *ret)
{
	struct rule *rule = find_rule(request->url);

	assert_ptr_equal(http, (struct http *)&world);
	assert_true(request->connect_ms > 0 && request->connect_ms <= EXCHANGE_CONNECT_MS);
	assert_true(request->total_ms > world.least_ms);
	assert_true(request->total_ms <= EXCHANGE_REQUEST_MS);
	assert_true(request->answer_limit > 0 && request->answer_limit <= 2 * MIB);
	world.requests_of[strstr(request->url, "https://two") ? 1 : 0]++;
	world.now_ms += 5;
	*ret = (struct http_answer){.retry_after = -1};
	if (rule)
		return apply_rule(rule, request, ret);
	serve(request, ret);
	return 0;
}

/* ---- The tests' side ---- */

static const struct tee_ops azure = {.name = "az-snp-vtpm", .legacy_name = "azsnpvtpm"};
static const struct tee_ops snp = {.name = "snp"};
static const struct broker_server servers[] = {
	{.url = "https://one.example.com:8080", .ca = "CA"},
	{.url = "https://two.example.com/", .ca = "CA"},
};

static void note_waiting(const char *sentence, unsigned int seconds, void *context)
{
	assert_ptr_equal(context, &world);
	assert_true(seconds <= 3600);
	snprintf(world.waiting, sizeof(world.waiting), "%s", sentence);
}

static struct broker_options options_for(size_t count)
{
	return (struct broker_options){
		.servers = servers,
		.servers_count = count,
		.tee = &snp,
		.deadline_ms = 900000,
		.waiting = note_waiting,
		.waiting_context = &world,
	};
}

static int new_world(void **state)
{
	(void)state;
	json_decref(world.key);
	json_decref(world.old_key);
	world = (struct world){
		.now_ms = START_MS,
		.version = "0.4.0",
		.tee = "snp",
		.plaintext = SECRET,
	};
	return 0;
}

static void add_rule(struct rule rule)
{
	assert_true(world.rules_count < RULES_MAX);
	world.rules[world.rules_count++] = rule;
}

static void assert_fetches(const struct broker_options *options)
{
	cleanup(secret_freep) struct secret *secret = NULL;
	int r = broker_fetch(options, "kbs:///default/luks/root", &secret);

	if (r < 0)
		fail_msg("%s", fail_sentence(r));
	assert_int_equal(secret->size, strlen(SECRET));
	assert_memory_equal(secret->data, SECRET, secret->size);
	assert_int_equal(world.open_connections, 0);
}

static void assert_fails(const struct broker_options *options, int error, const char *words)
{
	struct secret *secret = NULL;
	int r = broker_fetch(options, "kbs:///default/luks/root", &secret);

	if (r != error || secret || !strstr(fail_sentence(r), words))
		fail_msg("%d instead of %d: %s", r, error, fail_sentence(r));
	assert_int_equal(world.open_connections, 0);
	assert_true(world.now_ms <= START_MS + options->deadline_ms + 10);
}

/* ---- One server ---- */

static void exchange_is_three_requests(void **state)
{
	struct broker_options options = options_for(1);

	(void)state;
	assert_fetches(&options);
	assert_int_equal(world.requests_of[0], 3);
	assert_int_equal(world.connections, 1);
	assert_int_equal(world.evidences, 1);
	assert_int_equal(world.waits, 0);
	assert_false(world.last_legacy);
}

static void initdata_is_sent(void **state)
{
	struct broker_options options = options_for(1);

	(void)state;
	world.wants_initdata = true;
	options.initdata = "the initdata and more";
	options.initdata_size = strlen("the initdata");
	assert_fetches(&options);
}

static void version_is_negotiated(void **state)
{
	struct broker_options options = options_for(1);

	(void)state;
	world.version = "0.2.0";
	assert_fetches(&options);
	assert_int_equal(world.requests_of[0], 4);
	assert_int_equal(world.auths, 2);
}

static void legacy_name_is_tried(void **state)
{
	struct broker_options options = options_for(1);

	(void)state;
	options.tee = &azure;
	world.tee = "azsnpvtpm";
	assert_fetches(&options);
	assert_int_equal(world.auths, 2);
	assert_true(world.last_legacy);

	new_world(NULL);
	world.tee = "azsnpvtpm";
	world.version = "0.2.0";
	assert_fetches(&options);
	assert_int_equal(world.auths, 3);
	assert_true(world.last_legacy);

	/* No server of that version knows the other name: it need not say so. */
	new_world(NULL);
	world.tee = "azsnpvtpm";
	world.version = "0.2.0";
	world.version_first = true;
	assert_fetches(&options);
	assert_int_equal(world.auths, 2);
	assert_true(world.last_legacy);
}

static void negotiation_ends(void **state)
{
	struct broker_options options = options_for(1);

	(void)state;
	world.tee = "other";
	assert_fails(&options, -ENOKEY, "auth: HTTP 401 AttestationError");
	assert_int_equal(world.requests_of[0], 1);

	new_world(NULL);
	options.tee = &azure;
	world.tee = "other";
	assert_fails(&options, -ENOKEY, "knows no TEE of this name");
	assert_int_equal(world.requests_of[0], 2);

	new_world(NULL);
	options.tee = &snp;
	world.version = "0.9.0";
	assert_fails(&options, -ENOKEY, "0.4.0 and 0.2.0 are known");
	assert_int_equal(world.requests_of[0], 1);

	/* One that asks for the other version each time. */
	new_world(NULL);
	add_rule((struct rule){.url = "/auth",
			       .times = 1,
			       .status = 401,
			       .body = "{\"type\":\"" ERRORS "AttestationError\",\"detail\":"
				       "\"Version Mismatch: expect =0.2.0 while\"}"});
	assert_fails(&options, -ENOKEY, "expect =0.4.0 while the request is 0.2.0");
	assert_int_equal(world.requests_of[0], 2);
}

#define REFUSAL(type, detail) "{\"type\":\"" ERRORS type "\",\"detail\":\"" detail "\"}"

/* A refusal, for good: how many exchanges it costs, and what is said. */
static const struct {
	struct rule rule;
	unsigned int requests;
	int error;
	const char *words;
} finals[] = {
	{{.url = "/resource/", .status = 401, .body = REFUSAL("PolicyDeny", "Access denied")},
	 3,
	 -ENOKEY,
	 "https://one.example.com:8080: resource: HTTP 401 PolicyDeny \"Access denied\""},
	{{.url = "/resource/", .status = 401, .body = REFUSAL("PluginInternalError", "x")},
	 12,
	 -ENOKEY,
	 "no such resource"},
	{{.url = "/resource/", .status = 401, .body = REFUSAL("TokenNotFound", "x")},
	 12,
	 -ENOKEY,
	 "does not know the session"},
	{{.url = "/resource/", .status = 401, .body = REFUSAL("TokenVerifierError", "x")},
	 12,
	 -ENOKEY,
	 "too old"},
	{{.url = "/attest", .status = 401, .body = REFUSAL("AttestationError", "Attest failed")},
	 8,
	 -ENOKEY,
	 "attest: HTTP 401"},
	{{.url = "/auth", .status = 404}, 1, -ENOKEY, "no key broker at this URL"},
	{{.url = "/auth", .status = 302}, 1, -ENOKEY, "redirects are not followed"},
	{{.url = "/attest", .status = 413, .body = "payload reached size limit"},
	 2,
	 -ENOKEY,
	 "larger than the server takes"},
	{{.url = "/auth", .error = -EKEYREJECTED}, 1, -EKEYREJECTED, "auth: the network says no"},
	{{.url = "/resource/", .error = -E2BIG}, 3, -E2BIG, "resource: the network says no"},
	{{.url = "/auth", .status = 200, .body = "<html>", .cookie = COOKIE_NAME "=a"},
	 1,
	 -EBADMSG,
	 "auth: the challenge is not one"},
	{{.url = "/auth", .status = 200, .body = "{\"nonce\":\"x\"}"}, 1, -EBADMSG, "no session"},
	{{.url = "/auth", .status = 200, .body = "{\"nonce\":\"x\"}", .cookie = "a=b"},
	 1,
	 -EBADMSG,
	 "no good cookie"},
	{{.url = "/attest", .status = 202, .body = "{\"token\":\"a.b.c\"}"},
	 2,
	 -ENOKEY,
	 "attest: HTTP 202"},
	{{.url = "/attest", .status = 200, .body = "{}"}, 2, -EBADMSG, "attest: "},
	{{.url = "/resource/", .status = 200, .body = SECRET}, 3, -EBADMSG, "resource: "},
	{{.url = "/resource/", .status = 200, .body = "{\"kty\":\"oct\",\"k\":\"aGVsbG8\"}"},
	 3,
	 -EBADMSG,
	 "not an encrypted resource"},
};

static void final_refusals_end_it(void **state)
{
	struct broker_options options = options_for(1);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(finals); i++) {
		struct rule rule = finals[i].rule;

		new_world(NULL);
		rule.times = UINT32_MAX;
		add_rule(rule);
		assert_fails(&options, finals[i].error, finals[i].words);
		if (world.requests_of[0] != finals[i].requests)
			fail_msg("%s: %u requests", finals[i].words, world.requests_of[0]);
		assert_null(strstr(fail_sentence(finals[i].error), SECRET));
	}
}

/* The session ends between two steps, or at its first use. */
static void lost_session_is_begun_again(void **state)
{
	struct broker_options options = options_for(1);

	(void)state;
	add_rule((struct rule){.url = "/attest",
			       .times = 1,
			       .status = 401,
			       .body = REFUSAL("AttestationError", "Attest failed")});
	add_rule((struct rule){.url = "/resource/",
			       .times = 1,
			       .status = 401,
			       .body = REFUSAL("TokenNotFound", "x")});
	assert_fetches(&options);
	assert_int_equal(world.auths, 3);
	assert_int_equal(world.requests_of[0], 2 + 3 + 3);
	assert_int_equal(world.waits, 2);
	assert_non_null(strstr(world.waiting, "does not know the session"));
}

/* Its storage, or its attestation service, comes back after a minute; the answer says neither. */
static void outage_behind_the_broker_is_waited_out(void **state)
{
	static const struct rule rules[] = {
		{.url = "/resource/", .body = REFUSAL("PluginInternalError", "x")},
		{.url = "/resource/", .body = REFUSAL("StorageBackendInitialization", "x")},
		{.url = "/attest", .body = REFUSAL("AttestationError", "Attest failed")},
	};
	struct broker_options options = options_for(1);

	(void)state;
	options.deadline_ms = 600000;
	for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
		struct rule rule = rules[i];

		new_world(NULL);
		rule.times = 3;
		rule.status = 401;
		add_rule(rule);
		assert_fetches(&options);
		assert_int_equal(world.auths, 4);
		assert_int_equal(world.waits, 3);
		/* Two pauses of 37.5 s, and up to half of what has passed behind each. */
		assert_in_range(world.waited_ms, 75000, 75000 + 19000 + RETRY_MOST_MS);
	}
}

/* Each exchange has a key of its own, so that what was recorded of one is worth nothing later. */
static void replayed_answer_is_refused(void **state)
{
	struct broker_options options = options_for(1);

	(void)state;
	assert_fetches(&options);
	world.replay = true;
	assert_fails(&options, -EKEYREJECTED, "another key than the one that was attested");
}

static void outage_only_delays(void **state)
{
	struct broker_options options = options_for(1);

	(void)state;
	add_rule((struct rule){.url = "/auth", .times = 3, .error = -ENOTCONN});
	add_rule((struct rule){.url = "/auth", .times = 2, .status = 503});
	add_rule((struct rule){.url = "/attest", .times = 1, .status = 500});
	add_rule((struct rule){.url = "/resource/", .times = 1, .error = -EBADMSG});
	assert_fetches(&options);
	assert_int_equal(world.waits, 7);
	assert_true(world.longest_ms <= RETRY_MOST_MS);
	assert_non_null(strstr(world.waiting, "https://one.example.com:8080: resource: "));
}

/* Each has a place of its own, or machines that boot together would come together each time. */
static void machines_wait_apart(void **state)
{
	struct broker_options options = options_for(1);
	int64_t least = INT64_MAX, most = 0;

	(void)state;
	for (unsigned int i = 0; i < 20; i++) {
		new_world(NULL);
		add_rule((struct rule){.url = "/auth", .times = 1, .status = 503});
		assert_fetches(&options);
		least = MIN(least, world.waited_ms);
		most = MAX(most, world.waited_ms);
	}
	assert_true(most - least > RETRY_FIRST_MS / 4);
	assert_true(most <= RETRY_FIRST_MS);
}

static void retry_after_is_kept(void **state)
{
	struct broker_options options = options_for(1);

	(void)state;
	add_rule((struct rule){.url = "/auth", .times = 1, .status = 429, .retry_after = 60});
	assert_fetches(&options);
	assert_int_equal(world.waits, 1);
	assert_in_range(world.waited_ms, 60000, 60000 + RETRY_MOST_MS);

	/* Behind the deadline: there is no use in waiting. */
	new_world(NULL);
	add_rule((struct rule){
		.url = "/auth", .times = UINT32_MAX, .status = 503, .retry_after = 3600});
	assert_fails(&options, -ENOKEY, "asked again after 3600 s");
	assert_int_equal(world.requests_of[0], 1);
	assert_int_equal(world.waits, 0);
}

static void deadline_ends_it(void **state)
{
	struct broker_options options = options_for(1);

	(void)state;
	world.least_ms = 1000;
	add_rule((struct rule){.url = "/auth", .times = UINT32_MAX, .error = -ENOTCONN});
	assert_fails(&options, -ENOTCONN, "gave up after ");
	assert_true(world.now_ms >= START_MS + 800000);
	assert_in_range(world.requests_of[0], 30, 200);

	/* A server that takes each connection and says nothing. */
	new_world(NULL);
	add_rule((struct rule){.url = "/auth", .times = UINT32_MAX, .takes_ms = DAY_MS});
	assert_fails(&options, -ETIMEDOUT, "the server is slow");
	assert_in_range(world.requests_of[0], 15, 35);

	/* Slow at the last step: the time of the request is cut to what is left. */
	new_world(NULL);
	options.deadline_ms = 20000;
	add_rule((struct rule){.url = "/resource/", .times = UINT32_MAX, .takes_ms = DAY_MS});
	assert_fails(&options, -ETIMEDOUT, "resource: the server is slow");
	assert_int_equal(world.requests_of[0], 3);
}

static void tee_failure_ends_it(void **state)
{
	struct broker_options options = options_for(2);

	(void)state;
	world.evidence_error = -EIO;
	assert_fails(&options, -EIO, "the TEE says no");
	assert_int_equal(world.requests_of[0], 1);
	assert_int_equal(world.requests_of[1], 0);
}

/* A quote service of the host that restarts must not end the boot. */
static void busy_tee_is_asked_again(void **state)
{
	static const int errors[] = {-EBUSY, -ETIMEDOUT, -ENOTCONN};
	struct broker_options options = options_for(1);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
		new_world(NULL);
		world.evidence_error = errors[i];
		world.evidence_errors = 3;
		assert_fetches(&options);
		assert_int_equal(world.waits, 3);
		assert_non_null(strstr(world.waiting, "evidence: the TEE says no"));

		new_world(NULL);
		world.evidence_error = errors[i];
		assert_fails(&options, errors[i], "evidence: the TEE says no");
		assert_int_equal(world.evidences, 4);
	}
}

/* ---- Several servers ---- */

static void second_server_helps(void **state)
{
	struct broker_options options = options_for(2);

	(void)state;
	add_rule((struct rule){.url = "https://one", .times = UINT32_MAX, .error = -ENOTCONN});
	assert_fetches(&options);
	assert_int_equal(world.requests_of[0], 1);
	assert_int_equal(world.requests_of[1], 3);
	assert_int_equal(world.waits, 0);
}

/* An exchange that was begun with one server is never ended with another. */
static void exchange_stays_on_its_server(void **state)
{
	struct broker_options options = options_for(2);

	(void)state;
	add_rule((struct rule){
		.url = "https://one.example.com:8080/kbs/v0/resource", .times = 1, .status = 503});
	assert_fetches(&options);
	assert_int_equal(world.requests_of[0], 3);
	assert_int_equal(world.requests_of[1], 3);
}

static void refused_server_is_left_alone(void **state)
{
	struct broker_options options = options_for(2);

	(void)state;
	add_rule((struct rule){.url = "https://one",
			       .times = UINT32_MAX,
			       .status = 401,
			       .body = REFUSAL("PolicyDeny", "Access denied")});
	add_rule((struct rule){.url = "https://two", .times = 3, .error = -ENOTCONN});
	assert_fetches(&options);
	assert_int_equal(world.requests_of[0], 1);
	assert_int_equal(world.requests_of[1], 6);
	/* Both are named while it waits. */
	assert_non_null(strstr(world.waiting, "PolicyDeny"));
	assert_non_null(strstr(world.waiting, "https://two.example.com/: auth: the network"));
}

static void all_servers_are_named(void **state)
{
	struct broker_options options = options_for(2);

	(void)state;
	add_rule((struct rule){.url = "https://one", .times = UINT32_MAX, .error = -EKEYREJECTED});
	add_rule((struct rule){.url = "https://two",
			       .times = UINT32_MAX,
			       .status = 401,
			       .body = REFUSAL("PolicyDeny", "Access denied")});
	assert_fails(&options, -ENOKEY,
		     "https://one.example.com:8080: auth: the network says no; "
		     "https://two.example.com/: auth: HTTP 401 PolicyDeny");
}

static void one_retry_after_holds_up_no_other(void **state)
{
	struct broker_options options = options_for(2);

	(void)state;
	add_rule((struct rule){
		.url = "https://one", .times = UINT32_MAX, .status = 503, .retry_after = 600});
	add_rule((struct rule){.url = "https://two", .times = 2, .error = -ENOTCONN});
	assert_fetches(&options);
	assert_int_equal(world.requests_of[0], 1);
	assert_true(world.waited_ms < 10000);
}

/* ---- Use ---- */

static void options_are_checked(void **state)
{
	struct broker_server server = servers[0];
	struct broker_options options = options_for(1);
	struct secret *secret = NULL;

	(void)state;
	options.servers = &server;
	assert_int_equal(broker_fetch(&options, "kbs:///a/b", &secret), -EINVAL);
	server.ca = NULL;
	assert_fails(&options, -EINVAL, "no CA is given");
	server.ca = "CA";
	server.url = "http://one.example.com";
	assert_fails(&options, -EINVAL, "begins with https://");
	server.url = "https://one.example.com";
	options.tee = NULL;
	assert_fails(&options, -EINVAL, "no TEE");
	options.tee = &snp;
	options.servers_count = 0;
	assert_fails(&options, -EINVAL, "no key broker");
	assert_int_equal(world.connections, 0);
}

static void wrapped_keys_are_unwrapped(void **state)
{
	struct broker_options options = options_for(1);
	struct secret *secret = NULL;

	(void)state;
	world.plaintext = "{\"key_type\":\"oct\",\"key\":\"a2V5IGZyb20gdGhlIGJyb2tlcg\"}";
	assert_fetches(&options);
	world.plaintext =
		"version = \"0.1.0\"\n[data]\n\"io.cryptsetup.key.text.root\" = \"" SECRET "\"\n";
	assert_int_equal(broker_fetch(&options, "kbs+provisioner:///default/x/root", &secret), 0);
	assert_int_equal(secret->size, strlen(SECRET));
	secret_free(secret);
	secret = NULL;
	world.plaintext = SECRET;
	assert_int_equal(broker_fetch(&options, "kbs+provisioner:///default/x/root", &secret),
			 -EBADMSG);
	assert_null(strstr(fail_sentence(-EBADMSG), SECRET));
}

#define TEST(name) cmocka_unit_test_setup(name, new_world)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(exchange_is_three_requests),
		TEST(initdata_is_sent),
		TEST(version_is_negotiated),
		TEST(legacy_name_is_tried),
		TEST(negotiation_ends),
		TEST(final_refusals_end_it),
		TEST(lost_session_is_begun_again),
		TEST(outage_behind_the_broker_is_waited_out),
		TEST(replayed_answer_is_refused),
		TEST(outage_only_delays),
		TEST(machines_wait_apart),
		TEST(retry_after_is_kept),
		TEST(deadline_ends_it),
		TEST(tee_failure_ends_it),
		TEST(busy_tee_is_asked_again),
		TEST(second_server_helps),
		TEST(exchange_stays_on_its_server),
		TEST(refused_server_is_left_alone),
		TEST(all_servers_are_named),
		TEST(one_retry_after_holds_up_no_other),
		TEST(options_are_checked),
		TEST(wrapped_keys_are_unwrapped),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	new_world(NULL);
	return failed;
}
