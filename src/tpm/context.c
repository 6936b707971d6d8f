/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "tpm/device.h"
#include "tpm/internal.h"

/*
 * The TSS libraries print on standard error by themselves, on request also session keys. Units are
 * silent, and the environment is not to be trusted with a switch for that.
 */
static void silence_libraries(void)
{
	setenv("TSS2_LOG", "all+NONE", 1);
}

int tpm_open(struct tpm **ret)
{
	TSS2_TCTI_CONTEXT *tcti;
	int r = tpm_device_open(&tcti);

	if (r == 0)
		r = tpm_open_tcti(tcti, ret);
	if (r == 0)
		(*ret)->banks = tpm_device_banks(TPM_DEVICE_FOLDER);
	return r;
}

int tpm_open_tcti(TSS2_TCTI_CONTEXT *tcti, struct tpm **ret)
{
	cleanup(tpm_freep) struct tpm *tpm = calloc(1, sizeof(*tpm));
	TSS2_RC rc;

	silence_libraries();
	if (!tpm) {
		Tss2_Tcti_Finalize(tcti);
		free(tcti);
		return -ENOMEM;
	}
	tpm->tcti = tcti;
	tpm->primary = tpm->session = ESYS_TR_NONE;
	/* No TPM2_Startup: the kernel has done it before it offered the device. */
	rc = Esys_Initialize(&tpm->esys, tcti, NULL);
	if (rc != TSS2_RC_SUCCESS)
		return tpm_fail(rc, "opening the TPM");
	*ret = TAKE_PTR(tpm);
	return 0;
}

void tpm_handle_flush(struct tpm_handle *handle)
{
	if (handle->tr != ESYS_TR_NONE)
		(void)Esys_FlushContext(handle->tpm->esys, handle->tr);
	handle->tr = ESYS_TR_NONE;
}

void tpm_free(struct tpm *tpm)
{
	if (!tpm)
		return;
	if (tpm->esys)
		tpm_session_forget(tpm);
	if (tpm->esys && tpm->primary != ESYS_TR_NONE && tpm->primary_legacy)
		(void)Esys_FlushContext(tpm->esys, tpm->primary);
	Esys_Finalize(&tpm->esys);
	Tss2_Tcti_Finalize(tpm->tcti);
	free(tpm->tcti);
	free(tpm);
}
