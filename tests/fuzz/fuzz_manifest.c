/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "fuzz.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "disk/manifest/manifest.h"

#define AT_TOTAL   16
#define LEAST_SIZE 112

static void check(bool holds)
{
	if (!holds)
		abort();
}

/* Whatever was accepted can be walked, and is written again byte for byte. */
static void use(struct manifest *manifest, const uint8_t *data, size_t size)
{
	uint64_t used = 0;
	uint8_t *again;
	size_t again_size;

	for (size_t chunk = 0; chunk < manifest->chunks_count; chunk++) {
		uint64_t start = (uint64_t)chunk * manifest->chunk_size;
		struct extent piece;
		size_t cursor = 0;

		while (manifest_chunk_extent(manifest, chunk, &cursor, &piece)) {
			check(piece.length > 0 && piece.offset >= start);
			check(piece.offset + piece.length <= start + manifest->chunk_size);
			check(piece.offset + piece.length <= manifest->fs_size);
			used += piece.length;
		}
		check((cursor > 0) == (manifest->states[chunk] != CHUNK_UNUSED));
	}
	check(used == manifest->used_bytes);
	check(manifest_sector_size(manifest) <= MAX(manifest->block_size, 4096U));
	check(manifest_serialize(manifest, &again, &again_size) == 0);
	check(again_size == size && memcmp(again, data, size) == 0);
	free(again);
}

static void parse(const uint8_t *data, size_t size)
{
	struct manifest *manifest = NULL;

	if (manifest_parse(data, size, &manifest) == 0)
		use(manifest, data, size);
	manifest_free(manifest);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint64_t total = htole64(size);
	uint8_t *fixed;

	parse(data, size);
	if (size < LEAST_SIZE)
		return 0;
	/* The same again with size and digest put right, to get behind them. */
	fixed = malloc(size);
	if (!fixed)
		return 0;
	memcpy(fixed, data, size);
	memcpy(fixed + AT_TOTAL, &total, sizeof(total));
	if (hash_data(HASH_SHA256, fixed, size - HASH_SHA256_SIZE,
		      fixed + size - HASH_SHA256_SIZE) == 0)
		parse(fixed, size);
	free(fixed);
	return 0;
}
