/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "base/error.h"
#include "base/json.h"
#include "base/reader.h"
#include "crypto/hash.h"
#include "crypto/signature.h"
#include "tee/tdx_quote.h"
#include "verify/internal.h"
#include "verify/quote_signature.h"

#include <string.h>

/*
 * Quotes of Intel TDX. The TDX module's report is signed by a key that Intel's quoting enclave made;
 * the enclave's report, which binds that key, is signed by the platform's key (PCK), and that is
 * certified by Intel.
 */

#define QUOTE_LIMIT (64 * KIB)

/* Of the enclave's report (Intel SDM, volume 3D: REPORTBODY). */
#define QE_ATTRIBUTES  48
#define QE_MRSIGNER    128
#define QE_PRODUCT     256
#define QE_REPORT_DATA 320
#define QE_DEBUG       2
#define TD_QE_PRODUCT  2

/* Of the TD's report. */
#define MRSIGNERSEAM 64
#define SEAM_SIZE    (48 + 8) /* with SEAMATTRIBUTES */
/* Of the attributes, by byte: debugging and the like (TUD); MIGRATABLE; PERFMON. */
static const uint8_t td_open[8] = {[0] = 0xff, [3] = 1U << 5, [7] = 1U << 7};
#define OID_PCK	       "1.2.840.113741.1.13.1"
#define POINT_SIZE     64
#define CHAIN_QUANTITY 3

/* Who signs Intel's quoting enclave, by its published identity. */
static const uint8_t intel_signer[] = {
	0xdc, 0x9e, 0x2a, 0x7c, 0x6f, 0x94, 0x8f, 0x17, 0x47, 0x4e, 0x34,
	0xa7, 0xfc, 0x43, 0xed, 0x03, 0x0f, 0x7c, 0x15, 0x63, 0xf1, 0xba,
	0xbd, 0xdf, 0x63, 0x40, 0xc8, 0x2e, 0x0e, 0x54, 0xa8, 0xc5,
};

static bool signed_by_point(const uint8_t point[static POINT_SIZE], const uint8_t *signature,
			    const void *data, size_t size)
{
	const struct signature value = {SIGNATURE_ECDSA_P256, signature, POINT_SIZE};
	uint8_t key[SIGNATURE_P256_SIZE];

	signature_p256_key(point, key);
	return signature_check(&value, key, sizeof(key), data, size) == 0;
}

/* Is it Intel's enclave, and did it make this key? */
static int check_enclave(const struct quote_signature *parts)
{
	const uint8_t *report = parts->qe_report;
	cleanup(hash_freep) struct hash *hash = NULL;
	uint8_t digest[HASH_SHA256_SIZE];
	int r = hash_new(HASH_SHA256, &hash);

	if (r == 0)
		r = hash_update(hash, parts->key, POINT_SIZE);
	if (r == 0)
		r = hash_update(hash, parts->authentication, parts->authentication_size);
	if (r == 0)
		r = hash_final(hash, digest);
	if (r < 0)
		return r;
	if (memcmp(report + QE_REPORT_DATA, digest, sizeof(digest)) != 0 ||
	    !bytes_are_zero(report + QE_REPORT_DATA + sizeof(digest), sizeof(digest)))
		return fail(-EKEYREJECTED,
			    "the quoting enclave's report does not bind the key of the TDX quote");
	if (memcmp(report + QE_MRSIGNER, intel_signer, sizeof(intel_signer)) != 0 ||
	    report[QE_PRODUCT] != TD_QE_PRODUCT || report[QE_PRODUCT + 1] != 0 ||
	    report[QE_ATTRIBUTES] & QE_DEBUG)
		return fail(-EKEYREJECTED, "the TDX quote is not by Intel's quoting enclave");
	return 0;
}

