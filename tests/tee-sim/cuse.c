/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "cuse.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void cuse_retry(const struct cuse_call *call, const struct cuse_area *in, uint32_t in_count,
		const struct cuse_area *out, uint32_t out_count)
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
	fuse_reply(call->fd, call->request, 0, reply.data, reply.size);
	bytes_free(&reply);
}

void cuse_finish(const struct cuse_call *call, int error, const struct bytes *data)
{
	struct fuse_ioctl_out head = {.result = -error};
	struct bytes reply = {0};

	bytes_put(&reply, &head, sizeof(head));
	if (data)
		bytes_put_bytes(&reply, data);
	fuse_reply(call->fd, call->request, 0, reply.data, reply.size);
	bytes_free(&reply);
}

int cuse_make_device(const char *name)
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
	char path[64];
	int fd;

	if (access("/dev/cuse", F_OK) < 0)
		module_load("kernel/fs/fuse/cuse");
	fd = open("/dev/cuse", O_RDWR | O_CLOEXEC);
	check(fd >= 0, "cannot open /dev/cuse: %s", strerror(errno));
	check(fuse_receive(fd, &request) && request.header.opcode == CUSE_INIT,
	      "no request to begin with");
	bytes_put(&reply, &out, sizeof(out));
	bytes_put_text(&reply, "DEVNAME=");
	bytes_put(&reply, name, strlen(name) + 1);
	/* The device is there when the kernel has taken this. */
	fuse_reply(fd, &request, 0, reply.data, reply.size);
	bytes_free(&reply);
	snprintf(path, sizeof(path), "/dev/%s", name);
	check(access(path, F_OK) == 0, "there is no %s", path);
	return fd;
}

static void serve_ioctl(int fd, const struct fuse_request *request,
			void (*answer)(struct cuse_call *call))
{
	struct cuse_call call = {.fd = fd, .request = request};

	memcpy(&call.in, request->body, sizeof(call.in));
	call.data = request->body + sizeof(call.in);
	answer(&call);
}

void cuse_serve(int fd, void (*answer)(struct cuse_call *call))
{
	const struct fuse_open_out open_out = {.open_flags = FOPEN_DIRECT_IO};
	struct fuse_request request;

	while (fuse_receive(fd, &request)) {
		switch (request.header.opcode) {
		case FUSE_OPEN:
			fuse_reply(fd, &request, 0, &open_out, sizeof(open_out));
			break;
		case FUSE_IOCTL:
			serve_ioctl(fd, &request, answer);
			break;
		case FUSE_RELEASE:
		case FUSE_FLUSH:
			fuse_reply(fd, &request, 0, NULL, 0);
			break;
		case FUSE_INTERRUPT:
			break; /* not answered */
		default:
			fuse_reply(fd, &request, ENOSYS, NULL, 0);
		}
	}
}
