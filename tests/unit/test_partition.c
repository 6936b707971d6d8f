/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
/* Before cmocka, which makes fail() a macro. */
#include "base/error.h"

#include "unit.h"

#include "base/file.h"
#include "disk/device/partition.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>

#define LUKS_1 "LUKS\xba\xbe"
#define LUKS_2 "SKUL\xba\xbe"

static const uint8_t any_uuid[UUID_SIZE];
static char scratch[] = "/tmp/cvmroot-test-XXXXXX";
static char image[100];

static int set_up(void **state)
{
	(void)state;
	if (!mkdtemp(scratch))
		return -1;
	snprintf(image, sizeof(image), "%s/disk", scratch);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	return rmdir(scratch);
}

static uint8_t *blank(void)
{
	uint8_t *data = calloc(1, PARTITION_PROBE_SIZE);

	assert_non_null(data);
	return data;
}

static const struct {
	const char *type;
	size_t offset;
	const char *magic;
	size_t size, uuid_offset;
} file_systems[] = {
	{"ext4", 0x438, "\x53\xef", 2, 0x468},
	{"ext2", 0x438, "\x53\xef", 2, 0x468},
	{"xfs", 0, "XFSB", 4, 0x20},
	{"btrfs", 0x10040, "_BHRfS_M", 8, 0x10020},
	{"f2fs", 0x400, "\x10\x20\xf5\xf2", 4, 0x46c},
	{"erofs", 0x400, "\xe2\xe1\xf5\xe0", 4, 0x430},
};

static void file_systems_are_recognised(void **state)
{
	uint8_t uuid[UUID_SIZE];

	(void)state;
	memset(uuid, 0x11, sizeof(uuid));
	for (size_t i = 0; i < ARRAY_SIZE(file_systems); i++) {
		cleanup(freep) uint8_t *data = blank();
		const char *type = file_systems[i].type;

		assert_int_equal(partition_content(data, PARTITION_PROBE_SIZE, type, any_uuid),
				 PARTITION_OTHER);
		memcpy(data + file_systems[i].offset, file_systems[i].magic, file_systems[i].size);
		assert_int_equal(partition_content(data, PARTITION_PROBE_SIZE, type, any_uuid),
				 PARTITION_FILESYSTEM);
		assert_int_equal(partition_content(data, PARTITION_PROBE_SIZE, type, uuid),
				 PARTITION_OTHER);
		memcpy(data + file_systems[i].uuid_offset, uuid, sizeof(uuid));
		assert_int_equal(partition_content(data, PARTITION_PROBE_SIZE, type, uuid),
				 PARTITION_FILESYSTEM);
		/* Another type is expected: one that is known, and one that is not. */
		assert_int_equal(partition_content(data, PARTITION_PROBE_SIZE,
						   strcmp(type, "xfs") == 0 ? "ext4" : "xfs",
						   any_uuid),
				 PARTITION_OTHER);
		assert_int_equal(partition_content(data, PARTITION_PROBE_SIZE, "reiserfs",
						   any_uuid),
				 PARTITION_OTHER);
	}
}

static void unknown_types_are_left_to_the_manifest(void **state)
{
	cleanup(freep) uint8_t *data = blank();

	(void)state;
	assert_int_equal(partition_content(data, PARTITION_PROBE_SIZE, "reiserfs", any_uuid),
			 PARTITION_FILESYSTEM);
}

static void luks_is_found_at_each_place(void **state)
{
	(void)state;
	for (size_t offset = 0; offset <= 64 * KIB; offset = offset ? 2 * offset : 16 * KIB) {
		cleanup(freep) uint8_t *data = blank();

		memcpy(data + 0x438, "\x53\xef", 2);
		memcpy(data + offset, offset ? LUKS_2 : LUKS_1, 6);
		assert_int_equal(partition_content(data, PARTITION_PROBE_SIZE, "ext4", any_uuid),
				 PARTITION_LUKS);
		/* The other magic means nothing there. */
		memcpy(data + offset, offset ? LUKS_1 : LUKS_2, 6);
		assert_int_equal(partition_content(data, PARTITION_PROBE_SIZE, "ext4", any_uuid),
				 PARTITION_FILESYSTEM);
	}
}

