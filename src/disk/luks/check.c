/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "disk/luks/json.h"

#include "base/error.h"
#include "disk/device/partition.h"

#include <string.h>

/*
 * The allow-list, in the terms of the LUKS2 on-disk format specification. The disk belongs to the
 * attacker: a header passes only in the shape that we make, plus what stock cryptsetup and
 * systemd-cryptenroll do to it when the owner adds or removes a keyslot. Every object is read by a
 * table of its members and any other member refuses the header. No value of the disk goes into a
 * sentence but checked numbers.
 */

/* Ceilings of a KDF's cost, checked before any KDF runs. cryptsetup's two-second benchmark gives
 * 4.5 million iterations on a fast processor of 2024. */
#define PBKDF2_ITERATIONS_MIN 1000
#define PBKDF2_ITERATIONS_MAX 10000000
#define ARGON2_MEMORY_MIN     32			/* KiB */
#define ARGON2_MEMORY_MAX     ((json_int_t)1024 * 1024) /* KiB: 1 GiB */
#define ARGON2_CPUS_MAX	      4
#define ARGON2_WORK_MAX	      (10 * ARGON2_MEMORY_MAX) /* passes x KiB */
#define AF_STRIPES	      4000
#define SALT_SIZE	      32

/* "sha256" or "sha512"; 0 for any other. */
static size_t known_hash_size(const json_t *value)
{
	if (luks_text_is(value, "sha256"))
		return 32;
	return luks_text_is(value, "sha512") ? 64 : 0;
}

static int check_af(json_t *af, struct luks_place place)
{
	json_t *type, *stripes, *hash;
	const struct json_member table[] = {
		{"type", JSON_STRING, true, &type},
		{"stripes", JSON_INTEGER, true, &stripes},
		{"hash", JSON_STRING, true, &hash},
	};
	int r = luks_read_members(af, table, ARRAY_SIZE(table), place);

	if (r < 0)
		return r;
	if (!luks_text_is(type, "luks1") || !luks_integer_is(stripes, AF_STRIPES))
		return luks_refuse(place, "does not use luks1 with %d stripes as its splitter",
				   AF_STRIPES);
	if (known_hash_size(hash) == 0)
		return luks_refuse(place, "has a splitter hash other than sha256 and sha512");
	return 0;
}

/* Only the place on the disk comes from the header; all else is fixed. */
static int check_area(json_t *area, struct luks_place place, uint64_t *ret_offset)
{
	json_t *type, *offset, *size, *encryption, *key_size;
	const struct json_member table[] = {
		{"type", JSON_STRING, true, &type},
		{"offset", JSON_STRING, true, &offset},
		{"size", JSON_STRING, true, &size},
		{"encryption", JSON_STRING, true, &encryption},
		{"key_size", JSON_INTEGER, true, &key_size},
	};
	uint64_t start;
	int r = luks_read_members(area, table, ARRAY_SIZE(table), place);

	if (r < 0)
		return r;
	if (!luks_text_is(type, "raw"))
		return luks_refuse(place, "has an area that is not raw");
	if (!luks_text_is(encryption, LUKS_CIPHER) ||
	    !luks_integer_is(key_size, LUKS_VOLUME_KEY_SIZE))
		return luks_refuse(place,
				   "is not encrypted with " LUKS_CIPHER " and a 512-bit key");
	if (!luks_decimal_is(size, LUKS_AREA_SIZE))
		return luks_refuse(place, "has an area of another size than %u bytes",
				   (unsigned int)LUKS_AREA_SIZE);
	if (json_decimal_string(offset, &start) < 0 || !IS_ALIGNED(start, 4096) ||
	    start < LUKS_AREAS_OFFSET || start > LUKS_HEADER_SIZE - LUKS_AREA_SIZE)
		return luks_refuse(place, "has an area outside of the keyslots area");
	*ret_offset = start;
	return 0;
}

