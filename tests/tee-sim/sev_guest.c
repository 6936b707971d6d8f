/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
/*
 * /dev/sev-guest (Documentation/virt/coco/sev-guest.rst) as a CUSE device. The ioctls point to
 * buffers elsewhere in the caller's memory: with unrestricted ioctls the kernel fetches and stores
 * what each answer FUSE_IOCTL_RETRY asks for, until all of it is there.
 */
#include "fuse.h"
#include "sim.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sev-guest.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define DEVICE	       "sev-guest"
#define PAGE	       4096
#define CERTS_LIMIT    (4 * PAGE)
#define RESPONSE_HEAD  32 /* status, size, reserved */
#define INVALID_LENGTH 1  /* SNP_GUEST_VMM_ERR_INVALID_LEN */

static const struct sim *sim;
static int device = -1;

/* One ioctl: what came so far, and what is asked for or given back. */
struct call {
	const struct fuse_request *request;
	struct fuse_ioctl_in in;
	const uint8_t *data; /* of in.in_size bytes */
	struct snp_guest_request_ioctl argument;
};

/* A part of the caller's memory. */
struct area {
	uint64_t address;
	uint64_t size;
};

static void retry(const struct call *call, const struct area *in, uint32_t in_count,
		  const struct area *out, uint32_t out_count)
{
	struct fuse_ioctl_out head = {
		.flags = FUSE_IOCTL_RETRY,
		.in_iovs = in_count,
		.out_iovs = out_count,
	};
	struct bytes reply = {0};

	bytes_put(&reply, &head, sizeof(head));
	bytes_put(&reply, in, in_count * sizeof(*in));
	bytes_put(&reply, out, out_count * sizeof(*out));
	fuse_reply(device, call->request, 0, reply.data, reply.size);
	bytes_free(&reply);
}

/* @data goes into the areas that the kernel was told of. @error: an errno, or 0. */
static void finish(const struct call *call, int error, const struct bytes *data)
{
	struct fuse_ioctl_out head = {.result = -error};
	struct bytes reply = {0};

	bytes_put(&reply, &head, sizeof(head));
	if (data)
		bytes_put_bytes(&reply, data);
	fuse_reply(device, call->request, 0, reply.data, reply.size);
	bytes_free(&reply);
}

static void put_response(struct bytes *ret, const uint8_t *user_data)
{
	size_t begin = ret->size;

	bytes_put_le(ret, 0, 4);
	bytes_put_le(ret, SNP_REPORT_SIZE, 4);
	bytes_put_zeros(ret, RESPONSE_HEAD - 8);
	snp_make_report(sim, user_data, ret);
	bytes_put_zeros(ret, sizeof(struct snp_report_resp) - (ret->size - begin));
}

static void get_report(struct call *call)
{
	const struct area in[] = {
		{call->in.arg, sizeof(call->argument)},
		{call->argument.req_data, sizeof(struct snp_report_req)},
	};
	const struct area out[] = {
		in[0],
		{call->argument.resp_data, sizeof(struct snp_report_resp)},
	};
	struct bytes data = {0};

	if (call->in.out_size == 0) {
		retry(call, in, 2, out, 2);
		return;
	}
	call->argument.exitinfo2 = 0;
	bytes_put(&data, &call->argument, sizeof(call->argument));
	put_response(&data, call->data + sizeof(call->argument));
	finish(call, 0, &data);
	bytes_free(&data);
}

/* Too little room for the certificates: how much it takes, and no report. */
static void refuse_length(struct call *call, struct snp_ext_report_req *request, size_t needed)
{
	struct bytes data = {0};

	call->argument.exitinfo2 = (uint64_t)INVALID_LENGTH << 32;
	request->certs_len = (uint32_t)needed;
	bytes_put(&data, &call->argument, sizeof(call->argument));
	bytes_put(&data, request, sizeof(*request));
	finish(call, EIO, &data);
	bytes_free(&data);
}

static void give_extended(struct call *call, const struct snp_ext_report_req *request,
			  const struct bytes *certificates)
{
	struct bytes data = {0};

	call->argument.exitinfo2 = 0;
	bytes_put(&data, &call->argument, sizeof(call->argument));
	bytes_put(&data, request, sizeof(*request));
	put_response(&data, request->data.user_data);
	bytes_put_bytes(&data, certificates);
	finish(call, 0, &data);
	bytes_free(&data);
}