/* The sanitizer sees a byte read behind the end. */
static void short_input_is_read_within_bounds(void **state)
{
	(void)state;
	for (size_t size = 0; size < 2048; size += 7) {
		uint8_t *data = malloc(size + 1);

		assert_non_null(data);
		data = realloc(data, size ? size : 1);
		memset(data, 0, size ? size : 1);
		assert_int_equal(partition_content(data, size, "ext4", any_uuid), PARTITION_OTHER);
		free(data);
	}
}

static void wrong_specs_are_refused(void **state)
{
	static const char *const specs[] = {
		"", "root", "PARTUUID=", "PARTLABEL=", "/dev/", "UUID=1234", "Auto"};
	struct partition *partition = NULL;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(specs); i++) {
		assert_int_equal(partition_find(specs[i], 0, &partition), -EINVAL);
		assert_null(partition);
	}
}

static void missing_partition_is_reported_at_the_deadline(void **state)
{
	struct partition *partition = NULL;
	int r;

	(void)state;
	r = partition_find("PARTUUID=5f3dbe56-0000-4000-8000-53a1c8e0b7d2", 1, &partition);
	assert_int_equal(r, -ENODEV);
	assert_non_null(strstr(fail_sentence(r), "within 1 seconds"));
	r = partition_find("/dev/there-is-no-such-disk", 0, &partition);
	assert_int_equal(r, -ENODEV);
	assert_int_equal(partition_find("/dev/null", 0, &partition), -EMEDIUMTYPE);
	assert_null(partition);
}

static int shell(const char *format, ...) __attribute__((format(printf, 1, 2)));

static int shell(const char *format, ...)
{
	char command[1000];
	va_list args;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	return system(command);
}

static void skip_without_sfdisk(void)
{
	if (shell("sfdisk --version >/dev/null 2>&1") != 0) {
		print_message("skipped: the sfdisk program is not installed\n");
		skip();
	}
}

/* UAPI.2 */
#if defined(__x86_64__)
#define ROOT_TYPE_HERE "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709"
#elif defined(__aarch64__)
#define ROOT_TYPE_HERE "B921B045-1DF0-41C3-AF44-4C6F280D3FAE"
#elif defined(__s390x__)
#define ROOT_TYPE_HERE "5EEAD9A9-FE09-4A1E-A1D7-520D00531306"
#elif defined(__powerpc64__)
#define ROOT_TYPE_HERE "C31C45E6-3F39-412E-80FB-4809C4980599"
#endif

#define ROOT_UUID "5F3DBE56-1111-4000-8000-53A1C8E0B7D2"

/* An image of 64 MiB with an ESP and a root partition of @root_mib, then stretched. */
static void make_image(unsigned int root_mib, const char *third, off_t size)
{
	assert_int_equal(
		shell("truncate -s 0 %s && truncate -s 64M %s && printf '%%s\\n' 'label: gpt' "
		      "'start=1MiB, size=4MiB, type=U' "
		      "'start=5MiB, size=%uMiB, type=\"Linux root (x86-64)\", uuid=" ROOT_UUID
		      ", name=\"root\"' '%s' | sfdisk -q --no-reread --no-tell-kernel %s",
		      image, image, root_mib, third, image),
		0);
	assert_int_equal(truncate(image, size), 0);
}

