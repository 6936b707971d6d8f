/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "base/error.h"
#include "base/log.h"
#include "tee/vtpm.h"

#include <string.h>

/* Azure's: the paravisor's report, what the guest gives for it, and the attestation key. */
#define REPORT_INDEX	0x01400001
#define USER_DATA_INDEX 0x01400002
#define AK_HANDLE	0x81000003

/* The paravisor is said to need up to three seconds. */
#define FIRST_WAIT_MS	10
#define LONGEST_WAIT_MS 500

/* No index, or one of another form: another machine's, and none of ours. */
static bool is_not_azure(int r)
{
	return r == -ENOENT || r == -EKEYREJECTED;
}

int az_detect(const struct tee_context *context, enum hcl_type type)
{
	cleanup(freep) uint8_t *report = NULL;
	size_t size;
	int r;

	if (!context->tpm)
		return 0;
	r = tpm_nv_read(context->tpm, REPORT_INDEX, &report, &size);
	if (is_not_azure(r))
		return 0;
	return r < 0 ? r : hcl_report_is(report, size, type);
}

static int read_report(const struct tee_context *context, enum hcl_type type,
		       struct az_evidence *evidence)
{
	int r;

	hcl_report_done(&evidence->hcl);
	free(TAKE_PTR(evidence->report));
	r = tpm_nv_read(context->tpm, REPORT_INDEX, &evidence->report, &evidence->report_size);
	if (is_not_azure(r))
		return fail(-ENODEV,
			    "this is no confidential VM of Azure: its TPM holds no report "
			    "(NV index 0x%x)",
			    REPORT_INDEX);
	if (r == 0)
		r = hcl_report_parse(evidence->report, evidence->report_size, &evidence->hcl);
	if (r == 0 && evidence->hcl.type != type)
		return fail(-ENODEV, "this machine's paravisor reports another TEE (kind %u)",
			    evidence->hcl.type);
	return r;
}

static bool carries(const struct hcl_report *hcl, const struct tee_request *request)
{
	return hcl->user_data_size >= request->report_data_size &&
	       memcmp(hcl->user_data, request->report_data, request->report_data_size) == 0;
}

/*
 * The paravisor makes a new report after a write, and says nothing when it is there. When it comes
 * between two parts of our reading, the parts do not fit together: then we read again.
 */
static int await_report(const struct tee_context *context, const struct tee_request *request,
			enum hcl_type type, struct az_evidence *evidence)
{
	struct vtpm_wait wait = vtpm_wait_begin(context->wait_ms, FIRST_WAIT_MS, LONGEST_WAIT_MS);
	int r;

	do {
		r = read_report(context, type, evidence);
		if (r == 0 && (request->legacy || carries(&evidence->hcl, request)))
			return 0;
		if (r < 0 && r != -EBADMSG && r != -EKEYREJECTED)
			return r;
		log_debug("Azure's report does not have the report data yet");
	} while (vtpm_wait(&wait));
	if (r < 0)
		return r;
	return fail(-ETIMEDOUT,
		    "Azure's paravisor did not put the report data into its report within %u ms",
		    context->wait_ms);
}

/* What the report names must be what quotes; else a verifier would refuse, without a reason. */
static int check_key(const struct tee_context *context, const struct hcl_report *hcl)
{
	cleanup(tpm_ak_done) struct tpm_ak ak = {};
	int r = tpm_ak_read_any(context->tpm, AK_HANDLE, &ak);

	if (r < 0 && r != -ENOENT && r != -EKEYREJECTED)
		return r;
	if (r < 0 || ak.size != hcl->ak_size || memcmp(ak.der, hcl->ak, ak.size) != 0)
		return fail(-EKEYREJECTED,
			    "the key at the TPM's handle 0x%x is not the one that Azure's report "
			    "names",
			    AK_HANDLE);
	return 0;
}

static int collect(const struct tee_context *context, const struct tee_request *request,
		   enum hcl_type type, struct az_evidence *evidence)
{
	int r = 0;

	if (!request->legacy)
		r = tpm_nv_write(context->tpm, USER_DATA_INDEX, request->report_data,
				 request->report_data_size);
	if (r == 0)
		r = await_report(context, request, type, evidence);
	if (r == 0)
		r = check_key(context, &evidence->hcl);
	if (r == 0)
		r = tpm_quote(context->tpm, AK_HANDLE, request->report_data,
			      request->report_data_size, &evidence->quote);
	return r;
}

int az_collect(const struct tee_context *context, const struct tee_request *request,
	       enum hcl_type type, struct az_evidence *ret)
{
	cleanup(az_evidence_done) struct az_evidence evidence = {};
	int r;

	if (!context->tpm)
		return fail(-ENODEV, "this is no confidential VM of Azure: it has no TPM");
	r = collect(context, request, type, &evidence);
	if (r < 0)
		return r;
	*ret = evidence;
	evidence = (struct az_evidence){};
	return 0;
}

void az_evidence_done(struct az_evidence *evidence)
{
	hcl_report_done(&evidence->hcl);
	free(evidence->report);
	evidence->report = NULL;
}
