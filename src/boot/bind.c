/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "boot/context.h"

#include "base/error.h"
#include "keys/kbs_tee.h"
#include "tee/vtpm.h"

/*
 * A configuration in the initrd is in PCRs that secrets are sealed to anyway; one from initdata is
 * not. Else the host could first boot this image with a document of his own, whose broker gives a
 * key that he knows, change the disk by it, and then boot with the right document: slot and record
 * of the TPM would be as good as its own.
 *
 * On platforms that bind a document by PCR 8 it is there already; on the others it goes there now.
 */
static int measure_document(struct boot *boot)
{
	const struct initdata *initdata = boot->initdata;
	const struct tee_context context = kbs_tee_context(boot->config, boot->tpm);
	int r = vtpm_check_initdata(&context, initdata->digest, initdata->digest_size);

	if (r != -EKEYREJECTED)
		return r;
	fail_clear();
	return measure_initdata(boot->measure, initdata->digest, initdata->digest_size);
}

/* Whoever measured the document may have left out the bank that is sealed to. */
static int check_bank(struct boot *boot)
{
	struct tpm_pcr_values values;
	int r = tpm_pcr_read(boot->tpm, boot->config->tpm2_bank, TPM_PCRS_INITDATA, &values);

	if (r == 0 && tpm_pcr_is_zero(&values, TPM_PCR_INITDATA))
		return fail(-EKEYREJECTED,
			    "initdata is not in PCR 8 of the bank %s, which the TPM seals to; set "
			    "[tpm2] bank to one that it is in",
			    hash_name(boot->config->tpm2_bank));
	return r;
}

int boot_bind_initdata(struct boot *boot)
{
	int r;

	if (!boot->initdata || !boot->tpm || !provider_needs_tpm(boot->config))
		return 0;
	r = measure_document(boot);
	return r < 0 ? r : check_bank(boot);
}
