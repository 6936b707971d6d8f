/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
/*
 * The part of tests/bench/convert.py and first_boot.py that runs the converter.
 *
 *	convert_bench manifest IMAGE MANIFEST THREADS    make the manifest (used bytes, not seconds)
 *	convert_bench verify IMAGE MANIFEST THREADS      the check before the first write
 *	convert_bench convert IMAGE MANIFEST THREADS     all of the conversion
 *	convert_bench first-boot IMAGE MANIFEST THREADS  the check, then the conversion
 *	convert_bench copy IMAGE MANIFEST THREADS        the device's limit: only read and write
 *
 * Prints seconds, peak memory in KiB and, of the seconds, those of the check.
 */
#include "disk/convert/convert.h"

#include <pthread.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "base/error.h"
#include "base/file.h"
#include "disk/convert/chunk.h"
#include "disk/convert/crew.h"
#include "disk/manifest/make.h"

struct seconds {
	double all;
	double check; /* of them; 0 where there is no check of its own */
};

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1000000000.0;
}

static int bench_verify(const struct disk_io *io, const struct manifest *manifest,
			const struct convert_options *options, double *ret)
{
	double start = now();
	int r = convert_verify(io, manifest, options);

	*ret = now() - start;
	return r;
}

static int convert(const struct conversion *conversion, const struct convert_options *options,
		   uint64_t disk_size)
{
	cleanup(freep) uint8_t *header = calloc(1, CONVERT_HEADER_MAX);
	struct convert_header value = {.data = header, .size = CONVERT_HEADER_MAX};
	int r;

	if (!header)
		return -ENOMEM;
	header[0] = 1;
	r = convert_begin(conversion, &value, disk_size);
	return r < 0 ? r : convert_run(conversion, options);
}

static int bench_convert(const struct disk_io *io, const struct manifest *manifest,
			 const struct convert_options *options, uint64_t disk_size, double *ret)
{
	cleanup(secret_freep) struct secret *volume_key = NULL, *mac_key = NULL;
	struct conversion conversion = {
		.io = io, .manifest = manifest, .sector_size = manifest_sector_size(manifest)};
	double start;
	int r = secret_random(XTS_KEY_SIZE, &volume_key);

	if (r == 0)
		r = secret_random(32, &mac_key);
	if (r < 0)
		return r;
	conversion.volume_key = volume_key;
	conversion.mac_key = mac_key;
	start = now();
	r = convert(&conversion, options, disk_size);
	*ret = now() - start;
	return r;
}

/* Read and write the used bytes in place, as often and as large as the converter does. */
struct copy {
	const struct disk_io *io;
	const struct manifest *manifest;
	size_t next;
	int error;
	pthread_mutex_t lock;
};

static int copy_chunk(const struct copy *copy, size_t chunk, uint8_t *buffer)
{
	struct convert_spans spans;
	int r = 0;

	convert_chunk_spans(copy->manifest, chunk, &spans);
	for (size_t i = 0; r == 0 && i < spans.count; i++)
		r = convert_read(copy->io, buffer, spans.list[i].length, spans.list[i].offset);
	for (size_t i = 0; r == 0 && i < spans.count; i++)
		r = convert_write(copy->io, buffer, spans.list[i].length, spans.list[i].offset);
	return r;
}

static void *copy_thread(void *context)
{
	struct copy *copy = context;
	cleanup(freep) uint8_t *buffer = NULL;
	int r = disk_buffer_new(MANIFEST_CHUNK_SIZE, &buffer);

	pthread_mutex_lock(&copy->lock);
	while (r == 0 && copy->error == 0 && copy->next > 0) {
		size_t chunk = --copy->next;

		pthread_mutex_unlock(&copy->lock);
		r = copy_chunk(copy, chunk, buffer);
		pthread_mutex_lock(&copy->lock);
	}
	if (r < 0)
		copy->error = r;
	pthread_mutex_unlock(&copy->lock);
	return NULL;
}

