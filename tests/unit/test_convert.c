/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
/* Before cmocka, which has a macro fail(). */
#include "base/error.h"

#include "unit.h"

#include <pthread.h>

#include "crypto/xts.h"
#include "disk/convert_plan.h"
#include "disk/convert_record.h"

#define HEADER_SIZE 8192
#define SECTOR	    512

/* --- a disk in RAM that can fail --- */

struct ram_disk {
	pthread_mutex_t lock;
	uint8_t *data;
	uint64_t size;
	unsigned int operations; /* of all kinds, so far */
	unsigned int changes;	 /* writes and zeroings that were done */
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
	for (size_t i = 0; i < size; i++)
		assert_int_equal(data[i], 0);
}

static void assert_extent_decrypts(const struct fixture *fixture, struct xts *xts,
				   const struct extent *extent)
{
	cleanup(freep) uint8_t *data = malloc(extent->length);

	memcpy(data, fixture->disk.data + CONVERT_SHIFT + extent->offset, extent->length);
	assert_int_equal(xts_decrypt(xts, extent->offset, data, extent->length), 0);
	assert_memory_equal(data, fixture->image + extent->offset, extent->length);
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
	assert_int_equal(convert_find_header(&fixture->io, fixture->manifest, &header, &size), 0);
	assert_int_equal(size, HEADER_SIZE);
	assert_memory_equal(header, fixture->header_data, HEADER_SIZE);
	free(header);
	assert_int_equal(run(fixture, threads), 0);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(converts_full),
		cmocka_unit_test(converts_holes),
		cmocka_unit_test(converts_small_blocks),
		cmocka_unit_test(converts_tiny),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
