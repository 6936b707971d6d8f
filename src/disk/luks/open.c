/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "disk/luks/format.h"

#include "base/error.h"
#include "base/file.h"
#include "crypto/volume_key.h"
#include "disk/luks/ram.h"
#include "disk/device/mapping.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define SECTOR_SIZE	  ((uint64_t)512)
#define NODE_WAIT_SECONDS 30

/* Tokens tell how to get a passphrase; opening does not need them. */
static json_t *json_to_open(const struct luks_header *header)
{
	json_t *json = json_copy(header->json);

	if (json && json_object_set_new(json, "tokens", json_object()) == 0)
		return json;
	json_decref(json);
	return NULL;
}

static int write_copies(const struct luks_metadata *metadata, int fd)
{
	cleanup(freep) uint8_t *data = malloc(LUKS_METADATA_SIZE);

	if (!data)
		return -ENOMEM;
	for (unsigned int i = 0; i < 2; i++) {
		int r = luks_metadata_write(metadata, i, data);

		if (r == 0)
			r = file_pwrite(fd, data, LUKS_METADATA_SIZE, i * LUKS_METADATA_SIZE);
		if (r < 0)
			return r;
	}
	return 0;
}

/*
 * The header that libcryptsetup gets: written anew from what was checked, never the disk's own
 * bytes, so that the two JSON parsers cannot understand it differently.
 */
static int write_header(const struct luks_header *header, int fd)
{
	cleanup(json_decrefp) json_t *json = json_to_open(header);
	cleanup(freep) char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
	struct luks_metadata metadata = {.sequence = header->sequence, .json = text};
	int r;

	if (!text)
		return -ENOMEM;
	metadata.json_size = strlen(text);
	memcpy(metadata.uuid, header->facts.uuid, UUID_SIZE);
	r = write_copies(&metadata, fd);
	for (size_t i = 0; r == 0 && i < LUKS_NUMBERS; i++)
		if (header->areas[i].data)
			r = file_pwrite(fd, header->areas[i].data, LUKS_AREA_SIZE,
					header->areas[i].offset);
	return r;
}

static int load(const struct luks_header *header, const char *device, struct ram_file *file,
		struct crypt_device **ret)
{
	cleanup(crypt_freep) struct crypt_device *crypt = NULL;
	int r = ram_file_new(LUKS_DATA_OFFSET + MIB, file);

	if (r == 0)
		r = write_header(header, file->fd);
	if (r < 0)
		return fail(r, "the LUKS2 header could not be copied to RAM: %s", strerror(-r));
	r = luks_ram_open(file, device, &crypt);
	if (r == 0)
		r = crypt_load(crypt, CRYPT_LUKS2, NULL);
	if (r < 0)
		return fail(r, "libcryptsetup could not load the LUKS2 header: %s (%s)",
			    luks_ram_error(), strerror(-r));
	*ret = TAKE_PTR(crypt);
	return 0;
}

static int get_volume_key(const struct luks_header *header, int slot,
			  const struct secret *passphrase, struct secret **ret)
{
	cleanup(ram_file_done) struct ram_file file = {.fd = -1};
	cleanup(crypt_freep) struct crypt_device *crypt = NULL;
	cleanup(secret_freep) struct secret *key = NULL;
	size_t size = LUKS_VOLUME_KEY_SIZE;
	int r = secret_new(size, &key);

	if (r < 0)
		return r;
	r = load(header, NULL, &file, &crypt);
	if (r < 0)
		return r;
	crypt_volume_key_keyring(NULL, 0);
	r = crypt_volume_key_get(crypt, slot, (char *)key->data, &size,
				 (const char *)passphrase->data, passphrase->size);
	if (r == -EPERM || (r >= 0 && size != LUKS_VOLUME_KEY_SIZE))
		return fail(-EKEYREJECTED, "the passphrase does not open keyslot %d", slot);
	if (r < 0)
		return fail(r, "libcryptsetup could not open keyslot %d: %s (%s)", slot,
			    luks_ram_error(), strerror(-r));
	*ret = TAKE_PTR(key);
	return 0;
}

static int check_mac(const struct luks_header *header, unsigned int slot,
		     const struct secret *passphrase, const struct secret *volume_key,
		     const struct luks_facts *facts)
{
	uint8_t mac[MAC_SIZE];
	int r = luks_mac(facts, slot, passphrase, volume_key, mac);

	if (r < 0)
		return r;
	if (!mac_equal(mac, header->macs[slot], MAC_SIZE))
		return fail(-EKEYREJECTED,
			    "the MAC of keyslot %u does not hold: the LUKS2 header was changed, or "
			    "this is not the disk that it was made for",
			    slot);
	return 0;
}

