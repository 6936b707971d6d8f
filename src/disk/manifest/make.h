/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_DISK_MANIFEST_MAKE_H
#define CVMROOT_DISK_MANIFEST_MAKE_H

#include "disk/manifest/manifest.h"

#define MANIFEST_THREADS_MAX 64

/* Used bytes read so far and in all. Called some times a second, and at the end, always from the
 * thread that called manifest_make(). */
typedef void manifest_progress_callback(uint64_t done, uint64_t total, void *context);

struct manifest_make_options {
	unsigned int threads;		      /* 0: one for each processor online */
	manifest_progress_callback *progress; /* or NULL */
	void *progress_context;
};

/*
 * Make the manifest of the file system on @path, a block device or an image file.
 * Reads every used byte once and nothing else of note; memory is bounded, a few MiB per thread.
 * Errors as in extents.h, and what reading says, each with its sentence. @options may be NULL. The
 * total digest is filled in by manifest_serialize().
 */
int manifest_make(const char *path, const struct manifest_make_options *options,
		  struct manifest **ret);

#endif
