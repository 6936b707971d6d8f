/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_BASE_READER_H
#define CVMROOT_BASE_READER_H

#include "base/macro.h"

/*
 * The only way to take untrusted bytes out of a buffer: every call checks, copies and advances.
 * A call that does not fit returns -EBADMSG and takes nothing. The buffer is borrowed.
 */
struct reader {
	const uint8_t *data; /* next byte */
	size_t left;
};

struct reader reader_init(const void *data, size_t size);

int reader_bytes(struct reader *reader, void *ret, size_t size);
int reader_skip(struct reader *reader, size_t size);
/* A pointer into the buffer to the next @size bytes. */
int reader_borrow(struct reader *reader, size_t size, const uint8_t **ret);
/* A reader over the next @size bytes, which this one then passes over. */
int reader_sub(struct reader *reader, size_t size, struct reader *ret);
/* 0 at the end of the buffer, else -EBADMSG: nothing may follow. */
int reader_end(const struct reader *reader);

int reader_u8(struct reader *reader, uint8_t *ret);
int reader_le16(struct reader *reader, uint16_t *ret);
int reader_le32(struct reader *reader, uint32_t *ret);
int reader_le64(struct reader *reader, uint64_t *ret);
int reader_be16(struct reader *reader, uint16_t *ret);
int reader_be32(struct reader *reader, uint32_t *ret);
int reader_be64(struct reader *reader, uint64_t *ret);

/* Every byte is zero; as fast as memcmp(), and true for none at all. */
bool bytes_are_zero(const void *data, size_t size);

/* The reverse, for formats of our own: append to a growing buffer. Check writer.error once at the
 * end. */
struct writer {
	uint8_t *data; /* owned until writer_done() */
	size_t size;
	size_t allocated;
	int error;
};

void writer_bytes(struct writer *writer, const void *data, size_t size);
void writer_le32(struct writer *writer, uint32_t value);
void writer_le64(struct writer *writer, uint64_t value);
/* Wipe and free what a writer holds; a cleanup() callback. */
void writer_done(struct writer *writer);

#endif
