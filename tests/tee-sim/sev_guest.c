/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
/* /dev/sev-guest: Documentation/virt/coco/sev-guest.rst of the kernel. */
#include "cuse.h"

#include <errno.h>
#include <linux/sev-guest.h>
#include <string.h>
#include <sys/ioctl.h>

#define PAGE	       4096
#define CERTS_LIMIT    (4 * PAGE)
#define RESPONSE_HEAD  32 /* status, size, reserved */
#define INVALID_LENGTH 1  /* SNP_GUEST_VMM_ERR_INVALID_LEN */

static const struct sim *sim;

static void put_response(struct bytes *ret, const uint8_t *user_data)
{
	size_t begin = ret->size;

	bytes_put_le(ret, 0, 4);
	bytes_put_le(ret, SNP_REPORT_SIZE, 4);
	bytes_put_zeros(ret, RESPONSE_HEAD - 8);
	snp_make_report(sim, user_data, ret);
	bytes_put_zeros(ret, sizeof(struct snp_report_resp) - (ret->size - begin));
}

static void get_report(struct cuse_call *call, struct snp_guest_request_ioctl *argument)
{
	const struct cuse_area in[] = {
		{call->in.arg, sizeof(*argument)},
		{argument->req_data, sizeof(struct snp_report_req)},
	};
	const struct cuse_area out[] = {
		in[0],
		{argument->resp_data, sizeof(struct snp_report_resp)},
	};
	struct bytes data = {0};

	if (call->in.out_size == 0) {
		cuse_retry(call, in, 2, out, 2);
		return;
	}
	argument->exitinfo2 = 0;
	bytes_put(&data, argument, sizeof(*argument));
	put_response(&data, call->data + sizeof(*argument));
	cuse_finish(call, 0, &data);
	bytes_free(&data);
}

/* Too little room for the certificates: how much it takes, and no report. */
static void refuse_length(struct cuse_call *call, struct snp_guest_request_ioctl *argument,
			  struct snp_ext_report_req *request, size_t needed)
{
	struct bytes data = {0};

	argument->exitinfo2 = (uint64_t)INVALID_LENGTH << 32;
	request->certs_len = (uint32_t)needed;
	bytes_put(&data, argument, sizeof(*argument));
	bytes_put(&data, request, sizeof(*request));
	cuse_finish(call, EIO, &data);
	bytes_free(&data);
}

static void give_extended(struct cuse_call *call, struct snp_guest_request_ioctl *argument,
			  const struct snp_ext_report_req *request,
			  const struct bytes *certificates)
{
	struct bytes data = {0};

	argument->exitinfo2 = 0;
	bytes_put(&data, argument, sizeof(*argument));
	bytes_put(&data, request, sizeof(*request));
	put_response(&data, request->data.user_data);
	bytes_put_bytes(&data, certificates);
	cuse_finish(call, 0, &data);
	bytes_free(&data);
}

static void get_extended_report(struct cuse_call *call, struct snp_guest_request_ioctl *argument)
{
	struct snp_ext_report_req request;
	struct bytes certificates = {0};
	struct cuse_area areas[4] = {
		{call->in.arg, sizeof(*argument)},
		{argument->req_data, sizeof(request)},
		{argument->resp_data, sizeof(struct snp_report_resp)},
	};
	bool enough;

	if (call->in.in_size < sizeof(*argument) + sizeof(request)) {
		cuse_retry(call, areas, 2, NULL, 0);
		return;
	}
	memcpy(&request, call->data + sizeof(*argument), sizeof(request));
	if (request.certs_len > CERTS_LIMIT || request.certs_len % PAGE != 0) {
		cuse_finish(call, EINVAL, NULL);
		return;
	}
	snp_make_certificates(sim, &certificates);
	enough = request.certs_len >= certificates.size;
	areas[3] = (struct cuse_area){request.certs_address, certificates.size};
	if (call->in.out_size == 0)
		cuse_retry(call, areas, 2, areas, enough ? 4 : 2);
	else if (enough)
		give_extended(call, argument, &request, &certificates);
	else
		refuse_length(call, argument, &request, certificates.size);
	bytes_free(&certificates);
}

static void answer(struct cuse_call *call)
{
	struct snp_guest_request_ioctl argument;
	struct cuse_area area = {call->in.arg, sizeof(argument)};

	if (call->in.in_size < sizeof(argument)) {
		cuse_retry(call, &area, 1, NULL, 0);
		return;
	}
	memcpy(&argument, call->data, sizeof(argument));
	if (argument.msg_version == 0)
		cuse_finish(call, EINVAL, NULL);
	else if (call->in.cmd == SNP_GET_REPORT)
		get_report(call, &argument);
	else if (call->in.cmd == SNP_GET_EXT_REPORT)
		get_extended_report(call, &argument);
	else
		cuse_finish(call, ENOTTY, NULL);
}

void sev_guest_serve(const struct sim *simulated)
{
	int fd = cuse_make_device("sev-guest");

	sim = simulated;
	detach();
	cuse_serve(fd, answer);
}
