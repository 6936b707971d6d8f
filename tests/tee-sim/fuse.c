/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "fuse.h"

#include "sim.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/uio.h>
#include <unistd.h>

/* One byte more than the kernel ever sends stays zero behind the request. */
static uint8_t buffer[FUSE_WRITE_MAX + 8192];

int fuse_mount(const char *target)
{
	char options[128];
	int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);

	check(fd >= 0, "cannot open /dev/fuse: %s", strerror(errno));
	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other",
		 fd);
	check(mount("tee-sim", target, "fuse", MS_NOSUID | MS_NODEV | MS_NOEXEC, options) == 0,
	      "mounting over %s failed: %s", target, strerror(errno));
	return fd;
}

bool fuse_receive(int fd, struct fuse_request *ret)
{
	ssize_t n;

	do
		n = read(fd, buffer, sizeof(buffer) - 1);
	while (n < 0 && (errno == EINTR || errno == EAGAIN || errno == ENOENT));
	if (n < 0)
		return false;
	check((size_t)n >= sizeof(ret->header), "a request of %zd bytes", n);
	memcpy(&ret->header, buffer, sizeof(ret->header));
	check(ret->header.len == (size_t)n, "a request that is cut short");
	buffer[n] = 0;
	ret->body = buffer + sizeof(ret->header);
	ret->size = (size_t)n - sizeof(ret->header);
	return true;
}

void fuse_reply(int fd, const struct fuse_request *request, int error, const void *data,
		size_t size)
{
	struct fuse_out_header header = {
		.len = (uint32_t)(sizeof(header) + (error ? 0 : size)),
		.error = -error,
		.unique = request->header.unique,
	};
	struct iovec parts[] = {
		{&header, sizeof(header)},
		{(void *)(uintptr_t)data, error ? 0 : size},
	};

	/* ENOENT: who asked was interrupted meanwhile. */
	check(writev(fd, parts, 2) >= 0 || errno == ENOENT, "cannot answer request %u: %s",
	      request->header.opcode, strerror(errno));
}
