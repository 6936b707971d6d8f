/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "fuzz_eventlog.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup(eventlog_freep) struct eventlog *log = NULL;
	cleanup(eventlog_freep) struct eventlog *rtmrs = NULL;
	cleanup(eventlog_freep) struct eventlog *any = NULL;

	if (eventlog_new(&log) < 0 || eventlog_new(&rtmrs) < 0 || eventlog_new(&any) < 0)
		return 0;
	/* The events before a fault are there too. */
	(void)eventlog_add_firmware(log, EVENTLOG_PCR, data, size);
	fuzz_events(log);
	(void)eventlog_add_firmware(rtmrs, EVENTLOG_RTMR, data, size);
	fuzz_events(rtmrs);
	/* What is no log has no events. */
	if (eventlog_add_any(any, data, size) == -ENOMSG && eventlog_count(any) > 0)
		abort();
	fuzz_events(any);
	return 0;
}
