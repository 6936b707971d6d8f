/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "cli/verbs.h"
#include "disk/manifest/make.h"

#include <string.h>
#include <sys/stat.h>
#include <time.h>

/* --show: what a manifest says, in numbers. */
struct summary {
	size_t data, zero, unused; /* chunks */
	size_t file_size;
	char uuid[UUID_TEXT_SIZE]; /* empty: none */
	char digest[2 * HASH_SHA256_SIZE + 1];
};

static void summarise(const struct manifest *manifest, size_t file_size, struct summary *ret)
{
	static const uint8_t none[UUID_SIZE];

	*ret = (struct summary){.file_size = file_size};
	for (size_t chunk = 0; chunk < manifest->chunks_count; chunk++) {
		ret->data += manifest->states[chunk] == CHUNK_DATA;
		ret->zero += manifest->states[chunk] == CHUNK_ZERO;
		ret->unused += manifest->states[chunk] == CHUNK_UNUSED;
	}
	if (memcmp(manifest->fs_uuid, none, sizeof(none)) != 0)
		uuid_encode(manifest->fs_uuid, ret->uuid);
	hex_encode(manifest->digest, sizeof(manifest->digest), ret->digest);
}

static void print_text(const struct manifest *manifest, const struct summary *summary)
{
	double share = 100.0 * (double)manifest->used_bytes / (double)manifest->fs_size;

	printf("file system:   %s\n", manifest->fs_type);
	printf("UUID:          %s\n", summary->uuid[0] ? summary->uuid : "none");
	printf("size:          %llu bytes\n", (unsigned long long)manifest->fs_size);
	printf("block size:    %u bytes\n", manifest->block_size);
	printf("used:          %llu bytes (%.1f %%) in %zu extents\n",
	       (unsigned long long)manifest->used_bytes, share, manifest->extents_count);
	printf("chunks:        %zu data, %zu zero, %zu unused, of %u bytes\n", summary->data,
	       summary->zero, summary->unused, manifest->chunk_size);
	printf("manifest size: %zu bytes\n", summary->file_size);
	printf("digest:        sha256:%s\n", summary->digest);
}

static void json_freep(json_t **json)
{
	json_decref(*json);
}

static int print_json(const struct manifest *manifest, const struct summary *summary)
{
	cleanup(json_freep) json_t *json = json_pack(
		"{s:s, s:s?, s:I, s:I, s:I, s:I, s:I, s:{s:I, s:I, s:I}, s:I, s:s}", "fs_type",
		manifest->fs_type, "fs_uuid", summary->uuid[0] ? summary->uuid : NULL, "fs_size",
		(json_int_t)manifest->fs_size, "block_size", (json_int_t)manifest->block_size,
		"chunk_size", (json_int_t)manifest->chunk_size, "used_bytes",
		(json_int_t)manifest->used_bytes, "extents", (json_int_t)manifest->extents_count,
		"chunks", "data", (json_int_t)summary->data, "zero", (json_int_t)summary->zero,
		"unused", (json_int_t)summary->unused, "manifest_size",
		(json_int_t)summary->file_size, "sha256", summary->digest);

	if (!json || json_dumpf(json, stdout, JSON_INDENT(2)) < 0)
		return -ENOMEM;
	putchar('\n');
	return EXIT_OK;
}

