/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "boot/boot.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/uevent.h"
#include "boot/context.h"
#include "boot/efi_options.h"
#include "boot/state.h"

#include <string.h>

static void boot_done(struct boot *boot)
{
	disk_file_free(boot->disk);
	manifest_free(boot->manifest);
	luks_header_free(boot->header);
	partition_free(boot->partition);
	measure_free(boot->measure);
	tpm2_binding_done(&boot->binding);
	secret_free(boot->fetched);
	initdata_free(boot->initdata);
	config_free(boot->initdata_config);
	tpm_free(boot->tpm);
}

/* An initrd that the guest made for itself after the first boot has no manifest; it needs none. */
static int load_manifest(struct boot *boot)
{
	int r = manifest_load(boot->config->manifest, &boot->manifest);

	return r == -ENOENT ? 0 : r;
}

/*
 * Its driver may still be on the way. A machine without a TPM is told when udev has settled; so is
 * which TEE it is, since any machine with a TPM could be taken for one that has no other.
 */
static int wait_for_tpm(const struct config *config)
{
	cleanup(uevent_close) struct uevent_watch watch = {.events = -1, .udev = -1};
	int64_t deadline = monotonic_ms() + (int64_t)config->wait_seconds * 1000;
	bool tpm_is_enough = !config_may_ask_broker(config);
	int r = uevent_open(&watch);

	while (r == 0) {
		bool settled = uevent_settled();

		if (settled || (tpm_is_enough && access(TPM_DEVICE, F_OK) == 0))
			break;
		r = uevent_await(&watch, deadline);
	}
	return r == -ETIMEDOUT ? 0 : r;
}

/*
 * A machine may do without a TPM when no provider of the configuration needs one; that of initdata
 * is looked at when it is known.
 */
static int open_tpm(struct boot *boot)
{
	int r = wait_for_tpm(boot->config);

	if (r == 0)
		r = tpm_open(&boot->tpm);
	if (r == -ENODEV && (boot->config->initdata_path || !provider_needs_tpm(boot->config))) {
		log_info("this machine has no TPM: only the key broker knows the root");
		fail_clear();
		return 0;
	}
	return r;
}

/*
 * Where no provider needs the TPM, the broker's secret authenticates the disk, and its policy says
 * which images may have it. So a record that is missing, or that an earlier image wrote and this one
 * cannot confirm, does not keep an update, or a machine with another vTPM, from its root.
 */
static int do_without_record(struct boot *boot, int error, enum remembered *ret)
{
	if (error != -ENOENT)
		log_info("the TPM's record is not used, the key broker decides: %s",
			 fail_sentence(error));
	fail_clear();
	boot->may_renew = error == -ENOENT || error == -EREMCHG;
	*ret = REMEMBERED_ELSEWHERE;
	return 0;
}

/*
 * Where the TPM alone gives the key, the token of the disk's keyslot saves most of the commands for
 * the record. Whatever is wrong with the token will be said by who unlocks with it.
 */
static int read_foretold(struct boot *boot)
{
	cleanup(tpm_sealed_freep) struct tpm_sealed *sealed = NULL;
	int r = boot_front_sealed(boot, &sealed);

	if (r == 0)
		r = tpm_record_read_foretold(boot->tpm, boot->config->tpm2_nv_index,
					     &boot->binding.binding, sealed, &boot->record);
	/* Only one that lets the root be unlocked waits for that to be confirmed. */
	if (r == 0 && boot->record.state != RECORD_DONE)
		r = -ENOENT;
	if (r == -ENOENT)
		fail_clear();
	boot->unconfirmed = r == 0;
	return r;
}

static int read_record(struct boot *boot, enum found found)
{
	int r = found == FOUND_LUKS ? read_foretold(boot) : -ENOENT;

	if (r != -ENOENT)
		return r;
	return tpm_record_read(boot->tpm, boot->config->tpm2_nv_index, &boot->binding.binding,
			       &boot->record);
}

static int recall(struct boot *boot, enum found found, enum remembered *ret)
{
	int r;

	if (!boot->tpm) {
		*ret = REMEMBERED_ELSEWHERE;
		return 0;
	}
	r = read_record(boot, found);
	if (r < 0 && !provider_needs_tpm(boot->config))
		return do_without_record(boot, r, ret);
	boot->has_memory = true;
	if (r == -ENOENT) {
		fail_clear();
		*ret = REMEMBERED_NOTHING;
		return 0;
	}
	if (r < 0)
		return r;
	boot->has_record = true;
	*ret = boot->record.state == RECORD_DONE ? REMEMBERED_DONE : REMEMBERED_CONVERTING;
	return 0;
}

