/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_VERIFY_EVENTS_H
#define CVMROOT_VERIFY_EVENTS_H

#include "eventlog/word.h"
#include "verify/internal.h"

/* cvmroot's own events in the logs of a document (events.c), for the claims on them. */
struct events {
	struct eventlog *log; /* owned */
	enum eventlog_kind kind;
	const struct eventlog_event *found[WORDS];
	struct {
		const char *data; /* borrowed from the log, not terminated */
		size_t size;
	} content[WORDS];
	uint32_t registers;		  /* mask: the log must explain them */
	uint32_t ours;			  /* mask: they hold an event of ours, */
	size_t first[EVENTLOG_REGISTERS]; /* the first of which has this number in the log */
	uint32_t ended;			  /* mask: an event that is not ours came after them */
	bool began;			  /* PCR 15 */
	bool awaits_key;		  /* the next event of PCR 15 is the volume key */
	char fault[200];		  /* why the events are not those of one good boot */
};
void events_done(struct events *events);
/* -EBADMSG, -E2BIG with a sentence: a log is malformed. */
int events_read(const struct document *document, const struct facts *facts, struct events *ret);
/* Sets VERIFY_LOGS: does what was signed speak for the logs? */
int events_check_logs(const struct document *document, const struct events *events,
		      const struct facts *facts, bool bound, struct verify_result *result);
/* What the registers that hold our events had before the first of them, by sound logs; touched:
 * those. */
int events_before(const struct events *events, const struct facts *facts,
		  struct eventlog_registers *ret);

#endif