static int bench_copy(const struct disk_io *io, const struct manifest *manifest,
		      const struct convert_options *options, double *ret)
{
	struct copy copy = {.io = io, .manifest = manifest, .next = manifest->chunks_count};
	unsigned int count = crew_threads(options);
	pthread_t threads[64];
	double start = now();

	pthread_mutex_init(&copy.lock, NULL);
	for (unsigned int i = 0; i < count; i++)
		pthread_create(&threads[i], NULL, copy_thread, &copy);
	for (unsigned int i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
	if (copy.error == 0)
		copy.error = convert_flush(io);
	*ret = now() - start;
	return copy.error;
}

/* As a first boot does it: nothing is written before all was read. */
static int bench_first_boot(const struct disk_io *io, const struct manifest *manifest,
			    const struct convert_options *options, uint64_t disk_size,
			    struct seconds *ret)
{
	cleanup(convert_kept_freep) struct convert_kept *kept = NULL;
	struct convert_options keeping = *options;
	double conversion;
	int r = convert_kept_new(manifest, convert_kept_limit(), &kept);

	if (r < 0)
		return r;
	keeping.kept = kept;
	r = bench_verify(io, manifest, &keeping, &ret->check);

	if (r < 0)
		return r;
	r = bench_convert(io, manifest, &keeping, disk_size, &conversion);
	ret->all = ret->check + conversion;
	return r;
}

static int bench(const char *what, const char *image, const char *manifest_path,
		 const struct convert_options *options, struct seconds *ret)
{
	cleanup(manifest_freep) struct manifest *manifest = NULL;
	cleanup(disk_file_freep) struct disk_file *file = NULL;
	struct disk_io io;
	int r = manifest_load(manifest_path, &manifest);

	if (r < 0)
		return r;
	r = disk_file_open(image, strcmp(what, "verify") != 0, &file);
	if (r < 0)
		return r;
	io = disk_file_io(file);
	if (strcmp(what, "verify") == 0)
		return bench_verify(&io, manifest, options, &ret->all);
	if (strcmp(what, "copy") == 0)
		return bench_copy(&io, manifest, options, &ret->all);
	if (strcmp(what, "convert") == 0)
		return bench_convert(&io, manifest, options, disk_file_size(file), &ret->all);
	if (strcmp(what, "first-boot") == 0)
		return bench_first_boot(&io, manifest, options, disk_file_size(file), ret);
	return fail(-EINVAL, "%s: verify, copy, convert or first-boot", what);
}

static int make_manifest(const char *image, const char *path)
{
	cleanup(manifest_freep) struct manifest *manifest = NULL;
	cleanup(freep) uint8_t *data = NULL;
	size_t size;
	int r = manifest_make(image, NULL, &manifest);

	if (r == 0)
		r = manifest_serialize(manifest, &data, &size);
	if (r == 0)
		r = file_write_atomic(path, data, size, 0644);
	if (r < 0) {
		fprintf(stderr, "%s\n", fail_sentence(r));
		return 1;
	}
	printf("%llu\n", (unsigned long long)manifest->used_bytes);
	return 0;
}

int main(int argc, char **argv)
{
	struct convert_options options = {};
	struct rusage usage;
	struct seconds seconds = {};
	int r;

	if (argc != 5) {
		fprintf(stderr,
			"usage: convert_bench manifest|verify|convert|first-boot|copy IMAGE "
			"MANIFEST THREADS\n");
		return 2;
	}
	if (strcmp(argv[1], "manifest") == 0)
		return make_manifest(argv[2], argv[3]);
	options.threads = (unsigned int)strtoul(argv[4], NULL, 10);
	r = bench(argv[1], argv[2], argv[3], &options, &seconds);
	if (r < 0) {
		fprintf(stderr, "%s\n", fail_sentence(r));
		return 1;
	}
	getrusage(RUSAGE_SELF, &usage);
	printf("%.6f %ld %.6f\n", seconds.all, usage.ru_maxrss, seconds.check);
	return 0;
}
