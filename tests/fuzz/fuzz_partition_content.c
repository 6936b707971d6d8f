/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "fuzz.h"

#include "base/reader.h"
#include "disk/device/partition.h"

#include <string.h>

/* Behind the last place of a LUKS2 header. */
#define FRONT_MAX (4 * MIB + 4096)

static const char *const types[] = {
	"ext4", "ext3", "ext2", "xfs", "btrfs", "f2fs", "erofs", "squashfs",
};
static const uint8_t any_uuid[UUID_SIZE];

/* The rest of the input: pieces with their offset (four bytes) and size (one byte). */
static void lay_pieces(struct reader *reader, uint8_t *front, uint32_t front_size)
{
	uint32_t offset;
	uint8_t size;

	while (reader_le32(reader, &offset) == 0 && reader_u8(reader, &size) == 0) {
		struct reader piece;

		if (reader_sub(reader, MIN((size_t)size, reader->left), &piece) < 0)
			return;
		offset %= FRONT_MAX;
		if (offset < front_size)
			memcpy(front + offset, piece.data,
			       MIN(piece.left, (size_t)(front_size - offset)));
	}
}

/* A type that is not known passes exactly where no known one would. */
static void check_unknown(const uint8_t *front, size_t size)
{
	enum partition_content content = partition_content(front, size, "reiserfs", any_uuid);
	bool known = false;

	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		known |= partition_content(front, size, types[i], any_uuid) == PARTITION_FILESYSTEM;
	if (content != PARTITION_LUKS && (content == PARTITION_FILESYSTEM) == known)
		abort();
}

/* A UUID that is asked for can only refuse; a LUKS magic goes before all. */
static void check_known(uint8_t *front, size_t size, const char *type, const uint8_t *uuid)
{
	enum partition_content content = partition_content(front, size, type, uuid);
	enum partition_content any = partition_content(front, size, type, any_uuid);

	if (content != any && (content != PARTITION_OTHER || any != PARTITION_FILESYSTEM))
		abort();
	if (size < 6)
		return;
	memcpy(front, "LUKS\xba\xbe", 6);
	if (partition_content(front, size, type, uuid) != PARTITION_LUKS)
		abort();
}

/* Type (one byte), UUID, size of the front (four bytes), pieces of it; all else is zero. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct reader reader = reader_init(data, size);
	cleanup(freep) uint8_t *front = NULL;
	uint8_t type, uuid[UUID_SIZE];
	uint32_t front_size;

	if (reader_u8(&reader, &type) < 0 || reader_bytes(&reader, uuid, sizeof(uuid)) < 0 ||
	    reader_le32(&reader, &front_size) < 0)
		return 0;
	front_size %= FRONT_MAX + 1;
	/* Exactly this size, so that a sanitizer sees a read one byte too far. */
	front = calloc(1, front_size > 0 ? front_size : 1);
	if (!front)
		return 0;
	lay_pieces(&reader, front, front_size);
	check_unknown(front, front_size);
	check_known(front, front_size, types[type % ARRAY_SIZE(types)], uuid);
	return 0;
}
