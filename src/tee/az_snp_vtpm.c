/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "tee/vtpm.h"
#include "tee/vtpm_json.h"

static int detect(const struct tee_context *context)
{
	return az_detect(context, HCL_SNP);
}

static int fetch_vcek(const struct tee_context *context, struct az_vcek *ret)
{
	cleanup(freep) char *answer = NULL;
	size_t size;
	int r = az_http("/metadata/THIM/amd/certification", NULL, context->wait_ms, &answer, &size);

	return r < 0 ? r : az_vcek_read(answer, size, ret);
}

static int evidence(const struct tee_context *context, const struct tee_request *request,
		    json_t **ret)
{
	cleanup(az_evidence_done) struct az_evidence parts = {};
	cleanup(az_vcek_done) struct az_vcek vcek = {};
	struct vtpm_json_az form = {.quote = &parts.quote, .legacy = request->legacy};
	int r = az_collect(context, request, HCL_SNP, &parts);

	if (r == 0)
		r = fetch_vcek(context, &vcek);
	if (r < 0)
		return r;
	form.hcl_report = parts.report;
	form.hcl_report_size = parts.report_size;
	return vtpm_json_az_snp(&form, &vcek, ret);
}

const struct tee_ops tee_az_snp_vtpm = {
	.name = "az-snp-vtpm",
	.legacy_name = "azsnpvtpm",
	.title = "AMD SEV-SNP on Azure, by its vTPM",
	.detect = detect,
	.evidence = evidence,
	.check_initdata = vtpm_check_initdata,
	.describe = vtpm_describe,
};
