/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "base/error.h"
#include "base/secret.h"
#include "tee/bytes.h"
#include "tee/cca_token.h"
#include "tee/platforms.h"
#include "tee/tsm.h"

/* Arm CCA: the realm's monitor makes the token, so the host cannot forge it. */

#define PROVIDER "arm_cca_guest"

static int cca_detect(const struct tee_context *context)
{
	(void)context;
	return tsm_has_provider(TSM_REPORT_PATH, PROVIDER);
}

static int get_token(const uint8_t challenge[static CCA_CHALLENGE_SIZE], struct tsm_report *report,
		     struct cca_token *ret)
{
	int r = tsm_report_get(TSM_REPORT_PATH, PROVIDER, challenge, report);

	if (r == 0)
		r = cca_token_parse(report->outblob, report->outblob_size, ret);
	return r < 0 ? r : cca_token_check(ret, challenge);
}

static int cca_evidence(const struct tee_context *context, const struct tee_request *request,
			json_t **ret_evidence)
{
	cleanup(tsm_report_done) struct tsm_report report = {};
	uint8_t challenge[CCA_CHALLENGE_SIZE];
	struct cca_token token;
	json_t *evidence;
	int r;

	(void)context;
	bytes_fit(request->report_data, request->report_data_size, challenge, sizeof(challenge));
	r = get_token(challenge, &report, &token);
	if (r < 0)
		return r;
	evidence = json_pack("{so}", "token", bytes_to_json(report.outblob, report.outblob_size));
	if (!evidence)
		return -ENOMEM;
	*ret_evidence = evidence;
	return 0;
}

static int cca_check_initdata(const struct tee_context *context, const uint8_t *digest,
			      size_t digest_size)
{
	cleanup(tsm_report_done) struct tsm_report report = {};
	uint8_t challenge[CCA_CHALLENGE_SIZE];
	struct cca_token token;
	int r = random_bytes(challenge, sizeof(challenge));

	(void)context;
	if (r == 0)
		r = get_token(challenge, &report, &token);
	return r < 0 ? r : cca_token_check_personalization(&token, digest, digest_size);
}

static void cca_describe(json_t *evidence, FILE *out)
{
	cleanup(freep) uint8_t *data = NULL;
	struct cca_token token;
	size_t size;

	if (bytes_from_json(json_object_get(evidence, "token"), TSM_OUTBLOB_LIMIT, &data, &size) <
		    0 ||
	    cca_token_parse(data, size, &token) < 0)
		return;
	tee_describe_bytes(out, "measurement", token.initial_measurement,
			   token.initial_measurement_size);
	tee_describe_bytes(out, "personalization", token.personalization,
			   sizeof(token.personalization));
}

const struct tee_ops tee_cca = {
	.name = "cca",
	.title = "Arm CCA",
	.detect = cca_detect,
	.evidence = cca_evidence,
	.check_initdata = cca_check_initdata,
	.describe = cca_describe,
};
