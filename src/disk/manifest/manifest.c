/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "disk/manifest/manifest.h"

#include <ctype.h>
#include <string.h>

#include "base/error.h"
#include "base/reader.h"

/*
 * The binary form, version 1. Integers are little-endian; nothing is padded.
 *
 *	offset  bytes
 *	     0      8  magic "CVMRMANI"
 *	     8      4  version: 1
 *	    12      4  chunk size in bytes: 1048576
 *	    16      8  size of all of this in bytes, total digest included
 *	    24     16  file-system type: [A-Za-z0-9._-], NUL-padded, at least one NUL
 *	    40     16  file-system UUID, in the order of its text; zero if there is none
 *	    56      8  file-system size in bytes
 *	    64      4  block size in bytes
 *	    68      4  zero
 *	    72      8  number of extents, E
 *	    80   E*16  extents: offset (8), length (8), in bytes
 *	           C  one state for each of the C = ceil(file-system size / chunk size) chunks:
 *	              0 unused, 1 all used bytes are zero, 2 data
 *	         D*32  SHA-256 of the used bytes of each of the D chunks in state 2, in their order
 *	           32  total digest: SHA-256 of everything before it
 *
 * There is exactly one way to write a given manifest, so equal images have equal total digests.
 */
static const char magic[8] = {'C', 'V', 'M', 'R', 'M', 'A', 'N', 'I'};

#define VERSION	    1
#define PREFIX_SIZE 24 /* as far as the size of all: what every version has */
#define HEADER_SIZE 80
#define EXTENT_SIZE 16
#define BLOCK_MIN   512
#define BLOCK_MAX   65536
#define AGAIN	    "make it again with \"cvmroot manifest\""

void manifest_free(struct manifest *manifest)
{
	if (!manifest)
		return;
	free(manifest->extents);
	free(manifest->states);
	free(manifest->digests);
	free(manifest->first_extent);
	free(manifest);
}

static bool type_is_valid(const char type[static MANIFEST_FS_TYPE_MAX])
{
	size_t length = strnlen(type, MANIFEST_FS_TYPE_MAX);

	for (size_t i = 0; i < length; i++)
		if (!isalnum((unsigned char)type[i]) && !strchr("._-", type[i]))
			return false;
	for (size_t i = length; i < MANIFEST_FS_TYPE_MAX; i++)
		if (type[i] != '\0')
			return false;
	return length > 0 && length < MANIFEST_FS_TYPE_MAX;
}

static bool block_size_is_valid(uint32_t size)
{
	return size >= BLOCK_MIN && size <= BLOCK_MAX && (size & (size - 1)) == 0;
}

static int check_geometry(const struct manifest *manifest)
{
	if (!type_is_valid(manifest->fs_type))
		return fail(-EBADMSG, "the manifest names no valid file-system type; " AGAIN);
	if (manifest->chunk_size != MANIFEST_CHUNK_SIZE)
		return fail(-EBADMSG, "the manifest's chunk size is %u, not %u; " AGAIN,
			    manifest->chunk_size, MANIFEST_CHUNK_SIZE);
	if (!block_size_is_valid(manifest->block_size))
		return fail(-EBADMSG, "the manifest's block size %u is not valid; " AGAIN,
			    manifest->block_size);
	if (manifest->fs_size == 0 || !IS_ALIGNED(manifest->fs_size, manifest->block_size))
		return fail(
			-EBADMSG,
			"the manifest's file-system size %llu is not a number of blocks; " AGAIN,
			(unsigned long long)manifest->fs_size);
	if (manifest->fs_size > MANIFEST_FS_SIZE_MAX)
		return fail(-E2BIG, "the file system is larger than %llu TiB, which is the limit",
			    (unsigned long long)(MANIFEST_FS_SIZE_MAX / (1024 * GIB)));
	return 0;
}

/* @end is the end of the extent before, or UINT64_MAX for the first one. */
static int check_extent(const struct manifest *manifest, const struct extent *extent, uint64_t end)
{
	uint64_t last;

	if (extent->length == 0 || __builtin_add_overflow(extent->offset, extent->length, &last) ||
	    last > manifest->fs_size || !IS_ALIGNED(extent->offset, manifest->block_size) ||
	    !IS_ALIGNED(extent->length, manifest->block_size))
		return fail(-EBADMSG,
			    "the manifest has an extent (offset %llu, length %llu) that is empty, "
			    "not aligned or outside the file system; " AGAIN,
			    (unsigned long long)extent->offset, (unsigned long long)extent->length);
	if (end != UINT64_MAX && extent->offset <= end)
		return fail(
			-EBADMSG,
			"the manifest's extents are not in order and apart at offset %llu; " AGAIN,
			(unsigned long long)extent->offset);
	return 0;
}