static int show(const char *path, bool json)
{
	cleanup(manifest_freep) struct manifest *manifest = NULL;
	cleanup(freep) char *data = NULL;
	struct summary summary;
	size_t size;
	int r = manifest_read_file(path, &data, &size);

	if (r < 0)
		return r;
	r = manifest_parse(data, size, &manifest);
	if (r < 0)
		return fail(r, "%s: %s", path, fail_sentence(r));
	summarise(manifest, size, &summary);
	if (json)
		return print_json(manifest, &summary);
	print_text(manifest, &summary);
	return EXIT_OK;
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

#define BAR_WIDTH 30

/* @context is the time of the start. */
static void print_progress(uint64_t done, uint64_t total, void *context)
{
	static const char full[] = "##############################";
	double seconds = now() - *(const double *)context;
	double share = total > 0 ? (double)done / (double)total : 1;
	double speed = seconds > 0 ? (double)done / (double)MIB / seconds : 0;
	unsigned int left = share > 0 ? (unsigned int)(seconds * (1 - share) / share + 0.5) : 0;

	/* Until something is known of the speed there is nothing to say of the time. */
	fprintf(stderr, "\r[%-*.*s] %3d %%", BAR_WIDTH, (int)(share * BAR_WIDTH), full,
		(int)(share * 100));
	if (done > 0)
		fprintf(stderr, "  %.0f MiB/s  %u:%02u left\033[K", speed, left / 60, left % 60);
	fflush(stderr);
}

static bool is_something_else(const char *path)
{
	struct stat status;

	return lstat(path, &status) == 0 && !S_ISREG(status.st_mode);
}

static int write_output(const char *path, const void *data, size_t size)
{
	int r;

	if (path) {
		/* The file is put in the place of what is there: never of a device. */
		if (is_something_else(path))
			return fail(-EEXIST,
				    "\"%s\" is there and no regular file; leave out --output and "
				    "redirect standard output to it",
				    path);
		r = file_write_atomic(path, data, size, 0644);
		return r < 0 ? fail(r, "cannot write the manifest %s: %s", path, strerror(-r)) : 0;
	}
	r = file_write(STDOUT_FILENO, data, size);
	return r < 0 ? fail(r, "cannot write the manifest to standard output: %s", strerror(-r))
		     : 0;
}

static int make(const char *device, const char *output, unsigned int threads, bool progress)
{
	cleanup(manifest_freep) struct manifest *manifest = NULL;
	cleanup(freep) uint8_t *data = NULL;
	double start = now();
	struct manifest_make_options options = {
		.threads = threads,
		.progress = progress ? print_progress : NULL,
		.progress_context = &start,
	};
	size_t size;
	int r = manifest_make(device, &options, &manifest);

	if (progress)
		fputs("\r\033[K", stderr);
	if (r < 0)
		return r;
	r = manifest_serialize(manifest, &data, &size);
	if (r < 0)
		return r;
	return write_output(output, data, size);
}

struct arguments {
	const char *output;
	unsigned int threads;
	bool no_progress, show, json;
};

static int parse_threads(const char *text, unsigned int *ret)
{
	char *end;
	long value;

	errno = 0;
	value = strtol(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || value < 1 || value > MANIFEST_THREADS_MAX)
		return verb_usage_error(&verb_manifest, "--threads takes a number from 1 to %d",
					MANIFEST_THREADS_MAX);
	*ret = (unsigned int)value;
	return 0;
}

static int parse_option(int option, struct arguments *arguments)
{
	switch (option) {
	case 'o':
		arguments->output = optarg;
		return 0;
	case 't':
		return parse_threads(optarg, &arguments->threads);
	case 'n':
		arguments->no_progress = true;
		return 0;
	case 's':
		arguments->show = true;
		return 0;
	case 'j':
		arguments->json = true;
		return 0;
	default:
		return EXIT_USAGE;
	}
}

static int check_arguments(const struct arguments *arguments, int operands)
{
	bool making = arguments->output || arguments->threads > 0 || arguments->no_progress;

	if (operands != 1)
		return verb_usage_error(&verb_manifest, "exactly one %s is wanted",
					arguments->show ? "FILE" : "DEVICE or image");
	if (arguments->show && making)
		return verb_usage_error(&verb_manifest, "only --json goes with --show");
	if (!arguments->show && arguments->json)
		return verb_usage_error(&verb_manifest, "--json goes only with --show");
	if (!arguments->show && !arguments->output && isatty(STDOUT_FILENO))
		return verb_usage_error(&verb_manifest,
					"a manifest is not text: give --output, or redirect it");
	return 0;
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {
		{"output", required_argument, NULL, 'o'}, {"threads", required_argument, NULL, 't'},
		{"no-progress", no_argument, NULL, 'n'},  {"show", no_argument, NULL, 's'},
		{"json", no_argument, NULL, 'j'},	  {},
	};
	struct arguments arguments = {};
	int option, r;

	while ((option = verb_option(&verb_manifest, argc, argv, options)) != -1) {
		r = parse_option(option, &arguments);
		if (r != 0)
			return r;
	}
	r = check_arguments(&arguments, argc - optind);
	if (r != 0)
		return r;
	if (arguments.show)
		return show(argv[optind], arguments.json);
	return make(argv[optind], arguments.output, arguments.threads,
		    !arguments.no_progress && isatty(STDERR_FILENO));
}

const struct verb verb_manifest = {
	.name = "manifest",
	.summary = "Make the manifest of a root file system, or show one",
	.synopsis = "[--output FILE] [--threads N] [--no-progress] DEVICE\n"
		    "       cvmroot manifest --show [--json] FILE",
	.usage =
		"DEVICE is a block device or an image file with a file system that is unmounted\n"
		"or mounted read-only. The manifest goes to standard output when no FILE is given.\n"
		"\n"
		"Options:\n"
		"  --output FILE  write the manifest to FILE, all of it or nothing\n"
		"  --threads N    use N threads (default: one for each processor)\n"
		"  --no-progress  no progress bar, on a terminal either\n"
		"  --show         print what the manifest FILE says\n"
		"  --json         print it as JSON\n",
	.run = run,
};
