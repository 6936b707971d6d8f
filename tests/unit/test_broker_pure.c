/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "unit.h"

#include "base/error.h"
#include "base/json.h"
#include "broker/broker.h"
#include "broker/internal.h"
#include "../bench/storm.h"
#include "transcript.h"

/* ---- URIs ---- */

static const struct {
	const char *uri, *path; /* NULL: refused */
} uris[] = {
	{"kbs:///default/luks/root", "/kbs/v0/resource/default/luks/root"},
	{"kbs:///a/b/c.d-e_f", "/kbs/v0/resource/a/b/c.d-e_f"},
	{"kbs:///-/_/0", "/kbs/v0/resource/-/_/0"},
	{"kbs://kbs.example.com:8080/a/b/c", "/kbs/v0/resource/a/b/c"},
	{"kbs://[2001:db8::1]:8080/a/b/c", "/kbs/v0/resource/a/b/c"},
	{"kbs+resource:///a/b/c", "/kbs/v0/resource/a/b/c"},
	{"kbs+provisioner:///default/9f9c-b0/root", "/kbs/v0/provisioner/default/9f9c-b0/root"},
	{"kbs+other:///x", "/kbs/v0/other/x"},
	{"", NULL},
	{"kbs", NULL},
	{"kbs:/a/b/c", NULL},
	{"kbs://a/b/c", NULL},
	{"kbs:///", NULL},
	{"kbs:///a/b", NULL},
	{"kbs:///a/b/c/d", NULL},
	{"kbs:////b/c", NULL},
	{"kbs:///a//c", NULL},
	{"kbs:///a/b/", NULL},
	{"kbs:///a/b/c/", NULL},
	{"kbs:///a/b/.c", NULL},
	{"kbs:///a/../c", NULL},
	{"kbs:///a/b/ro ot", NULL},
	{"kbs:///a/b/ro%20ot", NULL},
	{"kbs:///a/b/c?x=y", NULL},
	{"kbs:///a/b/c#x", NULL},
	{"kbs:///a/b/c\n", NULL},
	{"kbs:///a/b/\xc3\xa4", NULL},
	{"kbs://user@host/a/b/c", NULL},
	{"kbs+:///a/b/c", NULL},
	{"kbs+a/b:///a/b/c", NULL},
	{"kbs+other:///", NULL},
	{"kbs+other:///a/../b", NULL},
	{"kbsx:///a/b/c", NULL},
	{"https:///a/b/c", NULL},
};

static void uris_are_checked(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(uris); i++) {
		cleanup(freep) char *path = NULL;
		int r = uri_request_path(uris[i].uri, &path);

		if (r != (uris[i].path ? 0 : -EINVAL) || broker_check_uri(uris[i].uri) != r)
			fail_msg("%s: %d", uris[i].uri, r);
		if (uris[i].path)
			assert_string_equal(path, uris[i].path);
	}
	assert_true(uri_is_provisioner("kbs+provisioner:///a/b/c"));
	assert_false(uri_is_provisioner("kbs+provision:///a/b/c"));
	assert_false(uri_is_provisioner("kbs:///provisioner/b/c"));
}

static void uri_is_bounded(void **state)
{
	char uri[1024] = "kbs:///a/b/";
	char *path = NULL;

	(void)state;
	memset(uri + strlen(uri), 'x', 512 - strlen(uri));
	assert_int_equal(uri_request_path(uri, &path), 0);
	free(path);
	strcat(uri, "x");
	assert_int_equal(broker_check_uri(uri), -EINVAL);
}

/* ---- Cookie ---- */

static const struct {
	const char *set_cookie, *header;
} cookies[] = {
	{"kbs-session-id=46738836c0bf4308a73e20fa71f228ee; Expires=Mon, 23 Nov 2026 06:25:26 GMT",
	 "Cookie: kbs-session-id=46738836c0bf4308a73e20fa71f228ee"},
	{"kbs-session-id=a; Expires=Thu, 01 Jan 1970 00:00:00 GMT", "Cookie: kbs-session-id=a"},
	{"kbs-session-id=a; Max-Age=0", "Cookie: kbs-session-id=a"},
	{" kbs-session-id=a.b-c_~+/= ;Path=/", "Cookie: kbs-session-id=a.b-c_~+/="},
	{"kbs-session-id=a", "Cookie: kbs-session-id=a"},
	{"", NULL},
	{"kbs-session-id", NULL},
	{"kbs-session-id=", NULL},
	{"kbs-session-id=; Path=/", NULL},
	{"KBS-session-id=a", NULL},
	{"other=a; kbs-session-id=b", NULL},
	{"route=r1; Path=/\nkbs-session-id=a; Path=/", "Cookie: route=r1; kbs-session-id=a"},
	{"kbs-session-id=a\nb\xff=c\n=d\nroute=r1", "Cookie: kbs-session-id=a; route=r1"},
	{"a=1\nb=2\nc=3\nd=4\nkbs-session-id=a", NULL},
	{"a=1\nkbs-session-id=\x01\nb=2", NULL},
	{"xkbs-session-id=a", NULL},
	{"kbs-session-id=a\r\nX: y", NULL},
	{"kbs-session-id=a,b", NULL},
	{"kbs-session-id=\"a\"", NULL},
	{"kbs-session-id=\x01", NULL},
};

