/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "disk/device/partition.h"

#include "base/error.h"
#include "base/file.h"
#include "base/library.h"
#include "base/log.h"

#include <fcntl.h>
#include <linux/blkpg.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include <libfdisk.h>

#define GRAIN MIB /* partitions end on whole MiB; less is not worth a write */

#define LIBFDISK "libfdisk.so.1"

LIBRARY_NOTE("grow", "Extend the root partition over the free space behind it", LIBFDISK);

/* Of libfdisk, without the prefix. */
/* clang-format off */
#define FUNCTIONS(X) \
	X(ask_get_type) X(ask_print_get_mesg) X(assign_device_by_fd) X(disable_dialogs) \
	X(get_last_lba) X(get_partition) X(get_partitions) X(get_sector_size) X(is_labeltype) \
	X(new_context) X(partition_get_size) X(partition_get_start) X(partition_has_size) \
	X(partition_has_start) X(partition_set_size) X(partition_size_explicit) X(set_ask) \
	X(set_partition) X(table_get_nents) X(table_get_partition) X(unref_context) \
	X(unref_partition) X(unref_table) X(write_disklabel)
/* clang-format on */

#define DECLARE(name) typeof(fdisk_##name) *name;
static struct {
	FUNCTIONS(DECLARE)
} fdisk;

#define SYMBOL(name) {"fdisk_" #name, &fdisk.name},
static const struct library_symbol symbols[] = {FUNCTIONS(SYMBOL)};

static void unref_context(struct fdisk_context *context)
{
	fdisk.unref_context(context);
}
DEFINE_CLEANUP(struct fdisk_context *, unref_context)

static void unref_partition(struct fdisk_partition *partition)
{
	fdisk.unref_partition(partition);
}
DEFINE_CLEANUP(struct fdisk_partition *, unref_partition)

static void unref_table(struct fdisk_table *table)
{
	fdisk.unref_table(table);
}
DEFINE_CLEANUP(struct fdisk_table *, unref_table)

/* Bytes on the disk. */
struct span {
	uint64_t start;
	uint64_t size;
};

static int grow_failed(int r, const struct partition *partition, const char *what)
{
	return fail(r, "%s cannot be grown: %s (%s)", partition->path, what, strerror(-r));
}

/* libfdisk's notices; without this they go to standard error. */
static int keep_notice(struct fdisk_context *context, struct fdisk_ask *ask, void *data)
{
	int type = fdisk.ask_get_type(ask);

	(void)context;
	(void)data;
	if (type != FDISK_ASKTYPE_INFO && type != FDISK_ASKTYPE_WARN && type != FDISK_ASKTYPE_WARNX)
		return -EINVAL; /* a question: nobody is there to answer */
	log_debug("libfdisk: %s", fdisk.ask_print_get_mesg(ask));
	return 0;
}

static int open_table(const struct partition *partition, int fd, struct fdisk_context **ret)
{
	cleanup(unref_contextp) struct fdisk_context *context = fdisk.new_context();
	int r;

	if (!context)
		return -ENOMEM;
	fdisk.disable_dialogs(context, 1);
	fdisk.set_ask(context, keep_notice, NULL);
	r = fdisk.assign_device_by_fd(context, fd, partition->disk, 0);
	if (r < 0)
		return grow_failed(r, partition, "its disk's partition table cannot be read");
	if (!fdisk.is_labeltype(context, FDISK_DISKLABEL_GPT))
		return grow_failed(-EMEDIUMTYPE, partition, "its disk has no GPT");
	*ret = TAKE_PTR(context);
	return 0;
}

/* True when a partition begins behind @start. */
static int is_followed(struct fdisk_context *context, fdisk_sector_t start, bool *ret)
{
	cleanup(unref_tablep) struct fdisk_table *table = NULL;
	size_t count;
	int r = fdisk.get_partitions(context, &table);

	if (r < 0)
		return r;
	count = fdisk.table_get_nents(table);
	*ret = false;
	for (size_t i = 0; i < count; i++) {
		struct fdisk_partition *other = fdisk.table_get_partition(table, i);

		*ret |= fdisk.partition_has_start(other) &&
			fdisk.partition_get_start(other) > start;
	}
	return 0;
}

/* The size, in sectors: whole MiB, so that it is one of whole LUKS sectors wherever it begins. */
static uint64_t largest_size(struct fdisk_context *context, fdisk_sector_t start)
{
	uint64_t sector = fdisk.get_sector_size(context);
	uint64_t end = fdisk.get_last_lba(context) + 1;

	return end > start ? ALIGN_DOWN((end - start) * sector, GRAIN) / sector : 0;
}

