/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "verify/snp_json.h"

#include "base/error.h"
#include "tee/bytes.h"

#include <string.h>

#define FAMILY_TURIN 0x1a

enum kind {
	BYTES,
	NUMBER,	  /* little-endian */
	OPTIONAL, /* the same, absent or null in older versions of the report */
	TCB,
	FIRMWARE,
	SIGNATURE,
};

/* SEV-SNP Firmware ABI, ATTESTATION_REPORT. */
static const struct field {
	const char *name;
	enum kind kind;
	uint16_t offset, size;
} fields[] = {
	{"version", NUMBER, 0x000, 4},
	{"guest_svn", NUMBER, 0x004, 4},
	{"policy", NUMBER, 0x008, 8},
	{"family_id", BYTES, 0x010, 16},
	{"image_id", BYTES, 0x020, 16},
	{"vmpl", NUMBER, 0x030, 4},
	{"sig_algo", NUMBER, 0x034, 4},
	{"current_tcb", TCB, 0x038, 8},
	{"plat_info", NUMBER, 0x040, 8},
	{"key_info", NUMBER, 0x048, 4},
	{"report_data", BYTES, 0x050, 64},
	{"measurement", BYTES, 0x090, 48},
	{"host_data", BYTES, 0x0c0, 32},
	{"id_key_digest", BYTES, 0x0e0, 48},
	{"author_key_digest", BYTES, 0x110, 48},
	{"report_id", BYTES, 0x140, 32},
	{"report_id_ma", BYTES, 0x160, 32},
	{"reported_tcb", TCB, 0x180, 8},
	{"cpuid_fam_id", OPTIONAL, 0x188, 1},
	{"cpuid_mod_id", OPTIONAL, 0x189, 1},
	{"cpuid_step", OPTIONAL, 0x18a, 1},
	{"chip_id", BYTES, 0x1a0, 64},
	{"committed_tcb", TCB, 0x1e0, 8},
	{"current", FIRMWARE, 0x1e8, 3},
	{"committed", FIRMWARE, 0x1ec, 3},
	{"launch_tcb", TCB, 0x1f0, 8},
	{"launch_mit_vector", OPTIONAL, 0x1f8, 8},
	{"current_mit_vector", OPTIONAL, 0x200, 8},
	{"signature", SIGNATURE, 0x2a0, 72},
};

static int put_number(const json_t *value, size_t size, uint8_t *ret)
{
	uint64_t number = (uint64_t)json_integer_value(value);

	if (!json_is_integer(value) || json_integer_value(value) < 0 ||
	    (size < 8 && number >> 8 * size != 0))
		return -EBADMSG;
	for (size_t i = 0; i < size; i++)
		ret[i] = (uint8_t)(number >> 8 * i);
	return 0;
}

static int put_bytes(json_t *array, size_t size, uint8_t *ret)
{
	cleanup(freep) uint8_t *data = NULL;
	size_t data_size;
	int r = bytes_from_json(array, size, &data, &data_size);

	if (r < 0 || data_size != size)
		return r == -ENOMEM ? r : -EBADMSG;
	memcpy(ret, data, size);
	return 0;
}

/* An object of numbers below 256, each at its place; @size members in all. */
struct part {
	const char *name;
	size_t offset;
};

static int put_parts(json_t *object, size_t size, const struct part *parts, size_t count,
		     uint8_t *ret)
{
	int r = json_object_size(object) == size ? 0 : -EBADMSG;

	for (size_t i = 0; r == 0 && i < count; i++)
		r = put_number(json_object_get(object, parts[i].name), 1, ret + parts[i].offset);
	return r;
}

static int put_tcb(json_t *object, bool turin, uint8_t *ret)
{
	static const struct part parts[] = {
		{"bootloader", 1}, {"tee", 2}, {"snp", 3}, {"microcode", 7}, {"fmc", 0}};
	static const struct part older[] = {
		{"bootloader", 0}, {"tee", 1}, {"snp", 6}, {"microcode", 7}};
	json_t *fmc = json_object_get(object, "fmc");

	if (turin)
		return put_parts(object, ARRAY_SIZE(parts), parts, ARRAY_SIZE(parts), ret);
	if (fmc && !json_is_null(fmc))
		return -EBADMSG;
	return put_parts(object, ARRAY_SIZE(older) + (fmc != NULL), older, ARRAY_SIZE(older), ret);
}

static int put_firmware(json_t *object, uint8_t *ret)
{
	static const struct part parts[] = {{"build", 0}, {"minor", 1}, {"major", 2}};

	return put_parts(object, ARRAY_SIZE(parts), parts, ARRAY_SIZE(parts), ret);
}

static int put_signature(json_t *object, size_t size, uint8_t *ret)
{
	int r = json_object_size(object) == 2 ? 0 : -EBADMSG;

	if (r == 0)
		r = put_bytes(json_object_get(object, "r"), size, ret);
	return r < 0 ? r : put_bytes(json_object_get(object, "s"), size, ret + size);
}

static int put_field(const struct field *field, json_t *value, bool turin, uint8_t *ret)
{
	uint8_t *at = ret + field->offset;

	switch (field->kind) {
	case BYTES:
		return put_bytes(value, field->size, at);
	case OPTIONAL:
		if (!value || json_is_null(value))
			return 0;
		/* fall through */
	case NUMBER:
		return put_number(value, field->size, at);
	case TCB:
		return put_tcb(value, turin, at);
	case FIRMWARE:
		return put_firmware(value, at);
	case SIGNATURE:
		return put_signature(value, field->size, at);
	}
	return -EINVAL;
}

int snp_report_from_json(json_t *json, uint8_t ret[static SNP_REPORT_SIZE])
{
	bool turin = json_integer_value(json_object_get(json, "cpuid_fam_id")) >= FAMILY_TURIN;
	size_t known = 0;
	int r = 0;

	memset(ret, 0, SNP_REPORT_SIZE);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(fields); i++) {
		json_t *value = json_object_get(json, fields[i].name);

		known += value != NULL;
		r = put_field(&fields[i], value, turin, ret);
	}
	if (r == -ENOMEM)
		return r;
	if (r < 0 || known != json_object_size(json))
		return fail(-EBADMSG, "the SNP report in the evidence is malformed");
	return 0;
}
