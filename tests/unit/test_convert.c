/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
/* Before cmocka, which has a macro fail(). */
#include "base/error.h"

#include "unit.h"

#include <pthread.h>

#include "crypto/xts.h"
#include "disk/convert/plan.h"
#include "disk/convert/record.h"

#define HEADER_SIZE 8192
#define SECTOR	    512

/* --- a disk in RAM that can fail --- */

struct ram_disk {
	pthread_mutex_t lock;
	uint8_t *data;
	uint64_t size;
	unsigned int operations; /* of all kinds, so far */
	unsigned int changes;	 /* writes and zeroings that were done */
	bool dirty;		 /* one of them came behind the last flush */
	unsigned int fail_at;	 /* the operation that fails, from 1; 0: none */
	bool failed;
	bool misused; /* an unaligned buffer, or a range outside the disk */
};

/* Also counts and checks; true when this operation is to be carried out. */
static bool operation(struct ram_disk *disk, const void *buffer, uint64_t size, uint64_t offset)
{
	disk->operations++;
	if ((uintptr_t)buffer % 4096 != 0 || size % SECTOR != 0 || offset % SECTOR != 0 ||
	    offset > disk->size || size > disk->size - offset)
		disk->misused = true;
	if (disk->operations == disk->fail_at)
		disk->failed = true;
	return disk->operations != disk->fail_at && !disk->misused;
}

static int ram_read(void *context, void *ret, size_t size, uint64_t offset)
{
	struct ram_disk *disk = context;
	bool ok;

	pthread_mutex_lock(&disk->lock);
	ok = operation(disk, ret, size, offset);
	if (ok)
		memcpy(ret, disk->data + offset, size);
	pthread_mutex_unlock(&disk->lock);
	return ok ? 0 : -EREMOTEIO;
}

static int ram_write(void *context, const void *data, size_t size, uint64_t offset)
{
	struct ram_disk *disk = context;
	bool ok;

	pthread_mutex_lock(&disk->lock);
	ok = operation(disk, data, size, offset);
	if (ok) {
		memcpy(disk->data + offset, data, size);
		disk->changes++;
		disk->dirty = true;
	}
	pthread_mutex_unlock(&disk->lock);
	return ok ? 0 : -EREMOTEIO;
}

static int ram_zero(void *context, uint64_t size, uint64_t offset)
{
	struct ram_disk *disk = context;
	bool ok;

	pthread_mutex_lock(&disk->lock);
	ok = operation(disk, NULL, size, offset);
	if (ok) {
		memset(disk->data + offset, 0, size);
		disk->changes++;
		disk->dirty = true;
	}
	pthread_mutex_unlock(&disk->lock);
	return ok ? 0 : -EREMOTEIO;
}

static int ram_flush(void *context)
{
	struct ram_disk *disk = context;
	bool ok;

	pthread_mutex_lock(&disk->lock);
	ok = operation(disk, NULL, 0, 0);
	if (ok)
		disk->dirty = false;
	pthread_mutex_unlock(&disk->lock);
	return ok ? 0 : -EREMOTEIO;
}

/* --- an image, its manifest, and a conversion of it --- */

struct fixture {
	struct ram_disk disk;
	struct disk_io io;
	uint8_t *image; /* the file system as baked */
	struct manifest *manifest;
	struct secret *volume_key;
	struct secret *mac_key;
	uint8_t header_data[HEADER_SIZE];
	struct convert_header header;
	struct conversion conversion;
};

static uint64_t random_state = 1;