/* Change the table in memory; 1 when it has to be written. */
static int change_table(struct fdisk_context *context, const struct partition *partition,
			struct span *ret)
{
	cleanup(unref_partitionp) struct fdisk_partition *entry = NULL;
	uint64_t sector = fdisk.get_sector_size(context), size, largest;
	fdisk_sector_t start;
	bool followed;
	int r = fdisk.get_partition(context, partition->number - 1, &entry);

	if (r < 0 || !fdisk.partition_has_start(entry) || !fdisk.partition_has_size(entry))
		return grow_failed(-ENOENT, partition, "it is not in the table");
	start = fdisk.partition_get_start(entry);
	size = fdisk.partition_get_size(entry);
	largest = largest_size(context, start);
	*ret = (struct span){start * sector, size * sector};
	r = is_followed(context, start, &followed);
	if (r < 0)
		return grow_failed(r, partition, "its disk's partitions cannot be listed");
	if (followed || largest <= size || (largest - size) * sector < GRAIN)
		return 0;
	fdisk.partition_size_explicit(entry, 1);
	r = fdisk.partition_set_size(entry, largest);
	if (r == 0)
		r = fdisk.set_partition(context, partition->number - 1, entry);
	if (r < 0)
		return grow_failed(r, partition, "the table does not take its new size");
	ret->size = largest * sector;
	return 1;
}

/* Tell the kernel, without a re-read of the table, which a disk in use refuses. */
static int resize_in_kernel(int fd, const struct partition *partition, const struct span *span)
{
	struct blkpg_partition change = {
		.start = (long long)span->start,
		.length = (long long)span->size,
		.pno = (int)partition->number,
	};
	struct blkpg_ioctl_arg argument = {
		.op = BLKPG_RESIZE_PARTITION,
		.datalen = sizeof(change),
		.data = &change,
	};

	if (ioctl(fd, BLKPG, &argument) < 0)
		return grow_failed(-errno, partition, "the kernel does not take its new size");
	return 0;
}

static int verify_size(const struct partition *partition, const struct span *span)
{
	cleanup(closep) int fd = open(partition->path, O_RDONLY | O_CLOEXEC);
	uint64_t size = 0;
	int r = fd < 0 ? -errno : file_size(fd, &size);

	if (r < 0)
		return grow_failed(r, partition, "its size cannot be read back");
	if (size != span->size)
		return grow_failed(-EIO, partition, "the kernel kept its old size");
	return 0;
}

static int grow_on(int fd, const struct partition *partition, struct span *ret)
{
	cleanup(unref_contextp) struct fdisk_context *context = NULL;
	struct stat status;
	int changed,
		r = library_load(LIBFDISK, "to grow a partition", symbols, ARRAY_SIZE(symbols));

	if (r < 0)
		return r;
	/* udev leaves a locked disk alone, so it does not read a table that is half written. */
	if (fstat(fd, &status) < 0 || flock(fd, LOCK_EX) < 0)
		return grow_failed(-errno, partition, "its disk cannot be locked");
	r = open_table(partition, fd, &context);
	if (r < 0)
		return r;
	changed = change_table(context, partition, ret);
	if (changed <= 0)
		return changed;
	r = fdisk.write_disklabel(context);
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	if (r < 0)
		return grow_failed(r, partition, "its disk's partition table cannot be written");
	/* An image file has no kernel that must know. */
	if (!S_ISBLK(status.st_mode))
		return 0;
	r = resize_in_kernel(fd, partition, ret);
	return r < 0 ? r : verify_size(partition, ret);
}

int partition_grow(const struct partition *partition, uint64_t *ret_size)
{
	/*
	 * libfdisk writes the backup table, then the primary one. Synchronous writes keep that
	 * order on the medium, so one of the two is whole wherever power is cut.
	 */
	cleanup(closep) int fd = open(partition->disk ? partition->disk : partition->path,
				      O_RDWR | O_CLOEXEC | O_DSYNC);
	struct span span = {};
	int r;

	if (fd < 0)
		return grow_failed(-errno, partition, "its disk cannot be opened for writing");
	r = partition->disk ? grow_on(fd, partition, &span) : file_size(fd, &span.size);
	if (r < 0)
		return r;
	*ret_size = span.size;
	return 0;
}
