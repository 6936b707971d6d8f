/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "eventlog/tcg.h"

#include "base/error.h"

#include <string.h>

#define ALGORITHMS_MAX 16
#define END_SIZE       8
#define SIGNATURE_SIZE 16

struct algorithm {
	uint16_t id, size;
};

/* TCG Algorithm Registry; those of enum hash_algorithm first. */
static const struct algorithm known[] = {
	[HASH_SHA1] = {0x0004, 20},
	[HASH_SHA256] = {0x000b, 32},
	[HASH_SHA384] = {0x000c, 48},
	[HASH_SHA512] = {0x000d, 64},
	{0x0012, 32}, /* SM3-256 */
	{0x0027, 32}, /* SHA3-256 */
	{0x0028, 48}, /* SHA3-384 */
	{0x0029, 64}, /* SHA3-512 */
};

struct format {
	bool agile; /* the newer form */
	struct algorithm algorithms[ALGORITHMS_MAX];
	size_t count;
};

static const char *const names[] = {
	[TCG_FIRMWARE] = "firmware's event log",
	[TCG_CCEL] = "firmware's event log (CCEL)",
	[TCG_AGENT] = "runtime event log (AAEL)",
};

static size_t find_algorithm(const struct format *format, uint16_t id)
{
	size_t i = 0;

	while (i < format->count && format->algorithms[i].id != id)
		i++;
	return i;
}

/* One that we know must have the size that we know; of another the size is believed. */
static int read_algorithm(struct reader *reader, struct format *format)
{
	struct algorithm algorithm;
	size_t i;

	if (reader_le16(reader, &algorithm.id) < 0 || reader_le16(reader, &algorithm.size) < 0)
		return -EBADMSG;
	i = find_algorithm(format, algorithm.id);
	if (i < format->count)
		return format->algorithms[i].size == algorithm.size ? 0 : -EBADMSG;
	if (format->count == ALGORITHMS_MAX)
		return -EBADMSG;
	format->algorithms[format->count++] = algorithm;
	return 0;
}

/* TCG_EfiSpecIDEventStruct; what the vendor puts behind it is not looked at. */
static int read_specification(const struct eventlog_event *event, enum tcg_form form,
			      struct format *format)
{
	struct reader reader = reader_init(event->data, event->data_size);
	const uint8_t *signature;
	uint32_t count;

	if (reader_borrow(&reader, SIGNATURE_SIZE, &signature) < 0)
		return -EBADMSG;
	/* CoCo's agent writes a header without a signature where firmware left none. */
	if (form == TCG_CCEL && bytes_are_zero(signature, SIGNATURE_SIZE))
		return 0;
	/* Of TPM 1.2, for BIOS and for UEFI. */
	if (form == TCG_FIRMWARE && (memcmp(signature, "Spec ID Event00", SIGNATURE_SIZE) == 0 ||
				     memcmp(signature, "Spec ID Event02", SIGNATURE_SIZE) == 0))
		return 0;
	if (memcmp(signature, "Spec ID Event03", SIGNATURE_SIZE) != 0 ||
	    reader_skip(&reader, 8) < 0 || reader_le32(&reader, &count) < 0)
		return -EBADMSG;
	format->agile = true;
	for (uint32_t i = 0; i < count; i++)
		if (read_algorithm(&reader, format) < 0)
			return -EBADMSG;
	return 0;
}

static int read_digest(struct reader *reader, const struct format *format, uint32_t *seen,
		       struct eventlog_event *event)
{
	uint16_t id;
	size_t i;

	if (reader_le16(reader, &id) < 0)
		return -EBADMSG;
	i = find_algorithm(format, id);
	if (i == format->count || *seen & 1U << i)
		return -EBADMSG;
	*seen |= 1U << i;
	if (i >= HASH_ALGORITHMS)
		return reader_skip(reader, format->algorithms[i].size);
	event->banks |= 1U << i;
	return reader_bytes(reader, event->digests[i], format->algorithms[i].size);
}

static int read_digests(struct reader *reader, const struct format *format,
			struct eventlog_event *event)
{
	uint32_t count, seen = 0;

