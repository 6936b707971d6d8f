/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "base/codec.h"
#include "base/error.h"
#include "base/json.h"
#include "crypto/hash.h"
#include "tee/tdx_quote.h"
#include "verify/internal.h"

#include <string.h>

#define VERSION 1

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

/* One without items accepts nothing: somebody made it by mistake. @size: bytes of each in hex. */
static int check_list(json_t *list, enum item item, size_t size)
{
	json_t *value;
	size_t i;

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
		if (r == 0 && fetch)
			r = check_list(fetch, ITEM_HEX, size);
		if (r == 0 && booted)
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

/* Lists, with the section of the file that they are in. */
static const struct list {
	const char *section, *name;
	enum item item;
	uint8_t size; /* of each item in hex */
	uint8_t offset;
} lists[] = {
#define LIST(section, name, item, size, member)                                                    \
	{                                                                                          \
		section, name, item, size, offsetof(struct reference, member)                      \
	}
	LIST("tdx", "mrtd", ITEM_HEX, LAUNCH_SIZE, mrtd),
	LIST("snp", "measurement", ITEM_HEX, LAUNCH_SIZE, measurement),
	LIST("snp", "vmpl", ITEM_NUMBER, 0, vmpl),
	LIST("events", "config", ITEM_HEX, HASH_SHA256_SIZE, config),
	LIST("events", "manifest", ITEM_HEX, HASH_SHA256_SIZE, manifest),
	LIST("events", "providers", ITEM_TEXT, 0, providers),
	LIST("events", "how", ITEM_TEXT, 0, how),
	LIST("events", "epoch", ITEM_NUMBER, 0, epoch),
	LIST("volume", "uuid", ITEM_TEXT, 0, uuid),
	LIST("", "tee", ITEM_TEXT, 0, tee),
	LIST("", "attestation-keys", ITEM_TEXT, 0, attestation_keys),
#undef LIST
};

static bool is(const char *section, const char *name, const char *wanted_section,
	       const char *wanted_name)
{
	return strcmp(section, wanted_section) == 0 && strcmp(name, wanted_name) == 0;
}

static int read_list(const char *section, const char *name, json_t *value, struct reference *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
		if (is(section, name, lists[i].section, lists[i].name)) {
			memcpy((char *)ret + lists[i].offset, &value, sizeof(value));
			return check_list(value, lists[i].item, lists[i].size);
		}
	return -EBADMSG;
}

static int read_member(const char *section, const char *name, json_t *value, struct reference *ret)
{
	if (is(section, name, "snp", "kernel-hashes")) {
		ret->kernel_hashes = json_is_true(value);
		return json_is_boolean(value) ? 0 : -EBADMSG;
	}
	if (json_is_array(value))
		return read_list(section, name, value, ret);
	if (!json_is_object(value))
		return -EBADMSG;
	if (is(section, name, "", "pcrs")) {
		ret->pcrs = value;
		return check_banks(value, true);
	}
	/* How registers come to be what they are: for people and other programs. */
	if (is(section, name, "", "steps"))
		return 0;
	if (is(section, name, "tdx", "rtmrs")) {
		ret->rtmrs = value;
		return check_registers(value, TDX_RTMR_COUNT, LAUNCH_SIZE);
	}
	if (!is(section, name, "volume", "volume-key"))
		return -EBADMSG;
	ret->volume_key = value;
	return check_banks(value, false);
}

static bool is_section(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
		if (strcmp(lists[i].section, name) == 0)
			return true;
	return false;
}

static int read_section(const char *section, json_t *object, struct reference *ret)
{
	const char *name;
	json_t *value;
	int r;

	json_object_foreach (object, name, value) {
		r = read_member(section, name, value, ret);
		if (r < 0)
			return r;
	}
	return 0;
}

static int read_members(struct reference *ret)
{
	const char *name;
	json_t *value;
	int r;

	if (json_integer_value(json_object_get(ret->json, "cvmroot-reference")) != VERSION)
		return -EBADMSG;
	json_object_foreach (ret->json, name, value) {
		if (strcmp(name, "cvmroot-reference") == 0)
			continue;
		r = name[0] != '\0' && json_is_object(value) && is_section(name)
			    ? read_section(name, value, ret)
			    : read_member("", name, value, ret);
		if (r < 0)
			return r;
	}
	return 0;
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
