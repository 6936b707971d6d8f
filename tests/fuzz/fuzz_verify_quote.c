/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "fuzz.h"

#include "crypto/certificate.h"
#include "verify/quote_signature.h"

/* A TDX quote with its signature, and the certificates in it. All parts lie inside. */
static void check_inside(const uint8_t *data, size_t size, const uint8_t *part, size_t part_size)
{
	if (part < data || part_size > size || part > data + size - part_size)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup(certificates_freep) struct certificates *list = NULL;
	cleanup(freep) uint8_t *key = NULL;
	struct quote_signature parts;
	size_t key_size;

	if (quote_signature_parse(data, size, &parts) < 0)
		return 0;
	if (parts.signed_size > size || parts.body > parts.signed_size)
		abort();
	check_inside(data, size, parts.signature, 64);
	check_inside(data, size, parts.key, 64);
	check_inside(data, size, parts.qe_report, QE_REPORT_SIZE);
	check_inside(data, size, parts.qe_signature, 64);
	check_inside(data, size, parts.authentication, parts.authentication_size);
	check_inside(data, size, parts.certificates, parts.certificates_size);
	if (certificates_new(&list) < 0 ||
	    certificates_add(list, parts.certificates, parts.certificates_size) < 0)
		return 0;
	for (size_t i = 0; i < certificates_count(list); i++) {
		(void)certificate_check_chain(list, i, list, true);
		free(TAKE_PTR(key));
		(void)certificate_public_key(list, i, &key, &key_size);
	}
	return 0;
}
