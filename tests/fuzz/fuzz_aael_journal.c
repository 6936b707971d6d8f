/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "fuzz.h"

#include "eventlog/aael.h"

#include <string.h>

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
	return 0;
}