static int check_pbkdf2(json_t *kdf, struct luks_place place)
{
	json_t *hash, *iterations, *salt;
	const struct json_member table[] = {
		{"type", JSON_STRING, true, NULL},
		{"hash", JSON_STRING, true, &hash},
		{"iterations", JSON_INTEGER, true, &iterations},
		{"salt", JSON_STRING, true, &salt},
	};
	int r = luks_read_members(kdf, table, ARRAY_SIZE(table), place);

	if (r < 0)
		return r;
	if (known_hash_size(hash) == 0)
		return luks_refuse(place, "has a KDF hash other than sha256 and sha512");
	if (!luks_integer_in(iterations, PBKDF2_ITERATIONS_MIN, PBKDF2_ITERATIONS_MAX))
		return luks_refuse(place, "has a pbkdf2 cost outside of %d to %d iterations",
				   PBKDF2_ITERATIONS_MIN, PBKDF2_ITERATIONS_MAX);
	if (!luks_base64_is(salt, SALT_SIZE))
		return luks_refuse(place, "has a KDF salt that is not 32 bytes");
	return 0;
}

static int check_argon2(json_t *kdf, struct luks_place place)
{
	json_t *time, *memory, *cpus, *salt;
	const struct json_member table[] = {
		{"type", JSON_STRING, true, NULL},	 {"time", JSON_INTEGER, true, &time},
		{"memory", JSON_INTEGER, true, &memory}, {"cpus", JSON_INTEGER, true, &cpus},
		{"salt", JSON_STRING, true, &salt},
	};
	int r = luks_read_members(kdf, table, ARRAY_SIZE(table), place);

	if (r < 0)
		return r;
	if (!luks_integer_in(memory, ARGON2_MEMORY_MIN, ARGON2_MEMORY_MAX))
		return luks_refuse(place, "has an argon2 cost of more than 1 GiB or below 32 KiB");
	if (!luks_integer_in(cpus, 1, ARGON2_CPUS_MAX))
		return luks_refuse(place, "has an argon2 cost of more than %d lanes",
				   ARGON2_CPUS_MAX);
	if (!luks_integer_in(time, 1, ARGON2_WORK_MAX / json_integer_value(memory)))
		return luks_refuse(place, "has an argon2 cost of too many passes");
	if (!luks_base64_is(salt, SALT_SIZE))
		return luks_refuse(place, "has a KDF salt that is not 32 bytes");
	return 0;
}

static int check_kdf(json_t *kdf, struct luks_place place)
{
	json_t *type = json_object_get(kdf, "type");

	if (luks_text_is(type, "pbkdf2"))
		return check_pbkdf2(kdf, place);
	if (luks_text_is(type, "argon2id") || luks_text_is(type, "argon2i"))
		return check_argon2(kdf, place);
	return luks_refuse(place, "has a KDF other than pbkdf2, argon2i and argon2id");
}

static int check_keyslot(json_t *keyslot, struct luks_place place, uint64_t *ret_offset)
{
	json_t *type, *key_size, *af, *area, *kdf, *priority = NULL;
	const struct json_member table[] = {
		{"type", JSON_STRING, true, &type}, {"key_size", JSON_INTEGER, true, &key_size},
		{"af", JSON_OBJECT, true, &af},	    {"area", JSON_OBJECT, true, &area},
		{"kdf", JSON_OBJECT, true, &kdf},   {"priority", JSON_INTEGER, false, &priority},
	};
	int r = luks_read_members(keyslot, table, ARRAY_SIZE(table), place);

	if (r < 0)
		return r;
	if (!luks_text_is(type, "luks2") || !luks_integer_is(key_size, LUKS_VOLUME_KEY_SIZE))
		return luks_refuse(place, "is not of type luks2 with a 512-bit key");
	if (priority && !luks_integer_in(priority, 0, 2))
		return luks_refuse(place, "has a priority that is not known");
	r = check_af(af, place);
	if (r == 0)
		r = check_kdf(kdf, place);
	return r < 0 ? r : check_area(area, place, ret_offset);
}

