/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "disk/manifest/make.h"

#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "base/reader.h"
#include "base/file.h"
#include "disk/manifest/extents.h"

/*
 * Worker threads take batches of chunks in order, read what is used of each and hash it. A
 * worker's buffer mirrors its batch: the byte at offset x of the file system is at x - batch start.
 */
#define BATCH_CHUNKS 4
#define BATCH_SIZE   (BATCH_CHUNKS * (uint64_t)MANIFEST_CHUNK_SIZE)
#define ALIGNMENT    4096 /* of direct I/O: offset, size and memory */
/* Two pieces this near are read as one: a seek or a system call costs more than the bytes. */
#define GAP_READ    (64 * KIB)
#define PROGRESS_NS 250000000

struct job {
	struct manifest *manifest;
	int fd;
	int direct; /* the same with O_DIRECT; -1 where that cannot be */

	pthread_mutex_t lock; /* of the rest */
	pthread_cond_t changed;
	size_t next_chunk;
	uint64_t done_bytes;
	unsigned int running;
	int error; /* the first one: workers stop */
	uint64_t error_offset;
};

struct worker {
	struct job *job;
	uint8_t *buffer;
	struct hash *hash;
	pthread_t thread;
};

static void worker_done(struct worker *worker)
{
	free(worker->buffer);
	hash_free(worker->hash);
}

static int worker_init(struct job *job, struct worker *worker)
{
	worker->job = job;
	worker->buffer = aligned_alloc(ALIGNMENT, BATCH_SIZE);
	if (!worker->buffer)
		return -ENOMEM;
	return hash_new(HASH_SHA256, &worker->hash);
}

/* Read [from, to), both inside the batch that begins at @start. */
static int read_span(const struct worker *worker, uint64_t start, uint64_t from, uint64_t to)
{
	const struct job *job = worker->job;
	uint64_t at = from;

	if (job->direct >= 0) {
		uint64_t aligned = ALIGN_DOWN(from, ALIGNMENT);
		uint64_t end = ALIGN_DOWN(to + ALIGNMENT - 1, ALIGNMENT);
		ssize_t n = pread(job->direct, worker->buffer + (aligned - start), end - aligned,
				  (off_t)aligned);

		/* The file's end and a file system that has second thoughts: see below. */
		if (n > 0)
			at = MAX(at, MIN(to, aligned + (uint64_t)n));
	}
	if (at == to)
		return 0;
	return file_pread(job->fd, worker->buffer + (at - start), to - at, at);
}

/* Read what is used of the chunks [first, end), near pieces together. */
static int read_batch(const struct worker *worker, size_t first, size_t end, uint64_t *ret_offset)
{
	const struct manifest *manifest = worker->job->manifest;
	uint64_t start = (uint64_t)first * manifest->chunk_size, from = 0, to = 0;
	struct extent piece;
	int r;

	for (size_t chunk = first; chunk < end; chunk++) {
		size_t cursor = 0;

		while (manifest_chunk_extent(manifest, chunk, &cursor, &piece)) {
			if (to > from && piece.offset - to > GAP_READ) {
				r = read_span(worker, start, from, to);
				if (r < 0)
					goto failed;
				from = to;
			}
			if (to == from)
				from = piece.offset;
			to = piece.offset + piece.length;
		}
	}
	r = to > from ? read_span(worker, start, from, to) : 0;
failed:
	*ret_offset = from;
	return r;
}

static int hash_chunk(struct worker *worker, size_t chunk, const uint8_t *data)
{
	struct manifest *manifest = worker->job->manifest;
	uint64_t start = (uint64_t)chunk * manifest->chunk_size;
	struct extent piece;
	bool zero = true;
	size_t cursor = 0;

	while (zero && manifest_chunk_extent(manifest, chunk, &cursor, &piece))
		zero = bytes_are_zero(data + (piece.offset - start), piece.length);
	if (zero) {
		manifest->states[chunk] = CHUNK_ZERO;
		return 0;
	}
	cursor = 0;
	while (manifest_chunk_extent(manifest, chunk, &cursor, &piece)) {
		int r = hash_update(worker->hash, data + (piece.offset - start), piece.length);

		if (r < 0)
			return r;
	}
	return hash_final(worker->hash, manifest->digests[chunk]);
}

static uint64_t used_of_chunk(const struct manifest *manifest, size_t chunk)
{
	struct extent piece;
	size_t cursor = 0;
	uint64_t used = 0;

	while (manifest_chunk_extent(manifest, chunk, &cursor, &piece))
		used += piece.length;
	return used;
}

static int work_batch(struct worker *worker, size_t first, size_t end, uint64_t *ret_done,
		      uint64_t *ret_offset)
{
	struct manifest *manifest = worker->job->manifest;
	uint64_t done = 0;
	int r = read_batch(worker, first, end, ret_offset);

	for (size_t chunk = first; r == 0 && chunk < end; chunk++) {
		size_t index = (chunk - first) * manifest->chunk_size;

		if (manifest->states[chunk] == CHUNK_UNUSED)
			continue;
		r = hash_chunk(worker, chunk, worker->buffer + index);
		done += used_of_chunk(manifest, chunk);
	}
	*ret_done = done;
	return r;
}

