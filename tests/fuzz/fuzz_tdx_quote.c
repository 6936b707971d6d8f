/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "fuzz.h"

#include "tee/tdx_quote.h"

/* A quote, which passes through the host; and a TDREPORT. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tdx_report report;
	struct tdx_quote quote;

	if (tdx_report_parse(data, size, &report) == 0 && size != TDX_REPORT_SIZE)
		abort();
	if (tdx_quote_parse(data, size, &quote) < 0)
		return 0;
	if (tdx_quote_check(&quote, data + (quote.version == 5 ? 54 : 48) + 520) < 0)
		abort();
	return 0;
}
