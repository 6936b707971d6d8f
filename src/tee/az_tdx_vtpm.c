/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "tee/tdx_quote.h"
#include "tee/vtpm.h"
#include "tee/vtpm_json.h"

static int detect(const struct tee_context *context)
{
	return az_detect(context, HCL_TDX);
}

/* Is it a quote of this very report? */
static int check_quote(const struct hcl_report *hcl, const uint8_t *data, size_t size)
{
	struct tdx_report report;
	struct tdx_quote quote;
	int r = tdx_report_parse(hcl->hardware, hcl->hardware_size, &report);

	if (r == 0)
		r = tdx_quote_parse(data, size, &quote);
	return r < 0 ? r : tdx_quote_check(&quote, report.report_data);
}

/* The report is good inside this machine only; the host's quoting enclave makes a quote of it. */
static int fetch_quote(const struct tee_context *context, const struct hcl_report *hcl,
		       uint8_t **ret, size_t *ret_size)
{
	cleanup(freep) char *body = NULL, *answer = NULL;
	cleanup(freep) uint8_t *quote = NULL;
	size_t size = 0, quote_size = 0;
	int r = az_td_quote_ask(hcl->hardware, hcl->hardware_size, &body);

	if (r == 0)
		r = az_http("/acc/tdquote", body, context->wait_ms, &answer, &size);
	if (r == 0)
		r = az_td_quote_read(answer, size, &quote, &quote_size);
	if (r == 0)
		r = check_quote(hcl, quote, quote_size);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(quote);
	*ret_size = quote_size;
	return 0;
}

static int evidence(const struct tee_context *context, const struct tee_request *request,
		    json_t **ret)
{
	cleanup(az_evidence_done) struct az_evidence parts = {};
	struct vtpm_json_az form = {.quote = &parts.quote, .legacy = request->legacy};
	cleanup(freep) uint8_t *quote = NULL;
	size_t size = 0;
	int r = az_collect(context, request, HCL_TDX, &parts);

	if (r == 0)
		r = fetch_quote(context, &parts.hcl, &quote, &size);
	if (r < 0)
		return r;
	form.hcl_report = parts.report;
	form.hcl_report_size = parts.report_size;
	return vtpm_json_az_tdx(&form, quote, size, ret);
}

const struct tee_ops tee_az_tdx_vtpm = {
	.name = "az-tdx-vtpm",
	.legacy_name = "aztdxvtpm",
	.title = "Intel TDX on Azure, by its vTPM",
	.detect = detect,
	.evidence = evidence,
	.check_initdata = vtpm_check_initdata,
	.describe = vtpm_describe,
};
