/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_DISK_CONVERT_CREW_H
#define CVMROOT_DISK_CONVERT_CREW_H

#include <pthread.h>

#include "base/error.h"
#include "disk/convert/convert.h"

/* Threads that share one piece of work: one lock, the first error, and progress. */
struct crew {
	pthread_mutex_t lock;
	pthread_cond_t changed; /* something that a waiting thread may be waiting for */
	pthread_cond_t left;	/* a thread has returned */
	unsigned int running;

	int error; /* 0, or why everybody stops */
	uint64_t error_rank;
	char sentence[FAIL_SENTENCE_SIZE];

	uint64_t done_bytes;
	uint64_t total_bytes;
};

void crew_init(struct crew *crew);
void crew_done(struct crew *crew);

/*
 * Run @work(@context) in several threads until each has returned; the caller's thread only reports
 * progress. Returns the crew's error, with its sentence.
 */
int crew_run(struct crew *crew, const struct convert_options *options, void (*work)(void *),
	     void *context);

/*
 * Record, with the lock held, that the calling thread failed with @error and the sentence it last
 * made. Of several errors the one with the lowest @rank stays.
 */
void crew_fail(struct crew *crew, uint64_t rank, int error);

/* Threads that @options ask for. */
unsigned int crew_threads(const struct convert_options *options);

#endif