/* The root partition's size in sectors as sfdisk sees it; 0: the table cannot be read. */
static uint64_t sfdisk_size(void)
{
	unsigned long long size = 0;
	char command[300];
	FILE *pipe;

	snprintf(command, sizeof(command),
		 "sfdisk -d %s 2>/dev/null | sed -n 's/.*size= *\\([0-9]*\\),.*" ROOT_UUID
		 ".*/\\1/p'",
		 image);
	pipe = popen(command, "r");
	assert_non_null(pipe);
	if (fscanf(pipe, "%llu", &size) != 1)
		size = 0;
	pclose(pipe);
	return size;
}

static struct partition root_of_image(void)
{
	return (struct partition){.path = image, .disk = image, .number = 2};
}

static void partition_grows_over_a_grown_disk(void **state)
{
	struct partition root = root_of_image();
	uint64_t size = 0;

	(void)state;
	skip_without_sfdisk();
	make_image(50, "", 256 * MIB);
	assert_int_equal(partition_grow(&root, &size), 0);
	/* From 5 MiB to the last whole MiB in front of the backup table. */
	assert_int_equal(size, 250 * MIB);
	assert_int_equal(sfdisk_size(), 250 * MIB / 512);
	assert_int_equal(shell("sfdisk -q --verify %s >/dev/null", image), 0);
	/* Once more: nothing left to gain. */
	assert_int_equal(partition_grow(&root, &size), 0);
	assert_int_equal(size, 250 * MIB);
	unlink(image);
}

static void file_digest(char *digest, size_t size)
{
	char command[200];
	FILE *pipe;

	snprintf(command, sizeof(command), "sha256sum %s", image);
	pipe = popen(command, "r");
	assert_true(pipe && fgets(digest, (int)size, pipe));
	pclose(pipe);
}

static void expect_unchanged(const struct partition *root, uint64_t expected_size)
{
	char before[200], after[200];
	uint64_t size = 0;

	file_digest(before, sizeof(before));
	assert_int_equal(partition_grow(root, &size), 0);
	file_digest(after, sizeof(after));
	assert_int_equal(size, expected_size);
	assert_string_equal(before, after);
}

static void nothing_changes_without_need(void **state)
{
	struct partition root = root_of_image();

	(void)state;
	skip_without_sfdisk();
	/* Room behind, but with another partition in it. */
	make_image(20, "start=30MiB, size=1MiB", 256 * MIB);
	expect_unchanged(&root, 20 * MIB);
	/* Less than 1 MiB to gain. */
	make_image(58, "", 64 * MIB);
	expect_unchanged(&root, 58 * MIB);
	unlink(image);
}

static void tables_that_do_not_fit_are_refused(void **state)
{
	struct partition root = root_of_image();
	uint64_t size = 99;

	(void)state;
	skip_without_sfdisk();
	make_image(50, "", 256 * MIB);
	root.number = 7;
	assert_int_equal(partition_grow(&root, &size), -ENOENT);
	assert_int_equal(shell("printf 'label: dos\\nstart=1MiB\\n' | sfdisk -q --no-reread "
			       "--no-tell-kernel %s 2>/dev/null",
			       image),
			 0);
	root.number = 1;
	assert_int_equal(partition_grow(&root, &size), -EMEDIUMTYPE);
	assert_int_equal(size, 99);
	unlink(image);
}

/*
 * A power cut: this write() stands in front of the C library's for libfdisk as well, and passes on
 * @writes_left writes to the image, then the first half of one, then nothing.
 */
static bool power_ends;
static int writes_left;
static int writes_seen;

__attribute__((visibility("default"))) ssize_t write(int fd, const void *data, size_t size)
{
	static ssize_t (*next)(int, const void *, size_t);
	struct stat status, of_image;

	if (!next)
		*(void **)&next = dlsym(RTLD_NEXT, "write");
	if (stat(image, &of_image) < 0 || fstat(fd, &status) < 0 ||
	    status.st_ino != of_image.st_ino || status.st_dev != of_image.st_dev)
		return next(fd, data, size);
	writes_seen++;
	if (!power_ends || writes_left-- > 0)
		return next(fd, data, size);
	if (writes_left == -1)
		(void)!next(fd, data, ALIGN_DOWN(size / 2, 512));
	return (ssize_t)size;
}

