/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "disk/convert/chunk.h"

#include <string.h>

#include "base/error.h"
#include "base/reader.h"

/*
 * Read, hash and encrypt in pieces: large, since each costs the time that the disk takes to answer,
 * and still small enough for the processor's second-level cache.
 */
#define PIECE_SIZE (512 * KIB)

static int io_failed(const char *operation, uint64_t size, uint64_t offset, int error)
{
	return fail(-EIO, "%s %llu bytes at byte offset %llu of the disk failed: %s", operation,
		    (unsigned long long)size, (unsigned long long)offset, strerror(-error));
}

int convert_read(const struct disk_io *io, void *ret, size_t size, uint64_t offset)
{
	int r = io->read(io->context, ret, size, offset);

	return r < 0 ? io_failed("reading", size, offset, r) : 0;
}

int convert_write(const struct disk_io *io, const void *data, size_t size, uint64_t offset)
{
	int r = io->write(io->context, data, size, offset);

	return r < 0 ? io_failed("writing", size, offset, r) : 0;
}

int convert_zero(const struct disk_io *io, uint64_t size, uint64_t offset)
{
	int r = io->zero(io->context, size, offset);

	return r < 0 ? io_failed("zeroing", size, offset, r) : 0;
}

int convert_flush(const struct disk_io *io)
{
	int r = io->flush(io->context);

	return r < 0 ? fail(-EIO, "flushing the disk failed: %s", strerror(-r)) : 0;
}

int convert_differs(const struct manifest *manifest, size_t chunk)
{
	return fail(-EILSEQ,
		    "the plaintext of chunk %zu, at byte offset %llu of the file system, differs "
		    "from the manifest: this is not the image that was baked; use a fresh copy",
		    chunk, (unsigned long long)chunk * manifest->chunk_size);
}

int convert_tools_init(const struct disk_io *io, const struct manifest *manifest,
		       const struct secret *volume_key, uint32_t sector_size,
		       struct convert_tools *ret)
{
	struct convert_tools tools = {.io = io, .manifest = manifest};
	int r = hash_new(HASH_SHA256, &tools.hash);

	if (r == 0 && volume_key)
		r = xts_new(volume_key, sector_size, &tools.xts);
	if (r < 0) {
		convert_tools_done(&tools);
		return fail(r, "the crypto library cannot do SHA-256 and AES-256-XTS: %s",
			    strerror(-r));
	}
	*ret = tools;
	return 0;
}

void convert_tools_done(struct convert_tools *tools)
{
	hash_free(tools->hash);
	xts_free(tools->xts);
	*tools = (struct convert_tools){};
}

/*
 * Check, then or before that en- or decrypt, used bytes that begin at @offset of the file system.
 */
static int handle_used(const struct convert_tools *tools, size_t chunk, enum convert_load what,
		       uint64_t offset, uint8_t *data, size_t size)
{
	int r = 0;

	if (what == CONVERT_DECRYPT)
		r = xts_decrypt(tools->xts, offset, data, size);
	if (r < 0)
		return r;
	if (tools->manifest->states[chunk] == CHUNK_DATA)
		r = hash_update(tools->hash, data, size);
	else
		r = bytes_are_zero(data, size) ? 0 : -EILSEQ;
	if (r < 0)
		return r;
	return what == CONVERT_ENCRYPT ? xts_encrypt(tools->xts, offset, data, size) : 0;
}

/* The walk over the used bytes of one chunk, across the pieces in which it is read. */
struct used_walk {
	size_t cursor;
	struct extent extent; /* the part of the current one not handled yet; empty at the end */
};

static void used_next(const struct manifest *manifest, size_t chunk, struct used_walk *walk)
{
	if (!manifest_chunk_extent(manifest, chunk, &walk->cursor, &walk->extent))
		walk->extent = (struct extent){.offset = UINT64_MAX};
}

/* Handle the used bytes of one piece just read, and zero what lies between them. */
static int handle_piece(const struct convert_tools *tools, size_t chunk, enum convert_load what,
			struct used_walk *walk, const struct extent *piece, uint8_t *data)
{
	uint64_t at = piece->offset, end = piece->offset + piece->length;

