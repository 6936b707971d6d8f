/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "disk.h"

#include <string.h>
#include <sys/mman.h>

/* Address space only: what a run does not use takes no memory. */
#define ARENA_SIZE     (4 * GIB)
#define OPERATIONS_MAX 65536

struct page {
	uint32_t epoch; /* may be changed in place in this epoch only */
	uint8_t data[PAGE_SIZE];
};

struct operation {
	uint64_t offset;
	uint64_t size;
	const uint8_t *data; /* NULL: zeros */
};

static const uint8_t zeros[PAGE_SIZE];

uint64_t random_next(struct random *random)
{
	/* splitmix64: every seed will do. */
	uint64_t z = random->state += 0x9e3779b97f4a7c15U;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
	return z ^ (z >> 31);
}

uint64_t random_below(struct random *random, uint64_t bound)
{
	return random_next(random) % bound;
}

void random_fill(struct random *random, void *data, size_t size)
{
	uint8_t *to = data;

	for (; size >= 8; to += 8, size -= 8) {
		uint64_t word = random_next(random);

		memcpy(to, &word, 8);
	}
	for (; size > 0; size--)
		*to++ = (uint8_t)random_next(random);
}

static _Noreturn void give_up(const char *what)
{
	fprintf(stderr, "power: the simulated disk is out of %s\n", what);
	exit(2);
}

static void *arena_take(struct disk *disk, size_t size)
{
	void *taken = disk->arena + disk->arena_used;

	size = (size + 15) & ~(size_t)15;
	if (size > ARENA_SIZE - disk->arena_used)
		give_up("memory");
	disk->arena_used += size;
	return taken;
}

static void *take_memory(size_t count, size_t size)
{
	void *memory = calloc(count, size);

	if (!memory)
		give_up("memory");
	return memory;
}

struct disk *disk_new(uint64_t size)
{
	struct disk *disk = take_memory(1, sizeof(*disk));
	void *arena = mmap(NULL, ARENA_SIZE, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (arena == MAP_FAILED)
		give_up("address space");
	disk->arena = arena;
	disk->pages = (size + PAGE_SIZE - 1) / PAGE_SIZE;
	disk->current = take_memory(disk->pages, sizeof(struct page *));
	disk->durable = take_memory(disk->pages, sizeof(struct page *));
	disk->baked = take_memory(disk->pages, sizeof(struct page *));
	disk->touched = take_memory(disk->pages, sizeof(*disk->touched));
	disk->changed = take_memory(disk->pages, sizeof(*disk->changed));
	disk->operations = take_memory(OPERATIONS_MAX, sizeof(*disk->operations));
	disk->epoch = 1;
	disk->tear = SECTOR_SIZE;
	pthread_mutex_init(&disk->lock, NULL);
	return disk;
}

void disk_free(struct disk *disk)
{
	munmap(disk->arena, ARENA_SIZE);
	pthread_mutex_destroy(&disk->lock);
	free(disk->current);
	free(disk->durable);
	free(disk->baked);
	free(disk->touched);
	free(disk->changed);
	free(disk->operations);
	free(disk);
}

const uint8_t *disk_page(const struct disk *disk, size_t page)
{
	return disk->current[page] ? disk->current[page]->data : zeros;
}

void disk_get(const struct disk *disk, void *ret, size_t size, uint64_t offset)
{
	uint8_t *to = ret;

	while (size > 0) {
		size_t start = offset % PAGE_SIZE, part = MIN(size, PAGE_SIZE - start);

		memcpy(to, disk_page(disk, offset / PAGE_SIZE) + start, part);
		to += part;
		offset += part;
		size -= part;
	}
}

/* A page of @map that may be changed now: pages of earlier epochs are shared, and so copied. */
static struct page *own_page(struct disk *disk, struct page **map, size_t index)
{
	struct page *page = map[index], *copy;

