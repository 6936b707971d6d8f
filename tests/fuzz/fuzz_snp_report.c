/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "fuzz.h"

#include "tee/snp_ioctl.h"
#include "tee/snp_report.h"

#include <string.h>

/* As the kernel's report interface gives it, and behind the header of /dev/sev-guest's answer. */
static void fuzz_response(const uint8_t *data, size_t size)
{
	uint8_t response[SNP_RESPONSE_SIZE] = {};
	const uint8_t *report;
	size_t report_size;

	memcpy(response, data, MIN(size, sizeof(response)));
	if (snp_response_decode(response, &report, &report_size) == 0 &&
	    (report < response || report + report_size > response + sizeof(response)))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup(json_decrefp) json_t *json = NULL;
	struct snp_report report;

	fuzz_response(data, size);
	if (snp_report_parse(data, size, &report) < 0)
		return 0;
	if (snp_report_check(&report, data + 0x50, report.vmpl) < 0)
		abort();
	if (snp_report_to_json(&report, &json) == 0 &&
	    json_array_size(json_object_get(json, "chip_id")) != 64)
		abort();
	return 0;
}
