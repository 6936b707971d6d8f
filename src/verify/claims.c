/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "base/codec.h"
#include "base/error.h"
#include "tee/bytes.h"
#include "verify/internal.h"

#include <stdarg.h>
#include <string.h>

static const struct {
	const char *name, *title;
} claims[VERIFY_CLAIMS] = {
	[VERIFY_GENUINE] = {"genuine", "genuine"},
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
	return fail(-EOPNOTSUPP, "the signatures of this platform cannot be checked here: give its "
				 "evidence to a verifier that knows it");
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
	if (!facts->report_data_fitted && size != facts->report_data_size)
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

/* ---- What was started ---- */

static void check_launch(const struct reference *reference, const struct facts *facts,
			 struct verify_result *result)
{
	const json_t *list =
		facts->launch_kind == LAUNCH_SNP ? reference->measurement : reference->mrtd;
	const char *name = facts->launch_kind == LAUNCH_SNP ? "launch measurement" : "MRTD";
	char text[2 * LAUNCH_SIZE + 1];

	hex_encode(facts->launch, sizeof(facts->launch), text);
	result->claims[VERIFY_LAUNCH].wanted =
		facts->launch_kind != LAUNCH_NONE && (list || facts->launch_vouches);
	if (facts->launch_kind == LAUNCH_NONE)
		claim_set(result, VERIFY_LAUNCH, VERIFY_UNCHECKED,
			  "a TPM does not say what started the machine");
	else if (!list)
		claim_set(result, VERIFY_LAUNCH, VERIFY_UNCHECKED,
			  "the reference names no %s; here it is %s%s", name, text,
			  facts->launch_vouches
				  ? ", of the paravisor, which alone vouches for the TPM"
				  : "");
	else
		claim_set(result, VERIFY_LAUNCH,
			  reference_lists(list, text, strlen(text)) ? VERIFY_HOLDS : VERIFY_FAILS,
			  "the %s is %s", name, text);
}

/* "4, 9": registers by their verdict. */
struct names {
	char text[96];
	size_t size;
};

static void add_name(struct names *names, const char *name)
{
	int size = snprintf(names->text + names->size, sizeof(names->text) - names->size, "%s%s",
			    names->size > 0 ? ", " : "", name);

	names->size = MIN(names->size + (size_t)size, sizeof(names->text) - 1);
}

static void compare_registers(json_t *registers, const struct facts *facts, struct names *good,
			      struct names *bad)
{
	size_t size = hash_size(facts->registers.bank);
	const char *name;
	json_t *value;

	json_object_foreach (registers, name, value) {
		const json_t *list = json_object_get(value, "booted");
		unsigned long index = strtoul(name, NULL, 10);

		if (list)
			add_name(reference_lists_hex(list, facts->registers.values[index], size)
					 ? good
					 : bad,
				 name);
	}
}

static void check_image(const struct reference *reference, const struct facts *facts,
			struct verify_result *result)
{
	bool rtmr = facts->registers.kind == EVENTLOG_RTMR;
	const char *kind = rtmr ? "RTMR" : "PCR";
	json_t *registers =
		rtmr ? reference->rtmrs
		     : json_object_get(reference->pcrs, hash_name(facts->registers.bank));
	struct names good = {}, bad = {};

	if (!facts->quoted) {
		claim_set(result, VERIFY_IMAGE, VERIFY_UNCHECKED,
			  "this platform has no registers: the launch measurement says it all");
		return;
	}
	result->claims[VERIFY_IMAGE].wanted = rtmr ? reference->rtmrs : reference->pcrs;
	compare_registers(registers, facts, &good, &bad);
	if (bad.size > 0)
		claim_set(result, VERIFY_IMAGE, VERIFY_FAILS,
			  "%s %s: not as the reference says of a machine that has booted", kind,
			  bad.text);
	else if (good.size > 0)
		claim_set(result, VERIFY_IMAGE, VERIFY_HOLDS, "%s %s: as the reference says", kind,
			  good.text);
	else
		claim_set(result, VERIFY_IMAGE, VERIFY_UNCHECKED,
			  "the reference names no %s of bank %s of a machine that has booted", kind,
			  hash_name(facts->registers.bank));
}

/* ---- All of it ---- */

static void set_genuine(const struct facts *facts, struct verify_result *result)
{
	claim_set(result, VERIFY_GENUINE, VERIFY_HOLDS, "signed %s", facts->signer);
	claim_set(result, VERIFY_NO_DEBUG, facts->debug ? VERIFY_FAILS : VERIFY_HOLDS, "%s",
		  facts->debug ? "the host may read the memory of this machine"
			       : "its memory cannot be read by the host's debugger");
	if (facts->launch_kind == LAUNCH_NONE)
		claim_set(result, VERIFY_NO_DEBUG, VERIFY_UNCHECKED,
			  "a TPM does not say who can read the machine's memory");
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
	r = check_fresh(input, document, &facts, result, &bound);
	if (r < 0)
		return r;
	check_launch(reference, &facts, result);
	check_image(reference, &facts, result);
	return claims_of_events(document, reference, &facts, bound, result);
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
