/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
/* The client of the key broker: its messages, what it decrypts, and HTTP over TLS. */
#include "../unit/web.h"
#include "scenario.h"

#include "base/error.h"
#include "base/file.h"
#include "broker/internal.h"
#include "http/http.h"

#include <jose/jwe.h>
#include <openssl/ec.h>
#include <openssl/obj_mac.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

/* The numbers of known secrets. */
enum {
	RESOURCE,
	SESSION_KEY,
};
#define RESOURCE_SIZE 32
#define P256_SIZE     32

/* ---- A resource ---- */

static void coordinates(char *x_text, char *y_text)
{
	EC_GROUP *group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
	EC_POINT *point = EC_POINT_new(group);
	BIGNUM *x = BN_new(), *y = BN_new(), *d;
	uint8_t raw[P256_SIZE];

	known_secret_fill(SESSION_KEY, raw, sizeof(raw));
	d = BN_bin2bn(raw, sizeof(raw), NULL);
	if (EC_POINT_mul(group, point, d, NULL, NULL, NULL) != 1 ||
	    EC_POINT_get_affine_coordinates(group, point, x, y, NULL) != 1)
		must(-EPROTO, "the session's key");
	BN_bn2binpad(x, raw, sizeof(raw));
	base64url_encode(raw, sizeof(raw), x_text);
	BN_bn2binpad(y, raw, sizeof(raw));
	base64url_encode(raw, sizeof(raw), y_text);
	BN_free(d);
	BN_free(x);
	BN_free(y);
	EC_POINT_free(point);
	EC_GROUP_free(group);
}

static struct {
	char x[64], y[64];
} session;

static void write_jwe(json_t *key, const char *plaintext)
{
	json_t *members = json_pack("{s:s, s:s}", "alg", "ECDH-ES+A256KW", "enc", "A256GCM");
	json_t *jwe = json_pack("{s:o}", "protected", members), *content_key = json_object();
	char *text;

	if (!jose_jwe_enc_jwk(NULL, jwe, NULL, key, content_key) ||
	    json_object_update(json_object_get(jwe, "protected"), json_object_get(jwe, "header")) <
		    0 ||
	    json_object_del(jwe, "header") < 0 ||
	    !jose_jwe_enc_cek(NULL, jwe, content_key, plaintext, strlen(plaintext)))
		must(-EPROTO, "the resource");
	text = json_dumps(jwe, JSON_COMPACT);
	write_file("jwe", text, strlen(text));
}

/* As the broker does: a key in JSON, encrypted for the session. */
static int write_resource(void)
{
	uint8_t raw[RESOURCE_SIZE];
	char encoded[64], plaintext[128];
	json_t *key;

	coordinates(session.x, session.y);
	write_file("session", &session, sizeof(session));
	known_secret_fill(RESOURCE, raw, sizeof(raw));
	base64url_encode(raw, sizeof(raw), encoded);
	snprintf(plaintext, sizeof(plaintext), "{\"kty\":\"oct\",\"k\":\"%s\"}", encoded);
	key = json_pack("{s:s, s:s, s:s, s:s}", "kty", "EC", "crv", "P-256", "x", session.x, "y",
			session.y);
	write_jwe(key, plaintext);
	return 0;
}

static char *jwe;
static size_t jwe_size;

static int set_up_resource(void)
{
	cleanup(freep) char *data = NULL;
	size_t size;
	int r;

	in_child(write_resource, "making a resource");
	r = file_read_all(in_folder("session"), KIB, &data, &size);
	if (r < 0)
		return r;
	memcpy(&session, data, sizeof(session));
	return file_read_all(in_folder("jwe"), 64 * KIB, &jwe, &jwe_size);
}

static void free_resource(void)
{
	free(jwe);
}

static int open_resource(void)
{
	struct jwe_key key = {};
	cleanup(secret_freep) struct secret *d = NULL;
	cleanup(secret_freep) struct secret *plaintext = NULL;
	cleanup(secret_freep) struct secret *secret = NULL;
	int r = known_secret(SESSION_KEY, P256_SIZE, &d);

	if (r < 0)
		return r;
	key.d = d;
	memcpy(key.x, session.x, sizeof(key.x));
	memcpy(key.y, session.y, sizeof(key.y));
	r = jwe_open(jwe, jwe_size, &key, &plaintext);
	if (r == 0)
		r = payload_read(plaintext, false, &secret);
	if (r < 0)
		return r;
	must_be_known_secret(secret, RESOURCE, RESOURCE_SIZE);
	return 0;
}

