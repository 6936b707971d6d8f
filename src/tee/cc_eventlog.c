/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "base/error.h"
#include "base/reader.h"
#include "tee/cc_eventlog.h"

#include <string.h>

#define EV_NO_ACTION 3
#define SHA1_SIZE    20
#define DIGESTS_MAX  8
#define END_SIZE     8

/* TCG Algorithm Registry. */
static const struct {
	uint16_t id, size;
} algorithms[] = {
	{0x0004, 20}, /* SHA-1 */
	{0x000b, 32}, /* SHA-256 */
	{0x000c, 48}, /* SHA-384 */
	{0x000d, 64}, /* SHA-512 */
	{0x0012, 32}, /* SM3-256 */
	{0x0027, 32}, /* SHA3-256 */
	{0x0028, 48}, /* SHA3-384 */
	{0x0029, 64}, /* SHA3-512 */
};

/*
 * What stands in front of AAEL entries when the firmware left no log: an EV_NO_ACTION event in the
 * old form that announces SHA-384 and SM3, byte for byte the one of CoCo's attestation agent.
 */
static const uint8_t header[69] = {
	[4] = EV_NO_ACTION, /* event type */
	[28] = 37,	    /* bytes that follow */
	[56] = 2,	    /* algorithms: */
	[60] = 0x0c,	    [62] = 48, [64] = 0x12, [66] = 32,
};

static const uint8_t end[END_SIZE] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

static bool all_ones(const uint8_t *data, size_t size)
{
	return size == 0 || (data[0] == 0xff && memcmp(data, data + 1, size - 1) == 0);
}

/* Where an entry should begin: the filling of the area, or its end. */
static bool is_end(const struct reader *reader)
{
	size_t size = MIN(reader->left, (size_t)END_SIZE);

	return all_ones(reader->data, size) || bytes_are_zero(reader->data, size);
}

static int skip_event(struct reader *reader)
{
	uint32_t size;
	int r = reader_le32(reader, &size);

	return r < 0 ? r : reader_skip(reader, size);
}

/* TCG_PCClientPCREvent, the form of the first entry: register, type, SHA-1, event. */
static int skip_first(struct reader *reader)
{
	uint32_t type;

	if (reader_skip(reader, 4) < 0 || reader_le32(reader, &type) < 0 || type != EV_NO_ACTION ||
	    reader_skip(reader, SHA1_SIZE) < 0)
		return -EBADMSG;
	return skip_event(reader);
}

static int skip_digest(struct reader *reader)
{
	uint16_t id;
	int r = reader_le16(reader, &id);

	if (r < 0)
		return r;
	for (size_t i = 0; i < ARRAY_SIZE(algorithms); i++)
		if (algorithms[i].id == id)
			return reader_skip(reader, algorithms[i].size);
	return -EBADMSG;
}

/* TCG_PCR_EVENT2: register, type, digests, event. */
static int skip_entry(struct reader *reader)
{
	uint32_t count;

	if (reader_skip(reader, 8) < 0 || reader_le32(reader, &count) < 0 || count > DIGESTS_MAX)
		return -EBADMSG;
	for (uint32_t i = 0; i < count; i++)
		if (skip_digest(reader) < 0)
			return -EBADMSG;
	return skip_event(reader);
}

int cc_eventlog_size(const void *ccel, size_t size, size_t *ret)
{
	struct reader reader = reader_init(ccel, size);
	int r = is_end(&reader) ? 0 : skip_first(&reader);

	while (r == 0 && !is_end(&reader))
		r = skip_entry(&reader);
	if (r < 0)
		return fail(r, "the firmware's event log (CCEL) is malformed at byte %zu",
			    size - reader.left);
	*ret = size - reader.left;
	return 0;
}

/* Ours, or that of an attestation agent: whole entries and nothing else. */
static int check_aael(const void *aael, size_t size)
{
	struct reader reader = reader_init(aael, size);

	while (reader.left > 0)
		if (skip_entry(&reader) < 0)
			return fail(-EBADMSG,
				    "the runtime event log (AAEL) is malformed at byte %zu",
				    size - reader.left);
	return 0;
}

static int compose(const void *ccel, size_t ccel_size, const void *aael, size_t aael_size,
		   uint8_t **ret, size_t *ret_size)
{
	cleanup(writer_done) struct writer writer = {};

	if (ccel_size + aael_size > CC_EVENTLOG_LIMIT)
		return fail(-E2BIG, "the event log has %zu bytes; %d KiB are the limit",
			    ccel_size + aael_size, (int)(CC_EVENTLOG_LIMIT / KIB));
	if (ccel)
		writer_bytes(&writer, ccel, ccel_size);
	else
		writer_bytes(&writer, header, sizeof(header));
	if (aael)
		writer_bytes(&writer, aael, aael_size);
	writer_bytes(&writer, end, sizeof(end));
	if (writer.error < 0)
		return writer.error;
	*ret_size = writer.size;
	*ret = TAKE_PTR(writer.data);
	return 0;
}

int cc_eventlog_make(const void *ccel, size_t ccel_size, const void *aael, size_t aael_size,
		     uint8_t **ret, size_t *ret_size)
{
	size_t used = 0;
	int r = 0;

	if (ccel_size > CC_EVENTLOG_FILE_LIMIT || aael_size > CC_EVENTLOG_FILE_LIMIT)
		return fail(-E2BIG, "an event log is longer than %d MiB",
			    (int)(CC_EVENTLOG_FILE_LIMIT / MIB));
	if (ccel)
		r = cc_eventlog_size(ccel, ccel_size, &used);
	if (r == 0 && aael)
		r = check_aael(aael, aael_size);
	if (r < 0)
		return r;
	if (used == 0 && !aael) {
		*ret = NULL;
		*ret_size = 0;
		return 0;
	}
	return compose(used > 0 ? ccel : NULL, used, aael, aael_size, ret, ret_size);
}
