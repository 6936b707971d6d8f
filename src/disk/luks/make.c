/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "disk/luks/format.h"

#include "base/error.h"
#include "base/file.h"
#include "disk/luks/ram.h"

#include <string.h>

#define SECTOR_SIZE ((uint64_t)512)

static int made(int r, const char *what)
{
	if (r >= 0)
		return 0;
	return fail(r, "libcryptsetup could not make the LUKS2 header: %s: %s (%s)", what,
		    luks_ram_error(), strerror(-r));
}

/* 256 bits: stretching buys nothing. */
static const struct crypt_pbkdf_type kdf_strong = {
	.type = CRYPT_KDF_PBKDF2,
	.hash = "sha512",
	.iterations = 1000,
	.flags = CRYPT_PBKDF_NO_BENCHMARK,
};

/* Within what any machine that runs a confidential VM has; RFC 9106 §4 asks for 64 MiB or more. */
static const struct crypt_pbkdf_type kdf_short = {
	.type = CRYPT_KDF_ARGON2ID,
	.hash = "sha512",
	.iterations = 4,
	.max_memory_kb = 256 * 1024,
	.parallel_threads = 4,
	.flags = CRYPT_PBKDF_NO_BENCHMARK,
};

static int format(struct crypt_device *device, const struct luks_facts *facts,
		  const struct secret *volume_key)
{
	struct crypt_params_luks2 parameters = {
		.pbkdf = &kdf_strong,
		.label = LUKS_LABEL,
		.sector_size = facts->sector_size,
	};
	char uuid[UUID_TEXT_SIZE];
	int r;

	uuid_encode(facts->uuid, uuid);
	r = made(crypt_set_data_offset(device, LUKS_DATA_OFFSET / SECTOR_SIZE), "data offset");
	if (r < 0)
		return r;
	r = made(crypt_set_metadata_size(device, LUKS_METADATA_SIZE, LUKS_KEYSLOTS_SIZE), "sizes");
	if (r < 0)
		return r;
	return made(crypt_format(device, CRYPT_LUKS2, "aes", "xts-plain64", uuid,
				 (const char *)volume_key->data, volume_key->size, &parameters),
		    "format");
}

static int add_slot(struct crypt_device *device, int slot, const struct secret *passphrase,
		    const struct secret *volume_key)
{
	bool strong = passphrase->size >= LUKS_STRONG_PASSPHRASE;
	int r = made(crypt_set_pbkdf_type(device, strong ? &kdf_strong : &kdf_short), "KDF");

	if (r < 0)
		return r;
	return made(crypt_keyslot_add_by_volume_key(
			    device, slot, (const char *)volume_key->data, volume_key->size,
			    (const char *)passphrase->data, passphrase->size),
		    "keyslot");
}

static int set_token(struct crypt_device *device, int number, json_t *token)
{
	cleanup(freep) char *text = json_dumps(token, JSON_COMPACT);

	if (!text)
		return -ENOMEM;
	return made(crypt_token_json_set(device, number, text), "token");
}

/* The caller's token with "keyslots" filled in. */
static int add_token(struct crypt_device *device, int number, json_t *keyslots, json_t *token)
{
	cleanup(json_decrefp) json_t *list = keyslots;
	cleanup(json_decrefp) json_t *copy = json_copy(token);

	if (!list || !copy || json_object_set(copy, "keyslots", list) < 0)
		return -ENOMEM;
	return set_token(device, number, copy);
}

static int add_slot_token(struct crypt_device *device, int slot, json_t *token)
{
	char number[12];

	snprintf(number, sizeof(number), "%d", slot);
	return add_token(device, slot, json_pack("[s]", number), token);
}

static int add_mac(json_t *macs, json_t *keyslots, const struct luks_facts *facts,
		   unsigned int slot, const struct secret *passphrase,
		   const struct secret *volume_key)
{
	uint8_t mac[MAC_SIZE];
	char text[2 * MAC_SIZE + 1], number[12];
	int r = luks_mac(facts, slot, passphrase, volume_key, mac);

	if (r < 0)
		return r;
	hex_encode(mac, sizeof(mac), text);
	snprintf(number, sizeof(number), "%u", slot);
	if (json_object_set_new(macs, number, json_string(text)) < 0 ||
	    json_array_append_new(keyslots, json_string(number)) < 0)
		return -ENOMEM;
	return 0;
}

