/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
/*
 * Cuts the power in the log of a first boot that really was (write_log.h): at every flush, with
 * none, all or some of the writes behind it, torn and in any order. Each time it does what the next
 * boot does with the disk, and demands that the root in the end is the image.
 *
 *	replay check FOLDER OFFSET SIZE CONVERTING DONE
 *	replay write FOLDER OFFSET SIZE CONVERTING DONE FLUSH CUT FILE     the disk after that cut
 *	replay decrypt FOLDER OFFSET SIZE CONVERTING DONE FLUSH CUT FILE   its root, decrypted
 *
 * In the folder: "pristine", the disk before that boot, with the root partition at OFFSET; "writes",
 * the log; "root.manifest"; "passphrase", of keyslot 0. CONVERTING and DONE are how many bytes the
 * log had when the TPM was given that record. Flush 0 is the disk before the boot. Of each flush cut
 * 0 keeps no write behind it, cut 1 all of them, and further ones, up to --cuts N, are chosen by
 * --seed N.
 *
 * check prints for each state "state FLUSH CUT REMEMBERED ACTION": what the TPM may say at that
 * moment, and what the boot does. Where the file system was in use already ("mounted"), only the
 * header is checked; whoever called sees to the rest.
 */
#include <fcntl.h>
#include <getopt.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/reader.h"
#include "boot/state.h"
#include "crypto/xts.h"
#include "disk/device/partition.h"
#include "disk/luks/luks.h"
#include "image.h"
#include "write_log.h"

#define MAPPING "root"
#define FIXED	6 /* words of every command */

struct arguments {
	const char *folder;
	uint64_t offset;
	uint64_t size;
	uint64_t seed;
	unsigned int cuts;
	uint64_t written[REMEMBERED_DONE + 1]; /* bytes of the log when the TPM got this record */
};

struct replay {
	struct arguments arguments;
	struct write_log log;
	struct image image;
	struct secret *passphrase;

	/* Where in the log we are: everything up to this flush is durable. */
	unsigned int flush;
	size_t next; /* step behind it */
	size_t end;  /* the next flush */
};

static _Noreturn void give_up(const char *sentence)
{
	fprintf(stderr, "replay: %s\n", sentence);
	exit(2);
}

static void need(int r)
{
	if (r < 0)
		give_up(fail_sentence(r));
}

/* --- what is there before and after the boot --- */

static char *path_in(const struct replay *replay, const char *name)
{
	char *path;

	if (asprintf(&path, "%s/%s", replay->arguments.folder, name) < 0)
		give_up("no memory");
	return path;
}

