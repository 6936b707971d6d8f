/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "base/error.h"
#include "tpm/internal.h"

#include <tss2/tss2_tcti_device.h>

/*
 * The TSS libraries print on standard error by themselves, on request also session keys. Units are
 * silent, and the environment is not to be trusted with a switch for that.
 */
static void silence_libraries(void)
{
	setenv("TSS2_LOG", "all+NONE", 1);
}

static int fail_open(void)
{
	if (access(TPM_DEVICE, F_OK) < 0)
		return fail(-ENODEV, "this machine has no TPM 2.0 (" TPM_DEVICE " does not exist); "
				     "give the virtual machine a vTPM");
	if (access(TPM_DEVICE, R_OK | W_OK) < 0)
		return fail(-EACCES, "no permission to use the TPM (" TPM_DEVICE "); run as root");
	return fail(-EIO, "cannot open the TPM (" TPM_DEVICE ")");
}

static int open_device(TSS2_TCTI_CONTEXT **ret)
{
	TSS2_TCTI_CONTEXT *tcti;
	size_t size = 0;

	if (Tss2_Tcti_Device_Init(NULL, &size, TPM_DEVICE) != TSS2_RC_SUCCESS)
		return fail_open();
	tcti = calloc(1, size);
	if (!tcti)
		return -ENOMEM;
	if (Tss2_Tcti_Device_Init(tcti, &size, TPM_DEVICE) != TSS2_RC_SUCCESS) {
		free(tcti);
		return fail_open();
	}
	*ret = tcti;
	return 0;
}

int tpm_open(struct tpm **ret)
{
	TSS2_TCTI_CONTEXT *tcti = NULL;
	int r;

	silence_libraries();
	r = open_device(&tcti);
	if (r < 0)
		return r;
	return tpm_open_tcti(tcti, ret);
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
