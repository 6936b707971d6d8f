/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "boot/context.h"

#include "base/error.h"
#include "crypto/volume_key.h"
#include "keys/combine.h"

#include <string.h>

/* The epoch of a volume that a pristine image was converted to. */
#define FIRST_EPOCH 1

/* What every provider enrolled. */
struct enrolment {
	struct secret *passphrases[CONFIG_PROVIDERS_MAX];
	json_t *tokens[CONFIG_PROVIDERS_MAX];
	size_t count;
};

static void enrolment_done(struct enrolment *enrolment)
{
	for (size_t i = 0; i < enrolment->count; i++) {
		secret_free(enrolment->passphrases[i]);
		json_decref(enrolment->tokens[i]);
	}
}

static int enrol_all(struct boot *boot, const struct luks_facts *facts, struct enrolment *ret)
{
	const struct provider_context context = boot_provider_context(boot, facts->uuid);

	for (size_t i = 0; i < boot->config->providers_count; i++) {
		const struct key_provider_ops *provider;
		int r = provider_find(boot->config->providers[i], &provider);

		if (r < 0)
			return r;
		r = provider->enrol(&context, &ret->passphrases[i], &ret->tokens[i]);
		if (r < 0)
			return r;
		ret->count = i + 1;
	}
	return 0;
}

static int random_uuid(uint8_t ret[static UUID_SIZE])
{
	int r = random_bytes(ret, UUID_SIZE);

	if (r < 0)
		return r;
	/* RFC 4122 §4.4: version 4, variant 1. */
	ret[6] = (uint8_t)((ret[6] & 0x0f) | 0x40);
	ret[8] = (uint8_t)((ret[8] & 0x3f) | 0x80);
	return 0;
}

static int make_facts(struct boot *boot, const struct secret *volume_key, struct luks_facts *ret)
{
	struct luks_facts facts = {
		.data_offset = LUKS_DATA_OFFSET,
		.sector_size = manifest_sector_size(boot->manifest),
		.epoch = FIRST_EPOCH,
	};
	int r = random_uuid(facts.uuid);

	if (r < 0)
		return r;
	/* dm-crypt takes only whole sectors: a partition of an odd size gets the small ones. */
	if (!IS_ALIGNED(disk_file_size(boot->disk), facts.sector_size))
		facts.sector_size = 512;
	r = volume_key_digest(HASH_SHA256, volume_key, CONFIG_MAPPING, facts.uuid,
			      facts.fingerprint);
	if (r < 0)
		return r;
	*ret = facts;
	return 0;
}

/* rule = "any": a keyslot for each provider. */
static int make_header_any(const struct enrolment *enrolment, const struct luks_facts *facts,
			   const struct secret *volume_key, uint8_t **ret, size_t *ret_size)
{
	struct luks_slot slots[CONFIG_PROVIDERS_MAX];

	for (size_t i = 0; i < enrolment->count; i++)
		slots[i] = (struct luks_slot){
			.passphrase = enrolment->passphrases[i],
			.token = enrolment->tokens[i],
		};
	return luks_header_make(facts, volume_key, slots, enrolment->count, ret, ret_size);
}

/* rule = "all": one keyslot, of whose passphrase each provider has a part. */
static int make_header_all(const struct boot *boot, const struct enrolment *enrolment,
			   const struct luks_facts *facts, const struct secret *volume_key,
			   uint8_t **ret, size_t *ret_size)
{
	cleanup(secret_freep) struct secret *passphrase = NULL;
	struct key_part parts[CONFIG_PROVIDERS_MAX];
	struct luks_slot slot = {.parts = enrolment->tokens, .parts_count = enrolment->count};
	int r;

	for (size_t i = 0; i < enrolment->count; i++)
		parts[i] = (struct key_part){
			.provider = boot->config->providers[i],
			.secret = enrolment->passphrases[i],
		};
	r = key_combine(parts, enrolment->count, &passphrase);
	if (r < 0)
		return r;
	slot.passphrase = passphrase;
	return luks_header_make(facts, volume_key, &slot, 1, ret, ret_size);
}

static int make_header(struct boot *boot, const struct luks_facts *facts,
		       const struct secret *volume_key, uint8_t **ret, size_t *ret_size)
{
	cleanup(enrolment_done) struct enrolment enrolment = {};
	int r = enrol_all(boot, facts, &enrolment);

	if (r < 0)
		return r;
	if (boot->config->rule == RULE_ALL)
		return make_header_all(boot, &enrolment, facts, volume_key, ret, ret_size);
	return make_header_any(&enrolment, facts, volume_key, ret, ret_size);
}

