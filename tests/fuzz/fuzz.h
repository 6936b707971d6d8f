/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_TESTS_FUZZ_FUZZ_H
#define CVMROOT_TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* libFuzzer's entry point. Must not keep state between calls; returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