static uint64_t random_next(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

static void random_fill(uint8_t *data, size_t size)
{
	for (size_t i = 0; i + 8 <= size; i += 8) {
		uint64_t word = random_next();

		memcpy(data + i, &word, 8);
	}
}

/* State and digest of one chunk, by way of a copy of its used bytes. */
static void describe_chunk(struct manifest *manifest, const uint8_t *image, size_t chunk)
{
	cleanup(freep) uint8_t *used = malloc(MANIFEST_CHUNK_SIZE);
	struct extent piece;
	size_t cursor = 0, size = 0;
	bool zero = true;

	while (manifest_chunk_extent(manifest, chunk, &cursor, &piece)) {
		memcpy(used + size, image + piece.offset, piece.length);
		size += piece.length;
	}
	for (size_t i = 0; i < size; i++)
		zero = zero && used[i] == 0;
	manifest->states[chunk] = size == 0 ? CHUNK_UNUSED : zero ? CHUNK_ZERO : CHUNK_DATA;
	if (!zero)
		assert_int_equal(hash_data(HASH_SHA256, used, size, manifest->digests[chunk]), 0);
}

static void make_manifest(struct fixture *fixture, uint64_t fs_size, uint32_t block_size,
			  const struct extent *extents, size_t count)
{
	struct manifest *manifest = calloc(1, sizeof(*manifest));
	cleanup(freep) uint8_t *serialized = NULL;
	size_t size;

	strcpy(manifest->fs_type, "ext4");
	manifest->fs_size = fs_size;
	manifest->block_size = block_size;
	manifest->chunk_size = MANIFEST_CHUNK_SIZE;
	manifest->extents = calloc(count + 1, sizeof(*extents));
	memcpy(manifest->extents, extents, count * sizeof(*extents));
	manifest->extents_count = count;
	assert_int_equal(manifest_index(manifest), 0);
	for (size_t chunk = 0; chunk < manifest->chunks_count; chunk++)
		describe_chunk(manifest, fixture->image, chunk);
	assert_int_equal(manifest_serialize(manifest, &serialized, &size), 0);
	fixture->manifest = manifest;
}

/* The raw disk as baked: used bytes from the image, something else in the unused ones. */
static void bake(struct fixture *fixture)
{
	const struct manifest *manifest = fixture->manifest;

	memset(fixture->disk.data, 0xee, fixture->disk.size);
	for (size_t i = 0; i < manifest->extents_count; i++) {
		const struct extent *extent = &manifest->extents[i];

		memcpy(fixture->disk.data + extent->offset, fixture->image + extent->offset,
		       extent->length);
	}
	fixture->disk.operations = 0;
	fixture->disk.changes = 0;
	fixture->disk.fail_at = 0;
	fixture->disk.failed = false;
}

static struct fixture *fixture_new(uint64_t fs_size, uint32_t block_size,
				   const struct extent *extents, size_t count)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	fixture->image = malloc(fs_size);
	random_fill(fixture->image, fs_size);
	/* An extent of one whole chunk's place at 3 MiB is zero in every image. */
	if (fs_size > 4 * MIB)
		memset(fixture->image + 3 * MIB, 0, MIB);
	make_manifest(fixture, fs_size, block_size, extents, count);
	pthread_mutex_init(&fixture->disk.lock, NULL);
	fixture->disk.size = fs_size + CONVERT_TAIL;
	fixture->disk.data = malloc(fixture->disk.size);
	fixture->io = (struct disk_io){ram_read, ram_write, ram_zero, ram_flush, &fixture->disk};
	assert_int_equal(secret_random(XTS_KEY_SIZE, &fixture->volume_key), 0);
	assert_int_equal(secret_random(32, &fixture->mac_key), 0);
	random_fill(fixture->header_data, HEADER_SIZE);
	fixture->header = (struct convert_header){fixture->header_data, HEADER_SIZE};
	fixture->conversion = (struct conversion){
		.io = &fixture->io,
		.manifest = fixture->manifest,
		.volume_key = fixture->volume_key,
		.mac_key = fixture->mac_key,
		.sector_size = manifest_sector_size(fixture->manifest),
		.luks_uuid = "0123456789abcde",
	};
	bake(fixture);
	return fixture;
}

static void fixture_free(struct fixture *fixture)
{
	assert_false(fixture->disk.misused);
	manifest_free(fixture->manifest);
	secret_free(fixture->volume_key);
	secret_free(fixture->mac_key);
	pthread_mutex_destroy(&fixture->disk.lock);
	free(fixture->disk.data);
	free(fixture->image);
	free(fixture);
}
DEFINE_CLEANUP(struct fixture *, fixture_free)

/* Full, with holes, at the ends; the last chunk is not whole. */
static const struct extent full[] = {{0, 37 * MIB + 40 * KIB}};
static const struct extent holes[] = {
	{0, 4 * KIB},	     {8 * KIB, 512 * KIB},
	{3 * MIB, 3 * MIB},  {19 * MIB + 64 * KIB, 100 * KIB},
	{21 * MIB, 4 * KIB}, {36 * MIB + 900 * KIB, MIB + 100 * KIB + 40 * KIB - 24 * KIB},
};
static const struct extent small_blocks[] = {
	{KIB, KIB},
	{3 * KIB, 5 * KIB},
	{2 * MIB - KIB, 2 * KIB},
	{18 * MIB + 7 * KIB, 301 * KIB},
};

static struct fixture *fixture_full(void)
{
	return fixture_new(37 * MIB + 40 * KIB, 4096, full, ARRAY_SIZE(full));
}

static struct fixture *fixture_holes(void)
{
	return fixture_new(38 * MIB + 40 * KIB, 4096, holes, ARRAY_SIZE(holes));
}

static int begin(struct fixture *fixture)
{
	return convert_begin(&fixture->conversion, &fixture->header, fixture->disk.size);
}

static int run(struct fixture *fixture, unsigned int threads)
{
	struct convert_options options = {.threads = threads};

	return convert_run(&fixture->conversion, &options);
}

/* --- what the result must be --- */

static int compare_words(const void *a, const void *b)
{
	uint64_t x, y;

	memcpy(&x, a, 8);
	memcpy(&y, b, 8);
	return x < y ? -1 : x > y;
}

