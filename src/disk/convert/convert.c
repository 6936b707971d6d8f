/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "disk/convert/convert.h"

#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "disk/convert/chunk.h"
#include "disk/convert/crew.h"
#include "disk/convert/kept.h"
#include "disk/convert/work.h"

/*
 * Why a cut at any instant is harmless.
 *
 * The disk may keep, lose or tear (in units of 512 bytes) every write since the last flush, in any
 * order. The invariant: the content of each used chunk is durable, as plaintext at its old place or
 * as ciphertext at its new one; nothing is written at a place whose plaintext is not yet durable
 * elsewhere. The steps, with "|" for a flush:
 *
 *	begin:  wipe both slots | header copy | record: all to do |
 *	batch:  store batch 1 | record 1, store batch 2 | record 2, ... store the last batch |
 *	end:    record: nothing to do, header to the front | wipe all behind but the slots |
 *		wipe the slots |
 *
 * Storing chunk d changes only place d+16, where chunk d+16 was. By the choice of batches
 * (convert_batch_below) that chunk is unused, or of an earlier batch and so behind a flush: it is
 * durable at place d+32, which nothing changes any more. This goes for zeroing as well. The front
 * overwrites chunks 0 to 15, which are behind the last batch's flush. Hence the invariant.
 *
 * Record k says that the batches up to k are durable, and is written behind the flush that made
 * them so: it never says too much. It has no flush of its own: the one of batch k+1 makes it
 * durable, so it may say too little, by one batch. When it is the newest after a cut,
 *
 *  - batch k+1 is not all durable: its old places are intact, since only what comes behind its
 *flush overwrites them. Or
 *  - batch k+1 is durable, its record was lost, and batch k+2 (or the front) has overwritten some
 *of its old places.
 *
 * The manifest tells the two apart, chunk by chunk: the first batch of a run takes a chunk from its
 * old place if that holds what the manifest says, else it must decrypt at its new place to just
 * that, and stays there. The zeroing is done again. Both runs mean the same by "batch k+1", because
 * batches follow from the manifest and the record alone. So one flush for each batch is enough.
 *
 * Two slots alternate, so that writing a record never endangers the one before it. A valid record
 * implies a header: at the front when it is not in the copy, because the copy is wiped behind the
 * flush of the front. Of the two records at the end either may outlive the other: the older one
 *says too little by one batch, as above.
 */

static int check_conversion(const struct conversion *conversion)
{
	const struct manifest *manifest = conversion->manifest;
	uint32_t sector = conversion->sector_size;

	if (manifest->chunk_size != MANIFEST_CHUNK_SIZE || manifest->fs_size == 0 ||
	    manifest->fs_size > UINT64_MAX - CONVERT_TAIL)
		return fail(-EINVAL, "the manifest's file system cannot be converted");
	if ((sector != 512 && sector != 4096) || sector > manifest_sector_size(manifest))
		return fail(-EINVAL, "sectors of %u bytes do not fit blocks of %u bytes", sector,
			    manifest->block_size);
	if (conversion->volume_key->size != XTS_KEY_SIZE ||
	    conversion->mac_key->size < HASH_SHA256_SIZE)
		return fail(-EINVAL, "the keys of the conversion have a wrong size");
	return 0;
}

static uint64_t tail_offset(const struct manifest *manifest)
{
	return manifest->fs_size + CONVERT_SHIFT;
}

/* --- begin --- */

static int wipe_slots(const struct disk_io *io, const struct manifest *manifest)
{
	for (uint64_t slot = 0; slot < CONVERT_SLOTS; slot++) {
		int r = convert_zero(io, CONVERT_SLOT_SIZE,
				     convert_slot_offset(manifest->fs_size, slot));

		if (r < 0)
			return r;
	}
	return convert_flush(io);
}

static int write_copy(const struct conversion *conversion, const struct convert_header *header)
{
	cleanup(freep) uint8_t *copy = NULL;
	int r = disk_buffer_new(header->size, &copy);

	if (r < 0)
		return r;
	memcpy(copy, header->data, header->size);
	r = convert_write(conversion->io, copy, header->size,
			  tail_offset(conversion->manifest) + CONVERT_COPY_OFFSET);
	return r < 0 ? r : convert_flush(conversion->io);
}

