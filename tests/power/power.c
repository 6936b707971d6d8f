/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
/*
 * Cuts the power while random images are converted, again and again, and demands that the disk in
 * the end is byte for byte the one of a conversion that was not cut.
 *
 *	power --list                                     names, one a line
 *	power NAME [--full] [--seed N] [--cuts N] [--image N] [--jobs N]
 *
 * With --full ten times as many. Everything follows from the seed, but for the order in which
 * threads write. Image I of a scenario can be run alone.
 */
#include <errno.h>
#include <getopt.h>
#include <string.h>
#include <sys/wait.h>

#include "base/error.h"
#include "image.h"

/* How long one image is used, in cuts. */
#define CUTS_PER_IMAGE 40
#define JOBS_MAX       64
/* Of all scenarios together, unless --cuts says how many. */
#define CUTS_DEFAULT 10000
#define CUTS_FULL    100000

static const struct shape shapes[] = {
	{"holes", "a few extents in half of the chunks", 17, 70, 50, 2, 5, 6, 4096, false, 3, 15,
	 0},
	{"zero-chunks", "chunks of zeros between data", 17, 50, 70, 3, 60, 3, 4096, false, 3, 10,
	 0},
	{"small-blocks", "1 KiB blocks and 512-byte sectors", 17, 50, 60, 2, 5, 8, 1024, true, 3,
	 10, 0},
	{"partial-chunk", "the last chunk is not whole", 16, 50, 80, 2, 5, 4, 4096, true, 3, 10, 0},
	{"dense", "every chunk is used", 17, 70, 100, 0, 5, 4, 4096, false, 3, 15, 0},
	{"full", "every byte is used", 17, 36, 100, 100, 0, 1, 4096, true, 2, 5, 0},
	{"nearly-empty", "a few used chunks far apart", 40, 400, 3, 5, 5, 2, 4096, true, 3, 10, 0},
	{"tiny", "smaller than the shift", 1, 16, 70, 5, 10, 4, 0, true, 3, 5, 0},
	{"any", "any block size, any share used", 1, 60, 45, 5, 15, 10, 0, true, 3, 10, 0},
	{"again-and-again", "up to twelve cuts in one conversion", 17, 60, 60, 2, 5, 4, 0, true, 12,
	 5, 0},
	{"threads", "four threads, in whatever order they come", 34, 70, 90, 30, 5, 4, 0, true, 3,
	 5, 4},
};

struct arguments {
	const struct shape *shape;
	uint64_t seed;
	uint64_t cuts; /* of this scenario; 0: its share */
	long image;    /* only this one; -1: all */
	unsigned int jobs;
	bool full;
};

/* --- one conversion --- */

/* What a boot does: resume what was begun, else accept what is finished, else begin. */
static int boot(const struct shape *shape, const struct image *image)
{
	struct convert_options options = {.threads = MAX(shape->threads, 1U)};
	cleanup(freep) uint8_t *header = NULL;
	size_t size;
	int r = convert_find_header(&image->io, image->manifest, &header, &size);

	if (r == 0 && (size != image->header.size || memcmp(header, image->header_data, size) != 0))
		return fail(-EPROTO, "the header found is not the one of this conversion");
	if (r == -ENOENT && image_has_header(image))
		return 0;
	if (r == -ENOENT)
		r = convert_begin(&image->conversion, &image->header,
				  image->manifest->fs_size + CONVERT_TAIL);
	return r < 0 ? r : convert_run(&image->conversion, &options);
}

/* The operations of a conversion that is not cut; its result is kept. */
struct reference {
	unsigned int operations;
	struct page **pages;
};

static bool is_reference(const struct image *image, const struct reference *reference)
{
	struct disk wanted = *image->disk;

	wanted.current = reference->pages;
	for (size_t page = 0; page < wanted.pages; page++)
		if (wanted.current[page] != image->disk->current[page] &&
		    memcmp(disk_page(&wanted, page), disk_page(image->disk, page), PAGE_SIZE) != 0)
			return false;
	return true;
}

