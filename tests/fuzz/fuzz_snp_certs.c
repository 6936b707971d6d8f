/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "fuzz.h"

#include "tee/snp_certs.h"

#include <string.h>

static bool signs_reports(json_t *certificate)
{
	const char *type = json_string_value(json_object_get(certificate, "cert_type"));

	return type && (strcmp(type, "VCEK") == 0 || strcmp(type, "VLEK") == 0);
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
	for (size_t i = 0; i < json_array_size(chain); i++)
		found |= signs_reports(json_array_get(chain, i));
	if (!found && !json_is_null(chain))
		abort();
	return 0;
}