static int write_new_record(struct boot *boot, const struct root *root)
{
	int r = tpm_record_delete(boot->tpm, boot->config->tpm2_nv_index);

	if (r < 0 && r != -ENOENT)
		return r;
	r = boot_note_pcrs(boot);
	if (r < 0)
		return r;
	boot->has_memory = true;
	return boot_remember(boot, RECORD_DONE, &root->facts);
}

/* Best effort, as the record itself is where no provider needs the TPM. */
static void renew_record(struct boot *boot, const struct root *root)
{
	int r = boot->may_renew ? write_new_record(boot, root) : 0;

	if (r < 0)
		log_info("the TPM does not remember this root: %s", fail_sentence(r));
	fail_clear();
}

static int probe_front(struct boot *boot, enum found *ret)
{
	static const uint8_t any_uuid[UUID_SIZE];
	size_t size =
		(size_t)MIN(PARTITION_PROBE_SIZE, ALIGN_DOWN(disk_file_size(boot->disk), 4096));
	cleanup(freep) uint8_t *data = NULL;
	int r = disk_buffer_new(size > 0 ? size : 4096, &data);

	if (r < 0)
		return r;
	r = boot->io.read(boot->io.context, data, size, 0);
	if (r < 0)
		return fail(r, "%s: its beginning cannot be read: %s", boot->partition->path,
			    strerror(-r));
	switch (partition_content(data, size, boot->manifest ? boot->manifest->fs_type : "",
				  boot->manifest ? boot->manifest->fs_uuid : any_uuid)) {
	case PARTITION_FILESYSTEM:
		*ret = FOUND_FILESYSTEM;
		break;
	case PARTITION_LUKS:
		*ret = FOUND_LUKS;
		break;
	case PARTITION_OTHER:
		*ret = FOUND_OTHER;
		break;
	}
	return 0;
}

static int probe_tail(struct boot *boot, bool *ret)
{
	cleanup(freep) uint8_t *data = NULL;
	size_t size;
	int r;

	*ret = false;
	if (!boot->manifest || disk_file_size(boot->disk) < boot->manifest->fs_size + CONVERT_TAIL)
		return 0;
	r = convert_find_header(&boot->io, boot->manifest, &data, &size);
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return r;
	*ret = true;
	return 0;
}

static int decide(struct boot *boot, enum boot_action *ret)
{
	enum remembered remembered = REMEMBERED_NOTHING;
	enum found found = FOUND_OTHER;
	bool tail = false;
	int r = boot_open_disk(boot, false);

	if (r == 0)
		r = probe_front(boot, &found);
	if (r == 0)
		r = recall(boot, found, &remembered);
	if (r < 0)
		return r;
	if (remembered != REMEMBERED_DONE) {
		if (!boot->manifest && found != FOUND_LUKS)
			return fail(
				-ENOENT,
				"%s is not there, and without a manifest the image on %s cannot "
				"be verified; bake the image again",
				boot->config->manifest, boot->partition->path);
		r = probe_tail(boot, &tail);
		if (r < 0)
			return r;
	}
	return boot_decide(remembered, found, tail, boot->partition->path, ret);
}

/*
 * The header is in front and the tail is gone, but so it would be if the host had put the header
 * there halfway: what is encrypted has to be all of the image before that is noted down.
 */
static int finish(struct boot *boot, struct root *ret)
{
	int r = boot->manifest ? boot_reopen(boot, ret)
			       : fail(-ENOENT,
				      "%s is not there, and without a manifest it cannot "
				      "be known whether %s was encrypted to the end",
				      boot->config->manifest, boot->partition->path);

	if (r < 0)
		return r;
	boot_progress_state(boot, BOOT_VERIFYING);
	r = boot_check_result(boot, ret);
	if (r < 0)
		return r;
	ret->how = BOOT_ROOT_RESUMED;
	return boot_remember(boot, RECORD_DONE, &ret->facts);
}

static int act(struct boot *boot, enum boot_action action, struct root *ret)
{
	switch (action) {
	case ACTION_FRESH:
		return boot_fresh(boot, ret);
	case ACTION_RESUME:
		return boot_resume(boot, ret);
	case ACTION_FINISH:
		return finish(boot, ret);
	case ACTION_REOPEN:
		return boot_reopen(boot, ret);
	case ACTION_REFUSE:
		break;
	}
	return -EINVAL;
}

static int measure_origin(struct boot *boot, const struct root *root)
{
	int r = measure_digest(boot->measure, WORD_CONFIG, boot->config->digest,
			       sizeof(boot->config->digest));

	if (r < 0 || root->how == BOOT_ROOT_REOPENED)
		return r;
	return measure_digest(boot->measure, WORD_MANIFEST, boot->manifest->file_digest,
			      sizeof(boot->manifest->file_digest));
}