static int first_record(const struct conversion *conversion, const struct convert_header *header,
			struct convert_record *ret)
{
	*ret = (struct convert_record){
		.fs_size = conversion->manifest->fs_size,
		.sector_size = conversion->sector_size,
		.next_chunk = conversion->manifest->chunks_count,
		.header_size = header->size,
	};
	memcpy(ret->luks_uuid, conversion->luks_uuid, UUID_SIZE);
	memcpy(ret->manifest_digest, conversion->manifest->digest, HASH_SHA256_SIZE);
	return hash_data(HASH_SHA256, header->data, header->size, ret->header_digest);
}

int convert_begin(const struct conversion *conversion, const struct convert_header *header,
		  uint64_t disk_size)
{
	const struct manifest *manifest = conversion->manifest;
	struct convert_record record;
	int r = check_conversion(conversion);

	if (r < 0)
		return r;
	if (header->size == 0 || header->size > CONVERT_HEADER_MAX ||
	    !IS_ALIGNED(header->size, 4096))
		return fail(-EINVAL, "a LUKS2 header of %zu bytes cannot be stored", header->size);
	if (disk_size < manifest->fs_size + CONVERT_TAIL)
		return fail(-ENOSPC,
			    "the partition has %llu bytes, but the file system and the %llu MiB "
			    "behind it need %llu: make the partition larger",
			    (unsigned long long)disk_size, (unsigned long long)(CONVERT_TAIL / MIB),
			    (unsigned long long)(manifest->fs_size + CONVERT_TAIL));
	r = first_record(conversion, header, &record);
	if (r < 0)
		return r;
	r = wipe_slots(conversion->io, manifest);
	if (r < 0)
		return r;
	r = write_copy(conversion, header);
	if (r < 0)
		return r;
	r = convert_work_record(conversion, &record);
	return r < 0 ? r : convert_flush(conversion->io);
}

/* --- find --- */

/* What the two slots hold, newest first. */
struct found {
	size_t count;
	struct convert_record records[CONVERT_SLOTS];
};

/*
 * 1 and *ret when slot @index holds a record for this file system whose MAC, if asked for, holds.
 */
static int read_slot(const struct disk_io *io, const struct manifest *manifest,
		     const struct secret *mac_key, uint64_t index, struct convert_record *ret)
{
	cleanup(freep) uint8_t *slot = NULL;
	struct convert_record record;
	int r = disk_buffer_new(CONVERT_SLOT_SIZE, &slot);

	if (r < 0)
		return r;
	r = convert_read(io, slot, CONVERT_SLOT_SIZE,
			 convert_slot_offset(manifest->fs_size, index));
	if (r < 0)
		return r;
	if (convert_record_parse(slot, CONVERT_SLOT_SIZE, &record) < 0 ||
	    record.fs_size != manifest->fs_size || record.sequence % CONVERT_SLOTS != index)
		return 0;
	if (mac_key) {
		r = convert_record_authenticate(slot, mac_key);
		if (r < 0)
			return r;
	}
	*ret = record;
	return 1;
}

static void sort_records(struct found *found)
{
	struct convert_record first = found->records[0];

	if (found->count < 2 || first.sequence > found->records[1].sequence)
		return;
	found->records[0] = found->records[1];
	found->records[1] = first;
}

/*
 * A slot with a wrong MAC is passed over as long as the other one is good: it may be a torn write.
 */
static int find_records(const struct disk_io *io, const struct manifest *manifest,
			const struct secret *mac_key, struct found *ret)
{
	struct found found = {};
	bool rejected = false;

	for (uint64_t i = 0; i < CONVERT_SLOTS; i++) {
		int r = read_slot(io, manifest, mac_key, i, &found.records[found.count]);

		if (r == -EKEYREJECTED)
			rejected = true;
		else if (r < 0)
			return r;
		else
			found.count += (size_t)r;
	}
	if (found.count == 0 && rejected)
		return fail(-EKEYREJECTED,
			    "the conversion's progress record was not made with this key: it was "
			    "changed, or belongs to another machine");
	if (found.count == 0)
		return fail(-ENOENT,
			    "there is no progress record of a conversion behind the file system");
	sort_records(&found);
	*ret = found;
	return 0;
}

static int read_header_at(const struct disk_io *io, const struct convert_record *record,
			  uint64_t offset, uint8_t **ret)
{
	cleanup(freep) uint8_t *data = NULL;
	uint8_t digest[HASH_SHA256_SIZE];
	int r = disk_buffer_new(record->header_size, &data);

	if (r < 0)
		return r;
	r = convert_read(io, data, record->header_size, offset);
	if (r < 0)
		return r;
	r = hash_data(HASH_SHA256, data, record->header_size, digest);
	if (r < 0)
		return r;
	if (!mac_equal(digest, record->header_digest, sizeof(digest)))
		return -ENOENT;
	*ret = TAKE_PTR(data);
	return 0;
}

