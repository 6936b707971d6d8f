/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_CONFIG_INITDATA_H
#define CVMROOT_CONFIG_INITDATA_H

#include "crypto/hash.h"

#define INITDATA_SIZE_LIMIT (256 * KIB)

/*
 * A CoCo initdata document (version 0.1.0): a TOML text whose digest a TEE can bind. Nothing in it
 * may be used before that was checked. What we read from its [data]: "cvmroot.toml" and
 * "instance-id".
 */
struct initdata {
	char *text; /* byte for byte as it was hashed */
	size_t size;
	uint8_t digest[HASH_MAX_SIZE]; /* by the algorithm that the document names */
	size_t digest_size;
	char *config;	   /* text of a configuration; or NULL */
	char *instance_id; /* letters, digits, '-', '_' and '.'; or NULL */
};

/* @name is for sentences. -EBADMSG, -E2BIG. The caller frees *ret with initdata_free(). */
int initdata_parse(const char *text, size_t size, const char *name, struct initdata **ret);
int initdata_load(const char *path, struct initdata **ret);
void initdata_free(struct initdata *initdata);
DEFINE_CLEANUP(struct initdata *, initdata_free)

#endif