static void cookies_are_read_without_a_clock(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cookies); i++) {
		cleanup(freep) char *header = NULL;
		int r = cookie_header(cookies[i].set_cookie, &header);

		if (r != (cookies[i].header ? 0 : -EBADMSG))
			fail_msg("%s: %d", cookies[i].set_cookie, r);
		if (cookies[i].header)
			assert_string_equal(header, cookies[i].header);
	}
}

static void cookie_is_bounded(void **state)
{
	char text[256] = COOKIE_NAME "=";
	char *header = NULL;

	(void)state;
	memset(text + strlen(text), 'a', COOKIE_SIZE_MAX);
	assert_int_equal(cookie_header(text, &header), 0);
	free(header);
	strcat(text, "a");
	assert_int_equal(cookie_header(text, &header), -EBADMSG);
}

/* ---- Messages ---- */

static const struct jwe_key vector_key = {
	.x = "LIZp9JGC3ojM-ftBmKOaIKxwxUY5Q4nXOM9JSCKj9f8",
	.y = "VmpVXuPl9DrQmvUouLwnDrkoUkh3xTmz_6Vsdb3ukXs",
};
#define VECTOR_NONCE "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define VECTOR_KEY                                                                                 \
	"\"tee-pubkey\":{\"alg\":\"ECDH-ES+A256KW\",\"crv\":\"P-256\",\"kty\":\"EC\","             \
	"\"x\":\"LIZp9JGC3ojM-ftBmKOaIKxwxUY5Q4nXOM9JSCKj9f8\","                                   \
	"\"y\":\"VmpVXuPl9DrQmvUouLwnDrkoUkh3xTmz_6Vsdb3ukXs\"}"

static void assert_report_data(enum rcar_version version, const char *json, const char *hex)
{
	cleanup(freep) char *text = NULL;
	char nonce[] = VECTOR_NONCE;
	const struct challenge challenge = {.nonce = nonce, .hash = HASH_SHA384};
	uint8_t digest[HASH_MAX_SIZE];
	char digest_hex[2 * HASH_MAX_SIZE + 1];
	size_t size = 0;

	assert_int_equal(message_runtime_data(version, nonce, &vector_key, &text), 0);
	assert_string_equal(text, json);
	assert_int_equal(message_report_data(version, &challenge, &vector_key, digest, &size), 0);
	assert_int_equal(size, 48);
	hex_encode(digest, size, digest_hex);
	assert_string_equal(digest_hex, hex);
}

static void report_data_known_answers(void **state)
{
	(void)state;
	assert_report_data(
		RCAR_0_4_0,
		"{\"additional-evidence\":\"\",\"nonce\":\"" VECTOR_NONCE "\"," VECTOR_KEY "}",
		"cef12e5a81f6c00f1d52c22e2473e8bb2bcaffa3fe89f1e7764de725e9ca0ecec9df6734"
		"0b4a196c64d8fcba42dde729");
	assert_report_data(
		RCAR_0_2_0, "{\"nonce\":\"" VECTOR_NONCE "\"," VECTOR_KEY "}",
		"986c1089c4084fe389d8dacad57d2ed654d44903798fe1ea3aaea8a05c6978713ad105bf"
		"200c9844c3eb71502be18576");
}

/* The string of the example in RFC 8785 §3.2.2, and every control character. */
static void strings_are_canonical(void **state)
{
	cleanup(freep) char *text = NULL, *again = NULL;

	(void)state;
	assert_int_equal(message_runtime_data(RCAR_0_2_0, "\xe2\x82\xac$\x0f\nA'B\"\\\\\"/",
					      &vector_key, &text),
			 0);
	assert_string_equal(
		text, "{\"nonce\":\"\xe2\x82\xac$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"," VECTOR_KEY "}");
	assert_int_equal(message_runtime_data(RCAR_0_2_0, "\x01\b\t\n\v\f\r\x1f\x7f", &vector_key,
					      &again),
			 0);
	assert_string_equal(
		again, "{\"nonce\":\"\\u0001\\b\\t\\n\\u000b\\f\\r\\u001f\x7f\"," VECTOR_KEY "}");
}

static void requests(void **state)
{
	cleanup(freep) char *newer = NULL, *older = NULL;

	(void)state;
	assert_int_equal(message_request(RCAR_0_4_0, "az-snp-vtpm", &newer), 0);
	assert_string_equal(newer,
			    "{\"version\":\"0.4.0\",\"tee\":\"az-snp-vtpm\",\"extra-params\":"
			    "{\"supported-hash-algorithms\":[\"sha256\",\"sha384\","
			    "\"sha512\"]}}");
	assert_int_equal(message_request(RCAR_0_2_0, "azsnpvtpm", &older), 0);
	assert_non_null(strstr(older, "{\"version\":\"0.2.0\",\"tee\":\"azsnpvtpm\","));
}

