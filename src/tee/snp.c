/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "base/error.h"
#include "base/secret.h"
#include "tee/bytes.h"
#include "tee/platforms.h"
#include "tee/snp_certs.h"
#include "tee/snp_device.h"
#include "tee/snp_report.h"
#include "tee/tsm.h"

/*
 * AMD SEV-SNP. The guest's kernel talks to the SNP firmware in messages that the host can neither
 * read nor forge; only the certificate table comes from the host.
 */

#define PROVIDER "sev_guest"

/* As the kernel gave it. */
struct answer {
	uint8_t *report, *certs;
	size_t report_size, certs_size;
	uint32_t vmpl;
};

static void answer_done(struct answer *answer)
{
	free(answer->report);
	free(answer->certs);
}

static int snp_detect(const struct tee_context *context)
{
	int r = tsm_has_provider(TSM_REPORT_PATH, PROVIDER);

	(void)context;
	return r != 0 ? r : access(SNP_DEVICE, F_OK) == 0;
}

static int get_by_configfs(const uint8_t report_data[static SNP_REPORT_DATA_SIZE],
			   struct answer *ret)
{
	struct tsm_report report;
	int r = tsm_report_get(TSM_REPORT_PATH, PROVIDER, report_data, &report);

	if (r < 0)
		return r;
	*ret = (struct answer){
		.report = report.outblob,
		.report_size = report.outblob_size,
		.certs = report.auxblob,
		.certs_size = report.auxblob_size,
		.vmpl = report.privlevel,
	};
	return 0;
}

static int get_by_device(const uint8_t report_data[static SNP_REPORT_DATA_SIZE], struct answer *ret)
{
	int r = snp_device_get(SNP_DEVICE, report_data, &ret->report, &ret->report_size,
			       &ret->certs, &ret->certs_size);

	if (r == -ENODEV)
		return fail(
			r,
			"this machine gives no SEV-SNP reports: there is neither a provider " PROVIDER
			" below " TSM_REPORT_PATH " nor " SNP_DEVICE "; load the driver sev-guest");
	return r;
}

static int get_report(const uint8_t report_data[static SNP_REPORT_DATA_SIZE], struct answer *answer,
		      struct snp_report *ret)
{
	int r = get_by_configfs(report_data, answer);

	if (r == -ENODEV)
		r = get_by_device(report_data, answer);
	if (r == 0)
		r = snp_report_parse(answer->report, answer->report_size, ret);
	if (r == 0)
		r = snp_report_check(ret, report_data, answer->vmpl);
	return r;
}

static int make_evidence(const struct snp_report *report, const struct answer *answer, json_t **ret)
{
	cleanup(json_decrefp) json_t *report_json = NULL, *chain = NULL;
	json_t *evidence;
	int r = snp_report_to_json(report, &report_json);

	if (r == 0)
		r = snp_certs_to_json(answer->certs, answer->certs_size, &chain);
	if (r < 0)
		return r;
	evidence = json_pack("{sOsO}", "attestation_report", report_json, "cert_chain", chain);
	if (!evidence)
		return -ENOMEM;
	*ret = evidence;
	return 0;
}

static int snp_evidence(const struct tee_context *context, const struct tee_request *request,
			json_t **ret_evidence)
{
	cleanup(answer_done) struct answer answer = {};
	uint8_t report_data[SNP_REPORT_DATA_SIZE];
	struct snp_report report;
	int r;

	(void)context;
	bytes_fit(request->report_data, request->report_data_size, report_data,
		  sizeof(report_data));
	r = get_report(report_data, &answer, &report);
	return r < 0 ? r : make_evidence(&report, &answer, ret_evidence);
}

/* From a report of its own, asked for with data that nobody could foresee. */
static int snp_check_initdata(const struct tee_context *context, const uint8_t *digest,
			      size_t digest_size)
{
	cleanup(answer_done) struct answer answer = {};
	uint8_t report_data[SNP_REPORT_DATA_SIZE];
	struct snp_report report;
	int r = random_bytes(report_data, sizeof(report_data));

	(void)context;
	if (r == 0)
		r = get_report(report_data, &answer, &report);
	return r < 0 ? r : snp_report_check_host_data(&report, digest, digest_size);
}

static int member(json_t *object, const char *name)
{
	return (int)json_integer_value(json_object_get(object, name));
}

static void describe_bytes(FILE *out, const char *name, json_t *array)
{
	cleanup(freep) uint8_t *bytes = NULL;
	size_t size;

	if (bytes_from_json(array, SNP_REPORT_SIZE, &bytes, &size) == 0)
		tee_describe_bytes(out, name, bytes, size);
}

static void snp_describe(json_t *evidence, FILE *out)
{
	json_t *report = json_object_get(evidence, "attestation_report");
	json_t *tcb = json_object_get(report, "reported_tcb");
	json_t *firmware = json_object_get(report, "current");
	json_t *chain = json_object_get(evidence, "cert_chain");

	tee_describe_text(out, "report version", "%d", member(report, "version"));
	describe_bytes(out, "measurement", json_object_get(report, "measurement"));
	describe_bytes(out, "host data", json_object_get(report, "host_data"));
	describe_bytes(out, "chip id", json_object_get(report, "chip_id"));
	tee_describe_text(
		out, "policy", "0x%llx",
		(unsigned long long)json_integer_value(json_object_get(report, "policy")));
	tee_describe_text(out, "VMPL", "%d", member(report, "vmpl"));
	tee_describe_text(out, "reported TCB", "bootloader %d, tee %d, snp %d, microcode %d",
			  member(tcb, "bootloader"), member(tcb, "tee"), member(tcb, "snp"),
			  member(tcb, "microcode"));
	tee_describe_text(out, "firmware", "%d.%d.%d", member(firmware, "major"),
			  member(firmware, "minor"), member(firmware, "build"));
	tee_describe_text(out, "certificates", "%zu, from the host", json_array_size(chain));
}

const struct tee_ops tee_snp = {
	.name = "snp",
	.title = "AMD SEV-SNP",
	.detect = snp_detect,
	.evidence = snp_evidence,
	.check_initdata = snp_check_initdata,
	.describe = snp_describe,
};