static const struct scenario broker_resource = {.name = "broker-resource",
						.set_up = set_up_resource,
						.run = open_resource,
						.tear_down = free_resource,
						.survives = " mlock "};

/* ---- Messages ---- */

static int exchange_messages(void)
{
	static const char challenge_text[] = "{\"nonce\":\"bm9uY2U=\",\"extra-params\":\"\"}";
	static const char token_text[] = "{\"token\":\"a.b.c\"}";
	cleanup(jwe_key_freep) struct jwe_key *key = NULL;
	cleanup(challenge_done) struct challenge challenge = {};
	cleanup(json_decrefp) json_t *evidence = NULL;
	cleanup(freep) char *request = NULL;
	cleanup(freep) char *answer = NULL;
	uint8_t data[HASH_MAX_SIZE];
	size_t size;
	int r = jwe_key_new(&key);

	if (r == 0)
		r = message_request(RCAR_0_4_0, "snp", &request);
	if (r == 0)
		r = message_read_challenge(challenge_text, strlen(challenge_text), &challenge);
	if (r == 0)
		r = message_report_data(RCAR_0_4_0, &challenge, key, data, &size);
	if (r < 0)
		return r;
	fault_pause();
	evidence = json_pack("{s:s}", "report", "of the test");
	fault_resume();
	r = message_attestation(
		&(struct attestation){
			.version = RCAR_0_4_0,
			.nonce = challenge.nonce,
			.key = key,
			.evidence = evidence,
			.initdata = "the initdata",
			.initdata_size = 12,
		},
		&answer);
	if (r == 0 && (!strstr(answer, "the initdata") || !strstr(answer, "of the test")))
		wrong("another message: %s", answer);
	return r < 0 ? r : message_read_token(token_text, strlen(token_text));
}

static const struct scenario broker_messages = {
	.name = "broker-messages", .run = exchange_messages, .survives = " mlock "};

/* ---- HTTP ---- */

static struct identity *ca, *server;
static char url[64];
static pid_t web_pid;

/* In a process of its own: threads do not live through fork(). */
static void serve(int tell_port)
{
	static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
	struct web web;

	web_start(&web, &(struct web_options){.identity = server, .answer = answer});
	if (write(tell_port, &web.port, sizeof(web.port)) != sizeof(web.port))
		_exit(1);
	for (;;)
		pause();
}

static int start_web(void)
{
	unsigned int port;
	int pipe_fds[2];

	ca = identity_new(
		&(struct identity_options){.name = "test CA", .from_days = -2, .to_days = 2});
	server = identity_new(&(struct identity_options){.name = "server",
							 .alternatives = "IP:127.0.0.1",
							 .from_days = -1,
							 .to_days = 1,
							 .issuer = ca});
	if (pipe(pipe_fds) < 0)
		return -errno;
	web_pid = fork();
	if (web_pid == 0)
		serve(pipe_fds[1]);
	close(pipe_fds[1]);
	if (web_pid < 0 || read(pipe_fds[0], &port, sizeof(port)) != sizeof(port))
		return -EPROTO;
	close(pipe_fds[0]);
	snprintf(url, sizeof(url), "https://127.0.0.1:%u/", port);
	return 0;
}

static void stop_web(void)
{
	kill(web_pid, SIGKILL);
	waitpid(web_pid, NULL, 0);
	identity_free(server);
	identity_free(ca);
}

static int get(void)
{
	const struct http_options options = {.ca = ca->certificate_pem};
	const struct http_request request = {
		.url = url,
		.headers = {"Accept: text/plain"},
		.connect_ms = 10000,
		.total_ms = 20000,
		.answer_limit = KIB,
	};
	cleanup(http_freep) struct http *http = NULL;
	cleanup(http_answer_done) struct http_answer answer = {};
	int r = http_new(&options, &http);

	if (r == 0)
		r = http_send(http, &request, &answer);
	if (r == 0 && (answer.status != 200 || strcmp(answer.body, "hello") != 0))
		wrong("another answer");
	return r;
}

/* What was borrowed for a request is not taken back: the next request is refused then. */
static const struct scenario http_get = {.name = "http",
					 .set_up = start_web,
					 .run = get,
					 .tear_down = stop_web,
					 .survives = " curl_easy_setopt@http_send "};

const struct scenario *const scenarios_net[] = {
	&broker_messages,
	&broker_resource,
	&http_get,
	NULL,
};
