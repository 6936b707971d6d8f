/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_CRYPTO_CERTIFICATE_H
#define CVMROOT_CRYPTO_CERTIFICATE_H

#include "base/macro.h"

/* Lists of X.509 certificates (RFC 5280) in the order in which they were added. Pure. */

#define CERTIFICATES_MAX   32
#define CERTIFICATES_LIMIT (256 * KIB) /* bytes added at once */

struct certificates;
int certificates_new(struct certificates **ret);
void certificates_free(struct certificates *list);
DEFINE_CLEANUP(struct certificates *, certificates_free)

/*
 * Append one in DER, or those of a PEM text, between which anything else may stand. -EBADMSG: there
 * is none, or one is malformed; -E2BIG.
 */
int certificates_add(struct certificates *list, const void *data, size_t size);
/* Append certificate @number of another list. */
int certificates_copy(struct certificates *list, const struct certificates *from, size_t number);
size_t certificates_count(const struct certificates *list);

/*
 * Does certificate @number of @list lead, through others of it, to one of @roots? -EKEYREJECTED with
 * a sentence that says why not. With @all every certificate of the list must be in that chain.
 * Neither dates nor revocation lists are looked at: evidence is often read long after its day.
 */
int certificate_check_chain(const struct certificates *list, size_t number,
			    const struct certificates *roots, bool all);

/* SubjectPublicKeyInfo in DER; the caller frees *ret. */
int certificate_public_key(const struct certificates *list, size_t number, uint8_t **ret,
			   size_t *ret_size);
/* The value of the extension with this OID ("1.3.6.1..."), borrowed. -ENOENT. */
int certificate_extension(const struct certificates *list, size_t number, const char *oid,
			  const uint8_t **ret, size_t *ret_size);

#endif