/* The next chunks to do, or false when there are none or something failed. Under the lock. */
static bool take_batch(struct job *job, size_t *ret_first, size_t *ret_end)
{
	const struct manifest *manifest = job->manifest;

	while (job->next_chunk < manifest->chunks_count &&
	       manifest->states[job->next_chunk] == CHUNK_UNUSED)
		job->next_chunk++;
	if (job->error < 0 || job->next_chunk == manifest->chunks_count)
		return false;
	*ret_first = job->next_chunk;
	*ret_end = MIN(job->next_chunk + BATCH_CHUNKS, manifest->chunks_count);
	job->next_chunk = *ret_end;
	return true;
}

static void *worker_run(void *context)
{
	struct worker *worker = context;
	struct job *job = worker->job;
	size_t first, end;

	pthread_mutex_lock(&job->lock);
	while (take_batch(job, &first, &end)) {
		uint64_t done, offset;
		int r;

		pthread_mutex_unlock(&job->lock);
		r = work_batch(worker, first, end, &done, &offset);
		pthread_mutex_lock(&job->lock);
		if (r < 0 && job->error == 0) {
			job->error = r;
			job->error_offset = offset;
		}
		job->done_bytes += done;
	}
	job->running--;
	pthread_cond_signal(&job->changed);
	pthread_mutex_unlock(&job->lock);
	return NULL;
}

static void wait_a_while(struct job *job)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += PROGRESS_NS;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	pthread_cond_clockwait(&job->changed, &job->lock, CLOCK_MONOTONIC, &until);
}

/* Tell how far the workers are until they have ended. */
static void report_until_done(struct job *job, const struct manifest_make_options *options)
{
	bool running;

	do {
		uint64_t done;

		pthread_mutex_lock(&job->lock);
		if (job->running > 0)
			wait_a_while(job);
		running = job->running > 0;
		done = job->done_bytes;
		pthread_mutex_unlock(&job->lock);
		if (options->progress)
			options->progress(done, job->manifest->used_bytes,
					  options->progress_context);
	} while (running);
}

static int start_workers(struct job *job, struct worker *workers, unsigned int count,
			 unsigned int *ret_started)
{
	int r = 0;

	pthread_mutex_lock(&job->lock);
	for (*ret_started = 0; r == 0 && *ret_started < count;) {
		struct worker *worker = &workers[*ret_started];

		r = worker_init(job, worker);
		if (r == 0)
			r = -pthread_create(&worker->thread, NULL, worker_run, worker);
		if (r == 0)
			job->running = ++*ret_started;
		else
			job->error = r;
	}
	pthread_mutex_unlock(&job->lock);
	return r;
}

static unsigned int count_threads(const struct manifest_make_options *options)
{
	long online = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned int threads = options->threads;

	if (threads == 0)
		threads = online > 0 ? (unsigned int)online : 1;
	return MIN(threads, MANIFEST_THREADS_MAX);
}

static int hash_chunks(struct job *job, const struct manifest_make_options *options)
{
	unsigned int count = count_threads(options), started;
	cleanup(freep) struct worker *workers = calloc(count, sizeof(*workers));

	if (!workers)
		return -ENOMEM;
	if (start_workers(job, workers, count, &started) == 0)
		report_until_done(job, options);
	for (unsigned int i = 0; i < started; i++)
		pthread_join(workers[i].thread, NULL);
	for (unsigned int i = 0; i < count; i++)
		worker_done(&workers[i]);
	return job->error;
}

static int read_and_hash(const char *path, struct manifest *manifest,
			 const struct manifest_make_options *options)
{
	cleanup(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	cleanup(closep) int direct = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_DIRECT);
	struct job job = {
		.manifest = manifest,
		.fd = fd,
		.direct = direct,
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.changed = PTHREAD_COND_INITIALIZER,
	};
	int r;

	if (fd < 0)
		return fail(-errno, "cannot open \"%s\": %s", path, strerror(errno));
	posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	r = hash_chunks(&job, options);
	if (r < 0)
		return fail(r, "cannot read %s at offset %llu: %s", path,
			    (unsigned long long)job.error_offset, strerror(-r));
	return 0;
}

int manifest_make(const char *path, const struct manifest_make_options *options,
		  struct manifest **ret)
{
	static const struct manifest_make_options defaults;
	cleanup(manifest_freep) struct manifest *manifest = calloc(1, sizeof(*manifest));
	int r;

	if (!manifest)
		return -ENOMEM;
	r = extents_read(path, manifest);
	if (r < 0)
		return r;
	r = manifest_index(manifest);
	if (r < 0)
		return fail(r, "%s: %s", path, fail_sentence(r));
	r = read_and_hash(path, manifest, options ? options : &defaults);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(manifest);
	return 0;
}
