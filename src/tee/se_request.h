/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_TEE_SE_REQUEST_H
#define CVMROOT_TEE_SE_REQUEST_H

#include "base/json.h"

/*
 * Attestation of IBM Secure Execution begins at the broker: its challenge is a JSON document with a
 * request that only the ultravisor can read. The guest passes that on and hands back the answer
 * (CoCo KBS protocol and attestation service, TEE "se").
 */

/* What is asked of the ultravisor may not exceed this; the kernel's own limits are wider. */
#define SE_ARCB_MAX	   (256 * KIB) /* attestation request control block: 80 bytes a host key */
#define SE_MEASUREMENT_MAX (4 * KIB)   /* an HMAC-SHA-512 has 64 */
#define SE_ADDITIONAL_MAX  (32 * KIB)  /* two hashes of host keys have 64 */
#define SE_ECHO_MAX	   (4 * KIB)   /* each field that goes back as it came */

#define SE_USER_DATA_SIZE  64
#define SE_CONFIG_UID_SIZE 16

struct se_request {
	json_t *document;
	uint8_t *arcb;
	size_t arcb_size;
	size_t measurement_size;
	size_t additional_size;
	/* Strings of the document, base64. */
	json_t *measurement_key, *nonce, *image_tags;
};

/*
 * Read a challenge. -EBADMSG, -E2BIG over a limit above; each says which member. se_request_done()
 * frees what is in @ret.
 */
int se_request_parse(const char *challenge, struct se_request *ret);
void se_request_done(struct se_request *request);

/* What the ultravisor answered. */
struct se_answer {
	uint8_t *measurement; /* se_request.measurement_size bytes */
	uint8_t *additional;
	size_t additional_size;
	uint8_t user_data[SE_USER_DATA_SIZE];
	uint8_t config_uid[SE_CONFIG_UID_SIZE];
};

void se_answer_done(struct se_answer *answer);

/* The evidence as Trustee's verifier takes it. The caller owns it. */
int se_evidence_make(const struct se_request *request, const struct se_answer *answer,
		     json_t **ret);

#endif