	while (walk->extent.offset < end) {
		uint64_t size = MIN(walk->extent.length, end - walk->extent.offset);
		int r;

		memset(data + (at - piece->offset), 0, walk->extent.offset - at);
		at = walk->extent.offset;
		r = handle_used(tools, chunk, what, at, data + (at - piece->offset), size);
		if (r < 0)
			return r;
		at += size;
		walk->extent.offset += size;
		walk->extent.length -= size;
		if (walk->extent.length == 0)
			used_next(tools->manifest, chunk, walk);
	}
	memset(data + (at - piece->offset), 0, end - at);
	return 0;
}

static int load_span(const struct convert_tools *tools, size_t chunk, enum convert_load what,
		     struct used_walk *walk, const struct extent *span, uint8_t *buffer)
{
	uint64_t chunk_start = (uint64_t)chunk * tools->manifest->chunk_size;
	uint64_t shift = what == CONVERT_DECRYPT ? CONVERT_SHIFT : 0;

	for (uint64_t done = 0; done < span->length; done += PIECE_SIZE) {
		struct extent piece = {.offset = span->offset + done,
				       .length = MIN(span->length - done, PIECE_SIZE)};
		uint8_t *data = buffer + (piece.offset - chunk_start);
		int r = convert_read(tools->io, data, piece.length, piece.offset + shift);

		if (r < 0)
			return r;
		r = handle_piece(tools, chunk, what, walk, &piece, data);
		if (r < 0)
			return r;
	}
	return 0;
}

static int load_spans(const struct convert_tools *tools, size_t chunk, enum convert_load what,
		      uint8_t *buffer)
{
	struct convert_spans spans;
	struct used_walk walk = {};

	convert_chunk_spans(tools->manifest, chunk, &spans);
	used_next(tools->manifest, chunk, &walk);
	for (size_t i = 0; i < spans.count; i++) {
		int r = load_span(tools, chunk, what, &walk, &spans.list[i], buffer);

		if (r < 0)
			return r;
	}
	return 0;
}

int convert_chunk_load(const struct convert_tools *tools, size_t chunk, enum convert_load what,
		       uint8_t *buffer)
{
	uint8_t digest[HASH_SHA256_SIZE];
	int r = load_spans(tools, chunk, what, buffer);
	int finished;

	if (tools->manifest->states[chunk] != CHUNK_DATA)
		return r;
	/* Also after an error: it readies the hash for the next chunk. */
	finished = hash_final(tools->hash, digest);
	if (r < 0 || finished < 0)
		return r < 0 ? r : finished;
	return mac_equal(digest, tools->manifest->digests[chunk], sizeof(digest)) ? 0 : -EILSEQ;
}

int convert_chunk_encrypt(const struct convert_tools *tools, size_t chunk, uint8_t *buffer)
{
	uint64_t chunk_start = (uint64_t)chunk * tools->manifest->chunk_size;
	struct extent piece;
	size_t cursor = 0;
	int r = 0;

	while (r == 0 && manifest_chunk_extent(tools->manifest, chunk, &cursor, &piece))
		r = xts_encrypt(tools->xts, piece.offset, buffer + (piece.offset - chunk_start),
				piece.length);
	return r;
}

int convert_chunk_store(const struct convert_tools *tools, size_t chunk, const uint8_t *buffer)
{
	uint64_t chunk_start = (uint64_t)chunk * tools->manifest->chunk_size;
	struct convert_spans spans;
	int r = 0;

	convert_chunk_spans(tools->manifest, chunk, &spans);
	for (size_t i = 0; buffer && r == 0 && i < spans.count; i++)
		r = convert_write(tools->io, buffer + (spans.list[i].offset - chunk_start),
				  spans.list[i].length, spans.list[i].offset + CONVERT_SHIFT);
	if (r < 0)
		return r;
	convert_chunk_zeros(tools->manifest, chunk, &spans);
	for (size_t i = 0; r == 0 && i < spans.count; i++)
		r = convert_zero(tools->io, spans.list[i].length, spans.list[i].offset);
	return r;
}
