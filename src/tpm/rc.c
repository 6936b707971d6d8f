/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "base/error.h"
#include "base/log.h"
#include "tpm/internal.h"

#include <tss2/tss2_rc.h>

/* Response codes that a user can meet, without layer and position, and what they mean for him. */
static const struct {
	TSS2_RC code;
	int error;
	const char *sentence;
} table[] = {
	{TPM2_RC_LOCKOUT, -ENOLCK,
	 "the TPM is locked after too many wrong authorisations; wait for its recovery time, or "
	 "clear it with 'tpm2_dictionarylockout --clear-lockout'"},
	{TPM2_RC_BAD_AUTH, -EACCES,
	 "the TPM asks for an authorisation that is not empty (an owner password is set); clear "
	 "it with 'tpm2_changeauth -c owner'"},
	{TPM2_RC_AUTH_FAIL, -EACCES,
	 "the TPM asks for an authorisation that is not empty (an owner password is set); clear "
	 "it with 'tpm2_changeauth -c owner'"},
	{TPM2_RC_AUTH_UNAVAILABLE, -EACCES, "the TPM offers no way to authorise this"},
	{TPM2_RC_HIERARCHY, -EACCES,
	 "the TPM's owner hierarchy is disabled; enable it in firmware"},
	{TPM2_RC_DISABLED, -EACCES, "the TPM has this command disabled"},
	{TPM2_RC_POLICY_FAIL, -EREMCHG,
	 "the TPM's PCRs are not those that this is bound to; boot the image that was sealed"},
	{TPM2_RC_PCR_CHANGED, -EREMCHG, "the PCRs kept changing meanwhile; reboot to try again"},
	{TPM2_RC_NV_SPACE, -ENOSPC,
	 "the TPM's NV memory is full; remove an index or key that is not needed "
	 "(tpm2_getcap handles-nv-index, tpm2_nvundefine)"},
	{TPM2_RC_NV_SIZE, -ENOSPC, "the TPM does not take an NV index of this size"},
	{TPM2_RC_NV_RANGE, -EKEYREJECTED, "the NV index is smaller than the record"},
	{TPM2_RC_NV_LOCKED, -EIO, "the NV index is locked until the next boot; reboot"},
	{TPM2_RC_NV_AUTHORIZATION, -EACCES, "the NV index does not allow this"},
	{TPM2_RC_NV_UNINITIALIZED, -ENOENT, "the NV index was never written"},
	{TPM2_RC_NV_DEFINED, -EEXIST, "there is something at this handle already"},
	{TPM2_RC_NV_RATE, -EIO, "the TPM limits NV writes now; try again later"},
	{TPM2_RC_NV_UNAVAILABLE, -EIO, "the TPM's NV memory is not available now; try again later"},
	{TPM2_RC_INTEGRITY, -ESTALE,
	 "this secret was sealed by another TPM, or its blob is damaged"},
	{TPM2_RC_BINDING, -ESTALE, "this secret was sealed by another TPM, or its blob is damaged"},
	{TPM2_RC_HANDLE, -ENOENT, "the TPM has no object or NV index at this handle"},
	{TPM2_RC_REFERENCE_H0, -ENOENT, "the TPM has no object loaded at this handle"},
	{TPM2_RC_SIGNATURE, -EKEYREJECTED, "the signature does not verify"},
	{TPM2_RC_TICKET, -EKEYREJECTED, "the TPM refuses the ticket of the signature"},
	{TPM2_RC_OBJECT_MEMORY, -EBUSY, "the TPM has no room for another object; reboot"},
	{TPM2_RC_OBJECT_HANDLES, -EBUSY, "the TPM has no room for another object; reboot"},
	{TPM2_RC_SESSION_MEMORY, -EBUSY, "the TPM has no room for another session; reboot"},
	{TPM2_RC_SESSION_HANDLES, -EBUSY, "the TPM has no room for another session; reboot"},
	{TPM2_RC_TOO_MANY_CONTEXTS, -EBUSY, "the TPM has saved too many contexts; reboot"},
	{TPM2_RC_CONTEXT_GAP, -EBUSY, "a session of another program is too old; reboot"},
	{TPM2_RC_MEMORY, -EBUSY, "the TPM is out of memory; reboot"},
	{TPM2_RC_RETRY, -EBUSY, "the TPM stays busy; try again later"},
	{TPM2_RC_YIELDED, -EBUSY, "the TPM stays busy; try again later"},
	{TPM2_RC_TESTING, -EBUSY, "the TPM is still testing itself; try again later"},
	{TPM2_RC_CANCELED, -EIO, "the command was cancelled; try again"},
	{TPM2_RC_INITIALIZE, -EIO, "the firmware or kernel has not started the TPM"},
	{TPM2_RC_FAILURE, -EIO, "the TPM is in failure mode; switch the machine off and on"},
	{TPM2_RC_UPGRADE, -EIO, "the TPM waits for a firmware upgrade"},
	{TPM2_RC_REBOOT, -EIO, "the TPM asks for a reboot"},
	{TPM2_RC_LOCALITY, -EACCES, "the TPM does not allow this from here (locality)"},
	{TPM2_RC_COMMAND_CODE, -EOPNOTSUPP, "this TPM lacks a command that is needed"},
	{TPM2_RC_CURVE, -EOPNOTSUPP, "this TPM lacks the NIST P-256 curve"},
	{TPM2_RC_ASYMMETRIC, -EOPNOTSUPP, "this TPM lacks a key type that is needed"},
	{TPM2_RC_SYMMETRIC, -EOPNOTSUPP, "this TPM lacks AES-128-CFB"},
	{TPM2_RC_MODE, -EOPNOTSUPP, "this TPM lacks AES-128-CFB"},
	{TPM2_RC_KEY_SIZE, -EOPNOTSUPP, "this TPM does not take a key of this size"},
	{TPM2_RC_HASH, -EOPNOTSUPP, "this TPM lacks the hash algorithm"},
};

