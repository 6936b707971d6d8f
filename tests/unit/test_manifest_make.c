/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
/* Before cmocka, whose macro fail() would hide ours. */
#include "base/error.h"

#include "unit.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include "base/file.h"
#include "disk/manifest/make.h"

/*
 * Manifests of real images, made by mke2fs and mkfs.xfs, against what other programs say of the
 * same images: dumpe2fs and xfs_db of the free space, sha256sum of the used bytes.
 */
static char scratch[] = "/tmp/test-manifest-make-XXXXXX";

/* Run a shell command in the scratch folder; its exit status. */
static int shell(const char *format, ...) printf_like(1, 2);
static int shell(const char *format, ...)
{
	cleanup(freep) char *command = NULL;
	cleanup(freep) char *whole = NULL;
	va_list args;
	int status;

	va_start(args, format);
	assert_true(vasprintf(&command, format, args) >= 0);
	va_end(args);
	assert_true(
		asprintf(&whole,
			 "export PATH=$PATH:/usr/sbin:/sbin LC_ALL=C; cd %s && { %s\n} >log 2>&1",
			 scratch, command) >= 0);
	status = system(whole);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void show_log(void)
{
	cleanup(freep) char *command = NULL;

	if (asprintf(&command, "cat %s/log >&2", scratch) >= 0 && system(command) != 0)
		fprintf(stderr, "the command left no log\n");
}

static void must(const char *command)
{
	if (shell("%s", command) != 0) {
		show_log();
		fail_msg("%s", command);
	}
}

static FILE *output_of(const char *command)
{
	cleanup(freep) char *whole = NULL;
	FILE *pipe;

	assert_true(asprintf(&whole, "export PATH=$PATH:/usr/sbin:/sbin LC_ALL=C; cd %s; %s 2>log",
			     scratch, command) >= 0);
	pipe = popen(whole, "re");
	assert_non_null(pipe);
	return pipe;
}

static bool can_mount(void)
{
	static int answer = -1;

	if (answer < 0)
		answer =
			shell("truncate -s 16M probe.img && mke2fs -q probe.img && mkdir -p mnt && "
			      "unshare -m mount -o loop probe.img mnt") == 0;
	return answer > 0;
}

#define SKIP_UNLESS(condition, reason)                                                             \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			print_message("skipped: %s\n", reason);                                    \
			skip();                                                                    \
		}                                                                                  \
	} while (0)

/* What the other program says: one bool for each unit of the file system. */
struct reference {
	uint64_t unit; /* bytes */
	size_t units;
	bool *free;
};

static void reference_done(struct reference *reference)
{
	free(reference->free);
}

static void reference_init(struct reference *reference, uint64_t unit, uint64_t units)
{
	reference->unit = unit;
	reference->units = units;
	reference->free = calloc(units, sizeof(bool));
	assert_non_null(reference->free);
}

static void mark_free(struct reference *reference, uint64_t first, uint64_t end)
{
	assert_true(end > first);
	for (uint64_t unit = first; unit < MIN(end, reference->units); unit++)
		reference->free[unit] = true;
}

/* "1-5, 7, 9-12": dumpe2fs names the first block of the last cluster of each range. */
static void parse_free_blocks(char *list, uint64_t cluster, struct reference *reference)
{
	char *saved;

	for (char *range = strtok_r(list, ", \n", &saved); range;
	     range = strtok_r(NULL, ", \n", &saved)) {
		unsigned long long first, last;
		int n = sscanf(range, "%llu-%llu", &first, &last);

		assert_true(n >= 1);
		mark_free(reference, first, (n == 2 ? last : first) + cluster);
	}
}

