/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
/*
 * AMD SEV-SNP: ATTESTATION_REPORT of the firmware ABI (AMD 56860, section 7.3), and the
 * certificate table of the extended guest request (AMD 56421, GHCB).
 */
#include "sim.h"

#include <stdlib.h>
#include <string.h>

#define SIGNED_SIZE	0x2A0
#define FIELD		48 /* P-384 */
#define FIELD_IN_REPORT 72
#define CHIP_ID_SIZE	64
#define PAGE		4096

/* Security patch levels of a processor of family 19h, as bytes of TCB_VERSION. */
static const struct {
	const char *oid; /* of AMD's extension in the VCEK (AMD 57230) */
	size_t byte;
} levels[] = {
	{"1.3.6.1.4.1.3704.1.3.1", 0}, /* boot loader */
	{"1.3.6.1.4.1.3704.1.3.2", 1}, /* TEE */
	{"1.3.6.1.4.1.3704.1.3.3", 6}, /* SNP */
	{"1.3.6.1.4.1.3704.1.3.8", 7}, /* microcode */
};

static const ASN1_OCTET_STRING *find_extension(X509 *certificate, const char *oid)
{
	ASN1_OBJECT *object = OBJ_txt2obj(oid, 1);
	int index = object ? X509_get_ext_by_OBJ(certificate, object, -1) : -1;

	ASN1_OBJECT_free(object);
	check(index >= 0, "the VCEK has no extension %s", oid);
	return X509_EXTENSION_get_data(X509_get_ext(certificate, index));
}

/* The report must say of the chip what its certificate says. */
static void put_chip(const struct sim *sim, uint8_t *tcb, uint8_t *chip_id)
{
	X509 *vcek = certificate_load(sim, "snp-vcek.pem");
	const ASN1_OCTET_STRING *value;

	for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
		ASN1_INTEGER *level;
		const uint8_t *next;

		value = find_extension(vcek, levels[i].oid);
		next = ASN1_STRING_get0_data(value);
		level = d2i_ASN1_INTEGER(NULL, &next, ASN1_STRING_length(value));
		check(level, "extension %s is not an integer", levels[i].oid);
		tcb[levels[i].byte] = (uint8_t)ASN1_INTEGER_get(level);
		ASN1_INTEGER_free(level);
	}
	/* The identity stands there as it is, not as a nested OCTET STRING. */
	value = find_extension(vcek, "1.3.6.1.4.1.3704.1.4");
	check(ASN1_STRING_length(value) == CHIP_ID_SIZE, "hwID is not of 64 bytes");
	memcpy(chip_id, ASN1_STRING_get0_data(value), CHIP_ID_SIZE);
	X509_free(vcek);
}

static void reverse(const uint8_t *source, uint8_t *target, size_t size)
{
	for (size_t i = 0; i < size; i++)
		target[i] = source[size - 1 - i];
}

static void sign_report(const struct sim *sim, uint8_t *report)
{
	EVP_PKEY *key = key_load(sim, "snp-vcek.key");
	uint8_t signature[2 * FIELD];

	key_sign(key, "SHA384", report, SIGNED_SIZE, FIELD, signature);
	reverse(signature, report + SIGNED_SIZE, FIELD);
	reverse(signature + FIELD, report + SIGNED_SIZE + FIELD_IN_REPORT, FIELD);
	EVP_PKEY_free(key);
	if (sim->bad_signature)
		report[SIGNED_SIZE + 8] ^= 1;
}

void snp_make_report(const struct sim *sim, const uint8_t *report_data, struct bytes *ret)
{
	uint8_t report[SNP_REPORT_SIZE] = {0};
	uint8_t tcb[8] = {0};

	store_le(report, sim->snp_version, 4);
	store_le(report + 0x004, 1, 4); /* guest_svn */
	store_le(report + 0x008, 0x30000,
		 8);			/* policy: SMT allowed, and the bit that is always 1 */
	store_le(report + 0x034, 1, 4); /* ECDSA P-384 with SHA-384 */
	store_le(report + 0x040, 1, 8); /* SMT is on */
	memcpy(report + 0x050, report_data, REPORT_DATA_SIZE);
	memcpy(report + 0x090, sim->measurement, MEASUREMENT_SIZE);
	memcpy(report + 0x0C0, sim->initdata, 32);
	memset(report + 0x140, 0x5A, 32); /* report_id */
	memset(report + 0x160, 0xFF, 32); /* no migration agent */
	put_chip(sim, tcb, report + 0x1A0);
	memcpy(report + 0x038, tcb, 8); /* current */
	memcpy(report + 0x180, tcb, 8); /* reported */
	memcpy(report + 0x1E0, tcb, 8); /* committed */
	memcpy(report + 0x1F0, tcb, 8); /* at launch */
	if (sim->snp_version >= 3)
		memcpy(report + 0x188, "\x19\x01\x01", 3); /* family, model, stepping: Milan */
	memcpy(report + 0x1E8, "\x15\x37\x01", 3);	   /* firmware 1.55.21, current */
	memcpy(report + 0x1EC, "\x15\x37\x01", 3);	   /* and committed */
	if (sim->snp_version >= 5) {
		store_le(report + 0x1F8, 3, 8); /* mitigations at launch */
		store_le(report + 0x200, 7, 8); /* and now */
	}
	sign_report(sim, report);
	bytes_put(ret, report, sizeof(report));
}

/* Each entry: GUID in the order of its text, offset, length; an entry of zeros ends the table. */
void snp_make_certificates(const struct sim *sim, struct bytes *ret)
{
	static const struct {
		const char *file, *guid;
	} table[] = {
		{"snp-vcek.pem", "63da758de6644564adc5f4b93be8accd"},
		{"snp-ask.pem", "4ab7b379bbac4fe4a02f05aef327c782"},
		{"snp-ark.pem", "c0b406a4a803495297433fb6014cd0ae"},
	};
	size_t count = sizeof(table) / sizeof(table[0]);
	struct bytes certificates = {0};

	for (size_t i = 0; i < count; i++) {
		X509 *certificate = certificate_load(sim, table[i].file);
		size_t begin = certificates.size;
		uint8_t guid[16];

		certificate_put_der(&certificates, certificate);
		X509_free(certificate);
		bytes_parse_hex(table[i].guid, guid, sizeof(guid));
		bytes_put(ret, guid, sizeof(guid));
		bytes_put_le(ret, 24 * (count + 1) + begin, 4);
		bytes_put_le(ret, certificates.size - begin, 4);
	}
	bytes_put_zeros(ret, 24);
	bytes_put_bytes(ret, &certificates);
	bytes_free(&certificates);
	/* The hypervisor hands over whole pages. */
	bytes_put_zeros(ret, (PAGE - ret->size % PAGE) % PAGE);
}
