/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "base/reader.h"

#include <endian.h>
#include <string.h>

struct reader reader_init(const void *data, size_t size)
{
	return (struct reader){.data = data, .left = size};
}

int reader_borrow(struct reader *reader, size_t size, const uint8_t **ret)
{
	if (size > reader->left)
		return -EBADMSG;
	*ret = reader->data;
	reader->data += size;
	reader->left -= size;
	return 0;
}

int reader_bytes(struct reader *reader, void *ret, size_t size)
{
	const uint8_t *from;
	int r = reader_borrow(reader, size, &from);

	if (r < 0)
		return r;
	if (size > 0)
		memcpy(ret, from, size);
	return 0;
}

int reader_skip(struct reader *reader, size_t size)
{
	const uint8_t *ignored;

	return reader_borrow(reader, size, &ignored);
}

int reader_sub(struct reader *reader, size_t size, struct reader *ret)
{
	const uint8_t *from;
	int r = reader_borrow(reader, size, &from);

	if (r < 0)
		return r;
	*ret = reader_init(from, size);
	return 0;
}

int reader_end(const struct reader *reader)
{
	return reader->left == 0 ? 0 : -EBADMSG;
}

int reader_u8(struct reader *reader, uint8_t *ret)
{
	return reader_bytes(reader, ret, 1);
}

#define DEFINE_READER_INTEGER(name, type, convert)                                                 \
	int reader_##name(struct reader *reader, type *ret)                                        \
	{                                                                                          \
		type raw;                                                                          \
		int r = reader_bytes(reader, &raw, sizeof(raw));                                   \
                                                                                                   \
		if (r < 0)                                                                         \
			return r;                                                                  \
		*ret = convert(raw);                                                               \
		return 0;                                                                          \
	}

DEFINE_READER_INTEGER(le16, uint16_t, le16toh)
DEFINE_READER_INTEGER(le32, uint32_t, le32toh)
DEFINE_READER_INTEGER(le64, uint64_t, le64toh)
DEFINE_READER_INTEGER(be16, uint16_t, be16toh)
DEFINE_READER_INTEGER(be32, uint32_t, be32toh)
DEFINE_READER_INTEGER(be64, uint64_t, be64toh)

/* The first bytes with zeros, then the data with itself, that much on. */
bool bytes_are_zero(const void *data, size_t size)
{
	static const uint8_t zero[16];
	size_t head = MIN(size, sizeof(zero));

	return size == 0 || (memcmp(data, zero, head) == 0 &&
			     memcmp(data, (const uint8_t *)data + head, size - head) == 0);
}

static int writer_reserve(struct writer *writer, size_t size)
{
	size_t needed, allocated;
	uint8_t *data;

	if (__builtin_add_overflow(writer->size, size, &needed))
		return -E2BIG;
	if (needed <= writer->allocated)
		return 0;
	allocated = MAX(needed + needed / 2, (size_t)256);
	/* Not realloc(): it could leave an unwiped copy behind. */
	data = malloc(allocated);
	if (!data)
		return -ENOMEM;
	if (writer->size > 0)
		memcpy(data, writer->data, writer->size);
	if (writer->data)
		explicit_bzero(writer->data, writer->size);
	free(writer->data);
	writer->data = data;
	writer->allocated = allocated;
	return 0;
}

void writer_bytes(struct writer *writer, const void *data, size_t size)
{
	if (writer->error < 0)
		return;
	writer->error = writer_reserve(writer, size);
	if (writer->error < 0 || size == 0)
		return;
	memcpy(writer->data + writer->size, data, size);
	writer->size += size;
}

void writer_le32(struct writer *writer, uint32_t value)
{
	uint32_t raw = htole32(value);

	writer_bytes(writer, &raw, sizeof(raw));
}

void writer_le64(struct writer *writer, uint64_t value)
{
	uint64_t raw = htole64(value);

	writer_bytes(writer, &raw, sizeof(raw));
}

void writer_done(struct writer *writer)
{
	if (writer->data)
		explicit_bzero(writer->data, writer->size);
	free(writer->data);
	*writer = (struct writer){};
}
