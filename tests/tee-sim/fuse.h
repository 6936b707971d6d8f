/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef TEE_SIM_FUSE_H
#define TEE_SIM_FUSE_H

#include <linux/fuse.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The kernel's protocol with a file system or a character device in user space, by hand. */

#define FUSE_WRITE_MAX 65536

struct fuse_request {
	struct fuse_in_header header;
	const uint8_t *body; /* behind the header; a string in it ends within @size */
	size_t size;
};

/* A file system at @target; the descriptor that it is served by. */
int fuse_mount(const char *target);
/* The next request; false when the kernel has let go of the device. */
bool fuse_receive(int fd, struct fuse_request *ret);
/* @error: an errno, or 0 and then @data. */
void fuse_reply(int fd, const struct fuse_request *request, int error, const void *data,
		size_t size);

#endif