/* No sector of the image's used bytes is left anywhere. */
static void assert_no_plaintext(const struct fixture *fixture)
{
	size_t count = 0, allocated = fixture->manifest->used_bytes / SECTOR;
	cleanup(freep) uint64_t *first = calloc(allocated, sizeof(*first));

	for (size_t i = 0; i < fixture->manifest->extents_count; i++) {
		const struct extent *extent = &fixture->manifest->extents[i];

		for (uint64_t at = 0; at < extent->length; at += SECTOR) {
			memcpy(&first[count], fixture->image + extent->offset + at, 8);
			/* Zeros are no plaintext to find: what was wiped is zero, too. */
			count += first[count] != 0;
		}
	}
	assert_true(count > 0);
	qsort(first, count, sizeof(*first), compare_words);
	for (uint64_t at = 0; at < fixture->disk.size; at += SECTOR)
		assert_null(bsearch(fixture->disk.data + at, first, count, sizeof(*first),
				    compare_words));
}

static void assert_zero(const uint8_t *data, size_t size)
{
	if (size == 0)
		return;
	assert_int_equal(data[0], 0);
	if (size > 1)
		assert_memory_equal(data, data + 1, size - 1);
}

static void assert_extent_decrypts(const struct fixture *fixture, struct xts *xts,
				   const struct extent *extent)
{
	cleanup(freep) uint8_t *data = malloc(extent->length);

	memcpy(data, fixture->disk.data + CONVERT_SHIFT + extent->offset, extent->length);
	assert_int_equal(xts_decrypt(xts, extent->offset, data, extent->length), 0);
	assert_memory_equal(data, fixture->image + extent->offset, extent->length);
}

/* Bytes that are not used do not move: where a transfer goes across them, zeros are written. */
static void assert_gaps_are_zero(const struct fixture *fixture, size_t chunk)
{
	struct convert_spans spans;
	struct extent piece = {};
	size_t cursor = 0;
	bool more = manifest_chunk_extent(fixture->manifest, chunk, &cursor, &piece);

	convert_chunk_spans(fixture->manifest, chunk, &spans);
	for (size_t i = 0; i < spans.count; i++) {
		uint64_t at = spans.list[i].offset, end = at + spans.list[i].length;

		while (more && piece.offset < end) {
			assert_zero(fixture->disk.data + CONVERT_SHIFT + at, piece.offset - at);
			at = piece.offset + piece.length;
			more = manifest_chunk_extent(fixture->manifest, chunk, &cursor, &piece);
		}
		assert_zero(fixture->disk.data + CONVERT_SHIFT + at, end - at);
	}
	assert_false(more);
}

static void assert_converted(const struct fixture *fixture)
{
	cleanup(xts_freep) struct xts *xts = NULL;
	const uint8_t *disk = fixture->disk.data;

	assert_memory_equal(disk, fixture->header_data, HEADER_SIZE);
	assert_zero(disk + HEADER_SIZE, CONVERT_SHIFT - HEADER_SIZE);
	assert_int_equal(xts_new(fixture->volume_key, fixture->conversion.sector_size, &xts), 0);
	for (size_t i = 0; i < fixture->manifest->extents_count; i++)
		assert_extent_decrypts(fixture, xts, &fixture->manifest->extents[i]);
	for (size_t chunk = 0; chunk < fixture->manifest->chunks_count; chunk++)
		assert_gaps_are_zero(fixture, chunk);
	assert_zero(disk + fixture->manifest->fs_size + CONVERT_SHIFT, CONVERT_SHIFT);
	assert_no_plaintext(fixture);
}

/* --- tests --- */

static void convert_and_check(struct fixture *fixture, unsigned int threads)
{
	uint8_t *header;
	size_t size;

	bake(fixture);
	assert_int_equal(convert_find_header(&fixture->io, fixture->manifest, &header, &size),
			 -ENOENT);
	assert_int_equal(convert_verify(&fixture->io, fixture->manifest, NULL), 0);
	assert_int_equal(fixture->disk.changes, 0);
	assert_int_equal(begin(fixture), 0);
	assert_false(fixture->disk.dirty);
	assert_int_equal(convert_find_header(&fixture->io, fixture->manifest, &header, &size), 0);
	assert_int_equal(size, HEADER_SIZE);
	assert_memory_equal(header, fixture->header_data, HEADER_SIZE);
	free(header);
	assert_int_equal(run(fixture, threads), 0);
	assert_false(fixture->disk.dirty);
	assert_converted(fixture);
	/* Nothing is left to be done, and nothing is made up. */
	assert_int_equal(convert_find_header(&fixture->io, fixture->manifest, &header, &size),
			 -ENOENT);
	assert_int_equal(run(fixture, threads), -ENOENT);
	assert_converted(fixture);
}

