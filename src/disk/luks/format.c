/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "disk/luks/format.h"

#include "base/error.h"
#include "disk/device/partition.h"
#include "base/reader.h"

#include <endian.h>
#include <string.h>

#define VERSION	       2
#define CHECKSUM_NAME  "sha256"
#define CHECKSUM_START 448 /* of the 64-byte checksum field */
#define CHECKSUM_SIZE  64

/* Sizes of the text fields, NUL included. */
enum { LABEL_SIZE = 48, CHECKSUM_NAME_SIZE = 32, SALT_SIZE = 64, UUID_FIELD_SIZE = 40 };

static const char *const copy_names[] = {"primary", "secondary"};
static const char *const magics[] = {LUKS_MAGIC_1, LUKS_MAGIC_2};

static int refuse(unsigned int index, const char *reason)
{
	return fail(-EBADMSG, "the LUKS2 header is refused: its %s copy %s", copy_names[index],
		    reason);
}

/* A text field that ends within its room and has only zeros behind. */
static int read_text(struct reader *reader, size_t size, const char **ret)
{
	const uint8_t *field, *end;
	int r = reader_borrow(reader, size, &field);

	if (r < 0)
		return r;
	end = memchr(field, '\0', size);
	if (!end || !bytes_are_zero(end, (size_t)(field + size - end)))
		return -EBADMSG;
	*ret = (const char *)field;
	return 0;
}

static int expect_text(struct reader *reader, size_t size, const char *expected)
{
	const char *text;
	int r = read_text(reader, size, &text);

	if (r < 0)
		return r;
	return strcmp(text, expected) == 0 ? 0 : -EBADMSG;
}

static int expect_be64(struct reader *reader, uint64_t expected)
{
	uint64_t value;
	int r = reader_be64(reader, &value);

	if (r < 0)
		return r;
	return value == expected ? 0 : -EBADMSG;
}

static int expect_zeros(struct reader *reader, size_t size)
{
	const uint8_t *field;
	int r = reader_borrow(reader, size, &field);

	if (r < 0)
		return r;
	return bytes_are_zero(field, size) ? 0 : -EBADMSG;
}

static int expect_start(struct reader *reader, unsigned int index)
{
	const uint8_t *magic;
	uint16_t version;

	if (reader_borrow(reader, LUKS_MAGIC_SIZE, &magic) < 0 ||
	    memcmp(magic, magics[index], LUKS_MAGIC_SIZE) != 0)
		return refuse(index, "has no magic");
	if (reader_be16(reader, &version) < 0 || version != VERSION)
		return refuse(index, "is not of version 2");
	if (expect_be64(reader, LUKS_METADATA_SIZE) < 0)
		return refuse(index, "is not 16 KiB long");
	return 0;
}

/* Only the canonical form: what is compared as text elsewhere must have one text. */
static int read_uuid(struct reader *reader, uint8_t ret[static UUID_SIZE])
{
	char canonical[UUID_TEXT_SIZE];
	uint8_t uuid[UUID_SIZE];
	const char *text;

	if (read_text(reader, UUID_FIELD_SIZE, &text) < 0 || uuid_decode(text, uuid) < 0)
		return -EBADMSG;
	uuid_encode(uuid, canonical);
	if (strcmp(text, canonical) != 0)
		return -EBADMSG;
	memcpy(ret, uuid, UUID_SIZE);
	return 0;
}

static int read_fields(struct reader *reader, unsigned int index, struct luks_metadata *metadata)
{
	int r = expect_start(reader, index);

	if (r < 0)
		return r;
	if (reader_be64(reader, &metadata->sequence) < 0 || metadata->sequence == 0)
		return refuse(index, "has no sequence number");
	if (expect_text(reader, LABEL_SIZE, LUKS_LABEL) < 0)
		return refuse(index, "does not have the label \"" LUKS_LABEL "\"");
	if (expect_text(reader, CHECKSUM_NAME_SIZE, CHECKSUM_NAME) < 0)
		return refuse(index, "uses another checksum than SHA-256");
	if (reader_skip(reader, SALT_SIZE) < 0 || read_uuid(reader, metadata->uuid) < 0)
		return refuse(index, "has a malformed UUID");
	if (expect_text(reader, LABEL_SIZE, "") < 0)
		return refuse(index, "has a subsystem label");
	if (expect_be64(reader, index * LUKS_METADATA_SIZE) < 0)
		return refuse(index, "says that it belongs to another offset");
	if (expect_zeros(reader, 184) < 0 || reader_skip(reader, CHECKSUM_SIZE) < 0 ||
	    expect_zeros(reader, LUKS_BINARY_SIZE - CHECKSUM_START - CHECKSUM_SIZE) < 0)
		return refuse(index, "has bytes where only zeros belong");
	return 0;
}

