/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "disk/convert/record.h"

#include <string.h>

#include "base/reader.h"

/*
 * Version 1. Integers are little-endian. All of it lies in the first 512 bytes, which a disk writes
 * whole or not at all; the slot's other bytes are zero.
 *
 *	offset  bytes
 *	     0     16  magic "CVMROOT-CONVERT", NUL
 *	    16      4  version: 1
 *	    20      4  sector size
 *	    24      8  sequence
 *	    32      8  file-system size in bytes
 *	    40      8  next chunk
 *	    48     16  LUKS UUID, in the order of its text
 *	    64     32  total digest of the manifest
 *	    96      8  size of the header copy
 *	   104     32  SHA-256 of the header copy
 *	   136     32  HMAC-SHA256 of everything before it
 */
static const char magic[16] = "CVMROOT-CONVERT";

#define VERSION	   1
#define MAC_OFFSET 136

int convert_record_serialize(const struct convert_record *record, const struct secret *mac_key,
			     uint8_t ret[static CONVERT_SLOT_SIZE])
{
	cleanup(writer_done) struct writer writer = {};
	uint8_t mac[MAC_SIZE];
	int r;

	writer_bytes(&writer, magic, sizeof(magic));
	writer_le32(&writer, VERSION);
	writer_le32(&writer, record->sector_size);
	writer_le64(&writer, record->sequence);
	writer_le64(&writer, record->fs_size);
	writer_le64(&writer, record->next_chunk);
	writer_bytes(&writer, record->luks_uuid, sizeof(record->luks_uuid));
	writer_bytes(&writer, record->manifest_digest, sizeof(record->manifest_digest));
	writer_le64(&writer, record->header_size);
	writer_bytes(&writer, record->header_digest, sizeof(record->header_digest));
	if (writer.error < 0)
		return writer.error;
	r = hmac_data(HASH_SHA256, mac_key, writer.data, writer.size, mac);
	if (r < 0)
		return r;
	memset(ret, 0, CONVERT_SLOT_SIZE);
	memcpy(ret, writer.data, writer.size);
	memcpy(ret + writer.size, mac, sizeof(mac));
	return 0;
}

static int read_fields(struct reader *reader, struct convert_record *record)
{
	int r = reader_le32(reader, &record->sector_size);

	if (r == 0)
		r = reader_le64(reader, &record->sequence);
	if (r == 0)
		r = reader_le64(reader, &record->fs_size);
	if (r == 0)
		r = reader_le64(reader, &record->next_chunk);
	if (r == 0)
		r = reader_bytes(reader, record->luks_uuid, sizeof(record->luks_uuid));
	if (r == 0)
		r = reader_bytes(reader, record->manifest_digest, sizeof(record->manifest_digest));
	if (r == 0)
		r = reader_le64(reader, &record->header_size);
	if (r == 0)
		r = reader_bytes(reader, record->header_digest, sizeof(record->header_digest));
	if (r == 0)
		r = reader_skip(reader, MAC_SIZE);
	return r;
}

static bool fields_are_valid(const struct convert_record *record)
{
	uint64_t chunks = record->fs_size / MANIFEST_CHUNK_SIZE +
			  (record->fs_size % MANIFEST_CHUNK_SIZE != 0);

	return (record->sector_size == 512 || record->sector_size == 4096) &&
	       record->sequence > 0 && record->sequence < UINT64_MAX && record->fs_size > 0 &&
	       record->fs_size <= UINT64_MAX - CONVERT_TAIL && record->next_chunk <= chunks &&
	       record->header_size > 0 && record->header_size <= CONVERT_HEADER_MAX &&
	       IS_ALIGNED(record->header_size, 4096);
}

int convert_record_parse(const uint8_t *data, size_t size, struct convert_record *ret)
{
	struct reader reader = reader_init(data, size);
	struct convert_record record = {};
	char found[sizeof(magic)];
	uint32_t version;

	if (reader_bytes(&reader, found, sizeof(found)) < 0 ||
	    memcmp(found, magic, sizeof(magic)) != 0)
		return -ENOENT;
	if (size != CONVERT_SLOT_SIZE || reader_le32(&reader, &version) < 0 || version != VERSION ||
	    read_fields(&reader, &record) < 0 || !fields_are_valid(&record) ||
	    !bytes_are_zero(reader.data, reader.left))
		return -EBADMSG;
	*ret = record;
	return 0;
}

int convert_record_authenticate(const uint8_t data[static CONVERT_SLOT_SIZE],
				const struct secret *mac_key)
{
	uint8_t mac[MAC_SIZE];
	int r = hmac_data(HASH_SHA256, mac_key, data, MAC_OFFSET, mac);

	if (r < 0)
		return r;
	return mac_equal(mac, data + MAC_OFFSET, sizeof(mac)) ? 0 : -EKEYREJECTED;
}
