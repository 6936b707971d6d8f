/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "base/codec.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/secret.h"
#include "eventlog/cc_eventlog.h"
#include "eventlog/paths.h"
#include "tee/bytes.h"
#include "tee/platforms.h"
#include "tee/tdx_quote.h"
#include "tee/tsm.h"

#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>

/* Intel TDX. */

#define PROVIDER   "tdx_guest"
#define TDX_DEVICE "/dev/tdx_guest"

/* Linux, include/uapi/linux/tdx-guest.h. */
struct tdx_report_request {
	uint8_t report_data[TDX_REPORT_DATA_SIZE];
	uint8_t report[TDX_REPORT_SIZE];
};
#define GET_REPORT _IOWR('T', 1, struct tdx_report_request)

static int tdx_detect(const struct tee_context *context)
{
	int r = tsm_has_provider(TSM_REPORT_PATH, PROVIDER);

	(void)context;
	return r != 0 ? r : access(TDX_DEVICE, F_OK) == 0;
}

static int get_quote(const uint8_t report_data[static TDX_REPORT_DATA_SIZE], struct tsm_report *ret)
{
	cleanup(tsm_report_done) struct tsm_report report = {};
	struct tdx_quote quote;
	int r = tsm_report_get(TSM_REPORT_PATH, PROVIDER, report_data, &report);

	if (r < 0 && r != -ENODEV && r != -ENOMEM)
		return fail(r, "%s (TDX quotes need a quote generation service on the host)",
			    fail_sentence(r));
	if (r == 0)
		r = tdx_quote_parse(report.outblob, report.outblob_size, &quote);
	if (r == 0)
		r = tdx_quote_check(&quote, report_data);
	if (r < 0)
		return r;
	*ret = report;
	report = (struct tsm_report){};
	return 0;
}

/* A log that is not there is NULL. */
static int read_log(const char *path, char **ret, size_t *ret_size)
{
	int r = file_read_all(path, CC_EVENTLOG_FILE_LIMIT, ret, ret_size);

	if (r < 0 && r != -ENOENT)
		return fail(r, "cannot read the event log %s: %s", path, strerror(-r));
	return 0;
}

static int get_eventlog(json_t **ret)
{
	cleanup(freep) char *ccel = NULL;
	cleanup(freep) char *aael = NULL;
	cleanup(freep) uint8_t *log = NULL;
	size_t ccel_size = 0, aael_size = 0, size = 0;
	int r = read_log(CCEL_PATH, &ccel, &ccel_size);

	if (r == 0)
		r = read_log(AAEL_PATH, &aael, &aael_size);
	if (r == 0)
		r = cc_eventlog_make(ccel, ccel_size, aael, aael_size, &log, &size);
	if (r < 0)
		return r;
	*ret = log ? json_base64(log, size) : json_null();
	return *ret ? 0 : -ENOMEM;
}

static int tdx_evidence(const struct tee_context *context, const struct tee_request *request,
			json_t **ret_evidence)
{
	cleanup(tsm_report_done) struct tsm_report report = {};
	cleanup(json_decrefp) json_t *eventlog = NULL;
	uint8_t report_data[TDX_REPORT_DATA_SIZE];
	json_t *evidence;
	int r;

	(void)context;
	bytes_fit(request->report_data, request->report_data_size, report_data,
		  sizeof(report_data));
	r = get_quote(report_data, &report);
	if (r == 0)
		r = get_eventlog(&eventlog);
	if (r < 0)
		return r;
	evidence = json_pack("{sosO}", "quote", json_base64(report.outblob, report.outblob_size),
			     "cc_eventlog", eventlog);
	if (!evidence)
		return -ENOMEM;
	*ret_evidence = evidence;
	return 0;
}

static int get_module_report(struct tdx_report *ret)
{
	cleanup(closep) int fd = open(TDX_DEVICE, O_RDWR | O_CLOEXEC);
	struct tdx_report_request request = {};
	int r = random_bytes(request.report_data, sizeof(request.report_data));

	if (r < 0)
		return r;
	if (fd < 0)
		return fail(errno == ENOENT ? -ENODEV : -errno,
			    "cannot open " TDX_DEVICE ", which tells what the TDX module knows of "
			    "this machine: %s",
			    strerror(errno));
	if (ioctl(fd, GET_REPORT, &request) < 0)
		return fail(-errno, "cannot get the TDX module's report from " TDX_DEVICE ": %s",
			    strerror(errno));
	r = tdx_report_parse(request.report, sizeof(request.report), ret);
	if (r < 0)
		return r;
	if (memcmp(ret->report_data, request.report_data, TDX_REPORT_DATA_SIZE) != 0)
		return fail(-ESTALE, "the TDX module's report is not about the data asked for");
	return 0;
}

/*
 * Not from a quote: that comes by way of the host, which could write any MRCONFIGID into it, and
 * only a verifier looks at the signature. The TDX module's report does not leave the machine.
 */
static int tdx_check_initdata(const struct tee_context *context, const uint8_t *digest,
			      size_t digest_size)
{
	struct tdx_report report;
	int r = get_module_report(&report);

	(void)context;
	return r < 0 ? r : tdx_report_check_config_id(&report, digest, digest_size);
}

static void describe_quote(const struct tdx_quote *quote, FILE *out)
{
	static const char *const rtmrs[TDX_RTMR_COUNT] = {"RTMR0", "RTMR1", "RTMR2", "RTMR3"};

	tee_describe_text(out, "quote version", "%u", quote->version);
	tee_describe_bytes(out, "MRTD", quote->mrtd, sizeof(quote->mrtd));
	for (size_t i = 0; i < TDX_RTMR_COUNT; i++)
		tee_describe_bytes(out, rtmrs[i], quote->rtmr[i], TDX_MR_SIZE);
	tee_describe_bytes(out, "MRCONFIGID", quote->mrconfigid, sizeof(quote->mrconfigid));
	tee_describe_bytes(out, "XFAM", quote->xfam, sizeof(quote->xfam));
	tee_describe_bytes(out, "TD attributes", quote->td_attributes,
			   sizeof(quote->td_attributes));
	tee_describe_bytes(out, "TEE TCB SVN", quote->tee_tcb_svn, sizeof(quote->tee_tcb_svn));
}

static void tdx_describe(json_t *evidence, FILE *out)
{
	json_t *text = json_object_get(evidence, "quote");
	cleanup(freep) uint8_t *data = malloc(TSM_OUTBLOB_LIMIT);
	struct tdx_quote quote;
	size_t size;

	if (data &&
	    base64_decode(json_string_value(text), json_string_length(text), data,
			  TSM_OUTBLOB_LIMIT, &size) == 0 &&
	    tdx_quote_parse(data, size, &quote) == 0)
		describe_quote(&quote, out);
	tee_describe_text(out, "event log", "%s",
			  json_is_null(json_object_get(evidence, "cc_eventlog")) ? "none" : "yes");
}

const struct tee_ops tee_tdx = {
	.name = "tdx",
	.title = "Intel TDX",
	.detect = tdx_detect,
	.evidence = tdx_evidence,
	.check_initdata = tdx_check_initdata,
	.describe = tdx_describe,
};
