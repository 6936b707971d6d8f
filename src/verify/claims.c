/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "base/error.h"
#include "tee/bytes.h"
#include "verify/internal.h"

#include <stdarg.h>
#include <string.h>

static const struct {
	const char *name, *title;
} claims[VERIFY_CLAIMS] = {
	[VERIFY_GENUINE] = {"genuine", "genuine"},
	[VERIFY_PLATFORM] = {"platform", "this platform"},
	[VERIFY_NO_DEBUG] = {"no-debug", "closed to debuggers"},
	[VERIFY_FRESH] = {"fresh", "made for this nonce"},
	[VERIFY_LAUNCH] = {"launch", "this firmware"},
	[VERIFY_IMAGE] = {"image", "this image"},
	[VERIFY_LOGS] = {"logs", "logs are whole"},
	[VERIFY_CONFIG] = {"config", "this configuration"},
	[VERIFY_ROOT] = {"root", "this root"},
	[VERIFY_ENCRYPTED] = {"encrypted", "encrypted by this image"},
	[VERIFY_HOW] = {"how", "fresh or reopened"},
	[VERIFY_PROVIDER] = {"provider", "by this provider"},
	[VERIFY_CLOSED] = {"closed", "nobody unsealed again"},
};

const char *verify_claim_name(enum verify_claim claim)
{
	return claims[claim].name;
}

const char *verify_claim_title(enum verify_claim claim)
{
	return claims[claim].title;
}

bool verify_accepts(const struct verify_result *result)
{
	for (size_t i = 0; i < VERIFY_CLAIMS; i++)
		if (result->claims[i].verdict == VERIFY_FAILS ||
		    (result->claims[i].wanted && result->claims[i].verdict != VERIFY_HOLDS))
			return false;
	return true;
}

void claim_set(struct verify_result *result, enum verify_claim claim, enum verify_verdict verdict,
	       const char *format, ...)
{
	va_list arguments;

	result->claims[claim].verdict = verdict;
	va_start(arguments, format);
	(void)vsnprintf(result->claims[claim].text, sizeof(result->claims[claim].text), format,
			arguments);
	va_end(arguments);
}

static const struct platform platforms[] = {
	{"tdx", tdx_check_evidence},
	{"az-tdx-vtpm", az_tdx_check_evidence},
	{"az-snp-vtpm", az_snp_check_evidence},
	{"snp", snp_check_evidence},
	{"tpm", tpm_check_evidence},
};

int platform_find(const char *name, const struct platform **ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(platforms); i++)
		if (strcmp(platforms[i].name, name) == 0) {
			*ret = &platforms[i];
			return 0;
		}
	/* The name is not printed: it may be anything. */
	return fail(-EOPNOTSUPP,
		    "the signatures of this platform cannot be checked here, only those "
		    "of tdx, az-tdx-vtpm, az-snp-vtpm, snp and tpm");
}

/* ---- The nonce, and where there are no registers the log ---- */

/* 1 when the evidence is about this nonce, in the way of its platform. */
static int is_about(const struct document *document, const struct facts *facts,
		    const uint8_t *nonce, size_t nonce_size)
{
	uint8_t data[TEE_REPORT_DATA_SIZE] = {}, wanted[TEE_REPORT_DATA_SIZE];
	size_t size;
	int r = verify_report_data(document->bare || document->registers,
				   document->logs[LOG_USER].data, document->logs[LOG_USER].size,
				   nonce, nonce_size, data, &size);

	if (r < 0)
		return r;
	/* Who asks a TPM chooses the size of what it is asked about, which may be nothing. */
	if (facts->report_data_fitted ? facts->report_data_size < facts->fitted_size
				      : facts->report_data_size != size)
		return 0;
	bytes_fit(data, size, wanted, facts->report_data_size);
	return memcmp(wanted, facts->report_data, facts->report_data_size) == 0;
}

