/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "measure/backend.h"

/* A machine without registers (SEV-SNP without vTPM): the digest of this log goes into the report
 * data of evidence that is asked for later. */

static int own_log_probe(struct tpm *tpm, uint32_t *ret_banks)
{
	(void)tpm;
	*ret_banks = 1U << HASH_SHA384;
	return 0;
}

static int no_register(void *context, const struct measure_record *record)
{
	(void)context;
	(void)record;
	return 0;
}

static int own_log_extend(struct tpm *tpm, const struct measure_record *record)
{
	return measure_log_extend(MEASURE_OWN_LOG_PATH, record, no_register, tpm);
}

const struct measure_backend measure_own_log = {
	.only_alone = true,
	.probe = own_log_probe,
	.extend = own_log_extend,
};
