/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "base/error.h"
#include "base/log.h"
#include "tee/snp_certs.h"
#include "tee/snp_device.h"
#include "tee/snp_ioctl.h"

#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

#define GET_REPORT     _IOWR('S', 0x0, struct snp_guest_request)
#define GET_EXT_REPORT _IOWR('S', 0x2, struct snp_guest_request)

#define ATTEMPTS 5
#define PAUSE_MS 20 /* doubled each time */

/* One request and the room for its answer. */
struct exchange {
	uint8_t request[SNP_EXT_REQUEST_SIZE];
	uint8_t response[SNP_RESPONSE_SIZE];
	uint8_t *certs; /* whole pages; NULL: none wanted */
	uint32_t certs_size;
};

static void exchange_done(struct exchange *exchange)
{
	free(exchange->certs);
}

static int exchange_make_room(struct exchange *exchange, uint32_t size)
{
	free(exchange->certs);
	exchange->certs = aligned_alloc(SNP_PAGE_SIZE, size);
	if (!exchange->certs)
		return -ENOMEM;
	memset(exchange->certs, 0, size);
	exchange->certs_size = size;
	return 0;
}

/* 0, or the error of snp_exit_decode() where the driver says that one is behind it. */
static int call(int fd, unsigned long command, struct exchange *exchange, uint32_t *ret_room)
{
	struct snp_guest_request guest_request = {
		.msg_version = 1,
		.request = (uintptr_t)exchange->request,
		.response = (uintptr_t)exchange->response,
	};
	int error;

	memset(exchange->response, 0, sizeof(exchange->response));
	if (ioctl(fd, command, &guest_request) == 0)
		return 0;
	error = -errno;
	if (guest_request.exit_info != 0)
		return snp_exit_decode(guest_request.exit_info, exchange->request, ret_room);
	return fail(error, "cannot get a report from " SNP_DEVICE ": %s", strerror(-error));
}

static bool is_passing(int error)
{
	return error == -EBUSY || error == -EAGAIN || error == -EINTR || error == -ETIMEDOUT;
}

/* Ask first without room for certificates; the host then says how much they need, if any. */
static int get_with_certs(int fd, const uint8_t report_data[static SNP_REPORT_DATA_SIZE],
			  struct exchange *exchange)
{
	int r = -EBUSY;

	for (unsigned int try = 0; try < ATTEMPTS; try++) {
		struct timespec pause = {.tv_nsec = (long)(PAUSE_MS * 1000000) << try};
		uint32_t room = 0;

		snp_ext_request_encode(report_data, 0, (uintptr_t)exchange->certs,
				       exchange->certs_size, exchange->request);
		r = call(fd, GET_EXT_REPORT, exchange, &room);
		if (r == -E2BIG) {
			r = exchange_make_room(exchange, room);
			if (r < 0)
				return r;
			r = -EBUSY;
		} else if (!is_passing(r))
			return r;
		else
			nanosleep(&pause, NULL);
	}
	return r;
}

static int get_without_certs(int fd, const uint8_t report_data[static SNP_REPORT_DATA_SIZE],
			     struct exchange *exchange)
{
	int r = -EBUSY;

	for (unsigned int try = 0; try < ATTEMPTS && is_passing(r); try++) {
		struct timespec pause = {.tv_nsec = (long)(PAUSE_MS * 1000000) << try};
		uint32_t room;

		if (try > 0)
			nanosleep(&pause, NULL);
		memset(exchange->request, 0, sizeof(exchange->request));
		snp_request_encode(report_data, 0, exchange->request);
		r = call(fd, GET_REPORT, exchange, &room);
	}
	return r;
}

static int copy_report(const struct exchange *exchange, uint8_t **ret, size_t *ret_size)
{
	const uint8_t *report;
	size_t size;
	int r = snp_response_decode(exchange->response, &report, &size);

	if (r < 0)
		return r;
	*ret = malloc(size);
	if (!*ret)
		return -ENOMEM;
	memcpy(*ret, report, size);
	*ret_size = size;
	return 0;
}

int snp_device_get(const char *path, const uint8_t report_data[static SNP_REPORT_DATA_SIZE],
		   uint8_t **ret_report, size_t *ret_report_size, uint8_t **ret_certs,
		   size_t *ret_certs_size)
{
	cleanup(exchange_done) struct exchange exchange = {};
	cleanup(closep) int fd = open(path, O_RDWR | O_CLOEXEC);
	int r;

	if (fd < 0 && (errno == ENOENT || errno == ENODEV || errno == ENXIO))
		return fail(-ENODEV, "there is no %s: the sev-guest driver is not loaded", path);
	if (fd < 0)
		return fail(-errno, "cannot open %s: %s", path, strerror(errno));
	r = get_with_certs(fd, report_data, &exchange);
	if (r < 0 && r != -ENOMEM) {
		log_debug("no report with certificates: %s", fail_sentence(r));
		exchange_done(&exchange);
		exchange.certs = NULL;
		exchange.certs_size = 0;
		r = get_without_certs(fd, report_data, &exchange);
	}
	if (r == 0)
		r = copy_report(&exchange, ret_report, ret_report_size);
	if (r < 0)
		return r;
	*ret_certs = TAKE_PTR(exchange.certs);
	*ret_certs_size = exchange.certs_size;
	return 0;
}