static void table_survives_a_cut_at_each_write(void **state)
{
	struct partition root = root_of_image();
	int total;

	(void)state;
	skip_without_sfdisk();
	make_image(50, "", 256 * MIB);
	writes_seen = 0;
	assert_int_equal(partition_grow(&root, &(uint64_t){0}), 0);
	total = writes_seen;
	assert_true(total >= 4);
	for (int cut = 0; cut <= total; cut++) {
		uint64_t size;

		make_image(50, "", 256 * MIB);
		writes_left = cut;
		power_ends = true;
		assert_int_equal(partition_grow(&root, &size), 0);
		power_ends = false;
		size = sfdisk_size() * 512;
		if (size != 50 * MIB && size != 250 * MIB)
			fail_msg("cut after %d of %d writes: size %llu", cut, total,
				 (unsigned long long)size);
		/* And growing again completes it. */
		assert_int_equal(partition_grow(&root, &size), 0);
		assert_int_equal(size, 250 * MIB);
	}
	unlink(image);
}

/* A loop device on the image; the kernel does not look for partitions on it yet. */
static bool attach_loop(char *name, size_t size)
{
	char command[200];
	FILE *pipe;

	snprintf(command, sizeof(command), "losetup -f --show %s 2>/dev/null", image);
	pipe = popen(command, "r");
	if (!pipe || !fgets(name, (int)size, pipe))
		name[0] = '\0';
	if (pipe)
		pclose(pipe);
	name[strcspn(name, "\n")] = '\0';
	return name[0] != '\0';
}

struct search {
	const char *spec;
	struct partition *found;
	char sentence[200];
	int result;
	pid_t thread;
};

static void *search_thread(void *context)
{
	struct search *search = context;

	__atomic_store_n(&search->thread, gettid(), __ATOMIC_SEQ_CST);
	search->result = partition_find(search->spec, 20, &search->found);
	snprintf(search->sentence, sizeof(search->sentence), "%s", fail_sentence(search->result));
	return NULL;
}

/* Until the thread sleeps, which it does when it waits for events. */
static void await_sleep(const pid_t *thread)
{
	pid_t number = 0;
	char state = 0;

	while (number == 0)
		number = __atomic_load_n(thread, __ATOMIC_SEQ_CST);
	while (state != 'S') {
		cleanup(fclosep) FILE *file = NULL;
		char path[64];

		snprintf(path, sizeof(path), "/proc/self/task/%d/stat", number);
		file = fopen(path, "r");
		if (!file || fscanf(file, "%*d %*s %c", &state) != 1)
			return;
	}
}

/* The partitions appear while the search waits for them. */
static void search_while_they_appear(struct search *search, const char *loop)
{
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, search_thread, search), 0);
	await_sleep(&search->thread);
	shell("partx -a %s 2>/dev/null", loop);
	pthread_join(thread, NULL);
}

static void loop_partition_is_found_and_grows(void **state)
{
	struct search search = {.spec = "PARTUUID=" ROOT_UUID};
	struct partition *by_path = NULL;
	char loop[64], node[80];
	uint64_t size = 0;
	int grown = 0, found_by_path = 0;

	(void)state;
	skip_when_emulated("does not translate the argument of BLKPG");
	skip_without_sfdisk();
	make_image(50, "", 256 * MIB);
	if (!attach_loop(loop, sizeof(loop))) {
		unlink(image);
		print_message("skipped: no loop device can be attached here\n");
		skip();
	}
	snprintf(node, sizeof(node), "%sp2", loop);
	search_while_they_appear(&search, loop);
	if (search.found) {
		grown = partition_grow(search.found, &size);
		found_by_path = partition_find(node, 0, &by_path);
		/* The kernel keeps a partition that is held. */
		closep(&search.found->hold_fd);
		search.found->hold_fd = -1;
	}
	if (by_path) {
		closep(&by_path->hold_fd);
		by_path->hold_fd = -1;
	}
	shell("partx -d %s; losetup -d %s", loop, loop);
	unlink(image);
	if (search.result != 0)
		fail_msg("%s", search.sentence);
	assert_string_equal(search.found->path, node);
	assert_string_equal(search.found->disk, loop);
	assert_int_equal(search.found->number, 2);
	assert_int_equal(grown, 0);
	assert_int_equal(size, 250 * MIB);
	assert_int_equal(found_by_path, 0);
	assert_string_equal(by_path->path, node);
	assert_string_equal(by_path->disk, loop);
	assert_int_equal(by_path->number, 2);
	partition_free(search.found);
	partition_free(by_path);
}

