/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_TEE_TSM_H
#define CVMROOT_TEE_TSM_H

#include "base/macro.h"

/*
 * The kernel's report interface, configfs-tsm (from Linux 6.7 on; there see
 * Documentation/ABI/testing/configfs-tsm-report): one folder per request below @base, which is
 * TSM_REPORT_PATH but for tests.
 */

#define TSM_REPORT_PATH	  "/sys/kernel/config/tsm/report"
#define TSM_INBLOB_SIZE	  64
#define TSM_OUTBLOB_LIMIT (32 * KIB)
#define TSM_AUXBLOB_LIMIT (64 * KIB)

struct tsm_report {
	uint8_t *outblob;
	size_t outblob_size;
	uint8_t *auxblob; /* NULL: the provider has none */
	size_t auxblob_size;
	uint32_t privlevel; /* that the kernel was asked for: its floor */
};

/* 1 when the kernel's provider is @provider, 0 when it is another or there is none. */
int tsm_has_provider(const char *base, const char *provider);

/*
 * A report of @provider about @inblob. -ENODEV when the kernel has none; -EBUSY when others got in
 * the way each time. The caller frees *ret with tsm_report_done().
 */
int tsm_report_get(const char *base, const char *provider,
		   const uint8_t inblob[static TSM_INBLOB_SIZE], struct tsm_report *ret);
void tsm_report_done(struct tsm_report *report);

#endif