static int check_extents(const struct manifest *manifest, uint64_t *ret_used)
{
	uint64_t end = UINT64_MAX, used = 0;

	for (size_t i = 0; i < manifest->extents_count; i++) {
		const struct extent *extent = &manifest->extents[i];
		int r = check_extent(manifest, extent, end);

		if (r < 0)
			return r;
		end = extent->offset + extent->length;
		used += extent->length;
	}
	*ret_used = used;
	return 0;
}

static size_t count_chunks(const struct manifest *manifest)
{
	return (size_t)((manifest->fs_size + manifest->chunk_size - 1) / manifest->chunk_size);
}

static int allocate_chunks(struct manifest *manifest)
{
	manifest->chunks_count = count_chunks(manifest);
	manifest->states = calloc(manifest->chunks_count, sizeof(*manifest->states));
	manifest->digests = calloc(manifest->chunks_count, sizeof(*manifest->digests));
	manifest->first_extent = calloc(manifest->chunks_count, sizeof(*manifest->first_extent));
	if (!manifest->states || !manifest->digests || !manifest->first_extent)
		return -ENOMEM;
	return 0;
}

int manifest_index(struct manifest *manifest)
{
	size_t next = 0;
	int r = check_geometry(manifest);

	if (r < 0)
		return r;
	r = check_extents(manifest, &manifest->used_bytes);
	if (r < 0)
		return r;
	r = allocate_chunks(manifest);
	if (r < 0)
		return r;
	for (size_t chunk = 0; chunk < manifest->chunks_count; chunk++) {
		uint64_t start = (uint64_t)chunk * manifest->chunk_size;
		struct extent piece;
		size_t cursor = 0;

		while (next < manifest->extents_count &&
		       manifest->extents[next].offset + manifest->extents[next].length <= start)
			next++;
		manifest->first_extent[chunk] = next;
		manifest->states[chunk] = manifest_chunk_extent(manifest, chunk, &cursor, &piece)
						  ? CHUNK_DATA
						  : CHUNK_UNUSED;
	}
	return 0;
}

bool manifest_chunk_extent(const struct manifest *manifest, size_t chunk, size_t *cursor,
			   struct extent *ret)
{
	const struct extent *extent;
	uint64_t start, end, from, to;
	size_t index;

	if (chunk >= manifest->chunks_count)
		return false;
	index = manifest->first_extent[chunk] + *cursor;
	if (index >= manifest->extents_count)
		return false;
	extent = &manifest->extents[index];
	start = (uint64_t)chunk * manifest->chunk_size;
	end = start + manifest->chunk_size;
	if (extent->offset >= end)
		return false;
	from = MAX(extent->offset, start);
	to = MIN(extent->offset + extent->length, end);
	*ret = (struct extent){.offset = from, .length = to - from};
	(*cursor)++;
	return true;
}

uint32_t manifest_sector_size(const struct manifest *manifest)
{
	return manifest->block_size < 4096 ? 512 : 4096;
}

static int truncated(size_t size)
{
	return fail(-EBADMSG, "the manifest is truncated: it ends after %zu bytes; " AGAIN, size);
}

static int foreign(void)
{
	return fail(-EBADMSG, "this is not a manifest: it does not begin as one");
}

