/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "disk/device/partition.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/uevent.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/netlink.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>

#include <blkid/blkid.h>

/* The root partition of this architecture (UAPI.2, Discoverable Partitions). */
#if defined(__x86_64__)
#define ROOT_TYPE "4f68bce3-e8cd-4db1-96e7-fbcaf984b709"
#elif defined(__aarch64__)
#define ROOT_TYPE "b921b045-1df0-41c3-af44-4c6f280d3fae"
#elif defined(__s390x__)
#define ROOT_TYPE "5eead9a9-fe09-4a1e-a1d7-520d00531306"
#elif defined(__powerpc64__) && defined(__LITTLE_ENDIAN__)
#define ROOT_TYPE "c31c45e6-3f39-412e-80fb-4809c4980599"
#elif defined(__powerpc64__)
#define ROOT_TYPE "912ade1d-a839-4913-8964-a10eee08fbd2"
#elif defined(__riscv) && __riscv_xlen == 64
#define ROOT_TYPE "72ec70a6-cf74-40e6-bd49-4bda08e8f224"
#elif defined(__loongarch64)
#define ROOT_TYPE "77055800-792c-4f94-b39a-98c91b762bb6"
#else
#error "This architecture's root partition type is not in the table."
#endif

#define BLOCK_FOLDER "/sys/class/block"
#define DEVICE_ROOT  "/dev/"

#define GPT_FLAG_NO_AUTO (1ULL << 63)

static inline void closedirp(DIR **folder)
{
	if (*folder)
		closedir(*folder);
}
DEFINE_CLEANUP(blkid_probe, blkid_free_probe)

/* What to look for; exactly one member is set. */
struct wanted {
	const char *type; /* GPT type UUID */
	const char *uuid;
	const char *label;
	const char *path;
};

/* What one pass over all disks found. */
struct found {
	struct partition *partition; /* the first */
	struct partition *second;    /* another one: ambiguous */
};

static void found_done(struct found *found)
{
	partition_free(found->partition);
	partition_free(found->second);
}

void partition_free(struct partition *partition)
{
	if (!partition)
		return;
	closep(&partition->hold_fd);
	free(partition->path);
	free(partition->disk);
	free(partition);
}

/* "PREFIX=VALUE": the value, not empty. */
static const char *after_prefix(const char *spec, const char *prefix)
{
	size_t size = strlen(prefix);

	return strncmp(spec, prefix, size) == 0 && spec[size] != '\0' ? spec + size : NULL;
}

static int parse_spec(const char *spec, struct wanted *ret)
{
	struct wanted wanted = {
		.type = strcmp(spec, "auto") == 0 ? ROOT_TYPE : NULL,
		.uuid = after_prefix(spec, "PARTUUID="),
		.label = after_prefix(spec, "PARTLABEL="),
		.path = after_prefix(spec, DEVICE_ROOT) ? spec : NULL,
	};

	if (!wanted.type && !wanted.uuid && !wanted.label && !wanted.path)
		return fail(
			-EINVAL,
			"\"%s\" names no partition: use auto, PARTUUID=, PARTLABEL= or /dev/...",
			spec);
	*ret = wanted;
	return 0;
}

/* A sysfs name has '!' where the device name has '/'. */
static char *device_path(const char *sysfs_name)
{
	char *path;

	if (asprintf(&path, DEVICE_ROOT "%s", sysfs_name) < 0)
		return NULL;
	for (char *c = path; *c != '\0'; c++)
		if (*c == '!')
			*c = '/';
	return path;
}

static int partition_new(const char *name, const char *disk_name, unsigned int number,
			 struct partition **ret)
{
	cleanup(partition_freep) struct partition *partition = calloc(1, sizeof(*partition));

	if (!partition)
		return -ENOMEM;
	partition->hold_fd = -1;
	partition->path = device_path(name);
	partition->disk = disk_name ? device_path(disk_name) : NULL;
	partition->number = number;
	if (!partition->path || (disk_name && !partition->disk))
		return -ENOMEM;
	*ret = TAKE_PTR(partition);
	return 0;
}

