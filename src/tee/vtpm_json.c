/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "tee/vtpm_json.h"
#include "base/codec.h"
#include "base/json.h"
#include "tee/bytes.h"

#include <string.h>

#define AZ_VERSION 2

/* Each of these gives NULL when memory runs out; json_pack() then gives NULL as well. */

/* RFC 4648 §5 with padding. */
static json_t *base64url_json(const uint8_t *data, size_t size)
{
	cleanup(freep) char *text = malloc(base64_size(size));

	if (!text)
		return NULL;
	base64_encode(data, size, text);
	for (char *c = text; *c != '\0'; c++)
		*c = *c == '+' ? '-' : *c == '/' ? '_' : *c;
	return json_string(text);
}

static json_t *pcrs_json(const struct tpm_pcr_values *values,
			 json_t *(*form)(const uint8_t *data, size_t size))
{
	json_t *array = json_array();

	for (unsigned int pcr = 0; array && pcr < TPM_PCR_COUNT; pcr++)
		if (json_array_append_new(array, form(values->values[pcr], HASH_SHA256_SIZE)) < 0) {
			json_decref(array);
			return NULL;
		}
	return array;
}

/* Azure's verifiers take the bare RSA signature. */
static json_t *az_quote_json(const struct tpm_quote *quote,
			     json_t *(*form)(const uint8_t *data, size_t size))
{
	const uint8_t *signature;
	size_t signature_size;

	if (tpm_rsassa_parse(quote->signature, quote->signature_size, &signature, &signature_size) <
	    0)
		return NULL;
	return json_pack("{s:o, s:o, s:o}", "signature", form(signature, signature_size), "message",
			 form(quote->message, quote->message_size), "pcrs",
			 pcrs_json(&quote->pcrs, form));
}

static int take(json_t *json, json_t **ret)
{
	if (!json)
		return -ENOMEM;
	*ret = json;
	return 0;
}

int vtpm_json_tpm(const struct tpm_quote *quote, const struct tpm_ak *ak, json_t **ret)
{
	return take(json_pack("{s:{s:o, s:o, s:o}, s:o}", "tpm_quote", "signature",
			      json_base64(quote->signature, quote->signature_size), "message",
			      json_base64(quote->message, quote->message_size), "pcrs",
			      pcrs_json(&quote->pcrs, json_hex), "ak_public",
			      json_base64(ak->der, ak->size)),
		    ret);
}

int vtpm_json_az_snp(const struct vtpm_json_az *az, const struct az_vcek *vcek, json_t **ret)
{
	if (az->legacy)
		return take(json_pack("{s:o, s:o, s:s}", "quote",
				      az_quote_json(az->quote, bytes_to_json), "report",
				      bytes_to_json(az->hcl_report, az->hcl_report_size), "vcek",
				      vcek->pem),
			    ret);
	return take(json_pack("{s:i, s:o, s:o, s:o}", "version", AZ_VERSION, "tpm_quote",
			      az_quote_json(az->quote, json_hex), "hcl_report",
			      base64url_json(az->hcl_report, az->hcl_report_size), "vcek",
			      base64url_json(vcek->der, vcek->der_size)),
		    ret);
}

int vtpm_json_az_tdx(const struct vtpm_json_az *az, const uint8_t *td_quote, size_t td_quote_size,
		     json_t **ret)
{
	json_t *(*form)(const uint8_t *, size_t) = az->legacy ? bytes_to_json : base64url_json;
	cleanup(json_decrefp) json_t *json = NULL;

	json = json_pack("{s:o, s:o, s:o}", "tpm_quote",
			 az_quote_json(az->quote, az->legacy ? bytes_to_json : json_hex),
			 "hcl_report", form(az->hcl_report, az->hcl_report_size), "td_quote",
			 form(td_quote, td_quote_size));
	if (!json ||
	    (!az->legacy && json_object_set_new(json, "version", json_integer(AZ_VERSION)) < 0))
		return -ENOMEM;
	return take(TAKE_PTR(json), ret);
}
