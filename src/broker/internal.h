/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_BROKER_INTERNAL_H
#define CVMROOT_BROKER_INTERNAL_H

#include "crypto/hash.h"

#include <jansson.h>

/*
 * The pure half of the broker client: everything that a broker says is read here, and everything
 * that it is told is written here. See the CoCo documents "KBS attestation protocol" and "KBS API"
 * for the formats.
 */

/* Versions of the protocol RCAR that we speak. */
enum rcar_version {
	RCAR_0_4_0, /* Trustee from v0.14 on */
	RCAR_0_2_0, /* Trustee v0.12 and v0.13 */
	RCAR_VERSIONS,
};
const char *rcar_version_name(enum rcar_version version);

/* ---- uri.c ---- */

/*
 * The path that a URI is asked for by: "/kbs/v0/resource/default/luks/root". -EINVAL with a
 * sentence: brokers answer every wrong shape as if the resource were missing.
 */
int uri_request_path(const char *uri, char **ret_path);
/* Does the provisioner plugin answer for this URI? */
bool uri_is_provisioner(const char *uri);

/* ---- cookie.c ---- */

#define COOKIE_NAME	"kbs-session-id"
#define COOKIE_SIZE_MAX 128 /* of the value */

/*
 * The header line "Cookie: kbs-session-id=..." for the values of Set-Cookie headers, a newline
 * between them; other cookies, those of a balancer, come along. Attributes are not read: Expires is
 * the time of a clock that this machine may not share. -EBADMSG when no session is among them.
 */
int cookie_header(const char *set_cookie, char **ret_header);

/* ---- jwe.c ---- */

#define JWK_P256_SIZE	  32
#define JWE_SECRET_LIMIT  (256 * KIB)
#define JWE_SIZE_LIMIT	  (384 * KIB) /* of the JSON text that carries it */
#define JWK_P256_TEXT_MAX 44	      /* base64url and its NUL */

/* A P-256 key for ECDH-ES+A256KW (RFC 7518 §4.6); coordinates have their full length. */
struct jwe_key {
	struct secret *d;
	char x[JWK_P256_TEXT_MAX], y[JWK_P256_TEXT_MAX];
};
int jwe_key_new(struct jwe_key **ret);
void jwe_key_free(struct jwe_key *key);
DEFINE_CLEANUP(struct jwe_key *, jwe_key_free)

/*
 * Decrypt a flattened JWE (RFC 7516 §7.2.2) that was made for @key.
 *   -EBADMSG       not a JWE of the one form that brokers send
 *   -EOPNOTSUPP    another algorithm or extension than those
 *   -EKEYREJECTED  made for another key, or changed on the way
 *   -E2BIG         over JWE_SECRET_LIMIT
 *   -ENOKEY        the resource is empty
 */
int jwe_open(const char *text, size_t size, const struct jwe_key *key, struct secret **ret);

/* ---- message.c ---- */

#define CHALLENGE_SIZE_LIMIT (64 * KIB) /* that of Secure Execution holds a request of its own */
#define TOKEN_SIZE_LIMIT     (1 * MIB)

struct challenge {
	char *nonce; /* never decoded: only sent back */
	enum hash_algorithm hash;
};
void challenge_done(struct challenge *challenge);

int message_request(enum rcar_version version, const char *tee, char **ret_text);
/* -EBADMSG; -EOPNOTSUPP for a hash that we did not offer. */
int message_read_challenge(const char *text, size_t size, struct challenge *ret);
/* The canonical JSON (RFC 8785) of what evidence is asked for, and its digest. */
int message_runtime_data(enum rcar_version version, const char *nonce, const struct jwe_key *key,
			 char **ret_text);
int message_report_data(enum rcar_version version, const struct challenge *challenge,
			const struct jwe_key *key, uint8_t ret[static HASH_MAX_SIZE],
			size_t *ret_size);

struct attestation {
	enum rcar_version version;
	const char *nonce;
	const struct jwe_key *key;
	json_t *evidence;
	const char *initdata; /* TOML text; or NULL */
	size_t initdata_size;
};
int message_attestation(const struct attestation *attestation, char **ret_text);
/* The token is not looked into: the broker keeps it in the session. -EBADMSG. */
int message_read_token(const char *text, size_t size);

/* ---- payload.c ---- */

/*
 * The key in the plaintext of a resource:
 * - of the provisioner: the text at io.cryptsetup.key.text.root (or the only one below
 *   io.cryptsetup.key.text) of a TOML document with version "0.1.0"; anything else is refused;
 * - of everything else: when the whole plaintext is a JSON object that calls itself a symmetric key
 *   ("kty" or "key_type" is "oct"), the decoded bytes of its "k" or "key"; a fault in it is refused;
 *   any other plaintext is the key as it is, to the last byte.
 * -EBADMSG with a sentence; no sentence quotes the plaintext.
 */
int payload_read(struct secret *plaintext, bool provisioner, struct secret **ret_key);

/* ---- refusal.c ---- */

enum refusal_action {
	REFUSAL_GIVE_UP,  /* of this server */
	REFUSAL_RETRY,	  /* later, until the deadline */
	REFUSAL_AGAIN,	  /* from the start, a few times */
	REFUSAL_VERSION,  /* at once, in another version */
	REFUSAL_TEE_NAME, /* at once, by the legacy name of the TEE */
};

#define REFUSAL_SENTENCE_SIZE 400

struct refusal {
	enum refusal_action action;
	enum rcar_version version; /* that REFUSAL_VERSION asks for */
	char sentence[REFUSAL_SENTENCE_SIZE];
};

/* What an answer other than 200 means, and what to do about it. Never fails: it is hostile text. */
void refusal_read(unsigned int status, const char *body, size_t body_size, struct refusal *ret);

/* ---- retry.c ---- */

#define RETRY_FIRST_MS INT64_C(1000)
#define RETRY_MOST_MS  INT64_C(30000)

struct retry {
	int64_t started_ms;
	int64_t last_ms; /* no attempt begins at this time or later */
	uint32_t place;	 /* of this machine among all */
	bool ended;	 /* the last attempt was given out */
};

/* @place: 32 random bits. */
void retry_begin(struct retry *ret, int64_t now_ms, unsigned int deadline_ms, uint32_t place);

/*
 * When to try again: back-off that keeps the distance between machines which began together, and
 * grows with the time since the start. Not before @not_before_ms, always before the last time:
 * -ETIMEDOUT when that leaves nothing.
 */
int retry_next(struct retry *retry, int64_t now_ms, int64_t not_before_ms, int64_t *ret_until_ms);

/* ---- wipe.c ---- */

/*
 * Between the two calls jansson wipes what it frees, for JSON that holds keys; libjose keeps all of
 * its keys so. A cleanup() callback ends it: declare this before the references.
 */
struct json_wiping {
	json_free_t free; /* that was jansson's before */
};
struct json_wiping json_wiping_begin(void);
void json_wiping_end(struct json_wiping *wiping);

#endif
