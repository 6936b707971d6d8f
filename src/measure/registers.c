/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "measure/registers.h"

#include "measure/backend.h"
#include "measure/rtmr.h"
#include "tpm/tpm.h"

#include <string.h>

/* All of a bank; where the TPM has it for some PCRs only, one by one. */
static int read_bank(struct tpm *tpm, enum hash_algorithm bank, struct tpm_pcr_values *values,
		     uint32_t *ret_absent)
{
	int r = tpm_pcr_read(tpm, bank, (1U << TPM_PCR_COUNT) - 1, values);

	*ret_absent = 0;
	for (unsigned int n = 0; r == -EOPNOTSUPP && n < TPM_PCR_COUNT; n++) {
		struct tpm_pcr_values one;
		int error = tpm_pcr_read(tpm, bank, 1U << n, &one);

		if (error == -EOPNOTSUPP)
			*ret_absent |= 1U << n;
		else if (error < 0)
			return error;
		else
			memcpy(values->values[n], one.values[n], HASH_MAX_SIZE);
	}
	return r == -EOPNOTSUPP ? 0 : r;
}

static int read_pcrs(struct tpm *tpm, struct machine_registers *registers)
{
	struct tpm_pcr_values values = {};
	uint32_t banks, absent;
	int r = tpm_pcr_banks(tpm, &banks);

	for (unsigned int i = 0; r == 0 && i < HASH_ALGORITHMS; i++) {
		if (!(banks & 1U << i))
			continue;
		r = read_bank(tpm, (enum hash_algorithm)i, &values, &absent);
		if (r < 0)
			break;
		registers->banks[registers->count].kind = EVENTLOG_PCR;
		registers->banks[registers->count].bank = (enum hash_algorithm)i;
		registers->banks[registers->count].count = TPM_PCR_COUNT;
		registers->banks[registers->count].absent = absent;
		memcpy(registers->banks[registers->count++].values, values.values,
		       sizeof(values.values));
	}
	return r;
}

static int read_rtmrs(struct machine_registers *registers)
{
	uint32_t banks;
	int r = measure_rtmr.probe(NULL, &banks);

	registers->rtmrs_hidden = r == -EOPNOTSUPP;
	if (r < 0)
		return r == -ENODEV || r == -EOPNOTSUPP ? 0 : r;
	registers->banks[registers->count].kind = EVENTLOG_RTMR;
	registers->banks[registers->count].bank = HASH_SHA384;
	registers->banks[registers->count].count = RTMR_COUNT;
	for (unsigned int i = 0; r == 0 && i < RTMR_COUNT; i++)
		r = measure_rtmr_read(i, registers->banks[registers->count].values[i]);
	registers->count++;
	return r;
}

int machine_registers_read(struct tpm *tpm, struct machine_registers **ret)
{
	cleanup(freep) struct machine_registers *registers = calloc(1, sizeof(*registers));
	int r;

	if (!registers)
		return -ENOMEM;
	r = tpm ? read_pcrs(tpm, registers) : 0;
	if (r == 0)
		r = read_rtmrs(registers);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(registers);
	return 0;
}