/* The header that the record names, from its copy, or from the front once the copy is wiped. */
static int read_header(const struct disk_io *io, const struct manifest *manifest,
		       const struct convert_record *record, uint8_t **ret, bool *ret_at_front)
{
	int r = read_header_at(io, record, tail_offset(manifest) + CONVERT_COPY_OFFSET, ret);

	if (r != -ENOENT) {
		*ret_at_front = false;
		return r;
	}
	r = read_header_at(io, record, 0, ret);
	*ret_at_front = true;
	return r;
}

int convert_find_header(const struct disk_io *io, const struct manifest *manifest, uint8_t **ret,
			size_t *ret_size)
{
	struct found found;
	bool at_front;
	int r = find_records(io, manifest, NULL, &found);

	if (r < 0)
		return r;
	for (size_t i = 0; i < found.count; i++) {
		r = read_header(io, manifest, &found.records[i], ret, &at_front);
		if (r == 0)
			*ret_size = found.records[i].header_size;
		if (r != -ENOENT)
			return r;
	}
	return fail(-ENOENT, "the progress record names a LUKS2 header that is not on the disk");
}

/* --- run --- */

static int check_record(const struct conversion *conversion, const struct convert_record *record)
{
	if (!mac_equal(record->manifest_digest, conversion->manifest->digest, HASH_SHA256_SIZE))
		return fail(-ESTALE, "the conversion on the disk was begun with another manifest");
	if (memcmp(record->luks_uuid, conversion->luks_uuid, UUID_SIZE) != 0 ||
	    record->sector_size != conversion->sector_size)
		return fail(-ESTALE, "the conversion on the disk belongs to another LUKS2 header");
	return 0;
}

struct check_report {
	const struct convert_options *options; /* or NULL */
	int64_t started_ms, next_ms;
	uint64_t total_bytes;
};

static void report_check(struct check_report *report, uint64_t done_bytes)
{
	struct convert_progress progress = {.done_bytes = done_bytes,
					    .total_bytes = report->total_bytes};
	int64_t now = monotonic_ms();

	if (!report->options || !report->options->progress || now < report->next_ms)
		return;
	report->next_ms = now + 1000;
	progress.seconds = (double)(now - report->started_ms) / 1000;
	report->options->progress(&progress, report->options->progress_context);
}

/* From chunk @next on, until at least @limit bytes were checked. */
static int check_done_chunks(const struct convert_tools *tools, size_t next, uint64_t limit,
			     struct check_report *report, uint8_t *buffer)
{
	uint64_t checked = 0;

	for (size_t chunk = next; chunk < tools->manifest->chunks_count && checked < limit;
	     chunk++) {
		int r = 0;

		if (convert_chunk_is_used(tools->manifest, chunk))
			r = convert_chunk_load(tools, chunk, CONVERT_DECRYPT, buffer);
		if (r == -EILSEQ)
			return fail(-ESTALE,
				    "chunk %zu, which is said to be encrypted, does not decrypt to "
				    "what the manifest says: the disk was rolled back or put "
				    "together from two",
				    chunk);
		if (r < 0)
			return r;
		checked += convert_chunk_used_bytes(tools->manifest, chunk);
		report_check(report, checked);
	}
	return 0;
}

static int check_done(const struct conversion *conversion, size_t next, uint64_t limit,
		      const struct convert_options *options)
{
	struct check_report report = {.options = options,
				      .started_ms = monotonic_ms(),
				      .total_bytes = conversion->manifest->used_bytes};
	cleanup(convert_tools_done) struct convert_tools tools = {};
	cleanup(freep) uint8_t *buffer = NULL;
	int r = disk_buffer_new(MANIFEST_CHUNK_SIZE, &buffer);

	if (r < 0)
		return r;
	r = convert_tools_init(conversion->io, conversion->manifest, conversion->volume_key,
			       conversion->sector_size, &tools);
	if (r < 0)
		return r;
	return check_done_chunks(&tools, next, limit, &report, buffer);
}

static int write_front(const struct disk_io *io, const uint8_t *header, size_t size)
{
	int r = convert_write(io, header, size, 0);

	if (r < 0)
		return r;
	r = convert_zero(io, CONVERT_SHIFT - size, size);
	return r < 0 ? r : convert_flush(io);
}

