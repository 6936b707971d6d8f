/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_DISK_CONVERT_PLAN_H
#define CVMROOT_DISK_CONVERT_PLAN_H

#include "disk/convert/convert.h"

/*
 * What the converter does and in which order, computed from the manifest alone. Pure: a resumed run
 * comes to the same batches as the run that was cut.
 */

/* Chunks between a place and the place that its bytes move to. */
#define CONVERT_SHIFT_CHUNKS (CONVERT_SHIFT / MANIFEST_CHUNK_SIZE)

/* Chunks [first, end), written in any order between two flushes. */
struct convert_batch {
	size_t first;
	size_t end;
};

/*
 * The longest batch below @end: it stops above the first chunk whose handling changes the place of
 * a used chunk of the same batch. Empty (first == end == 0) when @end is 0.
 */
struct convert_batch convert_batch_below(const struct manifest *manifest, size_t end);

/*
 * Byte ranges, ascending and apart. Ranges with at most CONVERT_GAP_MAX between them are joined,
 * for fewer and larger transfers, so that a chunk never has more than CONVERT_CHUNK_SPANS of them.
 */
#define CONVERT_GAP_MAX	    (64 * KIB)
#define CONVERT_CHUNK_SPANS 16
#define CONVERT_SPANS_MAX   (2 * CONVERT_CHUNK_SPANS)
struct convert_spans {
	size_t count;
	struct extent list[CONVERT_SPANS_MAX];
};

/*
 * What is read of a chunk, in bytes of the file system: its used bytes and what lies in the gaps.
 * Written CONVERT_SHIFT higher, where the gaps become zeros. Every start is a multiple of 4096.
 */
void convert_chunk_spans(const struct manifest *manifest, size_t chunk, struct convert_spans *ret);

/*
 * The used bytes of the chunk that lay where @chunk moves to, and that its spans do not overwrite:
 * they are zeroed when @chunk is handled. Bytes of the disk.
 */
void convert_chunk_zeros(const struct manifest *manifest, size_t chunk, struct convert_spans *ret);

bool convert_chunk_is_used(const struct manifest *manifest, size_t chunk);
/* Handling @chunk changes the disk: it is used, or what lay at its new place is. */
bool convert_chunk_has_work(const struct manifest *manifest, size_t chunk);
/* Sum of the used bytes of one chunk. */
uint64_t convert_chunk_used_bytes(const struct manifest *manifest, size_t chunk);

#endif
