/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "http/internal.h"

#include "base/codec.h"
#include "base/error.h"

#include <limits.h>
#include <string.h>
#include <time.h>

#include <openssl/err.h>
#include <openssl/pem.h>

#define PIN_PREFIX "sha256//"
#define PIN_SIZE   32

DEFINE_CLEANUP(BIO *, BIO_free)
DEFINE_CLEANUP(X509 *, X509_free)
DEFINE_CLEANUP(EVP_PKEY *, EVP_PKEY_free)
DEFINE_CLEANUP(X509_STORE *, X509_STORE_free)

/* ---- Options ---- */

/* OpenSSL's own asks on the terminal: nobody is there. */
static int no_password(char *buffer, int size, int writing, void *data)
{
	(void)buffer;
	(void)size;
	(void)writing;
	(void)data;
	return -1;
}

static BIO *open_text(const char *text, size_t size)
{
	return size > INT_MAX ? NULL : BIO_new_mem_buf(text, (int)size);
}

/* The text has ended, and was not merely unreadable from here on. */
static bool pem_ended(void)
{
	unsigned long error = ERR_peek_last_error();
	bool ended =
		ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;

	ERR_clear_error();
	return ended;
}

static int load_ca(const char *text, X509_STORE *store)
{
	cleanup(BIO_freep) BIO *bio = open_text(text, strlen(text));
	size_t count = 0;

	if (!bio)
		return -ENOMEM;
	ERR_clear_error();
	for (;;) {
		cleanup(X509_freep) X509 *certificate =
			PEM_read_bio_X509(bio, NULL, no_password, NULL);

		if (!certificate)
			break;
		if (X509_STORE_add_cert(store, certificate) != 1)
			return -ENOMEM;
		count++;
	}
	if (!pem_ended() || count == 0)
		return fail(-EINVAL,
			    "the CA of the server is not one or more certificates in PEM form");
	return 0;
}

static int check_pin(const char *pin)
{
	uint8_t digest[PIN_SIZE];
	size_t size = 0;

	if (!pin)
		return 0;
	if (strncmp(pin, PIN_PREFIX, strlen(PIN_PREFIX)) == 0) {
		const char *text = pin + strlen(PIN_PREFIX);

		if (base64_decode(text, strlen(text), digest, sizeof(digest), &size) == 0 &&
		    size == PIN_SIZE)
			return 0;
	}
	return fail(-EINVAL,
		    "the pin \"%s\" is not " PIN_PREFIX
		    " and the base64 of the SHA-256 of the server's public key",
		    pin);
}

static int check_client(const char *certificate_text, const struct secret *key_text)
{
	cleanup(BIO_freep) BIO *certificate_bio = NULL, *key_bio = NULL;
	cleanup(X509_freep) X509 *certificate = NULL;
	cleanup(EVP_PKEY_freep) EVP_PKEY *key = NULL;

	if (!certificate_text && !key_text)
		return 0;
	if (!certificate_text || !key_text)
		return fail(-EINVAL, "a client certificate and its key go together: one is "
				     "missing");
	certificate_bio = open_text(certificate_text, strlen(certificate_text));
	key_bio = open_text((const char *)key_text->data, key_text->size);
	if (!certificate_bio || !key_bio)
		return -ENOMEM;
	certificate = PEM_read_bio_X509(certificate_bio, NULL, no_password, NULL);
	key = PEM_read_bio_PrivateKey(key_bio, NULL, no_password, NULL);
	ERR_clear_error();
	if (!certificate)
		return fail(-EINVAL, "the client certificate is not in PEM form");
	if (!key)
		return fail(-EINVAL, "the client key is not in PEM form without a password");
	if (X509_check_private_key(certificate, key) != 1) {
		ERR_clear_error();
		return fail(-EINVAL, "the client key does not belong to the client certificate");
	}
	return 0;
}

int http_tls_load(const struct http_options *options, X509_STORE **ret)
{
	cleanup(X509_STORE_freep) X509_STORE *store = NULL;
	/* A CA of the configuration is trusted whether or not it signs itself. */
	unsigned long flags = X509_V_FLAG_TRUSTED_FIRST | X509_V_FLAG_PARTIAL_CHAIN;
	int r;

	if (!options->ca) {
		if (options->pin || options->client_certificate || options->client_key)
			return fail(-EINVAL, "a pin or a client certificate needs a CA: without "
					     "one there is no TLS");
		return 0;
	}
	r = check_pin(options->pin);
	if (r < 0)
		return r;
	r = check_client(options->client_certificate, options->client_key);
	if (r < 0)
		return r;
	store = X509_STORE_new();
	if (!store)
		return -ENOMEM;
	r = load_ca(options->ca, store);
	if (r < 0)
		return r;
	if (options->ignore_certificate_dates)
		flags |= X509_V_FLAG_NO_CHECK_TIME;
	if (X509_STORE_set_flags(store, flags) != 1)
		return -ENOMEM;
	*ret = TAKE_PTR(store);
	return 0;
}

/* ---- A connection ---- */

/* Where an SSL_CTX keeps the struct http. */
static int http_index(void)
{
	static int index = -1;

	if (index < 0)
		index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, NULL);
	return index;
}

static struct http *http_of(const SSL *ssl)
{
	return SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), http_index());
}

static void write_time(const ASN1_TIME *time, char *ret, size_t size)
{
	struct tm tm = {};
	size_t used;

	if (time && ASN1_TIME_to_tm(time, &tm) == 1)
		used = strftime(ret, size, "%Y-%m-%d %H:%M UTC", &tm);
	else
		used = strftime(ret, size, "an unreadable date", &tm);
	if (used == 0)
		ret[0] = '\0';
}

