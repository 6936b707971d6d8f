/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "disk/manifest/extents.h"

#include <fcntl.h>
#include <string.h>

#include <blkid/blkid.h>
#include <ext2fs/ext2fs.h>

#include "base/error.h"
#include "base/file.h"

/* The first that matches; the last takes the rest. */
static const struct extents_ops *const table[] = {
	&extents_ext4,
	&extents_xfs,
	&extents_whole,
};

int extents_add(struct manifest *manifest, uint64_t offset, uint64_t length)
{
	size_t count = manifest->extents_count;
	struct extent *last = count > 0 ? &manifest->extents[count - 1] : NULL;

	if (length == 0)
		return 0;
	if (last && last->offset + last->length == offset) {
		last->length += length;
		return 0;
	}
	/* Room doubles whenever the count reaches a power of two. */
	if ((count & (count - 1)) == 0) {
		size_t room = MAX(2 * count, (size_t)1);
		struct extent *grown =
			reallocarray(manifest->extents, room, sizeof(*manifest->extents));

		if (!grown)
			return -ENOMEM;
		manifest->extents = grown;
	}
	/* analyze: core.NullDereference: the first one, at count zero, has made room */
	manifest->extents[count] = (struct extent){.offset = offset, .length = length};
	manifest->extents_count++;
	return 0;
}

int extents_check_size(const char *path, uint64_t device_size, const struct manifest *manifest)
{
	if (manifest->fs_size <= device_size)
		return 0;
	return fail(-EBADMSG,
		    "%s is shorter than its file system (%llu of %llu bytes); it was cut off or "
		    "the file system was not shrunk first",
		    path, (unsigned long long)device_size, (unsigned long long)manifest->fs_size);
}

static int check_not_mounted(const char *path)
{
	int flags = 0;

	if (ext2fs_check_if_mounted(path, &flags) != 0)
		return 0; /* no list of mounts: a chroot without /proc */
	if ((flags & EXT2_MF_SWAP) || ((flags & EXT2_MF_MOUNTED) && !(flags & EXT2_MF_READONLY)))
		return fail(-EBUSY,
			    "%s is in use and could change meanwhile; unmount it, or mount it "
			    "read-only, first",
			    path);
	return 0;
}

static void probe_free(struct blkid_struct_probe *probe)
{
	blkid_free_probe(probe);
}
DEFINE_CLEANUP(blkid_probe, probe_free)

static const char *probe_value(blkid_probe probe, const char *name)
{
	const char *value;

	return blkid_probe_lookup_value(probe, name, &value, NULL) == 0 ? value : "";
}

static uint32_t parse_block_size(const char *text)
{
	unsigned long size = strtoul(text, NULL, 10);

	if (size < 512 || size > 65536 || (size & (size - 1)) != 0)
		return 512;
	return (uint32_t)size;
}

static int describe(const char *path, blkid_probe probe, struct manifest *manifest)
{
	const char *type = probe_value(probe, "TYPE");

	if (strcmp(probe_value(probe, "USAGE"), "filesystem") != 0)
		return fail(-EMEDIUMTYPE,
			    "%s holds %s, not a file system; name the plain root file system", path,
			    *type ? type : "something unknown");
	if (strlen(type) >= sizeof(manifest->fs_type))
		return fail(-EOPNOTSUPP, "%s: file systems of type %s are not supported", path,
			    type);
	strcpy(manifest->fs_type, type);
	/* Some have a number of another form, which then counts as none. */
	if (uuid_decode(probe_value(probe, "UUID"), manifest->fs_uuid) < 0)
		memset(manifest->fs_uuid, 0, sizeof(manifest->fs_uuid));
	manifest->block_size = parse_block_size(probe_value(probe, "BLOCK_SIZE"));
	return 0;
}

static int recognise(const char *path, int fd, struct manifest *manifest)
{
	cleanup(probe_freep) blkid_probe probe = blkid_new_probe();

	if (!probe)
		return -ENOMEM;
	if (blkid_probe_set_device(probe, fd, 0, 0) < 0 ||
	    blkid_probe_set_superblocks_flags(probe, BLKID_SUBLKS_TYPE | BLKID_SUBLKS_UUID |
							     BLKID_SUBLKS_USAGE) < 0)
		return fail(-EIO, "cannot look for a file system on %s", path);
	switch (blkid_do_safeprobe(probe)) {
	case 0:
		return describe(path, probe, manifest);
	case 1:
		return fail(-EMEDIUMTYPE,
			    "%s holds no file system; name the root partition, or the image of "
			    "its file system, and not the whole disk",
			    path);
	case -2:
		return fail(-ENOTUNIQ,
			    "%s has the signatures of more than one file system; wipe the stale "
			    "one with wipefs",
			    path);
	default:
		return fail(-EIO, "cannot look for a file system on %s", path);
	}
}

static bool takes_type(const struct extents_ops *ops, const char *type)
{
	if (!ops->types)
		return true;
	for (size_t i = 0; ops->types[i]; i++)
		if (strcmp(ops->types[i], type) == 0)
			return true;
	return false;
}

int extents_read(const char *path, struct manifest *manifest)
{
	cleanup(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	const struct extents_ops *ops = NULL;
	uint64_t device_size = 0;
	int r;

	if (fd < 0)
		return fail(-errno, "cannot open \"%s\": %s", path, strerror(errno));
	r = file_size(fd, &device_size);
	if (r == -EMEDIUMTYPE)
		return fail(r, "%s is neither a block device nor an image file", path);
	if (r < 0)
		return fail(r, "cannot learn the size of %s: %s", path, strerror(-r));
	r = check_not_mounted(path);
	if (r < 0)
		return r;
	r = recognise(path, fd, manifest);
	if (r < 0)
		return r;
	for (size_t i = 0; !ops; i++)
		/* analyze: core.CallAndMessage: the last of the table takes every type */
		if (takes_type(table[i], manifest->fs_type))
			ops = table[i];
	manifest->chunk_size = MANIFEST_CHUNK_SIZE;
	return ops->read(path, device_size, manifest);
}