	if (page && page->epoch == disk->epoch)
		return page;
	copy = arena_take(disk, sizeof(*copy));
	copy->epoch = disk->epoch;
	memcpy(copy->data, page ? page->data : zeros, PAGE_SIZE);
	map[index] = copy;
	return copy;
}

/* Within one page. @data is NULL for zeros. */
static void change_page(struct disk *disk, struct page **map, size_t index, size_t start,
			const uint8_t *data, size_t size)
{
	if (disk->touched[index] != disk->epoch) {
		disk->touched[index] = disk->epoch;
		disk->changed[disk->changed_count++] = index;
	}
	if (!data && size == PAGE_SIZE)
		map[index] = NULL;
	else
		memcpy(own_page(disk, map, index)->data + start, data ? data : zeros, size);
}

static void change(struct disk *disk, struct page **map, const uint8_t *data, uint64_t size,
		   uint64_t offset)
{
	while (size > 0) {
		size_t start = offset % PAGE_SIZE, part = MIN(size, PAGE_SIZE - start);

		change_page(disk, map, offset / PAGE_SIZE, start, data, part);
		if (data)
			data += part;
		offset += part;
		size -= part;
	}
}

static void next_epoch(struct disk *disk)
{
	disk->epoch++;
	disk->changed_count = 0;
	disk->operations_count = 0;
}

static void make_durable(struct disk *disk)
{
	for (size_t i = 0; i < disk->changed_count; i++)
		disk->durable[disk->changed[i]] = disk->current[disk->changed[i]];
	next_epoch(disk);
}

void disk_put(struct disk *disk, const void *data, size_t size, uint64_t offset)
{
	change(disk, disk->current, data, size, offset);
}

void disk_bake(struct disk *disk)
{
	make_durable(disk);
	memcpy(disk->baked, disk->current, disk->pages * sizeof(*disk->baked));
	disk->arena_baked = disk->arena_used;
}

void disk_reset(struct disk *disk)
{
	next_epoch(disk);
	memcpy(disk->current, disk->baked, disk->pages * sizeof(*disk->baked));
	memcpy(disk->durable, disk->baked, disk->pages * sizeof(*disk->baked));
	disk->arena_used = disk->arena_baked;
	disk->counted = 0;
	disk->cut_at = 0;
	disk->off = false;
}

/* --- cuts --- */

enum fate {
	FATE_KEPT,
	FATE_LOST,
	FATE_BEGINNING, /* some sectors at its start were written */
	FATE_END,
	FATE_TORN, /* each sector by itself */
	FATES,
};

static void apply_torn(struct disk *disk, const struct operation *operation)
{
	/* Of a large zeroing, tear runs of sectors: one by one would be as good, but slow. */
	uint64_t unit = operation->size > MIB ? 64 * KIB : disk->tear;

	for (uint64_t at = 0; at < operation->size; at += unit)
		if (random_below(&disk->random, 2) == 0)
			change(disk, disk->durable, operation->data ? operation->data + at : NULL,
			       MIN(unit, operation->size - at), operation->offset + at);
}

static void apply(struct disk *disk, const struct operation *operation, enum fate fate)
{
	uint64_t units = operation->size / disk->tear;
	uint64_t middle = random_below(&disk->random, units + 1) * disk->tear;
	uint64_t from = fate == FATE_END ? middle : 0;
	uint64_t to = fate == FATE_BEGINNING ? middle : operation->size;

	if (fate == FATE_LOST)
		return;
	if (fate == FATE_TORN)
		apply_torn(disk, operation);
	else
		change(disk, disk->durable, operation->data ? operation->data + from : NULL,
		       to - from, operation->offset + from);
}

static void shuffle(struct disk *disk)
{
	for (size_t i = disk->operations_count; i > 1; i--) {
		size_t other = random_below(&disk->random, i);
		struct operation swapped = disk->operations[i - 1];

		disk->operations[i - 1] = disk->operations[other];
		disk->operations[other] = swapped;
	}
}

void disk_cut(struct disk *disk)
{
	/* In some cuts nearly all is kept or lost, so that a single exception is seen, too. */
	uint64_t mood = random_below(&disk->random, 4);

	shuffle(disk);
	disk->epoch++;
	disk->changed_count = 0;
	for (size_t i = 0; i < disk->operations_count; i++) {
		enum fate fate = (enum fate)random_below(&disk->random, FATES);

		if (mood == 0 && random_below(&disk->random, 8) > 0)
			fate = FATE_KEPT;
		if (mood == 1 && random_below(&disk->random, 8) > 0)
			fate = FATE_LOST;
		apply(disk, &disk->operations[i], fate);
	}
	memcpy(disk->current, disk->durable, disk->pages * sizeof(*disk->durable));
	next_epoch(disk);
	disk->counted = 0;
	disk->cut_at = 0;
	disk->off = false;
}

/* --- struct disk_io --- */

static bool valid(const struct disk *disk, const void *buffer, uint64_t size, uint64_t offset)
{
	uint64_t end;

	return (uintptr_t)buffer % 4096 == 0 && size % SECTOR_SIZE == 0 &&
	       offset % SECTOR_SIZE == 0 && !__builtin_add_overflow(offset, size, &end) &&
	       end <= disk->pages * PAGE_SIZE;
}

static int read_now(const struct disk *disk, void *ret, size_t size, uint64_t offset)
{
	if (disk->off || !valid(disk, ret, size, offset))
		return disk->off ? -EIO : -EINVAL;
	disk_get(disk, ret, size, offset);
	return 0;
}

/* Count an operation; power goes during the one that was chosen. */
static void count(struct disk *disk)
{
	disk->counted++;
	if (disk->counted == disk->cut_at)
		disk->off = true;
}

void disk_queue(struct disk *disk, const void *data, uint64_t size, uint64_t offset)
{
	if (disk->operations_count == OPERATIONS_MAX)
		give_up("room for operations");
	disk->operations[disk->operations_count++] =
		(struct operation){.offset = offset, .size = size, .data = data};
	change(disk, disk->current, data, size, offset);
}

static int change_now(struct disk *disk, const uint8_t *data, uint64_t size, uint64_t offset)
{
	uint8_t *copy = NULL;

	if (disk->off || !valid(disk, data, size, offset))
		return disk->off ? -EIO : -EINVAL;
	if (data) {
		copy = arena_take(disk, size);
		memcpy(copy, data, size);
	}
	disk_queue(disk, copy, size, offset);
	count(disk);
	return disk->off ? -EIO : 0;
}

static int flush_now(struct disk *disk)
{
	if (disk->off)
		return -EIO;
	count(disk);
	if (disk->off)
		return -EIO;
	make_durable(disk);
	return 0;
}

static int simulated_read(void *context, void *ret, size_t size, uint64_t offset)
{
	struct disk *disk = context;
	int r;

	pthread_mutex_lock(&disk->lock);
	r = read_now(disk, ret, size, offset);
	pthread_mutex_unlock(&disk->lock);
	return r;
}

static int simulated_write(void *context, const void *data, size_t size, uint64_t offset)
{
	struct disk *disk = context;
	int r;

	pthread_mutex_lock(&disk->lock);
	r = change_now(disk, data, size, offset);
	pthread_mutex_unlock(&disk->lock);
	return r;
}

static int simulated_zero(void *context, uint64_t size, uint64_t offset)
{
	return simulated_write(context, NULL, size, offset);
}

static int simulated_flush(void *context)
{
	struct disk *disk = context;
	int r;

	pthread_mutex_lock(&disk->lock);
	r = flush_now(disk);
	pthread_mutex_unlock(&disk->lock);
	return r;
}

struct disk_io disk_simulated_io(struct disk *disk)
{
	return (struct disk_io){
		.read = simulated_read,
		.write = simulated_write,
		.zero = simulated_zero,
		.flush = simulated_flush,
		.context = disk,
	};
}
