/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "image.h"

#include <string.h>

#include "crypto/xts.h"

#define HEADER_SIZE 16384

static _Noreturn void give_up(const char *what)
{
	fprintf(stderr, "power: %s\n", what);
	exit(2);
}

static bool percent(struct random *random, unsigned int chance)
{
	return random_below(random, 100) < chance;
}

static void bake_bytes(struct disk *disk, struct random *random, uint64_t offset, uint64_t length,
		       bool zero)
{
	uint8_t data[PAGE_SIZE];

	while (length > 0) {
		size_t part = MIN(length, PAGE_SIZE - offset % PAGE_SIZE);

		random_fill(random, data, part);
		if (zero || percent(random, 5))
			memset(data, 0, part);
		disk_put(disk, data, part, offset);
		offset += part;
		length -= part;
	}
}

/* --- extents --- */

struct extents {
	struct extent *list;
	size_t count;
	size_t allocated;
};

/* Extents of a manifest are apart: one that touches the last is joined with it. */
static void extents_add(struct extents *extents, uint64_t offset, uint64_t length)
{
	struct extent *last = extents->count > 0 ? &extents->list[extents->count - 1] : NULL;

	if (last && last->offset + last->length == offset) {
		last->length += length;
		return;
	}
	if (extents->count == extents->allocated) {
		extents->allocated = 2 * extents->allocated + 64;
		extents->list = realloc(extents->list, extents->allocated * sizeof(*last));
		if (!extents->list)
			give_up("no memory");
	}
	extents->list[extents->count++] = (struct extent){.offset = offset, .length = length};
}

/* A few extents in [start, end), each of some blocks. */
static void scatter(const struct shape *shape, struct random *random, struct extents *extents,
		    uint64_t start, uint64_t end, uint32_t block)
{
	unsigned int count = 1 + (unsigned int)random_below(random, shape->extents_max);
	uint64_t part = (end - start) / count / block * block;

	for (unsigned int i = 0; i < count && part > 0; i++) {
		uint64_t blocks = part / block, longest = 1 + random_below(random, 24);
		uint64_t length = 1 + random_below(random, MIN(blocks, longest));
		uint64_t skip = random_below(random, blocks - length + 1);

		/* At the edges, where a mistake would be. */
		if (i == 0 && percent(random, 25))
			skip = 0;
		if (i == count - 1 && percent(random, 25))
			skip = (end - start) / block - (count - 1) * blocks - length;
		extents_add(extents, start + i * part + skip * block, length * block);
	}
}

static void choose_extents(const struct shape *shape, struct random *random, uint64_t fs_size,
			   uint32_t block, struct extents *ret)
{
	bool any = false;

	for (uint64_t start = 0; start < fs_size; start += MANIFEST_CHUNK_SIZE) {
		uint64_t end = MIN(start + MANIFEST_CHUNK_SIZE, fs_size);
		bool last = end == fs_size;

		/* A file system has at least one used block. */
		if (!percent(random, shape->used_percent) && !(last && !any))
			continue;
		any = true;
		if (percent(random, shape->whole_percent))
			extents_add(ret, start, end - start);
		else
			scatter(shape, random, ret, start, end, block);
	}
}

/* --- manifest --- */

static void describe_chunk(struct manifest *manifest, const struct disk *disk, size_t chunk,
			   uint8_t *used)
{
	struct extent piece;
	size_t cursor = 0, size = 0;
	bool zero = true;

	while (manifest_chunk_extent(manifest, chunk, &cursor, &piece)) {
		disk_get(disk, used + size, piece.length, piece.offset);
		size += piece.length;
	}
	for (size_t i = 0; zero && i < size; i++)
		zero = used[i] == 0;
	manifest->states[chunk] = size == 0 ? CHUNK_UNUSED : zero ? CHUNK_ZERO : CHUNK_DATA;
	if (!zero && hash_data(HASH_SHA256, used, size, manifest->digests[chunk]) < 0)
		give_up("SHA-256 fails");
}

