/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "base/error.h"
#include "base/reader.h"
#include "tee/snp_certs.h"
#include "tee/snp_ioctl.h"

#include <string.h>

/* GHCB specification, #56421: SNP Guest Request and SNP Extended Guest Request. */
#define VMM_INVALID_LENGTH 1
#define VMM_BUSY	   2

static void put_le(uint8_t *ret, uint64_t value, size_t size)
{
	for (size_t i = 0; i < size; i++)
		ret[i] = (uint8_t)(value >> 8 * i);
}

void snp_request_encode(const uint8_t report_data[static SNP_REPORT_DATA_SIZE], uint32_t vmpl,
			uint8_t ret[static SNP_REQUEST_SIZE])
{
	memset(ret, 0, SNP_REQUEST_SIZE);
	memcpy(ret, report_data, SNP_REPORT_DATA_SIZE);
	put_le(ret + SNP_REPORT_DATA_SIZE, vmpl, 4);
}

void snp_ext_request_encode(const uint8_t report_data[static SNP_REPORT_DATA_SIZE], uint32_t vmpl,
			    uint64_t certs_address, uint32_t certs_size,
			    uint8_t ret[static SNP_EXT_REQUEST_SIZE])
{
	memset(ret, 0, SNP_EXT_REQUEST_SIZE);
	snp_request_encode(report_data, vmpl, ret);
	put_le(ret + SNP_REQUEST_SIZE, certs_address, 8);
	put_le(ret + SNP_REQUEST_SIZE + 8, certs_size, 4);
}

/* SEV-SNP Firmware ABI, #56860: MSG_REPORT_RSP. */
int snp_response_decode(const uint8_t response[static SNP_RESPONSE_SIZE], const uint8_t **ret,
			size_t *ret_size)
{
	struct reader reader = reader_init(response, SNP_RESPONSE_SIZE);
	uint32_t status, size;

	if (reader_le32(&reader, &status) < 0 || reader_le32(&reader, &size) < 0 ||
	    reader_skip(&reader, 24) < 0)
		return -EBADMSG;
	if (status != 0)
		return fail(-EIO, "the SNP firmware refused to make a report: status 0x%x", status);
	if (size != SNP_REPORT_SIZE)
		return fail(-EBADMSG, "the SNP firmware gave a report of %u bytes instead of %d",
			    size, SNP_REPORT_SIZE);
	*ret_size = size;
	return reader_borrow(&reader, size, ret);
}

static int decode_room(const uint8_t request[static SNP_EXT_REQUEST_SIZE], uint32_t *ret_size)
{
	struct reader reader =
		reader_init(request + SNP_REQUEST_SIZE, SNP_EXT_REQUEST_SIZE - SNP_REQUEST_SIZE);
	uint32_t size;

	if (reader_skip(&reader, 8) < 0 || reader_le32(&reader, &size) < 0)
		return -EBADMSG;
	if (size == 0 || size > SNP_CERTS_LIMIT || !IS_ALIGNED(size, SNP_PAGE_SIZE))
		return fail(-EIO, "the host wants room for %u bytes of SNP certificates", size);
	*ret_size = size;
	return -E2BIG;
}

int snp_exit_decode(uint64_t exit_info, const uint8_t request[static SNP_EXT_REQUEST_SIZE],
		    uint32_t *ret_certs_size)
{
	uint32_t hypervisor = (uint32_t)(exit_info >> 32), firmware = (uint32_t)exit_info;

	if (hypervisor == VMM_INVALID_LENGTH)
		return decode_room(request, ret_certs_size);
	if (hypervisor == VMM_BUSY)
		return fail(-EBUSY, "the host is too busy to pass a request to the SNP firmware");
	return fail(-EIO,
		    "the SNP firmware made no report: error 0x%x of the firmware, 0x%x of the host",
		    firmware, hypervisor);
}
