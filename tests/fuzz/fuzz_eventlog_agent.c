/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "fuzz_eventlog.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup(eventlog_freep) struct eventlog *log = NULL;

	if (eventlog_new(&log) < 0)
		return 0;
	/* What is too long is not looked into. */
	if (eventlog_add_agent(log, data, EVENTLOG_LIMIT + 1) != -E2BIG)
		abort();
	/* The events before a fault are there too. */
	(void)eventlog_add_agent(log, data, size);
	fuzz_events(log);
	return 0;
}
