/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "boot/context.h"

#include <string.h>

int boot_open_disk(struct boot *boot, bool writable)
{
	int r;

	disk_file_free(TAKE_PTR(boot->disk));
	r = disk_file_open(boot->partition->path, writable, &boot->disk);
	if (r < 0)
		return r;
	boot->io = disk_file_io(boot->disk);
	return 0;
}

int boot_grow(struct boot *boot)
{
	uint64_t size;

	if (!boot->config->grow)
		return 0;
	boot_progress_state(boot, BOOT_GROWING);
	disk_file_free(TAKE_PTR(boot->disk));
	return partition_grow(boot->partition, &size);
}

int boot_note_pcrs(struct boot *boot)
{
	return tpm_pcr_read(boot->tpm, boot->config->tpm2_bank,
			    boot->config->tpm2_pcrs | 1U << TPM_PCR_IDENTITY,
			    &boot->record.sealed_values);
}

int boot_remember(struct boot *boot, enum tpm_record_state state, const struct luks_facts *facts)
{
	int r;

	if (!boot->has_memory)
		return 0;
	boot->record.state = state;
	boot->record.epoch = facts->epoch;
	memcpy(boot->record.luks_uuid, facts->uuid, UUID_SIZE);
	memcpy(boot->record.fingerprint, facts->fingerprint, sizeof(facts->fingerprint));
	r = tpm_record_write(boot->tpm, boot->config->tpm2_nv_index, &boot->binding.binding,
			     &boot->record);
	if (r < 0)
		return r;
	boot->has_record = true;
	return 0;
}

/* @ret_mac_key is the caller's to free, after the conversion. */
static int describe_conversion(struct boot *boot, const struct root *root, struct conversion *ret,
			       struct secret **ret_mac_key)
{
	struct secret *mac_key;
	int r = hkdf_derive(root->volume_key, CONVERT_MAC_LABEL, MAC_SIZE, &mac_key);

	if (r < 0)
		return r;
	*ret = (struct conversion){
		.io = &boot->io,
		.manifest = boot->manifest,
		.volume_key = root->volume_key,
		.mac_key = mac_key,
		.sector_size = root->facts.sector_size,
	};
	memcpy(ret->luks_uuid, root->facts.uuid, UUID_SIZE);
	*ret_mac_key = mac_key;
	return 0;
}

int boot_check_result(struct boot *boot, const struct root *root)
{
	cleanup(secret_freep) struct secret *mac_key = NULL;
	struct convert_options options = {.progress = boot_progress, .progress_context = boot};
	struct conversion conversion;
	int r = describe_conversion(boot, root, &conversion, &mac_key);

	return r < 0 ? r : convert_check_result(&conversion, &options);
}

int boot_convert(struct boot *boot, const struct root *root, struct convert_kept *kept)
{
	cleanup(secret_freep) struct secret *mac_key = NULL;
	struct convert_options options = {
		.progress = boot_progress, .progress_context = boot, .kept = kept};
	struct conversion conversion;
	int r = describe_conversion(boot, root, &conversion, &mac_key);

	if (r < 0)
		return r;
	boot_progress_state(boot, BOOT_CONVERTING);
	r = convert_run(&conversion, &options);
	if (r < 0)
		return r;
	return boot_remember(boot, RECORD_DONE, &root->facts);
}

/*
 * Header copy and progress on the disk first, then the record: a cut between the two starts anew.
 */
int boot_begin_conversion(struct boot *boot, const struct root *root, const uint8_t *data,
			  size_t size)
{
	cleanup(secret_freep) struct secret *mac_key = NULL;
	const struct convert_header header = {.data = data, .size = size};
	struct conversion conversion;
	int r = describe_conversion(boot, root, &conversion, &mac_key);

	if (r < 0)
		return r;
	r = convert_begin(&conversion, &header, disk_file_size(boot->disk));
	if (r < 0)
		return r;
	return boot_remember(boot, RECORD_CONVERTING, &root->facts);
}