static const struct {
	const char *text;
	int error;
	const char *nonce;
	enum hash_algorithm hash;
} challenges[] = {
	{"{\"nonce\":\"AA==\",\"extra-params\":\"\"}", 0, "AA==", HASH_SHA384},
	{"{\"nonce\":\"x\"}", 0, "x", HASH_SHA384},
	{"{\"nonce\":\"not base64!\",\"extra-params\":{}}", 0, "not base64!", HASH_SHA384},
	{"{\"nonce\":\"{\\\"a\\\":1}\",\"extra-params\":{\"selected-hash-algorithm\":\"sha512\"}}",
	 0, "{\"a\":1}", HASH_SHA512},
	{"{\"nonce\":\"x\",\"extra-params\":{\"selected-hash-algorithm\":\"SHA256\"},\"new\":1}", 0,
	 "x", HASH_SHA256},
	{"{\"nonce\":\"x\",\"extra-params\":{\"selected-hash-algorithm\":\"sha1\"}}", -EOPNOTSUPP,
	 NULL, 0},
	{"{\"nonce\":\"x\",\"extra-params\":{\"selected-hash-algorithm\":\"sm3\"}}", -EOPNOTSUPP,
	 NULL, 0},
	{"{\"nonce\":\"x\",\"extra-params\":{\"selected-hash-algorithm\":null}}", -EBADMSG, NULL,
	 0},
	{"{\"nonce\":\"\",\"extra-params\":\"\"}", -EBADMSG, NULL, 0},
	{"{\"nonce\":1}", -EBADMSG, NULL, 0},
	{"{\"nonce\":\"a\",\"nonce\":\"b\"}", -EBADMSG, NULL, 0},
	{"{\"nonce\":\"a\\u0000b\"}", -EBADMSG, NULL, 0},
	{"{\"nonce\":\"a\"", -EBADMSG, NULL, 0},
	{"{\"extra-params\":\"\"}", -EBADMSG, NULL, 0},
	{"[\"nonce\"]", -EBADMSG, NULL, 0},
	{"", -EBADMSG, NULL, 0},
};

static void challenges_are_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(challenges); i++) {
		cleanup(challenge_done) struct challenge challenge = {};
		int r = message_read_challenge(challenges[i].text, strlen(challenges[i].text),
					       &challenge);

		if (r != challenges[i].error)
			fail_msg("%s: %d", challenges[i].text, r);
		if (r < 0) {
			assert_null(challenge.nonce);
			continue;
		}
		assert_string_equal(challenge.nonce, challenges[i].nonce);
		assert_int_equal(challenge.hash, challenges[i].hash);
	}
}

static char *make_attestation(enum rcar_version version, const char *initdata, size_t size, int *r)
{
	cleanup(json_decrefp) json_t *evidence = json_pack("{s:s}", "quote", "a/b");
	const struct attestation attestation = {
		.version = version,
		.nonce = "n\"1",
		.key = &vector_key,
		.evidence = evidence,
		.initdata = initdata,
		.initdata_size = size,
	};
	char *text = NULL;

	*r = message_attestation(&attestation, &text);
	return text;
}

static void attestations(void **state)
{
	static const char initdata[] = "version = \"0.1.0\"\n[data]\n\"x\" = '''\n\\'''\n";
	cleanup(freep) char *plain = NULL, *with = NULL, *older = NULL;
	cleanup(json_decrefp) json_t *json = NULL;
	int r;

	(void)state;
	plain = make_attestation(RCAR_0_4_0, NULL, 0, &r);
	assert_int_equal(r, 0);
	assert_string_equal(plain,
			    "{\"init-data\":null,\"runtime-data\":{\"nonce\":\"n\\\"1\"," VECTOR_KEY
			    "},\"tee-evidence\":{\"primary_evidence\":{\"quote\":\"a/b\"},"
			    "\"additional_evidence\":\"\"}}");
	older = make_attestation(RCAR_0_2_0, NULL, 0, &r);
	assert_int_equal(r, 0);
	assert_string_equal(older, "{" VECTOR_KEY ",\"tee-evidence\":{\"quote\":\"a/b\"}}");

	with = make_attestation(RCAR_0_4_0, initdata, strlen(initdata), &r);
	assert_int_equal(json_parse(with, strlen(with), MIB, &json), 0);
	json_t *sent = json_object_get(json, "init-data");
	assert_string_equal(json_string_value(json_object_get(sent, "format")), "toml");
	assert_string_equal(json_string_value(json_object_get(sent, "body")), initdata);
	assert_null(make_attestation(RCAR_0_4_0, "\xff", 1, &r));
	assert_int_equal(r, -EBADMSG);
}

