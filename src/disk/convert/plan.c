/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "disk/convert/plan.h"

/* Direct I/O wants buffers, and so offsets within a chunk, at multiples of this. */
#define SPAN_ALIGNMENT 4096

bool convert_chunk_is_used(const struct manifest *manifest, size_t chunk)
{
	return chunk < manifest->chunks_count && manifest->states[chunk] != CHUNK_UNUSED;
}

bool convert_chunk_has_work(const struct manifest *manifest, size_t chunk)
{
	return convert_chunk_is_used(manifest, chunk) ||
	       convert_chunk_is_used(manifest, chunk + CONVERT_SHIFT_CHUNKS);
}

uint64_t convert_chunk_used_bytes(const struct manifest *manifest, size_t chunk)
{
	struct extent piece;
	uint64_t sum = 0;
	size_t cursor = 0;

	while (manifest_chunk_extent(manifest, chunk, &cursor, &piece))
		sum += piece.length;
	return sum;
}

struct convert_batch convert_batch_below(const struct manifest *manifest, size_t end)
{
	size_t first = end;

	while (first > 0) {
		size_t place = first - 1 + CONVERT_SHIFT_CHUNKS;

		if (place < end && convert_chunk_is_used(manifest, place))
			break;
		first--;
	}
	return (struct convert_batch){.first = first, .end = end};
}

/* Append a range that begins at or behind the last one, joining the two across a small gap. */
static void spans_add(struct convert_spans *spans, uint64_t start, uint64_t end)
{
	struct extent *last = spans->count > 0 ? &spans->list[spans->count - 1] : NULL;

	if (last && start <= last->offset + last->length + CONVERT_GAP_MAX) {
		last->length = MAX(last->offset + last->length, end) - last->offset;
		return;
	}
	spans->list[spans->count++] = (struct extent){.offset = start, .length = end - start};
}

void convert_chunk_spans(const struct manifest *manifest, size_t chunk, struct convert_spans *ret)
{
	uint64_t chunk_end = MIN((uint64_t)(chunk + 1) * manifest->chunk_size, manifest->fs_size);
	struct extent piece;
	size_t cursor = 0;

	ret->count = 0;
	while (manifest_chunk_extent(manifest, chunk, &cursor, &piece)) {
		uint64_t start = ALIGN_DOWN(piece.offset, SPAN_ALIGNMENT);
		uint64_t end = ALIGN_DOWN(piece.offset + piece.length + SPAN_ALIGNMENT - 1,
					  SPAN_ALIGNMENT);

		spans_add(ret, start, MIN(end, chunk_end));
	}
}

/* Append to @ret what is left of @range without the spans of @taken, moved up by @shift. */
static void spans_subtract(const struct extent *range, const struct convert_spans *taken,
			   uint64_t shift, struct convert_spans *ret)
{
	uint64_t start = range->offset, end = range->offset + range->length;

	for (size_t i = 0; i < taken->count && start < end; i++) {
		uint64_t from = taken->list[i].offset + shift;
		uint64_t to = from + taken->list[i].length;

		if (to <= start)
			continue;
		if (from >= end)
			break;
		if (from > start)
			ret->list[ret->count++] =
				(struct extent){.offset = start, .length = from - start};
		start = to;
	}
	if (start < end)
		ret->list[ret->count++] = (struct extent){.offset = start, .length = end - start};
}

void convert_chunk_zeros(const struct manifest *manifest, size_t chunk, struct convert_spans *ret)
{
	struct convert_spans before, after;

	convert_chunk_spans(manifest, chunk + CONVERT_SHIFT_CHUNKS, &before);
	convert_chunk_spans(manifest, chunk, &after);
	ret->count = 0;
	for (size_t i = 0; i < before.count; i++)
		spans_subtract(&before.list[i], &after, CONVERT_SHIFT, ret);
}
