/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "disk/device/mapping.h"

#include "base/error.h"

#include <string.h>

#define CIPHER		 "aes-xts-plain64"
#define CIPHER_KEY_SIZE	 64
#define KEYRING_PREFIX	 ":64:logon:cryptsetup:"
#define KEYRING_SUFFIX	 "-d0" /* the only digest */
#define SECTOR_SIZE_WORD "sector_size:"
#define DEFAULT_SECTOR	 512

static int refuse(const char *reason)
{
	return fail(-EKEYREJECTED, "the kernel's mapping is not the one that was asked for: %s",
		    reason);
}

/* The next word, up to a single space or the end. */
static int next_word(const char **cursor, const char **ret, size_t *ret_size)
{
	size_t size = strcspn(*cursor, " ");

	if (size == 0)
		return -EBADMSG;
	*ret = *cursor;
	*ret_size = size;
	*cursor += size;
	/* A space is there to separate: something has to follow it. */
	if (**cursor == ' ' && *++*cursor == '\0')
		return -EBADMSG;
	return 0;
}

static int parse_decimal(const char *text, size_t size, uint64_t *ret)
{
	uint64_t number = 0;

	if (size == 0 || (text[0] == '0' && size > 1))
		return -EBADMSG;
	for (size_t i = 0; i < size; i++)
		if (text[i] < '0' || text[i] > '9' || __builtin_mul_overflow(number, 10, &number) ||
		    __builtin_add_overflow(number, (uint64_t)(text[i] - '0'), &number))
			return -EBADMSG;
	*ret = number;
	return 0;
}

static int next_decimal(const char **cursor, uint64_t *ret)
{
	const char *word;
	size_t size;
	int r = next_word(cursor, &word, &size);

	return r < 0 ? r : parse_decimal(word, size, ret);
}

/* "MAJOR:MINOR" */
static int next_device(const char **cursor, unsigned int *ret_major, unsigned int *ret_minor)
{
	uint64_t device_major, device_minor;
	const char *word, *colon;
	size_t size;
	int r = next_word(cursor, &word, &size);

	if (r < 0)
		return r;
	colon = memchr(word, ':', size);
	if (!colon || parse_decimal(word, (size_t)(colon - word), &device_major) < 0 ||
	    parse_decimal(colon + 1, (size_t)(word + size - colon - 1), &device_minor) < 0 ||
	    device_major > UINT32_MAX || device_minor > UINT32_MAX)
		return -EBADMSG;
	*ret_major = (unsigned int)device_major;
	*ret_minor = (unsigned int)device_minor;
	return 0;
}

/* Nothing, or "1 sector_size:BYTES". */
static int parse_options(const char *cursor, uint32_t *ret_sector_size)
{
	const size_t prefix = strlen(SECTOR_SIZE_WORD);
	uint64_t count, sector_size;
	const char *word;
	size_t size;

	if (*cursor == '\0') {
		*ret_sector_size = DEFAULT_SECTOR;
		return 0;
	}
	if (next_decimal(&cursor, &count) < 0 || count != 1 ||
	    next_word(&cursor, &word, &size) < 0 || *cursor != '\0')
		return -EBADMSG;
	if (size < prefix || memcmp(word, SECTOR_SIZE_WORD, prefix) != 0 ||
	    parse_decimal(word + prefix, size - prefix, &sector_size) < 0 ||
	    sector_size > UINT32_MAX)
		return -EBADMSG;
	*ret_sector_size = (uint32_t)sector_size;
	return 0;
}

int mapping_crypt_parse(const char *parameters, struct mapping_crypt *ret)
{
	struct mapping_crypt crypt = {};
	const char *cursor = parameters;

	if (next_word(&cursor, &crypt.cipher, &crypt.cipher_size) < 0 ||
	    next_word(&cursor, &crypt.key, &crypt.key_size) < 0 ||
	    next_decimal(&cursor, &crypt.iv_offset) < 0 ||
	    next_device(&cursor, &crypt.major, &crypt.minor) < 0 ||
	    next_decimal(&cursor, &crypt.offset) < 0 ||
	    parse_options(cursor, &crypt.sector_size) < 0)
		return -EBADMSG;
	*ret = crypt;
	return 0;
}

static bool word_is(const char *word, size_t size, const char *expected)
{
	return size == strlen(expected) && memcmp(word, expected, size) == 0;
}

/* By the name that libcryptsetup gives the key: it holds the UUID and the digest. */
static bool keyring_key_is(const struct mapping_crypt *crypt, const uint8_t *uuid)
{
	char expected[sizeof(KEYRING_PREFIX) + UUID_TEXT_SIZE + sizeof(KEYRING_SUFFIX)];
	char text[UUID_TEXT_SIZE];

	uuid_encode(uuid, text);
	snprintf(expected, sizeof(expected), KEYRING_PREFIX "%s" KEYRING_SUFFIX, text);
	return word_is(crypt->key, crypt->key_size, expected);
}

static int check_hex_key(const struct mapping_crypt *crypt, const struct secret *volume_key)
{
	cleanup(secret_freep) struct secret *live = NULL;
	int r = secret_new(CIPHER_KEY_SIZE, &live);

	if (r < 0)
		return r;
	if (hex_decode(crypt->key, crypt->key_size, live->data, live->size) < 0 ||
	    !secret_equal(live, volume_key))
		return refuse("it uses another key");
	return 0;
}

static int check_key(const struct mapping_crypt *crypt, const struct mapping_expected *expected)
{
	if (crypt->key[0] != ':')
		return check_hex_key(crypt, expected->volume_key);
	return keyring_key_is(crypt, expected->uuid) ? 0 : refuse("it uses another keyring key");
}

int mapping_check(const struct mapping_target *targets, size_t targets_count,
		  const struct mapping_expected *expected)
{
	struct mapping_crypt crypt;

	if (targets_count != 1 || strcmp(targets[0].type, "crypt") != 0)
		return refuse("it is not exactly one crypt target");
	if (targets[0].start != 0 || targets[0].length != expected->length)
		return refuse("it does not span the whole device");
	if (mapping_crypt_parse(targets[0].parameters, &crypt) < 0)
		return refuse("its parameters are not understood, or ask for something more");
	if (!word_is(crypt.cipher, crypt.cipher_size, CIPHER))
		return refuse("its cipher is not " CIPHER);
	if (crypt.iv_offset != 0)
		return refuse("its sectors are not counted from zero");
	if (crypt.major != expected->major || crypt.minor != expected->minor)
		return refuse("it lies on another device");
	if (crypt.offset != expected->offset)
		return refuse("its data begin at another offset");
	if (crypt.sector_size != expected->sector_size)
		return refuse("its sector size differs");
	return check_key(&crypt, expected);
}
