/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "base/codec.h"
#include "base/error.h"
#include "tee/platforms.h"

/*
 * Trustee's "sample" TEE: a document that anybody can write. It is built only with -Dsample-tee,
 * for tests of the protocol on machines without a TEE; it must be named, detection never finds it.
 */
static int sample_detect(const struct tee_context *context)
{
	(void)context;
	return 0;
}

static int sample_evidence(const struct tee_context *context, const struct tee_request *request,
			   json_t **ret_evidence)
{
	char report_data[(TEE_REPORT_DATA_SIZE + 2) / 3 * 4 + 1];
	json_t *evidence;

	(void)context;
	base64_encode(request->report_data, request->report_data_size, report_data);
	evidence = json_pack("{ssss}", "svn", "1", "report_data", report_data);
	if (!evidence)
		return -ENOMEM;
	*ret_evidence = evidence;
	return 0;
}

const struct tee_ops tee_sample = {
	.name = "sample",
	.title = "the sample TEE, which proves nothing",
	.detect = sample_detect,
	.evidence = sample_evidence,
};