	if (!format->agile) {
		event->banks = 1U << HASH_SHA1;
		return reader_bytes(reader, event->digests[HASH_SHA1], known[HASH_SHA1].size);
	}
	if (reader_le32(reader, &count) < 0)
		return -EBADMSG;
	for (uint32_t i = 0; i < count; i++)
		if (read_digest(reader, format, &seen, event) < 0)
			return -EBADMSG;
	return 0;
}

static int read_event(struct reader *reader, const struct format *format,
		      struct eventlog_event *ret)
{
	uint32_t size;

	if (reader_le32(reader, &ret->index) < 0 || reader_le32(reader, &ret->type) < 0 ||
	    read_digests(reader, format, ret) < 0 || reader_le32(reader, &size) < 0)
		return -EBADMSG;
	ret->data_size = size;
	return reader_borrow(reader, size, &ret->data);
}

/* Where an event should begin: the padding of the area, or its end. */
static bool is_end(const struct reader *reader)
{
	size_t size = MIN(reader->left, (size_t)END_SIZE);

	return bytes_are_zero(reader->data, size) ||
	       memcmp(reader->data, "\xff\xff\xff\xff\xff\xff\xff\xff", size) == 0;
}

/* The first event has the older form, and says which one the others have. */
static int read_first(struct reader *reader, enum tcg_form form, struct format *format,
		      struct eventlog_event *ret)
{
	int r = read_event(reader, format, ret);

	if (r == 0 && ret->type == EVENTLOG_EV_NO_ACTION)
		r = read_specification(ret, form, format);
	else if (r == 0 && form == TCG_CCEL)
		r = -EBADMSG;
	if (form == TCG_CCEL)
		format->agile = true;
	return r;
}

int tcg_walk(enum tcg_form form, const void *data, size_t size,
	     int (*take)(void *context, const struct eventlog_event *event), void *context,
	     size_t *ret_used)
{
	struct format format = {.agile = form == TCG_AGENT, .count = ARRAY_SIZE(known)};
	struct reader reader = reader_init(data, size), before = reader;
	int r = 0;

	memcpy(format.algorithms, known, sizeof(known));
	while (r == 0 && reader.left > 0 && (form == TCG_AGENT || !is_end(&reader))) {
		struct eventlog_event event = {.offset = size - reader.left};

		before = reader;
		r = form != TCG_AGENT && event.offset == 0
			    ? read_first(&reader, form, &format, &event)
			    : read_event(&reader, &format, &event);
		if (r == 0 && take)
			r = take(context, &event);
	}
	*ret_used = size - (r < 0 ? before.left : reader.left);
	if (r == -EBADMSG)
		return fail(r, "the %s is malformed at byte %zu", names[form], *ret_used);
	return r;
}

int tcg_read_variable(const struct eventlog_event *event, struct tcg_variable *ret)
{
	struct reader reader = reader_init(event->data, event->data_size);
	struct tcg_variable variable;
	uint64_t characters, size;

	if (reader_skip(&reader, 16) < 0 || reader_le64(&reader, &characters) < 0 ||
	    reader_le64(&reader, &size) < 0 || characters > reader.left / 2)
		return -EBADMSG;
	variable.name_size = 2 * (size_t)characters;
	variable.content_size = (size_t)size;
	if (reader_borrow(&reader, variable.name_size, &variable.name) < 0 ||
	    reader_borrow(&reader, variable.content_size, &variable.content) < 0)
		return -EBADMSG;
	*ret = variable;
	return 0;
}

int tcg_read_tagged(const struct eventlog_event *event, uint32_t *ret_tag, const uint8_t **ret,
		    size_t *ret_size)
{
	struct reader reader = reader_init(event->data, event->data_size);
	uint32_t size;

	if (event->type != TCG_EVENT_TAG || reader_le32(&reader, ret_tag) < 0 ||
	    reader_le32(&reader, &size) < 0 || reader.left != size)
		return -EBADMSG;
	*ret_size = size;
	return reader_borrow(&reader, size, ret);
}
