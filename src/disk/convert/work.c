/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "disk/convert/work.h"

#include <string.h>
#include <sys/mman.h>

#include "disk/convert/chunk.h"
#include "disk/convert/crew.h"
#include "disk/convert/kept.h"

/* Buffers of one chunk each: with the header's copy the most memory that a conversion takes. */
#define BUFFERS 32

/* A chunk on its way from its old place to its new one. */
struct item {
	size_t chunk;
	uint8_t *buffer;
	uint8_t *data; /* its ciphertext: the buffer, or where its plaintext was kept */
	bool stored;   /* its ciphertext is in place already, or it has none: only zeros to write */
	struct item *next;
};

struct work {
	struct crew crew;
	const struct conversion *conversion;
	struct convert_record *record;
	struct convert_kept *kept; /* or NULL */

	/* The batch that may be written now. */
	struct convert_batch open;
	size_t open_left; /* its chunks with work that are not written yet */
	bool closing;	  /* a thread flushes it */

	/* Chunks >= load_next were given to a thread; those of later batches wait in ready. */
	size_t load_next;
	struct item items[BUFFERS];
	struct item *idle;  /* last in, first out: that buffer is still in the cache */
	struct item *ready; /* loaded, highest chunk first */

	/* Chunks >= this may be at their new place already, though the record does not say so. */
	size_t maybe_done;
	uint8_t *buffers;
};

static bool is_writable(const struct work *work, const struct item *item)
{
	return item->chunk >= work->open.first && !work->closing;
}

static void ready_add(struct work *work, struct item *item)
{
	struct item **place = &work->ready;

	while (*place && (*place)->chunk > item->chunk)
		place = &(*place)->next;
	item->next = *place;
	*place = item;
}

static struct item *ready_take(struct work *work)
{
	struct item *item = work->ready;

	if (!item || !is_writable(work, item))
		return NULL;
	work->ready = item->next;
	return item;
}

int convert_work_record(const struct conversion *conversion, struct convert_record *record)
{
	cleanup(freep) uint8_t *slot = NULL;
	int r = disk_buffer_new(CONVERT_SLOT_SIZE, &slot);

	if (r < 0)
		return r;
	record->sequence++;
	r = convert_record_serialize(record, conversion->mac_key, slot);
	if (r < 0)
		return r;
	return convert_write(conversion->io, slot, CONVERT_SLOT_SIZE,
			     convert_slot_offset(record->fs_size, record->sequence));
}

static size_t count_work(const struct manifest *manifest, const struct convert_batch *batch)
{
	size_t count = 0;

	for (size_t chunk = batch->first; chunk < batch->end; chunk++)
		count += convert_chunk_has_work(manifest, chunk);
	return count;
}

static void open_batch_below(struct work *work, size_t end)
{
	work->open = convert_batch_below(work->conversion->manifest, end);
	work->open_left = count_work(work->conversion->manifest, &work->open);
	pthread_cond_broadcast(&work->crew.changed);
}

static uint64_t rank(const struct work *work, size_t chunk)
{
	return work->conversion->manifest->chunks_count - chunk;
}

/* Make the open batch durable, say so, and open the next one. */
static void close_batch(struct work *work)
{
	int r;

	work->closing = true;
	pthread_mutex_unlock(&work->crew.lock);
	r = convert_flush(work->conversion->io);
	if (r == 0) {
		work->record->next_chunk = work->open.first;
		r = convert_work_record(work->conversion, work->record);
	}
	pthread_mutex_lock(&work->crew.lock);
	if (r < 0) {
		crew_fail(&work->crew, rank(work, work->open.first), r);
		return;
	}
	work->closing = false;
	open_batch_below(work, work->open.first);
}

/* Have the chunk's ciphertext in item->data. */
static int load(const struct work *work, const struct convert_tools *tools, struct item *item)
{
	uint8_t *kept;
	int r;

	item->stored = !convert_chunk_is_used(tools->manifest, item->chunk);
	item->data = item->buffer;
	if (item->stored)
		return 0;
	kept = convert_kept_take(work->kept, tools->manifest, item->chunk);
	if (kept) {
		item->data = kept;
		return convert_chunk_encrypt(tools, item->chunk, kept);
	}
	r = convert_chunk_load(tools, item->chunk, CONVERT_ENCRYPT, item->buffer);
	if (r == -EILSEQ && item->chunk >= work->maybe_done) {
		item->stored = true;
		r = convert_chunk_load(tools, item->chunk, CONVERT_DECRYPT, item->buffer);
	}
	return r == -EILSEQ ? convert_differs(tools->manifest, item->chunk) : r;
}

