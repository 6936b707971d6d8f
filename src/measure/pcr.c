/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "measure/backend.h"

#include "tpm/tpm.h"

static int pcr_probe(struct tpm *tpm, uint32_t *ret_banks)
{
	if (!tpm)
		return -ENODEV;
	return tpm_pcr_banks(tpm, ret_banks);
}

static int pcr_extend_record(void *context, const struct measure_record *record)
{
	struct measure_record copy = *record;

	return tpm_pcr_extend(context, copy.pcr, copy.banks, copy.digests);
}

static int pcr_extend(struct tpm *tpm, const struct measure_record *record)
{
	return measure_log_extend(MEASURE_LOG_PATH, record, pcr_extend_record, tpm);
}

const struct measure_backend measure_pcr = {
	.name = "vTPM PCR",
	.probe = pcr_probe,
	.extend = pcr_extend,
};