/* The record as it will be, in memory only: what boot_unlock() holds the new header against. */
static int expect_record(struct boot *boot, const struct luks_facts *facts)
{
	boot->record = (struct tpm_record){.epoch = facts->epoch};
	memcpy(boot->record.luks_uuid, facts->uuid, UUID_SIZE);
	memcpy(boot->record.fingerprint, facts->fingerprint, sizeof(facts->fingerprint));
	return boot->has_memory ? boot_note_pcrs(boot) : 0;
}

/*
 * The last moment to find out that the key cannot be had again: unlock the new header as the next
 * boot will, before anything is written.
 */
static int rehearse(struct boot *boot, const uint8_t *data, size_t size,
		    const struct secret *volume_key, struct root *ret)
{
	cleanup(luks_header_freep) struct luks_header *header = NULL;
	int r = luks_header_check(data, size, &header);

	if (r < 0)
		return r;
	r = boot_unlock(boot, TAKE_PTR(header), BOOT_ROOT_FRESH, ret);
	if (r < 0)
		return r;
	if (!secret_equal(ret->volume_key, volume_key))
		return fail(-EKEYREJECTED,
			    "the new header gives another volume key than it was made "
			    "for; nothing was written");
	return 0;
}

static int check_room(const struct boot *boot)
{
	uint64_t size = disk_file_size(boot->disk), needed;

	if (__builtin_add_overflow(boot->manifest->fs_size, CONVERT_TAIL, &needed))
		return -EBADMSG;
	if (size >= needed)
		return 0;
	return fail(
		-ENOSPC,
		"%s is too small: it has %llu MiB, and the file system of %llu MiB needs 32 MiB "
		"behind it; bake the image again, or set grow = true on a larger disk",
		boot->partition->path, (unsigned long long)(size / MIB),
		(unsigned long long)(boot->manifest->fs_size / MIB));
}

/* Key and header, and the proof that it opens; nothing is written yet. */
static int prepare_root(struct boot *boot, struct root *ret, uint8_t **ret_header,
			size_t *ret_header_size)
{
	cleanup(secret_freep) struct secret *volume_key = NULL;
	cleanup(freep) uint8_t *header = NULL;
	struct luks_facts facts;
	int r;

	r = secret_random(LUKS_VOLUME_KEY_SIZE, &volume_key);
	if (r < 0)
		return r;
	r = make_facts(boot, volume_key, &facts);
	if (r < 0)
		return r;
	r = make_header(boot, &facts, volume_key, &header, ret_header_size);
	if (r < 0)
		return r;
	r = expect_record(boot, &facts);
	if (r < 0)
		return r;
	r = rehearse(boot, header, *ret_header_size, volume_key, ret);
	if (r < 0)
		return r;
	*ret_header = TAKE_PTR(header);
	return 0;
}

/* @ret_kept: what the conversion need not read again, or NULL. */
static int verify_image(struct boot *boot, struct convert_kept **ret_kept)
{
	cleanup(convert_kept_freep) struct convert_kept *kept = NULL;
	struct convert_options options = {.progress = boot_progress, .progress_context = boot};
	int r;

	if (!boot->config->check_first)
		return 0;
	boot_progress_state(boot, BOOT_VERIFYING);
	/* No memory to spare is no failure: everything is read again then. */
	if (convert_kept_new(boot->manifest, convert_kept_limit(), &kept) == 0)
		options.kept = kept;
	r = convert_verify(&boot->io, boot->manifest, &options);
	if (r < 0)
		return r;
	*ret_kept = TAKE_PTR(kept);
	return 0;
}

int boot_fresh(struct boot *boot, struct root *ret)
{
	cleanup(convert_kept_freep) struct convert_kept *kept = NULL;
	cleanup(root_done) struct root root = {};
	cleanup(freep) uint8_t *header = NULL;
	size_t size;
	int r = boot_open_disk(boot, true);

	if (r < 0)
		return r;
	r = verify_image(boot, &kept);
	if (r == 0)
		r = boot_grow(boot);
	if (r == 0)
		r = boot_open_disk(boot, true);
	if (r == 0)
		r = check_room(boot);
	if (r < 0)
		return r;
	r = prepare_root(boot, &root, &header, &size);
	if (r < 0)
		return r;
	r = boot_begin_conversion(boot, &root, header, size);
	if (r < 0)
		return r;
	r = boot_convert(boot, &root, kept);
	if (r < 0)
		return r;
	*ret = root;
	root = (struct root){};
	return 0;
}