static int check_platform(const struct quote_signature *parts, const struct certificates *roots)
{
	cleanup(certificates_freep) struct certificates *chain = NULL;
	cleanup(freep) uint8_t *key = NULL;
	struct signature signature = {SIGNATURE_ECDSA_P256, parts->qe_signature, POINT_SIZE};
	const uint8_t *extension;
	size_t size = 0;
	int r = certificates_new(&chain);

	if (r == 0)
		r = certificates_add(chain, parts->certificates, parts->certificates_size);
	if (r == -EBADMSG || r == -E2BIG || (r == 0 && certificates_count(chain) != CHAIN_QUANTITY))
		return fail(-EBADMSG, "the certificates in the TDX quote are malformed");
	if (r == 0)
		r = certificate_check_chain(chain, 0, roots, true);
	if (r == 0 && certificate_extension(chain, 0, OID_PCK, &extension, &size) < 0)
		return fail(-EKEYREJECTED, "the certificate in the TDX quote is no platform's");
	if (r == 0)
		r = certificate_public_key(chain, 0, &key, &size);
	if (r < 0)
		return r;
	if (signature_check(&signature, key, size, parts->qe_report, QE_REPORT_SIZE) < 0)
		return fail(-EKEYREJECTED, "the quoting enclave's report is not signed by the key "
					   "of the platform's certificate");
	return 0;
}

static int check_signatures(const uint8_t *quote, const struct quote_signature *parts,
			    const struct certificates *roots)
{
	int r = check_platform(parts, roots);

	if (r == 0)
		r = check_enclave(parts);
	if (r < 0)
		return r;
	if (!signed_by_point(parts->key, parts->signature, quote, parts->signed_size))
		return fail(-EKEYREJECTED, "the TDX quote is not signed by its key");
	if (!bytes_are_zero(quote + parts->body + MRSIGNERSEAM, SEAM_SIZE))
		return fail(-EKEYREJECTED, "the TDX quote is not of Intel's TDX module");
	return 0;
}

static void take_facts(const struct tdx_quote *quote, struct facts *ret)
{
	(void)snprintf(ret->signer, sizeof(ret->signer),
		       "by Intel for a platform, TDX module %u.%u, TCB not judged",
		       quote->tee_tcb_svn[1], quote->tee_tcb_svn[0]);
	for (size_t i = 0; i < sizeof(td_open); i++)
		ret->debug |= quote->td_attributes[i] & td_open[i];
	memcpy(ret->report_data, quote->report_data, sizeof(ret->report_data));
	ret->report_data_size = sizeof(ret->report_data);
	ret->report_data_fitted = true;
	ret->fitted_size = sizeof(ret->report_data);
	ret->launch_kind = LAUNCH_TDX;
	memcpy(ret->launch, quote->mrtd, sizeof(ret->launch));
	ret->quoted = true;
	ret->registers = (struct eventlog_registers){
		.kind = EVENTLOG_RTMR,
		.bank = HASH_SHA384,
		.touched = (1U << TDX_RTMR_COUNT) - 1,
	};
	for (size_t i = 0; i < TDX_RTMR_COUNT; i++)
		memcpy(ret->registers.values[i], quote->rtmr[i], TDX_MR_SIZE);
}

int tdx_check_quote(const uint8_t *data, size_t size, const struct certificates *roots,
		    struct facts *ret)
{
	struct quote_signature parts;
	struct tdx_quote quote;
	int r = tdx_quote_parse(data, size, &quote);

	if (r < 0)
		return r;
	if (quote_signature_parse(data, size, &parts) < 0)
		return fail(-EBADMSG, "the signature of the TDX quote is malformed");
	r = check_signatures(data, &parts, roots);
	if (r == 0)
		take_facts(&quote, ret);
	return r;
}

int tdx_check_evidence(const struct verify_input *input, const struct reference *reference,
		       const struct document *document, struct facts *ret)
{
	cleanup(freep) uint8_t *data = NULL;
	json_t *quote = NULL, *log = NULL;
	size_t size;
	int r;

	(void)reference;
	quote = json_object_get(document->evidence, "quote");
	log = json_object_get(document->evidence, "cc_eventlog");
	r = form_read(quote, FORM_BASE64, QUOTE_LIMIT, &data, &size);
	/* Brokers read that log; the ones of the document are what counts here. */
	if (r == -ENOMEM)
		return r;
	if (r < 0 || json_object_size(document->evidence) != 1 + (size_t)(log != NULL))
		return fail(-EBADMSG, "the TDX evidence is malformed");
	return tdx_check_quote(data, size, input->roots, ret);
}
