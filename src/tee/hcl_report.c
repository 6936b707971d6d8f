/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "tee/hcl_report.h"
#include "base/codec.h"
#include "base/error.h"
#include "base/json.h"
#include "base/reader.h"
#include "crypto/hash.h"
#include "crypto/rsa.h"

#include <string.h>

/* Header, room for the hardware's report, then how to read the JSON that follows. */
#define HEADER_SIZE   32
#define HARDWARE_SIZE 1184
#define MAGIC	      "HCLA"

#define HASH_TYPE_SHA256 1
#define JSON_LIMIT	 (16 * KIB)

/* Where the hardware's reports hold the report data. */
#define SNP_REPORT_DATA 0x50
#define TDX_REPORT_DATA 128

struct parts {
	const uint8_t *hardware;
	uint32_t type, hash_type;
	const uint8_t *json;
	uint32_t json_size;
};

/* Sizes that the header repeats are passed over: the JSON's own is enough. */
static int read_head(struct reader *reader, struct parts *ret)
{
	const uint8_t *header;

	if (reader_borrow(reader, HEADER_SIZE, &header) < 0 ||
	    memcmp(header, MAGIC, strlen(MAGIC)) != 0 ||
	    reader_borrow(reader, HARDWARE_SIZE, &ret->hardware) < 0 ||
	    reader_skip(reader, 4 + 4) < 0 || reader_le32(reader, &ret->type) < 0 ||
	    reader_le32(reader, &ret->hash_type) < 0 || reader_le32(reader, &ret->json_size) < 0)
		return -EBADMSG;
	return 0;
}

int hcl_report_is(const void *data, size_t size, enum hcl_type type)
{
	struct reader reader = reader_init(data, size);
	struct parts parts;

	return read_head(&reader, &parts) == 0 && parts.type == (uint32_t)type;
}

static int read_parts(const void *data, size_t size, struct parts *ret)
{
	struct reader reader = reader_init(data, size);

	if (read_head(&reader, ret) < 0 || ret->json_size > JSON_LIMIT ||
	    reader_borrow(&reader, ret->json_size, &ret->json) < 0)
		return fail(-EBADMSG, "the report of Azure's paravisor is malformed");
	if (ret->type != HCL_SNP && ret->type != HCL_TDX)
		return fail(
			-EOPNOTSUPP,
			"the report of Azure's paravisor is of kind %u, neither SEV-SNP nor TDX",
			ret->type);
	if (ret->hash_type != HASH_TYPE_SHA256)
		return fail(-EOPNOTSUPP,
			    "the report of Azure's paravisor uses hash %u, which is "
			    "not SHA-256",
			    ret->hash_type);
	return 0;
}

/* Does the hardware vouch for the JSON? */
static int check_binding(const struct parts *parts)
{
	size_t at = parts->type == HCL_SNP ? SNP_REPORT_DATA : TDX_REPORT_DATA;
	uint8_t digest[HASH_SHA256_SIZE];
	int r = hash_data(HASH_SHA256, parts->json, parts->json_size, digest);

	if (r < 0)
		return r;
	if (memcmp(parts->hardware + at, digest, sizeof(digest)) != 0)
		return fail(-EKEYREJECTED, "the hardware's report does not vouch for the report of "
					   "Azure's paravisor around it");
	return 0;
}

/* A big-endian number; none at all is 0, which is no exponent. */
static uint32_t exponent_value(const uint8_t data[static 4], size_t size)
{
	uint32_t value = 0;

	for (size_t i = 0; i < size; i++)
		value = value << 8 | data[i];
	return value;
}

static int read_base64url(json_t *text, uint8_t *ret, size_t capacity, size_t *ret_size)
{
	return base64url_decode(json_string_value(text), json_string_length(text), ret, capacity,
				ret_size);
}

/* An RSA key as JWK (RFC 7517). */
static int read_key(json_t *jwk, struct hcl_report *report)
{
	uint8_t modulus[RSA_MODULUS_MAX_SIZE], exponent[4];
	json_t *type = NULL, *n = NULL, *e = NULL;
	const struct json_member table[] = {
		{"kty", JSON_STRING, true, &type},
		{"n", JSON_STRING, true, &n},
		{"e", JSON_STRING, true, &e},
	};
	size_t modulus_size, exponent_size;

	if (json_read_object(jwk, table, ARRAY_SIZE(table), false) < 0 ||
	    strcmp(json_string_value(type), "RSA") != 0 ||
	    read_base64url(n, modulus, sizeof(modulus), &modulus_size) < 0 ||
	    read_base64url(e, exponent, sizeof(exponent), &exponent_size) < 0)
		return -EBADMSG;
	return rsa_public_encode(modulus, modulus_size, exponent_value(exponent, exponent_size),
				 &report->ak, &report->ak_size);
}

static int find_key(json_t *keys, struct hcl_report *report)
{
	json_t *key;
	size_t i;

	json_array_foreach (keys, i, key) {
		const char *id = json_string_value(json_object_get(key, "kid"));

		if (id && strcmp(id, "HCLAkPub") == 0)
			return read_key(key, report);
	}
	return -EBADMSG;
}

static int read_user_data(json_t *text, struct hcl_report *report)
{
	size_t size = json_string_length(text) / 2;

	if (!text)
		return 0;
	if (size > sizeof(report->user_data) ||
	    hex_decode(json_string_value(text), json_string_length(text), report->user_data, size) <
		    0)
		return -EBADMSG;
	report->user_data_size = size;
	return 0;
}

/* The paravisor's text says more, and each release something new. */
static int read_json(const struct parts *parts, struct hcl_report *report)
{
	cleanup(json_decrefp) json_t *json = NULL;
	json_t *keys = NULL, *user_data = NULL;
	const struct json_member table[] = {
		{"keys", JSON_ARRAY, true, &keys},
		{"user-data", JSON_STRING, false, &user_data},
	};
	int r = json_parse((const char *)parts->json, parts->json_size, JSON_LIMIT, &json);

	if (r == 0)
		r = json_read_object(json, table, ARRAY_SIZE(table), false);
	if (r == 0)
		r = read_user_data(user_data, report);
	if (r == 0)
		r = find_key(keys, report);
	if (r == -ENOMEM || r == 0)
		return r;
	return fail(-EBADMSG, "the runtime data in the report of Azure's paravisor is malformed");
}

int hcl_report_parse(const void *data, size_t size, struct hcl_report *ret)
{
	struct hcl_report report = {};
	struct parts parts = {};
	int r = read_parts(data, size, &parts);

	if (r == 0)
		r = check_binding(&parts);
	if (r == 0)
		r = read_json(&parts, &report);
	if (r < 0)
		return r;
	report.type = (enum hcl_type)parts.type;
	report.hardware = parts.hardware;
	report.hardware_size = report.type == HCL_SNP ? HCL_SNP_REPORT_SIZE : HCL_TDREPORT_SIZE;
	*ret = report;
	return 0;
}

void hcl_report_done(struct hcl_report *report)
{
	free(report->ak);
	*report = (struct hcl_report){};
}
