/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
/* Before cmocka, whose macro fail() would hide ours. */
#include "base/error.h"

#include "unit.h"

#include <endian.h>

#include "base/file.h"
#include "disk/manifest/manifest.h"

/*
 * A manifest written by hand after the layout in manifest.c (and hashed by another program): 4 MiB
 * + 12 KiB of ext4 in 4 KiB blocks; extents [0, 8 KiB), 4 KiB on each side of 1 MiB, and from
 * 3 MiB on 1 MiB + 4 KiB; chunks: data, data, unused, zero, data (partial).
 */
#define BASE_HEX                                                                                   \
	"43564d524d414e4901000000000010000501000000000000"                                         \
	"65787434000000000000000000000000"                                                         \
	"000102030405060708090a0b0c0d0e0f"                                                         \
	"003040000000000000100000000000000300000000000000"                                         \
	"00000000000000000020000000000000"                                                         \
	"00f00f00000000000020000000000000"                                                         \
	"00003000000000000010100000000000"                                                         \
	"0202000102"                                                                               \
	"1111111111111111111111111111111111111111111111111111111111111111"                         \
	"2222222222222222222222222222222222222222222222222222222222222222"                         \
	"4444444444444444444444444444444444444444444444444444444444444444"                         \
	"b55181a69ec569526fb9706bd991ddaf8c779b1a59335f66e720d371695e3892"
#define BASE_SIZE 261

/* Offsets in it. */
enum {
	AT_VERSION = 8,
	AT_CHUNK_SIZE = 12,
	AT_TOTAL = 16,
	AT_TYPE = 24,
	AT_FS_SIZE = 56,
	AT_BLOCK_SIZE = 64,
	AT_ZERO = 68,
	AT_EXTENTS = 72,
	AT_EXTENT = 80,
	AT_STATE = 128,
	AT_DIGEST = 133,
	AT_TOTAL_DIGEST = 229,
};

/* One defect: @size bytes are kept (0: all), then @patch is laid over @at, then, with @rehash, the
 * size of all and the total digest are made right again. */
struct defect {
	const char *name;
	size_t size;
	size_t at;
	const char *patch;
	size_t patch_size;
	bool rehash;
	int error;
	const char *sentence; /* a part of it */
};

#define PATCH(literal) literal, sizeof(literal) - 1

