/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "base/codec.h"
#include "base/error.h"
#include "base/json.h"
#include "crypto/signature.h"
#include "tee/hcl_report.h"
#include "tee/tdx_quote.h"
#include "tpm/quote.h"
#include "verify/internal.h"

#include <string.h>

/*
 * Quotes of a TPM. The key of a plain one has nobody that vouches for it, so the reference must name
 * it; that of Azure's is in the paravisor's report, for which the hardware vouches.
 */

#define TPMT_HEAD	6 /* RSASSA, SHA-256, size */
#define KEY_LIMIT	(1 * KIB)
#define HCL_LIMIT	(64 * KIB)
#define QUOTE_LIMIT	(64 * KIB)
#define CERTIFICATE_MAX (16 * KIB)
#define TPM_NONCE_SIZE	32

static int malformed(int r)
{
	return r == -ENOMEM ? r
			    : fail(-EBADMSG, "the evidence around the TPM's quote is malformed");
}

/* Into a buffer of its own size. */
static int read_into(json_t *value, enum form form, uint8_t *ret, size_t capacity, size_t *ret_size)
{
	cleanup(freep) uint8_t *data = NULL;
	int r = form_read(value, form, capacity, &data, ret_size);

	if (r == 0)
		memcpy(ret, data, *ret_size);
	return r;
}

static int read_pcrs(json_t *array, struct tpm_pcr_values *ret)
{
	size_t size;
	int r = json_array_size(array) == TPM_PCR_COUNT ? 0 : -EBADMSG;

	ret->bank = HASH_SHA256;
	ret->mask = TPM_QUOTE_PCRS;
	for (size_t i = 0; r == 0 && i < TPM_PCR_COUNT; i++) {
		r = read_into(json_array_get(array, i), FORM_HEX, ret->values[i], HASH_SHA256_SIZE,
			      &size);
		if (r == 0 && size != HASH_SHA256_SIZE)
			r = -EBADMSG;
	}
	return r;
}

/* Azure's evidence has the bare RSA signature: @bare. */
static int read_quote(json_t *object, enum form form, bool bare, struct tpm_quote *ret)
{
	json_t *signature, *message, *pcrs;
	const struct json_member table[] = {
		{"signature", JSON_STRING, true, &signature},
		{"message", JSON_STRING, true, &message},
		{"pcrs", JSON_ARRAY, true, &pcrs},
	};
	const struct json_member legacy[] = {
		{"signature", JSON_ARRAY, true, &signature},
		{"message", JSON_ARRAY, true, &message},
		{"pcrs", JSON_ARRAY, true, &pcrs},
	};
	size_t head = bare ? TPMT_HEAD : 0;
	int r = json_read_object(object, table, ARRAY_SIZE(table), true);

	if (r < 0 && bare)
		r = json_read_object(object, legacy, ARRAY_SIZE(legacy), true);
	if (r == 0)
		r = read_into(message, form, ret->message, sizeof(ret->message),
			      &ret->message_size);
	if (r == 0)
		r = read_into(signature, form, ret->signature + head, sizeof(ret->signature) - head,
			      &ret->signature_size);
	return r < 0 ? r : read_pcrs(pcrs, &ret->pcrs);
}

/* By this key, of all 24 PCRs, and with their values? */
static int check_quote(const struct tpm_quote *quote, const uint8_t *signature_data,
		       size_t signature_size, const uint8_t *key, size_t key_size,
		       struct facts *ret)
{
	const struct signature signature = {SIGNATURE_RSASSA_SHA256, signature_data,
					    signature_size};
	struct tpm_attest attest;
	int r = tpm_attest_parse(quote->message, quote->message_size, &attest);

