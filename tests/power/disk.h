/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_TESTS_POWER_DISK_H
#define CVMROOT_TESTS_POWER_DISK_H

#include <pthread.h>

#include "disk/convert/convert.h"

/*
 * A disk in RAM that loses power. Writes are volatile until a flush. At a cut, each write since the
 * last flush is kept, lost or torn in units of disk->tear bytes, in any order; what was read back
 * before the cut plays no part.
 */
#define PAGE_SIZE   4096
#define SECTOR_SIZE 512

/* Deterministic random numbers. */
struct random {
	uint64_t state;
};
uint64_t random_next(struct random *random);
/* 0 to @bound - 1. */
uint64_t random_below(struct random *random, uint64_t bound);
void random_fill(struct random *random, void *data, size_t size);

struct page;
struct operation;

struct disk {
	size_t pages;  /* of the disk */
	uint32_t tear; /* bytes that are written whole or not at all: SECTOR_SIZE at first */
	struct page **current; /* what a read sees; NULL is zeros */
	struct page **durable; /* what the last flush made sure of */
	struct page **baked;   /* what disk_reset() goes back to */
	uint32_t *touched;     /* per page: the epoch in which it last changed */
	uint32_t epoch;	       /* one for each flush and cut */
	size_t *changed;       /* pages that changed in this epoch */
	size_t changed_count;

	struct operation *operations; /* since the last flush */
	size_t operations_count;

	uint8_t *arena; /* of pages and data */
	size_t arena_used;
	size_t arena_baked; /* as much as the baked disk needs */

	struct random random; /* decides what a cut keeps */
	unsigned int counted; /* writes, zeroings and flushes so far */
	unsigned int cut_at;  /* the one during which power goes, from 1; 0: none */
	bool off;	      /* power is gone: everything fails */
	pthread_mutex_t lock; /* the converter's threads come at once */
};

/* A disk of zeros; @size is in bytes and rounded up to pages. */
struct disk *disk_new(uint64_t size);
void disk_free(struct disk *disk);
DEFINE_CLEANUP(struct disk *, disk_free)

struct disk_io disk_simulated_io(struct disk *disk);

/* What is on the disk now is what disk_reset() restores. */
void disk_bake(struct disk *disk);
void disk_reset(struct disk *disk);

/* A write (NULL: of zeros) that is volatile until a flush, like one by the converter. @data stays. */
void disk_queue(struct disk *disk, const void *data, uint64_t size, uint64_t offset);

/* Decide, with disk->random, what of the unflushed writes is there, and switch on again. */
void disk_cut(struct disk *disk);

/* Reading and writing that is not the converter's. */
void disk_get(const struct disk *disk, void *ret, size_t size, uint64_t offset);
void disk_put(struct disk *disk, const void *data, size_t size, uint64_t offset);
/* The page's PAGE_SIZE bytes. */
const uint8_t *disk_page(const struct disk *disk, size_t page);

#endif
