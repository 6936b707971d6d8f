/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "disk/device/partition.h"

#include <string.h>

/* Where a superblock's magic and UUID are, in bytes from the start. */
struct superblock {
	const char *type;
	size_t magic_offset;
	const char *magic;
	size_t magic_size;
	size_t uuid_offset; /* 0: has none */
};

static const struct superblock superblocks[] = {
	{"ext4", 1024 + 56, "\x53\xef", 2, 1024 + 104},
	{"ext3", 1024 + 56, "\x53\xef", 2, 1024 + 104},
	{"ext2", 1024 + 56, "\x53\xef", 2, 1024 + 104},
	{"xfs", 0, "XFSB", 4, 32},
	{"btrfs", 65536 + 64, "_BHRfS_M", 8, 65536 + 32},
	{"f2fs", 1024, "\x10\x20\xf5\xf2", 4, 1024 + 108},
	{"erofs", 1024, "\xe2\xe1\xf5\xe0", 4, 1024 + 48},
	{"squashfs", 0, "hsqs", 4, 0},
};

static bool bytes_are(const uint8_t *data, size_t size, size_t offset, const void *expected,
		      size_t expected_size)
{
	return offset <= size && size - offset >= expected_size &&
	       memcmp(data + offset, expected, expected_size) == 0;
}

/* At every place where cryptsetup looks: the start, and 16 KiB to 4 MiB for a second copy. */
bool partition_has_luks(const uint8_t *data, size_t size)
{
	if (bytes_are(data, size, 0, LUKS_MAGIC_1, LUKS_MAGIC_SIZE))
		return true;
	for (size_t offset = 16 * KIB; offset <= 4 * MIB; offset *= 2)
		if (bytes_are(data, size, offset, LUKS_MAGIC_2, LUKS_MAGIC_SIZE))
			return true;
	return false;
}

static bool has_magic(const uint8_t *data, size_t size, const struct superblock *superblock)
{
	return bytes_are(data, size, superblock->magic_offset, superblock->magic,
			 superblock->magic_size);
}

static bool uuid_fits(const uint8_t *data, size_t size, const struct superblock *superblock,
		      const uint8_t *uuid)
{
	static const uint8_t any[UUID_SIZE];

	return superblock->uuid_offset == 0 || memcmp(uuid, any, UUID_SIZE) == 0 ||
	       bytes_are(data, size, superblock->uuid_offset, uuid, UUID_SIZE);
}

enum partition_content partition_content(const uint8_t *data, size_t size, const char *fs_type,
					 const uint8_t fs_uuid[static UUID_SIZE])
{
	bool another = false;

	if (partition_has_luks(data, size))
		return PARTITION_LUKS;
	for (size_t i = 0; i < ARRAY_SIZE(superblocks); i++) {
		const struct superblock *superblock = &superblocks[i];
		bool found = has_magic(data, size, superblock);

		if (strcmp(superblock->type, fs_type) == 0)
			return found && uuid_fits(data, size, superblock, fs_uuid)
				       ? PARTITION_FILESYSTEM
				       : PARTITION_OTHER;
		another |= found;
	}
	return another ? PARTITION_OTHER : PARTITION_FILESYSTEM;
}