static void tokens(void **state)
{
	static const char *const bad[] = {"",
					  "{}",
					  "[]",
					  "{\"token\":1}",
					  "{\"token\":\"\"}",
					  "{\"token\":\"a\",\"token\":\"b\"}",
					  "{\"token\":\"a\"",
					  "\"token\""};

	(void)state;
	assert_int_equal(message_read_token("{\"token\":\"a.b.c\"}", 17), 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (message_read_token(bad[i], strlen(bad[i])) != -EBADMSG)
			fail_msg("accepted: %s", bad[i]);
}

/* ---- Payloads ---- */

#define PROVISIONED "version = \"0.1.0\"\n[data]\n"

static const struct {
	const char *plaintext;
	bool provisioner;
	const char *key; /* NULL: refused */
} payloads[] = {
	{"passphrase\n", false, "passphrase\n"},
	{"{\"kty\":\"oct\",\"k\":\"aGVsbG8\"}", false, "hello"},
	{"{\"kty\":\"oct\",\"k\":\"aGVsbG8\",\"kid\":\"1\",\"alg\":\"A256GCM\"}", false, "hello"},
	{"{\"key_type\":\"oct\",\"key\":\"aGVsbG8=\"}\n", false, "hello"},
	{"{\"key_type\":\"oct\",\"key\":\"-_-_\"}", false, "\xfb\xff\xbf"},
	{"{\"key_type\":\"oct\",\"key\":\"+/+/\"}", false, "\xfb\xff\xbf"},
	/* In doubt raw: not JSON, not an object, not a symmetric key. */
	{"{\"kty\":\"oct\",\"k\":\"aGVsbG8\"}x", false, "{\"kty\":\"oct\",\"k\":\"aGVsbG8\"}x"},
	{"{\"kty\":\"EC\",\"k\":\"aGVsbG8\"}", false, "{\"kty\":\"EC\",\"k\":\"aGVsbG8\"}"},
	{"{\"k\":\"aGVsbG8\"}", false, "{\"k\":\"aGVsbG8\"}"},
	{"[\"oct\"]", false, "[\"oct\"]"},
	{"\"oct\"", false, "\"oct\""},
	{"{", false, "{"},
	{PROVISIONED "x = \"y\"\n", false, PROVISIONED "x = \"y\"\n"},
	/* It says that it is a key, and then it is not. */
	{"{\"kty\":\"oct\"}", false, NULL},
	{"{\"kty\":\"oct\",\"k\":1}", false, NULL},
	{"{\"kty\":\"oct\",\"k\":\"\"}", false, NULL},
	{"{\"kty\":\"oct\",\"k\":\"a\"}", false, NULL},
	{"{\"kty\":\"oct\",\"k\":\"aGVsbG8 \"}", false, NULL},
	{"{\"key_type\":\"oct\",\"k\":\"aGVsbG8\"}", false, NULL},

	{PROVISIONED "\"io.cryptsetup.key.text.root\" = \"secret\"\n", true, "secret"},
	{PROVISIONED "\"io.cryptsetup.key.text.data\" = \"secret\"\n", true, "secret"},
	{PROVISIONED "\"io.cryptsetup.key.text.data\" = \"other\"\n"
		     "\"io.cryptsetup.key.text.root\" = \"secret\"\n",
	 true, "secret"},
	{PROVISIONED "\"other\" = \"x\"\n\"io.cryptsetup.key.text.root\" = \"secret\"\n", true,
	 "secret"},
	{PROVISIONED "\"io.cryptsetup.key.text.a\" = \"x\"\n\"io.cryptsetup.key.text.b\" = \"y\"\n",
	 true, NULL},
	{PROVISIONED "\"io.cryptsetup.key.text.root\" = \"\"\n", true, NULL},
	{PROVISIONED "\"io.cryptsetup.key.text.root\" = 1\n", true, NULL},
	{PROVISIONED "\"io.cryptsetup.key.raw.root\" = \"secret\"\n", true, NULL},
	{PROVISIONED, true, NULL},
	{"version = \"0.2.0\"\n[data]\n\"io.cryptsetup.key.text.root\" = \"secret\"\n", true, NULL},
	{"[data]\n\"io.cryptsetup.key.text.root\" = \"secret\"\n", true, NULL},
	{"version = \"0.1.0\"\n\"io.cryptsetup.key.text.root\" = \"secret\"\n", true, NULL},
	{"secret", true, NULL},
	{"{\"kty\":\"oct\",\"k\":\"aGVsbG8\"}", true, NULL},
};

static void payloads_are_unwrapped(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(payloads); i++) {
		cleanup(secret_freep) struct secret *plaintext = NULL, *key = NULL;
		const char *wanted = payloads[i].key;
		int r;

		assert_int_equal(secret_copy(payloads[i].plaintext, strlen(payloads[i].plaintext),
					     &plaintext),
				 0);
		r = payload_read(plaintext, payloads[i].provisioner, &key);
		if (r != (wanted ? 0 : -EBADMSG) || (key == NULL) != (wanted == NULL))
			fail_msg("%s: %d", payloads[i].plaintext, r);
		if (wanted &&
		    (key->size != strlen(wanted) || memcmp(key->data, wanted, key->size) != 0))
			fail_msg("%s: another key", payloads[i].plaintext);
		if (r < 0)
			assert_null(strstr(fail_sentence(r), "secret"));
	}
}

/* A key file may hold any byte, a NUL too. */
static void binary_payload_is_raw(void **state)
{
	cleanup(secret_freep) struct secret *plaintext = NULL, *key = NULL;

	(void)state;
	assert_int_equal(secret_copy("{\0\xff}", 4, &plaintext), 0);
	assert_int_equal(payload_read(plaintext, false, &key), 0);
	assert_true(secret_equal(plaintext, key));
}

/* ---- Refusals ---- */

#define TYPE(name, detail)                                                                         \
	"{\"type\":\"https://github.com/confidential-containers/kbs/errors/" name                  \
	"\",\"detail\":\"" detail "\"}"
