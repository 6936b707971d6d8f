/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "fuzz.h"

#include "tee/snp_ioctl.h"
#include "tee/snp_report.h"

#include <endian.h>
#include <string.h>

/* As the kernel's report interface gives it, and behind the header of /dev/sev-guest's answer. */
static void fuzz_response(const uint8_t *data, size_t size)
{
	uint8_t response[SNP_RESPONSE_SIZE] = {};
	const uint8_t *report;
	size_t report_size;

	memcpy(response, data, MIN(size, sizeof(response)));
	if (snp_response_decode(response, &report, &report_size) == 0 &&
	    (report < response || report + report_size > response + sizeof(response)))
		abort();
}

/* What is written has its values at their places; what the host answers is one of three errors. */
static void fuzz_request(const uint8_t *data, size_t size)
{
	uint8_t request[SNP_EXT_REQUEST_SIZE], input[64 + 4 + 8 + 4 + 8] = {};
	uint32_t vmpl, certs_size, room = 0;
	uint64_t exit_info;
	int r;

	memcpy(input, data, MIN(size, sizeof(input)));
	memcpy(&vmpl, input + 64, sizeof(vmpl));
	memcpy(&certs_size, input + 64 + 4 + 8, sizeof(certs_size));
	memcpy(&exit_info, input + 64 + 4 + 8 + 4, sizeof(exit_info));
	snp_ext_request_encode(input, le32toh(vmpl), 0, le32toh(certs_size), request);
	if (memcmp(request, input, 64 + 4) != 0 ||
	    memcmp(request + SNP_REQUEST_SIZE + 8, &certs_size, sizeof(certs_size)) != 0)
		abort();
	r = snp_exit_decode(le64toh(exit_info), request, &room);
	if (r != -EIO && r != -EBUSY && (r != -E2BIG || room != le32toh(certs_size)))
		abort();
}

/* Against the machine's own value, and against another. */
static void check_host_data(const struct snp_report *report)
{
	uint8_t other[SNP_HOST_DATA_SIZE];

	memcpy(other, report->host_data, sizeof(other));
	if (snp_report_check_host_data(report, other, sizeof(other)) < 0)
		abort();
	other[0] ^= 1;
	if (snp_report_check_host_data(report, other, sizeof(other)) == 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup(json_decrefp) json_t *json = NULL;
	struct snp_report report;

	fuzz_request(data, size);
	fuzz_response(data, size);
	if (snp_report_parse(data, size, &report) < 0)
		return 0;
	if (snp_report_check(&report, data + 0x50, report.vmpl) < 0 ||
	    snp_report_check(&report, data + 0x50, report.vmpl + 1) == 0 ||
	    (memcmp(data, data + 0x50, SNP_REPORT_DATA_SIZE) != 0 &&
	     snp_report_check(&report, data, report.vmpl) == 0))
		abort();
	check_host_data(&report);
	if (snp_report_to_json(&report, &json) == 0 &&
	    json_array_size(json_object_get(json, "chip_id")) != 64)
		abort();
	return 0;
}
