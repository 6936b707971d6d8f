/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "base/error.h"
#include "base/reader.h"
#include "crypto/signature.h"
#include "tee/bytes.h"
#include "tee/snp_report.h"
#include "verify/internal.h"
#include "verify/snp_json.h"

#include <string.h>

/*
 * Reports of AMD SEV-SNP (SEV-SNP Firmware ABI, #56860), signed by the key of a chip or of a cloud
 * (VCEK, VLEK: Certificate and KDS Interface Specification, #57230).
 */

#define SIGNED_SIZE	 0x2a0
#define NUMBER_SIZE	 72 /* r, and s, little-endian */
#define P384_SIZE	 48
#define ALGORITHM_P384	 1
#define POLICY_OPEN	 (1U << 18 | 1U << 19) /* MIGRATE_MA, DEBUG */
#define KEY_VCEK	 0
#define KEY_VLEK	 1
#define FAMILY_TURIN	 0x1a
#define CHIP_ID_SIZE	 64
#define CHIP_ID_TURIN	 8
#define CERTIFICATE_SIZE (16 * KIB)

#define OID	   "1.3.6.1.4.1.3704.1."
#define OID_HWID   OID "4"
#define OID_CSP_ID OID "5"

/* As the report names it. */
static uint32_t signing_key(const struct snp_report *report)
{
	return report->key_info >> 2 & 7;
}

/* A number as big-endian bytes of the curve's size; false when it is larger. */
static bool reverse(const uint8_t number[static NUMBER_SIZE], uint8_t ret[static P384_SIZE])
{
	for (size_t i = 0; i < P384_SIZE; i++)
		ret[i] = number[P384_SIZE - 1 - i];
	return bytes_are_zero(number + P384_SIZE, NUMBER_SIZE - P384_SIZE);
}

static bool signs(const struct certificates *pool, size_t number, const uint8_t *report,
		  const uint8_t signature[static 2 * P384_SIZE])
{
	const struct signature value = {SIGNATURE_ECDSA_P384, signature, 2 * P384_SIZE};
	cleanup(freep) uint8_t *key = NULL;
	size_t size;

	return certificate_public_key(pool, number, &key, &size) == 0 &&
	       signature_check(&value, key, size, report, SIGNED_SIZE) == 0;
}

static int find_signer(const struct snp_report *parsed, const uint8_t *report,
		       const struct certificates *pool, size_t *ret)
{
	uint8_t signature[2 * P384_SIZE];
	size_t count = certificates_count(pool);

	if (!reverse(parsed->signature_r, signature) ||
	    !reverse(parsed->signature_s, signature + P384_SIZE) ||
	    parsed->signature_algorithm != ALGORITHM_P384)
		return fail(-EKEYREJECTED, "the SNP report is not signed with ECDSA on P-384");
	for (size_t i = 0; i < count; i++)
		if (signs(pool, i, report, signature)) {
			*ret = i;
			return 0;
		}
	return fail(-EKEYREJECTED,
		    "the SNP report is not signed by the key of any of the %zu certificates at "
		    "hand; the chip's (VCEK) or the cloud's (VLEK) can be given with "
		    "--certificates",
		    count);
}

/* Does an extension hold this small number, as a DER INTEGER? */
static bool has_level(const struct certificates *pool, size_t number, const char *oid,
		      uint8_t level)
{
	const uint8_t small[] = {2, 1, level}, large[] = {2, 2, 0, level};
	const uint8_t *wanted = level < 0x80 ? small : large, *found;
	size_t size = level < 0x80 ? sizeof(small) : sizeof(large), found_size;

	return certificate_extension(pool, number, oid, &found, &found_size) == 0 &&
	       found_size == size && memcmp(found, wanted, size) == 0;
}

/* The key is made for one state of the firmware: it must be the one that the report claims. */
static int check_level(const struct snp_report *report, const struct certificates *pool,
		       size_t number)
{
	const struct snp_tcb *tcb = &report->reported_tcb;

	if (has_level(pool, number, OID "3.1", tcb->bootloader) &&
	    has_level(pool, number, OID "3.2", tcb->tee) &&
	    has_level(pool, number, OID "3.3", tcb->snp) &&
	    has_level(pool, number, OID "3.8", tcb->microcode) &&
	    (report->cpuid_family < FAMILY_TURIN || has_level(pool, number, OID "3.9", tcb->fmc)))
		return 0;
	return fail(-EKEYREJECTED, "the certificate is for another TCB than the SNP report claims");
}

static int check_chip(const struct snp_report *report, const struct certificates *pool,
		      size_t number)
{
	size_t wanted = report->cpuid_family < FAMILY_TURIN ? CHIP_ID_SIZE : CHIP_ID_TURIN;
	uint8_t chip[CHIP_ID_SIZE];
	const uint8_t *found;
	size_t size;

	if (certificate_extension(pool, number, OID_HWID, &found, &size) == 0 && size == wanted) {
		bytes_fit(found, size, chip, sizeof(chip));
		if (memcmp(chip, report->chip_id, sizeof(chip)) == 0)
			return 0;
	}
	return fail(-EKEYREJECTED, "the certificate is for another chip than the SNP report names");
}

