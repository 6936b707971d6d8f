/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_DISK_CONVERT_KEPT_H
#define CVMROOT_DISK_CONVERT_KEPT_H

#include "disk/convert/convert.h"

/*
 * What convert_verify() read and found good, kept in memory so that convert_run() need not read it
 * from the disk again. Threads may work on different chunks at once. NULL keeps nothing.
 */

/*
 * Where the check is to read @chunk to: MANIFEST_CHUNK_SIZE, aligned to 4096. NULL when there is no
 * room for it. Stays the keeper's.
 */
uint8_t *convert_kept_room(struct convert_kept *kept, size_t chunk);
/* What was read there is @chunk's plaintext, as the manifest has it. */
void convert_kept_hold(struct convert_kept *kept, size_t chunk);
/*
 * The plaintext of @chunk, of this manifest, to be changed in place; NULL when it was not kept. Once
 * only. It is the caller's until convert_kept_drop().
 */
uint8_t *convert_kept_take(struct convert_kept *kept, const struct manifest *manifest,
			   size_t chunk);
/* Give the memory of a chunk that was taken back. */
void convert_kept_drop(struct convert_kept *kept, size_t chunk);

#endif