/* Areas are of one size, so two overlap when they begin less than that apart. */
static int check_overlap(const struct luks_header *header, unsigned int number, uint32_t present)
{
	uint64_t start = header->areas[number].offset;

	for (unsigned int i = 0; i < LUKS_NUMBERS; i++) {
		uint64_t other = header->areas[i].offset;

		if ((present & 1U << i) != 0 &&
		    MAX(start, other) - MIN(start, other) < LUKS_AREA_SIZE)
			return luks_refuse((struct luks_place){"keyslot", number},
					   "has an area that overlaps that of keyslot %u", i);
	}
	return 0;
}

static int check_keyslots(struct luks_header *header, json_t *keyslots, uint32_t *ret_present)
{
	uint32_t present = 0;
	const char *key;
	json_t *keyslot;

	json_object_foreach (keyslots, key, keyslot) {
		unsigned int number;
		int r;

		if (luks_parse_number(key, &number) < 0)
			return luks_refuse_header("a keyslot has no number from 0 to 31");
		r = check_keyslot(keyslot, (struct luks_place){"keyslot", number},
				  &header->areas[number].offset);
		if (r == 0)
			r = check_overlap(header, number, present);
		if (r < 0)
			return r;
		present |= 1U << number;
	}
	if (present == 0)
		return luks_refuse_header("it has no keyslot");
	*ret_present = present;
	return 0;
}

/* The only object of its kind, by the name "0". */
static json_t *only_object(json_t *objects)
{
	return json_object_size(objects) == 1 ? json_object_get(objects, "0") : NULL;
}

static int check_segments(json_t *segments, struct luks_facts *facts)
{
	const struct luks_place place = {"segment", 0};
	json_t *type, *offset, *size, *iv_tweak, *encryption, *sector_size;
	const struct json_member table[] = {
		{"type", JSON_STRING, true, &type},
		{"offset", JSON_STRING, true, &offset},
		{"size", JSON_STRING, true, &size},
		{"iv_tweak", JSON_STRING, true, &iv_tweak},
		{"encryption", JSON_STRING, true, &encryption},
		{"sector_size", JSON_INTEGER, true, &sector_size},
	};
	json_t *segment = only_object(segments);
	int r;

	if (!segment)
		return luks_refuse_header("it does not have exactly one segment");
	r = luks_read_members(segment, table, ARRAY_SIZE(table), place);
	if (r < 0)
		return r;
	if (!luks_text_is(type, "crypt") || !luks_text_is(encryption, LUKS_CIPHER))
		return luks_refuse(place, "is not encrypted with " LUKS_CIPHER);
	if (!luks_decimal_is(offset, LUKS_DATA_OFFSET) || !luks_text_is(size, "dynamic"))
		return luks_refuse(place, "is not everything from 16 MiB to the end of the device");
	if (!luks_decimal_is(iv_tweak, 0))
		return luks_refuse(place, "does not count its sectors from zero");
	if (!luks_integer_is(sector_size, 512) && !luks_integer_is(sector_size, 4096))
		return luks_refuse(place, "has a sector size other than 512 and 4096");
	facts->data_offset = LUKS_DATA_OFFSET;
	facts->sector_size = (uint32_t)json_integer_value(sector_size);
	return 0;
}

static int check_digest_value(json_t *digest, json_t **ret_keyslots, json_t **ret_segments)
{
	const struct luks_place place = {"digest", 0};
	json_t *type, *hash, *iterations, *salt, *value;
	const struct json_member table[] = {
		{"type", JSON_STRING, true, &type},
		{"keyslots", JSON_ARRAY, true, ret_keyslots},
		{"segments", JSON_ARRAY, true, ret_segments},
		{"hash", JSON_STRING, true, &hash},
		{"iterations", JSON_INTEGER, true, &iterations},
		{"salt", JSON_STRING, true, &salt},
		{"digest", JSON_STRING, true, &value},
	};
	int r = luks_read_members(digest, table, ARRAY_SIZE(table), place);

	if (r < 0)
		return r;
	if (!luks_text_is(type, "pbkdf2") || known_hash_size(hash) == 0)
		return luks_refuse(place, "is not pbkdf2 with sha256 or sha512");
	if (!luks_integer_in(iterations, PBKDF2_ITERATIONS_MIN, PBKDF2_ITERATIONS_MAX))
		return luks_refuse(place, "has a pbkdf2 cost outside of %d to %d iterations",
				   PBKDF2_ITERATIONS_MIN, PBKDF2_ITERATIONS_MAX);
	if (!luks_base64_is(salt, SALT_SIZE) || !luks_base64_is(value, known_hash_size(hash)))
		return luks_refuse(place, "has a salt or value of the wrong size");
	return 0;
}

