/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "measure/registers.h"

#include "base/error.h"
#include "measure/backend.h"
#include "measure/rtmr.h"
#include "tpm/tpm.h"

#include <string.h>

static int read_pcrs(struct tpm *tpm, struct machine_registers *registers)
{
	struct tpm_pcr_values values;
	uint32_t banks;
	int r = tpm_pcr_banks(tpm, &banks);

	for (unsigned int i = 0; r == 0 && i < HASH_ALGORITHMS; i++) {
		if (!(banks & 1U << i))
			continue;
		r = tpm_pcr_read(tpm, (enum hash_algorithm)i, (1U << TPM_PCR_COUNT) - 1, &values);
		if (r < 0)
			break;
		registers->banks[registers->count].kind = EVENTLOG_PCR;
		registers->banks[registers->count].bank = (enum hash_algorithm)i;
		registers->banks[registers->count].count = TPM_PCR_COUNT;
		memcpy(registers->banks[registers->count++].values, values.values,
		       sizeof(values.values));
	}
	return r;
}

static int read_rtmrs(struct machine_registers *registers)
{
	uint32_t banks;
	int r = measure_rtmr.probe(NULL, &banks);

	if (r == -EOPNOTSUPP)
		return fail(r, "this kernel does not show the RTMRs; Linux 6.16 and later do");
	if (r < 0)
		return r == -ENODEV ? 0 : r;
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
