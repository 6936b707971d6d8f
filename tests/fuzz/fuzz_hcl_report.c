/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "fuzz.h"

#include "crypto/hash.h"
#include "tee/hcl_report.h"

#include <string.h>

#define JSON_AT	   0x4d4
#define SIZE_LIMIT 4096

/*
 * The report of Azure's paravisor: a byte for its kind, then the JSON. Header, size and the
 * hardware's hash are put right, so that the JSON is reached; a kind above 15 takes all as it is.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup(hcl_report_done) struct hcl_report report = {}, again = {};
	uint8_t made[JSON_AT + SIZE_LIMIT] = "HCLA";

	if (size == 0 || size > SIZE_LIMIT)
		return 0;
	if (data[0] > 15) {
		(void)hcl_report_parse(data + 1, size - 1, &report);
		return 0;
	}
	size--;
	made[0x4c8] = data[0];
	made[0x4cc] = 1;
	made[0x4d0] = (uint8_t)size;
	made[0x4d1] = (uint8_t)(size >> 8);
	memcpy(made + JSON_AT, data + 1, size);
	if (hash_data(HASH_SHA256, made + JSON_AT, size,
		      made + 32 + (data[0] == HCL_SNP ? 0x50 : 128)) < 0)
		return 0;
	if (hcl_report_parse(made, JSON_AT + size, &report) < 0)
		return 0;
	if (!report.ak || report.user_data_size > sizeof(report.user_data) ||
	    hcl_report_is(made, JSON_AT + size, report.type) != 1)
		abort();
	/* And none of it without the last byte. */
	if (hcl_report_parse(made, JSON_AT + size - 1, &again) == 0)
		abort();
	return 0;
}
