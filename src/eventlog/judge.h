/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_EVENTLOG_JUDGE_H
#define CVMROOT_EVENTLOG_JUDGE_H

#include "eventlog/eventlog.h"

/*
 * Does a register of this machine follow from the logs? Pure.
 *
 * IMA extends PCR 10, what starts the machine anew by DRTM PCR 17 to 22, and anybody PCR 16 and 23,
 * all without a log that is read here: of them nothing is demanded. Before version 255 systemd
 * measured the boot phases into PCR 11 without a log: they are tried behind what the log has.
 */
enum judgement {
	JUDGEMENT_UNTOUCHED, /* as it was at the start of the machine, and no log has an event */
	JUDGEMENT_AGREES,
	JUDGEMENT_AGREES_WITH_PHASES, /* of systemd, which are in no log */
	JUDGEMENT_UNEXPLAINED,	      /* one of those of which nothing is demanded */
	JUDGEMENT_AHEAD,	      /* the log goes on with event *ret_event */
	JUDGEMENT_DIFFERS,	      /* *ret_event: as eventlog_compare() says, or SIZE_MAX */
	JUDGEMENT_UNKNOWN,	      /* an event has no digest of this bank */
	JUDGEMENTS,
};
/* "agrees", for programs. */
const char *judgement_name(enum judgement judgement);

int judge_register(const struct eventlog *log, const struct eventlog_registers *replayed,
		   unsigned int index, const uint8_t *value, enum judgement *ret,
		   size_t *ret_event);

#endif
