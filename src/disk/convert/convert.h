/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_DISK_CONVERT_CONVERT_H
#define CVMROOT_DISK_CONVERT_CONVERT_H

#include "disk/device/disk_file.h"
#include "disk/manifest/manifest.h"

/*
 * The converter (cvmroot(7), FILES ON DISK): verified, in-place, resumable encryption of a file
 * system by moving it up by CONVERT_SHIFT. A plain library over (disk, volume key, manifest),
 * without device-mapper.
 *
 *	[0, 16 MiB)                  LUKS2 header, written last
 *	[16 MiB, fs_size + 16 MiB)   ciphertext
 *	[.. , fs_size + 32 MiB)      while converting: progress records and a copy of the header
 */
#define CONVERT_SHIFT (16 * MIB)
#define CONVERT_TAIL  (32 * MIB) /* room needed behind the file system */

/* Called about each second, and at the end, in the caller's thread. */
struct convert_progress {
	uint64_t done_bytes; /* of total_bytes, used bytes only */
	uint64_t total_bytes;
	double seconds; /* since the start of this run */
};
typedef void convert_progress_callback(const struct convert_progress *progress, void *context);

/*
 * Memory of this program for what convert_verify() found good: handed to convert_run() by the same
 * options, it saves reading that much from the disk again. At most @limit bytes are taken, of the
 * highest chunks; what convert_run() has written is given back at once. @manifest is borrowed.
 */
struct convert_kept;
int convert_kept_new(const struct manifest *manifest, uint64_t limit, struct convert_kept **ret);
void convert_kept_free(struct convert_kept *kept);
DEFINE_CLEANUP(struct convert_kept *, convert_kept_free)
/* How much of this machine's memory may go into it: half of what is free, less a reserve. */
uint64_t convert_kept_limit(void);

struct convert_options {
	unsigned int threads;		     /* 0: two for each processor online, at most 8 */
	convert_progress_callback *progress; /* or NULL */
	void *progress_context;
	struct convert_kept *kept; /* borrowed, or NULL */
};

/*
 * Read every used byte and compare it with the manifest, without writing. -EILSEQ with a sentence
 * that names the first chunk that differs.
 */
int convert_verify(const struct disk_io *io, const struct manifest *manifest,
		   const struct convert_options *options);

/* The LUKS2 header that the result will have: the first bytes of its 16 MiB; the rest is zero. */
struct convert_header {
	const uint8_t *data;
	size_t size; /* at most CONVERT_HEADER_MAX, a multiple of 4096 */
};
#define CONVERT_HEADER_MAX (8 * MIB)

/* One conversion, begun or found on the disk. Keys are borrowed and must outlive it. */
struct conversion {
	const struct disk_io *io;
	const struct manifest *manifest;
	const struct secret *volume_key; /* XTS_KEY_SIZE bytes */
	const struct secret *mac_key;	 /* HKDF from the volume key: CONVERT_MAC_LABEL */
	uint32_t sector_size;		 /* 512 or 4096, of the LUKS2 segment */
	uint8_t luks_uuid[UUID_SIZE];
};
#define CONVERT_MAC_LABEL "cvmroot conversion progress v1"

/*
 * Write the header copy and the first progress record behind the file system, flushed. From here on
 * convert_run() can resume after a cut. -ENOSPC when the disk has no CONVERT_TAIL left.
 */
int convert_begin(const struct conversion *conversion, const struct convert_header *header,
		  uint64_t disk_size);

/*
 * The header copy of a conversion that was begun: plain bytes from the disk, not yet authenticated
 * (that is the header's own MAC). -ENOENT when there is none. The caller frees *ret.
 */
int convert_find_header(const struct disk_io *io, const struct manifest *manifest, uint8_t **ret,
			size_t *ret_size);

/*
 * Do, or resume, the work after convert_begin(): all batches, then the header to the front, then
 * the tail is wiped, each flushed in order. Checks the progress record's MAC (-EKEYREJECTED), that
 * it belongs to this manifest and UUID (-ESTALE), and on resume that the last finished batch
 * decrypts to what the manifest says (-ESTALE). -EILSEQ when plaintext differs from the manifest.
 * Returns 0 also when everything but the wipe was already done.
 */
int convert_run(const struct conversion *conversion, const struct convert_options *options);

/*
 * Is every used byte at its new place, encrypted? Reads all of it, for the one boot that finds the
 * header in front and no record left. -ESTALE names the chunk that is not.
 */
int convert_check_result(const struct conversion *conversion,
			 const struct convert_options *options);

#endif
