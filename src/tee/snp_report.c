/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "base/error.h"
#include "base/reader.h"
#include "tee/bytes.h"
#include "tee/snp_report.h"

#include <string.h>

#define VERSION_MIN	    2
#define VERSION_MAX	    5
#define VERSION_CPUID	    3
#define VERSION_MITIGATIONS 5
#define FAMILY_TURIN	    0x1a
#define TCB_SIZE	    8

/* The four TCB versions, before it is known which CPU they are of. */
struct raw_tcbs {
	uint8_t current[TCB_SIZE], reported[TCB_SIZE], committed[TCB_SIZE], launch[TCB_SIZE];
};

/* Bytes that a verifier puts back as zero, whatever they were when the firmware signed them. */
static int skip_zeros(struct reader *reader, size_t size)
{
	const uint8_t *bytes;
	int r = reader_borrow(reader, size, &bytes);

	if (r < 0)
		return r;
	return bytes_are_zero(bytes, size) ? 0 : -EBADMSG;
}

/* 0x000 to 0x04F */
static int read_guest(struct reader *reader, struct raw_tcbs *tcbs, struct snp_report *ret)
{
	if (reader_le32(reader, &ret->version) < 0 || reader_le32(reader, &ret->guest_svn) < 0 ||
	    reader_le64(reader, &ret->policy) < 0 ||
	    reader_bytes(reader, ret->family_id, sizeof(ret->family_id)) < 0 ||
	    reader_bytes(reader, ret->image_id, sizeof(ret->image_id)) < 0 ||
	    reader_le32(reader, &ret->vmpl) < 0 ||
	    reader_le32(reader, &ret->signature_algorithm) < 0 ||
	    reader_bytes(reader, tcbs->current, TCB_SIZE) < 0 ||
	    reader_le64(reader, &ret->platform_info) < 0 || reader_le32(reader, &ret->key_info) < 0)
		return -EBADMSG;
	return skip_zeros(reader, 4);
}

/* 0x050 to 0x187 */
static int read_digests(struct reader *reader, struct raw_tcbs *tcbs, struct snp_report *ret)
{
	if (reader_bytes(reader, ret->report_data, sizeof(ret->report_data)) < 0 ||
	    reader_bytes(reader, ret->measurement, sizeof(ret->measurement)) < 0 ||
	    reader_bytes(reader, ret->host_data, sizeof(ret->host_data)) < 0 ||
	    reader_bytes(reader, ret->id_key_digest, sizeof(ret->id_key_digest)) < 0 ||
	    reader_bytes(reader, ret->author_key_digest, sizeof(ret->author_key_digest)) < 0 ||
	    reader_bytes(reader, ret->report_id, sizeof(ret->report_id)) < 0 ||
	    reader_bytes(reader, ret->report_id_ma, sizeof(ret->report_id_ma)) < 0)
		return -EBADMSG;
	return reader_bytes(reader, tcbs->reported, TCB_SIZE);
}

/* 0x188 to 0x19F */
static int read_cpuid(struct reader *reader, struct snp_report *ret)
{
	if (ret->version < VERSION_CPUID)
		return skip_zeros(reader, 24);
	if (reader_u8(reader, &ret->cpuid_family) < 0 || reader_u8(reader, &ret->cpuid_model) < 0 ||
	    reader_u8(reader, &ret->cpuid_stepping) < 0)
		return -EBADMSG;
	return skip_zeros(reader, 21);
}

static int read_firmware(struct reader *reader, struct snp_firmware *ret)
{
	if (reader_u8(reader, &ret->build) < 0 || reader_u8(reader, &ret->minor) < 0 ||
	    reader_u8(reader, &ret->major) < 0)
		return -EBADMSG;
	return skip_zeros(reader, 1);
}

/* 0x1A0 to 0x1F7 */
static int read_chip(struct reader *reader, struct raw_tcbs *tcbs, struct snp_report *ret)
{
	if (reader_bytes(reader, ret->chip_id, sizeof(ret->chip_id)) < 0 ||
	    reader_bytes(reader, tcbs->committed, TCB_SIZE) < 0 ||
	    read_firmware(reader, &ret->current) < 0 || read_firmware(reader, &ret->committed) < 0)
		return -EBADMSG;
	return reader_bytes(reader, tcbs->launch, TCB_SIZE);
}

