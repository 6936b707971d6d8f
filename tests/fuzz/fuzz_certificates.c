/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "fuzz.h"

#include "crypto/certificate.h"
#include "crypto/signature.h"

#include <string.h>

#define OID "2.5.29.14" /* subject key identifier */

/* No signature of zeros is one by any key. */
static void check_key(const uint8_t *key, size_t size)
{
	static const uint8_t zeros[512];

	for (int scheme = SIGNATURE_RSASSA_SHA256; scheme <= SIGNATURE_ECDSA_P384; scheme++) {
		const struct signature signature = {
			(enum signature_scheme)scheme,
			zeros,
			scheme == SIGNATURE_RSASSA_SHA256 ? 256
			: scheme == SIGNATURE_ECDSA_P256  ? 64
							  : 96,
		};

		if (signature_check(&signature, key, size, "data", 4) == 0)
			abort();
	}
}

/* A signature has one size, and few points are on the curve. */
static void check_point(const uint8_t *point)
{
	const struct signature cut = {SIGNATURE_ECDSA_P256, point, 62};
	uint8_t key[SIGNATURE_P256_SIZE];
	int r;

	signature_p256_key(point, key);
	check_key(key, sizeof(key));
	r = signature_check(&cut, key, sizeof(key), "data", 4);
	if (r != -EBADMSG && r != -EKEYREJECTED)
		abort();
}

static void check_certificate(const struct certificates *list, size_t number)
{
	cleanup(certificates_freep) struct certificates *roots = NULL;
	cleanup(freep) uint8_t *key = NULL;
	const uint8_t *extension;
	size_t size;

	if (certificates_new(&roots) < 0)
		return;
	/* Without a root nothing is trusted, whatever signs itself. */
	if (certificate_check_chain(list, number, roots, false) == 0)
		abort();
	if (certificates_copy(roots, list, number) == 0)
		(void)certificate_check_chain(list, number, roots, true);
	(void)certificate_extension(list, number, OID, &extension, &size);
	if (certificate_public_key(list, number, &key, &size) == 0)
		check_key(key, size);
}

/* Certificates in DER or PEM, or a bare key. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup(certificates_freep) struct certificates *list = NULL;

	check_key(data, size);
	if (size >= SIGNATURE_POINT_SIZE)
		check_point(data);
	if (certificates_new(&list) < 0 || certificates_add(list, data, size) < 0)
		return 0;
	if (certificates_count(list) == 0 || certificates_count(list) > CERTIFICATES_MAX)
		abort();
	for (size_t i = 0; i < certificates_count(list); i++)
		check_certificate(list, i);
	return 0;
}
