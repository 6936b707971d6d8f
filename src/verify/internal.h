/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_VERIFY_INTERNAL_H
#define CVMROOT_VERIFY_INTERNAL_H

#include "eventlog/eventlog.h"
#include "verify/verify.h"

/* Inside src/verify only. */

#define LAUNCH_SIZE 48
#define PCR_CLOSING 15 /* secrets are sealed to its being zero */

/* What the signatures of evidence cover. */
struct facts {
	char signer[200]; /* for people: who signed, and at which level */
	bool debug;	  /* the host may look inside, or have the machine moved */
	uint8_t report_data[TEE_REPORT_DATA_SIZE];
	size_t report_data_size;
	bool report_data_fitted; /* it is filled with zeros, or cut, */
	size_t fitted_size;	 /* to no less than this */
	enum {
		LAUNCH_NONE, /* the platform does not measure what started the machine */
		LAUNCH_SNP,
		LAUNCH_TDX,
	} launch_kind;
	uint8_t launch[LAUNCH_SIZE];
	bool launch_vouches;		     /* for the TPM, that is: what was launched made it */
	bool quoted;			     /* there are registers: */
	struct eventlog_registers registers; /* touched: those that are quoted */
};

/* ---- document.c ---- */

enum document_log {
	LOG_FIRMWARE,
	LOG_CCEL,
	LOG_AGENT,
	LOG_USER,
	LOGS,
};

struct platform;
struct document {
	const struct platform *platform;
	bool registers; /* that the platform has */
	json_t *json;
	json_t *evidence; /* borrowed from it */
	bool bare;	  /* no document is around the evidence */
	uint8_t nonce[TEE_REPORT_DATA_SIZE];
	size_t nonce_size;
	struct {
		uint8_t *data; /* NULL: none */
		size_t size;
		bool incomplete; /* by its own mark */
	} logs[LOGS];
};
void document_done(struct document *document);
/* @tee: the platform of evidence alone, which lacks the member "cvmroot-evidence". */
int document_read(const char *text, size_t size, const char *tee, struct document *ret);

/* ---- reference.c: lists are never empty, and hex in them is of lower case ---- */

struct reference {
	json_t *json;
	/* Borrowed from it; NULL where the reference says nothing. */
	json_t *pcrs, *rtmrs, *mrtd, *measurement;	     /* of registers: objects */
	json_t *config, *manifest, *providers, *how, *epoch; /* lists */
	json_t *tee, *vmpl;				     /* lists */
	json_t *uuid, *volume_key /* lists by bank */, *attestation_keys; /* lists */
	bool kernel_hashes; /* the measurement is of kernel, command line and initrd, too */
};
void reference_done(struct reference *reference);
int reference_read(const char *text, size_t size, struct reference *ret);
/* Is it in the list? */
bool reference_lists(const json_t *list, const char *text, size_t size);
bool reference_lists_hex(const json_t *list, const uint8_t *data, size_t size);
bool reference_lists_number(const json_t *list, uint64_t number);

/* ---- Platforms ---- */

struct platform {
	const char *name;
	/* -EKEYREJECTED: not genuine, with a sentence. */
	int (*check)(const struct verify_input *input, const struct reference *reference,
		     const struct document *document, struct facts *ret);
};
/* In claims.c. -EOPNOTSUPP with a sentence. */
int platform_find(const char *name, const struct platform **ret);

int snp_check_evidence(const struct verify_input *input, const struct reference *reference,
		       const struct document *document, struct facts *ret);
int tdx_check_evidence(const struct verify_input *input, const struct reference *reference,
		       const struct document *document, struct facts *ret);
int tpm_check_evidence(const struct verify_input *input, const struct reference *reference,
		       const struct document *document, struct facts *ret);
int az_snp_check_evidence(const struct verify_input *input, const struct reference *reference,
			  const struct document *document, struct facts *ret);
int az_tdx_check_evidence(const struct verify_input *input, const struct reference *reference,
			  const struct document *document, struct facts *ret);

/* A report of 1184 bytes, signed by a key that @pool certifies; *ret_vmpl may be NULL. */
int snp_check_report(const uint8_t *report, const struct certificates *pool,
		     const struct certificates *roots, uint32_t *ret_vmpl, struct facts *ret);
int tdx_check_quote(const uint8_t *quote, size_t size, const struct certificates *roots,
		    struct facts *ret);
/* The evidence's own certificates and those given besides. */
int pool_new(const struct verify_input *input, struct certificates **ret);

/* Bytes as the versions of Trustee's evidence carry them: numbers, or a text in this form. */
enum form {
	FORM_HEX,
	FORM_BASE64,
	FORM_BASE64URL, /* padded or not */
};
/* -EBADMSG, -E2BIG above @limit. The caller frees *ret. */
int form_read(json_t *value, enum form form, size_t limit, uint8_t **ret, size_t *ret_size);

/* ---- claims.c, event_claims.c, start.c ---- */

void claim_set(struct verify_result *result, enum verify_claim claim, enum verify_verdict verdict,
	       const char *format, ...) printf_like(4, 5);
/* The claims that rest on the log of cvmroot's events; @bound: the evidence vouches for that log
 * itself, since there are no registers. *ret_before: touched are those registers that hold our
 * events, where the logs are good, with the values that they had before. */
int claims_of_events(const struct document *document, const struct reference *reference,
		     const struct facts *facts, bool bound, struct verify_result *result,
		     struct eventlog_registers *ret_before);
/* Those, and the ones on what was started. */
int claims_of_boot(const struct document *document, const struct reference *reference,
		   const struct facts *facts, bool bound, struct verify_result *result);

#endif