/* *ret_bound: the evidence is about what stands beside it in the document. */
static int check_fresh(const struct verify_input *input, const struct document *document,
		       const struct facts *facts, struct verify_result *result, bool *ret_bound)
{
	const uint8_t *nonce = document->bare ? input->nonce : document->nonce;
	size_t size = document->bare ? input->nonce_size : document->nonce_size;
	int about = size > 0 ? is_about(document, facts, nonce, size) : 0;

	if (about < 0)
		return about;
	*ret_bound = about && !document->bare;
	if (size > 0 && !about)
		claim_set(result, VERIFY_FRESH, VERIFY_FAILS,
			  document->bare
				  ? "the evidence is about another nonce"
				  : "the evidence is not about the nonce%s that came with it",
			  document->registers ? "" : " and the log");
	else if (input->nonce_size == 0)
		claim_set(result, VERIFY_FRESH, VERIFY_UNCHECKED,
			  "no nonce was given to compare with: it may be old");
	else if (size != input->nonce_size || memcmp(nonce, input->nonce, size) != 0)
		claim_set(result, VERIFY_FRESH, VERIFY_FAILS, "it was made for another nonce");
	else
		claim_set(result, VERIFY_FRESH, VERIFY_HOLDS, "the nonce is the one given");
	result->claims[VERIFY_FRESH].wanted = input->nonce_size > 0;
	return 0;
}

/* ---- All of it ---- */

static void set_genuine(const struct facts *facts, struct verify_result *result)
{
	claim_set(result, VERIFY_GENUINE, VERIFY_HOLDS, "signed %s", facts->signer);
	claim_set(result, VERIFY_NO_DEBUG, facts->debug ? VERIFY_FAILS : VERIFY_HOLDS, "%s",
		  facts->debug ? "the host may look into this machine, or have it moved: debugging "
				 "or migration is allowed"
			       : "neither debugging nor migration is allowed");
	if (facts->launch_kind == LAUNCH_NONE)
		claim_set(result, VERIFY_NO_DEBUG, VERIFY_UNCHECKED,
			  "a TPM does not say who can read the machine's memory");
}

/* The evidence says what it is, and so which of the reference values count: that is not its to
 * choose. */
static void check_platform(const struct verify_input *input, const struct reference *reference,
			   const struct document *document, struct verify_result *result)
{
	const char *name = document->platform->name;
	bool same = (!input->tee || strcmp(input->tee, name) == 0) &&
		    (!reference->tee || reference_lists(reference->tee, name, strlen(name)));

	if (!input->tee && !reference->tee)
		claim_set(result, VERIFY_PLATFORM, VERIFY_UNCHECKED,
			  "it is %s, which only the evidence says: give --tee, or make the "
			  "reference with --tee",
			  name);
	else
		claim_set(result, VERIFY_PLATFORM, same ? VERIFY_HOLDS : VERIFY_FAILS, "it is %s%s",
			  name, same ? "" : ", and another one was asked for");
	result->claims[VERIFY_PLATFORM].wanted = true;
}

static int check(const struct verify_input *input, const struct reference *reference,
		 const struct document *document, struct verify_result *result)
{
	struct facts facts = {};
	bool bound = false;
	int r;

	r = document->platform->check(input, reference, document, &facts);
	if (r == -EKEYREJECTED)
		claim_set(result, VERIFY_GENUINE, VERIFY_FAILS, "%s", fail_sentence(r));
	if (r < 0)
		return r == -EKEYREJECTED ? 0 : r;
	set_genuine(&facts, result);
	check_platform(input, reference, document, result);
	r = check_fresh(input, document, &facts, result, &bound);
	if (r < 0)
		return r;
	return claims_of_boot(document, reference, &facts, bound, result);
}

int verify_evidence(const struct verify_input *input, struct verify_result *ret)
{
	cleanup(reference_done) struct reference reference = {};
	cleanup(document_done) struct document document = {};
	struct verify_result result = {};
	int r = reference_read(input->reference, input->reference_size, &reference);

	for (enum verify_claim i = 0; i < VERIFY_CLAIMS; i++)
		claim_set(&result, i, VERIFY_UNCHECKED, "the evidence is not genuine");
	if (r == 0)
		r = document_read(input->evidence, input->evidence_size, input->tee, &document);
	if (r == 0)
		r = check(input, &reference, &document, &result);
	if (r < 0)
		return r;
	result.claims[VERIFY_GENUINE].wanted = true;
	*ret = result;
	return 0;
}
