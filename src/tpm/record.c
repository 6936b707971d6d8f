/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "base/error.h"
#include "tpm/internal.h"

#include <string.h>

/*
 * What the NV index holds, little-endian: magic (8 bytes), version, state, epoch (64 bits), LUKS
 * UUID (16 bytes), fingerprint (32 bytes), bank, PCR mask, then the values of the PCRs in the mask
 * in the order of their numbers.
 */
#define VERSION 1

static const uint8_t magic[8] = "cvmroot";

int tpm_record_encode(const struct tpm_record *record, struct writer *writer)
{
	const struct tpm_pcr_values *values = &record->sealed_values;

	writer_bytes(writer, magic, sizeof(magic));
	writer_le32(writer, VERSION);
	writer_le32(writer, (uint32_t)record->state);
	writer_le64(writer, record->epoch);
	writer_bytes(writer, record->luks_uuid, sizeof(record->luks_uuid));
	writer_bytes(writer, record->fingerprint, sizeof(record->fingerprint));
	writer_le32(writer, (uint32_t)values->bank);
	writer_le32(writer, values->mask);
	for (unsigned int pcr = 0; pcr < TPM_PCR_COUNT; pcr++)
		if (values->mask & 1U << pcr)
			writer_bytes(writer, values->values[pcr], hash_size(values->bank));
	if (writer->error == 0 && writer->size > RECORD_SIZE_MAX)
		return fail(-E2BIG, "the TPM record of so many PCRs in bank %s is too long",
			    hash_name(values->bank));
	return writer->error;
}

size_t tpm_record_size(const struct tpm_binding *binding)
{
	uint32_t mask = tpm_binding_mask(binding);

	return RECORD_SIZE_MIN + (size_t)__builtin_popcount(mask) * hash_size(binding->bank);
}

static int read_values(struct reader *reader, struct tpm_pcr_values *ret)
{
	uint32_t bank;

	if (reader_le32(reader, &bank) < 0 || reader_le32(reader, &ret->mask) < 0 ||
	    bank >= HASH_ALGORITHMS || ret->mask >= 1U << TPM_PCR_COUNT)
		return -EBADMSG;
	ret->bank = (enum hash_algorithm)bank;
	for (unsigned int pcr = 0; pcr < TPM_PCR_COUNT; pcr++)
		if (ret->mask & 1U << pcr &&
		    reader_bytes(reader, ret->values[pcr], hash_size(ret->bank)) < 0)
			return -EBADMSG;
	return 0;
}

static int read_record(struct reader *reader, struct tpm_record *ret)
{
	uint8_t start[sizeof(magic)];
	uint32_t version, state;

	if (reader_bytes(reader, start, sizeof(start)) < 0 || reader_le32(reader, &version) < 0 ||
	    reader_le32(reader, &state) < 0 || reader_le64(reader, &ret->epoch) < 0 ||
	    reader_bytes(reader, ret->luks_uuid, sizeof(ret->luks_uuid)) < 0 ||
	    reader_bytes(reader, ret->fingerprint, sizeof(ret->fingerprint)) < 0 ||
	    memcmp(start, magic, sizeof(magic)) != 0)
		return -EBADMSG;
	if (version != VERSION)
		return -EOPNOTSUPP;
	if (state != RECORD_CONVERTING && state != RECORD_DONE)
		return -EBADMSG;
	ret->state = (enum tpm_record_state)state;
	if (read_values(reader, &ret->sealed_values) < 0)
		return -EBADMSG;
	return reader_end(reader);
}

int tpm_record_decode(const void *data, size_t size, struct tpm_record *ret)
{
	struct reader reader = reader_init(data, size);
	struct tpm_record record = {};
	int r = read_record(&reader, &record);

	if (r == -EOPNOTSUPP)
		return fail(r, "the TPM record has a version that this cvmroot does not know");
	if (r < 0)
		return fail(r, "the TPM record is malformed");
	*ret = record;
	return 0;
}