/* The same image on two disks. */
static void two_candidates_are_refused(void **state)
{
	struct partition *found = NULL;
	char first[64], second[64];
	int r;

	(void)state;
	skip_without_sfdisk();
	make_image(50, "", 64 * MIB);
	if (!attach_loop(first, sizeof(first)) || !attach_loop(second, sizeof(second))) {
		unlink(image);
		print_message("skipped: no two loop devices can be attached here\n");
		skip();
	}
	shell("partx -a %s 2>/dev/null; partx -a %s 2>/dev/null", first, second);
	r = partition_find("PARTLABEL=root", 20, &found);
	shell("partx -d %s; losetup -d %s; partx -d %s; losetup -d %s", first, first, second,
	      second);
	unlink(image);
	assert_int_equal(r, -ENOTUNIQ);
	assert_non_null(strstr(fail_sentence(r), first));
	assert_non_null(strstr(fail_sentence(r), second));
	assert_null(found);
}

/* The verdict of partition_find("auto") on the loop device: other disks may add candidates. */
static bool auto_names(const char *node)
{
	cleanup(partition_freep) struct partition *found = NULL;
	int r = partition_find("auto", 0, &found);

	return r == 0 ? strcmp(found->path, node) == 0
		      : r == -ENOTUNIQ && strstr(fail_sentence(r), node);
}

static void auto_goes_by_type_and_attribute(void **state)
{
	char loop[64], node[80];
	bool named, named_no_auto;

	(void)state;
	skip_without_sfdisk();
	make_image(50, "", 64 * MIB);
	if (!attach_loop(loop, sizeof(loop))) {
		unlink(image);
		print_message("skipped: no loop device can be attached here\n");
		skip();
	}
	shell("sfdisk -q --part-type %s 2 %s", image, ROOT_TYPE_HERE);
	shell("partx -a %s 2>/dev/null", loop);
	snprintf(node, sizeof(node), "%sp2", loop);
	named = auto_names(node);
	shell("sfdisk -q --part-attrs %s 2 GUID:63", image);
	named_no_auto = auto_names(node);
	shell("partx -d %s; losetup -d %s", loop, loop);
	unlink(image);
	assert_true(named);
	assert_false(named_no_auto);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(file_systems_are_recognised),
		cmocka_unit_test(unknown_types_are_left_to_the_manifest),
		cmocka_unit_test(luks_is_found_at_each_place),
		cmocka_unit_test(short_input_is_read_within_bounds),
		cmocka_unit_test(wrong_specs_are_refused),
		cmocka_unit_test(missing_partition_is_reported_at_the_deadline),
		cmocka_unit_test(partition_grows_over_a_grown_disk),
		cmocka_unit_test(nothing_changes_without_need),
		cmocka_unit_test(tables_that_do_not_fit_are_refused),
		cmocka_unit_test(table_survives_a_cut_at_each_write),
		cmocka_unit_test(loop_partition_is_found_and_grows),
		cmocka_unit_test(two_candidates_are_refused),
		cmocka_unit_test(auto_goes_by_type_and_attribute),
	};

	lock_loop_devices();
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
