/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "base/codec.h"
#include "base/error.h"
#include "base/json.h"
#include "crypto/hash.h"
#include "verify/internal.h"

#include <string.h>

#define VERSION	   1
#define RTMR_COUNT 4

enum item {
	ITEM_TEXT,
	ITEM_NUMBER,
	ITEM_HEX,
};

static bool is_item(const json_t *value, enum item item, size_t size)
{
	uint8_t data[HASH_MAX_SIZE];

	if (item == ITEM_NUMBER)
		return json_is_integer(value) && json_integer_value(value) >= 0;
	if (!json_is_string(value) || json_string_length(value) == 0)
		return false;
	if (item == ITEM_TEXT)
		return true;
	/* One text for each digest, so that texts can be compared. */
	return !strpbrk(json_string_value(value), "ABCDEF") &&
	       hex_decode(json_string_value(value), json_string_length(value), data, size) == 0;
}

/*
 * None where the reference says nothing. One without items accepts nothing: somebody made it by
 * mistake. @size: bytes of each item in hex.
 */
static int check_list(json_t *list, enum item item, size_t size)
{
	json_t *value;
	size_t i;

	if (!list)
		return 0;
	if (!json_is_array(list) || json_array_size(list) == 0)
		return -EBADMSG;
	json_array_foreach (list, i, value)
		if (!is_item(value, item, size))
			return -EBADMSG;
	return 0;
}

/* A register's number, in decimal. */
static bool is_register(const char *name, unsigned int count)
{
	char text[4];

	for (unsigned int i = 0; i < count; i++) {
		(void)snprintf(text, sizeof(text), "%u", i);
		if (strcmp(text, name) == 0)
			return true;
	}
	return false;
}

/* {"4": {"fetch": [HEX], "booted": [HEX]}} */
static int check_registers(json_t *registers, unsigned int count, size_t size)
{
	const char *name;
	json_t *value;
	int r;

	json_object_foreach (registers, name, value) {
		json_t *fetch = NULL, *booted = NULL;
		const struct json_member table[] = {
			{"fetch", JSON_ARRAY, false, &fetch},
			{"booted", JSON_ARRAY, false, &booted},
		};

		if (!is_register(name, count))
			return -EBADMSG;
		r = json_read_object(value, table, ARRAY_SIZE(table), true);
		if (r == 0)
			r = check_list(fetch, ITEM_HEX, size);
		if (r == 0)
			r = check_list(booted, ITEM_HEX, size);
		if (r < 0)
			return r;
	}
	return 0;
}

/* A member for each bank. */
static int check_banks(json_t *object, bool registers)
{
	enum hash_algorithm bank;
	const char *name;
	json_t *value;
	int r;

	json_object_foreach (object, name, value) {
		if (hash_from_name(name, &bank) < 0 || (registers && !json_is_object(value)))
			return -EBADMSG;
		r = registers ? check_registers(value, EVENTLOG_REGISTERS, hash_size(bank))
			      : check_list(value, ITEM_HEX, hash_size(bank));
		if (r < 0)
			return r;
	}
	return 0;
}

static int read_tdx(json_t *object, struct reference *ret)
{
	const struct json_member table[] = {
		{"mrtd", JSON_ARRAY, false, &ret->mrtd},
		{"rtmrs", JSON_OBJECT, false, &ret->rtmrs},
	};
	int r = object ? json_read_object(object, table, ARRAY_SIZE(table), true) : 0;

	if (r == 0)
		r = check_list(ret->mrtd, ITEM_HEX, LAUNCH_SIZE);
	return r < 0 ? r : check_registers(ret->rtmrs, RTMR_COUNT, LAUNCH_SIZE);
}

static int read_snp(json_t *object, struct reference *ret)
{
	const struct json_member table[] = {
		{"measurement", JSON_ARRAY, false, &ret->measurement},
	};
	int r = object ? json_read_object(object, table, ARRAY_SIZE(table), true) : 0;

	return r < 0 ? r : check_list(ret->measurement, ITEM_HEX, LAUNCH_SIZE);
}