static void get_extended_report(struct call *call)
{
	struct snp_ext_report_req request;
	struct bytes certificates = {0};
	struct area areas[4] = {
		{call->in.arg, sizeof(call->argument)},
		{call->argument.req_data, sizeof(request)},
		{call->argument.resp_data, sizeof(struct snp_report_resp)},
	};
	bool enough;

	if (call->in.in_size < sizeof(call->argument) + sizeof(request)) {
		retry(call, areas, 2, NULL, 0);
		return;
	}
	memcpy(&request, call->data + sizeof(call->argument), sizeof(request));
	if (request.certs_len > CERTS_LIMIT || request.certs_len % PAGE != 0) {
		finish(call, EINVAL, NULL);
		return;
	}
	snp_make_certificates(sim, &certificates);
	enough = request.certs_len >= certificates.size;
	areas[3] = (struct area){request.certs_address, certificates.size};
	if (call->in.out_size == 0)
		retry(call, areas, 2, areas, enough ? 4 : 2);
	else if (enough)
		give_extended(call, &request, &certificates);
	else
		refuse_length(call, &request, certificates.size);
	bytes_free(&certificates);
}

static void do_ioctl(const struct fuse_request *request)
{
	struct call call = {.request = request};
	struct area area;

	memcpy(&call.in, request->body, sizeof(call.in));
	call.data = request->body + sizeof(call.in);
	if (call.in.in_size < sizeof(call.argument)) {
		area = (struct area){call.in.arg, sizeof(call.argument)};
		retry(&call, &area, 1, NULL, 0);
		return;
	}
	memcpy(&call.argument, call.data, sizeof(call.argument));
	if (call.argument.msg_version == 0)
		finish(&call, EINVAL, NULL);
	else if (call.in.cmd == SNP_GET_REPORT)
		get_report(&call);
	else if (call.in.cmd == SNP_GET_EXT_REPORT)
		get_extended_report(&call);
	else
		finish(&call, ENOTTY, NULL);
}

static void serve_one(const struct fuse_request *request)
{
	const struct fuse_open_out open_out = {.open_flags = FOPEN_DIRECT_IO};

	switch (request->header.opcode) {
	case FUSE_OPEN:
		fuse_reply(device, request, 0, &open_out, sizeof(open_out));
		break;
	case FUSE_IOCTL:
		do_ioctl(request);
		break;
	case FUSE_RELEASE:
	case FUSE_FLUSH:
		fuse_reply(device, request, 0, NULL, 0);
		break;
	case FUSE_INTERRUPT:
		break; /* not answered */
	default:
		fuse_reply(device, request, ENOSYS, NULL, 0);
	}
}

static void make_device(void)
{
	struct cuse_init_out out = {
		.major = FUSE_KERNEL_VERSION,
		.minor = FUSE_KERNEL_MINOR_VERSION,
		.flags = CUSE_UNRESTRICTED_IOCTL,
		.max_read = FUSE_WRITE_MAX,
		.max_write = FUSE_WRITE_MAX,
	};
	struct fuse_request request;
	struct bytes reply = {0};

	if (access("/dev/cuse", F_OK) < 0)
		module_load("kernel/fs/fuse/cuse");
	device = open("/dev/cuse", O_RDWR | O_CLOEXEC);
	check(device >= 0, "cannot open /dev/cuse: %s", strerror(errno));
	check(fuse_receive(device, &request) && request.header.opcode == CUSE_INIT,
	      "no request to begin with");
	bytes_put(&reply, &out, sizeof(out));
	bytes_put(&reply, "DEVNAME=" DEVICE, sizeof("DEVNAME=" DEVICE));
	/* The device is there when the kernel has taken this. */
	fuse_reply(device, &request, 0, reply.data, reply.size);
	bytes_free(&reply);
	check(access("/dev/" DEVICE, F_OK) == 0, "no /dev/" DEVICE);
}

void sev_guest_serve(const struct sim *simulated)
{
	struct fuse_request request;

	sim = simulated;
	make_device();
	detach();
	while (fuse_receive(device, &request))
		serve_one(&request);
}