static void read_dumpe2fs(struct reference *reference)
{
	FILE *pipe = output_of("dumpe2fs image");
	cleanup(freep) char *line = NULL;
	unsigned long long blocks = 0, unit = 0, cluster = 0, groups = 0;
	size_t allocated = 0;

	while (getline(&line, &allocated, pipe) > 0) {
		sscanf(line, "Block count: %llu", &blocks);
		sscanf(line, "Block size: %llu", &unit);
		sscanf(line, "Cluster size: %llu", &cluster);
		if (strncmp(line, "Group 0:", 8) == 0)
			reference_init(reference, unit, blocks);
		if (strncmp(line, "  Free blocks:", 14) == 0) {
			parse_free_blocks(line + 14, cluster ? cluster / unit : 1, reference);
			groups++;
		}
	}
	assert_int_equal(pclose(pipe), 0);
	assert_true(groups > 0);
}

/* Every unit is in an extent if and only if the other program does not call it free. */
static void check_extents(const struct manifest *manifest, const struct reference *reference)
{
	cleanup(freep) bool *used = calloc(reference->units, sizeof(bool));

	assert_non_null(used);
	assert_int_equal(manifest->fs_size, reference->unit * reference->units);
	for (size_t i = 0; i < manifest->extents_count; i++) {
		const struct extent *extent = &manifest->extents[i];

		assert_int_equal(extent->offset % reference->unit, 0);
		assert_int_equal(extent->length % reference->unit, 0);
		for (uint64_t at = 0; at < extent->length; at += reference->unit)
			used[(extent->offset + at) / reference->unit] = true;
	}
	for (size_t i = 0; i < reference->units; i++)
		if (used[i] == reference->free[i])
			fail_msg("unit %zu is %s here", i, used[i] ? "used" : "free");
}

/* The used bytes of a chunk, put together from the other program's list. */
static size_t collect(const struct reference *reference, int fd, size_t chunk, uint8_t *ret)
{
	size_t first = chunk * (MIB / reference->unit), size = 0;
	size_t end = MIN(first + MIB / reference->unit, reference->units);

	for (size_t unit = first; unit < end; unit++) {
		if (reference->free[unit])
			continue;
		assert_int_equal(
			file_pread(fd, ret + size, reference->unit, unit * reference->unit), 0);
		size += reference->unit;
	}
	return size;
}

static void sha256sum(const uint8_t *data, size_t size, uint8_t ret[static HASH_SHA256_SIZE])
{
	cleanup(freep) char *command = NULL;
	cleanup(freep) char *path = NULL;
	cleanup(freep) char *text = NULL;
	size_t text_size;
	FILE *pipe;

	assert_true(asprintf(&path, "%s/sum", scratch) >= 0);
	assert_true(asprintf(&command, "sha256sum >%s", path) >= 0);
	pipe = popen(command, "we");
	assert_non_null(pipe);
	assert_int_equal(fwrite(data, 1, size, pipe), size);
	assert_int_equal(pclose(pipe), 0);
	assert_int_equal(file_read_all(path, 1000, &text, &text_size), 0);
	assert_true(text_size > 64);
	assert_int_equal(hex_decode(text, 64, ret, HASH_SHA256_SIZE), 0);
}

static bool all_zero(const uint8_t *data, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (data[i] != 0)
			return false;
	return true;
}

static void check_chunk(const struct manifest *manifest, size_t chunk, const uint8_t *data,
			size_t size)
{
	uint8_t digest[HASH_SHA256_SIZE] = {};
	enum chunk_state state = CHUNK_UNUSED;

	if (size > 0)
		state = all_zero(data, size) ? CHUNK_ZERO : CHUNK_DATA;
	if (state == CHUNK_DATA)
		sha256sum(data, size, digest);
	assert_int_equal(manifest->states[chunk], state);
	assert_memory_equal(manifest->digests[chunk], digest, sizeof(digest));
}