static bool from_tpm(TSS2_RC rc)
{
	TSS2_RC layer = rc & TSS2_RC_LAYER_MASK;

	return layer == TSS2_TPM_RC_LAYER || layer == TSS2_RESMGR_RC_LAYER ||
	       layer == TSS2_RESMGR_TPM_RC_LAYER;
}

TSS2_RC tpm_rc_base(TSS2_RC rc)
{
	if (!from_tpm(rc))
		return rc;
	rc &= 0xfff;
	/* Format one: bits 6 and 8 to 11 say which parameter, handle or session. */
	return rc & TPM2_RC_FMT1 ? rc & 0xbf : rc;
}

static int fail_library(TSS2_RC rc, const char *what)
{
	if (rc == TSS2_ESYS_RC_RSP_AUTH_FAILED)
		return fail(-EKEYREJECTED,
			    "%s: the TPM's answer is not authentic; something between this machine "
			    "and its TPM changes the traffic",
			    what);
	if (rc == TSS2_ESYS_RC_MEMORY || rc == TSS2_TCTI_RC_MEMORY)
		return fail(-ENOMEM, "%s: out of memory", what);
	if (rc == TSS2_TCTI_RC_NO_CONNECTION)
		return fail(-ENODEV, "%s: the TPM is gone", what);
	return fail(-EIO, "%s: %s (0x%x)", what, Tss2_RC_Decode(rc), rc);
}

int tpm_fail(TSS2_RC rc, const char *what)
{
	TSS2_RC base = tpm_rc_base(rc);

	log_debug("%s: TPM response 0x%x", what, rc);
	if (!from_tpm(rc))
		return fail_library(rc, what);
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (table[i].code == base)
			return fail(table[i].error, "%s: %s", what, table[i].sentence);
	return fail(-EIO, "%s: the TPM says: %s (0x%x)", what, Tss2_RC_Decode(rc), rc);
}