/* Over the whole copy, the checksum field itself taken as zeros. */
static int checksum(const uint8_t *data, uint8_t ret[static HASH_SHA256_SIZE])
{
	static const uint8_t zeros[CHECKSUM_SIZE];
	cleanup(hash_freep) struct hash *hash = NULL;
	const size_t behind = CHECKSUM_START + CHECKSUM_SIZE;
	int r = hash_new(HASH_SHA256, &hash);

	if (r < 0)
		return r;
	r = hash_update(hash, data, CHECKSUM_START);
	if (r == 0)
		r = hash_update(hash, zeros, sizeof(zeros));
	if (r == 0)
		r = hash_update(hash, data + behind, LUKS_METADATA_SIZE - behind);
	return r < 0 ? r : hash_final(hash, ret);
}

static int expect_checksum(const uint8_t *data, unsigned int index)
{
	const uint8_t *field = data + CHECKSUM_START;
	uint8_t digest[HASH_SHA256_SIZE];
	int r = checksum(data, digest);

	if (r < 0)
		return r;
	if (memcmp(field, digest, sizeof(digest)) != 0 ||
	    !bytes_are_zero(field + sizeof(digest), CHECKSUM_SIZE - sizeof(digest)))
		return refuse(index, "has a wrong checksum");
	return 0;
}

int luks_metadata_parse(const uint8_t *data, unsigned int index, struct luks_metadata *ret)
{
	struct reader reader = reader_init(data, LUKS_METADATA_SIZE);
	struct luks_metadata metadata = {};
	int r = read_fields(&reader, index, &metadata);

	if (r < 0)
		return r;
	r = expect_checksum(data, index);
	if (r < 0)
		return r;
	if (read_text(&reader, LUKS_JSON_SIZE, &metadata.json) < 0)
		return refuse(index, "has bytes behind its JSON text");
	metadata.json_size = strlen(metadata.json);
	*ret = metadata;
	return 0;
}

static void put_be64(uint8_t *to, uint64_t value)
{
	uint64_t raw = htobe64(value);

	memcpy(to, &raw, sizeof(raw));
}

int luks_metadata_write(const struct luks_metadata *metadata, unsigned int index,
			uint8_t ret[static LUKS_METADATA_SIZE])
{
	char uuid[UUID_TEXT_SIZE];

	if (metadata->json_size >= LUKS_JSON_SIZE)
		return fail(-E2BIG, "the JSON text of the LUKS2 header is longer than %u bytes",
			    (unsigned int)LUKS_JSON_SIZE - 1);
	uuid_encode(metadata->uuid, uuid);
	memset(ret, 0, LUKS_METADATA_SIZE);
	memcpy(ret, magics[index], LUKS_MAGIC_SIZE);
	ret[7] = VERSION;
	put_be64(ret + 8, LUKS_METADATA_SIZE);
	put_be64(ret + 16, metadata->sequence);
	memcpy(ret + 24, LUKS_LABEL, sizeof(LUKS_LABEL));
	memcpy(ret + 72, CHECKSUM_NAME, sizeof(CHECKSUM_NAME));
	memcpy(ret + 168, uuid, sizeof(uuid));
	put_be64(ret + 256, index * LUKS_METADATA_SIZE);
	memcpy(ret + LUKS_BINARY_SIZE, metadata->json, metadata->json_size);
	return checksum(ret, ret + CHECKSUM_START);
}
