/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_TESTS_UNIT_VECTORS_H
#define CVMROOT_TESTS_UNIT_VECTORS_H

#include "unit.h"

#include "base/file.h"
#include "base/json.h"

/* A published test vector, NUL-terminated behind *ret_size bytes; the test skips without it. */
static inline char *vector_read(const char *name, size_t *ret_size)
{
	static char path[4096];
	char *text;

	snprintf(path, sizeof(path), "%s/%s", vectors_folder() ? vectors_folder() : "", name);
	/* skip() jumps: nothing may be owned here. */
	if (!vectors_folder() || access(path, R_OK) < 0) {
		print_message("skipped: no %s below CVMROOT_VECTORS\n", name);
		skip();
	}
	assert_int_equal(file_read_all(path, 4 * MIB, &text, ret_size), 0);
	return text;
}

static inline json_t *vector_read_json(const char *name)
{
	size_t size;
	cleanup(freep) char *text = vector_read(name, &size);
	json_t *json;

	assert_int_equal(json_parse(text, size, 4 * MIB, &json), 0);
	return json;
}

/* @data begins with the bytes of @hex. */
static inline bool starts_with(const void *data, size_t size, const char *hex)
{
	uint8_t expected[64];
	size_t length = strlen(hex) / 2;

	assert_true(length <= sizeof(expected));
	assert_int_equal(hex_decode(hex, strlen(hex), expected, length), 0);
	return length <= size && memcmp(data, expected, length) == 0;
}

/* A copy of exactly this size, so that a sanitizer sees a read one byte too far. */
static inline uint8_t *exact_copy(const void *data, size_t size)
{
	uint8_t *copy = malloc(size > 0 ? size : 1);

	assert_non_null(copy);
	memcpy(copy, data, size);
	return copy;
}

#endif
