/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_BOOT_STATUS_H
#define CVMROOT_BOOT_STATUS_H

#include "base/codec.h"
#include "base/error.h"

/* What `cvmroot boot` is doing, for `cvmroot status` and whoever watches: one small JSON file. */

#define STATUS_PATH	  "/run/cvmroot/status.json"
#define STATUS_SIZE_LIMIT (16 * KIB)
#define STATUS_VERSION	  1

enum boot_state {
	BOOT_WAITING, /* for the partition or the TPM */
	BOOT_GROWING,
	BOOT_VERIFYING, /* the image before the first write, or what was encrypted of it */
	BOOT_CONVERTING,
	BOOT_UNLOCKING,
	BOOT_DONE,
	BOOT_FAILED,
};

enum boot_root {
	BOOT_ROOT_UNKNOWN, /* not decided yet */
	BOOT_ROOT_FRESH,   /* encrypted in this boot */
	BOOT_ROOT_RESUMED, /* begun in an earlier boot, finished in this one */
	BOOT_ROOT_REOPENED,
};

/* Room for the names of all providers that there are, with '+' between them. */
#define STATUS_PROVIDER_SIZE 32

/* Zero or empty: not known, or does not apply. All numbers fit into 63 bits. */
struct boot_status {
	enum boot_state state;
	enum boot_root root;
	uint64_t percent; /* 0 to 100, of what `state` says */
	uint64_t done_bytes;
	uint64_t total_bytes;
	uint64_t mib_per_second;
	uint64_t seconds_left;
	char provider[STATUS_PROVIDER_SIZE]; /* that gave the key */
	char luks_uuid[UUID_TEXT_SIZE];
	uint64_t epoch;
	char sentence[FAIL_SENTENCE_SIZE]; /* why it failed */
	uint64_t started_ms;		   /* CLOCK_BOOTTIME */
	uint64_t finished_ms;
};

/* "converting", "fresh"; "" for BOOT_ROOT_UNKNOWN. */
const char *boot_state_name(enum boot_state state);
const char *boot_root_name(enum boot_root root);

/*
 * To and from JSON text; pure. The text ends with a newline and is freed by the caller. Reading is
 * strict: -EBADMSG, -E2BIG. Bytes of a sentence that are not UTF-8 become '?'.
 */
int boot_status_format(const struct boot_status *status, char **ret, size_t *ret_size);
int boot_status_parse(const char *text, size_t size, struct boot_status *ret);

/*
 * Replace the file at @path in one step, its folder made when missing; a reader sees the old or the
 * new text. Nothing is flushed: the file does not outlive this boot, and is written each second.
 */
int boot_status_write(const char *path, const struct boot_status *status);
/* -ENOENT when there is none; otherwise with a sentence. */
int boot_status_read(const char *path, struct boot_status *ret);

/* Milliseconds of CLOCK_BOOTTIME. */
uint64_t boot_status_now(void);

#endif