static void converts_full(void **state)
{
	cleanup(fixture_freep) struct fixture *fixture = fixture_full();

	(void)state;
	convert_and_check(fixture, 1);
	convert_and_check(fixture, 4);
}

static void converts_holes(void **state)
{
	cleanup(fixture_freep) struct fixture *fixture = fixture_holes();

	(void)state;
	assert_int_equal(fixture->manifest->states[3], CHUNK_ZERO);
	convert_and_check(fixture, 1);
	convert_and_check(fixture, 4);
}

static void converts_small_blocks(void **state)
{
	/* No multiple of 4096: neither the extents nor the file system. */
	cleanup(fixture_freep) struct fixture *fixture =
		fixture_new(18 * MIB + 309 * KIB, 1024, small_blocks, ARRAY_SIZE(small_blocks));

	(void)state;
	assert_int_equal(fixture->conversion.sector_size, 512);
	convert_and_check(fixture, 1);
	convert_and_check(fixture, 4);
}

static void converts_tiny(void **state)
{
	const struct extent extents[] = {{4 * KIB, 60 * KIB}, {MIB, 4 * KIB}};
	cleanup(fixture_freep) struct fixture *fixture =
		fixture_new(MIB + 100 * KIB, 4096, extents, ARRAY_SIZE(extents));

	(void)state;
	convert_and_check(fixture, 1);
}

/* --- what is refused --- */

static void changed_plaintext_is_refused(void **state)
{
	cleanup(fixture_freep) struct fixture *fixture = fixture_full();
	static const size_t places[] = {0, 12 * MIB + 77, 20 * MIB, 3 * MIB + 5,
					37 * MIB + 40 * KIB - 1};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		char chunk[64];
		uint64_t start = places[i] / MIB * MIB;

		bake(fixture);
		fixture->disk.data[places[i]] ^= 1;
		snprintf(chunk, sizeof(chunk), "chunk %zu, at byte offset %llu ", places[i] / MIB,
			 (unsigned long long)start);
		assert_int_equal(convert_verify(&fixture->io, fixture->manifest, NULL), -EILSEQ);
		assert_non_null(strstr(fail_sentence(-EILSEQ), chunk));
		assert_int_equal(fixture->disk.changes, 0);
		assert_int_equal(begin(fixture), 0);
		assert_int_equal(run(fixture, 2), -EILSEQ);
		assert_non_null(strstr(fail_sentence(-EILSEQ), chunk));
		/* What was there stays there, for whoever wants to see it. */
		fixture->disk.data[places[i]] ^= 1;
		assert_memory_equal(fixture->disk.data + start, fixture->image + start,
				    MIN(MIB, fixture->manifest->fs_size - start));
		/* And is as good as new once it is repaired. */
		assert_int_equal(run(fixture, 2), 0);
		assert_converted(fixture);
	}
}

static void verify_names_the_first_difference(void **state)
{
	cleanup(fixture_freep) struct fixture *fixture = fixture_full();
	struct convert_options options = {.threads = 8};

	(void)state;
	for (int round = 0; round < 8; round++) {
		bake(fixture);
		for (size_t chunk = 5; chunk < 12; chunk++)
			fixture->disk.data[chunk * MIB + MIB - 1] ^= 1;
		/* A zero chunk is found different without reading all of it. */
		assert_int_equal(convert_verify(&fixture->io, fixture->manifest, &options),
				 -EILSEQ);
		assert_non_null(strstr(fail_sentence(-EILSEQ), "chunk 5,"));
	}
}

/* A byte that is not used may be anything: gaps in a chunk, unused chunks, the tail. */
static void unused_bytes_do_not_matter(void **state)
{
	cleanup(fixture_freep) struct fixture *fixture = fixture_holes();

	(void)state;
	bake(fixture);
	fixture->disk.data[4 * KIB] ^= 1;
	fixture->disk.data[10 * MIB] ^= 1;
	fixture->disk.data[36 * MIB] ^= 1;
	assert_int_equal(convert_verify(&fixture->io, fixture->manifest, NULL), 0);
	assert_int_equal(begin(fixture), 0);
	assert_int_equal(run(fixture, 2), 0);
	assert_converted(fixture);
}

static void small_disk_is_refused(void **state)
{
	cleanup(fixture_freep) struct fixture *fixture = fixture_holes();
	uint64_t size = fixture->disk.size;

	(void)state;
	assert_int_equal(convert_begin(&fixture->conversion, &fixture->header, size - SECTOR),
			 -ENOSPC);
	assert_int_equal(convert_begin(&fixture->conversion, &fixture->header, 0), -ENOSPC);
	assert_int_equal(fixture->disk.operations, 0);
}