static int check_digests(json_t *digests, uint32_t keyslots_present)
{
	json_t *digest = only_object(digests), *keyslots, *segments;
	uint32_t bound, bound_segments;
	int r;

	if (!digest)
		return luks_refuse_header("it does not have exactly one digest");
	r = check_digest_value(digest, &keyslots, &segments);
	if (r < 0)
		return r;
	if (luks_read_numbers(keyslots, &bound) < 0 || bound != keyslots_present ||
	    luks_read_numbers(segments, &bound_segments) < 0 || bound_segments != 1)
		return luks_refuse((struct luks_place){"digest", 0},
				   "is not bound to every keyslot and to the segment");
	return 0;
}

static int check_config(json_t *config)
{
	json_t *json_size, *keyslots_size;
	const struct json_member table[] = {
		{"json_size", JSON_STRING, true, &json_size},
		{"keyslots_size", JSON_STRING, true, &keyslots_size},
	};

	/* The members that weaken most, by name. */
	if (json_object_get(config, "requirements"))
		return luks_refuse_header(
			"it has requirements, as a re-encryption in progress has");
	if (json_object_get(config, "flags"))
		return luks_refuse_header("it has persistent activation flags");
	if (json_read_object(config, table, ARRAY_SIZE(table), true) < 0)
		return luks_refuse_header("its config has a member missing, mistyped or not known");
	if (!luks_decimal_is(json_size, LUKS_JSON_SIZE) ||
	    !luks_decimal_is(keyslots_size, LUKS_KEYSLOTS_SIZE))
		return luks_refuse_header("its metadata and keyslots do not end at 8 MiB");
	return 0;
}

static int check_json(struct luks_header *header, uint32_t *ret_keyslots)
{
	json_t *keyslots, *tokens, *segments, *digests, *config;
	const struct json_member table[] = {
		{"keyslots", JSON_OBJECT, true, &keyslots},
		{"tokens", JSON_OBJECT, true, &tokens},
		{"segments", JSON_OBJECT, true, &segments},
		{"digests", JSON_OBJECT, true, &digests},
		{"config", JSON_OBJECT, true, &config},
	};
	uint32_t present = 0;
	int r;

	if (json_read_object(header->json, table, ARRAY_SIZE(table), true) < 0)
		return luks_refuse_header(
			"its JSON text has a section missing, mistyped or not known");
	r = check_config(config);
	if (r == 0)
		r = check_segments(segments, &header->facts);
	if (r == 0)
		r = check_keyslots(header, keyslots, &present);
	if (r == 0)
		r = check_digests(digests, present);
	if (r == 0)
		r = luks_check_tokens(header, tokens, present);
	if (r < 0)
		return r;
	*ret_keyslots = present;
	return 0;
}

/* Both copies, which must say the same. */
static int read_copies(const uint8_t *data, struct luks_metadata *ret)
{
	struct luks_metadata copies[2] = {};

	for (unsigned int i = 0; i < ARRAY_SIZE(copies); i++) {
		int r = luks_metadata_parse(data + i * LUKS_METADATA_SIZE, i, &copies[i]);

		if (r < 0)
			return r;
	}
	if (copies[0].sequence != copies[1].sequence ||
	    memcmp(copies[0].uuid, copies[1].uuid, UUID_SIZE) != 0 ||
	    copies[0].json_size != copies[1].json_size ||
	    memcmp(copies[0].json, copies[1].json, copies[0].json_size) != 0)
		return luks_refuse_header("its two copies differ");
	*ret = copies[0];
	return 0;
}