/* 0x1F8 to 0x29F: the end of what is signed */
static int read_mitigations(struct reader *reader, struct snp_report *ret)
{
	if (ret->version < VERSION_MITIGATIONS)
		return skip_zeros(reader, 168);
	if (reader_le64(reader, &ret->launch_mitigations) < 0 ||
	    reader_le64(reader, &ret->current_mitigations) < 0)
		return -EBADMSG;
	return skip_zeros(reader, 152);
}

/* 0x2A0 to 0x49F: what follows r and s is neither signed nor sent. */
static int read_signature(struct reader *reader, struct snp_report *ret)
{
	if (reader_bytes(reader, ret->signature_r, sizeof(ret->signature_r)) < 0 ||
	    reader_bytes(reader, ret->signature_s, sizeof(ret->signature_s)) < 0 ||
	    reader_skip(reader, 368) < 0)
		return -EBADMSG;
	return reader_end(reader);
}

static bool is_turin(const struct snp_report *report)
{
	return report->cpuid_family >= FAMILY_TURIN;
}

static int decode_tcb(const struct snp_report *report, const uint8_t raw[static TCB_SIZE],
		      struct snp_tcb *ret)
{
	bool turin = is_turin(report);

	*ret = (struct snp_tcb){
		.fmc = turin ? raw[0] : 0,
		.bootloader = turin ? raw[1] : raw[0],
		.tee = turin ? raw[2] : raw[1],
		.snp = turin ? raw[3] : raw[6],
		.microcode = raw[7],
	};
	return bytes_are_zero(turin ? raw + 4 : raw + 2, turin ? 3 : 4) ? 0 : -EBADMSG;
}

static int decode_tcbs(const struct raw_tcbs *tcbs, struct snp_report *ret)
{
	int r = decode_tcb(ret, tcbs->current, &ret->current_tcb);

	if (r == 0)
		r = decode_tcb(ret, tcbs->reported, &ret->reported_tcb);
	if (r == 0)
		r = decode_tcb(ret, tcbs->committed, &ret->committed_tcb);
	if (r == 0)
		r = decode_tcb(ret, tcbs->launch, &ret->launch_tcb);
	return r;
}

static int read_version(struct reader reader, uint32_t *ret)
{
	int r = reader_le32(&reader, ret);

	if (r < 0)
		return r;
	if (*ret < VERSION_MIN || *ret > VERSION_MAX)
		return fail(-EBADMSG, "the SNP report has version %u; %d to %d are known here",
			    *ret, VERSION_MIN, VERSION_MAX);
	return 0;
}

int snp_report_parse(const void *data, size_t size, struct snp_report *ret)
{
	struct reader reader = reader_init(data, size);
	struct snp_report report = {};
	struct raw_tcbs tcbs;
	int r;

	if (size != SNP_REPORT_SIZE)
		return fail(-EBADMSG, "an SNP report has %d bytes, not %zu", SNP_REPORT_SIZE, size);
	r = read_version(reader, &report.version);
	if (r < 0)
		return r;
	if (read_guest(&reader, &tcbs, &report) < 0 || read_digests(&reader, &tcbs, &report) < 0 ||
	    read_cpuid(&reader, &report) < 0 || read_chip(&reader, &tcbs, &report) < 0 ||
	    read_mitigations(&reader, &report) < 0 || read_signature(&reader, &report) < 0 ||
	    decode_tcbs(&tcbs, &report) < 0)
		return fail(-EBADMSG,
			    "the SNP report (version %u) has bytes set that are reserved: what is "
			    "sent to the broker leaves them out, so the signature would not hold; "
			    "this firmware needs a newer cvmroot",
			    report.version);
	*ret = report;
	return 0;
}

int snp_report_check(const struct snp_report *report,
		     const uint8_t report_data[static SNP_REPORT_DATA_SIZE], uint32_t vmpl)
{
	if (memcmp(report->report_data, report_data, SNP_REPORT_DATA_SIZE) != 0)
		return fail(-ESTALE, "the SNP report is not about the report data asked for");
	if (report->vmpl != vmpl)
		return fail(-ESTALE, "the SNP report is of VMPL %u, not of %u as asked for",
			    report->vmpl, vmpl);
	return 0;
}

