/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_VERIFY_VERIFY_H
#define CVMROOT_VERIFY_VERIFY_H

#include "crypto/certificate.h"
#include "tee/tee.h"

/*
 * What evidence that came with its logs says about a machine (cvmroot(7), VERIFYING A MACHINE
 * LATER). All of it is untrusted bytes until a signature says otherwise. Everything here is pure.
 */

#define VERIFY_DOCUMENT_LIMIT  (32 * MIB)
#define VERIFY_REFERENCE_LIMIT (4 * MIB)

/* In the order in which they are printed; each rests on those before it. */
enum verify_claim {
	VERIFY_GENUINE,
	VERIFY_PLATFORM,
	VERIFY_NO_DEBUG,
	VERIFY_FRESH,
	VERIFY_LAUNCH,
	VERIFY_IMAGE,
	VERIFY_LOGS,
	VERIFY_CONFIG,
	VERIFY_ROOT,
	VERIFY_ENCRYPTED,
	VERIFY_HOW,
	VERIFY_PROVIDER,
	VERIFY_CLOSED,
	VERIFY_CLAIMS,
};

enum verify_verdict {
	VERIFY_UNCHECKED,
	VERIFY_HOLDS,
	VERIFY_FAILS,
};

struct verify_result {
	struct {
		enum verify_verdict verdict;
		bool wanted; /* the reference asks for it, so that it must be checked */
		char text[320];
	} claims[VERIFY_CLAIMS];
};

/* "genuine", for programs; "this configuration", for people. */
const char *verify_claim_name(enum verify_claim claim);
const char *verify_claim_title(enum verify_claim claim);
/* No claim fails, and each that is wanted holds. */
bool verify_accepts(const struct verify_result *result);

struct verify_input {
	const char *evidence; /* the document, or the evidence alone of platform @tee */
	size_t evidence_size;
	const char *tee; /* the platform that it has to be of; NULL: that of the reference */
	const char *reference;
	size_t reference_size;
	const uint8_t *nonce; /* that the verifier gave out */
	size_t nonce_size;    /* 0: it gave none */
	const struct certificates *roots, *certificates;
};

/*
 * Check each claim. -EBADMSG, -E2BIG: evidence or reference is malformed; -EOPNOTSUPP: a platform
 * whose signatures are not checked here. A refusal is no error, but a claim that fails.
 */
int verify_evidence(const struct verify_input *input, struct verify_result *ret);

/* ---- What evidence is asked about, also for who makes it (report_data.c) ---- */

/* Has it registers that it signs? -EOPNOTSUPP: no document is made for this platform. */
int verify_has_registers(const char *tee);
/*
 * For a platform with registers the nonce. Else SHA-512 of "cvmroot evidence 1", a zero byte, the
 * SHA-384 of the user-space log (of nothing where there is none) and the nonce: there nothing else
 * speaks for the log. At most TEE_REPORT_DATA_SIZE bytes.
 */
int verify_report_data(bool has_registers, const void *log, size_t log_size, const uint8_t *nonce,
		       size_t nonce_size, uint8_t ret[static TEE_REPORT_DATA_SIZE],
		       size_t *ret_size);

#endif
