/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_TEE_SNP_REPORT_H
#define CVMROOT_TEE_SNP_REPORT_H

#include "base/macro.h"

#include <jansson.h>

/*
 * The attestation report of AMD SEV-SNP (SEV-SNP Firmware ABI, #56860, ATTESTATION_REPORT),
 * versions 2 to 5, and the JSON from which Trustee's verifier "snp" makes the report again before
 * it checks AMD's signature. What that JSON cannot carry must be zero, so the parser refuses
 * anything else there.
 */

#define SNP_REPORT_SIZE	     1184
#define SNP_REPORT_DATA_SIZE 64
#define SNP_MEASUREMENT_SIZE 48
#define SNP_HOST_DATA_SIZE   32

/* TCB_VERSION; its bytes stand in another order from family 0x1A (Turin) on. */
struct snp_tcb {
	uint8_t fmc; /* only there */
	uint8_t bootloader, tee, snp, microcode;
};

/* Of the SNP firmware. */
struct snp_firmware {
	uint8_t major, minor, build;
};

struct snp_report {
	uint32_t version, guest_svn;
	uint64_t policy;
	uint8_t family_id[16], image_id[16];
	uint32_t vmpl, signature_algorithm;
	struct snp_tcb current_tcb;
	uint64_t platform_info;
	uint32_t key_info;
	uint8_t report_data[SNP_REPORT_DATA_SIZE];
	uint8_t measurement[SNP_MEASUREMENT_SIZE];
	uint8_t host_data[SNP_HOST_DATA_SIZE];
	uint8_t id_key_digest[48], author_key_digest[48];
	uint8_t report_id[32], report_id_ma[32];
	struct snp_tcb reported_tcb;
	uint8_t cpuid_family, cpuid_model, cpuid_stepping; /* version 3 and later, else 0 */
	uint8_t chip_id[64];
	struct snp_tcb committed_tcb;
	struct snp_firmware current, committed;
	struct snp_tcb launch_tcb;
	uint64_t launch_mitigations, current_mitigations; /* version 5 and later, else 0 */
	uint8_t signature_r[72], signature_s[72];	  /* little-endian */
};

/* -EBADMSG: the size, the version or a reserved byte is wrong. */
int snp_report_parse(const void *data, size_t size, struct snp_report *ret);

/* 0 when it is an answer to this request; -ESTALE when it is about other data or another VMPL. */
int snp_report_check(const struct snp_report *report,
		     const uint8_t report_data[static SNP_REPORT_DATA_SIZE], uint32_t vmpl);

/* 0 when HOST_DATA is the digest, cut or filled with zeros to its 32 bytes; else -EKEYREJECTED. */
int snp_report_check_host_data(const struct snp_report *report, const uint8_t *digest,
			       size_t digest_size);

/* "attestation_report" of Trustee's evidence. -EOPNOTSUPP for a value above INT64_MAX. */
int snp_report_to_json(const struct snp_report *report, json_t **ret);

#endif
