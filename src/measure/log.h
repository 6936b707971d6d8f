/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_MEASURE_LOG_H
#define CVMROOT_MEASURE_LOG_H

#include "base/codec.h"
#include "crypto/hash.h"
#include "eventlog/paths.h"
#include "eventlog/word.h"

/* One measurement, ready to be extended and logged. */
struct measure_record {
	enum word word;
	const char *content; /* or NULL */
	unsigned int pcr;
	unsigned int rtmr;
	uint32_t banks; /* mask of 1 << HASH_... */
	uint8_t digests[HASH_ALGORITHMS][HASH_MAX_SIZE];
	const char *type;   /* eventType */
	const char *text;   /* what was measured, as far as it may be known */
	char boot_id[33];   /* 32 hex digits */
	uint64_t timestamp; /* CLOCK_BOOTTIME, microseconds */
};

/* The record as a JSON text sequence element (RFC 7464). Pure. The caller frees *ret. */
int measure_log_format(const struct measure_record *record, char **ret, size_t *ret_size);

/*
 * Open a log for appending, made when it is not there, and lock it. -EPERM when it is not a regular
 * file of our own.
 */
int measure_log_open(const char *path, int *ret);

/*
 * Extend and append, in systemd's order: lock, mark the log as incomplete (sticky bit), extend,
 * append, clear the mark. A cut in between leaves the mark: a reader then knows that the register
 * may be one event ahead. The register is extended even when the log cannot be written.
 */
int measure_log_extend(const char *path, const struct measure_record *record,
		       int (*extend)(void *context, const struct measure_record *record),
		       void *context);

#endif