static struct manifest *make_manifest(const struct disk *disk, uint64_t fs_size, uint32_t block,
				      const struct extents *extents)
{
	struct manifest *manifest = calloc(1, sizeof(*manifest));
	uint8_t *used = malloc(MANIFEST_CHUNK_SIZE), *serialized;
	size_t size;

	if (!manifest || !used)
		give_up("no memory");
	strcpy(manifest->fs_type, "ext4");
	manifest->fs_size = fs_size;
	manifest->block_size = block;
	manifest->chunk_size = MANIFEST_CHUNK_SIZE;
	manifest->extents = extents->list;
	manifest->extents_count = extents->count;
	if (manifest_index(manifest) < 0)
		give_up("the manifest made here is not valid");
	for (size_t chunk = 0; chunk < manifest->chunks_count; chunk++)
		describe_chunk(manifest, disk, chunk, used);
	if (manifest_serialize(manifest, &serialized, &size) < 0)
		give_up("no manifest");
	free(serialized);
	free(used);
	return manifest;
}

static void bake_disk(const struct shape *shape, struct random *random, struct disk *disk,
		      const struct extents *extents)
{
	/* What was on the disk before: it may stay where nothing is used. */
	for (size_t page = 0; page < disk->pages; page++)
		if (percent(random, 2))
			bake_bytes(disk, random, (uint64_t)page * PAGE_SIZE, PAGE_SIZE, false);
	for (size_t i = 0; i < extents->count; i++)
		bake_bytes(disk, random, extents->list[i].offset, extents->list[i].length,
			   percent(random, shape->zero_percent));
}

static struct secret *make_secret(struct random *random, size_t size)
{
	struct secret *secret;

	if (secret_new(size, &secret) < 0)
		give_up("no memory");
	random_fill(random, secret->data, size);
	return secret;
}

static uint32_t choose_block(const struct shape *shape, struct random *random)
{
	static const uint32_t sizes[] = {512, 1024, 2048, 4096, 4096, 4096, 65536};

	return shape->block_size > 0 ? shape->block_size
				     : sizes[random_below(random, ARRAY_SIZE(sizes))];
}

void image_bake(struct image *image)
{
	size_t size = image->disk->pages * sizeof(*image->plain);

	disk_bake(image->disk);
	image->plain = malloc(size);
	if (!image->plain)
		give_up("no memory");
	memcpy(image->plain, image->disk->current, size);
}

struct image *image_new(const struct shape *shape, struct random *random)
{
	struct image *image = calloc(1, sizeof(*image));
	struct extents extents = {};
	uint32_t block = choose_block(shape, random);
	uint64_t chunks =
		shape->chunks_min + random_below(random, shape->chunks_max - shape->chunks_min + 1);
	uint64_t fs_size = chunks * MANIFEST_CHUNK_SIZE;

	if (!image)
		give_up("no memory");
	if (shape->partial)
		fs_size -= random_below(random, MANIFEST_CHUNK_SIZE / block) * block;
	choose_extents(shape, random, fs_size, block, &extents);
	image->disk = disk_new(fs_size + CONVERT_TAIL);
	image->io = disk_simulated_io(image->disk);
	bake_disk(shape, random, image->disk, &extents);
	image->manifest = make_manifest(image->disk, fs_size, block, &extents);
	image_bake(image);

	image->volume_key = make_secret(random, XTS_KEY_SIZE);
	image->mac_key = make_secret(random, HASH_SHA256_SIZE);
	image->header_data = malloc(HEADER_SIZE);
	if (!image->header_data)
		give_up("no memory");
	random_fill(random, image->header_data, HEADER_SIZE);
	image->header = (struct convert_header){image->header_data, HEADER_SIZE};
	image->conversion = (struct conversion){
		.io = &image->io,
		.manifest = image->manifest,
		.volume_key = image->volume_key,
		.mac_key = image->mac_key,
		.sector_size = manifest_sector_size(image->manifest),
	};
	random_fill(random, image->conversion.luks_uuid, UUID_SIZE);
	return image;
}