#define MISMATCH(wanted)                                                                           \
	TYPE("AttestationError",                                                                   \
	     "Attestation error: RCAR handshake Auth failed: KBS Client Protocol Version "         \
	     "Mismatch: expect =" wanted " while the request is 0.4.0")

static const struct {
	unsigned int status;
	const char *body;
	enum refusal_action action;
	const char *words; /* in the sentence */
} refusals[] = {
	{401, MISMATCH("0.2.0"), REFUSAL_VERSION, "HTTP 401 AttestationError"},
	{401, MISMATCH("0.2.01"), REFUSAL_GIVE_UP, "0.4.0 and 0.2.0 are known"},
	{401, MISMATCH("0.3.0"), REFUSAL_GIVE_UP, "0.4.0 and 0.2.0 are known"},
	{401, TYPE("PolicyDeny", "x"), REFUSAL_GIVE_UP, "HTTP 401 PolicyDeny \"x\""},
	{403, TYPE("PolicyDeny", "x"), REFUSAL_GIVE_UP, "HTTP 403 PolicyDeny"},
	{404, TYPE("ReadSecretFailed", "x"), REFUSAL_AGAIN, "no such resource"},
	{401, TYPE("AdminAuthAccess", "x"), REFUSAL_GIVE_UP, "administrators"},
	{401, TYPE("SomethingNew", "x"), REFUSAL_GIVE_UP, "HTTP 401 SomethingNew \"x\""},
	{401, TYPE("PolicyDeny", "\\u001b[2J\\u00e4"), REFUSAL_GIVE_UP, "\"?[2J??\""},
	{401, "", REFUSAL_GIVE_UP, "proxy"},
	{401, "{\"type\":\"a\",\"type\":\"b\",\"detail\":\"\"}", REFUSAL_GIVE_UP, "proxy"},
	{401, "{\"type\":1,\"detail\":\"\"}", REFUSAL_GIVE_UP, "proxy"},
	{401, "<html>Authorization Required</html>", REFUSAL_GIVE_UP, "HTTP 401: "},
	{403, "<html>", REFUSAL_GIVE_UP, "HTTP 403: "},
	{404, "<html>", REFUSAL_GIVE_UP, "no key broker at this URL"},
	{301, "", REFUSAL_GIVE_UP, "redirects are not followed"},
	{307, "", REFUSAL_GIVE_UP, "redirects are not followed"},
	{204, "", REFUSAL_GIVE_UP, "HTTP 204"},
	{408, "", REFUSAL_RETRY, "HTTP 408"},
	{429, "slow down", REFUSAL_RETRY, "HTTP 429"},
	{429, TYPE("PolicyDeny", "x"), REFUSAL_RETRY, "HTTP 429"},
	{500, "", REFUSAL_RETRY, "HTTP 500"},
	{502, "<html>Bad Gateway</html>", REFUSAL_RETRY, "HTTP 502"},
	{503, "", REFUSAL_RETRY, "HTTP 503"},
	{503, TYPE("PolicyDeny", "x"), REFUSAL_RETRY, "HTTP 503 PolicyDeny"},
	{504, "", REFUSAL_RETRY, "HTTP 504"},
	{599, "", REFUSAL_RETRY, "HTTP 599"},
	{600, "", REFUSAL_GIVE_UP, "HTTP 600"},
	{0, "", REFUSAL_GIVE_UP, "HTTP 0"},
};

/* ---- Without memory ---- */

static unsigned int allocations_left; /* until the one that fails */

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_malloc(size_t size)
{
	if (allocations_left > 0 && --allocations_left == 0)
		return NULL;
	return __real_malloc(size);
}

/* Whatever the parser says then, a key in JSON is not the text of it. */
static void key_without_memory_is_none(void **state)
{
	static const char text[] = "{\"kty\": \"oct\", \"alg\": \"of no interest here\", "
				   "\"k\": \"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\"}";
	unsigned int failures = 0;

	(void)state;
	for (unsigned int n = 1;; n++) {
		cleanup(secret_freep) struct secret *plaintext = NULL;
		cleanup(secret_freep) struct secret *key = NULL;
		int r;

		assert_int_equal(secret_copy(text, strlen(text), &plaintext), 0);
		allocations_left = n;
		r = payload_read(plaintext, false, &key);
		if (allocations_left > 0) {
			allocations_left = 0;
			assert_int_equal(r, 0);
			assert_int_equal(key->size, 32);
			break;
		}
		if (r != -ENOMEM)
			fail_msg("allocation %u: %d", n, r);
		assert_null(key);
		failures++;
	}
	assert_true(failures > 10);
}

static void refusals_are_understood(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(refusals); i++) {
		struct refusal refusal;

		refusal_read(refusals[i].status, refusals[i].body, strlen(refusals[i].body),
			     &refusal);
		if (refusal.action != refusals[i].action ||
		    !strstr(refusal.sentence, refusals[i].words))
			fail_msg("%u %s: %d, %s", refusals[i].status, refusals[i].body,
				 (int)refusal.action, refusal.sentence);
		if (refusal.action == REFUSAL_VERSION)
			assert_int_equal(refusal.version, RCAR_0_2_0);
	}
}