static const struct defect defects[] = {
	{"empty", 1, 0, PATCH("C"), false, -EBADMSG, "truncated"},
	{"foreign", 0, 0, PATCH("LUKS\xba\xbe"), false, -EBADMSG, "not a manifest"},
	{"foreign, rehashed", 0, 7, PATCH("X"), true, -EBADMSG, "not a manifest"},
	{"foreign and short", 4, 0, PATCH("PK"), false, -EBADMSG, "not a manifest"},
	{"ends in the version", 10, 0, PATCH("C"), false, -EBADMSG, "truncated"},
	{"ends in the header", 79, 0, PATCH("C"), false, -EBADMSG, "truncated"},
	{"ends before the last byte", BASE_SIZE - 1, 0, PATCH("C"), false, -EBADMSG, "truncated"},
	{"header alone, size agrees", 100, AT_TOTAL, PATCH("\x64\0"), false, -EBADMSG, "truncated"},
	{"shorter than a digest", 30, AT_TOTAL, PATCH("\x1e\0"), false, -EBADMSG, "truncated"},
	{"newer", 0, AT_VERSION, PATCH("\2"), true, -EOPNOTSUPP, "version 2"},
	{"newer, digest elsewhere", 0, AT_VERSION, PATCH("\2"), false, -EOPNOTSUPP, "version 2"},
	{"version 0", 0, AT_VERSION, PATCH("\0"), true, -EBADMSG, "version 0"},
	{"one bit in an extent", 0, AT_EXTENT + 9, PATCH("\x21"), false, -EBADMSG, "digest"},
	{"one bit in a digest", 0, AT_DIGEST + 31, PATCH("\x10"), false, -EBADMSG, "digest"},
	{"one bit in the total digest", 0, AT_TOTAL_DIGEST, PATCH("\xb4"), false, -EBADMSG,
	 "digest"},
	{"size of all too small", 0, AT_TOTAL, PATCH("\x04"), false, -EBADMSG, "follows"},
	{"chunk size", 0, AT_CHUNK_SIZE, PATCH("\0\0\x20\0"), true, -EBADMSG, "chunk size"},
	{"no type", 0, AT_TYPE, PATCH("\0\0\0\0"), true, -EBADMSG, "type"},
	{"control character in the type", 0, AT_TYPE, PATCH("ex\x1b[m"), true, -EBADMSG, "type"},
	{"something behind the type", 0, AT_TYPE + 8, PATCH("x"), true, -EBADMSG, "type"},
	{"type without end", 0, AT_TYPE, PATCH("abcdefghijklmnop"), true, -EBADMSG, "type"},
	{"reserved field", 0, AT_ZERO, PATCH("\1"), true, -EBADMSG, "reserved"},
	{"block size no power of two", 0, AT_BLOCK_SIZE, PATCH("\0\x30"), true, -EBADMSG,
	 "block size"},
	{"block size 256", 0, AT_BLOCK_SIZE, PATCH("\0\1"), true, -EBADMSG, "block size"},
	{"block size 128 KiB", 0, AT_BLOCK_SIZE, PATCH("\0\0\2"), true, -EBADMSG, "block size"},
	{"block size 0", 0, AT_BLOCK_SIZE, PATCH("\0\0"), true, -EBADMSG, "block size"},
	{"file-system size 0", 0, AT_FS_SIZE, PATCH("\0\0\0"), true, -EBADMSG, "file-system size"},
	{"file-system size not in blocks", 0, AT_FS_SIZE, PATCH("\1"), true, -EBADMSG,
	 "file-system size"},
	{"file-system size over the limit", 0, AT_FS_SIZE, PATCH("\0\0\0\0\0\x10\0\x10"), true,
	 -E2BIG, "TiB"},
	{"more chunks than bytes", 0, AT_FS_SIZE, PATCH("\0\0\0\0\0\1"), true, -EBADMSG,
	 "fewer chunks"},
	{"more extents than bytes", 0, AT_EXTENTS, PATCH("\xff\xff\xff\xff\xff\xff\xff\xff"), true,
	 -EBADMSG, "more extents"},
	{"count of extents that overflows when multiplied", 0, AT_EXTENTS,
	 PATCH("\0\0\0\0\0\0\0\x10"), true, -EBADMSG, "more extents"},
	{"one extent too many", 0, AT_EXTENTS, PATCH("\4"), true, -EBADMSG, "extent"},
	{"one extent too few", 0, AT_EXTENTS, PATCH("\2"), true, -EBADMSG, "chunk state"},
	{"empty extent", 0, AT_EXTENT + 8, PATCH("\0\0"), true, -EBADMSG, "extent"},
	{"extent not aligned", 0, AT_EXTENT, PATCH("\0\2"), true, -EBADMSG, "aligned"},
	{"length not aligned", 0, AT_EXTENT + 8, PATCH("\0\x12"), true, -EBADMSG, "aligned"},
	{"extent behind the end", 0, AT_EXTENT + 40, PATCH("\0\x40\x10"), true, -EBADMSG,
	 "outside"},
	{"extent that wraps around", 0, AT_EXTENT + 40, PATCH("\0\xf0\xff\xff\xff\xff\xff\xff"),
	 true, -EBADMSG, "outside"},
	{"extents out of order", 0, AT_EXTENT, PATCH("\0\0\x20"), true, -EBADMSG, "in order"},
	{"extents overlap", 0, AT_EXTENT + 8, PATCH("\0\0\x10"), true, -EBADMSG, "in order"},
	{"extents touch", 0, AT_EXTENT + 8, PATCH("\0\xf0\x0f"), true, -EBADMSG, "in order"},
	{"unknown state", 0, AT_STATE, PATCH("\3"), true, -EBADMSG, "unknown chunk state"},
	{"used chunk called unused", 0, AT_STATE + 3, PATCH("\0"), true, -EBADMSG, "disagree"},
	{"unused chunk called zero", 0, AT_STATE + 2, PATCH("\1"), true, -EBADMSG, "disagree"},
	{"unused chunk called data", 0, AT_STATE + 2, PATCH("\2"), true, -EBADMSG, "disagree"},
	{"a digest is missing", 0, AT_STATE + 3, PATCH("\2"), true, -EBADMSG, "missing"},
	{"a digest too many", 0, AT_STATE, PATCH("\1"), true, -EBADMSG, "stands between"},
	{"one byte too many", BASE_SIZE + 1, 0, PATCH("C"), true, -EBADMSG, "stands between"},
	{"one byte behind the end", BASE_SIZE + 1, 0, PATCH("C"), false, -EBADMSG, "follows"},
};

static void rehash(uint8_t *data, size_t size)
{
	uint64_t total = htole64(size);

	memcpy(data + AT_TOTAL, &total, sizeof(total));
	assert_int_equal(hash_data(HASH_SHA256, data, size - HASH_SHA256_SIZE,
				   data + size - HASH_SHA256_SIZE),
			 0);
}