static void check_chunks(const struct manifest *manifest, const struct reference *reference,
			 const char *path)
{
	cleanup(freep) uint8_t *data = malloc(MIB);
	cleanup(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint64_t used = 0;

	assert_non_null(data);
	assert_true(fd >= 0);
	for (size_t chunk = 0; chunk < manifest->chunks_count; chunk++) {
		size_t size = collect(reference, fd, chunk, data);

		check_chunk(manifest, chunk, data, size);
		used += size;
	}
	assert_int_equal(manifest->used_bytes, used);
}

static const char *image_path(void)
{
	static char path[64];

	snprintf(path, sizeof(path), "%s/image", scratch);
	return path;
}

static struct manifest *make_manifest(unsigned int threads)
{
	struct manifest_make_options options = {.threads = threads};
	struct manifest *manifest = NULL;
	int r = manifest_make(image_path(), &options, &manifest);

	if (r < 0)
		fail_msg("manifest_make: %s", fail_sentence(r));
	return manifest;
}

/* The manifest of the image, made by any number of threads, is what @reference says. */
static void check_image(const struct reference *reference, const char *type)
{
	cleanup(freep) uint8_t *first = NULL;
	size_t first_size = 0;

	for (unsigned int threads = 0; threads <= 5; threads += 5) {
		cleanup(manifest_freep) struct manifest *manifest = make_manifest(threads);
		cleanup(freep) uint8_t *data = NULL;
		size_t size;

		assert_string_equal(manifest->fs_type, type);
		assert_int_equal(manifest_serialize(manifest, &data, &size), 0);
		if (!first) {
			check_extents(manifest, reference);
			check_chunks(manifest, reference, image_path());
			first = TAKE_PTR(data);
			first_size = size;
			continue;
		}
		assert_int_equal(size, first_size);
		assert_memory_equal(data, first, size);
	}
}

static void check_uuid(const char *wanted)
{
	cleanup(manifest_freep) struct manifest *manifest = make_manifest(1);
	char text[UUID_TEXT_SIZE];

	uuid_encode(manifest->fs_uuid, text);
	assert_string_equal(text, wanted);
}

/* Files of all sizes, one of zeros, one with a hole. */
static int make_tree(void **state)
{
	(void)state;
	/* Mounts of ours are nobody else's business, and go when we do. Where this is not allowed,
	 * mounting is not either. */
	if (unshare(CLONE_NEWNS) == 0)
		assert_int_equal(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	assert_non_null(mkdtemp(scratch));
	must("mkdir tree empty && cd tree && "
	     "for i in $(seq 150); do head -c $((i * 211)) /dev/urandom >f$i; done && "
	     "head -c 3M /dev/urandom >big && head -c 3M /dev/zero >zero && truncate -s 5M hole && "
	     "echo end >>hole");
	return 0;
}

static int remove_tree(void **state)
{
	(void)state;
	return shell("rm -rf %s", scratch);
}

#define UUID_TEXT "6a7c1f60-0d1b-4d0e-9b53-6f1d2c3b4a59"

struct ext_image {
	const char *name;
	const char *type;
	const char *size;
	const char *options; /* of mke2fs */
	const char *then;    /* command to run on it, or NULL */
};

/* Every other file goes, so that used and free blocks take turns. */
#define PUNCH "seq 1 2 150 | sed 's/^/rm f/' >commands && debugfs -w -f commands image"
#define FILL  "debugfs -w -R 'write tree/big more' image; debugfs -w -R 'write tree/big most' image"

static const struct ext_image ext_images[] = {
	{"4 KiB blocks", "ext4", "64M", "-t ext4 -b 4096 -d tree", PUNCH},
	{"1 KiB blocks", "ext4", "40M", "-t ext4 -b 1024 -d tree", PUNCH},
	{"2 KiB blocks", "ext4", "40M", "-t ext4 -b 2048 -d tree", PUNCH},
	{"bigalloc", "ext4", "64M", "-t ext4 -O bigalloc -b 4096 -C 65536 -d tree", PUNCH},
	{"bigalloc, 1 KiB blocks", "ext4", "64M", "-t ext4 -O bigalloc -b 1024 -C 16384 -d tree",
	 PUNCH},
	{"bigalloc, last cluster cut", "ext4", "50012K",
	 "-t ext4 -O bigalloc -b 4096 -C 65536 -d tree", NULL},
	{"without metadata_csum", "ext4", "64M", "-t ext4 -O ^metadata_csum -b 4096 -d tree",
	 PUNCH},
	{"without any checksum", "ext4", "64M", "-t ext4 -O ^metadata_csum,^uninit_bg -d tree",
	 PUNCH},
	{"uninit groups", "ext4", "600M",
	 "-t ext4 -b 1024 -O ^metadata_csum,uninit_bg,^flex_bg -E lazy_itable_init=1 -d tree",
	 NULL},
	{"meta_bg", "ext4", "300M", "-t ext4 -b 1024 -O meta_bg,^resize_inode -d tree", PUNCH},
	{"32 bits", "ext4", "64M", "-t ext4 -O ^64bit -d tree", PUNCH},
	{"sparse_super2", "ext4", "300M", "-t ext4 -b 1024 -O sparse_super2 -d tree", NULL},
	{"ext3", "ext3", "64M", "-t ext3 -d tree", PUNCH},
	{"ext2", "ext2", "40M", "-t ext2 -b 1024 -d tree", PUNCH},
	{"size not in chunks", "ext4", "33801K", "-t ext4 -b 1024 -d tree", PUNCH},
	{"full", "ext4", "16M", "-t ext4 -b 1024 -m 0 -d tree -O ^has_journal", FILL},
	{"nearly empty", "ext4", "512M", "-t ext4 -d empty", NULL},
	{"smaller than a chunk", "ext2", "600K", "-t ext2 -d empty", NULL},
	{"room behind the file system", "ext4", "32M", "-t ext4 -d tree", "truncate -s +33M image"},
	{"image not in 4 KiB", "ext2", "20M", "-t ext2 -b 1024 -d tree", "truncate -s +1k image"},
};

static void ext_images_agree_with_dumpe2fs(void **state)
{
	(void)state;
	SKIP_UNLESS(shell("command -v mke2fs debugfs dumpe2fs") == 0, "no e2fsprogs");
	for (size_t i = 0; i < ARRAY_SIZE(ext_images); i++) {
		const struct ext_image *image = &ext_images[i];
		cleanup(reference_done) struct reference reference = {};

		print_message("%s\n", image->name);
		if (shell("rm -f image; mke2fs -q -U " UUID_TEXT " %s image %s", image->options,
			  image->size) != 0)
			fail_msg("mke2fs %s", image->options);
		if (image->then)
			shell("%s", image->then);
		assert_int_equal(shell("e2fsck -fn image"), 0);
		read_dumpe2fs(&reference);
		check_image(&reference, image->type);
		check_uuid(UUID_TEXT);
	}
}

/* The image is refused with @error, and with the word @sentence in what is said. */
static void check_refused(const char *name, int error, const char *sentence)
{
	struct manifest *manifest = NULL;
	int r = manifest_make(image_path(), NULL, &manifest);

	if (r != error || manifest || !strstr(fail_sentence(r), sentence) ||
	    !strstr(fail_sentence(r), image_path()))
		fail_msg("%s: %d (%s)", name, r, r < 0 ? fail_sentence(r) : "accepted");
}

static void refuses_ext4_that_is_not_clean(void **state)
{
	static const struct {
		const char *command; /* of debugfs */
		int error;
		const char *sentence;
	} cases[] = {
		{"set_super_value state 0", -EUCLEAN, "cleanly"},
		{"set_super_value state 3", -EUCLEAN, "errors"},
		{"set_super_value state 5", -EUCLEAN, "cleanly"},
		{"set_super_value last_orphan 12", -EUCLEAN, "cleanly"},
		{"feature needs_recovery", -EUCLEAN, "journal"},
		{"set_super_value journal_inum 0", -EOPNOTSUPP, "another device"},
		{"set_super_value feature_incompat 0x40000000", -EOPNOTSUPP, "newer e2fsprogs"},
		{"setb 30000", -EBADMSG, "disagree"},
	};

	(void)state;
	SKIP_UNLESS(shell("command -v mke2fs debugfs") == 0, "no e2fsprogs");
	must("rm -f image; mke2fs -q -t ext2 -b 1024 image 32M && "
	     "debugfs -w -R 'set_block_group 0 inode_table 40000' image");
	check_refused("inode table outside", -EBADMSG, "damaged");
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		must("rm -f image; mke2fs -q -t ext4 -b 1024 -d tree image 32M");
		assert_int_equal(shell("debugfs -w -R '%s' image", cases[i].command), 0);
		check_refused(cases[i].command, cases[i].error, cases[i].sentence);
	}
}

/* The image as a power cut would leave it: copied while it is mounted and written to. */
#define CUT                                                                                        \
	"mkdir -p mnt && unshare -m sh -ec 'mount -o loop live mnt; cp -r tree mnt/copy; "         \
	"sync -f mnt; cp live image'"

static void refuses_ext4_copied_while_mounted(void **state)
{
	(void)state;
	SKIP_UNLESS(can_mount(), "this machine cannot mount loop devices");
	must("mke2fs -q -F -t ext4 live 64M && rm -f image");
	must(CUT);
	check_refused("mounted", -EUCLEAN, "journal");
}

static void refuses_while_mounted_writable(void **state)
{
	struct manifest *manifest = NULL;

	(void)state;
	SKIP_UNLESS(can_mount(), "this machine cannot mount loop devices");
	must("rm -f image; mkdir -p mnt; mke2fs -q -t ext2 image 32M && mount -o loop image mnt");
	if (manifest_make(image_path(), NULL, &manifest) != -EBUSY) {
		must("umount mnt");
		fail_msg("accepted while mounted");
	}
	assert_non_null(strstr(fail_sentence(-EBUSY), "read-only"));
	must("umount mnt && mount -o loop,ro image mnt");
	if (manifest_make(image_path(), NULL, &manifest) != 0) {
		must("umount mnt");
		fail_msg("refused while mounted read-only: %s", fail_sentence(-EBUSY));
	}
	must("umount mnt");
	manifest_free(manifest);
}

static void patch_image(uint64_t offset, uint8_t mask)
{
	cleanup(closep) int fd = open(image_path(), O_RDWR | O_CLOEXEC);
	uint8_t byte;

	assert_true(fd >= 0);
	assert_int_equal(file_pread(fd, &byte, 1, offset), 0);
	byte ^= mask;
	assert_int_equal(file_pwrite(fd, &byte, 1, offset), 0);
}

/* Flip each @step-th byte of the range in turn; each time the image must be refused. */
static void check_flips(uint64_t from, uint64_t to, uint64_t step)
{
	for (uint64_t offset = from; offset < to; offset += step) {
		uint8_t mask = (uint8_t)(1 << (offset % 8));
		struct manifest *manifest = NULL;
		int r;

		patch_image(offset, mask);
		r = manifest_make(image_path(), NULL, &manifest);
		patch_image(offset, mask);
		if (r == 0)
			fail_msg("byte %llu", (unsigned long long)offset);
	}
}

/*
 * Each byte of a group descriptor, but for the upper half of bg_exclude_bitmap_hi on big-endian
 * machines: libext2fs loses it there before it takes the checksum. Nothing uses that field.
 */
static void check_descriptor_flips(uint64_t descriptor)
{
	uint64_t exclude_bitmap_hi = descriptor + 0x34;
	uint64_t unseen = __BYTE_ORDER == __BIG_ENDIAN ? 2 : 0;

	check_flips(descriptor, exclude_bitmap_hi, 1);
	check_flips(exclude_bitmap_hi + unseen, descriptor + 64, 1);
}

static uint64_t field_of(const char *command, const char *label)
{
	FILE *pipe = output_of(command);
	cleanup(freep) char *line = NULL;
	uint64_t value = 0;
	size_t allocated = 0;

	while (getline(&line, &allocated, pipe) > 0)
		if (strncmp(line, label, strlen(label)) == 0)
			value = value ? value : strtoull(line + strlen(label), NULL, 10);
	assert_int_equal(pclose(pipe), 0);
	assert_true(value > 0);
	return value;
}

static void refuses_damaged_ext4(void **state)
{
	uint64_t bitmap;

	(void)state;
	SKIP_UNLESS(shell("command -v mke2fs dumpe2fs") == 0, "no e2fsprogs");
	must("rm -f image; mke2fs -q -t ext4 -O metadata_csum,64bit -b 1024 -d tree image 32M");
	bitmap = 1024 * field_of("dumpe2fs image", "  Block bitmap at ");
	check_flips(1024, 2048, 3);
	for (uint64_t group = 0; group < 4; group++)
		check_descriptor_flips(2048 + 64 * group);
	check_flips(bitmap, bitmap + 1024, 7);
	/* Without checksums the counts must do. */
	must("rm -f image; mke2fs -q -t ext2 -b 1024 -d tree image 32M");
	bitmap = 1024 * field_of("dumpe2fs image", "  Block bitmap at ");
	check_flips(bitmap, bitmap + 1024, 7);
}

/* Many bytes at once, without checksums to catch them early: any answer will do but a crash, and
 * what is accepted must be a manifest. */
static void survives_damaged_ext4(void **state)
{
	uint32_t random = 20250301;

	(void)state;
	SKIP_UNLESS(shell("command -v mke2fs") == 0, "no e2fsprogs");
	must("rm -f image pristine; mke2fs -q -t ext2 -b 1024 -d empty pristine 2M");
	for (int round = 0; round < 300; round++) {
		cleanup(manifest_freep) struct manifest *manifest = NULL;
		cleanup(freep) uint8_t *data = NULL;
		size_t size;

		if (round % 10 == 0)
			must("cp pristine image");
		for (int i = 0; i < 4; i++) {
			random = random * 1664525 + 1013904223;
			/* Superblock, descriptors, bitmaps; the magic stays. */
			patch_image(1024 + (random >> 8) % (i == 0 ? 56 : 7168),
				    (uint8_t)(1 << (random >> 29)));
		}
		if (manifest_make(image_path(), NULL, &manifest) == 0)
			assert_int_equal(manifest_serialize(manifest, &data, &size), 0);
	}
}

static void refuses_what_is_no_file_system(void **state)
{
	(void)state;
	must("rm -f image; truncate -s 8M image");
	check_refused("nothing", -EMEDIUMTYPE, "no file system");
	must("rm -f image; truncate -s 64k image; mkswap image");
	check_refused("swap", -EMEDIUMTYPE, "swap");
	must("rm -f image; mke2fs -q -t ext4 image 32M; truncate -s 31M image");
	check_refused("cut off", -EBADMSG, "shorter");
	must("rm -f image; mkdir image");
	check_refused("directory", -EMEDIUMTYPE, "neither");
	must("rmdir image");
	check_refused("missing", -ENOENT, "cannot open");
}

static void takes_other_file_systems_whole(void **state)
{
	cleanup(reference_done) struct reference reference = {};

	(void)state;
	SKIP_UNLESS(shell("command -v mkfs.vfat") == 0, "no mkfs.vfat");
	/* Not a multiple of a chunk, of 4 KiB or of what is read at once. */
	must("rm -f image; mkfs.vfat -C image 33801 && dd if=tree/big of=image bs=1k seek=20000 "
	     "conv=notrunc");
	reference_init(&reference, 512, 33801 * 2);
	check_image(&reference, "vfat");
}

static void takes_btrfs_as_long_as_it_is(void **state)
{
	cleanup(manifest_freep) struct manifest *manifest = NULL;

	(void)state;
	SKIP_UNLESS(shell("command -v mkfs.btrfs") == 0, "no mkfs.btrfs");
	must("rm -f image; truncate -s 128M image; mkfs.btrfs -q -r tree image; "
	     "truncate -s 160M image");
	manifest = make_manifest(0);
	assert_string_equal(manifest->fs_type, "btrfs");
	assert_int_equal(manifest->fs_size, 128 * MIB);
	assert_int_equal(manifest->used_bytes, 128 * MIB);
	must("rm -f image; truncate -s 128M image second; mkfs.btrfs -q -d single image second");
	check_refused("two devices", -EOPNOTSUPP, "one device");
}

/* "  0  6  1": AG, block in it, length. */
static void read_freesp(struct reference *reference, uint64_t ag_blocks)
{
	FILE *pipe = output_of("xfs_db -r -c 'freesp -d' image");
	cleanup(freep) char *line = NULL;
	unsigned long long ag, block, length;
	size_t allocated = 0;

	while (getline(&line, &allocated, pipe) > 0) {
		char rest;

		/* The histogram below has more columns. */
		if (sscanf(line, "%llu %llu %llu %c", &ag, &block, &length, &rest) == 3)
			mark_free(reference, ag * ag_blocks + block,
				  ag * ag_blocks + block + length);
	}
	assert_int_equal(pclose(pipe), 0);
}

/* freesp counts the AG's reserve of blocks (AGFL) as free; the kernel does not. */
static void take_back_reserve(struct reference *reference, uint64_t ag, uint64_t ag_blocks)
{
	cleanup(freep) char *command = NULL;
	cleanup(freep) char *line = NULL;
	unsigned long long first = 0, last = 0, index, block;
	size_t allocated = 0;
	FILE *pipe;

	assert_true(asprintf(&command,
			     "xfs_db -r -c 'agf %llu' -c 'p flfirst fllast' -c 'agfl %llu' "
			     "-c 'p bno' image | tr ' ' '\\n' | sed 's/.*= *//'",
			     (unsigned long long)ag, (unsigned long long)ag) >= 0);
	pipe = output_of(command);
	for (int i = 0, found = 0; getline(&line, &allocated, pipe) > 0; i++) {
		if (found < 2 && sscanf(line, "%llu%n", found ? &last : &first, &(int){0}) == 1 &&
		    !strchr(line, ':')) {
			found++;
		} else if (sscanf(line, "%llu:%llu", &index, &block) == 2 &&
			   (first <= last ? index >= first && index <= last
					  : index >= first || index <= last)) {
			reference->free[ag * ag_blocks + block] = false;
		}
	}
	assert_int_equal(pclose(pipe), 0);
}

static void read_xfs_db(struct reference *reference)
{
	uint64_t ag_blocks = field_of("xfs_db -r -c 'sb 0' -c 'p agblocks' image", "agblocks = ");
	uint64_t ags = field_of("xfs_db -r -c 'sb 0' -c 'p agcount' image", "agcount = ");
	uint64_t unit = field_of("xfs_db -r -c 'sb 0' -c 'p blocksize' image", "blocksize = ");
	uint64_t blocks = field_of("xfs_db -r -c 'sb 0' -c 'p dblocks' image", "dblocks = ");

	reference_init(reference, unit, blocks);
	read_freesp(reference, ag_blocks);
	for (uint64_t ag = 0; ag < ags; ag++)
		take_back_reserve(reference, ag, ag_blocks);
}

/* Thousands of small files with every other one removed: more free ranges than the kernel tells at
 * once. */
#define SPLIT                                                                                      \
	"cp -r tree mnt/tree; mkdir mnt/many; seq 3000 | (cd mnt/many; split -l 1 -a 4); "         \
	"sync -f mnt; rm mnt/many/*[acegikmoqsuwy] mnt/tree/f*1 mnt/tree/f*3"

static void check_xfs(const char *options, uint32_t sector_size)
{
	cleanup(reference_done) struct reference reference = {};
	cleanup(manifest_freep) struct manifest *manifest = NULL;

	print_message("%s\n", options);
	if (shell("rm -f image; mkfs.xfs -q %s -m uuid=" UUID_TEXT " -d file,name=image,size=320m",
		  options) != 0)
		fail_msg("mkfs.xfs %s", options);
	must("mkdir -p mnt && unshare -m sh -ec 'mount -o loop image mnt; " SPLIT "; umount mnt'");
	read_xfs_db(&reference);
	check_image(&reference, "xfs");
	check_uuid(UUID_TEXT);
	manifest = make_manifest(0);
	assert_int_equal(manifest_sector_size(manifest), sector_size);
	assert_true(manifest->extents_count > 1100);
	assert_int_not_equal(shell("losetup -nl | grep %s", scratch), 0);
}

static void xfs_images_agree_with_xfs_db(void **state)
{
	(void)state;
	skip_when_emulated("has no fsopen()");
	SKIP_UNLESS(shell("command -v mkfs.xfs xfs_db") == 0, "no xfsprogs");
	SKIP_UNLESS(can_mount(), "this machine cannot mount loop devices");
	check_xfs("-m rmapbt=0,reflink=0", 512);
	check_xfs("-m rmapbt=1,reflink=1", 512);
	check_xfs("-s size=4096", 4096);
	check_xfs("-b size=1024", 512);
}

static void refuses_xfs_that_is_not_clean(void **state)
{
	(void)state;
	skip_when_emulated("has no fsopen()");
	SKIP_UNLESS(shell("command -v mkfs.xfs") == 0, "no xfsprogs");
	SKIP_UNLESS(can_mount(), "this machine cannot mount loop devices");
	must("rm -f image live; mkfs.xfs -q -d file,name=live,size=320m");
	must(CUT);
	check_refused("dirty", -EUCLEAN, "log");
	must("rm -f image log; mkfs.xfs -q -l logdev=log,size=64m -d file,name=image,size=320m "
	     "|| { truncate -s 64m log; mkfs.xfs -q -f -l logdev=log,size=64m "
	     "-d file,name=image,size=320m; }");
	check_refused("external log", -EOPNOTSUPP, "another device");
	must("rm -f image; mkfs.xfs -q -d file,name=image,size=320m; truncate -s 319m image");
	check_refused("cut off", -EBADMSG, "shorter");
	assert_int_not_equal(shell("losetup -nl | grep %s", scratch), 0);
}

struct seen {
	uint64_t done, total;
	unsigned int calls;
};

static void see(uint64_t done, uint64_t total, void *context)
{
	struct seen *seen = context;

	assert_true(done >= seen->done && done <= total);
	seen->done = done;
	seen->total = total;
	seen->calls++;
}

static void tells_its_progress(void **state)
{
	struct seen seen = {};
	struct manifest_make_options options = {.progress = see, .progress_context = &seen};
	cleanup(manifest_freep) struct manifest *manifest = NULL;

	(void)state;
	must("rm -f image; mke2fs -q -t ext4 -d tree image 64M");
	assert_int_equal(manifest_make(image_path(), &options, &manifest), 0);
	assert_true(seen.calls > 0);
	assert_int_equal(seen.total, manifest->used_bytes);
	assert_int_equal(seen.done, seen.total);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ext_images_agree_with_dumpe2fs),
		cmocka_unit_test(refuses_ext4_that_is_not_clean),
		cmocka_unit_test(refuses_ext4_copied_while_mounted),
		cmocka_unit_test(refuses_while_mounted_writable),
		cmocka_unit_test(refuses_damaged_ext4),
		cmocka_unit_test(survives_damaged_ext4),
		cmocka_unit_test(refuses_what_is_no_file_system),
		cmocka_unit_test(takes_other_file_systems_whole),
		cmocka_unit_test(takes_btrfs_as_long_as_it_is),
		cmocka_unit_test(xfs_images_agree_with_xfs_db),
		cmocka_unit_test(refuses_xfs_that_is_not_clean),
		cmocka_unit_test(tells_its_progress),
	};

	lock_loop_devices();
	return cmocka_run_group_tests(tests, make_tree, remove_tree);
}
