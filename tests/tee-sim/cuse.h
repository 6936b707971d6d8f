/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef TEE_SIM_CUSE_H
#define TEE_SIM_CUSE_H

#include "fuse.h"
#include "sim.h"

/*
 * Character devices whose ioctls are answered here. An ioctl points to the caller's memory: with
 * unrestricted ioctls the kernel fetches and stores what each answer FUSE_IOCTL_RETRY asks for,
 * until all of it is there.
 */

struct cuse_call {
	int fd;
	const struct fuse_request *request;
	struct fuse_ioctl_in in;
	const uint8_t *data; /* what was fetched: in.in_size bytes */
};

/* A part of the caller's memory. */
struct cuse_area {
	uint64_t address;
	uint64_t size;
};

/* Make /dev/NAME; the descriptor that serves it. */
int cuse_make_device(const char *name);
/* Answer until the kernel lets go of the device. */
void cuse_serve(int fd, void (*answer)(struct cuse_call *call));

/* Call again with the bytes of @in, and room for those of @out. */
void cuse_retry(const struct cuse_call *call, const struct cuse_area *in, uint32_t in_count,
		const struct cuse_area *out, uint32_t out_count);
/* @data goes into the areas that were asked for, one after the other. @error: an errno, or 0. */
void cuse_finish(const struct cuse_call *call, int error, const struct bytes *data);

#endif