/* Magic, version, size of all, total digest: after this the bytes are as they were written. */
static int check_frame(const uint8_t *data, size_t size, uint8_t digest[static HASH_SHA256_SIZE])
{
	struct reader reader = reader_init(data, size);
	uint32_t version, chunk_size;
	uint64_t total;
	int r;

	if (memcmp(data, magic, MIN(size, sizeof(magic))) != 0)
		return foreign();
	if (reader_skip(&reader, sizeof(magic)) < 0 || reader_le32(&reader, &version) < 0)
		return truncated(size);
	if (version > VERSION)
		return fail(-EOPNOTSUPP,
			    "the manifest has version %u, and this cvmroot knows up to version %u; "
			    "use one cvmroot to make and to read it",
			    version, VERSION);
	if (version != VERSION)
		return fail(-EBADMSG, "the manifest has version %u, which never was; " AGAIN,
			    version);
	if (reader_le32(&reader, &chunk_size) < 0 || reader_le64(&reader, &total) < 0)
		return truncated(size);
	if (size < total || size < HEADER_SIZE + HASH_SHA256_SIZE)
		return truncated(size);
	if (size > total)
		return fail(-EBADMSG, "the manifest is corrupt: something follows its end; " AGAIN);
	r = hash_data(HASH_SHA256, data, size - HASH_SHA256_SIZE, digest);
	if (r < 0)
		return r;
	if (memcmp(digest, data + size - HASH_SHA256_SIZE, HASH_SHA256_SIZE) != 0)
		return fail(-EBADMSG, "the manifest is corrupt: its digest does not match; " AGAIN);
	return 0;
}

static int inconsistent(const char *what)
{
	return fail(-EBADMSG, "the manifest is not valid: %s; " AGAIN, what);
}

static int parse_header(struct reader *reader, struct manifest *manifest, uint64_t *ret_extents)
{
	uint32_t version, zero = 0;
	uint64_t total;

	if (reader_skip(reader, sizeof(magic)) < 0 || reader_le32(reader, &version) < 0 ||
	    reader_le32(reader, &manifest->chunk_size) < 0 || reader_le64(reader, &total) < 0 ||
	    reader_bytes(reader, manifest->fs_type, sizeof(manifest->fs_type)) < 0 ||
	    reader_bytes(reader, manifest->fs_uuid, sizeof(manifest->fs_uuid)) < 0 ||
	    reader_le64(reader, &manifest->fs_size) < 0 ||
	    reader_le32(reader, &manifest->block_size) < 0 || reader_le32(reader, &zero) < 0 ||
	    reader_le64(reader, ret_extents) < 0)
		return inconsistent("its header is too short");
	if (zero != 0)
		return inconsistent("a reserved field is not zero");
	return check_geometry(manifest);
}

static int parse_extents(struct reader *reader, struct manifest *manifest, uint64_t count)
{
	if (count > reader->left / EXTENT_SIZE)
		return inconsistent("it counts more extents than it holds");
	/* One more, so that none at all is not a NULL. */
	manifest->extents = calloc((size_t)count + 1, sizeof(*manifest->extents));
	if (!manifest->extents)
		return -ENOMEM;
	manifest->extents_count = (size_t)count;
	for (size_t i = 0; i < manifest->extents_count; i++) {
		struct extent *extent = &manifest->extents[i];

		if (reader_le64(reader, &extent->offset) < 0 ||
		    reader_le64(reader, &extent->length) < 0)
			return inconsistent("its extents are too short");
	}
	return 0;
}

/* The states on file against what the extents say; manifest_index() has left CHUNK_DATA for used
 * chunks. */
static int parse_states(struct reader *reader, struct manifest *manifest)
{
	for (size_t chunk = 0; chunk < manifest->chunks_count; chunk++) {
		bool used = manifest->states[chunk] != CHUNK_UNUSED;
		uint8_t state;

		if (reader_u8(reader, &state) < 0)
			return inconsistent("its chunk states are too short");
		if (state > CHUNK_DATA)
			return inconsistent("it has an unknown chunk state");
		if (used != (state != CHUNK_UNUSED))
			return inconsistent("its chunk states and extents disagree");
		manifest->states[chunk] = state;
	}
	return 0;
}

static int parse_digests(struct reader *reader, struct manifest *manifest)
{
	for (size_t chunk = 0; chunk < manifest->chunks_count; chunk++) {
		if (manifest->states[chunk] != CHUNK_DATA)
			continue;
		if (reader_bytes(reader, manifest->digests[chunk], HASH_SHA256_SIZE) < 0)
			return inconsistent("a chunk's digest is missing");
	}
	return 0;
}

static int parse_chunks(struct reader *reader, struct manifest *manifest)
{
	int r;

	if (count_chunks(manifest) > reader->left)
		return inconsistent("it holds fewer chunks than the file system has");
	r = manifest_index(manifest);
	if (r < 0)
		return r;
	r = parse_states(reader, manifest);
	if (r < 0)
		return r;
	return parse_digests(reader, manifest);
}