static const char *make_reference(const struct shape *shape, const struct image *image,
				  struct reference *ret)
{
	struct disk *disk = image->disk;
	int r = boot(shape, image);

	if (r < 0)
		return fail_sentence(r);
	ret->operations = disk->counted;
	ret->pages = calloc(disk->pages, sizeof(*ret->pages));
	if (!ret->pages)
		return "no memory";
	memcpy(ret->pages, disk->current, disk->pages * sizeof(*ret->pages));
	/* The pages of the result outlive the resets. */
	disk->arena_baked = disk->arena_used;
	return image_check(image);
}

/* The operation to cut at; the last ones, and so the end, more often than by chance. */
static unsigned int choose_cut(struct random *random, const struct reference *reference)
{
	unsigned int end = MIN(reference->operations, 12);

	if (random_below(random, 4) == 0)
		return reference->operations - (unsigned int)random_below(random, end);
	return 1 + (unsigned int)random_below(random, reference->operations);
}

/* One conversion with up to shape->cuts_max cuts; adds to *@cuts those that happened. */
static const char *convert_with_cuts(const struct shape *shape, const struct image *image,
				     const struct reference *reference, struct random *random,
				     uint64_t *cuts)
{
	struct disk *disk = image->disk;
	unsigned int left = 1 + (unsigned int)random_below(random, shape->cuts_max);

	disk_reset(disk);
	disk->random.state = random_next(random);
	for (;;) {
		int r;

		disk->cut_at = left > 0 ? choose_cut(random, reference) : 0;
		r = boot(shape, image);
		if (r == 0)
			break;
		if (!disk->off)
			return fail_sentence(r);
		disk_cut(disk);
		(*cuts)++;
		left--;
	}
	/* What is called done is durable: one more cut takes nothing away. */
	disk_cut(disk);
	return is_reference(image, reference) ? NULL : "the result is not that of an uncut run";
}

/* --- one image, many conversions --- */

static const char *run_conversions(const struct shape *shape, const struct image *image,
				   struct random *random, uint64_t *cuts)
{
	struct reference reference = {};
	const char *wrong = make_reference(shape, image, &reference);

	/* A cut chosen behind the end of a resumed run does not happen: count those that did. */
	while (!wrong && *cuts < CUTS_PER_IMAGE)
		wrong = convert_with_cuts(shape, image, &reference, random, cuts);
	free(reference.pages);
	return wrong;
}

static int run_image(const struct arguments *arguments, uint64_t index, uint64_t *cuts)
{
	struct random random = {.state = arguments->seed * 1000003 + index};
	cleanup(image_freep) struct image *image = NULL;
	uint64_t done = 0;
	const char *wrong;

	random.state = random_next(&random) ^ (uint64_t)(arguments->shape - shapes);
	image = image_new(arguments->shape, &random);
	wrong = run_conversions(arguments->shape, image, &random, &done);
	*cuts += done;
	if (!wrong)
		return 0;
	printf("FAILED: %s, after %llu cuts: %s\n", arguments->shape->name,
	       (unsigned long long)done, wrong);
	printf("again: power %s --seed %llu --image %llu\n", arguments->shape->name,
	       (unsigned long long)arguments->seed, (unsigned long long)index);
	return 1;
}

/* --- all images, on all processors --- */

/* Every image with @job as its remainder; the number of cuts goes to @fd. Returns the exit code. */
static int run_job(const struct arguments *arguments, unsigned int job, int fd)
{
	uint64_t images = (arguments->cuts + CUTS_PER_IMAGE - 1) / CUTS_PER_IMAGE, cuts = 0;
	int failed = 0;

	for (uint64_t index = job; failed == 0 && index < images; index += arguments->jobs)
		failed = run_image(arguments, index, &cuts);
	fflush(stdout);
	if (write(fd, &cuts, sizeof(cuts)) != sizeof(cuts))
		failed = 1;
	return failed;
}