static void wrong_arguments_are_refused(void **state)
{
	cleanup(fixture_freep) struct fixture *fixture =
		fixture_new(18 * MIB + 309 * KIB, 1024, small_blocks, ARRAY_SIZE(small_blocks));

	(void)state;
	fixture->conversion.sector_size = 4096;
	assert_int_equal(begin(fixture), -EINVAL);
	assert_int_equal(run(fixture, 1), -EINVAL);
	fixture->conversion.sector_size = 1024;
	assert_int_equal(begin(fixture), -EINVAL);
	fixture->conversion.sector_size = 512;
	fixture->header.size = 4095;
	assert_int_equal(begin(fixture), -EINVAL);
	fixture->header.size = CONVERT_HEADER_MAX + 4096;
	assert_int_equal(begin(fixture), -EINVAL);
	fixture->header.size = HEADER_SIZE;
	fixture->conversion.volume_key = fixture->mac_key;
	assert_int_equal(begin(fixture), -EINVAL);
	assert_int_equal(fixture->disk.operations, 0);
}

/* Begun, and cut after @operations more. */
static void begin_and_stop(struct fixture *fixture, unsigned int operations)
{
	bake(fixture);
	assert_int_equal(begin(fixture), 0);
	fixture->disk.fail_at = fixture->disk.operations + operations;
	assert_int_equal(run(fixture, 1), -EIO);
	fixture->disk.fail_at = 0;
	fixture->disk.changes = 0;
}

static void foreign_state_is_refused(void **state)
{
	cleanup(fixture_freep) struct fixture *fixture = fixture_full();
	cleanup(secret_freep) struct secret *other_key = NULL;
	struct conversion good;

	(void)state;
	begin_and_stop(fixture, 84);
	good = fixture->conversion;
	assert_int_equal(secret_random(32, &other_key), 0);
	fixture->conversion.mac_key = other_key;
	assert_int_equal(run(fixture, 2), -EKEYREJECTED);

	fixture->conversion = good;
	fixture->conversion.luks_uuid[3] ^= 1;
	assert_int_equal(run(fixture, 2), -ESTALE);

	fixture->conversion = good;
	fixture->conversion.sector_size = 512;
	assert_int_equal(run(fixture, 2), -ESTALE);

	fixture->conversion = good;
	fixture->manifest->digest[0] ^= 1;
	assert_int_equal(run(fixture, 2), -ESTALE);
	fixture->manifest->digest[0] ^= 1;

	assert_int_equal(fixture->disk.changes, 0);
	assert_int_equal(run(fixture, 2), 0);
	assert_converted(fixture);
}

static void flip(struct fixture *fixture, uint64_t offset)
{
	fixture->disk.data[fixture->manifest->fs_size + CONVERT_SHIFT + offset] ^= 1;
}

static void changed_records_are_refused(void **state)
{
	cleanup(fixture_freep) struct fixture *fixture = fixture_full();
	/* In every field of the record: magic, version, ... MAC, and in what must be zero. */
	static const uint64_t offsets[] = {0,  16, 20,	24,  32,  40,  48,
					   64, 96, 104, 136, 167, 168, 4095};

	(void)state;
	begin_and_stop(fixture, 84);
	for (size_t i = 0; i < ARRAY_SIZE(offsets); i++) {
		int r;

		for (uint64_t slot = 0; slot < CONVERT_SLOTS; slot++)
			flip(fixture, slot * CONVERT_SLOT_STRIDE + offsets[i]);
		r = run(fixture, 2);
		assert_true(r == -EKEYREJECTED || r == -ENOENT);
		for (uint64_t slot = 0; slot < CONVERT_SLOTS; slot++)
			flip(fixture, slot * CONVERT_SLOT_STRIDE + offsets[i]);
	}
	assert_int_equal(fixture->disk.changes, 0);
	/* One bad slot may be a torn write: the other one counts. */
	flip(fixture, 40);
	assert_int_equal(run(fixture, 2), 0);
	assert_converted(fixture);
}

static void changed_header_copy_is_refused(void **state)
{
	cleanup(fixture_freep) struct fixture *fixture = fixture_full();
	uint8_t *header;
	size_t size;

	(void)state;
	begin_and_stop(fixture, 84);
	flip(fixture, CONVERT_COPY_OFFSET + HEADER_SIZE - 1);
	assert_int_equal(convert_find_header(&fixture->io, fixture->manifest, &header, &size),
			 -ENOENT);
	assert_int_equal(run(fixture, 2), -ESTALE);
	assert_int_equal(fixture->disk.changes, 0);
	flip(fixture, CONVERT_COPY_OFFSET + HEADER_SIZE - 1);
	assert_int_equal(run(fixture, 2), 0);
	assert_converted(fixture);
}

