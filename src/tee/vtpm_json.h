/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_TEE_VTPM_JSON_H
#define CVMROOT_TEE_VTPM_JSON_H

#include "tee/az_imds.h"
#include "tpm/quote.h"

#include <jansson.h>

/* Evidence around a TPM quote, in the forms that Trustee's verifiers read. Pure. */

/* For "tpm". */
int vtpm_json_tpm(const struct tpm_quote *quote, const struct tpm_ak *ak, json_t **ret);

/* For "az-snp-vtpm" and "az-tdx-vtpm": version 2, or with @legacy the one before versions. */
struct vtpm_json_az {
	const struct tpm_quote *quote;
	const uint8_t *hcl_report;
	size_t hcl_report_size;
	bool legacy;
};
int vtpm_json_az_snp(const struct vtpm_json_az *az, const struct az_vcek *vcek, json_t **ret);
int vtpm_json_az_tdx(const struct vtpm_json_az *az, const uint8_t *td_quote, size_t td_quote_size,
		     json_t **ret);

#endif
