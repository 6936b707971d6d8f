/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_TESTS_BENCH_STORM_H
#define CVMROOT_TESTS_BENCH_STORM_H

/* Machines whose broker comes up late, in virtual time, over the real back-off. */

#include <stdbool.h>
#include <stdint.h>

#define STORM_SECONDS 4096

struct storm_options {
	unsigned int guests;
	uint32_t boot_ms;	  /* they begin within this time */
	int64_t outage_ms;	  /* an attempt before this time fails, */
	int64_t attempt_ms;	  /* and takes this long to do so */
	unsigned int deadline_ms; /* of each; all ends before STORM_SECONDS */
	bool full_jitter;	  /* the usual back-off: between 0 and 1, 2, 4 ... 30 seconds */
};

struct storm {
	unsigned int served, peak;	  /* machines; the most that came in one second */
	int64_t last_ms;		  /* from the end of the outage to the last one served */
	unsigned int away[STORM_SECONDS]; /* attempts in each second from the first boot */
	unsigned int came[STORM_SECONDS]; /* machines in each second from the outage's end */
};

/* A generator of its own: the storm is the same at each run. */
uint32_t storm_random(uint64_t *seed);

void storm_run(const struct storm_options *options, uint64_t *seed, struct storm *ret);

#endif