static int wait_for_jobs(const pid_t *jobs, unsigned int count)
{
	int failed = 0;

	for (unsigned int i = 0; i < count; i++) {
		int status;

		if (waitpid(jobs[i], &status, 0) < 0 || !WIFEXITED(status) ||
		    WEXITSTATUS(status) != 0)
			failed = 1;
	}
	return failed;
}

static int run_jobs(const struct arguments *arguments, uint64_t *ret_cuts)
{
	pid_t jobs[JOBS_MAX];
	int pipe_fds[2], failed;
	uint64_t cuts;

	if (pipe(pipe_fds) < 0)
		return 1;
	fflush(stdout);
	for (unsigned int i = 0; i < arguments->jobs; i++) {
		jobs[i] = fork();
		if (jobs[i] < 0)
			return 1;
		if (jobs[i] == 0)
			_exit(run_job(arguments, i, pipe_fds[1]));
	}
	close(pipe_fds[1]);
	failed = wait_for_jobs(jobs, arguments->jobs);
	while (read(pipe_fds[0], &cuts, sizeof(cuts)) == sizeof(cuts))
		*ret_cuts += cuts;
	close(pipe_fds[0]);
	return failed;
}

static int run(const struct arguments *arguments)
{
	uint64_t cuts = 0;
	int failed;

	if (arguments->image >= 0)
		failed = run_image(arguments, (uint64_t)arguments->image, &cuts);
	else
		failed = run_jobs(arguments, &cuts);
	printf("%s: %llu cuts%s\n", arguments->shape->name, (unsigned long long)cuts,
	       failed ? ", FAILED" : ", each resumed to the result of an uncut run");
	if (!failed)
		printf("counted: %llu cuts\n", (unsigned long long)cuts);
	return failed;
}

/* --- command line --- */

static int usage(void)
{
	fprintf(stderr,
		"usage: power --list\n"
		"       power NAME [--full] [--seed N] [--cuts N] [--image N] [--jobs N]\n");
	return 2;
}

static int list(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(shapes); i++)
		printf("%s\n", shapes[i].name);
	return 0;
}

static const struct shape *find_shape(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(shapes); i++)
		if (strcmp(shapes[i].name, name) == 0)
			return &shapes[i];
	return NULL;
}

static const struct option options[] = {
	{"list", no_argument, NULL, 'l'},
	{"seed", required_argument, NULL, 's'},
	{"cuts", required_argument, NULL, 'c'},
	{"image", required_argument, NULL, 'i'},
	{"jobs", required_argument, NULL, 'j'},
	{"full", no_argument, NULL, 'f'},
	{},
};

static bool set_argument(struct arguments *arguments, int option)
{
	unsigned long long number;
	char *end;

	if (!optarg)
		return false;
	errno = 0;
	number = strtoull(optarg, &end, 0);
	if (errno != 0 || *end != '\0' || *optarg == '\0')
		return false;
	if (option == 's')
		arguments->seed = number;
	else if (option == 'c')
		arguments->cuts = number;
	else if (option == 'i')
		arguments->image = (long)number;
	else
		arguments->jobs = (unsigned int)number;
	return true;
}

int main(int argc, char **argv)
{
	long online = sysconf(_SC_NPROCESSORS_ONLN);
	struct arguments arguments = {.seed = 1, .image = -1, .jobs = 1};
	int option;

	if (online > 0)
		arguments.jobs = (unsigned int)MIN(online, JOBS_MAX);
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'l')
			return list();
		if (option == 'f')
			arguments.full = true;
		else if (option == '?' || !set_argument(&arguments, option))
			return usage();
	}
	if (optind != argc - 1 || arguments.jobs == 0 || arguments.jobs > JOBS_MAX)
		return usage();
	arguments.shape = find_shape(argv[optind]);
	if (!arguments.shape) {
		fprintf(stderr, "power: there is no scenario %s; see power --list\n", argv[optind]);
		return 2;
	}
	if (arguments.cuts == 0)
		arguments.cuts =
			(arguments.full ? CUTS_FULL : CUTS_DEFAULT) * arguments.shape->share / 100;
	return run(&arguments);
}