	if (r < 0)
		return r;
	if (signature_check(&signature, key, key_size, quote->message, quote->message_size) < 0)
		return fail(-EKEYREJECTED, "the TPM's quote is not signed by its key");
	r = tpm_attest_check_pcrs(&attest, &quote->pcrs);
	if (r < 0)
		return r == -EREMCHG ? -EKEYREJECTED : r;
	memcpy(ret->report_data, attest.nonce, attest.nonce_size);
	ret->report_data_size = attest.nonce_size;
	ret->quoted = true;
	ret->registers = (struct eventlog_registers){
		.kind = EVENTLOG_PCR,
		.bank = HASH_SHA256,
		.touched = TPM_QUOTE_PCRS,
	};
	for (size_t i = 0; i < TPM_PCR_COUNT; i++)
		memcpy(ret->registers.values[i], quote->pcrs.values[i], HASH_SHA256_SIZE);
	return 0;
}

/* ---- A plain TPM ---- */

static int check_known(const struct reference *reference, json_t *key)
{
	const char *text = json_string_value(key);

	if (reference_lists(reference->attestation_keys, text, json_string_length(key)))
		return 0;
	return fail(-EKEYREJECTED,
		    "nothing vouches for the TPM's attestation key: have 'cvmroot ak' on that "
		    "machine print it into FILE, and make the reference with "
		    "image-tools/measure --attestation-key FILE");
}

int tpm_check_evidence(const struct verify_input *input, const struct reference *reference,
		       const struct document *document, struct facts *ret)
{
	json_t *quote_json, *key_json;
	const struct json_member table[] = {
		{"tpm_quote", JSON_OBJECT, true, &quote_json},
		{"ak_public", JSON_STRING, true, &key_json},
	};
	static const char signer[] = "by a TPM key that the reference names";
	uint8_t key[KEY_LIMIT];
	const uint8_t *signature;
	size_t key_size = 0, signature_size;
	struct tpm_quote quote = {};
	int r = json_read_object(document->evidence, table, ARRAY_SIZE(table), true);

	(void)input;
	if (r == 0)
		r = read_quote(quote_json, FORM_BASE64, false, &quote);
	if (r == 0)
		r = read_into(key_json, FORM_BASE64, key, sizeof(key), &key_size);
	if (r < 0)
		return malformed(r);
	r = tpm_rsassa_parse(quote.signature, quote.signature_size, &signature, &signature_size);
	if (r == 0)
		r = check_quote(&quote, signature, signature_size, key, key_size, ret);
	if (r == 0)
		r = check_known(reference, key_json);
	ret->report_data_fitted = true;
	ret->fitted_size = TPM_NONCE_SIZE;
	memcpy(ret->signer, signer, sizeof(signer));
	return r;
}

/* ---- Azure ---- */

struct azure {
	struct tpm_quote quote;
	uint8_t *report;
	size_t report_size;
	struct hcl_report hcl;
	json_t *more; /* the VCEK, or the TD's quote */
	bool binds_nonce;
};

static void azure_done(struct azure *azure)
{
	hcl_report_done(&azure->hcl);
	free(azure->report);
}

/* Version 2 is bound to the nonce twice; 1 and the one before versions by the TPM's quote only. */
static int read_azure(json_t *evidence, const char *more, struct azure *ret)
{
	json_t *version = json_object_get(evidence, "version");
	json_t *quote = json_object_get(evidence, "tpm_quote");
	json_t *report = json_object_get(evidence, "hcl_report");
	size_t size = 3 + (version != NULL);
	int r;

	if (!version && !quote && !report) {
		quote = json_object_get(evidence, "quote");
		report = json_object_get(evidence, "report");
	}
	ret->more = json_object_get(evidence, more);
	if (json_object_size(evidence) != size || !ret->more)
		return -EBADMSG;
	ret->binds_nonce = json_integer_value(version) >= 2;
	r = read_quote(quote, FORM_HEX, true, &ret->quote);
	if (r == 0)
		r = form_read(report, FORM_BASE64URL, HCL_LIMIT, &ret->report, &ret->report_size);
	return r;
}

