/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "disk/convert/kept.h"

#include <sys/mman.h>

#include "disk/convert/plan.h"

/*
 * Why kept bytes are neither read nor hashed again: they are this program's own anonymous memory,
 * which the host can neither change nor take back. A transfer fills it once; then the digest is
 * computed over it, and then it is encrypted where it lies, just as without keeping, only later. The
 * page cache would not do: it may drop a page at any time and fetch other bytes from the disk.
 *
 * What is durable does not depend on it. The plaintext at the old place is overwritten only behind
 * the flush that made its ciphertext durable, and a resumed run starts without anything kept.
 *
 * The image is no secret, so the memory is neither locked nor wiped; the initrd has no swap.
 */

/* The kernel gives memory in pages of this size where it can: hundreds of times fewer faults. */
#define HUGE_PAGE	 (2 * MIB)
#define HUGE_PAGE_CHUNKS (HUGE_PAGE / MANIFEST_CHUNK_SIZE)

/* Left to the rest of the boot, before half of what remains is taken: argon2id needs 256 MiB. */
#define RESERVE (384 * MIB)

struct convert_kept {
	const struct manifest *manifest;
	size_t first; /* chunks below are not kept; a multiple of HUGE_PAGE_CHUNKS */
	bool *held;   /* for each chunk from there on */
	void *mapping;
	size_t mapping_size;
	uint8_t *data; /* of chunk "first"; takes memory only where it is written to */
};

uint64_t convert_kept_limit(void)
{
	long pages = sysconf(_SC_AVPHYS_PAGES), page_size = sysconf(_SC_PAGESIZE);
	uint64_t bytes;

	if (pages <= 0 || page_size <= 0 ||
	    __builtin_mul_overflow((uint64_t)pages, (uint64_t)page_size, &bytes))
		return 0;
	return bytes > RESERVE ? (bytes - RESERVE) / 2 : 0;
}

static bool has_used(const struct manifest *manifest, size_t first)
{
	for (size_t i = 0; i < HUGE_PAGE_CHUNKS; i++)
		if (convert_chunk_is_used(manifest, first + i))
			return true;
	return false;
}

/*
 * The lowest chunk of those to keep. The conversion begins with the highest, so their memory is free
 * again soonest.
 */
static size_t find_first(const struct manifest *manifest, uint64_t limit)
{
	size_t first = ALIGN_DOWN(manifest->chunks_count + HUGE_PAGE_CHUNKS - 1, HUGE_PAGE_CHUNKS);

	while (first > 0) {
		bool used = has_used(manifest, first - HUGE_PAGE_CHUNKS);

		if (used && limit < HUGE_PAGE)
			break;
		limit -= used ? HUGE_PAGE : 0;
		first -= HUGE_PAGE_CHUNKS;
	}
	return first;
}

static int map(struct convert_kept *kept, size_t count)
{
	/* One more, to begin where a huge page does. */
	size_t size = count * MANIFEST_CHUNK_SIZE + HUGE_PAGE;
	void *mapping = mmap(NULL, size, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (mapping == MAP_FAILED)
		return -errno;
	kept->mapping = mapping;
	kept->mapping_size = size;
	kept->data = (uint8_t *)ALIGN_DOWN((uintptr_t)mapping + HUGE_PAGE - 1, HUGE_PAGE);
	/* No huge pages: slower, and as good. */
	madvise(mapping, size, MADV_HUGEPAGE);
	return 0;
}

int convert_kept_new(const struct manifest *manifest, uint64_t limit, struct convert_kept **ret)
{
	cleanup(convert_kept_freep) struct convert_kept *kept = calloc(1, sizeof(*kept));
	size_t count;
	int r;

	if (!kept)
		return -ENOMEM;
	kept->manifest = manifest;
	kept->first = find_first(manifest, limit);
	if (kept->first < manifest->chunks_count) {
		count = manifest->chunks_count - kept->first;
		kept->held = calloc(count, sizeof(*kept->held));
		if (!kept->held)
			return -ENOMEM;
		r = map(kept, count);
		if (r < 0)
			return r;
	}
	*ret = TAKE_PTR(kept);
	return 0;
}

void convert_kept_free(struct convert_kept *kept)
{
	if (!kept)
		return;
	if (kept->mapping)
		munmap(kept->mapping, kept->mapping_size);
	free(kept->held);
	free(kept);
}

uint8_t *convert_kept_room(struct convert_kept *kept, size_t chunk)
{
	if (!kept || chunk < kept->first || chunk >= kept->manifest->chunks_count)
		return NULL;
	return kept->data + (chunk - kept->first) * MANIFEST_CHUNK_SIZE;
}

void convert_kept_hold(struct convert_kept *kept, size_t chunk)
{
	if (convert_kept_room(kept, chunk))
		kept->held[chunk - kept->first] = true;
}

uint8_t *convert_kept_take(struct convert_kept *kept, const struct manifest *manifest, size_t chunk)
{
	uint8_t *data = convert_kept_room(kept, chunk);

	if (!data || kept->manifest != manifest || !kept->held[chunk - kept->first])
		return NULL;
	kept->held[chunk - kept->first] = false;
	return data;
}

void convert_kept_drop(struct convert_kept *kept, size_t chunk)
{
	uint8_t *data = convert_kept_room(kept, chunk);

	if (data)
		madvise(data, MANIFEST_CHUNK_SIZE, MADV_DONTNEED);
}
