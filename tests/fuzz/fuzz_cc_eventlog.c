/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "fuzz.h"

#include "eventlog/cc_eventlog.h"

#include <string.h>

/* Where it ends must not depend on what is behind it. */
static void fuzz_firmware_log(const uint8_t *data, size_t size)
{
	size_t used, again;

	if (cc_eventlog_size(data, size, &used) < 0)
		return;
	if (used > size || cc_eventlog_size(data, used, &again) < 0 || again != used)
		abort();
}

static void fuzz_no_log(void)
{
	uint8_t *log = NULL;
	size_t log_size;

	if (cc_eventlog_make(NULL, 0, NULL, 0, &log, &log_size) < 0 || log || log_size > 0)
		abort();
}

static void fuzz_runtime_log(const uint8_t *data, size_t size)
{
	cleanup(freep) uint8_t *log = NULL;
	size_t log_size;

	if (cc_eventlog_make(NULL, 0, data, size, &log, &log_size) < 0)
		return;
	if (log_size != 69 + size + 8 || memcmp(log + 69, data, size) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup(freep) uint8_t *log = NULL;
	size_t log_size;

	fuzz_no_log();
	/* What is too long is not looked into. */
	if (cc_eventlog_make(NULL, 0, data, CC_EVENTLOG_FILE_LIMIT + 1, &log, &log_size) != -E2BIG)
		abort();
	fuzz_firmware_log(data, size);
	fuzz_runtime_log(data, size);
	(void)cc_eventlog_make(data, size / 2, data + size / 2, size - size / 2, &log, &log_size);
	return 0;
}