/* The number in BLOCK_FOLDER/NAME/partition; -ENOENT: a whole disk. */
static int partition_number(const char *name, unsigned int *ret)
{
	char path[PATH_MAX], *end;
	cleanup(freep) char *text = NULL;
	unsigned long number;
	size_t size;
	int r;

	snprintf(path, sizeof(path), BLOCK_FOLDER "/%s/partition", name);
	r = file_read_all(path, 64, &text, &size);
	if (r < 0)
		return r;
	number = strtoul(text, &end, 10);
	if (end == text || number == 0 || number > UINT_MAX)
		return -EBADMSG;
	*ret = (unsigned int)number;
	return 0;
}

/* The kernel's name of a disk's partition, from the folders below the disk's. */
static int find_name(const char *disk_name, unsigned int number, char **ret)
{
	char path[PATH_MAX];
	cleanup(closedirp) DIR *folder = NULL;
	struct dirent *entry;

	snprintf(path, sizeof(path), BLOCK_FOLDER "/%s", disk_name);
	folder = opendir(path);
	/* analyze: readdirCalled: no other thread has this folder, so readdir_r() is not needed */
	while (folder && (entry = readdir(folder))) {
		unsigned int other;

		if (strncmp(entry->d_name, disk_name, strlen(disk_name)) != 0 ||
		    partition_number(entry->d_name, &other) < 0 || other != number)
			continue;
		*ret = strdup(entry->d_name);
		return *ret ? 0 : -ENOMEM;
	}
	return -ENOENT;
}

static bool same_text(const char *wanted, const char *text)
{
	return wanted && text && strcasecmp(wanted, text) == 0;
}

/* UAPI.2: such a partition is not to be picked up by its type. */
static bool is_no_auto(blkid_partition entry)
{
	return (blkid_partition_get_flags(entry) & GPT_FLAG_NO_AUTO) != 0;
}

static bool is_wanted(blkid_partition entry, const struct wanted *wanted)
{
	const char *label = blkid_partition_get_name(entry);

	if (wanted->type)
		return same_text(wanted->type, blkid_partition_get_type_string(entry)) &&
		       !is_no_auto(entry);
	return same_text(wanted->uuid, blkid_partition_get_uuid(entry)) ||
	       (wanted->label && label && strcmp(wanted->label, label) == 0);
}

static int take_entry(const char *disk_name, blkid_partition entry, struct found *found)
{
	struct partition **slot = found->partition ? &found->second : &found->partition;
	cleanup(freep) char *name = NULL;
	int number = blkid_partition_get_partno(entry);

	/* In the table, but the kernel has not announced it yet: it will. */
	if (number <= 0 || find_name(disk_name, (unsigned int)number, &name) < 0)
		return 0;
	if (found->second)
		return 0;
	return partition_new(name, disk_name, (unsigned int)number, slot);
}

/* The table as libblkid reads it; a disk without one, or that cannot be read, has no partition. */
static blkid_partlist read_table(blkid_probe probe, int fd)
{
	if (blkid_probe_set_device(probe, fd, 0, 0) != 0)
		return NULL;
	blkid_probe_enable_superblocks(probe, 0);
	blkid_probe_enable_partitions(probe, 1);
	return blkid_probe_get_partitions(probe);
}

static int scan_disk(const char *disk_name, const struct wanted *wanted, struct found *found)
{
	cleanup(freep) char *path = device_path(disk_name);
	/* Not blocking: a drive without a medium must not hold us up. */
	cleanup(closep) int fd = path ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;
	cleanup(blkid_free_probep) blkid_probe probe = fd >= 0 ? blkid_new_probe() : NULL;
	blkid_partlist list = probe ? read_table(probe, fd) : NULL;
	int count = list ? blkid_partlist_numof_partitions(list) : 0;

	if (!path)
		return -ENOMEM;
	for (int i = 0; i < count; i++) {
		blkid_partition entry = blkid_partlist_get_partition(list, i);
		int r = is_wanted(entry, wanted) ? take_entry(disk_name, entry, found) : 0;

		if (r < 0)
			return r;
	}
	return 0;
}

/* Disks that hold no partition table of an image: mapped ones, memory, and removable media. */
static bool is_passed_over(const char *name)
{
	static const char *const prefixes[] = {"dm-", "md", "ram", "zram", "fd", "sr"};

	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++)
		if (strncmp(name, prefixes[i], strlen(prefixes[i])) == 0)
			return true;
	return false;
}

