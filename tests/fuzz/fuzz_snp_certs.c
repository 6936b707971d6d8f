/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "fuzz.h"

#include "tee/bytes.h"
#include "tee/snp_certs.h"

#include <string.h>

static bool signs_reports(json_t *certificate)
{
	const char *type = json_string_value(json_object_get(certificate, "cert_type"));

	return type && (strcmp(type, "VCEK") == 0 || strcmp(type, "VLEK") == 0);
}

/* The bytes of a certificate come back from the numbers that they are written as. */
static void check_bytes(json_t *chain, json_t *certificate)
{
	json_t *array = json_object_get(certificate, "data");
	cleanup(json_decrefp) json_t *again = NULL;
	cleanup(freep) uint8_t *data = NULL;
	uint8_t fitted[48];
	size_t size = json_array_size(array);

	/* Never more than there is room for, and only numbers. */
	if (bytes_from_json(array, size - 1, &data, &size) != -E2BIG ||
	    bytes_from_json(certificate, SNP_CERTS_LIMIT, &data, &size) != -EBADMSG ||
	    bytes_from_json(chain, SNP_CERTS_LIMIT, &data, &size) != -EBADMSG)
		abort();
	if (bytes_from_json(array, SNP_CERTS_LIMIT, &data, &size) < 0 ||
	    size != json_array_size(array))
		abort();
	again = bytes_to_json(data, size);
	if (again && !json_equal(again, array))
		abort();
	bytes_fit(data, size, fitted, sizeof(fitted));
	if (size < sizeof(fitted) && fitted[size] != 0)
		abort();
}

/* A certificate table from the host. A chain without a signer must not come out of it. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup(json_decrefp) json_t *chain = NULL;
	bool found = false;

	/* What is too long is not looked into. */
	if (snp_certs_to_json(data, SNP_CERTS_LIMIT + 1, &chain) != -E2BIG)
		abort();
	if (snp_certs_to_json(data, size, &chain) < 0)
		return 0;
	for (size_t i = 0; i < json_array_size(chain); i++) {
		found |= signs_reports(json_array_get(chain, i));
		check_bytes(chain, json_array_get(chain, i));
	}
	if (!found && !json_is_null(chain))
		abort();
	return 0;
}