/* The next chunk with work, for an idle buffer; NULL when there is no such pair. */
static struct item *take_load(struct work *work)
{
	const struct manifest *manifest = work->conversion->manifest;
	struct item *item = work->idle;

	while (work->load_next > 0 && !convert_chunk_has_work(manifest, work->load_next - 1))
		work->load_next--;
	if (!item || work->load_next == 0)
		return NULL;
	work->idle = item->next;
	item->chunk = --work->load_next;
	return item;
}

static void store(struct work *work, const struct convert_tools *tools, struct item *item)
{
	int r;

	pthread_mutex_unlock(&work->crew.lock);
	r = convert_chunk_store(tools, item->chunk, item->stored ? NULL : item->data);
	if (item->data != item->buffer)
		convert_kept_drop(work->kept, item->chunk);
	pthread_mutex_lock(&work->crew.lock);
	if (r < 0) {
		crew_fail(&work->crew, rank(work, item->chunk), r);
		return;
	}
	work->crew.done_bytes += convert_chunk_used_bytes(tools->manifest, item->chunk);
	work->open_left--;
	item->next = work->idle;
	work->idle = item;
	pthread_cond_broadcast(&work->crew.changed);
}

static void load_and_store(struct work *work, const struct convert_tools *tools, struct item *item)
{
	int r;

	pthread_mutex_unlock(&work->crew.lock);
	r = load(work, tools, item);
	pthread_mutex_lock(&work->crew.lock);
	if (r < 0)
		crew_fail(&work->crew, rank(work, item->chunk), r);
	else if (work->crew.error == 0 && is_writable(work, item))
		store(work, tools, item);
	else
		ready_add(work, item);
}

/* One thing that can be done now, or waiting for one. With the lock held. */
static void step(struct work *work, const struct convert_tools *tools)
{
	struct item *item;

	if (work->open_left == 0 && !work->closing)
		close_batch(work);
	else if ((item = ready_take(work)))
		store(work, tools, item);
	else if ((item = take_load(work)))
		load_and_store(work, tools, item);
	else
		pthread_cond_wait(&work->crew.changed, &work->crew.lock);
}

static void work_thread(void *context)
{
	struct work *work = context;
	const struct conversion *conversion = work->conversion;
	struct convert_tools tools = {};
	int r = convert_tools_init(conversion->io, conversion->manifest, conversion->volume_key,
				   conversion->sector_size, &tools);

	pthread_mutex_lock(&work->crew.lock);
	if (r < 0)
		crew_fail(&work->crew, 0, r);
	while (work->crew.error == 0 && work->open.end > 0)
		step(work, &tools);
	pthread_mutex_unlock(&work->crew.lock);
	convert_tools_done(&tools);
}

static int work_init(struct work *work)
{
	size_t size = BUFFERS * MANIFEST_CHUNK_SIZE;
	void *buffers =
		mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (buffers == MAP_FAILED)
		return -errno;
	work->buffers = buffers;
	for (size_t i = 0; i < BUFFERS; i++) {
		work->items[i].buffer = work->buffers + i * MANIFEST_CHUNK_SIZE;
		work->items[i].next = work->idle;
		work->idle = &work->items[i];
	}
	crew_init(&work->crew);
	return 0;
}

static void work_done(struct work *work)
{
	if (!work->buffers)
		return;
	crew_done(&work->crew);
	munmap(work->buffers, BUFFERS * MANIFEST_CHUNK_SIZE);
}

static uint64_t used_bytes_from(const struct manifest *manifest, size_t chunk)
{
	uint64_t sum = 0;

	for (; chunk < manifest->chunks_count; chunk++)
		sum += convert_chunk_used_bytes(manifest, chunk);
	return sum;
}

int convert_work(const struct conversion *conversion, const struct convert_options *options,
		 struct convert_record *record)
{
	cleanup(work_done) struct work work = {
		.conversion = conversion,
		.record = record,
		.kept = options ? options->kept : NULL,
	};
	int r = work_init(&work);

	if (r < 0)
		return r;
	work.load_next = record->next_chunk;
	work.crew.total_bytes = conversion->manifest->used_bytes;
	work.crew.done_bytes = used_bytes_from(conversion->manifest, work.load_next);
	open_batch_below(&work, work.load_next);
	work.maybe_done = work.open.first;
	return crew_run(&work.crew, options, work_thread, &work);
}
