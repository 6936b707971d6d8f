/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_TESTS_UNIT_PKI_H
#define CVMROOT_TESTS_UNIT_PKI_H

#include "unit.h"

#include <openssl/x509.h>

/* Certificates made when a test starts, with keys on P-256. */
struct identity {
	X509 *certificate;
	EVP_PKEY *key;
	char *certificate_pem, *key_pem;
};

struct identity_options {
	const char *name;	       /* common name */
	const char *alternatives;      /* "DNS:localhost,IP:127.0.0.1"; NULL makes a CA */
	long from_days, to_days;       /* from now */
	const struct identity *issuer; /* NULL: signs itself */
};

struct identity *identity_new(const struct identity_options *options);
void identity_free(struct identity *identity);

/* "sha256//BASE64" of the public key. */
void identity_pin(const struct identity *identity, char ret[static 64]);
/* The key, encrypted with a password, as PEM; the caller frees it. */
char *identity_locked_key(const struct identity *identity);

#endif