static int check_user_data(const struct azure *azure, const struct facts *facts)
{
	if (!azure->binds_nonce ||
	    (azure->hcl.user_data_size >= facts->report_data_size &&
	     memcmp(azure->hcl.user_data, facts->report_data, facts->report_data_size) == 0))
		return 0;
	return fail(-EKEYREJECTED, "the report of Azure's paravisor is about another nonce than "
				   "the quote beside it");
}

/* What the hardware says goes into *ret first; the registers and the nonce are the vTPM's. */
static int check_azure(const struct azure *azure, struct facts *ret)
{
	const uint8_t *signature = azure->quote.signature + TPMT_HEAD;
	int r = check_quote(&azure->quote, signature, azure->quote.signature_size, azure->hcl.ak,
			    azure->hcl.ak_size, ret);

	ret->report_data_fitted = false;
	ret->launch_vouches = true;
	return r < 0 ? r : check_user_data(azure, ret);
}

static int open_azure(const struct document *document, const char *more, enum hcl_type type,
		      struct azure *ret)
{
	int r = read_azure(document->evidence, more, ret);

	if (r < 0)
		return malformed(r);
	r = hcl_report_parse(ret->report, ret->report_size, &ret->hcl);
	if (r == 0 && ret->hcl.type != type)
		return fail(-EKEYREJECTED, "the report of Azure's paravisor is of another TEE");
	return r;
}

static int add_vcek(json_t *text, struct certificates *pool)
{
	static const char pem[] = "-----BEGIN";
	cleanup(freep) uint8_t *der = NULL;
	size_t size;
	int r;

	if (json_is_string(text) && strncmp(json_string_value(text), pem, strlen(pem)) == 0)
		return certificates_add(pool, json_string_value(text), json_string_length(text));
	r = form_read(text, FORM_BASE64URL, CERTIFICATE_MAX, &der, &size);
	return r < 0 ? r : certificates_add(pool, der, size);
}

int az_snp_check_evidence(const struct verify_input *input, const struct reference *reference,
			  const struct document *document, struct facts *ret)
{
	cleanup(certificates_freep) struct certificates *pool = NULL;
	cleanup(azure_done) struct azure azure = {};
	uint32_t vmpl;
	int r = pool_new(input, &pool);

	(void)reference;
	if (r == 0)
		r = open_azure(document, "vcek", HCL_SNP, &azure);
	if (r < 0)
		return r;
	r = add_vcek(azure.more, pool);
	if (r < 0)
		return malformed(r);
	r = snp_check_report(azure.hcl.hardware, pool, input->roots, &vmpl, ret);
	/* The guest itself may ask for reports of its own VMPL; the paravisor's is 0. */
	if (r == 0 && vmpl != 0)
		return fail(-EKEYREJECTED, "the SNP report is of VMPL %u, not of the paravisor",
			    vmpl);
	return r < 0 ? r : check_azure(&azure, ret);
}

int az_tdx_check_evidence(const struct verify_input *input, const struct reference *reference,
			  const struct document *document, struct facts *ret)
{
	cleanup(azure_done) struct azure azure = {};
	cleanup(freep) uint8_t *quote = NULL;
	struct tdx_report report;
	size_t size;
	int r = open_azure(document, "td_quote", HCL_TDX, &azure);

	(void)reference;
	if (r < 0)
		return r;
	r = form_read(azure.more, FORM_BASE64URL, QUOTE_LIMIT, &quote, &size);
	if (r < 0)
		return malformed(r);
	r = tdx_check_quote(quote, size, input->roots, ret);
	if (r == 0)
		r = tdx_report_parse(azure.hcl.hardware, azure.hcl.hardware_size, &report);
	if (r < 0)
		return r;
	/* Inside the report is the digest of the text that names the key. */
	if (memcmp(report.report_data, ret->report_data, sizeof(report.report_data)) != 0)
		return fail(-EKEYREJECTED, "the TDX quote is not of the report that Azure's "
					   "paravisor gave");
	return check_azure(&azure, ret);
}
