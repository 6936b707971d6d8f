/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_TESTS_UNIT_TRANSCRIPT_H
#define CVMROOT_TESTS_UNIT_TRANSCRIPT_H

#include "unit.h"

#include <jansson.h>
#include <unistd.h>

/* A file of recorded exchanges with a broker; the test is skipped without it. */
static inline json_t *transcript_load(const char *name)
{
	char path[4096];
	json_t *json;

	snprintf(path, sizeof(path), "%s/trustee-transcripts/%s",
		 vectors_folder() ? vectors_folder() : "", name);
	/* skip() jumps: nothing may be owned here. */
	if (!vectors_folder() || access(path, R_OK) < 0) {
		print_message("skipped: no trustee-transcripts/%s below CVMROOT_VECTORS\n", name);
		skip();
	}
	/* Binary resources were uploaded: their bytes are characters of a text there. */
	json = json_load_file(path, JSON_ALLOW_NUL, NULL);
	assert_true(json_is_array(json));
	return json;
}

#endif