/* A defect's bytes, in an allocation of exactly their size. */
static uint8_t *make_defect(const struct defect *defect, size_t *ret_size)
{
	HEX(base, BASE_HEX);
	size_t size = defect->size > 0 ? defect->size : BASE_SIZE;
	uint8_t *data = calloc(1, size);

	assert_non_null(data);
	assert_int_equal(sizeof(base), BASE_SIZE);
	memcpy(data, base, MIN(size, (size_t)BASE_SIZE));
	memcpy(data + defect->at, defect->patch, defect->patch_size);
	if (defect->rehash)
		rehash(data, size);
	*ret_size = size;
	return data;
}

static void refuses_each_defect(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(defects); i++) {
		struct manifest *manifest = NULL;
		size_t size;
		cleanup(freep) uint8_t *data = make_defect(&defects[i], &size);
		int r = manifest_parse(data, size, &manifest);

		if (r != defects[i].error || manifest ||
		    !strstr(fail_sentence(r), defects[i].sentence))
			fail_msg("%s: %d (%s)", defects[i].name, r, fail_sentence(r));
	}
}

static struct manifest *parse_base(void)
{
	HEX(base, BASE_HEX);
	struct manifest *manifest = NULL;

	assert_int_equal(manifest_parse(base, sizeof(base), &manifest), 0);
	return manifest;
}

static void reads_what_is_written(void **state)
{
	cleanup(manifest_freep) struct manifest *manifest = parse_base();
	HEX(total, "b55181a69ec569526fb9706bd991ddaf8c779b1a59335f66e720d371695e3892");
	static const uint8_t states[] = {CHUNK_DATA, CHUNK_DATA, CHUNK_UNUSED, CHUNK_ZERO,
					 CHUNK_DATA};
	static const uint8_t zero[HASH_SHA256_SIZE];

	(void)state;
	assert_string_equal(manifest->fs_type, "ext4");
	assert_memory_equal(manifest->fs_uuid, "\0\1\2\3\4\5\6\7\x8\x9\xa\xb\xc\xd\xe\xf", 16);
	assert_int_equal(manifest->fs_size, 4 * MIB + 12 * KIB);
	assert_int_equal(manifest->block_size, 4096);
	assert_int_equal(manifest->chunk_size, MIB);
	assert_int_equal(manifest->extents_count, 3);
	assert_int_equal(manifest->extents[2].offset, 3 * MIB);
	assert_int_equal(manifest->extents[2].length, MIB + 4096);
	assert_int_equal(manifest->chunks_count, 5);
	assert_memory_equal(manifest->states, states, sizeof(states));
	assert_int_equal(manifest->digests[1][31], 0x22);
	assert_memory_equal(manifest->digests[3], zero, sizeof(zero));
	assert_int_equal(manifest->digests[4][0], 0x44);
	assert_int_equal(manifest->used_bytes, 8192 + 8192 + MIB + 4096);
	assert_memory_equal(manifest->digest, total, sizeof(total));
	assert_int_equal(manifest_sector_size(manifest), 4096);
}

static void writes_what_was_read(void **state)
{
	cleanup(manifest_freep) struct manifest *manifest = parse_base();
	cleanup(freep) uint8_t *data = NULL;
	HEX(base, BASE_HEX);
	size_t size;

	(void)state;
	memset(manifest->digest, 0, sizeof(manifest->digest));
	assert_int_equal(manifest_serialize(manifest, &data, &size), 0);
	assert_int_equal(size, sizeof(base));
	assert_memory_equal(data, base, sizeof(base));
	assert_memory_equal(manifest->digest, base + AT_TOTAL_DIGEST, HASH_SHA256_SIZE);
}

static void does_not_write_what_it_would_refuse(void **state)
{
	cleanup(manifest_freep) struct manifest *manifest = parse_base();
	uint8_t *data = NULL;
	size_t size;

	(void)state;
	manifest->states[2] = CHUNK_ZERO;
	assert_int_equal(manifest_serialize(manifest, &data, &size), -EINVAL);
	manifest->states[2] = CHUNK_UNUSED;
	manifest->extents[0].length = 100;
	assert_int_equal(manifest_serialize(manifest, &data, &size), -EINVAL);
	assert_null(data);
}

/* The pieces of every chunk of the base manifest, by hand. */
static void walks_the_pieces_of_each_chunk(void **state)
{
	static const struct {
		size_t chunk;
		struct extent piece;
	} expected[] = {
		{0, {0, 8192}},	     {0, {MIB - 4096, 4096}}, {1, {MIB, 4096}},
		{3, {3 * MIB, MIB}}, {4, {4 * MIB, 4096}},
	};
	cleanup(manifest_freep) struct manifest *manifest = parse_base();
	struct extent piece = {7, 7};
	size_t found = 0, cursor = 0;

	(void)state;
	for (size_t chunk = 0; chunk < manifest->chunks_count; chunk++) {
		cursor = 0;
		while (manifest_chunk_extent(manifest, chunk, &cursor, &piece)) {
			assert_true(found < ARRAY_SIZE(expected));
			assert_int_equal(chunk, expected[found].chunk);
			assert_int_equal(piece.offset, expected[found].piece.offset);
			assert_int_equal(piece.length, expected[found].piece.length);
			found++;
		}
	}
	assert_int_equal(found, ARRAY_SIZE(expected));
	cursor = 0;
	assert_false(manifest_chunk_extent(manifest, manifest->chunks_count, &cursor, &piece));
}