static int make_cvmroot_token(const struct luks_facts *facts, const struct secret *volume_key,
			      const struct luks_slot *slots, size_t slots_count, json_t **ret)
{
	cleanup(json_decrefp) json_t *macs = json_object();
	cleanup(json_decrefp) json_t *keyslots = json_array();
	cleanup(json_decrefp) json_t *token = NULL;
	char epoch[24];

	for (unsigned int i = 0; i < slots_count; i++) {
		int r = add_mac(macs, keyslots, facts, i, slots[i].passphrase, volume_key);

		if (r < 0)
			return r;
	}
	snprintf(epoch, sizeof(epoch), "%llu", (unsigned long long)facts->epoch);
	token = json_pack("{s:s, s:O, s:i, s:s, s:O}", "type", LUKS_TOKEN_TYPE, "keyslots",
			  keyslots, "version", LUKS_CVMROOT_VERSION, "epoch", epoch, "macs", macs);
	if (!token)
		return -ENOMEM;
	*ret = TAKE_PTR(token);
	return 0;
}

/* Numbers are in the order of adding: those of slots first, then the cvmroot one, then parts. */
static int add_parts(struct crypt_device *device, const struct luks_slot *slots, size_t slots_count)
{
	int number = (int)slots_count + 1, r = 0;

	for (size_t i = 0; i < slots_count; i++)
		for (size_t part = 0; r == 0 && part < slots[i].parts_count; part++)
			r = add_token(device, number++, json_array(), slots[i].parts[part]);
	return r;
}

static int fill(struct crypt_device *device, const struct luks_facts *facts,
		const struct secret *volume_key, const struct luks_slot *slots, size_t slots_count)
{
	cleanup(json_decrefp) json_t *token = NULL;
	int r = format(device, facts, volume_key);

	for (size_t i = 0; r == 0 && i < slots_count; i++) {
		r = add_slot(device, (int)i, slots[i].passphrase, volume_key);
		if (r == 0 && slots[i].token)
			r = add_slot_token(device, (int)i, slots[i].token);
	}
	if (r < 0)
		return r;
	r = make_cvmroot_token(facts, volume_key, slots, slots_count, &token);
	if (r == 0)
		r = set_token(device, (int)slots_count, token);
	return r < 0 ? r : add_parts(device, slots, slots_count);
}

/* The bytes, which must pass our own check: nothing is written that a later boot refuses. */
static int take_bytes(const struct ram_file *file, uint8_t **ret)
{
	cleanup(luks_header_freep) struct luks_header *header = NULL;
	cleanup(freep) uint8_t *data = malloc(LUKS_HEADER_SIZE);
	int r;

	if (!data)
		return -ENOMEM;
	r = file_pread(file->fd, data, LUKS_HEADER_SIZE, 0);
	if (r < 0)
		return fail(r, "cannot read back the LUKS2 header that was made: %s", strerror(-r));
	r = luks_header_check(data, LUKS_HEADER_SIZE, &header);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(data);
	return 0;
}

static bool arguments_make_sense(const struct luks_facts *facts, const struct secret *volume_key,
				 size_t slots_count)
{
	return facts->data_offset == LUKS_DATA_OFFSET &&
	       (facts->sector_size == 512 || facts->sector_size == 4096) &&
	       volume_key->size == LUKS_VOLUME_KEY_SIZE && slots_count > 0 &&
	       slots_count <= LUKS_SLOTS_MAX;
}

int luks_header_make(const struct luks_facts *facts, const struct secret *volume_key,
		     const struct luks_slot *slots, size_t slots_count, uint8_t **ret,
		     size_t *ret_size)
{
	cleanup(ram_file_done) struct ram_file file = {.fd = -1};
	cleanup(crypt_freep) struct crypt_device *device = NULL;
	int r;

	if (!arguments_make_sense(facts, volume_key, slots_count))
		return fail(-EINVAL, "no LUKS2 header can be made from these sizes");
	/* A little data behind the header, which libcryptsetup wants to see. */
	r = ram_file_new(LUKS_DATA_OFFSET + MIB, &file);
	if (r < 0)
		return fail(r, "no file in RAM could be made for the LUKS2 header: %s",
			    strerror(-r));
	r = made(luks_ram_open(&file, NULL, &device), "open");
	if (r < 0)
		return r;
	/* The volume key has no business in a kernel keyring before it is used. */
	crypt_volume_key_keyring(NULL, 0);
	r = fill(device, facts, volume_key, slots, slots_count);
	if (r < 0)
		return r;
	r = take_bytes(&file, ret);
	if (r < 0)
		return r;
	*ret_size = LUKS_HEADER_SIZE;
	return 0;
}