/* The host puts back what an earlier moment of the same conversion had. */
/* The header is in front and no record is left: only the bytes themselves can tell. */
static void result_is_checked_in_full(void **state)
{
	cleanup(fixture_freep) struct fixture *fixture = fixture_holes();
	uint64_t last = holes[0].offset + CONVERT_SHIFT;

	(void)state;
	assert_int_equal(begin(fixture), 0);
	assert_true(convert_check_result(&fixture->conversion, NULL) < 0);
	assert_int_equal(run(fixture, 1), 0);
	assert_int_equal(convert_check_result(&fixture->conversion, NULL), 0);
	fixture->disk.data[last] ^= 1;
	assert_int_equal(convert_check_result(&fixture->conversion, NULL), -ESTALE);
}

static void rollback_is_refused(void **state)
{
	cleanup(fixture_freep) struct fixture *fixture = fixture_full();
	cleanup(freep) uint8_t *earlier = malloc(CONVERT_SHIFT);
	uint8_t *tail = fixture->disk.data + fixture->manifest->fs_size + CONVERT_SHIFT;

	(void)state;
	assert_int_equal(begin(fixture), 0);
	memcpy(earlier, tail, CONVERT_SHIFT);
	/* Only the record: by now the third batch has overwritten chunks of the second one. */
	assert_true(fixture->manifest->chunks_count > 2 * CONVERT_SHIFT_CHUNKS);
	fixture->disk.fail_at = fixture->disk.operations + 36 * 3;
	assert_int_equal(run(fixture, 1), -EIO);
	fixture->disk.fail_at = 0;
	memcpy(tail, earlier, CONVERT_SHIFT);
	assert_int_equal(run(fixture, 2), -EILSEQ);

	/* Only the data that the record calls done. */
	begin_and_stop(fixture, 84);
	fixture->disk.data[24 * MIB + CONVERT_SHIFT] ^= 1;
	assert_int_equal(run(fixture, 2), -ESTALE);
	assert_int_equal(fixture->disk.changes, 0);
}

/* --- I/O errors --- */

static void fail_each_operation(struct fixture *fixture, unsigned int step)
{
	unsigned int fail_at = 1, changes;
	int r;

	for (;; fail_at += step) {
		bake(fixture);
		fixture->disk.fail_at = fail_at;
		r = begin(fixture);
		if (r == 0)
			r = run(fixture, 1);
		if (!fixture->disk.failed)
			break;
		assert_int_equal(r, -EIO);
		assert_non_null(strstr(fail_sentence(-EIO), " failed: Remote I/O error"));
		changes = fixture->disk.changes;
		fixture->disk.fail_at = 0;
		r = run(fixture, 1);
		if (r == -ENOENT) {
			/* Nothing was begun yet, or all is done: then nothing was changed. */
			assert_int_equal(fixture->disk.changes, changes);
			if (memcmp(fixture->disk.data, fixture->header_data, HEADER_SIZE) != 0) {
				assert_int_equal(begin(fixture), 0);
				r = run(fixture, 1);
			} else {
				r = 0;
			}
		}
		assert_int_equal(r, 0);
		assert_converted(fixture);
	}
	assert_int_equal(r, 0);
	/* Both ends of the range were met. */
	assert_true(fail_at > 10 * step);
}

static void each_io_error_stops_and_resumes(void **state)
{
	const struct extent extents[] = {
		{0, 8 * KIB},
		{MIB, 4 * KIB},
		{17 * MIB, 200 * KIB},
		{17 * MIB + 400 * KIB, 4 * KIB},
		{33 * MIB + 36 * KIB, 64 * KIB},
	};
	cleanup(fixture_freep) struct fixture *fixture =
		fixture_new(33 * MIB + 100 * KIB, 4096, extents, ARRAY_SIZE(extents));

	(void)state;
	fail_each_operation(fixture, 1);
}

static void nothing_is_written_after_an_error(void **state)
{
	cleanup(fixture_freep) struct fixture *fixture = fixture_full();
	unsigned int reads_of_one_chunk = MIB / (128 * KIB);

	(void)state;
	assert_int_equal(begin(fixture), 0);
	fixture->disk.changes = 0;
	/* Two slots and the header are read, then the first data. */
	fixture->disk.fail_at = fixture->disk.operations + 3 + 1;
	assert_int_equal(run(fixture, 4), -EIO);
	assert_non_null(strstr(fail_sentence(-EIO), "reading"));
	assert_non_null(strstr(fail_sentence(-EIO), "byte offset"));
	/* Each of the other threads may have been in the middle of one chunk. */
	assert_true(fixture->disk.changes <= 3);
	assert_true(fixture->disk.operations <
		    fixture->disk.fail_at + 4 * (reads_of_one_chunk + 1));
}

/* --- progress, threads, plan --- */

struct seen {
	unsigned int calls;
	struct convert_progress last;
};

static void see(const struct convert_progress *progress, void *context)
{
	struct seen *seen = context;

	assert_true(progress->done_bytes >= seen->last.done_bytes);
	seen->calls++;
	seen->last = *progress;
}

