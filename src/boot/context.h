/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_BOOT_CONTEXT_H
#define CVMROOT_BOOT_CONTEXT_H

#include "boot/status.h"
#include "config/config.h"
#include "disk/convert/convert.h"
#include "disk/luks/luks.h"
#include "disk/device/partition.h"
#include "keys/provider.h"
#include "keys/tpm2_binding.h"
#include "measure/measure.h"

/* What one run of cvmroot boot works with. Owned by boot_run(). */
struct boot {
	const struct config *config; /* the initrd's, or the one that initdata brings */
	struct config *initdata_config;
	struct initdata *initdata; /* bound by the TEE; NULL: none is asked for */
	struct boot_status status;
	struct tpm *tpm; /* NULL: the machine has none, and no provider needs one */
	struct tpm2_binding binding;
	struct measure *measure;
	struct partition *partition;
	struct manifest *manifest; /* NULL: the initrd has none, so this cannot be a first boot */
	struct disk_file *disk; /* closed before the mapping is made: both want it for themselves */
	struct disk_io io;
	struct luks_header *header; /* that in front, when it was needed before boot_reopen() */
	/* The TPM tells which volume is ours; else the broker's secret does, see recall(). */
	bool has_memory;
	bool may_renew; /* the record is missing, or another image's: write one for this volume */
	bool has_record;
	bool unconfirmed; /* the record is, until the root is unlocked: see tpm_record_confirm() */
	struct tpm_record record;
	struct secret *fetched; /* from a broker, until the root is unlocked */
	int fetch_error;	/* that it gave nothing; or 0 */
};

/* What the steps below end with: an opened, authenticated, measured-to-be root. */
struct root {
	enum boot_root how;
	struct luks_header *header;
	struct luks_facts facts;
	struct secret *volume_key;
	char provider[STATUS_PROVIDER_SIZE]; /* "tpm2"; "kbs+tpm2" when both were needed */
};
void root_done(struct root *root);

/* First boot: verify, make key and header, convert (fresh.c). */
int boot_fresh(struct boot *boot, struct root *ret);
/* Go on with a conversion that was cut (resume.c). */
int boot_resume(struct boot *boot, struct root *ret);
/* The header at the front of the partition; ACTION_FINISH and ACTION_REOPEN (reopen.c). */
int boot_reopen(struct boot *boot, struct root *ret);
/*
 * What the TPM has sealed for the header at the front, which is kept for boot_reopen(); -ENOENT when
 * the header asks for more than the TPM, or is no good.
 */
int boot_front_sealed(struct boot *boot, struct tpm_sealed **ret);

/*
 * Take the configuration that the initdata document brings, once the TEE has confirmed its digest
 * (initdata.c). Does nothing when the initrd's configuration asks for none.
 */
int boot_take_initdata(struct boot *boot);
/* See to it that what the TPM seals and remembers is bound to that document (bind.c). */
int boot_bind_initdata(struct boot *boot);

/* What the providers get to work with, for the volume of this UUID (unlock.c). */
struct provider_context boot_provider_context(struct boot *boot, const uint8_t *luks_uuid);

/*
 * Unlock a header by the configured providers, in their order, and hold the result against the
 * record (unlock.c). -ESTALE when it is another volume than the one remembered. The header is taken
 * over, also on failure.
 */
int boot_unlock(struct boot *boot, struct luks_header *header, enum boot_root how,
		struct root *ret);

/* ---- What the steps share (conversion.c) ---- */

/* Open the partition; -EROFS when it is to be written and cannot be. */
int boot_open_disk(struct boot *boot, bool writable);
/*
 * Extend the partition over the disk when the configuration says so; closes the disk. Only once the
 * disk is known to be ours: a foreign one is refused unwritten.
 */
int boot_grow(struct boot *boot);
/* Every used byte is encrypted at its new place: -ESTALE when one is not. */
int boot_check_result(struct boot *boot, const struct root *root);
/* Read the PCRs that a new record is bound to into it. */
int boot_note_pcrs(struct boot *boot);
/* Write the record: now, with this state, about this volume. */
int boot_remember(struct boot *boot, enum tpm_record_state state, const struct luks_facts *facts);
/* Lay down header copy and progress, then the record that says "converting". */
int boot_begin_conversion(struct boot *boot, const struct root *root, const uint8_t *header,
			  size_t header_size);
/*
 * Run the converter, then write the record that says "done". @kept is what the check of the image
 * left in memory, or NULL.
 */
int boot_convert(struct boot *boot, const struct root *root, struct convert_kept *kept);

/* ---- Progress (progress.c) ---- */

/* Tell the status file, the service manager and the console where we are. */
void boot_progress_state(struct boot *boot, enum boot_state state);
/* Into the status file only: the console gets the sentence when the machine goes down. */
void boot_progress_failed(struct boot *boot, const char *sentence);
/* The waiting of struct provider_context, over a struct boot. */
void boot_progress_waiting(const char *sentence, unsigned int seconds, void *context);
/* convert_progress_callback over a struct boot. */
void boot_progress(const struct convert_progress *progress, void *context);

#endif
