/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_BASE_TOML_H
#define CVMROOT_BASE_TOML_H

#include "base/secret.h"

/*
 * A strict reader of the part of TOML 1.0 that configuration, initdata and provisioner answers use:
 * tables of one level or, by bare names, of two ("[kbs.spare]" is the table "kbs.spare"), bare and
 * quoted keys, basic and literal strings of one line or of several, decimal and 0x integers,
 * booleans, arrays of strings and arrays of integers, comments. Anything else of TOML is refused
 * with "not supported here"; a key or table that comes twice is refused. Pure.
 */

#define TOML_SIZE_LIMIT (512 * KIB)
#define TOML_TABLES_MAX 64
#define TOML_KEYS_MAX	1024
#define TOML_ITEMS_MAX	256 /* of one array */
#define TOML_NAME_MAX	128 /* bytes of a key or table name */

enum toml_type {
	TOML_STRING,
	TOML_INTEGER,
	TOML_BOOLEAN,
	TOML_ARRAY, /* of strings, or of integers */
};

struct toml_value {
	enum toml_type type;
	unsigned int line;  /* where it begins, counted from 1 */
	const char *string; /* valid UTF-8, without NUL inside; lives as long as the document */
	int64_t integer;
	bool boolean;
	struct toml_value *items;
	size_t items_count;
};

struct toml_key {
	const char *table; /* "" for keys before the first table */
	const char *name;
	struct toml_value value;
};

struct toml_table {
	const char *name;
	unsigned int line;
};

/* A document. The arrays keep the order of the text, so that a caller can look for unknown ones. */
struct toml {
	char *file; /* for sentences */
	struct toml_table *tables;
	size_t tables_count;
	struct toml_key *keys;
	size_t keys_count;
	/* All strings: an answer of a broker may hold a key, so that they are wiped. */
	struct secret *strings;
};

/*
 * Read a document; @file names it in sentences only. -EBADMSG with "FILE:LINE: [TABLE] KEY: what is
 * wrong" (as far as table and key are known), -E2BIG over a limit, -ENOMEM. Sentences never quote a
 * value. The caller frees *ret.
 */
int toml_parse(const char *text, size_t size, const char *file, struct toml **ret);
void toml_free(struct toml *toml);
DEFINE_CLEANUP(struct toml *, toml_free)

/* NULL when there is none. */
const struct toml_key *toml_find(const struct toml *toml, const char *table, const char *name);

/*
 * fail(-EBADMSG) with "FILE:LINE: [TABLE] KEY: " in front, for what a caller finds wrong with the
 * value of @key. Control characters that the arguments bring along are replaced.
 */
int toml_fail(const struct toml *toml, const struct toml_key *key, const char *format, ...)
	printf_like(3, 4);

#endif