/* Without the UUID: of one image and configuration this event is always the same. */
static int measure_root(struct boot *boot, const struct root *root)
{
	cleanup(freep) char *content = NULL;

	if (asprintf(&content, "%s:epoch=%llu:provider=%s", boot_root_name(root->how),
		     (unsigned long long)root->facts.epoch, root->provider) < 0)
		return -ENOMEM;
	return measure_word(boot->measure, WORD_ROOT, content);
}

static int measure_volume(struct boot *boot, const struct root *root)
{
	char uuid[UUID_TEXT_SIZE];
	int r;

	uuid_encode(root->facts.uuid, uuid);
	r = measure_word(boot->measure, WORD_VOLUME, uuid);
	if (r < 0)
		return r;
	return measure_volume_key(boot->measure, CONFIG_MAPPING, root->facts.uuid,
				  root->volume_key);
}

static int measure_all(struct boot *boot, const struct root *root)
{
	int r = measure_origin(boot, root);

	if (r == 0)
		r = measure_root(boot, root);
	return r < 0 ? r : measure_volume(boot, root);
}

/* What forbids a second unseal in this boot, read back where the TPM has not proved it. */
static int check_closed(struct boot *boot)
{
	struct tpm_pcr_values values;
	int r;

	if (!boot->tpm || tpm_pcr_extend_is_proved(boot->tpm))
		return 0;
	r = tpm_pcr_read(boot->tpm, boot->config->tpm2_bank, 1U << TPM_PCR_IDENTITY, &values);
	if (r == 0 && tpm_pcr_is_zero(&values, TPM_PCR_IDENTITY))
		r = fail(-EIO,
			 "PCR 15 is still zero after the volume key was measured into it: the "
			 "TPM does not do what it says");
	return r;
}

/* Measured before the mapping is there: nothing can be read from a root that nobody knows of. */
static int open_root(struct boot *boot, const struct root *root)
{
	int r = measure_all(boot, root);

	if (r == 0)
		r = check_closed(boot);
	/* A first boot has grown it, before it had to be that large. */
	if (r == 0 && root->how != BOOT_ROOT_FRESH)
		r = boot_grow(boot);
	if (r < 0)
		return r;
	disk_file_free(TAKE_PTR(boot->disk));
	r = luks_header_activate(root->header, boot->partition->path, CONFIG_MAPPING,
				 root->volume_key);
	if (r < 0)
		return r;
	if (boot->tpm)
		tpm_pcr_extend_last(boot->tpm);
	return measure_word(boot->measure, WORD_LEAVE, NULL);
}

static void describe(struct boot *boot, const struct root *root)
{
	boot->status.root = root->how;
	boot->status.finished_ms = boot_status_now();
	snprintf(boot->status.provider, sizeof(boot->status.provider), "%s", root->provider);
	uuid_encode(root->facts.uuid, boot->status.luks_uuid);
	boot->status.epoch = root->facts.epoch;
	boot_progress_state(boot, BOOT_DONE);
}

static int open_measure(struct boot *boot)
{
	int r = measure_open(boot->tpm, boot->config, &boot->measure);

	if (r == 0 && measure_lacks_rtmr(boot->measure))
		log_info("this kernel cannot extend an RTMR (Linux 6.16 can): no event goes there");
	return r;
}

static int prepare(struct boot *boot)
{
	int r;

	boot_progress_state(boot, BOOT_WAITING);
	r = open_tpm(boot);
	if (r == 0)
		r = boot_take_initdata(boot);
	if (r == 0)
		r = load_manifest(boot);
	if (r == 0)
		r = tpm2_binding_load(boot->config, &boot->binding);
	if (r == 0)
		r = open_measure(boot);
	if (r == 0)
		r = boot_bind_initdata(boot);
	if (r < 0)
		return r;
	/* Again: the TPM may have taken its time, and initdata may allow the partition more. */
	boot_progress_state(boot, BOOT_WAITING);
	return partition_find(boot->config->partition, boot->config->wait_seconds,
			      &boot->partition);
}

static int boot_steps(struct boot *boot)
{
	cleanup(root_done) struct root root = {};
	enum boot_action action;
	int r = efi_options_refuse();

	if (r == 0)
		r = prepare(boot);
	if (r < 0)
		return r;
	r = decide(boot, &action);
	if (r < 0)
		return r;
	r = act(boot, action, &root);
	if (r < 0)
		return r;
	renew_record(boot, &root);
	r = open_root(boot, &root);
	if (r < 0)
		return r;
	describe(boot, &root);
	return 0;
}

int boot_run(const struct config *config)
{
	cleanup(boot_done) struct boot boot = {
		.config = config,
		.status.started_ms = boot_status_now(),
	};
	int r = boot_steps(&boot);

	if (r < 0)
		boot_progress_failed(&boot, fail_sentence(r));
	return r;
}
