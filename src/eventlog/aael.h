/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_EVENTLOG_AAEL_H
#define CVMROOT_EVENTLOG_AAEL_H

#include "base/reader.h"

/*
 * What goes into an RTMR and into the log that CoCo's attestation agent keeps of it (AAEL; entries
 * have the form TCG_PCR_EVENT2 of the TCG PC Client Platform Firmware Profile): a text "domain
 * operation content", tagged. Pure. Errors are those of hash_data().
 */
#define RTMR_COUNT 4
#define RTMR_SIZE  48 /* SHA-384 */

/* What the register is extended with: SHA-384 of the event's data. */
int aael_digest(const char *text, size_t size, uint8_t ret[static RTMR_SIZE]);
/* The entry of an event that RTMR @rtmr was extended with; the log counts them from one. */
void aael_entry_write(struct writer *writer, unsigned int rtmr,
		      const uint8_t digest[static RTMR_SIZE], const char *text, size_t size);

/* The agent's journal: what is about to be extended, and then appended. */
struct aael_journal {
	uint64_t offset;	     /* of the entry in the log */
	uint8_t expected[RTMR_SIZE]; /* the register when it has been extended */
	const char *text;	     /* borrowed, not terminated */
	size_t text_size;
};
void aael_journal_write(struct writer *writer, const struct aael_journal *journal);
/* -EBADMSG: not a whole one. */
int aael_journal_parse(const void *data, size_t size, struct aael_journal *ret);

#endif
