/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_MEASURE_REGISTERS_H
#define CVMROOT_MEASURE_REGISTERS_H

#include "eventlog/eventlog.h"

/* What the registers of this machine hold: of each bank of its vTPM, and of its RTMRs. */
struct machine_registers {
	struct {
		enum eventlog_kind kind;
		enum hash_algorithm bank;
		unsigned int count; /* of registers, from 0 on */
		uint32_t absent;    /* mask of those that the bank lacks */
		uint8_t values[EVENTLOG_REGISTERS][HASH_MAX_SIZE];
	} banks[HASH_ALGORITHMS + 1];
	size_t count;	   /* 0: it has none */
	bool rtmrs_hidden; /* it has RTMRs, and a kernel that does not show them */
};

struct tpm;
/* @tpm may be NULL; the caller frees *ret. */
int machine_registers_read(struct tpm *tpm, struct machine_registers **ret);

#endif
