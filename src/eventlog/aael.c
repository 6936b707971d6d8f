/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "eventlog/aael.h"

#include "eventlog/tcg.h"

#include <endian.h>
#include <string.h>

#define TAG_SIZE   8	  /* id and length in front of the text */
#define ALG_SHA384 0x000c /* TCG Algorithm Registry */

static void write_data(struct writer *writer, const char *text, size_t size)
{
	writer_le32(writer, TCG_AAEL_TAG);
	writer_le32(writer, (uint32_t)size);
	writer_bytes(writer, text, size);
}

int aael_digest(const char *text, size_t size, uint8_t ret[static RTMR_SIZE])
{
	cleanup(writer_done) struct writer data = {};

	write_data(&data, text, size);
	return data.error < 0 ? data.error : hash_data(HASH_SHA384, data.data, data.size, ret);
}

void aael_entry_write(struct writer *writer, unsigned int rtmr,
		      const uint8_t digest[static RTMR_SIZE], const char *text, size_t size)
{
	const uint16_t algorithm = htole16(ALG_SHA384);

	writer_le32(writer, rtmr + 1);
	writer_le32(writer, TCG_EVENT_TAG);
	writer_le32(writer, 1); /* digests */
	writer_bytes(writer, &algorithm, sizeof(algorithm));
	writer_bytes(writer, digest, RTMR_SIZE);
	writer_le32(writer, (uint32_t)(TAG_SIZE + size));
	write_data(writer, text, size);
}

void aael_journal_write(struct writer *writer, const struct aael_journal *journal)
{
	const uint64_t offset = htobe64(journal->offset);

	writer_bytes(writer, &offset, sizeof(offset));
	writer_bytes(writer, journal->expected, sizeof(journal->expected));
	writer_bytes(writer, journal->text, journal->text_size);
}

int aael_journal_parse(const void *data, size_t size, struct aael_journal *ret)
{
	struct reader reader = reader_init(data, size);
	struct aael_journal journal;
	const uint8_t *text;

	if (reader_be64(&reader, &journal.offset) < 0 ||
	    reader_bytes(&reader, journal.expected, sizeof(journal.expected)) < 0 ||
	    reader.left == 0)
		return -EBADMSG;
	journal.text_size = reader.left;
	(void)reader_borrow(&reader, journal.text_size, &text);
	journal.text = (const char *)text;
	*ret = journal;
	return 0;
}
