/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_TESTS_POWER_IMAGE_H
#define CVMROOT_TESTS_POWER_IMAGE_H

#include "disk.h"

/* A random file-system image on a simulated disk, with its manifest and all that a conversion of it
 * needs. */

struct shape {
	const char *name;
	const char *about;
	uint64_t chunks_min, chunks_max;
	unsigned int used_percent;  /* of the chunks */
	unsigned int whole_percent; /* of the used ones: every byte */
	unsigned int zero_percent;  /* of the used ones: all zeros */
	unsigned int extents_max;   /* in a chunk that is not whole */
	uint32_t block_size;	    /* 0: any */
	bool partial;		    /* the last chunk is not whole */
	unsigned int cuts_max;	    /* in one conversion */
	unsigned int share;	    /* of the cuts that all scenarios make together, in percent */
	unsigned int threads;	    /* of the converter; 0: one, and all follows from the seed */
};

struct image {
	struct disk *disk;
	struct page **plain; /* the disk's pages as they were baked */
	struct disk_io io;
	struct manifest *manifest;
	struct secret *volume_key;
	struct secret *mac_key;
	uint8_t *header_data;
	struct convert_header header;
	struct conversion conversion;
};

/* All of it follows from @random. Exits when there is no memory. */
struct image *image_new(const struct shape *shape, struct random *random);
void image_free(struct image *image);
/* What is on the disk now is the image: image_check() holds the result against it. */
void image_bake(struct image *image);
DEFINE_CLEANUP(struct image *, image_free)

/* The whole header is in front: a finished conversion. */
bool image_has_header(const struct image *image);

/*
 * Is the disk what a conversion must make of the image? Header and zeros in front, every used byte
 * decrypts to what was baked, the tail is zero and no used sector of the image is left. NULL, or
 * what is wrong.
 */
const char *image_check(const struct image *image);

#endif
