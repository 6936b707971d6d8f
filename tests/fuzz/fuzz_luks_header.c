/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "fuzz.h"

#include "crypto/hash.h"
#include "disk/luks/luks.h"

#include <string.h>

/*
 * The header check. The first byte of an input says what the rest is:
 *
 *	'j'  JSON text, put into two good binary headers
 *	'b'  both binary headers and their JSON as on the disk, checksums made right
 *	'r'  the same, as they are
 */
#define METADATA_SIZE  16384
#define JSON_OFFSET    4096
#define CHECKSUM_START 448
#define CHECKSUM_SIZE  64

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

static void fill(uint8_t kind, const uint8_t *data, size_t size)
{
	memset(header, 0, 2 * METADATA_SIZE);
	if (kind == 'j') {
		size = MIN(size, (size_t)(METADATA_SIZE - JSON_OFFSET));
		write_copy(header, false, data, size);
		write_copy(header + METADATA_SIZE, true, data, size);
	} else {
		memcpy(header, data, MIN(size, (size_t)(2 * METADATA_SIZE)));
	}
	if (kind == 'r')
		return;
	fix_checksum(header);
	fix_checksum(header + METADATA_SIZE);
}

/* Walk over what a caller would. */
static void use(const struct luks_header *checked)
{
	size_t cursor = 0;
	int slot;

	if (luks_header_facts(checked)->data_offset != LUKS_DATA_OFFSET)
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
	if (luks_header_check(header, sizeof(header), &checked) == 0)
		use(checked);
	luks_header_free(checked);
	return 0;
}
