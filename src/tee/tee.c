/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "base/error.h"
#include "tee/pef.h"
#include "tee/platforms.h"
#include "tee/tsm.h"

#include <string.h>

/*
 * In the order of detection, that of CoCo's attestation agent: tdx, az-tdx-vtpm, az-snp-vtpm, snp,
 * cca, se, tpm. On Azure a paravisor stands between the guest and the silicon, so its types come
 * before snp; any machine with a vTPM can be tpm, so that comes last.
 */
static const struct tee_ops *const platforms[] = {
	&tee_tdx,	  /* Intel */
	&tee_az_tdx_vtpm, /* Intel, behind a paravisor */
	&tee_az_snp_vtpm, /* AMD, behind a paravisor */
	&tee_snp,	  /* AMD */
	&tee_cca,	  /* Arm */
	&tee_se,	  /* IBM */
	&tee_tpm,	  /* any */
#ifdef CVMROOT_SAMPLE_TEE
	&tee_sample,
#endif
	NULL,
};

const struct tee_ops *tee_platform(size_t index)
{
	return platforms[index];
}

/* "auto, tdx, snp" into @ret, cut where it ends. */
void tee_platform_names(char *ret, size_t size)
{
	size_t used = (size_t)snprintf(ret, size, "auto");

	for (size_t i = 0; platforms[i] && used < size; i++)
		used += (size_t)snprintf(ret + used, size - used, ", %s", platforms[i]->name);
}

static int find_by_name(const char *name, const struct tee_ops **ret)
{
	char names[128];

	for (size_t i = 0; platforms[i]; i++)
		if (strcmp(platforms[i]->name, name) == 0) {
			*ret = platforms[i];
			return 0;
		}
	tee_platform_names(names, sizeof(names));
	return fail(-EINVAL, "there is no such platform as \"%s\"; known are %s", name, names);
}

/* What is here instead of a platform that can attest. */
static int none_found(void)
{
	if (tee_pef_detect() > 0)
		return fail(-ENODEV,
			    "this is a Power PEF guest, for which the kernel has no attestation "
			    "interface; use its vTPM, with platform \"tpm\" or provider \"tpm2\"");
	return fail(-ENODEV,
		    "this machine is no TEE that is known here: neither the kernel's report "
		    "interface (" TSM_REPORT_PATH ") nor a device of one, nor a TPM with an "
		    "attestation key, is present");
}

static int find_by_detection(const struct tee_context *context, const struct tee_ops **ret)
{
	for (size_t i = 0; platforms[i]; i++) {
		int r = platforms[i]->detect(context);

		if (r < 0)
			return fail(r, "cannot tell whether this machine is %s: %s",
				    platforms[i]->title, fail_sentence(r));
		if (r == 0)
			continue;
		*ret = platforms[i];
		return 0;
	}
	return none_found();
}

int tee_find(const char *name, const struct tee_context *context, const struct tee_ops **ret)
{
	if (strcmp(name, "auto") == 0)
		return find_by_detection(context, ret);
	return find_by_name(name, ret);
}

int tee_evidence(const struct tee_ops *tee, const struct tee_context *context,
		 const struct tee_request *request, json_t **ret)
{
	if (request->report_data_size == 0 || request->report_data_size > TEE_REPORT_DATA_SIZE)
		return fail(-EINVAL, "report data of %zu bytes: 1 to %d are possible",
			    request->report_data_size, TEE_REPORT_DATA_SIZE);
	return tee->evidence(context, request, ret);
}

int tee_check_initdata(const struct tee_ops *tee, const struct tee_context *context,
		       const uint8_t *digest, size_t digest_size)
{
	if (!tee->check_initdata)
		return fail(-EOPNOTSUPP, "%s binds no initdata", tee->title);
	if (digest_size == 0 || digest_size > TEE_REPORT_DATA_SIZE)
		return fail(-EINVAL, "an initdata digest of %zu bytes: 1 to %d are possible",
			    digest_size, TEE_REPORT_DATA_SIZE);
	return tee->check_initdata(context, digest, digest_size);
}
