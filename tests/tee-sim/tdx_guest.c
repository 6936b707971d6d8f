/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
/* /dev/tdx_guest: the TDREPORT alone, Documentation/virt/coco/tdx-guest.rst of the kernel. */
#include "cuse.h"

#include <errno.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* linux/tdx-guest.h, which Debian 12 does not have yet. */
struct tdx_report_req {
	uint8_t reportdata[REPORT_DATA_SIZE];
	uint8_t tdreport[TDX_REPORT_SIZE];
};
#define TDX_CMD_GET_REPORT0 _IOWR('T', 1, struct tdx_report_req)

static const struct sim *sim;

static void answer(struct cuse_call *call)
{
	const struct cuse_area area = {call->in.arg, sizeof(struct tdx_report_req)};
	struct bytes data = {0};

	if (call->in.cmd != TDX_CMD_GET_REPORT0) {
		cuse_finish(call, ENOTTY, NULL);
		return;
	}
	if (call->in.out_size == 0) {
		cuse_retry(call, &area, 1, &area, 1);
		return;
	}
	bytes_put(&data, call->data, REPORT_DATA_SIZE);
	tdx_make_report(sim, call->data, &data);
	cuse_finish(call, 0, &data);
	bytes_free(&data);
}

void tdx_guest_start(const struct sim *simulated)
{
	int fd;

	sim = simulated;
	measurements_start(sim);
	fd = cuse_make_device("tdx_guest");
	if (fork_server()) {
		close(fd);
		return;
	}
	cuse_serve(fd, answer);
	_exit(0);
}
