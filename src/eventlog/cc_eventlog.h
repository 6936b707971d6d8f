/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_EVENTLOG_CC_EVENTLOG_H
#define CVMROOT_EVENTLOG_CC_EVENTLOG_H

#include "base/macro.h"

#define CC_EVENTLOG_FILE_LIMIT (4 * MIB) /* with padding */
#define CC_EVENTLOG_LIMIT      (1 * MIB) /* without: KBS takes 2 MiB, and base64 adds a third */

/*
 * The event log that Trustee replays against the RTMRs: the firmware's log (ACPI table CCEL; TCG PC
 * Client Platform Firmware Profile, "crypto agile log") without its padding, what was logged since
 * (CoCo's AAEL: entries of the same form, without header), and eight bytes 0xFF. Either may be
 * NULL; without both *ret is NULL. The caller frees *ret. -EBADMSG: a log is malformed; -E2BIG.
 */
int cc_eventlog_make(const void *ccel, size_t ccel_size, const void *aael, size_t aael_size,
		     uint8_t **ret, size_t *ret_size);

/* Bytes of a firmware log before its padding; 0: nothing was logged. -EBADMSG. */
int cc_eventlog_size(const void *ccel, size_t size, size_t *ret);

#endif
