/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_TEE_VTPM_H
#define CVMROOT_TEE_VTPM_H

#include "base/clock.h"
#include "tee/hcl_report.h"
#include "tee/tee.h"
#include "tpm/quote.h"

/* What the platforms share that attest by a virtual TPM. */

/* 0 when PCR 8 was extended once, from zero, with the SHA-256 of initdata; see tee.h. */
int vtpm_check_initdata(const struct tee_context *context, const uint8_t *digest,
			size_t digest_size);

/* The PCRs that something was measured into; see tee.h. */
void vtpm_describe(json_t *evidence, FILE *out);

/*
 * Waiting for something that nobody announces: each wait is twice as long as the one before, up to
 * a limit and to the deadline. vtpm_wait() is false when the time is over.
 */
struct vtpm_wait {
	int64_t deadline; /* monotonic_ms() */
	unsigned int next_ms, limit_ms;
};
struct vtpm_wait vtpm_wait_begin(unsigned int total_ms, unsigned int first_ms,
				 unsigned int limit_ms);
bool vtpm_wait(struct vtpm_wait *wait);

/* ---- Azure (az_vtpm.c) ---- */

/* Does the vTPM hold a report of this type? See tee.h. */
int az_detect(const struct tee_context *context, enum hcl_type type);

/* The report, and a quote by the key that it names. */
struct az_evidence {
	uint8_t *report;
	size_t report_size;
	struct hcl_report hcl; /* borrows from the report */
	struct tpm_quote quote;
};
void az_evidence_done(struct az_evidence *evidence);
/*
 * Give the report data to the paravisor, wait until its report has them, and quote. With a legacy
 * request the report is taken as it is: the verifiers of that time look for them in the quote only.
 * -ETIMEDOUT when the report does not get them within context->wait_ms.
 */
int az_collect(const struct tee_context *context, const struct tee_request *request,
	       enum hcl_type type, struct az_evidence *ret);

/* ---- Azure's metadata service (az_http.c) ---- */

/*
 * GET, or POST of @body, at http://169.254.169.254 @path; tried again within @wait_ms while the
 * network comes up or the service is busy. The caller frees *ret, which is NUL-terminated.
 */
int az_http(const char *path, const char *body, unsigned int wait_ms, char **ret, size_t *ret_size);

#endif
