/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "disk/manifest/extents.h"

#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <linux/fsmap.h>
#include <linux/loop.h>

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/reader.h"

/*
 * XFS through the kernel: FS_IOC_GETFSMAP lists free space on a mounted file system. The mount is
 * read-only, on a read-only loop device, and is never attached to a directory: nobody else can
 * see it, and it goes away with its file descriptor, however we end. A file system whose log is not
 * replayed cannot be mounted so, and is refused. Whatever is not free counts as used: metadata and
 * the log too.
 */
static const char *const types[] = {"xfs", NULL};

#define LOOP_TRIES  16
#define FSMAP_BATCH 1024

/* As far as needed of the superblock (xfs_dsb); big-endian. */
struct superblock {
	uint32_t block_size;
	uint64_t blocks;
	uint64_t realtime_blocks;
	uint64_t log_start; /* 0: on another device */
	uint16_t sector_size;
};

static int parse_superblock(struct reader *reader, struct superblock *ret)
{
	struct superblock parsed = {};

	if (reader_skip(reader, 4) < 0 || reader_be32(reader, &parsed.block_size) < 0 ||
	    reader_be64(reader, &parsed.blocks) < 0 ||
	    reader_be64(reader, &parsed.realtime_blocks) < 0 || reader_skip(reader, 24) < 0 ||
	    reader_be64(reader, &parsed.log_start) < 0 || reader_skip(reader, 46) < 0 ||
	    reader_be16(reader, &parsed.sector_size) < 0)
		return -EBADMSG;
	*ret = parsed;
	return 0;
}