/* Only listens: the verdict is OpenSSL's. */
static int listen_verdict(int good, X509_STORE_CTX *context)
{
	const SSL *ssl = X509_STORE_CTX_get_ex_data(context, SSL_get_ex_data_X509_STORE_CTX_idx());
	const X509 *certificate = X509_STORE_CTX_get_current_cert(context);
	struct http_verdict *verdict = &http_of(ssl)->verdict;

	if (good)
		return good;
	verdict->error = X509_STORE_CTX_get_error(context);
	verdict->depth = X509_STORE_CTX_get_error_depth(context);
	if (certificate) {
		write_time(X509_get0_notBefore(certificate), verdict->not_before,
			   sizeof(verdict->not_before));
		write_time(X509_get0_notAfter(certificate), verdict->not_after,
			   sizeof(verdict->not_after));
	}
	return 0;
}

static void listen_alert(const SSL *ssl, int where, int value)
{
	struct http_verdict *verdict = &http_of(ssl)->verdict;

	if ((where & SSL_CB_READ_ALERT) != SSL_CB_READ_ALERT)
		return;
	/* The level is in the upper byte. */
	if (value >> 8 == SSL3_AL_FATAL)
		verdict->alert = value & 0xff;
	else if ((value & 0xff) == SSL_AD_CLOSE_NOTIFY)
		verdict->closed = true;
}

CURLcode http_tls_set_up(CURL *easy, void *context, void *data)
{
	struct http *http = data;
	SSL_CTX *ssl = context;

	(void)easy;
	http->phase = PHASE_TLS;
	if (!http->trusted || http_index() < 0 ||
	    SSL_CTX_set_ex_data(ssl, http_index(), http) != 1 ||
	    SSL_CTX_set_min_proto_version(ssl, TLS1_2_VERSION) != 1)
		return CURLE_ABORTED_BY_CALLBACK;
	/* In the place of whatever libcurl was built to trust. */
	SSL_CTX_set1_cert_store(ssl, http->trusted);
	SSL_CTX_set_verify(ssl, SSL_VERIFY_PEER, listen_verdict);
	SSL_CTX_set_security_level(ssl, 2);
	SSL_CTX_set_options(ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
	SSL_CTX_set_info_callback(ssl, listen_alert);
	SSL_CTX_set_keylog_callback(ssl, NULL);
	return CURLE_OK;
}

/* ---- Words ---- */

static int explain_dates(const struct http_verdict *verdict)
{
	bool expired = verdict->error == X509_V_ERR_CERT_HAS_EXPIRED;
	char now[32];
	time_t clock = time(NULL);
	struct tm tm;

	if (!gmtime_r(&clock, &tm) || strftime(now, sizeof(now), "%Y-%m-%d %H:%M UTC", &tm) == 0)
		return -EKEYREJECTED;
	return fail(-EKEYREJECTED,
		    "TLS: the certificate of %s %s %s; this machine's clock says %s: if that is "
		    "wrong, set it, or set certificate-dates = false",
		    verdict->depth == 0 ? "the server" : "its CA",
		    expired ? "expired on" : "is not valid before",
		    expired ? verdict->not_after : verdict->not_before, now);
}

static int explain_certificate(const struct http_verdict *verdict)
{
	switch (verdict->error) {
	case X509_V_ERR_CERT_HAS_EXPIRED:
	case X509_V_ERR_CERT_NOT_YET_VALID:
		return explain_dates(verdict);
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
	case X509_V_ERR_CERT_SIGNATURE_FAILURE:
	case X509_V_ERR_CERT_UNTRUSTED:
		return fail(-EKEYREJECTED,
			    "TLS: the server's certificate was not issued by the CA of the "
			    "configuration (%s)",
			    X509_verify_cert_error_string(verdict->error));
	default:
		return fail(-EKEYREJECTED, "TLS: the server's certificate was refused: %s",
			    X509_verify_cert_error_string(verdict->error));
	}
}

/* RFC 8446 §6.2: alerts that are about the client's certificate. */
static bool is_about_certificate(int alert)
{
	return (alert >= SSL_AD_BAD_CERTIFICATE && alert <= SSL_AD_CERTIFICATE_UNKNOWN) ||
	       alert == SSL_AD_UNKNOWN_CA || alert == SSL_AD_ACCESS_DENIED ||
	       alert == SSL_AD_CERTIFICATE_REQUIRED;
}

static const char *alert_text(int alert)
{
	/* OpenSSL 3.0 has no words for this one. */
	return alert == SSL_AD_CERTIFICATE_REQUIRED ? "certificate required"
						    : SSL_alert_desc_string_long(alert);
}

int http_tls_explain(const struct http *http)
{
	const struct http_verdict *verdict = &http->verdict;

	if (verdict->error != X509_V_OK)
		return explain_certificate(verdict);
	if (verdict->alert < 0)
		return 0;
	if (is_about_certificate(verdict->alert))
		return fail(-EKEYREJECTED,
			    "TLS: the server refused our client certificate, or "
			    "the lack of one: %s",
			    alert_text(verdict->alert));
	return fail(-EBADMSG, "TLS: the server ended the handshake: %s%s",
		    alert_text(verdict->alert),
		    verdict->alert == SSL_AD_HANDSHAKE_FAILURE
			    ? "; perhaps it wants a client certificate"
			    : "");
}