int luks_header_unlock(const struct luks_header *header, int slot, const struct secret *passphrase,
		       const char *name, struct luks_facts *ret_facts,
		       struct secret **ret_volume_key)
{
	cleanup(secret_freep) struct secret *volume_key = NULL;
	struct luks_facts facts = header->facts;
	int r;

	if (slot < 0 || slot >= LUKS_NUMBERS || !header->areas[slot].data)
		return fail(-EKEYREJECTED, "the LUKS2 header has no keyslot %d", slot);
	if (!header->has_mac[slot])
		return fail(-EKEYREJECTED,
			    "keyslot %d was not made by cvmroot: the header holds no MAC for it",
			    slot);
	r = get_volume_key(header, slot, passphrase, &volume_key);
	if (r < 0)
		return r;
	r = volume_key_digest(HASH_SHA256, volume_key, name, facts.uuid, facts.fingerprint);
	if (r == 0)
		r = check_mac(header, (unsigned int)slot, passphrase, volume_key, &facts);
	if (r < 0)
		return r;
	*ret_facts = facts;
	*ret_volume_key = TAKE_PTR(volume_key);
	return 0;
}

/* The table that the kernel must have in the end, from the device itself and the checked header. */
static int expect_mapping(const struct luks_header *header, const char *device,
			  const struct secret *volume_key, struct mapping_expected *ret)
{
	cleanup(closep) int fd = open(device, O_RDONLY | O_CLOEXEC);
	const struct luks_facts *facts = &header->facts;
	struct stat status;
	uint64_t size;
	int r;

	if (fd < 0 || fstat(fd, &status) < 0)
		return fail(-errno, "%s cannot be opened: %s", device, strerror(errno));
	r = S_ISBLK(status.st_mode) ? file_size(fd, &size) : -EMEDIUMTYPE;
	if (r < 0)
		return fail(r, "%s is not a block device of a known size", device);
	if (size <= facts->data_offset || size % facts->sector_size != 0)
		return fail(-EMEDIUMTYPE,
			    "%s has %llu bytes, which is too small or not a multiple of the LUKS "
			    "sector size, %u: change the partition's size",
			    device, (unsigned long long)size, facts->sector_size);
	*ret = (struct mapping_expected){
		.volume_key = volume_key,
		.length = (size - facts->data_offset) / SECTOR_SIZE,
		.offset = facts->data_offset / SECTOR_SIZE,
		.sector_size = facts->sector_size,
		.major = major(status.st_rdev),
		.minor = minor(status.st_rdev),
	};
	memcpy(ret->uuid, facts->uuid, UUID_SIZE);
	return 0;
}

static int activate(const struct luks_header *header, const char *device, const char *name,
		    const struct secret *volume_key)
{
	cleanup(ram_file_done) struct ram_file file = {.fd = -1};
	cleanup(crypt_freep) struct crypt_device *crypt = NULL;
	int r = load(header, device, &file, &crypt);

	if (r < 0)
		return r;
	/* By the keyring where there is one: then the live table does not show the key. */
	crypt_volume_key_keyring(NULL, 1);
	r = crypt_activate_by_volume_key(crypt, name, (const char *)volume_key->data,
					 volume_key->size, 0);
	if (r == -EPERM)
		r = -EKEYREJECTED;
	if (r < 0)
		return fail(r, "%s could not be opened as /dev/mapper/%s: %s (%s)", device, name,
			    luks_ram_error(), strerror(-r));
	return 0;
}

int luks_header_activate(const struct luks_header *header, const char *device, const char *name,
			 const struct secret *volume_key)
{
	struct mapping_expected expected;
	int r = expect_mapping(header, device, volume_key, &expected);

	if (r < 0)
		return r;
	r = activate(header, device, name, volume_key);
	if (r < 0)
		return r;
	r = mapping_verify(name, &expected);
	if (r == 0)
		r = mapping_wait(name, NODE_WAIT_SECONDS);
	if (r < 0) {
		cleanup(freep) char *sentence = strdup(fail_sentence(r));

		if (mapping_remove(name) < 0)
			return fail(r, "%s; the mapping could not be removed again", sentence);
		return fail(r, "%s", sentence);
	}
	return 0;
}