/* All but the slots, then these: when no record is found, nothing else is left either. */
static int wipe_tail(const struct disk_io *io, const struct manifest *manifest)
{
	uint64_t between = tail_offset(manifest) + CONVERT_SLOT_SIZE;
	uint64_t behind = between + CONVERT_SLOT_STRIDE,
		 end = tail_offset(manifest) + CONVERT_SHIFT;
	int r = convert_zero(io, CONVERT_SLOT_STRIDE - CONVERT_SLOT_SIZE, between);

	if (r == 0)
		r = convert_zero(io, end - behind, behind);
	if (r == 0)
		r = convert_flush(io);
	return r < 0 ? r : wipe_slots(io, manifest);
}

int convert_run(const struct conversion *conversion, const struct convert_options *options)
{
	cleanup(freep) uint8_t *header = NULL;
	struct convert_record record;
	struct found found;
	bool at_front;
	int r = check_conversion(conversion);

	if (r < 0)
		return r;
	r = find_records(conversion->io, conversion->manifest, conversion->mac_key, &found);
	if (r < 0)
		return r;
	record = found.records[0];
	r = check_record(conversion, &record);
	if (r < 0)
		return r;
	r = read_header(conversion->io, conversion->manifest, &record, &header, &at_front);
	if (r == -ENOENT)
		return fail(-ESTALE, "the copy of the LUKS2 header behind the file system was "
				     "changed since the conversion began");
	if (r < 0)
		return r;
	/* The last finished chunks are what the record says. */
	r = check_done(conversion, record.next_chunk, CONVERT_SHIFT, NULL);
	if (r < 0)
		return r;
	r = convert_work(conversion, options, &record);
	if (r < 0)
		return r;
	if (!at_front)
		r = write_front(conversion->io, header, record.header_size);
	return r < 0 ? r : wipe_tail(conversion->io, conversion->manifest);
}

int convert_check_result(const struct conversion *conversion, const struct convert_options *options)
{
	int r = check_conversion(conversion);

	return r < 0 ? r : check_done(conversion, 0, UINT64_MAX, options);
}

/* --- verify --- */

struct verify {
	struct crew crew;
	const struct disk_io *io;
	const struct manifest *manifest;
	struct convert_kept *kept; /* or NULL */
	size_t next;
};

static int verify_chunk(struct verify *verify, const struct convert_tools *tools, size_t chunk,
			uint8_t *buffer)
{
	uint8_t *room = convert_kept_room(verify->kept, chunk);
	int r = convert_chunk_load(tools, chunk, CONVERT_CHECK, room ? room : buffer);

	if (r == -EILSEQ)
		return convert_differs(tools->manifest, chunk);
	if (r == 0)
		convert_kept_hold(verify->kept, chunk);
	return r;
}

/* With the lock held. */
static void verify_chunks(struct verify *verify, const struct convert_tools *tools, uint8_t *buffer)
{
	while (verify->crew.error == 0 && verify->next < verify->manifest->chunks_count) {
		size_t chunk = verify->next++;
		int r;

		if (!convert_chunk_is_used(verify->manifest, chunk))
			continue;
		pthread_mutex_unlock(&verify->crew.lock);
		r = verify_chunk(verify, tools, chunk, buffer);
		pthread_mutex_lock(&verify->crew.lock);
		if (r < 0)
			crew_fail(&verify->crew, chunk, r);
		verify->crew.done_bytes += convert_chunk_used_bytes(verify->manifest, chunk);
	}
}

static void verify_thread(void *context)
{
	struct verify *verify = context;
	cleanup(convert_tools_done) struct convert_tools tools = {};
	cleanup(freep) uint8_t *buffer = NULL;
	int r = disk_buffer_new(MANIFEST_CHUNK_SIZE, &buffer);

	if (r == 0)
		r = convert_tools_init(verify->io, verify->manifest, NULL, 0, &tools);
	pthread_mutex_lock(&verify->crew.lock);
	if (r < 0)
		crew_fail(&verify->crew, 0, r);
	else
		verify_chunks(verify, &tools, buffer);
	pthread_mutex_unlock(&verify->crew.lock);
}

int convert_verify(const struct disk_io *io, const struct manifest *manifest,
		   const struct convert_options *options)
{
	struct verify verify = {
		.io = io, .manifest = manifest, .kept = options ? options->kept : NULL};
	int r;

	crew_init(&verify.crew);
	verify.crew.total_bytes = manifest->used_bytes;
	r = crew_run(&verify.crew, options, verify_thread, &verify);
	crew_done(&verify.crew);
	return r;
}