static void progress_is_reported(void **state)
{
	cleanup(fixture_freep) struct fixture *fixture = fixture_holes();
	struct seen seen = {};
	struct convert_options options = {.progress = see, .progress_context = &seen};

	(void)state;
	assert_int_equal(convert_verify(&fixture->io, fixture->manifest, &options), 0);
	assert_true(seen.calls >= 1);
	assert_int_equal(seen.last.done_bytes, fixture->manifest->used_bytes);
	assert_int_equal(seen.last.total_bytes, fixture->manifest->used_bytes);
	seen = (struct seen){};
	assert_int_equal(begin(fixture), 0);
	assert_int_equal(convert_run(&fixture->conversion, &options), 0);
	assert_true(seen.calls >= 1);
	assert_int_equal(seen.last.done_bytes, fixture->manifest->used_bytes);
	assert_int_equal(seen.last.total_bytes, fixture->manifest->used_bytes);
	/* Each second, and this is done in less: once, of the first chunk. */
	seen = (struct seen){};
	assert_int_equal(convert_check_result(&fixture->conversion, &options), 0);
	assert_true(seen.calls >= 1);
	assert_true(seen.last.done_bytes > 0);
	assert_int_equal(seen.last.total_bytes, fixture->manifest->used_bytes);
}

static void threads_do_not_change_the_result(void **state)
{
	cleanup(fixture_freep) struct fixture *fixture = fixture_full();
	cleanup(freep) uint8_t *single = malloc(fixture->disk.size);

	(void)state;
	convert_and_check(fixture, 1);
	memcpy(single, fixture->disk.data, fixture->disk.size);
	for (unsigned int threads = 2; threads <= 8; threads *= 2) {
		convert_and_check(fixture, threads);
		assert_memory_equal(single, fixture->disk.data, fixture->disk.size);
	}
}

/* No chunk of a batch may land on a used chunk of the same batch, and all of them are covered. */
static void assert_batches(const struct manifest *manifest, size_t expected)
{
	size_t end = manifest->chunks_count, count = 0;

	while (end > 0) {
		struct convert_batch batch = convert_batch_below(manifest, end);

		assert_int_equal(batch.end, end);
		assert_true(batch.first < end);
		for (size_t chunk = batch.first; chunk < end; chunk++)
			if (chunk + 16 < end)
				assert_int_equal(manifest->states[chunk + 16], CHUNK_UNUSED);
		end = batch.first;
		count++;
	}
	assert_int_equal(count, expected);
}

static void batches_follow_the_used_chunks(void **state)
{
	const struct extent one[] = {{390 * MIB, 4 * KIB}};
	const struct extent two[] = {{100 * MIB, 4 * KIB}, {390 * MIB, 4 * KIB}};
	cleanup(fixture_freep) struct fixture *fixture = fixture_full();
	cleanup(fixture_freep) struct fixture *single = fixture_new(400 * MIB, 4096, one, 1);
	cleanup(fixture_freep) struct fixture *pair = fixture_new(400 * MIB, 4096, two, 2);

	(void)state;
	assert_batches(fixture->manifest, 3);
	/* One for the chunk; one that zeroes its place and ends at the start or the next chunk. */
	assert_batches(single->manifest, 2);
	assert_batches(pair->manifest, 3);
}

/* --- what the check leaves in memory --- */

static const size_t changed_places[] = {0, 12 * MIB + 77, 20 * MIB, 33 * MIB + 5,
					37 * MIB + 40 * KIB - 1};

static void change_all(struct fixture *fixture)
{
	for (size_t i = 0; i < ARRAY_SIZE(changed_places); i++)
		fixture->disk.data[changed_places[i]] ^= 1;
}

static struct convert_kept *check_and_keep(struct fixture *fixture, uint64_t limit)
{
	struct convert_options options = {.threads = 2};

	bake(fixture);
	assert_int_equal(convert_kept_new(fixture->manifest, limit, &options.kept), 0);
	assert_int_equal(convert_verify(&fixture->io, fixture->manifest, &options), 0);
	assert_int_equal(begin(fixture), 0);
	return options.kept;
}

static int run_kept(struct fixture *fixture, struct convert_kept *kept)
{
	struct convert_options options = {.threads = 2, .kept = kept};

	return convert_run(&fixture->conversion, &options);
}

/* Whatever the host puts on the disk behind the check: what was checked is what is encrypted. */
static void kept_chunks_are_not_read_again(void **state)
{
	cleanup(fixture_freep) struct fixture *fixture = fixture_full();
	cleanup(convert_kept_freep) struct convert_kept *kept = check_and_keep(fixture, UINT64_MAX);

	(void)state;
	change_all(fixture);
	assert_int_equal(run_kept(fixture, kept), 0);
	assert_converted(fixture);
}

