/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "fuzz.h"

#include "tee/tdx_quote.h"

#include <string.h>

/* Against the TD's own value, and against another. */
static void check_config_id(const struct tdx_report *report)
{
	uint8_t other[TDX_MR_SIZE];

	memcpy(other, report->mrconfigid, sizeof(other));
	if (tdx_report_check_config_id(report, other, sizeof(other)) < 0)
		abort();
	other[0] ^= 1;
	if (tdx_report_check_config_id(report, other, sizeof(other)) == 0)
		abort();
}

/* A quote, which passes through the host; and a TDREPORT. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tdx_report report;
	struct tdx_quote quote;

	if (tdx_report_parse(data, size, &report) == 0) {
		if (size != TDX_REPORT_SIZE)
			abort();
		check_config_id(&report);
	}
	if (tdx_quote_parse(data, size, &quote) < 0)
		return 0;
	if (tdx_quote_check(&quote, data + (quote.version == 5 ? 54 : 48) + 520) < 0)
		abort();
	quote.report_data[0] ^= 1;
	if (tdx_quote_check(&quote, data + (quote.version == 5 ? 54 : 48) + 520) == 0)
		abort();
	return 0;
}