static int read_superblock(const char *path, struct superblock *ret)
{
	cleanup(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	uint8_t data[512];
	struct reader reader = reader_init(data, sizeof(data));
	int r;

	if (fd < 0)
		return fail(-errno, "cannot open \"%s\": %s", path, strerror(errno));
	r = file_pread(fd, data, sizeof(data), 0);
	if (r < 0)
		return fail(r, "cannot read %s: %s", path, strerror(-r));
	r = parse_superblock(&reader, ret);
	if (r < 0)
		return r;
	if (ret->log_start == 0 || ret->realtime_blocks != 0)
		return fail(-EOPNOTSUPP,
			    "%s: part of the file system is on another device, which would stay "
			    "in the clear; use an internal log and no realtime device",
			    path);
	return 0;
}

/* The loop device goes away with the last descriptor or mount that holds it. */
static int loop_attach(int control, int backing, char ret_name[static 32], int *ret)
{
	struct loop_config config = {
		.fd = (uint32_t)backing,
		.info.lo_flags = LO_FLAGS_READ_ONLY | LO_FLAGS_AUTOCLEAR,
	};
	cleanup(closep) int fd = -1;
	int number = ioctl(control, LOOP_CTL_GET_FREE);

	if (number < 0)
		return -errno;
	snprintf(ret_name, 32, "/dev/loop%d", number);
	fd = open(ret_name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (ioctl(fd, LOOP_CONFIGURE, &config) < 0)
		return -errno;
	*ret = TAKE_FD(fd);
	return 0;
}

static int loop_open(const char *path, char ret_name[static 32], int *ret)
{
	cleanup(closep) int backing = open(path, O_RDONLY | O_CLOEXEC);
	cleanup(closep) int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	int r = -EBUSY;

	if (backing < 0)
		return fail(-errno, "cannot open \"%s\": %s", path, strerror(errno));
	if (control < 0)
		return fail(-errno,
			    "cannot make a loop device to read the XFS file system on %s: %s; "
			    "this needs root and the loop module",
			    path, strerror(errno));
	/* Somebody else may take the free one first. */
	for (int i = 0; i < LOOP_TRIES && r == -EBUSY; i++)
		r = loop_attach(control, backing, ret_name, ret);
	if (r < 0)
		return fail(r, "cannot make a loop device to read the XFS file system on %s: %s",
			    path, strerror(-r));
	return 0;
}

static int mount_configure(int context, const char *source)
{
	/* nouuid: a machine may well have the same image mounted elsewhere. */
	if (fsconfig(context, FSCONFIG_SET_STRING, "source", source, 0) < 0 ||
	    fsconfig(context, FSCONFIG_SET_FLAG, "ro", NULL, 0) < 0 ||
	    fsconfig(context, FSCONFIG_SET_FLAG, "nouuid", NULL, 0) < 0 ||
	    fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -errno;
	return 0;
}

static int mount_detached(const char *source, int *ret)
{
	cleanup(closep) int context = fsopen("xfs", FSOPEN_CLOEXEC);
	cleanup(closep) int tree = -1;
	int r;

	if (context < 0)
		return -errno;
	r = mount_configure(context, source);
	if (r < 0)
		return r;
	tree = fsmount(context, FSMOUNT_CLOEXEC,
		       MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID |
			       MOUNT_ATTR_NOEXEC);
	if (tree < 0)
		return -errno;
	/* GETFSMAP wants an open file; the descriptor of a mount is only a path. */
	*ret = openat(tree, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return *ret < 0 ? -errno : 0;
}

static int explain_mount(const char *path, int error)
{
	switch (error) {
	case -EROFS:
		return fail(-EUCLEAN,
			    "%s: the log of the XFS file system is not replayed; mount and "
			    "unmount it once",
			    path);
	case -ENODEV:
		return fail(-EOPNOTSUPP,
			    "%s: this machine's kernel has no XFS, which is needed to ask for "
			    "the used space",
			    path);
	case -EUCLEAN:
	case -EINVAL:
		return fail(-EBADMSG,
			    "%s: the kernel finds the XFS file system damaged (%s); run "
			    "xfs_repair on it",
			    path, strerror(-error));
	default:
		return fail(error, "cannot mount the XFS file system on %s to read it: %s", path,
			    strerror(-error));
	}
}

/* The gap between what was free before and what is free next is in use. */
struct gap {
	struct manifest *manifest;
	uint64_t from;
	uint32_t device;
};

static int take_record(struct gap *gap, const struct fsmap *record)
{
	int r;

	if (record->fmr_device != gap->device)
		return -EOPNOTSUPP;
	if (!(record->fmr_flags & FMR_OF_SPECIAL_OWNER) || record->fmr_owner != FMR_OWN_FREE)
		return 0;
	if (record->fmr_physical < gap->from || record->fmr_physical > gap->manifest->fs_size ||
	    record->fmr_length > gap->manifest->fs_size - record->fmr_physical)
		return -EBADMSG;
	r = extents_add(gap->manifest, gap->from, record->fmr_physical - gap->from);
	gap->from = record->fmr_physical + record->fmr_length;
	return r;
}

static int take_records(struct gap *gap, const struct fsmap_head *head, bool *ret_last)
{
	for (uint32_t i = 0; i < head->fmh_entries; i++) {
		int r = take_record(gap, &head->fmh_recs[i]);

		if (r < 0)
			return r;
		*ret_last = (head->fmh_recs[i].fmr_flags & FMR_OF_LAST) != 0;
	}
	if (head->fmh_entries == 0)
		*ret_last = true;
	return 0;
}

static int map_extents(int fd, uint32_t device, struct manifest *manifest)
{
	cleanup(freep) struct fsmap_head *head = calloc(1, fsmap_sizeof(FSMAP_BATCH));
	struct gap gap = {.manifest = manifest, .device = device};
	bool last = false;

	if (!head)
		return -ENOMEM;
	head->fmh_count = FSMAP_BATCH;
	head->fmh_keys[1] = (struct fsmap){
		.fmr_device = UINT32_MAX,
		.fmr_flags = UINT32_MAX,
		.fmr_physical = UINT64_MAX,
		.fmr_owner = UINT64_MAX,
		.fmr_offset = UINT64_MAX,
	};
	while (!last) {
		int r;

		if (ioctl(fd, FS_IOC_GETFSMAP, head) < 0)
			return -errno;
		r = take_records(&gap, head, &last);
		if (r < 0)
			return r;
		if (!last)
			fsmap_advance(head);
	}
	return extents_add(manifest, gap.from, manifest->fs_size - gap.from);
}

/* GETFSMAP names devices as the kernel encodes them for user space. */
static int mounted_device(int fd, uint32_t *ret)
{
	struct stat status;

	if (fstat(fd, &status) < 0)
		return -errno;
	*ret = (uint32_t)((minor(status.st_dev) & 0xff) | (major(status.st_dev) << 8) |
			  ((minor(status.st_dev) & ~0xffU) << 12));
	return 0;
}

static int map_mounted(const char *path, struct manifest *manifest)
{
	cleanup(closep) int loop = -1;
	cleanup(closep) int root = -1;
	char name[32];
	uint32_t device = 0;
	int r = loop_open(path, name, &loop);

	if (r < 0)
		return r;
	r = mount_detached(name, &root);
	if (r < 0)
		return explain_mount(path, r);
	r = mounted_device(root, &device);
	if (r < 0)
		return r;
	r = map_extents(root, device, manifest);
	if (r < 0)
		return fail(r, "cannot read the used space of the XFS file system on %s: %s", path,
			    strerror(-r));
	return 0;
}

static int extents_read_xfs(const char *path, uint64_t device_size, struct manifest *manifest)
{
	struct superblock superblock = {};
	int r = read_superblock(path, &superblock);

	if (r < 0)
		return r;
	if (__builtin_mul_overflow(superblock.blocks, superblock.block_size, &manifest->fs_size))
		return fail(-EBADMSG, "%s: the size in the XFS superblock is not valid", path);
	/* What a device must be able to read and write is the sector, not the block. */
	manifest->block_size = superblock.sector_size;
	r = extents_check_size(path, device_size, manifest);
	if (r < 0)
		return r;
	return map_mounted(path, manifest);
}

const struct extents_ops extents_xfs = {.types = types, .read = extents_read_xfs};
