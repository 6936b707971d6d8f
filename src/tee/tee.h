/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_TEE_TEE_H
#define CVMROOT_TEE_TEE_H

#include "tpm/tpm.h"

#include <jansson.h>

/*
 * Which trusted execution environment (TEE) this is, and evidence of it for a digest. One file per
 * platform and one line in the table of tee.c each. Evidence is the JSON object that Trustee's
 * verifier of that name takes (protocol 0.4.0: the value of "primary_evidence").
 */

#define TEE_REPORT_DATA_SIZE 64

/* What platforms may use; borrowed. */
struct tee_context {
	struct tpm *tpm;      /* NULL: no TPM on this machine */
	uint32_t ak_handle;   /* persistent handle of the attestation key of "tpm" */
	unsigned int wait_ms; /* for what the platform prepares in the background */
};

/* What evidence is asked for. */
struct tee_request {
	/* The report data, 1 to TEE_REPORT_DATA_SIZE bytes; each platform pads or cuts it its way. */
	const uint8_t *report_data;
	size_t report_data_size;
	/* The nonce text of the broker's Challenge, for platforms whose verifier puts more than a
	 * nonce there ("se"); or NULL. */
	const char *challenge;
	/* The form that servers take which know the platform by its legacy name. */
	bool legacy;
};

struct tee_ops {
	const char *name;	 /* Trustee's name: "az-snp-vtpm" */
	const char *legacy_name; /* an earlier one: "azsnpvtpm"; or NULL */
	const char *title;	 /* for people: "AMD SEV-SNP on Azure, by its vTPM" */
	/* 1 when this machine is one, 0 when not; an error only when that cannot be known. */
	int (*detect)(const struct tee_context *context);
	/*
	 * Get evidence, and check what came back: length, version, that it is about the report data
	 * asked for, that nobody else used the interface meanwhile.
	 */
	int (*evidence)(const struct tee_context *context, const struct tee_request *request,
			json_t **ret_evidence);
	/*
	 * 0 when the TEE binds initdata of this digest; -EKEYREJECTED when it binds something else
	 * or nothing. NULL: the platform binds no initdata.
	 */
	int (*check_initdata)(const struct tee_context *context, const uint8_t *digest,
			      size_t digest_size);
	/* For people: a line per fact, by tee_describe_...(), of evidence that @evidence made; NULL:
	 * nothing to tell. */
	void (*describe)(json_t *evidence, FILE *out);
};

extern const struct tee_ops tee_snp, tee_tdx, tee_az_snp_vtpm, tee_az_tdx_vtpm, tee_tpm, tee_cca,
	tee_se;

/* By name, or by detection for "auto". -EINVAL: no such name; -ENODEV: none found, says what is
 * there instead (Power PEF has no attestation interface). */
int tee_find(const char *name, const struct tee_context *context, const struct tee_ops **ret);

/* With checks that are the same for all: size of the report data. */
int tee_evidence(const struct tee_ops *tee, const struct tee_context *context,
		 const struct tee_request *request, json_t **ret);
/* -EOPNOTSUPP when the platform binds no initdata. */
int tee_check_initdata(const struct tee_ops *tee, const struct tee_context *context,
		       const uint8_t *digest, size_t digest_size);

#endif
