/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_MEASURE_BACKEND_H
#define CVMROOT_MEASURE_BACKEND_H

#include "measure/log.h"

struct tpm;

/* A register that measurements go to. One file, and one line in the table of measure.c, each. */
struct measure_backend {
	bool only_alone; /* used where no other is */
	/*
	 * Can this machine use it? *ret_banks: mask of 1 << HASH_... to make digests for. -ENODEV;
	 * -EOPNOTSUPP: the machine has it, but its kernel does not offer it.
	 */
	int (*probe)(struct tpm *tpm, uint32_t *ret_banks);
	/* Extend the register and write the log that its verifiers read. */
	int (*extend)(struct tpm *tpm, const struct measure_record *record);
};

extern const struct measure_backend measure_own_log;
extern const struct measure_backend measure_pcr;
extern const struct measure_backend measure_rtmr;

#endif
