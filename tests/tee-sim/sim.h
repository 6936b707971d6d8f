/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef TEE_SIM_SIM_H
#define TEE_SIM_SIM_H

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Simulated trusted execution environments for the vm suite: what hardware, firmware and cloud
 * would answer, under test roots. A program of the tests only: it ends at the first fault.
 */

#define REPORT_DATA_SIZE 64
#define MEASUREMENT_SIZE 48
#define RTMR_COUNT	 4

/* What the simulated platform is; from the command line. */
struct sim {
	const char *keys;	  /* folder of the test roots */
	unsigned int snp_version; /* of the report: 2 to 5 */
	uint8_t initdata[64];	  /* HOST_DATA, MRCONFIGID or personalization value */
	uint8_t measurement[MEASUREMENT_SIZE];
	uint8_t (*rtmr)[MEASUREMENT_SIZE]; /* RTMR_COUNT; shared by all processes that serve */
	unsigned int broken_rtmrs;	   /* mask: cannot be extended */
	bool measurements;		   /* of TDX: serve the registers as files, too */
	const char *ccel;		   /* firmware's event log to show, a file; or NULL */
	bool bad_signature;		   /* one bit of each report is changed after signing */
	const uint8_t *stale; /* report data signed instead of what is asked; or NULL */
};

__attribute__((format(printf, 1, 2), noreturn)) void die(const char *format, ...);
/* As die(), when the condition does not hold. */
#define check(condition, ...)                                                                      \
	do {                                                                                       \
		if (!(condition))                                                                  \
			die(__VA_ARGS__);                                                          \
	} while (0)

/* ---- bytes.c: a buffer that grows ---- */

struct bytes {
	uint8_t *data;
	size_t size;
};

void bytes_put(struct bytes *bytes, const void *data, size_t size);
void bytes_put_bytes(struct bytes *bytes, const struct bytes *more);
void bytes_put_text(struct bytes *bytes, const char *text);
void bytes_put_zeros(struct bytes *bytes, size_t size);
void bytes_put_be(struct bytes *bytes, uint64_t value, size_t size);
void bytes_put_le(struct bytes *bytes, uint64_t value, size_t size);
void bytes_free(struct bytes *bytes);
/* The hexadecimal text, zero-padded to @size or, when it is longer, cut. */
void bytes_parse_hex(const char *text, uint8_t *ret, size_t size);
void bytes_put_base64url(struct bytes *bytes, const void *data, size_t size);
/* -1 when it is not base64url. */
int bytes_put_from_base64url(struct bytes *bytes, const char *text);
void store_le(uint8_t *target, uint64_t value, size_t size);
uint64_t load_le(const uint8_t *source, size_t size);
uint64_t load_be(const uint8_t *source, size_t size);

/* ---- keys.c ---- */

EVP_PKEY *key_load(const struct sim *sim, const char *name);
EVP_PKEY *key_generate(const char *curve);
/* ECDSA: r and s, each of @field bytes, big-endian, one after the other. */
void key_sign(EVP_PKEY *key, const char *hash, const void *data, size_t size, size_t field,
	      uint8_t *ret);
/* The point without its first byte: x and y. */
void key_point(EVP_PKEY *key, size_t field, uint8_t *ret);
X509 *certificate_load(const struct sim *sim, const char *name);
void certificate_put_der(struct bytes *bytes, X509 *certificate);
/* The bytes of a file of the folder. */
void file_put(struct bytes *bytes, const struct sim *sim, const char *name);
void hash_bytes(const char *hash, const void *data, size_t size, uint8_t *ret);

/* ---- What each platform signs. @report_data is of REPORT_DATA_SIZE. ---- */

#define SNP_REPORT_SIZE 1184
#define TDX_REPORT_SIZE 1024

void snp_make_report(const struct sim *sim, const uint8_t *report_data, struct bytes *ret);
void snp_make_certificates(const struct sim *sim, struct bytes *ret);
void tdx_make_quote(const struct sim *sim, const uint8_t *report_data, struct bytes *ret);
void tdx_make_report(const struct sim *sim, const uint8_t *report_data, struct bytes *ret);
/* The quote for a report of tdx_make_report(); -1 when it is not one. */
int tdx_quote_report(const struct sim *sim, const uint8_t *report, size_t size, struct bytes *ret);
void cca_make_token(const struct sim *sim, const uint8_t *challenge, struct bytes *ret);

/* ---- system.c ---- */

/* Load the module unless it is there: its path below the folder of the running kernel. */
void module_load(const char *path);
/* Fork: true in the parent, which goes on; false in the child, which is to serve. */
bool fork_server(void);
/* Serve in a process of its own; the parent, and so its unit, is done. */
void detach(void);

/* ---- The simulators ---- */

struct tsm_provider {
	const char *name;
	bool privileged;		       /* has privlevel and its floor */
	void (*device)(const struct sim *sim); /* serves what else the platform has; or NULL */
	void (*report)(const struct sim *sim, const uint8_t *report_data, struct bytes *ret);
	void (*auxiliary)(const struct sim *sim, struct bytes *ret); /* NULL: no auxblob */
};

const struct tsm_provider *tsm_find_provider(const char *name);
void tsm_serve(const struct sim *sim, const struct tsm_provider *provider, const char *target);
void sev_guest_serve(const struct sim *sim);
void tdx_guest_start(const struct sim *sim);
void measurements_start(const struct sim *sim);

enum azure_type {
	AZURE_SNP = 2, /* the report_type of the HCL report */
	AZURE_TDX = 4,
};

void azure_serve(const struct sim *sim, enum azure_type type);
/* The HCL report with @report in it, for its test without a TPM. @modulus: of the AK. */
void azure_make_hcl(const struct sim *sim, enum azure_type type, const struct bytes *modulus,
		    const uint8_t *user_data, struct bytes *ret);
/* Answer one connection of the metadata service. */
void imds_answer(const struct sim *sim, int fd);
int imds_listen(void);

#endif