static void load_disk(struct replay *replay)
{
	cleanup(freep) char *path = path_in(replay, "pristine");
	cleanup(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint8_t page[PAGE_SIZE];

	replay->image.disk = disk_new(replay->arguments.size);
	for (uint64_t at = 0; at < replay->arguments.size; at += PAGE_SIZE) {
		if (file_pread(fd, page, PAGE_SIZE, replay->arguments.offset + at) < 0)
			give_up("the disk before the boot cannot be read");
		if (!bytes_are_zero(page, PAGE_SIZE))
			disk_put(replay->image.disk, page, PAGE_SIZE, at);
	}
	image_bake(&replay->image);
	replay->image.io = disk_simulated_io(replay->image.disk);
}

static void queue_step(struct replay *replay, const struct write_step *step)
{
	const struct arguments *arguments = &replay->arguments;

	if (step->offset < arguments->offset || step->size > arguments->size ||
	    step->offset - arguments->offset > arguments->size - step->size)
		give_up("the boot wrote outside of the root partition");
	disk_queue(replay->image.disk, step->data, step->size, step->offset - arguments->offset);
}

static void queue_steps(struct replay *replay)
{
	for (size_t i = replay->next; i < replay->end; i++)
		queue_step(replay, &replay->log.steps[i]);
}

static void flush(struct replay *replay)
{
	need(replay->image.io.flush(replay->image.io.context));
}

/* What is on the disk is durable from now on, and disk_reset() goes back to it. */
static void settle(struct replay *replay)
{
	disk_bake(replay->image.disk);
	replay->end = replay->next;
	while (replay->end < replay->log.count && !replay->log.steps[replay->end].flush)
		replay->end++;
}

static bool advance(struct replay *replay)
{
	if (replay->end == replay->log.count)
		return false;
	disk_reset(replay->image.disk);
	queue_steps(replay);
	flush(replay);
	replay->next = replay->end + 1;
	replay->flush++;
	settle(replay);
	return true;
}

static void rewind_log(struct replay *replay)
{
	memcpy(replay->image.disk->current, replay->image.plain,
	       replay->image.disk->pages * sizeof(*replay->image.plain));
	replay->next = 0;
	replay->flush = 0;
	settle(replay);
	disk_reset(replay->image.disk);
}

/* --- the keys, once, as a boot gets them --- */

static void load_passphrase(struct replay *replay)
{
	cleanup(freep) char *path = path_in(replay, "passphrase"), *data = NULL;
	size_t size;

	need(file_read_all(path, 4096, &data, &size));
	need(secret_copy(data, size, &replay->passphrase));
}

/* By the header that the finished boot left in front; check() demands this very one everywhere. */
static void unlock(struct replay *replay)
{
	cleanup(luks_header_freep) struct luks_header *header = NULL;
	struct image *image = &replay->image;
	struct luks_facts facts;

	image->header_data = aligned_alloc(PAGE_SIZE, LUKS_HEADER_SIZE);
	if (!image->header_data)
		give_up("no memory");
	disk_get(image->disk, image->header_data, LUKS_HEADER_SIZE, 0);
	image->header = (struct convert_header){image->header_data, LUKS_HEADER_SIZE};
	need(luks_header_check(image->header_data, LUKS_HEADER_SIZE, &header));
	need(luks_header_unlock(header, 0, replay->passphrase, MAPPING, &facts,
				&image->volume_key));
	need(hkdf_derive(image->volume_key, CONVERT_MAC_LABEL, MAC_SIZE, &image->mac_key));
	image->conversion = (struct conversion){
		.io = &image->io,
		.manifest = image->manifest,
		.volume_key = image->volume_key,
		.mac_key = image->mac_key,
		.sector_size = facts.sector_size,
	};
	memcpy(image->conversion.luks_uuid, facts.uuid, UUID_SIZE);
}

static void load(struct replay *replay)
{
	cleanup(freep) char *log = path_in(replay, "writes");
	cleanup(freep) char *manifest = path_in(replay, "root.manifest");

	need(write_log_open(log, &replay->log));
	need(manifest_load(manifest, &replay->image.manifest));
	load_disk(replay);
	load_passphrase(replay);
	settle(replay);
	while (advance(replay))
		;
	unlock(replay);
	rewind_log(replay);
}

static void unload(struct replay *replay)
{
	write_log_close(&replay->log);
	manifest_free(replay->image.manifest);
	secret_free(replay->image.volume_key);
	secret_free(replay->image.mac_key);
	secret_free(replay->passphrase);
	disk_free(replay->image.disk);
	free(replay->image.header_data);
	free(replay->image.plain);
}

/* --- one cut --- */

/* The latest that the TPM has surely been told when the log has come to this step. */
static enum remembered told_before(const struct replay *replay, size_t step)
{
	uint64_t bytes = step > 0 ? replay->log.steps[step - 1].end : 0;
	enum remembered remembered = REMEMBERED_DONE;

	while (remembered > REMEMBERED_NOTHING && replay->arguments.written[remembered] > bytes)
		remembered--;
	return remembered;
}

/*
 * What the TPM may say at a cut. It is told between two flushes; where none of the writes between
 * these is on the disk, it may not have been told yet.
 */
static enum remembered latest(const struct replay *replay)
{
	return told_before(replay, replay->end);
}

static enum remembered earliest(const struct replay *replay, unsigned int number)
{
	if (number > 0 || replay->next == 0)
		return latest(replay);
	return told_before(replay, replay->next - 1);
}

static void cut(struct replay *replay, unsigned int number)
{
	struct disk *disk = replay->image.disk;

	disk_reset(disk);
	/* dm-crypt shows the file system sectors of this size: it counts on whole ones. */
	disk->tear = latest(replay) == REMEMBERED_DONE ? replay->image.conversion.sector_size
						       : SECTOR_SIZE;
	if (number == 0)
		return;
	queue_steps(replay);
	if (number == 1) {
		flush(replay);
		return;
	}
	disk->random.state = (replay->arguments.seed * 1000003 + replay->flush) * 1000003 + number;
	disk_cut(disk);
}

static int probe_front(const struct replay *replay, enum found *ret)
{
	static _Alignas(PAGE_SIZE) uint8_t data[PARTITION_PROBE_SIZE];
	const struct manifest *manifest = replay->image.manifest;

	disk_get(replay->image.disk, data, sizeof(data), 0);
	switch (partition_content(data, sizeof(data), manifest->fs_type, manifest->fs_uuid)) {
	case PARTITION_FILESYSTEM:
		*ret = FOUND_FILESYSTEM;
		return 0;
	case PARTITION_LUKS:
		*ret = FOUND_LUKS;
		return 0;
	case PARTITION_OTHER:
		*ret = FOUND_OTHER;
		return 0;
	}
	return -EINVAL;
}

/* 0, and whether the header of this boot lies behind the file system. */
static int probe_tail(const struct replay *replay, bool *ret)
{
	const struct image *image = &replay->image;
	cleanup(freep) uint8_t *header = NULL;
	size_t size;
	int r = convert_find_header(&image->io, image->manifest, &header, &size);

	*ret = r == 0;
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	if (size != image->header.size || memcmp(header, image->header_data, size) != 0)
		return fail(-EPROTO, "the header that is found is not the one that was made");
	return 0;
}

static const struct convert_options options = {.threads = 1};

static int begin_anew(const struct image *image)
{
	int r = convert_verify(&image->io, image->manifest, &options);

	if (r == 0)
		r = convert_begin(&image->conversion, &image->header,
				  image->disk->pages * PAGE_SIZE);
	return r < 0 ? r : convert_run(&image->conversion, &options);
}

static int check_front(const struct image *image)
{
	return image_has_header(image) ? 0
				       : fail(-EPROTO, "the header in front is not the one made");
}

static int reopen(const struct replay *replay)
{
	return check_front(&replay->image);
}

static int finish(const struct image *image)
{
	int r = check_front(image);

	return r < 0 ? r : convert_check_result(&image->conversion, NULL);
}

static int act(const struct replay *replay, enum boot_action action)
{
	switch (action) {
	case ACTION_FRESH:
		return begin_anew(&replay->image);
	case ACTION_RESUME:
		return convert_run(&replay->image.conversion, &options);
	case ACTION_FINISH:
		return finish(&replay->image);
	case ACTION_REOPEN:
		return reopen(replay);
	case ACTION_REFUSE:
		break;
	}
	return -EINVAL;
}

static const char *const remembered_names[] = {
	[REMEMBERED_NOTHING] = "nothing",
	[REMEMBERED_CONVERTING] = "converting",
	[REMEMBERED_DONE] = "done",
};

static const char *const action_names[] = {
	[ACTION_FRESH] = "fresh",
	[ACTION_RESUME] = "resume",
	[ACTION_FINISH] = "finish",
	[ACTION_REOPEN] = "reopen",
};

/* Has the file system been written by its own kernel? Then it need not be the image any more. */
static bool is_mounted(const struct replay *replay, unsigned int number)
{
	return earliest(replay, number) == REMEMBERED_DONE;
}

static int decide(const struct replay *replay, enum remembered remembered, enum boot_action *ret)
{
	enum found found;
	bool tail = false;
	int r = probe_front(replay, &found);

	if (r == 0 && remembered != REMEMBERED_DONE)
		r = probe_tail(replay, &tail);
	return r < 0 ? r : boot_decide(remembered, found, tail, "the disk", ret);
}

static const char *try_boot(const struct replay *replay, unsigned int number,
			    enum remembered remembered)
{
	enum boot_action action;
	int r = decide(replay, remembered, &action);

	if (r == 0)
		r = act(replay, action);
	if (r < 0)
		return fail_sentence(r);
	printf("state %u %u %s %s\n", replay->flush, number, remembered_names[remembered],
	       is_mounted(replay, number) ? "mounted" : action_names[action]);
	return is_mounted(replay, number) ? NULL : image_check(&replay->image);
}

/* --- every cut --- */

static int check_cut(struct replay *replay, unsigned int number)
{
	enum remembered remembered = earliest(replay, number);

	for (; remembered <= latest(replay); remembered++) {
		const char *wrong;

		cut(replay, number);
		wrong = try_boot(replay, number, remembered);
		if (!wrong)
			continue;
		printf("FAILED: flush %u, cut %u, seed %llu, the TPM remembers \"%s\": %s\n",
		       replay->flush, number, (unsigned long long)replay->arguments.seed,
		       remembered_names[remembered], wrong);
		return 1;
	}
	return 0;
}

static int check(struct replay *replay)
{
	do {
		/* Where nothing was written, all cuts are the same. */
		unsigned int cuts = replay->next == replay->end ? 1 : replay->arguments.cuts;

		for (unsigned int number = 0; number < cuts; number++)
			if (check_cut(replay, number) != 0)
				return 1;
	} while (advance(replay));
	return 0;
}

/* --- one cut for others to look at --- */

static void go_to(struct replay *replay, unsigned int wanted, unsigned int number)
{
	while (replay->flush < wanted)
		if (!advance(replay))
			give_up("the log has fewer flushes");
	cut(replay, number);
}

static void write_page(int fd, const uint8_t *data, uint64_t offset)
{
	if (!bytes_are_zero(data, PAGE_SIZE))
		need(file_pwrite(fd, data, PAGE_SIZE, offset));
}

/* Sparse: the file is made anew. */
static void write_disk(const struct replay *replay, int fd)
{
	const struct disk *disk = replay->image.disk;

	for (size_t page = 0; page < disk->pages; page++)
		write_page(fd, disk_page(disk, page), page * PAGE_SIZE);
}

static void write_decrypted(const struct replay *replay, int fd)
{
	const struct conversion *conversion = &replay->image.conversion;
	const struct disk *disk = replay->image.disk;
	uint8_t data[PAGE_SIZE];
	struct xts *xts;

	need(xts_new(conversion->volume_key, conversion->sector_size, &xts));
	for (uint64_t at = 0; at < conversion->manifest->fs_size; at += PAGE_SIZE) {
		disk_get(disk, data, PAGE_SIZE, at + CONVERT_SHIFT);
		for (size_t i = 0; i < PAGE_SIZE; i += conversion->sector_size)
			need(xts_decrypt(xts, at + i, data + i, conversion->sector_size));
		write_page(fd, data, at);
	}
	xts_free(xts);
}

static int write_state(struct replay *replay, bool decrypt, char **words)
{
	cleanup(closep) int fd = open(words[2], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	uint64_t size = decrypt ? replay->image.manifest->fs_size : replay->arguments.size;

	if (fd < 0 || ftruncate(fd, (off_t)size) < 0)
		give_up("the file cannot be made");
	go_to(replay, (unsigned int)strtoul(words[0], NULL, 10),
	      (unsigned int)strtoul(words[1], NULL, 10));
	if (decrypt)
		write_decrypted(replay, fd);
	else
		write_disk(replay, fd);
	return 0;
}

/* --- command line --- */

static int usage(void)
{
	fprintf(stderr,
		"usage: replay check FOLDER OFFSET SIZE CONVERTING DONE [--seed N] [--cuts N]\n"
		"       replay write|decrypt FOLDER OFFSET SIZE CONVERTING DONE [--seed N]\n"
		"              FLUSH CUT FILE\n");
	return 2;
}

static const struct option long_options[] = {
	{"seed", required_argument, NULL, 's'},
	{"cuts", required_argument, NULL, 'c'},
	{},
};

static bool parse(int argc, char **argv, struct arguments *arguments)
{
	int option;

	while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		if (option == '?')
			return false;
		if (option == 's')
			arguments->seed = strtoull(optarg, NULL, 10);
		else
			arguments->cuts = (unsigned int)strtoul(optarg, NULL, 10);
	}
	if (argc - optind < FIXED)
		return false;
	arguments->folder = argv[optind + 1];
	arguments->offset = strtoull(argv[optind + 2], NULL, 10);
	arguments->size = strtoull(argv[optind + 3], NULL, 10);
	arguments->written[REMEMBERED_CONVERTING] = strtoull(argv[optind + 4], NULL, 10);
	arguments->written[REMEMBERED_DONE] = strtoull(argv[optind + 5], NULL, 10);
	return arguments->size % PAGE_SIZE == 0 && arguments->cuts > 0;
}

int main(int argc, char **argv)
{
	struct replay replay = {.arguments = {.seed = 1, .cuts = 4}};
	bool checks, decrypts;
	int status;

	if (!parse(argc, argv, &replay.arguments))
		return usage();
	checks = strcmp(argv[optind], "check") == 0;
	decrypts = strcmp(argv[optind], "decrypt") == 0;
	if ((!checks && !decrypts && strcmp(argv[optind], "write") != 0) ||
	    argc - optind != (checks ? FIXED : FIXED + 3))
		return usage();
	load(&replay);
	status = checks ? check(&replay) : write_state(&replay, decrypts, argv + optind + FIXED);
	unload(&replay);
	return status;
}