static void refusal_is_bounded(void **state)
{
	cleanup(freep) char *body = malloc(3000);
	struct refusal refusal;
	int size;

	(void)state;
	assert_non_null(body);
	size = snprintf(body, 3000, "{\"type\":\"%0500d\",\"detail\":\"%02000d\"}", 0, 0);
	refusal_read(401, body, (size_t)size, &refusal);
	assert_in_range(strlen(refusal.sentence), 100, 200);
}

/* Every error that was recorded from a running broker, by the name of its record. */
static const struct {
	const char *name;
	enum refusal_action action;
	const char *words;
} recorded[] = {
	{"sample/empty-resource/resource", REFUSAL_AGAIN, "no such resource"},
	{"sample/policy-deny/resource", REFUSAL_GIVE_UP, "policy does not give this resource"},
	{"auth/version-0.3.0", REFUSAL_VERSION, "Version Mismatch: expect =0.4.0"},
	{"auth/version-0.5.0", REFUSAL_VERSION, "Version Mismatch: expect =0.4.0"},
	{"auth/version-junk", REFUSAL_GIVE_UP, "does not understand the version"},
	{"auth/tee-unknown", REFUSAL_TEE_NAME, "knows no TEE of this name"},
	{"auth/no-extra", REFUSAL_TEE_NAME, "deserialize Request"},
	{"auth/bad-json", REFUSAL_TEE_NAME, "deserialize Request"},
	{"auth/big", REFUSAL_GIVE_UP, "HTTP 413: the evidence is larger"},
	{"attest/no-cookie", REFUSAL_AGAIN, "did not accept the evidence"},
	{"attest/bad-cookie", REFUSAL_AGAIN, "did not accept the evidence"},
	{"attest/wrong-nonce", REFUSAL_AGAIN, "did not accept the evidence"},
	{"attest/wrong-report", REFUSAL_AGAIN, "did not accept the evidence"},
	{"attest/bad-json", REFUSAL_AGAIN, "did not accept the evidence"},
	{"attest/resource-before", REFUSAL_AGAIN, "does not know the session"},
	{"attest/extra-jwk-member", REFUSAL_AGAIN, "did not accept the evidence"},
	{"resource/no-auth", REFUSAL_AGAIN, "does not know the session"},
	{"resource/bad-bearer", REFUSAL_AGAIN, "too old by now"},
	{"resource/two-segments", REFUSAL_AGAIN, "no such resource"},
	{"resource/default-repo", REFUSAL_AGAIN, "no such resource"},
	{"resource/bad-chars", REFUSAL_AGAIN, "no such resource"},
	{"plugin/none", REFUSAL_GIVE_UP, "HTTP 404 PluginNotFound \"Plugin nothere not found\""},
	{"url/none", REFUSAL_GIVE_UP, "HTTP 404: there is no key broker at this URL"},
	{"method/wrong", REFUSAL_GIVE_UP, "HTTP 404 PluginNotFound"},
	{"rvps/get", REFUSAL_GIVE_UP, "HTTP 401 RvpsError"},
	{"tpm/nonce-48/attest", REFUSAL_AGAIN, "did not accept the evidence"},
	{"tpm/nonce-48/resource", REFUSAL_AGAIN, "does not know the session"},
	{"tpm/pcr-changed/attest", REFUSAL_AGAIN, "did not accept the evidence"},
	{"tpm/pcr-changed/resource", REFUSAL_AGAIN, "does not know the session"},
	{"tpm/initdata-unbound/attest", REFUSAL_AGAIN, "did not accept the evidence"},
	{"tpm/initdata-unbound/resource", REFUSAL_AGAIN, "does not know the session"},
	{"affirming/before/resource", REFUSAL_GIVE_UP, "policy does not give this resource"},
	{"provisioner/no-initdata/resource", REFUSAL_AGAIN, "expects other initdata"},
	{"provisioner/wrong-initdata/resource", REFUSAL_AGAIN, "expects other initdata"},
	{"snp/test-vlek-report.bin/attest", REFUSAL_AGAIN, "did not accept the evidence"},
	{"snp/test-vlek-report.bin/resource", REFUSAL_AGAIN, "does not know the session"},
	{"snp/flipped/attest", REFUSAL_AGAIN, "did not accept the evidence"},
	{"snp/flipped/resource", REFUSAL_AGAIN, "does not know the session"},
	{"snp/e2e/attest", REFUSAL_AGAIN, "did not accept the evidence"},
	{"snp/e2e/resource", REFUSAL_AGAIN, "does not know the session"},
	{"expiry/attest", REFUSAL_AGAIN, "did not accept the evidence"},
	{"expiry/resource", REFUSAL_AGAIN, "does not know the session"},
};

static void check_recorded(const char *name, unsigned int status, json_t *body)
{
	struct refusal refusal;

	for (size_t i = 0; i < ARRAY_SIZE(recorded); i++) {
		if (strcmp(recorded[i].name, name) != 0)
			continue;
		refusal_read(status, json_string_value(body), json_string_length(body), &refusal);
		if (refusal.action != recorded[i].action ||
		    !strstr(refusal.sentence, recorded[i].words))
			fail_msg("%s: %d, %s", name, (int)refusal.action, refusal.sentence);
		if (refusal.action == REFUSAL_VERSION)
			assert_int_equal(refusal.version, RCAR_0_4_0);
		return;
	}
	fail_msg("%s: an error that is not in the table", name);
}