int manifest_parse(const void *data, size_t size, struct manifest **ret)
{
	cleanup(manifest_freep) struct manifest *manifest = calloc(1, sizeof(*manifest));
	struct reader reader;
	uint64_t extents;
	int r;

	if (!manifest)
		return -ENOMEM;
	if (size > MANIFEST_SIZE_LIMIT)
		return fail(-E2BIG, "the manifest is larger than %llu MiB, which is the limit",
			    (unsigned long long)(MANIFEST_SIZE_LIMIT / MIB));
	r = check_frame(data, size, manifest->digest);
	if (r < 0)
		return r;
	reader = reader_init(data, size - HASH_SHA256_SIZE);
	r = parse_header(&reader, manifest, &extents);
	if (r < 0)
		return r;
	r = parse_extents(&reader, manifest, extents);
	if (r < 0)
		return r;
	r = parse_chunks(&reader, manifest);
	if (r < 0)
		return r;
	if (reader_end(&reader) < 0)
		return inconsistent("something stands between its chunks and its end");
	*ret = TAKE_PTR(manifest);
	return 0;
}

static void write_header(struct writer *writer, const struct manifest *manifest, uint64_t total)
{
	writer_bytes(writer, magic, sizeof(magic));
	writer_le32(writer, VERSION);
	writer_le32(writer, manifest->chunk_size);
	writer_le64(writer, total);
	writer_bytes(writer, manifest->fs_type, sizeof(manifest->fs_type));
	writer_bytes(writer, manifest->fs_uuid, sizeof(manifest->fs_uuid));
	writer_le64(writer, manifest->fs_size);
	writer_le32(writer, manifest->block_size);
	writer_le32(writer, 0);
	writer_le64(writer, manifest->extents_count);
}

static void write_body(struct writer *writer, const struct manifest *manifest)
{
	for (size_t i = 0; i < manifest->extents_count; i++) {
		writer_le64(writer, manifest->extents[i].offset);
		writer_le64(writer, manifest->extents[i].length);
	}
	writer_bytes(writer, manifest->states, manifest->chunks_count);
	for (size_t chunk = 0; chunk < manifest->chunks_count; chunk++)
		if (manifest->states[chunk] == CHUNK_DATA)
			writer_bytes(writer, manifest->digests[chunk], HASH_SHA256_SIZE);
}

/* Bytes of the binary form; 0 when over the limit. */
static uint64_t serialized_size(const struct manifest *manifest)
{
	uint64_t size = HEADER_SIZE + HASH_SHA256_SIZE + manifest->chunks_count;

	if (manifest->extents_count > MANIFEST_SIZE_LIMIT / EXTENT_SIZE)
		return 0;
	size += (uint64_t)manifest->extents_count * EXTENT_SIZE;
	for (size_t chunk = 0; chunk < manifest->chunks_count; chunk++)
		if (manifest->states[chunk] == CHUNK_DATA)
			size += HASH_SHA256_SIZE;
	return size > MANIFEST_SIZE_LIMIT ? 0 : size;
}

/* What is written must be what manifest_parse() accepts: a wrong manifest would only be noticed by
 * the machine that cannot boot with it. */
static int check_serialized(const uint8_t *data, size_t size)
{
	cleanup(manifest_freep) struct manifest *again = NULL;
	int r = manifest_parse(data, size, &again);

	return r < 0 && r != -ENOMEM ? fail(-EINVAL, "%s", fail_sentence(r)) : r;
}

int manifest_serialize(struct manifest *manifest, uint8_t **ret, size_t *ret_size)
{
	cleanup(writer_done) struct writer writer = {};
	uint64_t size = serialized_size(manifest);
	uint8_t digest[HASH_SHA256_SIZE];
	int r;

	if (size == 0)
		return fail(-E2BIG, "the manifest would be larger than %llu MiB",
			    (unsigned long long)(MANIFEST_SIZE_LIMIT / MIB));
	write_header(&writer, manifest, size);
	write_body(&writer, manifest);
	if (writer.error < 0)
		return writer.error;
	r = hash_data(HASH_SHA256, writer.data, writer.size, digest);
	if (r < 0)
		return r;
	writer_bytes(&writer, digest, sizeof(digest));
	if (writer.error < 0)
		return writer.error;
	r = check_serialized(writer.data, writer.size);
	if (r < 0)
		return r;
	memcpy(manifest->digest, digest, sizeof(digest));
	*ret_size = writer.size;
	*ret = TAKE_PTR(writer.data);
	return 0;
}
