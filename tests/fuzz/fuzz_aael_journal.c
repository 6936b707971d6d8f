/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "fuzz.h"

#include "eventlog/aael.h"
#include "eventlog/eventlog.h"

#include <string.h>

/* What the journal promises is an entry of the log, whose digest can be checked. */
static void use(const struct aael_journal *journal)
{
	cleanup(writer_done) struct writer entry = {};
	cleanup(eventlog_freep) struct eventlog *log = NULL;
	uint8_t digest[RTMR_SIZE];

	if (aael_digest(journal->text, journal->text_size, digest) < 0)
		return;
	aael_entry_write(&entry, 2, digest, journal->text, journal->text_size);
	if (entry.error < 0 || eventlog_new(&log) < 0)
		return;
	if (eventlog_add_agent(log, entry.data, entry.size) < 0 || eventlog_count(log) != 1 ||
	    eventlog_at(log, 0)->index != 2 || !eventlog_event_is_sound(eventlog_at(log, 0)))
		abort();
}

/* There is one way to write a journal. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup(writer_done) struct writer writer = {};
	struct aael_journal journal;

	if (aael_journal_parse(data, size, &journal) < 0)
		return 0;
	aael_journal_write(&writer, &journal);
	if (writer.error < 0 || writer.size != size || memcmp(writer.data, data, size) != 0)
		abort();
	use(&journal);
	return 0;
}
