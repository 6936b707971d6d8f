/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_TESTS_FAULTS_FAULT_H
#define CVMROOT_TESTS_FAULTS_FAULT_H

#include "base/macro.h"

/*
 * Between the libraries of src/ and what they call: counts the calls from each place, and lets one
 * fail. The stubs are made by wraps.py.
 */

enum fault_how {
	FAULT_RETURN,	  /* @value, and errno @error unless that is 0 */
	FAULT_SHORT,	  /* half of the bytes */
	FAULT_ALLOCATION, /* the call is made; jansson's allocation number @allocation in it fails */
	FAULT_WATCH,	  /* never fails */
};

struct fault_kind {
	enum fault_how how;
	long value;
	int error;
	unsigned int allocation; /* from 1 */
};

#define FAULT_KINDS_MAX 4
struct fault_function {
	const char *name;
	struct fault_kind kinds[FAULT_KINDS_MAX];
	unsigned int kinds_count;
};
extern const struct fault_function fault_functions[];
extern const size_t fault_functions_count;

/* A place in the libraries that calls a function. */
struct fault_site {
	uintptr_t caller; /* where the call returns to */
	unsigned int function;
	unsigned int calls;
};

#define FAULT_SITES_MAX 4096
/* In memory that children share. */
struct fault_sites {
	size_t count;
	struct fault_site sites[FAULT_SITES_MAX];
};

/* Before everything else. */
void fault_setup(void);
/* From here on every call is noted down. */
void fault_record(struct fault_sites *ret);
/* From here on the @call-th call, from 1, that @site makes fails so; then all goes on as usual. */
void fault_arm(const struct fault_site *site, unsigned int call, const struct fault_kind *kind);
void fault_off(void);
/* For the code of the tests, in this thread: its own calls are no places. May be nested. */
void fault_pause(void);
void fault_resume(void);

/* Since fault_arm(): it has happened. */
bool fault_has_fired(void);
/* A sentence was recorded for this error behind it, and none since. */
bool fault_has_sentence(int error);
/* Mappings that exist, of those made since fault_arm() or fault_record(). */
int fault_mappings(void);

#endif
