/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_DISK_MANIFEST_MANIFEST_H
#define CVMROOT_DISK_MANIFEST_MANIFEST_H

#include "base/codec.h"
#include "crypto/hash.h"

/*
 * The manifest of a root file system: which bytes of it are used, and the SHA-256 of each chunk's
 * used bytes. It is measured with the initrd, and so trusted once it is read; the reader is strict
 * all the same.
 */

#define MANIFEST_CHUNK_SIZE  ((uint32_t)MIB)
#define MANIFEST_SIZE_LIMIT  (512 * MIB)
#define MANIFEST_FS_SIZE_MAX (16 * 1024 * GIB)
#define MANIFEST_FS_TYPE_MAX 16 /* with NUL */

/* Bytes of the file system, counted from its start. Multiples of the block size. */
struct extent {
	uint64_t offset;
	uint64_t length;
};

enum chunk_state {
	CHUNK_UNUSED, /* no used byte */
	CHUNK_ZERO,   /* every used byte is zero */
	CHUNK_DATA,
};

struct manifest {
	char fs_type[MANIFEST_FS_TYPE_MAX]; /* as blkid names it: "ext4", "xfs" */
	uint8_t fs_uuid[UUID_SIZE];	    /* zero when the file system has none */
	uint64_t fs_size;		    /* bytes; a multiple of block_size */
	uint32_t block_size;		    /* bytes: a power of two, 512 to 64 KiB; the least that
					       the file system reads or writes (XFS: its sector) */
	uint32_t chunk_size;		    /* bytes: MANIFEST_CHUNK_SIZE */

	struct extent *extents; /* ascending, apart from each other, inside the file system */
	size_t extents_count;

	size_t chunks_count;		      /* fs_size / chunk_size, rounded up */
	uint8_t *states;		      /* enum chunk_state of each chunk */
	uint8_t (*digests)[HASH_SHA256_SIZE]; /* of each chunk's used bytes; zero unless CHUNK_DATA
					       */
	size_t *first_extent; /* per chunk: the first extent that ends behind its start */

	uint64_t used_bytes;		  /* sum of the extents */
	uint8_t digest[HASH_SHA256_SIZE]; /* total digest */
	/* Of all bytes of the file, by manifest_load(): what is measured. */
	uint8_t file_digest[HASH_SHA256_SIZE];
};

/*
 * Read the binary form (layout in manifest.c). Each failure has its sentence: -EBADMSG foreign,
 * truncated, corrupt or against its own rules; -EOPNOTSUPP a newer version; -E2BIG; -ENOMEM.
 */
int manifest_parse(const void *data, size_t size, struct manifest **ret);
int manifest_load(const char *path, struct manifest **ret);
/* The bytes of the file @path, with a sentence when they cannot be had or are too many. */
int manifest_read_file(const char *path, char **ret, size_t *ret_size);
/*
 * Write it; fills in manifest->digest. The caller frees *ret. -EINVAL, with a sentence, for a
 * manifest that manifest_parse() would refuse.
 */
int manifest_serialize(struct manifest *manifest, uint8_t **ret, size_t *ret_size);
/* Frees the arrays too, which are its own. NULL is fine. */
void manifest_free(struct manifest *manifest);
DEFINE_CLEANUP(struct manifest *, manifest_free)

/*
 * For makers: check what describes the file system and the extents that are filled in, and make the
 * per-chunk arrays: first_extent, states (CHUNK_UNUSED; CHUNK_DATA where a byte is used), digests
 * (zero), and used_bytes. -EBADMSG with a sentence when something breaks a rule; -E2BIG; -ENOMEM.
 */
int manifest_index(struct manifest *manifest);

/*
 * Walk the used bytes of one chunk: call with *cursor = 0 first; true and a piece (absolute bytes
 * of the file system, inside the chunk) as long as there is one.
 */
bool manifest_chunk_extent(const struct manifest *manifest, size_t chunk, size_t *cursor,
			   struct extent *ret);

/* 4096, or 512 where the file system's blocks are smaller. */
uint32_t manifest_sector_size(const struct manifest *manifest);

#endif