/* A manifest of @blocks blocks of 512 bytes with one extent, indexed. */
static int index_one(struct manifest *manifest, uint64_t blocks, uint64_t first, uint64_t count)
{
	*manifest = (struct manifest){
		.fs_type = "vfat",
		.fs_size = blocks * 512,
		.block_size = 512,
		.chunk_size = MANIFEST_CHUNK_SIZE,
		.extents = malloc(sizeof(struct extent)),
		.extents_count = 1,
	};
	assert_non_null(manifest->extents);
	manifest->extents[0] = (struct extent){first * 512, count * 512};
	return manifest_index(manifest);
}

static void free_arrays(struct manifest *manifest)
{
	free(manifest->extents);
	free(manifest->states);
	free(manifest->digests);
	free(manifest->first_extent);
}

static void one_extent_covers_many_chunks(void **state)
{
	cleanup(free_arrays) struct manifest manifest;
	struct extent piece;

	(void)state;
	assert_int_equal(index_one(&manifest, 10 * 2048 + 1, 2047, 8 * 2048 + 2), 0);
	assert_int_equal(manifest.chunks_count, 11);
	assert_int_equal(manifest_sector_size(&manifest), 512);
	for (size_t chunk = 0; chunk < 11; chunk++) {
		size_t cursor = 0;
		bool used = manifest_chunk_extent(&manifest, chunk, &cursor, &piece);

		assert_int_equal(used, chunk <= 9);
		assert_int_equal(manifest.states[chunk], used ? CHUNK_DATA : CHUNK_UNUSED);
		if (used)
			assert_int_equal(piece.length, chunk == 0 || chunk == 9 ? 512 : MIB);
		assert_false(manifest_chunk_extent(&manifest, chunk, &cursor, &piece));
	}
}

static void extent_ends_where_a_chunk_begins(void **state)
{
	cleanup(free_arrays) struct manifest manifest;

	(void)state;
	assert_int_equal(index_one(&manifest, 3 * 2048, 2048, 2048), 0);
	assert_int_equal(manifest.states[0], CHUNK_UNUSED);
	assert_int_equal(manifest.states[1], CHUNK_DATA);
	assert_int_equal(manifest.states[2], CHUNK_UNUSED);
}

static void names_the_file(void **state)
{
	char path[] = "/tmp/test-manifest-XXXXXX";
	struct manifest *manifest = NULL;
	int fd = mkstemp(path), r;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(file_write(fd, "CVMRMANI", 8), 0);
	close(fd);
	r = manifest_load(path, &manifest);
	unlink(path);
	assert_int_equal(r, -EBADMSG);
	assert_non_null(strstr(fail_sentence(r), path));
	assert_non_null(strstr(fail_sentence(r), "truncated"));
	r = manifest_load(path, &manifest);
	assert_int_equal(r, -ENOENT);
	assert_non_null(strstr(fail_sentence(r), path));
}

/* What is measured is what sha256sum says of the file. */
static void knows_the_digest_of_its_file(void **state)
{
	cleanup(manifest_freep) struct manifest *manifest = NULL;
	char path[] = "/tmp/test-manifest-XXXXXX";
	int fd = mkstemp(path);
	HEX(base, BASE_HEX);
	HEX(digest, "6aefb01ccae7c5e1170471bf7c7ab9bf845576a2f5f17ac8017365ac4926d63d");

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(file_write(fd, base, sizeof(base)), 0);
	close(fd);
	assert_int_equal(manifest_load(path, &manifest), 0);
	unlink(path);
	assert_memory_equal(manifest->file_digest, digest, sizeof(digest));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refuses_each_defect),
		cmocka_unit_test(reads_what_is_written),
		cmocka_unit_test(writes_what_was_read),
		cmocka_unit_test(does_not_write_what_it_would_refuse),
		cmocka_unit_test(walks_the_pieces_of_each_chunk),
		cmocka_unit_test(one_extent_covers_many_chunks),
		cmocka_unit_test(extent_ends_where_a_chunk_begins),
		cmocka_unit_test(names_the_file),
		cmocka_unit_test(knows_the_digest_of_its_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
