/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "disk/manifest/extents.h"

#include <string.h>

#include <ext2fs/ext2fs.h>

#include "base/error.h"

/*
 * ext2, ext3 and ext4 through libext2fs: the block bitmap says what is used. A wrong bitmap would
 * leave data behind, so whatever the file system offers to check it by is checked: its checksums,
 * and each group's count of free blocks.
 */
static const char *const types[] = {"ext2", "ext3", "ext4", NULL};

static void filsys_free(ext2_filsys fs)
{
	ext2fs_free(fs);
}
DEFINE_CLEANUP(ext2_filsys, filsys_free)

static int damaged(const char *path, const char *what)
{
	return fail(-EBADMSG, "%s: the file system is damaged (%s); run e2fsck -f on it", path,
		    what);
}

static int filsys_open(const char *path, ext2_filsys *ret)
{
	errcode_t error;

	initialize_ext2_error_table();
	error = ext2fs_open2(path, NULL, EXT2_FLAG_64BITS, 0, 0, unix_io_manager, ret);
	if (error == EXT2_ET_UNSUPP_FEATURE || error == EXT2_ET_RO_UNSUPP_FEATURE)
		return fail(-EOPNOTSUPP,
			    "%s: the file system has features that this libext2fs does not know; "
			    "use a newer e2fsprogs",
			    path);
	return error == 0 ? 0 : damaged(path, error_message(error));
}

static int check_clean(const char *path, ext2_filsys fs)
{
	struct ext2_super_block *super = fs->super;

	if (super->s_state & EXT2_ERROR_FS)
		return fail(-EUCLEAN,
			    "%s: the file system has recorded errors; run e2fsck -f on it", path);
	if (!(super->s_state & EXT2_VALID_FS) || (super->s_state & EXT3_ORPHAN_FS) ||
	    super->s_last_orphan != 0 || ext2fs_has_feature_journal_needs_recovery(super) ||
	    ext2fs_has_feature_orphan_present(super))
		return fail(-EUCLEAN,
			    "%s: the file system was not unmounted cleanly and its journal is not "
			    "replayed; unmount it, or run e2fsck on it",
			    path);
	if (ext2fs_has_feature_journal(super) && super->s_journal_inum == 0)
		return fail(-EOPNOTSUPP,
			    "%s: the journal is on another device, which would stay in the clear; "
			    "move it inside with tune2fs",
			    path);
	return 0;
}

static int check_descriptors(const char *path, ext2_filsys fs)
{
	errcode_t error = ext2fs_check_desc(fs);

	if (error != 0)
		return damaged(path, error_message(error));
	for (dgrp_t group = 0; group < fs->group_desc_count; group++)
		if (!ext2fs_group_desc_csum_verify(fs, group))
			return damaged(path, "the checksum of a group descriptor is wrong");
	return 0;
}

/* Clusters of a run of blocks that begins a cluster. */
static uint64_t count_clusters(ext2_filsys fs, blk64_t blocks)
{
	uint64_t ratio = (uint64_t)1 << fs->cluster_ratio_bits;

	return (blocks + ratio - 1) / ratio;
}

/* The used runs of one group; *ret_used counts its clusters in use. */
static int add_group(ext2_filsys fs, blk64_t first, blk64_t last, struct manifest *manifest,
		     uint64_t *ret_used)
{
	blk64_t start, end;
	uint64_t used = 0;

	for (blk64_t block = first; block <= last; block = end) {
		int r;

		if (ext2fs_find_first_set_block_bitmap2(fs->block_map, block, last, &start) != 0)
			break;
		if (ext2fs_find_first_zero_block_bitmap2(fs->block_map, start, last, &end) != 0)
			end = last + 1;
		r = extents_add(manifest, start * fs->blocksize, (end - start) * fs->blocksize);
		if (r < 0)
			return r;
		used += count_clusters(fs, end - start);
	}
	*ret_used = used;
	return 0;
}

static int add_groups(const char *path, ext2_filsys fs, struct manifest *manifest)
{
	for (dgrp_t group = 0; group < fs->group_desc_count; group++) {
		blk64_t first = ext2fs_group_first_block2(fs, group);
		blk64_t last = ext2fs_group_last_block2(fs, group);
		uint64_t clusters = count_clusters(fs, last - first + 1), used;
		int r = add_group(fs, first, last, manifest, &used);

		if (r < 0)
			return r;
		if (clusters - used != ext2fs_bg_free_blocks_count(fs, group))
			return damaged(path, "a block bitmap and its group's count disagree");
	}
	return 0;
}

static int extents_read_ext4(const char *path, uint64_t device_size, struct manifest *manifest)
{
	cleanup(filsys_freep) ext2_filsys fs = NULL;
	errcode_t error;
	int r = filsys_open(path, &fs);

	if (r < 0)
		return r;
	r = check_clean(path, fs);
	if (r < 0)
		return r;
	memcpy(manifest->fs_uuid, fs->super->s_uuid, sizeof(manifest->fs_uuid));
	manifest->block_size = fs->blocksize;
	manifest->fs_size = ext2fs_blocks_count(fs->super) * fs->blocksize;
	r = extents_check_size(path, device_size, manifest);
	if (r < 0)
		return r;
	r = check_descriptors(path, fs);
	if (r < 0)
		return r;
	error = ext2fs_read_block_bitmap(fs);
	if (error != 0)
		return damaged(path, error_message(error));
	/* With 1 KiB blocks the boot block comes before the first that the bitmap knows. */
	r = extents_add(manifest, 0, (uint64_t)fs->super->s_first_data_block * fs->blocksize);
	if (r < 0)
		return r;
	return add_groups(path, fs, manifest);
}

const struct extents_ops extents_ext4 = {.types = types, .read = extents_read_ext4};