/* Is it the kind of key that the report says, and all that the certificate says of it true? */
static int check_key(const struct snp_report *report, const struct certificates *pool,
		     size_t number)
{
	const uint8_t *cloud;
	size_t size;

	if (signing_key(report) == KEY_VCEK)
		return check_chip(report, pool, number);
	if (signing_key(report) == KEY_VLEK &&
	    certificate_extension(pool, number, OID_CSP_ID, &cloud, &size) == 0)
		return 0;
	return fail(-EKEYREJECTED, "the SNP report says that a key of another kind signed it");
}

static void take_facts(const struct snp_report *report, struct facts *ret)
{
	const struct snp_tcb *tcb = &report->reported_tcb;

	(void)snprintf(ret->signer, sizeof(ret->signer),
		       "by AMD for a %s, VMPL %u, TCB %u.%u.%u.%u (bootloader, tee, snp, "
		       "microcode), which is not judged",
		       signing_key(report) == KEY_VCEK ? "chip (VCEK)" : "cloud (VLEK)",
		       report->vmpl, tcb->bootloader, tcb->tee, tcb->snp, tcb->microcode);
	ret->debug = report->policy & POLICY_OPEN;
	memcpy(ret->report_data, report->report_data, sizeof(ret->report_data));
	ret->report_data_size = sizeof(ret->report_data);
	ret->report_data_fitted = true;
	ret->fitted_size = sizeof(ret->report_data);
	ret->launch_kind = LAUNCH_SNP;
	memcpy(ret->launch, report->measurement, sizeof(ret->launch));
}

int snp_check_report(const uint8_t *data, const struct certificates *pool,
		     const struct certificates *roots, uint32_t *ret_vmpl, struct facts *ret)
{
	struct snp_report report;
	size_t number;
	int r = snp_report_parse(data, SNP_REPORT_SIZE, &report);

	if (r == 0)
		r = find_signer(&report, data, pool, &number);
	if (r == 0)
		r = certificate_check_chain(pool, number, roots, false);
	if (r == 0)
		r = check_key(&report, pool, number);
	if (r == 0)
		r = check_level(&report, pool, number);
	if (r < 0)
		return r;
	take_facts(&report, ret);
	if (ret_vmpl)
		*ret_vmpl = report.vmpl;
	return 0;
}

static int copy_all(const struct certificates *from, struct certificates *pool)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < certificates_count(from); i++)
		r = certificates_copy(pool, from, i);
	return r;
}

int pool_new(const struct verify_input *input, struct certificates **ret)
{
	cleanup(certificates_freep) struct certificates *pool = NULL;
	int r = certificates_new(&pool);

	if (r == 0 && input->certificates)
		r = copy_all(input->certificates, pool);
	if (r == 0)
		*ret = TAKE_PTR(pool);
	return r;
}

/* Of the table that the host gave to the guest; all but certificates is passed over. */
static int read_certificate(json_t *object, struct certificates *pool)
{
	cleanup(freep) uint8_t *data = NULL;
	json_t *type, *bytes;
	size_t size;
	int r;

	type = json_object_get(object, "cert_type");
	bytes = json_object_get(object, "data");
	if (json_object_size(object) != 2 || !type || !bytes)
		return -EBADMSG;
	if (!json_is_string(type) || strcmp(json_string_value(type), "CRL") == 0 ||
	    strcmp(json_string_value(type), "Empty") == 0)
		return 0;
	r = bytes_from_json(bytes, CERTIFICATE_SIZE, &data, &size);
	return r < 0 ? r : certificates_add(pool, data, size);
}

static int read_chain(json_t *chain, struct certificates *pool)
{
	json_t *object;
	size_t i;
	int r = 0;

	json_array_foreach (chain, i, object) {
		r = read_certificate(object, pool);
		if (r < 0)
			return fail(r, "the certificate chain of the SNP evidence is malformed");
	}
	return 0;
}

int snp_check_evidence(const struct verify_input *input, const struct reference *reference,
		       const struct document *document, struct facts *ret)
{
	cleanup(certificates_freep) struct certificates *pool = NULL;
	json_t *report = json_object_get(document->evidence, "attestation_report");
	json_t *chain = json_object_get(document->evidence, "cert_chain");
	uint8_t data[SNP_REPORT_SIZE];
	uint32_t vmpl = 0;
	int r = pool_new(input, &pool);

	if (r < 0)
		return r;
	if (json_object_size(document->evidence) != 2 ||
	    !(json_is_null(chain) || json_is_array(chain)))
		return fail(-EBADMSG, "the SNP evidence is malformed");
	r = snp_report_from_json(report, data);
	if (r == 0)
		r = read_chain(chain, pool);
	if (r == 0)
		r = snp_check_report(data, pool, input->roots, &vmpl, ret);
	if (r < 0)
		return r;
	/* Behind a module in VMPL 0 there is what that module started. */
	if (reference->vmpl ? !reference_lists_number(reference->vmpl, vmpl) : vmpl != 0)
		return fail(-EKEYREJECTED,
			    "the SNP report is of VMPL %u, which is not the one of the "
			    "reference (\"snp\": \"vmpl\"; 0 if it says nothing)",
			    vmpl);
	return 0;
}