static int read_events(json_t *object, struct reference *ret)
{
	const struct json_member table[] = {
		{"config", JSON_ARRAY, false, &ret->config},
		{"manifest", JSON_ARRAY, false, &ret->manifest},
		{"providers", JSON_ARRAY, false, &ret->providers},
		{"how", JSON_ARRAY, false, &ret->how},
		{"epoch", JSON_ARRAY, false, &ret->epoch},
	};
	int r = object ? json_read_object(object, table, ARRAY_SIZE(table), true) : 0;

	if (r == 0)
		r = check_list(ret->config, ITEM_HEX, HASH_SHA256_SIZE);
	if (r == 0)
		r = check_list(ret->manifest, ITEM_HEX, HASH_SHA256_SIZE);
	if (r == 0)
		r = check_list(ret->providers, ITEM_TEXT, 0);
	if (r == 0)
		r = check_list(ret->how, ITEM_TEXT, 0);
	return r < 0 ? r : check_list(ret->epoch, ITEM_NUMBER, 0);
}

static int read_volume(json_t *object, struct reference *ret)
{
	const struct json_member table[] = {
		{"uuid", JSON_ARRAY, false, &ret->uuid},
		{"volume-key", JSON_OBJECT, false, &ret->volume_key},
	};
	int r = object ? json_read_object(object, table, ARRAY_SIZE(table), true) : 0;

	if (r == 0)
		r = check_list(ret->uuid, ITEM_TEXT, 0);
	return r < 0 ? r : check_banks(ret->volume_key, false);
}

static int read_members(struct reference *ret)
{
	json_t *version, *tdx = NULL, *snp = NULL, *events = NULL, *volume = NULL;
	const struct json_member table[] = {
		{"cvmroot-reference", JSON_INTEGER, true, &version},
		{"pcrs", JSON_OBJECT, false, &ret->pcrs},
		{"tdx", JSON_OBJECT, false, &tdx},
		{"snp", JSON_OBJECT, false, &snp},
		{"events", JSON_OBJECT, false, &events},
		{"volume", JSON_OBJECT, false, &volume},
		{"attestation-keys", JSON_ARRAY, false, &ret->attestation_keys},
	};
	int r = json_read_object(ret->json, table, ARRAY_SIZE(table), true);

	if (r < 0 || json_integer_value(version) != VERSION)
		return -EBADMSG;
	r = check_banks(ret->pcrs, true);
	if (r == 0)
		r = read_tdx(tdx, ret);
	if (r == 0)
		r = read_snp(snp, ret);
	if (r == 0)
		r = read_events(events, ret);
	if (r == 0)
		r = read_volume(volume, ret);
	return r < 0 ? r : check_list(ret->attestation_keys, ITEM_TEXT, 0);
}

int reference_read(const char *text, size_t size, struct reference *ret)
{
	cleanup(reference_done) struct reference reference = {};
	int r = json_parse(text, size, VERIFY_REFERENCE_LIMIT, &reference.json);

	if (r == 0)
		r = read_members(&reference);
	if (r == -EBADMSG || r == -E2BIG)
		return fail(r, "the reference file is %s; make it with image-tools/measure",
			    r == -E2BIG ? "too long" : "malformed, or has an empty list");
	if (r < 0)
		return r;
	*ret = reference;
	reference = (struct reference){};
	return 0;
}

void reference_done(struct reference *reference)
{
	json_decref(reference->json);
}

bool reference_lists(const json_t *list, const char *text, size_t size)
{
	json_t *item;
	size_t i;

	json_array_foreach (list, i, item)
		if (json_string_length(item) == size &&
		    memcmp(json_string_value(item), text, size) == 0)
			return true;
	return false;
}

bool reference_lists_hex(const json_t *list, const uint8_t *data, size_t size)
{
	char text[2 * HASH_MAX_SIZE + 1];

	hex_encode(data, size, text);
	return reference_lists(list, text, 2 * size);
}

bool reference_lists_number(const json_t *list, uint64_t number)
{
	json_t *item;
	size_t i;

	json_array_foreach (list, i, item)
		if ((uint64_t)json_integer_value(item) == number)
			return true;
	return false;
}