void image_free(struct image *image)
{
	disk_free(image->disk);
	manifest_free(image->manifest);
	secret_free(image->volume_key);
	secret_free(image->mac_key);
	free(image->header_data);
	free(image->plain);
	free(image);
}

/* --- check --- */

/* A byte of the disk as it was baked. */
static void baked_get(const struct image *image, void *ret, size_t size, uint64_t offset)
{
	struct disk baked = *image->disk;

	baked.current = image->plain;
	disk_get(&baked, ret, size, offset);
}

static bool is_zero(const struct image *image, uint64_t offset, uint64_t end)
{
	static const uint8_t zero[SECTOR_SIZE];
	uint8_t sector[SECTOR_SIZE];

	for (; offset < end; offset += SECTOR_SIZE) {
		disk_get(image->disk, sector, sizeof(sector), offset);
		if (memcmp(sector, zero, sizeof(sector)) != 0)
			return false;
	}
	return true;
}

static bool extents_decrypt(const struct image *image)
{
	size_t size = image->conversion.sector_size;
	static uint8_t was[4096], is[4096];
	struct xts *xts;
	bool good = true;

	if (xts_new(image->volume_key, size, &xts) < 0)
		give_up("AES-XTS fails");
	for (size_t i = 0; i < image->manifest->extents_count; i++) {
		const struct extent *extent = &image->manifest->extents[i];

		for (uint64_t at = extent->offset; at < extent->offset + extent->length;
		     at += size) {
			baked_get(image, was, size, at);
			disk_get(image->disk, is, size, at + CONVERT_SHIFT);
			if (xts_decrypt(xts, at, is, size) < 0 || memcmp(was, is, size) != 0)
				good = false;
		}
	}
	xts_free(xts);
	return good;
}

static int compare_words(const void *a, const void *b)
{
	uint64_t x, y;

	memcpy(&x, a, 8);
	memcpy(&y, b, 8);
	return x < y ? -1 : x > y;
}

/* The first word of each used sector, but of the zeros; sorted. */
static uint64_t *list_plaintext(const struct image *image, size_t *ret_count)
{
	uint64_t *words = calloc(image->manifest->used_bytes / SECTOR_SIZE, sizeof(*words));
	size_t count = 0;

	if (!words)
		give_up("no memory");
	for (size_t i = 0; i < image->manifest->extents_count; i++) {
		const struct extent *extent = &image->manifest->extents[i];

		for (uint64_t at = 0; at < extent->length; at += SECTOR_SIZE) {
			baked_get(image, &words[count], 8, extent->offset + at);
			count += words[count] != 0;
		}
	}
	qsort(words, count, sizeof(*words), compare_words);
	*ret_count = count;
	return words;
}

static bool plaintext_is_left(const struct image *image)
{
	size_t count;
	cleanup(freep) uint64_t *words = list_plaintext(image, &count);

	for (size_t page = 0; page < image->disk->pages; page++) {
		const uint8_t *data = disk_page(image->disk, page);

		for (size_t at = 0; at < PAGE_SIZE; at += SECTOR_SIZE)
			if (bsearch(data + at, words, count, sizeof(*words), compare_words))
				return true;
	}
	return false;
}

bool image_has_header(const struct image *image)
{
	for (size_t at = 0; at < image->header.size; at += PAGE_SIZE)
		if (memcmp(disk_page(image->disk, at / PAGE_SIZE), image->header_data + at,
			   PAGE_SIZE) != 0)
			return false;
	return true;
}

const char *image_check(const struct image *image)
{
	uint64_t tail = image->manifest->fs_size + CONVERT_SHIFT;

	if (!image_has_header(image))
		return "the header is not in front";
	if (!is_zero(image, image->header.size, CONVERT_SHIFT))
		return "something is left between header and ciphertext";
	if (!extents_decrypt(image))
		return "the ciphertext does not decrypt to the image";
	if (!is_zero(image, tail, tail + CONVERT_SHIFT))
		return "the tail is not wiped";
	if (plaintext_is_left(image))
		return "plaintext is left on the disk";
	return NULL;
}
