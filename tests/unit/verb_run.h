/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef TESTS_VERB_RUN_H
#define TESTS_VERB_RUN_H

#include "cli/verbs.h"

/* Run a verb with at most 7 words, its name first; what it printed, which the caller frees. */
char *verb_run(const struct verb *verb, const char *const *words, int *ret_code);

#endif