static int scan_disks(const struct wanted *wanted, struct found *found)
{
	cleanup(closedirp) DIR *folder = opendir(BLOCK_FOLDER);
	struct dirent *entry;
	int r = 0;

	if (!folder)
		return fail(-errno, "%s cannot be read: %s", BLOCK_FOLDER, strerror(errno));
	/* analyze: readdirCalled: no other thread has this folder, so readdir_r() is not needed */
	while (r == 0 && (entry = readdir(folder))) {
		unsigned int number;

		if (entry->d_name[0] == '.' || is_passed_over(entry->d_name) ||
		    partition_number(entry->d_name, &number) == 0)
			continue;
		r = scan_disk(entry->d_name, wanted, found);
	}
	return r;
}

/* The last part of a path, without its slash. */
static const char *last_part(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* Describe a block device by its number: sysfs knows whether it is a partition, and whose. */
static int describe_device(dev_t device, struct partition **ret)
{
	char link[64], resolved[PATH_MAX];
	const char *name;
	unsigned int number;
	int r;

	snprintf(link, sizeof(link), "/sys/dev/block/%u:%u", major(device), minor(device));
	if (!realpath(link, resolved))
		return -errno;
	name = last_part(resolved);
	r = partition_number(name, &number);
	if (r == -ENOENT)
		return partition_new(name, NULL, 0, ret);
	if (r < 0)
		return r;
	/* .../block/vda/vda2: the disk is the folder around. */
	resolved[name - resolved - 1] = '\0';
	return partition_new(name, last_part(resolved), number, ret);
}

static int look_at_path(const char *path, struct found *found)
{
	struct stat status;

	if (stat(path, &status) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISBLK(status.st_mode))
		return fail(-EMEDIUMTYPE, "%s is not a block device", path);
	return describe_device(status.st_rdev, &found->partition);
}

/* One pass: 1 when found, 0 when not there yet. */
static int look(const struct wanted *wanted, struct partition **ret)
{
	cleanup(found_done) struct found found = {};
	int r = wanted->path ? look_at_path(wanted->path, &found) : scan_disks(wanted, &found);

	if (r < 0)
		return r;
	if (found.second)
		return fail(-ENOTUNIQ,
			    "two partitions may be the root: %s and %s; detach one, or name the "
			    "right one in cvmroot.toml",
			    found.partition->path, found.second->path);
	if (!found.partition)
		return 0;
	found.partition->hold_fd = open(found.partition->path, O_RDONLY | O_CLOEXEC);
	/* Gone again, or its node is not there yet: the next event tells. */
	if (found.partition->hold_fd < 0 && (errno == ENOENT || errno == ENXIO))
		return 0;
	if (found.partition->hold_fd < 0)
		return fail(-errno, "%s cannot be opened: %s", found.partition->path,
			    strerror(errno));
	*ret = TAKE_PTR(found.partition);
	return 1;
}

static int no_partition(const char *spec, unsigned int wait_seconds)
{
	return fail(-ENODEV,
		    "no partition %s appeared within %u seconds: check the disk and root.partition "
		    "in cvmroot.toml",
		    spec, wait_seconds);
}

int partition_find(const char *spec, unsigned int wait_seconds, struct partition **ret)
{
	int64_t deadline = monotonic_ms() + (int64_t)wait_seconds * 1000;
	cleanup(partition_freep) struct partition *partition = NULL;
	cleanup(uevent_close) struct uevent_watch watch = {.events = -1, .udev = -1};
	struct wanted wanted = {};
	int r = parse_spec(spec, &wanted);

	if (r < 0)
		return r;
	/* Listen first, then look: nothing can appear unseen in between. */
	r = uevent_open(&watch);
	if (r < 0)
		return r;
	for (;;) {
		/* "The only one" can be said when no other disk is on its way. */
		bool settled = wanted.path || uevent_settled();

		partition_free(TAKE_PTR(partition));
		r = look(&wanted, &partition);
		if (r < 0 || (r > 0 && settled))
			break;
		log_debug("waiting for the root partition (%s)", spec);
		r = uevent_await(&watch, deadline);
		if (r == -ETIMEDOUT && !partition)
			return no_partition(spec, wait_seconds);
		if (r < 0)
			break;
	}
	if (r < 0 && r != -ETIMEDOUT)
		return r;
	*ret = TAKE_PTR(partition);
	return 0;
}