static void holes_are_kept_as_holes(void **state)
{
	cleanup(fixture_freep) struct fixture *fixture = fixture_holes();
	cleanup(convert_kept_freep) struct convert_kept *kept = check_and_keep(fixture, UINT64_MAX);

	(void)state;
	assert_int_equal(run_kept(fixture, kept), 0);
	assert_converted(fixture);
}

/* Of 38 chunks the memory holds the last four; the others are read and checked again. */
static void limit_keeps_the_last_chunks(void **state)
{
	cleanup(fixture_freep) struct fixture *fixture = fixture_full();
	cleanup(convert_kept_freep) struct convert_kept *kept = check_and_keep(fixture, 4 * MIB);

	(void)state;
	fixture->disk.data[34 * MIB] ^= 1;
	fixture->disk.data[37 * MIB] ^= 1;
	fixture->disk.data[34 * MIB - 1] ^= 1;
	assert_int_equal(run_kept(fixture, kept), -EILSEQ);
	assert_non_null(strstr(fail_sentence(-EILSEQ), "chunk 33,"));
	fixture->disk.data[34 * MIB - 1] ^= 1;
	/* A resumed run has nothing kept. */
	assert_int_equal(run(fixture, 2), 0);
	assert_converted(fixture);
}

static void without_memory_all_is_checked_again(void **state)
{
	cleanup(fixture_freep) struct fixture *fixture = fixture_full();
	cleanup(convert_kept_freep) struct convert_kept *kept = check_and_keep(fixture, 0);

	(void)state;
	change_all(fixture);
	assert_int_equal(run_kept(fixture, kept), -EILSEQ);
}

static void chunks_of_another_image_are_not_taken(void **state)
{
	cleanup(fixture_freep) struct fixture *fixture = fixture_full();
	cleanup(fixture_freep) struct fixture *other = fixture_full();
	cleanup(convert_kept_freep) struct convert_kept *kept = check_and_keep(other, UINT64_MAX);

	(void)state;
	bake(fixture);
	assert_int_equal(begin(fixture), 0);
	assert_int_equal(run_kept(fixture, kept), 0);
	assert_converted(fixture);
}

static void what_was_not_checked_is_not_taken(void **state)
{
	cleanup(fixture_freep) struct fixture *fixture = fixture_full();
	cleanup(convert_kept_freep) struct convert_kept *kept = NULL;

	(void)state;
	bake(fixture);
	assert_int_equal(convert_kept_new(fixture->manifest, UINT64_MAX, &kept), 0);
	assert_int_equal(begin(fixture), 0);
	assert_int_equal(run_kept(fixture, kept), 0);
	assert_converted(fixture);
}

/* A cut anywhere: the plaintext stays until its ciphertext is durable, kept or not. */
static void each_io_error_with_kept_chunks_resumes(void **state)
{
	cleanup(fixture_freep) struct fixture *fixture = fixture_holes();
	bool failed = true;

	(void)state;
	for (unsigned int at = 1; failed; at += 7) {
		struct convert_kept *kept = check_and_keep(fixture, UINT64_MAX);

		fixture->disk.operations = 0;
		fixture->disk.fail_at = at;
		fixture->disk.failed = false;
		(void)run_kept(fixture, kept);
		failed = fixture->disk.failed;
		fixture->disk.fail_at = 0;
		convert_kept_free(kept);
		if (failed)
			assert_int_equal(run(fixture, 2), 0);
		assert_converted(fixture);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(converts_full),
		cmocka_unit_test(converts_holes),
		cmocka_unit_test(converts_small_blocks),
		cmocka_unit_test(converts_tiny),
		cmocka_unit_test(changed_plaintext_is_refused),
		cmocka_unit_test(verify_names_the_first_difference),
		cmocka_unit_test(unused_bytes_do_not_matter),
		cmocka_unit_test(small_disk_is_refused),
		cmocka_unit_test(wrong_arguments_are_refused),
		cmocka_unit_test(foreign_state_is_refused),
		cmocka_unit_test(changed_records_are_refused),
		cmocka_unit_test(changed_header_copy_is_refused),
		cmocka_unit_test(rollback_is_refused),
		cmocka_unit_test(result_is_checked_in_full),
		cmocka_unit_test(each_io_error_stops_and_resumes),
		cmocka_unit_test(nothing_is_written_after_an_error),
		cmocka_unit_test(progress_is_reported),
		cmocka_unit_test(threads_do_not_change_the_result),
		cmocka_unit_test(batches_follow_the_used_chunks),
		cmocka_unit_test(kept_chunks_are_not_read_again),
		cmocka_unit_test(holes_are_kept_as_holes),
		cmocka_unit_test(limit_keeps_the_last_chunks),
		cmocka_unit_test(without_memory_all_is_checked_again),
		cmocka_unit_test(chunks_of_another_image_are_not_taken),
		cmocka_unit_test(what_was_not_checked_is_not_taken),
		cmocka_unit_test(each_io_error_with_kept_chunks_resumes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