/* Errors, and beside them: challenges, tokens and cookies. */
static void read_transcript(const char *name, size_t wanted_errors)
{
	json_t *records = transcript_load(name), *record;
	size_t i, errors = 0, challenges_read = 0;

	json_array_foreach (records, i, record) {
		cleanup(challenge_done) struct challenge challenge = {};
		cleanup(freep) char *header = NULL;
		json_t *response = json_object_get(record, "response");
		json_t *body = json_object_get(response, "body");
		json_t *cookie =
			json_object_get(json_object_get(response, "headers"), "set-cookie");
		const char *title = json_string_value(json_object_get(record, "case"));
		long long status = json_integer_value(json_object_get(response, "status"));
		const char *text = json_string_value(body);

		if (response && status != 200) {
			check_recorded(title, (unsigned int)status, body);
			errors++;
			continue;
		}
		if (!cookie)
			continue;
		assert_int_equal(cookie_header(json_string_value(cookie), &header), 0);
		assert_int_equal(strlen(header), strlen("Cookie: " COOKIE_NAME "=") + 32);
		if (strstr(text, "\"token\""))
			assert_int_equal(message_read_token(text, strlen(text)), 0);
		else
			assert_int_equal(message_read_challenge(text, strlen(text), &challenge), 0);
		challenges_read++;
	}
	json_decref(records);
	assert_int_equal(errors, wanted_errors);
	assert_true(challenges_read > 0);
}

static void recorded_exchanges(void **state)
{
	(void)state;
	read_transcript("exchange.json", 31);
	read_transcript("provisioner-policy-expiry.json", 11);
}

/* ---- Retry ---- */

#define STARTED 5000

/* The parabola is near the square root by half of a percent. */
static void waits_grow(void **state)
{
	/* Half of each span; in those that grow the square root of 1.5 times its start. */
	static const int64_t middles[] = {500,	 1500,	2449,  3674,  5511,  8267,
					  12400, 18600, 27901, 41851, 62777, 91882};
	struct retry first, middle, last;
	int64_t until = 0, before, span = 0;

	(void)state;
	retry_begin(&first, STARTED, 1000000, 0);
	retry_begin(&middle, STARTED, 1000000, UINT32_MAX / 2);
	retry_begin(&last, STARTED, 1000000, UINT32_MAX);
	for (size_t i = 0; i < ARRAY_SIZE(middles); i++) {
		assert_int_equal(retry_next(&middle, until, 0, &until), 0);
		assert_in_range(until - STARTED, middles[i] * 995 / 1000, middles[i] * 1005 / 1000);
	}
	until = STARTED;
	while (span < RETRY_MOST_MS) {
		int64_t end;

		assert_int_equal(retry_next(&first, until, 0, &until), 0);
		before = until - STARTED;
		span = MIN(MAX(before / 2, RETRY_FIRST_MS), RETRY_MOST_MS);
		/* The whole span, and no more. */
		assert_int_equal(retry_next(&last, until, 0, &end), 0);
		assert_in_range(end, until + span - 4, until + span - 1);
	}
	for (unsigned int i = 0; i < 20; i++) {
		before = until;
		assert_int_equal(retry_next(&first, before, 0, &until), 0);
		assert_int_equal(until - before, RETRY_MOST_MS);
	}
}

/* However long its attempts take, a machine keeps its place. */
static void slow_attempts_keep_the_place(void **state)
{
	struct retry retry;
	int64_t until = 0, slow;

	(void)state;
	retry_begin(&retry, STARTED, 1000000, UINT32_MAX / 3);
	while (until < 600000) {
		assert_int_equal(retry_next(&retry, until, 0, &until), 0);
		assert_int_equal(retry_next(&retry, until - 700, 0, &slow), 0);
		assert_in_range(slow, until - 699, until);
	}
}

static void retry_after_is_a_lower_bound(void **state)
{
	struct retry retry;
	int64_t until = 0;

	(void)state;
	retry_begin(&retry, 0, 102000, 0);
	assert_int_equal(retry_next(&retry, 1000, 76000, &until), 0);
	assert_in_range(until, 76001, 76000 + 1000);
	/* Those who were sent away together do not come back together. */
	retry_begin(&retry, 0, 112000, UINT32_MAX);
	assert_int_equal(retry_next(&retry, 1000, 77000, &until), 0);
	assert_in_range(until, 77000 + 29000, 77000 + 30000);
	until = -1;
	assert_int_equal(retry_next(&retry, 1000, 110000, &until), -ETIMEDOUT);
	assert_int_equal(retry_next(&retry, 1000, INT64_MAX, &until), -ETIMEDOUT);
	assert_int_equal(retry_next(&retry, 110000, 0, &until), -ETIMEDOUT);
	assert_int_equal(until, -1);
}

