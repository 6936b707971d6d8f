/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_DISK_CONVERT_CHUNK_H
#define CVMROOT_DISK_CONVERT_CHUNK_H

#include "crypto/hash.h"
#include "crypto/xts.h"
#include "disk/convert/plan.h"

/* One chunk: read it once, check it, encrypt it in the same buffer, write it to its new place. */

/* What one thread needs for it. */
struct convert_tools {
	const struct disk_io *io;
	const struct manifest *manifest;
	struct hash *hash; /* owned */
	struct xts *xts;   /* owned; NULL when nothing is to be encrypted or decrypted */
};

/* @volume_key is NULL for a thread that only verifies plaintext. */
int convert_tools_init(const struct disk_io *io, const struct manifest *manifest,
		       const struct secret *volume_key, uint32_t sector_size,
		       struct convert_tools *ret);
void convert_tools_done(struct convert_tools *tools);

enum convert_load {
	CONVERT_CHECK,	 /* plaintext from the old place: compare only */
	CONVERT_ENCRYPT, /* the same, and leave ciphertext in the buffer */
	CONVERT_DECRYPT, /* ciphertext from the new place: decrypt and compare */
};

/*
 * Read the spans of @chunk into @buffer (MANIFEST_CHUNK_SIZE, aligned to 4096; byte i is the
 * chunk's byte i) and compare its used bytes with the manifest. -EILSEQ, without a sentence, when
 * they differ; then the buffer's content must not be used. -EIO with a sentence.
 */
int convert_chunk_load(const struct convert_tools *tools, size_t chunk, enum convert_load what,
		       uint8_t *buffer);

/*
 * What CONVERT_ENCRYPT does behind its check, for a chunk that CONVERT_CHECK left good in @buffer.
 */
int convert_chunk_encrypt(const struct convert_tools *tools, size_t chunk, uint8_t *buffer);

/*
 * Write what CONVERT_ENCRYPT left in @buffer to the new place, and zero what else was used there.
 * @buffer is NULL when the chunk is unused or its ciphertext is in place already.
 */
int convert_chunk_store(const struct convert_tools *tools, size_t chunk, const uint8_t *buffer);

/* -EILSEQ with the sentence for plaintext that is not the manifest's. */
int convert_differs(const struct manifest *manifest, size_t chunk);

/* The disk_io calls, with a sentence: -EIO naming operation and offset. */
int convert_read(const struct disk_io *io, void *ret, size_t size, uint64_t offset);
int convert_write(const struct disk_io *io, const void *data, size_t size, uint64_t offset);
int convert_zero(const struct disk_io *io, uint64_t size, uint64_t offset);
int convert_flush(const struct disk_io *io);

#endif
