/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_MEASURE_AAEL_H
#define CVMROOT_MEASURE_AAEL_H

#include "eventlog/aael.h"
#include "eventlog/paths.h"

/* The registers, and the files that belong to them. */
struct aael {
	const char *log;
	const char *journal;
	int (*read)(void *context, unsigned int rtmr, uint8_t ret[static RTMR_SIZE]);
	int (*extend)(void *context, unsigned int rtmr, const uint8_t digest[static RTMR_SIZE]);
	void *context;
};

/*
 * Extend RTMR @rtmr by the event with this text and append its entry, in the agent's order: journal,
 * register, log, no journal. A cut in between leaves the journal, by which the next call (or the
 * agent) brings log and register together again. Where that cannot be done, since there is no
 * journal or it fits no register, the log is marked as incomplete for ever (sticky bit). The
 * register is extended even when nothing can be written.
 */
int measure_aael_extend(const struct aael *aael, unsigned int rtmr, const char *text);

#endif