/* The last attempt comes before the last time, and it is one: no burst of all machines there. */
static void end_is_no_burst(void **state)
{
	struct retry retry;
	int64_t until = 0;

	(void)state;
	retry_begin(&retry, 0, 102000, UINT32_MAX / 2);
	assert_int_equal(retry.last_ms, 100000);
	assert_int_equal(retry_next(&retry, 99000, 0, &until), 0);
	assert_in_range(until, 99400, 99600);
	assert_int_equal(retry_next(&retry, until, 0, &until), -ETIMEDOUT);
	/* One that fits by itself is an attempt like any other. */
	retry_begin(&retry, 0, 102000, UINT32_MAX / 2);
	assert_int_equal(retry_next(&retry, 91000, 0, &until), 0);
	assert_in_range(until, 91700, 91900);
	assert_int_equal(retry_next(&retry, until, 0, &until), 0);
	assert_in_range(until, 95000, 96500);
	/* A short deadline is not taken whole by what an attempt must have. */
	retry_begin(&retry, 0, 1000, 0);
	assert_int_equal(retry.last_ms, 500);
}

#define GUESTS	  200
#define SLOT_MS	  500
#define SLOTS	  1800
#define PER_SLOT  10
#define LIMIT_ONE (GUESTS / 2)

/*
 * Machines that boot in the same instant, and a broker that serves few of them at a time and sends
 * the others away: all get through, and after the first instant they never come in a crowd again.
 */
static void storm_is_spread(void **state)
{
	struct retry retries[GUESTS] = {};
	int64_t when[GUESTS] = {};
	unsigned int served = 0, crowd = 0;
	uint64_t seed = 0x9e3779b97f4a7c15;

	(void)state;
	for (size_t i = 0; i < GUESTS; i++)
		retry_begin(&retries[i], 0, SLOTS * SLOT_MS, storm_random(&seed));
	for (int64_t now = 0; now < SLOTS * SLOT_MS; now += SLOT_MS) {
		unsigned int came = 0;

		for (size_t i = 0; i < GUESTS; i++) {
			if (when[i] >= now + SLOT_MS)
				continue;
			if (came++ < PER_SLOT) {
				served++;
				when[i] = INT64_MAX;
				continue;
			}
			assert_int_equal(retry_next(&retries[i], MAX(when[i], now), 0, &when[i]),
					 0);
			/* Once in a slot, as if each answer took that long. */
			when[i] = MAX(when[i], now + SLOT_MS);
		}
		if (now > SLOT_MS)
			crowd = MAX(crowd, came);
	}
	print_message("served %u, at most %u at once after the first second\n", served, crowd);
	assert_int_equal(served, GUESTS);
	assert_true(crowd <= LIMIT_ONE);
}

#define OUTAGE_MOST 600 /* seconds */

/* The most machines in one second, in percent of the mean until the last has come. */
static unsigned int worst_peak(const struct storm_options *options, uint64_t *seed)
{
	static struct storm storm;

	storm_run(options, seed, &storm);
	assert_int_equal(storm.served, options->guests);
	return (unsigned int)(storm.peak * UINT64_C(100) * (uint64_t)storm.last_ms / 1000 /
			      storm.served);
}

static unsigned int worst_of_outages(struct storm_options options, unsigned int first)
{
	uint64_t seed = 0x9e3779b97f4a7c15;
	unsigned int worst = 0;

	options.guests = 5000;
	options.deadline_ms = 2 * OUTAGE_MOST * 1000;
	for (unsigned int seconds = first; seconds <= OUTAGE_MOST; seconds += 7) {
		unsigned int peak;

		options.outage_ms = seconds * INT64_C(1000);
		peak = worst_peak(&options, &seed);
		worst = MAX(worst, peak);
	}
	print_message("boot %u ms, attempts of %u ms: %u %% of the mean load in one second\n",
		      options.boot_ms, (unsigned int)options.attempt_ms, worst);
	return worst;
}

/* Evenly, however late the broker comes up, and however long an attempt takes until then. */
static void late_broker_is_not_stormed(void **state)
{
	(void)state;
	assert_true(worst_of_outages((struct storm_options){}, 5) < 150);
	assert_true(worst_of_outages((struct storm_options){.boot_ms = 2000}, 5) < 150);
	assert_true(worst_of_outages((struct storm_options){.attempt_ms = 10000}, 90) < 150);
	/* The measure tells: the usual back-off does not reach that. */
	assert_true(worst_of_outages((struct storm_options){.full_jitter = true}, 300) > 180);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(key_without_memory_is_none),
		cmocka_unit_test(uris_are_checked),
		cmocka_unit_test(uri_is_bounded),
		cmocka_unit_test(cookies_are_read_without_a_clock),
		cmocka_unit_test(cookie_is_bounded),
		cmocka_unit_test(report_data_known_answers),
		cmocka_unit_test(strings_are_canonical),
		cmocka_unit_test(requests),
		cmocka_unit_test(challenges_are_read),
		cmocka_unit_test(attestations),
		cmocka_unit_test(tokens),
		cmocka_unit_test(payloads_are_unwrapped),
		cmocka_unit_test(binary_payload_is_raw),
		cmocka_unit_test(refusals_are_understood),
		cmocka_unit_test(refusal_is_bounded),
		cmocka_unit_test(recorded_exchanges),
		cmocka_unit_test(waits_grow),
		cmocka_unit_test(slow_attempts_keep_the_place),
		cmocka_unit_test(retry_after_is_a_lower_bound),
		cmocka_unit_test(end_is_no_burst),
		cmocka_unit_test(storm_is_spread),
		cmocka_unit_test(late_broker_is_not_stormed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