int snp_report_check_host_data(const struct snp_report *report, const uint8_t *digest,
			       size_t digest_size)
{
	uint8_t expected[SNP_HOST_DATA_SIZE];

	bytes_fit(digest, digest_size, expected, sizeof(expected));
	if (memcmp(report->host_data, expected, sizeof(expected)) == 0)
		return 0;
	if (bytes_are_zero(report->host_data, sizeof(report->host_data)))
		return fail(-EKEYREJECTED, "the initdata is not bound to this machine: it was "
					   "started without HOST_DATA");
	return fail(-EKEYREJECTED, "the initdata is not the one that this machine was started "
				   "with: its digest is not HOST_DATA of the SNP report");
}

static json_t *tcb_to_json(const struct snp_report *report, const struct snp_tcb *tcb)
{
	return json_pack("{sosisisisi}", "fmc",
			 is_turin(report) ? json_integer(tcb->fmc) : json_null(), "bootloader",
			 tcb->bootloader, "tee", tcb->tee, "snp", tcb->snp, "microcode",
			 tcb->microcode);
}

static json_t *firmware_to_json(const struct snp_firmware *firmware)
{
	return json_pack("{sisisi}", "major", firmware->major, "minor", firmware->minor, "build",
			 firmware->build);
}

/* The CPU; null where an older version of the report does not tell. */
static json_t *cpuid_to_json(const struct snp_report *report, uint8_t value)
{
	return report->version >= VERSION_CPUID ? json_integer(value) : json_null();
}

#define SET(name, value)	 (r |= json_object_set_new(json, name, value))
#define SET_INTEGER(name, value) SET(name, json_integer((json_int_t)(value)))
#define SET_BYTES(name, field)	 SET(name, bytes_to_json(report->field, sizeof(report->field)))
#define SET_TCB(name, field)	 SET(name, tcb_to_json(report, &report->field))
#define SET_CPUID(name, field)	 SET(name, cpuid_to_json(report, report->field))

static int set_guest(json_t *json, const struct snp_report *report)
{
	int r = 0;

	SET_INTEGER("version", report->version);
	SET_INTEGER("guest_svn", report->guest_svn);
	SET_INTEGER("policy", report->policy);
	SET_BYTES("family_id", family_id);
	SET_BYTES("image_id", image_id);
	SET_INTEGER("vmpl", report->vmpl);
	SET_INTEGER("sig_algo", report->signature_algorithm);
	SET_TCB("current_tcb", current_tcb);
	SET_INTEGER("plat_info", report->platform_info);
	SET_INTEGER("key_info", report->key_info);
	SET_BYTES("report_data", report_data);
	SET_BYTES("measurement", measurement);
	SET_BYTES("host_data", host_data);
	SET_BYTES("id_key_digest", id_key_digest);
	SET_BYTES("author_key_digest", author_key_digest);
	SET_BYTES("report_id", report_id);
	SET_BYTES("report_id_ma", report_id_ma);
	return r;
}

static int set_platform(json_t *json, const struct snp_report *report)
{
	int r = 0;

	SET_TCB("reported_tcb", reported_tcb);
	SET_CPUID("cpuid_fam_id", cpuid_family);
	SET_CPUID("cpuid_mod_id", cpuid_model);
	SET_CPUID("cpuid_step", cpuid_stepping);
	SET_BYTES("chip_id", chip_id);
	SET_TCB("committed_tcb", committed_tcb);
	SET("current", firmware_to_json(&report->current));
	SET("committed", firmware_to_json(&report->committed));
	SET_TCB("launch_tcb", launch_tcb);
	/* Left out of older ones: servers that do not know of them yet take those too. */
	if (report->version >= VERSION_MITIGATIONS) {
		SET_INTEGER("launch_mit_vector", report->launch_mitigations);
		SET_INTEGER("current_mit_vector", report->current_mitigations);
	}
	SET("signature",
	    json_pack("{soso}", "r",
		      bytes_to_json(report->signature_r, sizeof(report->signature_r)), "s",
		      bytes_to_json(report->signature_s, sizeof(report->signature_s))));
	return r;
}

int snp_report_to_json(const struct snp_report *report, json_t **ret)
{
	cleanup(json_decrefp) json_t *json = NULL;

	/* jansson's integers are signed. */
	if ((report->policy | report->platform_info | report->launch_mitigations |
	     report->current_mitigations) > INT64_MAX)
		return fail(-EOPNOTSUPP, "the SNP report has bit 63 of a field set, which JSON "
					 "cannot carry here; this firmware needs a newer cvmroot");
	json = json_object();
	if (!json || set_guest(json, report) < 0 || set_platform(json, report) < 0)
		return -ENOMEM;
	*ret = TAKE_PTR(json);
	return 0;
}