/* Keep the keyslots' bytes: from here on nothing reads the disk's header again. */
static int keep_areas(struct luks_header *header, const uint8_t *data, size_t size,
		      uint32_t keyslots)
{
	for (unsigned int i = 0; i < LUKS_NUMBERS; i++) {
		struct luks_area *area = &header->areas[i];

		if ((keyslots & 1U << i) == 0)
			continue;
		if (area->offset + LUKS_AREA_SIZE > size)
			return fail(-ENODATA, "keyslot %u lies behind the first %zu bytes", i,
				    size);
		/* analyze: -Wanalyzer-malloc-leak: each area is another one, freed by its header */
		area->data = malloc(LUKS_AREA_SIZE);
		if (!area->data)
			return -ENOMEM;
		memcpy(area->data, data + area->offset, LUKS_AREA_SIZE);
	}
	return 0;
}

int luks_header_check(const uint8_t *data, size_t size, struct luks_header **ret)
{
	cleanup(luks_header_freep) struct luks_header *header = NULL;
	struct luks_metadata metadata = {};
	uint32_t keyslots = 0;
	int r;

	if (size < LUKS_AREAS_OFFSET)
		return luks_refuse_header("there are less than 32 KiB of it");
	if (!partition_has_luks(data, size))
		return fail(-EMEDIUMTYPE, "there is no LUKS2 header on the disk");
	r = read_copies(data, &metadata);
	if (r < 0)
		return r;
	header = calloc(1, sizeof(*header));
	if (!header)
		return -ENOMEM;
	/* cryptsetup wants the text to begin at once, so an owner's tools would refuse it. */
	r = metadata.json[0] == '{'
		    ? json_parse(metadata.json, metadata.json_size, LUKS_JSON_SIZE, &header->json)
		    : -EBADMSG;
	if (r == -ENOMEM)
		return r;
	if (r < 0)
		return luks_refuse_header("its JSON text is malformed or names a member twice");
	r = check_json(header, &keyslots);
	if (r < 0)
		return r;
	header->sequence = metadata.sequence;
	memcpy(header->facts.uuid, metadata.uuid, UUID_SIZE);
	r = keep_areas(header, data, size, keyslots);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(header);
	return 0;
}

const struct luks_facts *luks_header_facts(const struct luks_header *header)
{
	return &header->facts;
}

json_t *luks_header_token(const struct luks_header *header, const char *type, size_t *cursor,
			  int *ret_slot)
{
	json_t *tokens = json_object_get(header->json, "tokens");

	/* The cursor counts (token, keyslot of its list) pairs in the order of their numbers. */
	for (; *cursor < LUKS_NUMBERS * LUKS_NUMBERS; (*cursor)++) {
		char key[4];
		json_t *token, *slot;
		unsigned int number;

		snprintf(key, sizeof(key), "%u", (unsigned int)(*cursor / LUKS_NUMBERS) & 31);
		token = json_object_get(tokens, key);
		slot = json_array_get(json_object_get(token, "keyslots"), *cursor % LUKS_NUMBERS);
		if (!slot || !luks_text_is(json_object_get(token, "type"), type) ||
		    luks_parse_number(json_string_value(slot), &number) < 0)
			continue;
		(*cursor)++;
		*ret_slot = (int)number;
		return token;
	}
	return NULL;
}

json_t *luks_header_part(const struct luks_header *header, const char *type)
{
	const char *key;
	json_t *token;

	json_object_foreach (json_object_get(header->json, "tokens"), key, token)
		if (luks_text_is(json_object_get(token, "type"), type) &&
		    json_array_size(json_object_get(token, "keyslots")) == 0)
			return token;
	return NULL;
}

void luks_header_free(struct luks_header *header)
{
	if (!header)
		return;
	for (size_t i = 0; i < LUKS_NUMBERS; i++)
		free(header->areas[i].data);
	json_decref(header->json);
	free(header);
}
