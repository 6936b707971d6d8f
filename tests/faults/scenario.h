/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_TESTS_FAULTS_SCENARIO_H
#define CVMROOT_TESTS_FAULTS_SCENARIO_H

#include "base/secret.h"
#include "fault.h"

/*
 * Something that cvmroot does, again and again with another fault. What it returns is the error of
 * the code under test; when it says that it worked, it has looked at the result, too.
 */
struct scenario {
	const char *name;
	int (*set_up)(void);	 /* once; folder is there; or NULL */
	void (*reset)(void);	 /* before each run: what a run may have changed; or NULL */
	int (*run)(void);	 /* in a child */
	void (*tear_down)(void); /* or NULL */
	/*
	 * What the run after a failure, without a fault and without reset(), must be able to do, in
	 * a child; or NULL.
	 */
	int (*again)(void);
	void (*between)(void); /* before that; or NULL */
	/*
	 * Functions that may fail without the whole failing, also as "function@caller", with spaces
	 * around each; or NULL.
	 */
	const char *survives;
	bool slow;	    /* only with --full */
	bool silent;	    /* errors come without a sentence: the caller has one */
	unsigned int every; /* of --full: calls of one place that are tried; 0: all */
};

extern const struct scenario *const scenarios_files[],
	*const scenarios_disk[], *const scenarios_tpm[], *const scenarios_net[];

/* A folder of this run's own. */
extern char folder[];
/* A path in it, in one of a few buffers that are used in turn. */
const char *in_folder(const char *name);
void write_file(const char *name, const void *data, size_t size);

/* The result is not what it must be; says so, and is the end of this run. */
_Noreturn void wrong(const char *format, ...) printf_like(1, 2);
/* A step of the test itself. */
void must(int r, const char *what);
/* One that handles known secrets: this process would keep traces of them. */
void in_child(int (*step)(void), const char *what);

/*
 * Secrets of the tests: made from their number by a generator, so that the memory that is searched
 * for them holds no copy of the test's own.
 */
void known_secret_fill(unsigned int number, void *ret, size_t size);
int known_secret(unsigned int number, size_t size, struct secret **ret);
#define KNOWN_SECRETS	  8
#define KNOWN_SECRET_SIZE 64 /* and shorter ones begin as it does */
void must_be_known_secret(const struct secret *secret, unsigned int number, size_t size);
/* Where one of them, or its base64 text, lies in this process: "[heap]"; NULL: nowhere. */
const char *find_known_secret(unsigned int *ret_number);

/* "function+0x12" of an address in this program; in one buffer. */
const char *name_of_address(uintptr_t address);

#endif
