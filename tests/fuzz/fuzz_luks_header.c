/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "fuzz.h"

#include "base/reader.h"
#include "crypto/hash.h"
#include "disk/luks/format.h"

#include <string.h>

/*
 * The header check. The first byte of an input says what the rest is:
 *
 *	'j'  JSON text, put into two good binary headers
 *	'h'  the first 512 bytes of both binary headers, then JSON text, put into both; checksums
 *	     made right
 *	'b'  both binary headers and their JSON as on the disk, checksums made right
 *	'r'  the same, as they are
 */
#define METADATA_SIZE  16384
#define JSON_OFFSET    4096
#define CHECKSUM_START 448
#define CHECKSUM_SIZE  64
#define CHECKSUM_END   (CHECKSUM_START + CHECKSUM_SIZE)
#define SALT_START     104
#define SALT_SIZE      64

/* 8 MiB, of which only the start changes from one input to the next. */
static uint8_t header[LUKS_HEADER_SIZE];

static void fix_checksum(uint8_t *copy)
{
	memset(copy + CHECKSUM_START, 0, CHECKSUM_SIZE);
	(void)hash_data(HASH_SHA256, copy, METADATA_SIZE, copy + CHECKSUM_START);
}

static void write_copy(uint8_t *copy, bool secondary, const uint8_t *json, size_t size)
{
	static const char uuid[] = "00010203-0405-0607-0809-0a0b0c0d0e0f";

	memcpy(copy, secondary ? "SKUL\xba\xbe\0\2" : "LUKS\xba\xbe\0\2", 8);
	copy[14] = METADATA_SIZE >> 8; /* its size, big-endian at 8 */
	copy[23] = 3;		       /* its sequence number at 16 */
	memcpy(copy + 24, LUKS_LABEL, sizeof(LUKS_LABEL));
	memcpy(copy + 72, "sha256", 6);
	memcpy(copy + 168, uuid, sizeof(uuid));
	copy[262] = secondary ? METADATA_SIZE >> 8 : 0; /* its offset, at 256 */
	if (size > 0)
		memcpy(copy + JSON_OFFSET, json, size);
}

/* Where all fields of a binary header are. */
#define FIELDS_SIZE 512

static void write_fields(struct reader *reader)
{
	for (size_t copy = 0; copy < 2; copy++) {
		size_t size = MIN(reader->left, (size_t)FIELDS_SIZE);

		(void)reader_bytes(reader, header + copy * METADATA_SIZE, size);
	}
	for (size_t copy = 0; copy < 2; copy++)
		memcpy(header + copy * METADATA_SIZE + JSON_OFFSET, reader->data,
		       MIN(reader->left, (size_t)(METADATA_SIZE - JSON_OFFSET)));
}

static void fill(uint8_t kind, const uint8_t *data, size_t size)
{
	memset(header, 0, 2 * METADATA_SIZE);
	if (kind == 'j') {
		size = MIN(size, (size_t)(METADATA_SIZE - JSON_OFFSET));
		write_copy(header, false, data, size);
		write_copy(header + METADATA_SIZE, true, data, size);
	} else if (kind == 'h') {
		struct reader reader = reader_init(data, size);

		write_fields(&reader);
	} else {
		memcpy(header, data, MIN(size, (size_t)(2 * METADATA_SIZE)));
	}
	if (kind == 'r')
		return;
	fix_checksum(header);
	fix_checksum(header + METADATA_SIZE);
}

/* One copy that is accepted has one form: it is written again to the last byte. */
static void check_copy(unsigned int index)
{
	static uint8_t again[LUKS_METADATA_SIZE];
	const uint8_t *copy = header + index * LUKS_METADATA_SIZE;
	struct luks_metadata metadata;

	if (luks_metadata_parse(copy, index, &metadata) < 0)
		return;
	if (luks_metadata_write(&metadata, index, again) < 0)
		abort();
	/* The salt is of no use in the header and is not kept. */
	memcpy(again + SALT_START, copy + SALT_START, SALT_SIZE);
	if (memcmp(again, copy, CHECKSUM_START) != 0 ||
	    memcmp(again + CHECKSUM_END, copy + CHECKSUM_END, LUKS_METADATA_SIZE - CHECKSUM_END) !=
		    0)
		abort();
}

/* Walk over what a caller would. */
static void use(const struct luks_header *checked)
{
	size_t cursor = 0;
	int slot;
	json_t *token;

	if (luks_header_facts(checked)->data_offset != LUKS_DATA_OFFSET)
		abort();
	token = luks_header_part(checked, "systemd-tpm2");
	if (token && json_array_size(json_object_get(token, "keyslots")) > 0)
		abort();
	while (luks_header_token(checked, LUKS_TOKEN_TYPE, &cursor, &slot))
		if (slot < 0 || slot > 31)
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct luks_header *checked = NULL;

	if (size < 1)
		return 0;
	fill(data[0], data + 1, size - 1);
	check_copy(0);
	check_copy(1);
	if (luks_header_check(header, sizeof(header), &checked) == 0)
		use(checked);
	luks_header_free(checked);
	return 0;
}
