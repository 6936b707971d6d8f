/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "fuzz.h"

#include <string.h>

#include "disk/convert/record.h"

#define MAC_OFFSET 136

/*
 * What the reader accepts is written again byte for byte, but for the MAC, which is checked apart.
 */
static void check(const uint8_t *data, const struct convert_record *record,
		  const struct secret *mac_key)
{
	static uint8_t again[CONVERT_SLOT_SIZE];
	int r;

	if (convert_record_serialize(record, mac_key, again) < 0)
		abort();
	if (memcmp(data, again, MAC_OFFSET) != 0 || convert_record_authenticate(again, mac_key) < 0)
		abort();
	r = convert_record_authenticate(data, mac_key);
	if (r != (memcmp(data, again, CONVERT_SLOT_SIZE) == 0 ? 0 : -EKEYREJECTED))
		abort();
	if (record->header_size > CONVERT_HEADER_MAX ||
	    record->next_chunk > record->fs_size / MANIFEST_CHUNK_SIZE + 1)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup(secret_freep) struct secret *mac_key = NULL;
	struct convert_record record;

	if (secret_new(HASH_SHA256_SIZE, &mac_key) < 0)
		abort();
	if (convert_record_parse(data, size, &record) == 0)
		check(data, &record, mac_key);
	return 0;
}
